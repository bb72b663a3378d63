//! Staff: roles, four eyes, versioned rules, adjustments, opening balances, erasure.

use paytone_domain::{
    Actor, Answer, Command,
    idempotency::Repeat,
    ids::{BodyHash, ClientKeyHash, OperatorId, ProposalId, RepeatKey, SessionId, SubscriberId},
    operator::{Done, Operation, OperatorCommand, OperatorRefusal, Role},
};

use crate::support::{
    check, check_in,
    script::{ANN, BEA, Script, sealed},
};

fn hire(script: &mut Script, name: &str, role: Role) -> Actor {
    let operation = Operation::AddOperator {
        name: name.to_owned(),
        role,
        password: sealed("verifier"),
    };
    match script.act(operation) {
        Ok(Done::OperatorAdded(id)) => Actor::Operator(id),
        other => panic!("not hired: {other:?}"),
    }
}

fn adjust(minor: i64) -> Operation {
    Operation::Adjust {
        subscriber: SubscriberId(1),
        minor,
        reason: sealed("why"),
    }
}

fn decide(proposal: u64, approve: bool) -> OperatorCommand {
    OperatorCommand::Decide {
        proposal: ProposalId(proposal),
        approve,
    }
}

fn proposed(done: Result<Done, OperatorRefusal>) -> u64 {
    match done {
        Ok(Done::Proposed(ProposalId(id))) => id,
        other => panic!("not a proposal: {other:?}"),
    }
}

#[test]
fn whoever_proposes_never_approves_and_may_take_it_back() {
    let mut script = Script::default();
    let fay = hire(&mut script, "fay", Role::Finance);
    let ray = hire(&mut script, "ray", Role::Risk);
    let id = proposed(script.operate(fay, adjust(50)));
    for (by, refusal) in [
        (fay, OperatorRefusal::SamePerson),
        (ray, OperatorRefusal::NotAllowed),
        (
            Actor::Operator(OperatorId(99)),
            OperatorRefusal::NotSignedIn,
        ),
        (Actor::Console, OperatorRefusal::NotSignedIn),
    ] {
        assert_eq!(script.staff(by, decide(id, true)), Err(refusal), "{by:?}");
    }
    check_in(&mut script, "money alice | nothing");
    assert_eq!(script.staff(ANN, decide(id, true)), Ok(Done::Done));
    check_in(&mut script, "money alice | cash 50");
    assert_eq!(
        script.staff(BEA, decide(id, true)),
        Err(OperatorRefusal::NotFound)
    );

    let id = proposed(script.operate(fay, adjust(50)));
    assert_eq!(script.staff(fay, decide(id, false)), Ok(Done::Rejected));
    assert_eq!(
        script.staff(ANN, decide(id, true)),
        Err(OperatorRefusal::NotFound)
    );
    check_in(&mut script, "money alice | cash 50");
}

#[test]
fn an_approved_operation_is_decided_again_as_things_are_then() {
    let mut script = Script::default();
    check_in(&mut script, "cash alice 50 | ok");
    let id = proposed(script.operate(ANN, adjust(-50)));
    check_in(
        &mut script,
        "
        pay p alice shop 10 manual  | awaiting_approval
        approve p                   | authorized
        ",
    );
    assert_eq!(
        script.staff(BEA, decide(id, true)),
        Err(OperatorRefusal::WouldOverdraw)
    );
    check_in(&mut script, "cancel p | cancelled");
    assert_eq!(script.staff(BEA, decide(id, true)), Ok(Done::Done));
    check_in(&mut script, "money alice | nothing");
}

#[test]
fn each_role_does_its_own_work_and_no_more() {
    let mut script = Script::default();
    let shop = script.merchant("shop");
    let roles = [Role::Viewer, Role::Support, Role::Risk, Role::Finance];
    let people: Vec<_> = roles
        .into_iter()
        .map(|role| (role, hire(&mut script, role.name(), role)))
        .collect();
    let key = Operation::AddClientKey {
        merchant: shop,
        hash: ClientKeyHash([1; 32]),
        label: "till".to_owned(),
    };
    let rules = {
        let mut rules = script.world.state.rules.clone();
        rules.pin_tries = 3;
        Operation::SetRules(Box::new(rules))
    };
    let hire_another = Operation::AddOperator {
        name: "zoe".to_owned(),
        role: Role::Viewer,
        password: sealed(""),
    };
    for (operation, allowed) in [
        (key, vec![Role::Support]),
        (rules, vec![Role::Risk]),
        (adjust(5), vec![Role::Finance]),
        (Operation::ResetPhone(SubscriberId(1)), vec![Role::Support]),
        (
            Operation::EraseSubscriber(SubscriberId(3)),
            vec![Role::Support],
        ),
        (
            Operation::BlockMerchant(shop),
            vec![Role::Support, Role::Risk],
        ),
        (hire_another, vec![]),
    ] {
        for (role, person) in &people {
            let done = script.operate(*person, operation.clone());
            let refused = done == Err(OperatorRefusal::NotAllowed);
            assert_eq!(
                refused,
                !allowed.contains(role),
                "{} by {role:?}: {done:?}",
                operation.name()
            );
        }
    }
    for (role, person) in &people {
        let read = OperatorCommand::NoteRead {
            subscriber: SubscriberId(1),
        };
        let refused = script.staff(*person, read) == Err(OperatorRefusal::NotAllowed);
        assert_eq!(refused, *role == Role::Viewer, "{role:?}");
    }
}

#[test]
fn the_last_admin_stays_and_a_removed_operator_does_nothing_more() {
    let mut script = Script::empty();
    let cid = hire(&mut script, "cid", Role::Admin);
    let Actor::Operator(id) = cid else {
        panic!("an operator");
    };
    let waiting = proposed(script.operate(cid, Operation::RemoveOperator(OperatorId(2))));
    assert_eq!(script.act(Operation::RemoveOperator(id)), Ok(Done::Done));
    assert_eq!(
        script.operate(cid, adjust(5)),
        Err(OperatorRefusal::NotSignedIn)
    );
    assert_eq!(
        script.staff(cid, decide(waiting, true)),
        Err(OperatorRefusal::NotSignedIn)
    );
    assert_eq!(
        script.act(Operation::RemoveOperator(OperatorId(2))),
        Ok(Done::Done)
    );
    assert_eq!(
        script.act(Operation::RemoveOperator(OperatorId(1))),
        Err(OperatorRefusal::LastAdmin)
    );
    // The machine's own console adds the first operator and nobody after that.
    let another = Operation::AddOperator {
        name: "dan".to_owned(),
        role: Role::Admin,
        password: sealed(""),
    };
    assert_eq!(
        script.operate(Actor::Console, another),
        Err(OperatorRefusal::NotSignedIn)
    );
}

#[test]
fn rules_are_versioned_and_raising_a_merchants_limits_takes_two() {
    let mut script = Script::default();
    check_in(
        &mut script,
        "
        rules payment_limit=100     | version 2
        rules payment_limit=100     | unchanged
        rules payment_limit=200     | version 3
        limits shop payment=50      | ok
        limits shop payment=50      | unchanged
        ",
    );
    let shop = script.merchant("shop");
    let mut limits = script
        .world
        .state
        .merchants
        .get(shop)
        .expect("a merchant")
        .limits;
    limits.payment = limits.payment.minus(crate::support::script::amount(1));
    let lower = Operation::SetMerchantLimits {
        merchant: shop,
        limits,
    };
    assert_eq!(script.operate(ANN, lower), Ok(Done::Done));
    limits.payment = limits.payment.plus(crate::support::script::amount(2));
    let raise = Operation::SetMerchantLimits {
        merchant: shop,
        limits,
    };
    proposed(script.operate(ANN, raise));
}

#[test]
fn an_adjustment_never_takes_what_is_not_there_or_held() {
    check(
        "
        cash alice 100                  | ok
        adjust alice -101               | no: would_overdraw
        adjust alice 0                  | no: wrong_status
        adjust alice -9223372036854775808 | no: wrong_status
        pay p alice shop 60 manual      | awaiting_approval
        approve p                       | authorized
        adjust alice -41                | no: would_overdraw
        adjust alice -40                | ok
        adjust alice 7                  | ok
        money alice                     | cash 67 (60 held), spent 60
        book                            | subscriber_cash 67, opening_balances -100, write_off 33
        ",
    );
}

#[test]
fn opening_balances_are_taken_in_exactly_once() {
    check(
        "
        cash alice 100 row=1                    | ok
        cash alice 100 row=1                    | unchanged
        cash alice 100 row=2                    | ok
        grant g alice 50 row=3 expires=1d       | ok
        grant g2 alice 50 row=3 expires=1d      | unchanged
        grant g3 alice 50 row=4 expires=0s      | no: wrong_status
        money alice                             | cash 200, g 50
        book                                    | subscriber_cash 200, grant 50, opening_balances -250
        recycle bob dora                        | recycled
        cash bob 10                             | no: wrong_status
        ",
    );
}

#[test]
fn an_erased_subscriber_is_nobody_and_the_books_stay() {
    check(
        "
        cash alice 100                  | ok
        mandate m alice shop            | awaiting_approval
        sign m                          | active
        pay p alice shop 10             | awaiting_approval
        pay q alice shop 10             | awaiting_approval
        approve q                       | captured
        erase alice                     | ok
        erase alice                     | unchanged
        money alice                     | unclaimed 90, spent 10
        mandate m                       | ended, charged 0
        device alice                    | Removed
        phone alice                     | 0 prompts, attention 0, pin failures 0
        approve p                       | no: device_not_active
        pay r alice shop 10             | awaiting_approval [unknown_number]
        ask e alice                     | enter code
        unblock alice                   | no: wrong_status
        refund s q                      | 10 completed
        money alice                     | unclaimed 100, spent 10
        adjust alice -101               | no: would_overdraw
        adjust alice -40                | ok
        money alice                     | unclaimed 60, spent 10
        wait 3m                         |
        payment p                       | expired
        line alice                      | added
        ",
    );
    let mut script = Script::default();
    check_in(&mut script, "erase alice | ok");
    let erased = script
        .world
        .state
        .subscribers
        .get(SubscriberId(1))
        .expect("a subscriber");
    assert_eq!(erased.profile(), paytone_domain::ids::Sealed::default());
    assert_eq!(
        (&erased.number, &erased.bank, &erased.pin),
        (&None, &None, &None)
    );
}

#[test]
fn erasing_ends_what_is_open_and_leaves_nothing_on_an_account_that_nobody_can_name() {
    check(
        "
        line bob bank                   | updated
        cash bob 100                    | ok
        grant g bob 50                  | ok
        grant e bob 5 origin=gift       | ok
        order bob grant,balance,bank,bill | ok
        pay h bob shop 80 manual        | awaiting_approval
        approve h                       | authorized
        money bob                       | cash 100 (25 held), g 50 (50 held), e 5 (5 held), spent 80
        # This one waits for the bank, for what is not held.
        pay b bob shop 500              | awaiting_approval
        approve b                       | funding
        attempt b                       | funding
        erase bob                       | ok
        payment h                       | failed: g 50 released, e 5 released, balance 25 released
        money bob                       | unclaimed 100
        book                            | campaign_expense 50, unclaimed 100, opening_balances -150
        # What the bank collected goes back.
        done b                          | failed
        book                            | bank_clearing -425, campaign_expense 50, unclaimed 100, suspense 425, opening_balances -150
        attempt b                       | failed
        done b                          | failed
        book                            | campaign_expense 50, unclaimed 100, opening_balances -150
        ",
    );
}

#[test]
fn one_who_left_is_erased_without_moving_anything_twice() {
    check(
        "
        cash alice 100                  | ok
        grant g alice 20                | ok
        pay h alice shop 50 manual      | awaiting_approval
        approve h                       | authorized
        recycle alice dora              | recycled
        money alice                     | cash 30 (30 held), g 20 (20 held), unclaimed 70, spent 50
        erase alice                     | ok
        money alice                     | unclaimed 100
        tick                            | 1 fell
        capture h                       | no: it is failed
        book                            | campaign_expense 20, unclaimed 100, opening_balances -120
        ",
    );
}

fn password(operator: u64, verifier: &str) -> Operation {
    Operation::SetPassword {
        operator: OperatorId(operator),
        password: sealed(verifier),
    }
}

#[test]
fn a_password_is_changed_by_whoever_knows_it_and_reset_by_two_others() {
    let mut script = Script::default();
    let known =
        |script: &Script, id: u64| script.world.state.operators.by_id[&OperatorId(id)].clone();
    let before = known(&script, 1).password;
    let change = |from: &paytone_domain::ids::Sealed| OperatorCommand::ChangePassword {
        from: from.clone(),
        to: sealed("another"),
    };
    assert_eq!(
        script.staff(ANN, change(&sealed("a guess"))),
        Err(OperatorRefusal::ChangedMeanwhile)
    );
    assert_eq!(known(&script, 1).passwords_before, 0);
    assert_eq!(script.staff(ANN, change(&before)), Ok(Done::Done));
    assert_eq!(known(&script, 1).passwords_before, 1);
    // The verifier that was checked is no longer the one: somebody else was first.
    assert_eq!(
        script.staff(ANN, change(&before)),
        Err(OperatorRefusal::ChangedMeanwhile)
    );
    assert_eq!(
        script.operate(ANN, password(1, "x")),
        Err(OperatorRefusal::SamePerson)
    );
    assert_eq!(
        script.operate(ANN, password(9, "x")),
        Err(OperatorRefusal::NotFound)
    );
    let fay = hire(&mut script, "fay", Role::Finance);
    assert_eq!(
        script.operate(fay, password(1, "x")),
        Err(OperatorRefusal::NotAllowed)
    );
    let id = proposed(script.operate(ANN, password(3, "fresh")));
    assert_ne!(known(&script, 3).password, sealed("fresh"));
    assert_eq!(script.staff(BEA, decide(id, true)), Ok(Done::Done));
    assert_eq!(known(&script, 3).password, sealed("fresh"));
}

#[test]
fn rules_that_were_made_of_an_older_version_take_nothing_back() {
    let mut script = Script::default();
    let mut rules = script.world.state.rules.clone();
    rules.pin_tries = 3;
    let stale = proposed(script.operate(ANN, Operation::SetRules(Box::new(rules))));
    check_in(&mut script, "rules payment_limit=100 | version 2");
    assert_eq!(
        script.staff(BEA, decide(stale, true)),
        Err(OperatorRefusal::ChangedMeanwhile)
    );
    assert_eq!(script.staff(BEA, decide(stale, false)), Ok(Done::Rejected));
    assert_eq!(script.world.state.rules.pin_tries, 5);
}

#[test]
fn the_same_key_gives_the_same_proposal_and_another_request_under_it_is_refused() {
    let mut script = Script::default();
    let once = |key: u8, body: u8, operation: Operation| OperatorCommand::Once {
        repeat: Repeat::new(RepeatKey([key; 16]), BodyHash([body; 16])),
        command: Box::new(OperatorCommand::Do(Box::new(operation))),
    };
    let first = script.staff(ANN, once(1, 1, adjust(50)));
    let id = proposed(first.clone());
    let written = script.world.written();
    assert_eq!(script.staff(ANN, once(1, 1, adjust(50))), first);
    assert_eq!(
        script.staff(ANN, once(1, 2, adjust(60))),
        Err(OperatorRefusal::KeyReused)
    );
    assert_eq!(script.world.written(), written);
    assert_eq!(script.world.state.operators.proposals.len(), 1);
    let approve = |key: u8| OperatorCommand::Once {
        repeat: Repeat::new(RepeatKey([key; 16]), BodyHash([3; 16])),
        command: Box::new(decide(id, true)),
    };
    // A refusal did nothing, so its key may try again.
    assert_eq!(
        script.staff(ANN, approve(2)),
        Err(OperatorRefusal::SamePerson)
    );
    assert_eq!(script.staff(BEA, approve(2)), Ok(Done::Done));
    assert_eq!(script.staff(BEA, approve(2)), Ok(Done::Done));
    check_in(&mut script, "money alice | cash 50");
    // After a day the key is forgotten.
    check_in(&mut script, "wait 25h |");
    assert_ne!(script.staff(ANN, once(1, 1, adjust(50))), first);
}

#[test]
fn a_session_that_was_ended_is_remembered_until_its_time_would_be_over() {
    let mut script = Script::default();
    let session = SessionId([5; 16]);
    let until = script.world.moment.now.plus(paytone_domain::time::HOUR);
    let end = || Command::EndSession { session, until };
    for _ in 0..2 {
        assert_eq!(script.world.run(ANN, end()), Answer::SessionEnded);
        assert_eq!(script.world.state.ended_sessions.iter().len(), 1);
    }
    check_in(&mut script, "wait 59m |");
    assert!(script.world.state.ended_sessions.contains(&session));
    check_in(&mut script, "wait 1m |");
    assert!(!script.world.state.ended_sessions.contains(&session));
    assert_eq!(script.world.run(ANN, end()), Answer::SessionEnded);
    assert_eq!(script.world.state.ended_sessions.iter().len(), 0);
}
