//! Staff: roles, four eyes, versioned rules, adjustments, opening balances, erasure.

use paytone_domain::{
    Actor,
    ids::{ClientKeyHash, OperatorId, ProposalId, SubscriberId},
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
        money alice                     | cash 90, spent 10
        mandate m                       | ended, charged 0
        device alice                    | Removed
        approve p                       | no: device_not_active
        pay r alice shop 10             | awaiting_approval [unknown_number]
        ask e alice                     | enter code
        unblock alice                   | no: wrong_status
        refund s q                      | 10 completed
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
    assert_eq!(erased.profile, paytone_domain::ids::Sealed::default());
    assert_eq!(
        (&erased.number, &erased.bank, &erased.pin),
        (&None, &None, &None)
    );
}
