//! Races: one winner each, and the loser is told.

use crate::support::check;

#[test]
fn approval_against_cancel_has_one_winner() {
    check(
        "
        cash alice 100          | ok
        pay p alice shop 10     | awaiting_approval
        cancel p                | cancelled
        approve p               | no: already_decided
        refuse p                | no: already_decided
        cancel p                | cancelled
        pay q alice shop 10     | awaiting_approval
        approve q               | captured
        cancel q                | no: it is captured
        money alice             | cash 90, spent 10
        ",
    );
}

#[test]
fn approval_against_expiry_is_decided_by_the_deadline_and_not_by_the_tick() {
    check(
        "
        cash alice 100          | ok
        pay p alice shop 10     | awaiting_approval
        pay q alice shop 10     | awaiting_approval
        pass 179999             |
        approve p               | captured
        pass 1                  |
        approve q               | no: too_late
        refuse q                | no: too_late
        tick                    | 1 fell
        payment q               | expired
        approve q               | no: too_late
        refuse q                | no: too_late
        cancel q                | no: it is expired
        ",
    );
}

#[test]
fn cancel_against_the_bank_has_one_winner() {
    check(
        "
        line alice bank         | updated
        pay p alice shop 10     | awaiting_approval
        approve p               | funding
        attempt p               | funding
        cancel p                | cancelled
        done p                  | cancelled
        book                    | bank_clearing -10, suspense 10
        pay q alice shop 10     | awaiting_approval
        approve q               | funding
        attempt q               | funding
        done q                  | captured
        cancel q                | no: it is captured
        ",
    );
}

#[test]
fn approval_against_refusal_on_another_phone_has_one_winner() {
    check(
        "
        cash alice 100          | ok
        ask e alice             | enter code, sent
        code e right            | enter PIN, further device
        enrol e tablet          | AwaitingApproval
        let tablet by=alice     | Active
        pay p alice shop 10     | awaiting_approval
        refuse p by=tablet      | refused
        approve p               | no: already_decided
        pay q alice shop 10     | awaiting_approval
        approve q by=tablet     | captured
        report q                | no: already_decided
        merchant shop           | taken 10, open 0, wrong codes 0
        ",
    );
}

#[test]
fn of_two_refunds_only_what_is_left_is_paid() {
    check(
        "
        cash alice 100          | ok
        pay p alice shop 100    | awaiting_approval
        approve p               | captured
        refund r1 p 60          | 60 completed
        refund r2 p 60          | no: only 40 left
        refund r3 p             | 40 completed
        money alice             | cash 100, spent 100
        ",
    );
}

#[test]
fn two_approvals_cannot_spend_the_same_money() {
    check(
        "
        cash alice 100              | ok
        pay p alice shop 60 manual  | awaiting_approval
        pay q alice shop 60 manual  | awaiting_approval
        approve p                   | authorized
        approve q                   | no: insufficient_funds
        cancel p                    | cancelled
        approve q                   | authorized
        ",
    );
}
