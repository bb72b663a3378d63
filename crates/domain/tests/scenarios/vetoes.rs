//! Vetoes: a test per rule file, both sides of each boundary.
//!
//! What stands in square brackets is the payer's veto; the merchant sees only what stands before it.

use crate::support::check;

#[test]
fn unknown_number_a_number_that_is_nobodys_is_never_asked() {
    check(
        "
        pay p nobody shop 10        | awaiting_approval [unknown_number]
        mandate m nobody shop       | awaiting_approval [unknown_number]
        pay q alice shop 10         | awaiting_approval
        ",
    );
}

#[test]
fn subscriber_status_line_account_payers_block_and_a_phone_to_ask() {
    check(
        "
        pay p alice shop 10             | awaiting_approval
        line alice status=suspended     | updated
        pay q alice shop 10             | awaiting_approval [line_not_active]
        approve p                       | no: line_not_active
        payment p                       | awaiting_approval [line_not_active]
        line alice status=active        | updated
        pay r alice shop 10             | awaiting_approval
        line alice status=terminated    | updated
        pay s alice shop 10             | awaiting_approval [line_not_active]
        line alice status=active        | updated
        block alice                     | ok
        pay t alice shop 10             | awaiting_approval [subscriber_blocked]
        unblock alice                   | ok
        pay u alice shop 10             | awaiting_approval
        report u                        | refused
        pay v alice shop 10             | awaiting_approval [merchant_blocked_by_payer]
        stop alice by=alice             | Removed
        pay w alice cafe 10             | awaiting_approval [no_device]
        line new                        | added
        pay x new cafe 10               | awaiting_approval [no_device]
        ",
    );
}

#[test]
fn merchant_blocked_takes_nothing_and_is_told() {
    check(
        "
        cash alice 100              | ok
        pay p alice shop 10         | awaiting_approval
        mandate m alice shop        | awaiting_approval
        sign m                      | active
        block shop                  | ok
        pay q alice shop 10         | declined merchant_blocked
        pay q nobody shop 10        | declined merchant_blocked
        charge q m 10               | declined merchant_blocked
        mandate n alice shop        | no: merchant_blocked
        approve p                   | no: merchant_blocked
        unblock shop                | ok
        pay q alice shop 10         | awaiting_approval
        ",
    );
}

#[test]
fn merchant_limits_per_payment_and_day_are_told_and_count_from_the_approval() {
    check(
        "
        cash alice 1000                     | ok
        limits shop payment=100 daily=250   | ok
        pay p alice shop 101                | declined merchant_payment_limit
        pay p nobody shop 101               | declined merchant_payment_limit
        pay p1 alice shop 100               | awaiting_approval
        pay p2 alice shop 100               | awaiting_approval
        pay p3 alice shop 100               | awaiting_approval
        approve p1                          | captured
        approve p2                          | captured
        # Asked for while there was room; approved when there is none.
        approve p3                          | no: merchant_daily_limit
        pay p4 alice shop 51                | declined merchant_daily_limit
        pay p5 alice shop 50                | awaiting_approval
        approve p5                          | captured
        pay p6 alice shop 1                 | declined merchant_daily_limit
        wait 12h                            |
        pay p7 alice shop 100               | awaiting_approval
        ",
    );
}

#[test]
fn merchant_prompts_per_hour_at_a_time_and_after_wrong_codes() {
    check(
        "
        rules merchant_prompts_per_hour=3 merchant_open=2 merchant_wrong_codes_per_day=2 | version 2
        pay p1 alice shop 10            | awaiting_approval
        pay p2 nobody shop 10           | awaiting_approval [unknown_number]
        pay p3 alice shop 10            | declined merchant_too_many_open
        mandate m alice shop            | no: merchant_too_many_open
        cancel p2                       | cancelled [unknown_number]
        mandate m alice shop            | awaiting_approval
        end m                           | cancelled
        pay p4 alice shop 10            | declined merchant_too_many_prompts
        approve p1 code=wrong           | no: wrong_code
        wait 1h                         |
        pay p5 alice shop 10            | awaiting_approval
        report p5                       | refused
        pay p6 bob shop 10              | declined merchant_wrong_codes
        pay p6 bob cafe 10              | awaiting_approval
        wait 12h                        |
        pay p7 bob shop 10              | awaiting_approval
        ",
    );
}

#[test]
fn amount_limits_per_payment_day_month_and_for_somebody_elses_request() {
    check(
        "
        cash alice 10000                    | ok
        rules payment_limit=100 daily_limit=150 monthly_limit=300 other_person_limit=50 | version 2
        pay p alice shop 101                | awaiting_approval [payment_limit]
        pay p alice shop 51 other           | awaiting_approval [other_person_limit]
        pay p1 alice shop 50 other          | awaiting_approval
        pay p2 alice shop 100               | awaiting_approval
        pay p3 alice shop 100               | awaiting_approval
        approve p2                          | captured
        approve p3                          | no: daily_limit
        pay p alice shop 51                 | awaiting_approval [daily_limit]
        approve p1                          | captured
        pay p alice shop 1                  | awaiting_approval [daily_limit]
        wait 12h                            |
        pay p4 alice shop 100               | awaiting_approval
        approve p4                          | captured
        wait 24h                            |
        pay p alice shop 51                 | awaiting_approval [monthly_limit]
        pay p5 alice shop 50                | awaiting_approval
        approve p5                          | captured
        wait 24h                            |
        pay p alice shop 1                  | awaiting_approval [monthly_limit]
        # December.
        wait 18d                            |
        pay p6 alice shop 100               | awaiting_approval
        ",
    );
}

#[test]
fn number_age_counts_from_the_activation() {
    check(
        "
        line young activated=167h       | added
        ask e young                     | enter code, sent
        code e right                    | choose PIN
        enrol e young                   | Active
        pass 3599999                    |
        pay p young shop 10             | awaiting_approval [number_too_young]
        pass 1                          |
        pay q young shop 10             | awaiting_approval
        ",
    );
}

#[test]
fn recent_change_of_sim_or_device_cools_off_and_old_line_facts_reduce_the_limits() {
    check(
        "
        cash alice 10000                | ok
        rules reduced_payment_limit=100 reduced_daily_limit=150 | version 2
        pay p alice shop 10             | awaiting_approval
        line alice sim=now              | updated
        approve p                       | no: recent_sim_change
        pass 172799999                  |
        pay p alice shop 10             | awaiting_approval [recent_sim_change]
        pass 1                          |
        pay p alice shop 10             | awaiting_approval
        line alice device=now           | updated
        pass 172799999                  |
        pay p alice shop 10             | awaiting_approval [recent_device_change]
        pass 1                          |
        pay p alice shop 101            | awaiting_approval
        cancel p                        | cancelled
        line alice asof=720h            | no: older_than_known
        # The line was last told of at the very beginning.
        pass 26d                        |
        pay p alice shop 101            | awaiting_approval
        cancel p                        | cancelled
        tick                            | 5 fell
        pass 1                          |
        pay p alice shop 101            | awaiting_approval [reduced_limit]
        pay p alice shop 100            | awaiting_approval
        approve p                       | captured
        pay p alice shop 51             | awaiting_approval [reduced_limit]
        pay p alice shop 50             | awaiting_approval
        line alice asof=now             | updated
        pay p alice shop 101            | awaiting_approval
        ",
    );
}

#[test]
fn attention_counts_prompts_that_wait() {
    check(
        "
        rules payer_open_prompts=2      | version 2
        pay p1 alice shop 10            | awaiting_approval
        mandate m alice cafe            | awaiting_approval
        pay p2 alice shop 10            | awaiting_approval [payer_too_many_prompts]
        mandate n alice shop            | awaiting_approval [payer_too_many_prompts]
        cancel p1                       | cancelled
        pay p3 alice shop 10            | awaiting_approval
        pay p4 bob shop 10              | awaiting_approval
        ",
    );
}

#[test]
fn pin_attempts_used_up_veto_prompts_and_charges() {
    check(
        "
        cash alice 100              | ok
        mandate m alice shop        | awaiting_approval
        sign m                      | active
        mandate n alice cafe        | awaiting_approval
        sign n pin=wrong            | no: wrong_pin, 4 left
        sign n pin=wrong            | no: wrong_pin, 3 left
        sign n pin=wrong            | no: wrong_pin, 2 left
        sign n pin=wrong            | no: wrong_pin, 1 left
        pay p alice shop 10         | awaiting_approval
        charge c m 10               | captured
        sign n pin=wrong            | no: wrong_pin, 0 left
        pay p alice shop 10         | awaiting_approval [pin_locked]
        charge c m 10               | declined pin_locked
        unlock alice                | ok
        charge c m 10               | captured
        ",
    );
}
