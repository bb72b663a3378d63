//! Mandates: signed once, charged within their terms, suspended, resumed, ended.

use crate::support::check;

#[test]
fn mandate_terms_bound_every_charge_and_the_merchant_is_told() {
    check(
        "
        cash alice 1000                             | ok
        mandate m alice shop each=60 month=100 days=40 | awaiting_approval
        charge c m 10                               | declined mandate_not_active
        sign m                                      | active
        charge c m 61                               | declined mandate_payment_limit
        charge c1 m 60                              | captured
        charge c m 41                               | declined mandate_monthly_limit
        charge c2 m 40 manual                       | authorized
        charge c m 1                                | declined mandate_monthly_limit
        capture c2 30                               | captured
        charge c3 m 10                              | captured
        charge c m 1                                | declined mandate_monthly_limit
        charge c m 1 as=cafe                        | no: not_found
        mandate m                                   | active, charged 100
        # December: a month begins, and the mandate's last day is the 20th.
        wait 40d                                    |
        charge c4 m 60                              | captured
        wait 11h                                    |
        charge c5 m 40                              | captured
        wait 1h                                     |
        charge c m 1                                | declined mandate_ended
        ",
    );
}

#[test]
fn a_charge_is_vetoed_and_funded_as_any_payment_and_needs_no_prompt() {
    check(
        "
        mandate m alice cafe each=500 month=500     | awaiting_approval
        sign m                                      | active
        charge c m 50                               | declined insufficient_funds
        line alice bank                             | updated
        charge c1 m 50                              | funding
        phone alice                                 | 0 prompts, attention 0, pin failures 0
        attempt c1                                  | funding
        done c1                                     | captured
        payment c1                                  | captured, captured 50, fee 6, tax 1: bank 50 moved
        charge c2 m 50                              | funding
        attempt c2                                  | funding
        wait 3m                                     |
        payment c2                                  | failed: bank 50 wanted
        mandate m                                   | active, charged 50
        rules payment_limit=40                      | version 2
        charge c m 41                               | declined payment_limit
        block alice                                 | ok
        charge c m 40                               | declined subscriber_blocked
        unblock alice                               | ok
        limits cafe payment=30                      | ok
        charge c m 40                               | declined merchant_payment_limit
        charge c3 m 30 other                        | funding
        cancel c3                                   | cancelled
        mandate m                                   | active, charged 50
        ",
    );
}

#[test]
fn a_mandate_is_signed_as_a_payment_is_and_refused_or_ignored_alike() {
    check(
        "
        mandate m alice shop            | awaiting_approval
        sign m by=bob                   | no: not_found
        sign m sig=bad                  | no: bad_signature
        sign m sig=facts                | no: facts_differ
        sign m pin=wrong                | no: wrong_pin, 4 left
        sign m code=wrong               | no: wrong_code
        sign m                          | no: already_decided
        merchant shop                   | taken 0, open 0, wrong codes 1
        mandate n alice shop            | awaiting_approval
        pass 179999                     |
        sign n                          | active
        sign n                          | no: already_decided
        mandate o alice shop            | awaiting_approval
        pass 180s                       |
        sign o                          | no: too_late
        decline o                       | no: too_late
        tick                            | 1 fell
        mandate o                       | expired, charged 0
        sign o                          | no: too_late
        phone alice                     | 0 prompts, attention 1, pin failures 0
        mandate p alice shop            | awaiting_approval
        complain p                      | refused
        mandate q alice shop            | awaiting_approval [merchant_blocked_by_payer]
        charge c n 10                   | declined merchant_blocked_by_payer
        ",
    );
}

#[test]
fn payer_and_merchant_end_a_mandate_at_once() {
    check(
        "
        cash alice 1000                 | ok
        mandate m alice shop            | awaiting_approval
        revoke m                        | no: already_decided
        sign m                          | active
        revoke m by=bob                 | no: not_found
        revoke m                        | ended
        revoke m                        | ended
        charge c m 10                   | declined mandate_ended
        resume m                        | no: already_decided
        mandate n alice shop            | awaiting_approval
        sign n                          | active
        end n                           | ended
        charge c n 10                   | declined mandate_ended
        mandate o alice shop            | awaiting_approval
        end o                           | cancelled
        sign o                          | no: already_decided
        end o                           | cancelled
        ",
    );
}

#[test]
fn a_sim_or_device_change_suspends_until_the_payer_resumes() {
    check(
        "
        cash alice 1000                 | ok
        mandate m alice shop            | awaiting_approval
        sign m                          | active
        line alice bill=5               | updated
        mandate m                       | active, charged 0
        line alice sim=now              | updated
        mandate m                       | suspended, charged 0
        resume m                        | no: recent_sim_change
        wait 48h                        |
        charge c m 10                   | declined mandate_suspended
        resume m pin=wrong              | no: wrong_pin, 4 left
        resume m by=bob                 | no: not_found
        resume m                        | active
        resume m                        | no: already_decided
        charge c m 10                   | captured
        line alice device=now           | updated
        mandate m                       | suspended, charged 10
        revoke m                        | ended
        ",
    );
}

#[test]
fn a_recycled_number_takes_no_mandate_with_it() {
    check(
        "
        cash alice 1000                 | ok
        mandate m alice shop            | awaiting_approval
        sign m                          | active
        mandate n alice cafe            | awaiting_approval
        recycle alice dora              | recycled
        mandate m                       | ended, charged 0
        charge c m 10                   | declined line_not_active
        sign n                          | no: device_not_active
        wait 3m                         |
        mandate n                       | expired, charged 0
        ",
    );
}

#[test]
fn a_veto_on_the_payers_side_keeps_a_mandate_waiting_unseen() {
    check(
        "
        line alice sim=now              | updated
        mandate m alice shop            | awaiting_approval [recent_sim_change]
        phone alice                     | 0 prompts, attention 0, pin failures 0
        sign m                          | no: not_found
        charge c m 10                   | declined mandate_not_active
        mandate n bob shop              | awaiting_approval
        block bob                       | ok
        sign n                          | no: subscriber_blocked
        mandate n                       | awaiting_approval [subscriber_blocked], charged 0
        sign n                          | no: not_found
        charge c n 10                   | declined mandate_not_active
        wait 3m                         |
        mandate m                       | expired [recent_sim_change], charged 0
        mandate n                       | expired [subscriber_blocked], charged 0
        phone bob                       | 0 prompts, attention 0, pin failures 0
        ",
    );
}
