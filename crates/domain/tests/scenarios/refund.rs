//! Refunds: up to what was captured, to the very sources, newest spent first.

use crate::support::check;

#[test]
fn refunds_go_back_to_the_very_sources_newest_spent_first_up_to_what_was_captured() {
    check(
        "
        grant soon alice 10 expires=5d  | ok
        grant late alice 20 expires=9d  | ok
        cash alice 30                   | ok
        line alice bill=40              | updated
        pay p alice shop 100            | awaiting_approval
        approve p                       | captured
        money alice                     | bill -40, spent 100
        refund r1 p 50                  | 50 completed
        money alice                     | cash 10, spent 100
        refund r2 p 35                  | 35 completed
        money alice                     | cash 30, late 15, spent 100
        refund no p 16                  | no: only 15 left
        refund r3 p                     | 15 completed
        money alice                     | cash 30, soon 10, late 20, spent 100
        refund no p                     | no: only 0 left
        refund no p 1                   | no: only 0 left
        payment p   | captured, captured 100, refunded 100: soon 10 moved, late 20 moved, balance 30 moved, bill 40 moved
        ",
    );
}

#[test]
fn only_what_was_captured_by_this_merchant_is_refunded() {
    check(
        "
        cash alice 100                  | ok
        pay p alice shop 100 manual     | awaiting_approval
        refund no p                     | no: it is awaiting_approval
        approve p                       | authorized
        refund no p                     | no: it is authorized
        capture p 60                    | captured
        refund no p 10 as=cafe          | no: not_found
        refund no p 61                  | no: only 60 left
        refund r p 60                   | 60 completed
        money alice                     | cash 100, spent 60
        ",
    );
}

#[test]
fn a_refund_gives_this_months_bill_back_and_leaves_the_fee() {
    check(
        "
        line alice bill=100             | updated
        pay p1 alice cafe 100           | awaiting_approval
        approve p1                      | captured
        refund r1 p1 40                 | 40 completed
        book                            | bill_receivable -60, merchant_payable 53, fee_income 6, fee_tax 1
        pay p2 alice shop 41            | awaiting_approval
        approve p2                      | no: insufficient_funds
        pay p3 alice shop 40            | awaiting_approval
        approve p3                      | captured
        ",
    );
}

#[test]
fn a_refund_to_an_expired_lot_goes_where_its_campaign_says() {
    check(
        "
        grant c alice 10 expires=1d refund=cash     | ok
        grant f alice 10 expires=1d refund=forfeit  | ok
        grant e alice 10 expires=1d refund=extend:2 | ok
        pay p alice shop 30                         | awaiting_approval
        approve p                                   | captured
        wait 1d                                     |
        refund r1 p 10                              | 10 completed
        money alice                                 | e 10
        refund r2 p 10                              | 10 completed
        money alice                                 | e 10
        book            | grant 10, merchant_payable 10, campaign_expense 10, opening_balances -30
        refund r3 p 10                              | 10 completed
        money alice                                 | cash 10, e 10
        pay q alice shop 15                         | awaiting_approval
        approve q                                   | captured
        payment q       | captured, captured 15: e 10 moved, balance 5 moved
        refund r4 q 15                              | 15 completed
        wait 2d                                     |
        money alice                                 | cash 10
        ",
    );
}

#[test]
fn a_refund_of_bank_money_is_pending_until_the_bank_took_it_back() {
    check(
        "
        line alice bank             | updated
        cash alice 20               | ok
        pay p alice shop 100        | awaiting_approval
        approve p                   | funding
        attempt p                   | funding
        done p                      | captured
        refund r1 p 50              | 50 pending
        refund r2 p 40              | 40 pending
        book                        | subscriber_cash 10, bank_clearing -80, merchant_payable 10, suspense 80, opening_balances -20
        attempt p                   | captured
        done p                      | captured
        refund r1                   | 50 completed
        refund r2                   | 40 pending
        attempt p                   | captured
        unknown p                   | captured
        done p                      | captured
        refund r2                   | 40 completed
        ",
    );
}

#[test]
fn what_the_bank_will_not_take_back_waits_for_a_person() {
    check(
        "
        line alice bank             | updated
        pay p alice shop 100        | awaiting_approval
        approve p                   | funding
        attempt p                   | funding
        done p                      | captured
        refund r1 p 60              | 60 pending
        attempt p                   | captured
        refused p                   | captured
        done p                      | no: NotOpen
        attempt p                   | no: NotOpen
        book                        | bank_clearing -100, merchant_payable 40, suspense 60
        again p                     | ok
        attempt p                   | captured
        refused p                   | captured
        tobalance p                 | ok
        tobalance p                 | no: not_found
        money alice                 | cash 60, spent 100
        book                        | subscriber_cash 60, bank_clearing -100, merchant_payable 40
        ",
    );
}

#[test]
fn a_refund_finds_its_lots_however_many_they_are() {
    let mut rows = String::new();
    for lot in 1..=300 {
        rows += &format!("grant g{lot} alice 1 | ok\n");
    }
    rows += "
        pay p alice shop 300    | awaiting_approval
        approve p               | captured
        money alice             | spent 300
        refund r1 p 1           | 1 completed
        money alice             | g300 1, spent 300
        refund r2 p 43          | 43 completed
        refund r3 p 2           | 2 completed
        refund r4 p             | 254 completed
        refund no p 1           | no: only 0 left
        ";
    check(&rows);
}
