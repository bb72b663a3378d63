//! Idempotency keys. That a retry right after changes nothing and answers alike is checked after every command of every scenario.

use crate::support::check;

#[test]
fn the_same_key_and_body_get_the_first_answer_however_things_stand_now() {
    check(
        "
        cash alice 100                                  | ok
        pay p alice shop 80 manual key=a body=1         | awaiting_approval
        approve p                                       | authorized
        pay p alice shop 80 manual key=a body=1         | awaiting_approval
        capture p 50 key=b body=2                       | captured
        capture p 50 key=b body=2                       | captured
        capture p 50 key=c body=2                       | no: it is captured
        refund r p 20 key=d body=3                      | 20 completed
        refund r p 20 key=d body=3                      | 20 completed
        payment p                                       | captured, captured 50, refunded 20: balance 50 of 80 moved
        pay p alice shop 80 manual key=a body=1         | awaiting_approval
        money alice                                     | cash 70, spent 50
        ",
    );
}

#[test]
fn a_refusal_is_repeated_even_when_it_would_now_succeed() {
    check(
        "
        cash alice 100                          | ok
        limits shop payment=10                  | ok
        pay p alice shop 80 key=a body=1        | declined merchant_payment_limit
        limits shop payment=1000                | ok
        pay p alice shop 80 key=a body=1        | declined merchant_payment_limit
        pay q alice shop 80 manual              | awaiting_approval
        capture q key=b body=2                  | no: it is awaiting_approval
        approve q                               | authorized
        capture q key=b body=2                  | no: it is awaiting_approval
        capture q key=c body=2                  | captured
        ",
    );
}

#[test]
fn the_same_key_with_another_body_is_refused_and_does_not_use_it_up() {
    check(
        "
        cash alice 100                          | ok
        pay p alice shop 80 key=a body=1        | awaiting_approval
        pay p alice shop 81 key=a body=2        | no: idempotency_key_reused
        pay p alice shop 80 key=a body=1        | awaiting_approval
        merchant shop                           | taken 0, open 1, wrong codes 0
        ",
    );
}

#[test]
fn a_key_is_kept_for_a_day_and_forgotten_a_quarter_of_an_hour_later() {
    check(
        "
        cash alice 100                          | ok
        pay p alice shop 10 key=a body=1        | awaiting_approval
        pay q alice shop 10 key=b body=1        | awaiting_approval
        wait 24h                                |
        pay p alice shop 11 key=a body=2        | no: idempotency_key_reused
        pay p alice shop 10 key=a body=1        | awaiting_approval
        payment p                               | expired
        wait 15m                                |
        pay new alice shop 11 key=a body=2      | awaiting_approval
        merchant shop                           | taken 0, open 1, wrong codes 0
        ",
    );
}

#[test]
fn what_was_not_decided_for_lack_of_room_may_be_asked_again_with_the_same_key() {
    check(
        "
        cash alice 100                          | ok
        rules open_payments=1                   | version 2
        pay p alice shop 10                     | awaiting_approval
        pay q alice shop 10 key=a body=1        | no: overloaded
        mandate m alice shop key=b              | no: overloaded
        cancel p                                | cancelled
        pay q alice shop 10 key=a body=1        | awaiting_approval
        ",
    );
}
