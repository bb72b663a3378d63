//! Captures: whole, in part, once, until the deadline.

use crate::support::check;

#[test]
fn a_partial_capture_takes_the_first_sources_first_and_releases_the_rest() {
    check(
        "
        grant g alice 30 expires=9d     | ok
        cash alice 50                   | ok
        line alice bank                 | updated
        pay p alice shop 100 manual     | awaiting_approval
        approve p                       | funding
        attempt p                       | funding
        done p                          | authorized
        capture p 101                   | no: more_than_authorized
        capture p 40                    | captured
        payment p       | captured, captured 40: g 30 moved, balance 10 of 50 moved, bank 20 released
        ",
    );
}

#[test]
fn what_a_partial_capture_leaves_of_bank_money_stands_in_suspense_until_it_went_back() {
    check(
        "
        line alice bank                 | updated
        pay p alice shop 100 manual     | awaiting_approval
        approve p                       | funding
        attempt p                       | funding
        done p                          | authorized
        book                            | bank_clearing -100, collected 100
        capture p 40                    | captured
        book                            | bank_clearing -100, merchant_payable 40, suspense 60
        attempt p                       | captured
        unknown p                       | captured
        book                            | bank_clearing -100, merchant_payable 40, suspense 60
        done p                          | captured
        book                            | bank_clearing -40, merchant_payable 40
        done p                          | no: NotOpen
        ",
    );
}

#[test]
fn a_capture_happens_once_and_only_of_what_is_authorised() {
    check(
        "
        cash alice 200                  | ok
        pay p alice shop 100 manual     | awaiting_approval
        capture p                       | no: it is awaiting_approval
        capture p as=cafe               | no: not_found
        approve p                       | authorized
        capture p as=cafe               | no: not_found
        capture p 60                    | captured
        capture p 40                    | no: it is captured
        cancel p                        | no: it is captured
        money alice                     | cash 140, spent 60
        merchant shop                   | taken 60, open 0, wrong codes 0
        ",
    );
}

#[test]
fn an_authorisation_is_captured_before_its_deadline_or_expires() {
    check(
        "
        cash alice 200                  | ok
        pay p1 alice shop 100 manual    | awaiting_approval
        approve p1                      | authorized
        pay p2 alice shop 100 manual    | awaiting_approval
        approve p2                      | authorized
        pass 604799999                  |
        capture p1                      | captured
        pass 1                          |
        capture p2                      | no: it is expired
        tick                            | 2 fell
        payment p2                      | expired: balance 100 released
        capture p2                      | no: it is expired
        money alice                     | cash 100
        ",
    );
}

#[test]
fn what_is_captured_or_ends_no_longer_counts_in_full_against_the_limits() {
    check(
        "
        rules daily_limit=100           | version 2
        limits shop daily=100           | ok
        cash alice 500                  | ok
        pay p1 alice shop 100 manual    | awaiting_approval
        approve p1                      | authorized
        pay no alice shop 1             | declined merchant_daily_limit
        capture p1 70                   | captured
        pay no alice shop 31            | declined merchant_daily_limit
        pay p2 alice shop 30 manual     | awaiting_approval
        approve p2                      | authorized
        pay no alice cafe 1             | awaiting_approval [daily_limit]
        cancel p2                       | cancelled
        pay p3 alice shop 30            | awaiting_approval
        approve p3                      | captured
        money alice                     | cash 400, spent 100
        merchant shop                   | taken 100, open 0, wrong codes 0
        ",
    );
}
