//! What is over leaves memory and comes back when something is asked of it, as if it had never left.

use paytone_domain::{
    Actor, Answer, Command, Event, State,
    archive::{ArchiveCommand, ArchiveRefusal, Closed, Gone, QUIET},
    decide, evolve,
    ids::PaymentId,
    payment::{ClientPaymentRefusal, PaymentCommand},
    time::Timestamp,
};

use crate::support::{check, check_in, script::Script};

/// A world with a captured payment `p` of 60 that has been over for long enough.
fn captured() -> (Script, PaymentId) {
    let mut script = Script::default();
    check_in(
        &mut script,
        "
        cash alice 100          | ok
        pay p alice cafe 60     | awaiting_approval
        approve p               | captured
        pass 5s                 |
        ",
    );
    let id = script.payments["p"];
    (script, id)
}

fn evict(script: &mut Script, number: u64, payments: Vec<(PaymentId, Timestamp)>) -> Answer {
    let keys_before = Timestamp::default();
    let command = ArchiveCommand::Evict {
        number,
        payments,
        keys_before,
    };
    script.world.run(Actor::System, Command::Archive(command))
}

fn recall(script: &mut Script, copy: &Closed, as_of: Timestamp) -> Answer {
    let copy = Box::new(copy.clone());
    let command = ArchiveCommand::Recall { copy, as_of };
    script.world.run(Actor::System, Command::Archive(command))
}

#[test]
fn a_payment_that_left_is_refunded_as_if_it_had_not() {
    check(
        "
        grant soon alice 10 expires=5d  | ok
        cash alice 90                   | ok
        pay p alice cafe 80             | awaiting_approval
        approve p                       | captured
        refund r1 p 20                  | 20 completed
        pass 5s                         |
        archive                         | 1 left
        payment p       | captured, captured 80, fee 6, tax 1, refunded 20: soon 10 moved, balance 70 moved
        refund r1                       | 20 completed
        refund r2 p 55                  | 55 completed
        refund no p 6                   | no: only 5 left
        pass 5s                         |
        archive                         | 1 left
        refund no p 6                   | no: only 5 left
        refund r3 p                     | 5 completed
        money alice                     | cash 90, soon 10, spent 80
        pass 5s                         |
        archive                         | 1 left
        refund r2                       | 55 completed
        refund no p                     | no: only 0 left
        ",
    );
}

#[test]
fn what_is_over_leaves_and_what_may_still_change_stays() {
    check(
        "
        cash alice 100                  | ok
        line bob bank                   | updated
        pay waits alice shop 10         | awaiting_approval
        pay held alice shop 10 manual   | awaiting_approval
        approve held                    | authorized
        pay abroad bob shop 10          | awaiting_approval
        approve abroad                  | funding
        pass 5s                         |
        archive                         | 0 left
        cancel held                     | cancelled
        refuse waits                    | refused
        attempt abroad                  | funding
        cancel abroad                   | cancelled
        pass 5s                         |
        # A result may still come for what was attempted.
        archive                         | 2 left
        done abroad                     | cancelled
        pass 5s                         |
        archive                         | 1 left
        # What goes back to the bank does not need it any more.
        attempt abroad                  | cancelled
        done abroad                     | cancelled
        book                            | subscriber_cash 100, opening_balances -100
        ",
    );
}

#[test]
fn a_refund_on_its_way_keeps_its_payment_in_memory() {
    check(
        "
        line bob bank                   | updated
        pay p bob shop 40               | awaiting_approval
        approve p                       | funding
        attempt p                       | funding
        done p                          | captured
        pass 5s                         |
        archive                         | 1 left
        refund r p 15                   | 15 pending
        pass 5s                         |
        archive                         | 0 left
        attempt p                       | captured
        done p                          | captured
        refund r                        | 15 completed
        pass 4999                       |
        archive                         | 0 left
        pass 1                          |
        archive                         | 1 left
        ",
    );
}

#[test]
fn a_late_answer_on_the_phone_is_told_the_same() {
    check(
        "
        cash alice 100                  | ok
        pay p alice shop 10             | awaiting_approval
        approve p                       | captured
        pay late alice shop 10 in=60s   | awaiting_approval
        wait 60s                        |
        pass 5s                         |
        archive                         | 2 left
        approve p                       | no: already_decided
        refuse p                        | no: already_decided
        approve late                    | no: too_late
        approve p by=bob                | no: not_found
        cancel p                        | no: it is captured
        capture late                    | no: it is expired
        refund no p as=shop             | 10 completed
        refund no p as=cafe             | no: not_found
        ",
    );
}

#[test]
fn a_repeated_request_gets_its_first_answer_when_its_payment_has_left() {
    check(
        "
        cash alice 100                              | ok
        pay p alice shop 80 key=a body=1            | awaiting_approval
        approve p                                   | captured
        refund r p 20 key=b body=2                  | 20 completed
        pass 5s                                     |
        archive                                     | 1 left
        pay p alice shop 80 key=a body=1            | awaiting_approval
        pass 5s                                     |
        archive                                     | 1 left
        refund r p 20 key=b body=2                  | 20 completed
        pay p alice shop 81 key=a body=3            | no: idempotency_key_reused
        money alice                                 | cash 40, spent 80
        ",
    );
}

#[test]
fn what_changed_since_it_was_copied_does_not_leave() {
    let (mut script, id) = captured();
    let copied = script.world.closed(id).payment.changed_at;
    check_in(&mut script, "refund r p 20 | 20 completed\npass 5s |");
    let nothing = Answer::Archive(Err(ArchiveRefusal::NothingLeft));
    assert_eq!(evict(&mut script, 1, vec![(id, copied)]), nothing);
    let now = script.world.closed(id).payment.changed_at;
    assert_eq!(
        evict(&mut script, 1, vec![(id, now)]),
        Answer::Archive(Ok(1))
    );
    assert!(script.world.state.is_gone(Gone::Payment(id)));
    assert!(
        script
            .world
            .state
            .is_gone(Gone::Refund(script.refunds["r"]))
    );
}

#[test]
fn nothing_leaves_before_it_has_been_quiet() {
    let mut script = Script::default();
    check_in(
        &mut script,
        "cash alice 100 | ok\npay p alice shop 60 | awaiting_approval\napprove p | captured",
    );
    let id = script.payments["p"];
    let since = script.world.moment.now;
    script.world.pass(QUIET - 1);
    let nothing = Answer::Archive(Err(ArchiveRefusal::NothingLeft));
    assert_eq!(evict(&mut script, 1, vec![(id, since)]), nothing);
    assert!(
        script
            .world
            .state
            .oldest_closed(&script.world.moment, 0, 9)
            .is_empty()
    );
    script.world.pass(1);
    assert_eq!(
        script
            .world
            .state
            .oldest_closed(&script.world.moment, 0, 9)
            .len(),
        1
    );
    assert_eq!(
        evict(&mut script, 1, vec![(id, since)]),
        Answer::Archive(Ok(1))
    );
}

#[test]
fn evictions_are_numbered_without_a_gap() {
    let (mut script, id) = captured();
    let since = script.world.closed(id).payment.changed_at;
    for number in [0, 2] {
        let refused = Answer::Archive(Err(ArchiveRefusal::Number(0)));
        assert_eq!(evict(&mut script, number, vec![(id, since)]), refused);
    }
    assert_eq!(
        evict(&mut script, 1, vec![(id, since)]),
        Answer::Archive(Ok(1))
    );
    let refused = Answer::Archive(Err(ArchiveRefusal::Number(1)));
    assert_eq!(evict(&mut script, 1, vec![(id, since)]), refused);
}

#[test]
fn a_copy_is_good_for_as_long_as_nothing_can_leave_again() {
    let (mut script, id) = captured();
    assert_eq!(script.world.archive(), 1);
    let (copy, looked) = (script.world.archived(id), script.world.moment.now);
    script.world.pass(QUIET);
    let stale = Answer::Archive(Err(ArchiveRefusal::Stale));
    assert_eq!(recall(&mut script, &copy, looked), stale);
    let ahead = script.world.moment.now.plus(1);
    assert_eq!(recall(&mut script, &copy, ahead), stale);
    let just = script.world.moment.now.plus(1 - QUIET);
    assert_eq!(recall(&mut script, &copy, just), Answer::Archive(Ok(1)));
    // Whoever comes second finds it there.
    assert_eq!(recall(&mut script, &copy, looked), Answer::Archive(Ok(0)));
}

#[test]
fn two_copies_looked_up_together_cannot_give_the_money_back_twice() {
    let (mut script, id) = captured();
    assert_eq!(script.world.archive(), 1);
    let (copy, looked) = (script.world.archived(id), script.world.moment.now);
    assert_eq!(recall(&mut script, &copy, looked), Answer::Archive(Ok(1)));
    check_in(&mut script, "refund r p | 60 completed");
    // However soon it leaves again, the other copy is too old by then.
    let mut left = 0;
    while left == 0 {
        script.world.pass(100);
        left = script.world.archive();
    }
    let stale = Answer::Archive(Err(ArchiveRefusal::Stale));
    assert_eq!(recall(&mut script, &copy, looked), stale);
    check_in(
        &mut script,
        "
        refund no p     | no: only 0 left
        money alice     | cash 100, spent 60
        ",
    );
}

#[test]
fn what_is_no_copy_of_this_journal_does_not_come_in() {
    let (mut script, id) = captured();
    let unknown = Answer::Archive(Err(ArchiveRefusal::Unknown));
    let now = script.world.moment.now;
    let mut other = script.world.closed(id);
    other.payment.id = PaymentId(99);
    assert_eq!(recall(&mut script, &other, now), unknown);
    check_in(
        &mut script,
        "refund r p 10 | 10 completed\npass 5s |\narchive | 1 left",
    );
    let now = script.world.moment.now;
    let copy = script.world.archived(id);
    let mut lacking = copy.clone();
    lacking.refunds.clear();
    assert_eq!(recall(&mut script, &lacking, now), unknown);
    let mut open = copy;
    open.payment.status = paytone_domain::payment::Status::Authorized;
    assert_eq!(recall(&mut script, &open, now), unknown);
}

#[test]
fn nothing_leaves_while_some_node_cannot_read_it() {
    let (script, id) = captured();
    let mut state: State = script.world.state.clone();
    state.settings.as_mut().expect("settings").level = 1;
    let since = state.payments[&id].changed_at;
    let evict = || {
        Command::Archive(ArchiveCommand::Evict {
            number: 1,
            payments: vec![(id, since)],
            keys_before: Timestamp::default(),
        })
    };
    let moment = script.world.moment;
    let refused = decide(&state, &moment, Actor::System, evict());
    assert_eq!(refused.answer, Answer::Archive(Err(ArchiveRefusal::Level)));
    evolve(&mut state, &moment, &Event::LevelActivated { level: 2 });
    let left = decide(&state, &moment, Actor::System, evict());
    assert_eq!(left.answer, Answer::Archive(Ok(1)));
}

#[test]
fn a_key_that_left_is_answered_as_it_was() {
    let mut script = Script::default();
    check_in(
        &mut script,
        "
        cash alice 100                              | ok
        pay p alice shop 80 key=a body=1            | awaiting_approval
        cancel p key=b body=2                       | cancelled
        capture p key=c body=3                      | no: it is cancelled
        mandate m alice shop each=9 month=9 days=9 key=d | awaiting_approval
        pass 5001                                   |
        archive                                     | 1 left
        ",
    );
    assert_eq!(script.world.state.repeats.len(), 0, "all of them left");
    check_in(
        &mut script,
        "
        pay p alice shop 80 key=a body=1            | awaiting_approval
        pay p alice shop 81 key=a body=4            | no: idempotency_key_reused
        cancel p key=b body=2                       | cancelled
        capture p key=c body=3                      | no: it is cancelled
        mandate m alice shop each=9 month=9 days=9 key=d | awaiting_approval
        merchant shop                               | taken 0, open 1, wrong codes 0
        ",
    );
}

#[test]
fn nothing_is_decided_under_a_key_that_may_have_left() {
    let mut script = Script::default();
    check_in(
        &mut script,
        "
        cash alice 100                              | ok
        pay p alice shop 80 key=a body=1            | awaiting_approval
        pass 5001                                   |
        archive                                     | 0 left
        ",
    );
    let left = script.world.state.repeats.left_before();
    assert_eq!(left, script.world.moment.now.plus(-QUIET));
    let cancel = |script: &mut Script, checked: Timestamp| {
        let mut command = Command::Payment(PaymentCommand::Cancel {
            merchant: script.merchant("shop"),
            id: script.payments["p"],
            repeat: script.repeat(Some("b"), "2"),
        });
        command.say_checked(checked);
        script.world.ask(Actor::System, command)
    };
    let written = script.world.written();
    let unchecked = ClientPaymentRefusal::Archived(Gone::Keys);
    for checked in [Timestamp::default(), left.plus(-1)] {
        let answer = cancel(&mut script, checked);
        assert_eq!(answer, Answer::ClientRefused(unchecked));
    }
    assert_eq!(script.world.written(), written);
    assert!(matches!(cancel(&mut script, left), Answer::Payment(Ok(_))));
}
