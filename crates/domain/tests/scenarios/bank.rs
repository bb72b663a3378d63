//! The bank answers: in time, late, never, no, and unknown first.

use crate::support::check;

#[test]
fn a_refusal_by_the_bank_fails_the_payment_and_frees_what_was_held() {
    check(
        "
        cash alice 40           | ok
        line alice bank         | updated
        pay p alice shop 100    | awaiting_approval
        approve p               | funding
        attempt p               | funding
        money alice             | cash 40 (40 held), spent 100
        refused p               | failed
        payment p               | failed: balance 40 released, bank 60 refused
        money alice             | cash 40
        refused p               | no: NotOpen
        done p                  | no: NotOpen
        ",
    );
}

#[test]
fn an_unknown_answer_is_asked_after_until_it_is_known() {
    check(
        "
        line alice bank         | updated
        pay p alice shop 100    | awaiting_approval
        approve p               | funding
        attempt p               | funding
        unknown p               | funding
        unknown p               | funding
        done p                  | captured
        book                    | bank_clearing -100, merchant_payable 100
        ",
    );
}

#[test]
fn at_the_deadline_an_undecided_bank_fails_the_payment_and_its_late_money_goes_back() {
    check(
        "
        cash alice 40               | ok
        line alice bank             | updated
        pay p alice shop 100        | awaiting_approval
        approve p                   | funding
        attempt p                   | funding
        unknown p                   | funding
        wait 179s                   |
        payment p                   | funding: balance 40 held, bank 60 wanted
        wait 1s                     |
        payment p                   | failed: balance 40 released, bank 60 wanted
        money alice                 | cash 40
        done p                      | failed
        payment p                   | failed: balance 40 released, bank 60 released
        book                        | subscriber_cash 40, bank_clearing -60, suspense 60, opening_balances -40
        attempt p                   | failed
        unknown p                   | failed
        book                        | subscriber_cash 40, bank_clearing -60, suspense 60, opening_balances -40
        done p                      | failed
        book                        | subscriber_cash 40, opening_balances -40
        ",
    );
}

#[test]
fn money_that_comes_at_the_deadline_is_late_even_before_the_tick() {
    check(
        "
        line alice bank             | updated
        pay p alice shop 100        | awaiting_approval
        approve p                   | funding
        attempt p                   | funding
        pass 180s                   |
        done p                      | failed
        book                        | bank_clearing -100, suspense 100
        tick                        |
        pay q alice shop 100        | awaiting_approval
        approve q                   | funding
        attempt q                   | funding
        pass 179999                 |
        done q                      | captured
        ",
    );
}

#[test]
fn what_was_never_attempted_is_dropped_and_nothing_is_attempted_after_the_deadline() {
    check(
        "
        line alice bank             | updated
        pay p alice shop 100        | awaiting_approval
        approve p                   | funding
        done p                      | no: NotOpen
        cancel p                    | cancelled
        attempt p                   | no: NotOpen
        payment p                   | cancelled: bank 100 refused
        pay q alice shop 100        | awaiting_approval
        approve q                   | funding
        pass 180s                   |
        attempt q                   | no: NotOpen
        done q                      | no: NotOpen
        tick                        | 1 fell
        payment q                   | failed: bank 100 refused
        book                        |
        ",
    );
}

#[test]
fn what_the_bank_never_saw_is_not_sent_again_once_its_payment_is_over() {
    check(
        "
        line alice bank             | updated
        pay p alice shop 100        | awaiting_approval
        approve p                   | funding
        attempt p                   | funding
        unknown p                   | funding
        pass 179999                 |
        attempt p                   | funding
        unknown p                   | funding
        pass 1                      |
        attempt p                   | no: PaymentOver
        tick                        | 1 fell
        attempt p                   | no: PaymentOver
        refused p                   | failed
        payment p                   | failed: bank 100 refused
        book                        |
        pay q alice shop 100        | awaiting_approval
        approve q                   | funding
        attempt q                   | funding
        unknown q                   | funding
        cancel q                    | cancelled
        attempt q                   | no: PaymentOver
        done q                      | cancelled
        attempt q                   | cancelled
        unknown q                   | cancelled
        attempt q                   | cancelled
        done q                      | cancelled
        book                        |
        ",
    );
}

#[test]
fn a_late_refusal_leaves_nothing_to_do() {
    check(
        "
        line alice bank             | updated
        pay p alice shop 100        | awaiting_approval
        approve p                   | funding
        attempt p                   | funding
        pass 180s                   |
        refused p                   | funding
        tick                        | 1 fell
        payment p                   | failed: bank 100 refused
        book                        |
        ",
    );
}

#[test]
fn collected_money_goes_back_when_the_authorisation_is_cancelled_or_expires() {
    check(
        "
        line alice bank             | updated
        pay p alice shop 100 manual | awaiting_approval
        approve p                   | funding
        attempt p                   | funding
        done p                      | authorized
        cancel p                    | cancelled
        book                        | bank_clearing -100, suspense 100
        attempt p                   | cancelled
        done p                      | cancelled
        pay q alice shop 100 manual | awaiting_approval
        approve q                   | funding
        attempt q                   | funding
        done q                      | authorized
        wait 7d                     |
        payment q                   | expired: bank 100 released
        attempt q                   | expired
        done q                      | expired
        book                        |
        ",
    );
}
