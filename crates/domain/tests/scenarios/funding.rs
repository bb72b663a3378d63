//! The waterfall: order, lots, scope, all or nothing, the bill's month, and what a capture leaves.

use crate::support::check;

#[test]
fn sources_are_taken_in_the_payers_order_and_lots_soonest_expiring_first() {
    check(
        "
        cash alice 100                  | ok
        grant late alice 30 expires=9d  | ok
        grant soon alice 20 expires=3d  | ok
        grant ever alice 10             | ok
        line alice bill=50 bank         | updated
        pay p1 alice shop 55            | awaiting_approval
        approve p1                      | captured
        payment p1                      | captured, captured 55: soon 20 moved, late 30 moved, ever 5 moved
        order alice bank,bill,balance,grant | ok
        pay p2 alice shop 60            | awaiting_approval
        approve p2                      | funding
        payment p2                      | funding: bank 60 wanted
        order alice balance,bill,grant,bank | ok
        pay p3 alice shop 160           | awaiting_approval
        approve p3                      | funding
        payment p3                      | funding: balance 100 held, bill 50 held, ever 5 held, bank 5 wanted
        money alice                     | cash 100 (100 held), ever 5 (5 held), bill 0 (50 held), spent 275
        ",
    );
}

#[test]
fn a_payment_is_funded_whole_or_not_at_all_and_the_prompt_stays_open() {
    check(
        "
        cash alice 60           | ok
        grant g alice 39        | ok
        pay p alice shop 100    | awaiting_approval
        approve p               | no: insufficient_funds
        money alice             | cash 60, g 39
        cash alice 1            | ok
        approve p               | captured
        money alice             | spent 100
        book                    | merchant_payable 100, opening_balances -100
        ",
    );
}

#[test]
fn a_lot_is_spent_only_where_its_scope_allows() {
    check(
        "
        grant here alice 10 at=shop expires=1d  | ok
        grant food alice 10 in=5812 expires=2d  | ok
        grant any alice 10 expires=3d           | ok
        cash alice 100                          | ok
        pay p1 alice shop 25                    | awaiting_approval
        approve p1                              | captured
        payment p1          | captured, captured 25: here 10 moved, any 10 moved, balance 5 moved
        pay p2 alice cafe 25                    | awaiting_approval
        approve p2                              | captured
        payment p2          | captured, captured 25, fee 5, tax 1: food 10 moved, balance 15 moved
        ",
    );
}

#[test]
fn a_lot_pays_until_its_expiry_and_what_is_left_goes_back_where_it_came_from() {
    check(
        "
        grant g alice 30 expires=1h     | ok
        pay p1 alice shop 10 in=2h      | awaiting_approval
        pass 3599s                      |
        approve p1                      | captured
        pay p2 alice shop 10 in=2h      | awaiting_approval
        pass 1s                         |
        approve p2                      | no: insufficient_funds
        money alice                     | g 20, spent 10
        tick                            | 1 fell
        money alice                     | spent 10
        book                            | merchant_payable 10, campaign_expense 20, opening_balances -30
        ",
    );
}

#[test]
fn what_is_held_on_an_expired_lot_waits_for_its_payment() {
    check(
        "
        grant g alice 30 expires=1h         | ok
        pay p1 alice shop 20 manual         | awaiting_approval
        approve p1                          | authorized
        wait 1h                             |
        money alice                         | g 20 (20 held), spent 20
        capture p1 15                       | captured
        tick                                | 1 fell
        money alice                         | spent 15
        book                                | merchant_payable 15, campaign_expense 15, opening_balances -30
        ",
    );
}

#[test]
fn the_phone_bill_takes_up_to_its_limit_in_each_month() {
    check(
        "
        line alice bill=100             | updated
        pay p1 alice shop 70            | awaiting_approval
        approve p1                      | captured
        pay p2 alice shop 31            | awaiting_approval
        approve p2                      | no: insufficient_funds
        pay p3 alice shop 30 manual     | awaiting_approval
        approve p3                      | authorized
        pay p4 alice shop 1             | awaiting_approval
        approve p4                      | no: insufficient_funds
        cancel p3                       | cancelled
        approve p4                      | captured
        # December begins; the limit is there again.
        wait 21d                        |
        pay p5 alice shop 101           | awaiting_approval
        approve p5                      | no: insufficient_funds
        pay p6 alice shop 100           | awaiting_approval
        approve p6                      | captured
        money alice                     | bill -171, spent 100
        ",
    );
}

#[test]
fn the_bank_pays_what_the_others_lack_and_only_where_there_is_an_account() {
    check(
        "
        cash alice 40               | ok
        pay p1 alice shop 100       | awaiting_approval
        approve p1                  | no: insufficient_funds
        line alice bank             | updated
        approve p1                  | funding
        payment p1                  | funding: balance 40 held, bank 60 wanted
        attempt p1                  | funding
        done p1                     | captured
        payment p1                  | captured, captured 100: balance 40 moved, bank 60 moved
        book                        | bank_clearing -60, merchant_payable 100, opening_balances -40
        ",
    );
}

#[test]
fn money_is_held_at_the_approval_and_moves_at_the_capture() {
    check(
        "
        cash alice 100                  | ok
        pay p alice cafe 80 manual      | awaiting_approval
        money alice                     | cash 100
        approve p                       | authorized
        money alice                     | cash 100 (80 held), spent 80
        pay other alice shop 21         | awaiting_approval
        approve other                   | no: insufficient_funds
        capture p                       | captured
        payment p                       | captured, captured 80, fee 6, tax 1: balance 80 moved
        money alice                     | cash 20, spent 80
        book                            | subscriber_cash 20, merchant_payable 73, fee_income 6, fee_tax 1, opening_balances -100
        ",
    );
}

#[test]
fn what_expires_goes_back_to_opening_balances_unless_a_campaign_gave_it() {
    check(
        "
        grant c alice 30 expires=1h                 | ok
        grant g alice 20 expires=1h origin=gift     | ok
        grant w alice 10 expires=1h origin=welfare  | ok
        book                                        | grant 60, opening_balances -60
        wait 1h                                     |
        money alice                                 | nothing
        book                                        | campaign_expense 30, opening_balances -30
        ",
    );
}

#[test]
fn lots_that_were_spent_long_ago_stand_in_nobodys_way_and_take_their_refund() {
    let mut script = String::from(
        "
        mandate m alice shop each=500 month=5000    | awaiting_approval
        sign m                                      | active
        ",
    );
    for number in 0..1_001 {
        script += &format!("grant g{number} alice 1 | ok\ncharge c{number} m 1 | captured\n");
    }
    script += "
        money alice             | spent 1001
        refund r c0             | 1 completed
        money alice             | g0 1, spent 1001
        grant last alice 20     | ok
        charge c m 21           | captured
        payment c               | captured, captured 21: g0 1 moved, last 20 moved
        refund r2 c             | 21 completed
        money alice             | g0 1, last 20, spent 1022
        ";
    check(&script);
}
