//! Approvals: what was signed, by which device, with which PIN and code.

use crate::support::check;

#[test]
fn a_wrong_code_ends_the_payment_and_counts_against_the_merchant() {
    check(
        "
        cash alice 100              | ok
        pay p alice shop 10         | awaiting_approval
        approve p code=wrong        | no: wrong_code
        payment p                   | refused
        approve p                   | no: already_decided
        merchant shop               | taken 0, open 0, wrong codes 1
        phone alice                 | 0 prompts, attention 0, pin failures 0
        ",
    );
}

#[test]
fn a_badly_signed_or_different_approval_does_not_count_and_costs_no_try() {
    check(
        "
        cash alice 100                      | ok
        pay p alice shop 10                 | awaiting_approval
        approve p sig=bad                   | no: bad_signature
        approve p sig=facts                 | no: facts_differ
        approve p sig=bad pin=wrong code=wrong | no: bad_signature
        phone alice                         | 1 prompts, attention 0, pin failures 0
        approve p                           | captured
        approve p                           | no: already_decided
        ",
    );
}

#[test]
fn pin_tries_belong_to_the_subscriber_and_the_last_wrong_one_locks() {
    check(
        "
        cash alice 100              | ok
        pay p alice shop 10         | awaiting_approval
        approve p pin=wrong         | no: wrong_pin, 4 left
        approve p pin=wrong         | no: wrong_pin, 3 left
        # The right PIN clears the tries.
        approve p                   | captured
        pay q alice shop 10         | awaiting_approval
        approve q pin=wrong         | no: wrong_pin, 4 left
        approve q pin=wrong         | no: wrong_pin, 3 left
        # Another enrolment brings no new tries.
        ask e alice                 | enter code, sent
        code e right                | enter PIN, further device
        enrol e tablet pin=wrong    | no: WrongPin { tries_left: 2 }
        enrol e tablet pin=wrong    | no: WrongPin { tries_left: 1 }
        approve q pin=wrong         | no: wrong_pin, 0 left
        approve q                   | no: pin_locked
        enrol e tablet              | no: PinLocked
        ask f alice                 | enter code, sent
        code f right                | enter PIN, further device
        enrol f tablet recovery     | no: PinLocked
        pay r alice shop 10         | awaiting_approval [pin_locked]
        unlock alice                | ok
        approve q                   | captured
        approve r                   | no: not_found
        ",
    );
}

#[test]
fn only_an_active_device_of_the_payer_approves() {
    check(
        "
        cash alice 100              | ok
        pay p alice shop 10         | awaiting_approval
        approve p by=bob            | no: not_found
        refuse p by=bob             | no: not_found
        ask e alice                 | enter code, sent
        code e right                | enter PIN, further device
        enrol e tablet              | AwaitingApproval
        approve p by=tablet         | no: device_not_active
        refuse p by=tablet          | no: device_not_active
        let tablet by=alice         | Active
        stop alice by=tablet        | Removed
        approve p by=alice          | no: device_not_active
        refuse p by=alice           | no: device_not_active
        order alice bank,bill,balance,grant | no: DeviceNotActive
        approve p by=tablet         | captured
        ",
    );
}

#[test]
fn a_report_refuses_counts_and_blocks_the_merchant_for_this_payer() {
    check(
        "
        cash alice 100              | ok
        pay p alice shop 10         | awaiting_approval
        report p                    | refused
        merchant shop               | taken 0, open 0, wrong codes 1
        phone alice                 | 0 prompts, attention 3, pin failures 0
        pay q alice shop 10         | awaiting_approval [merchant_blocked_by_payer]
        pay r bob shop 10           | awaiting_approval
        pay s alice cafe 10         | awaiting_approval
        forgive alice shop          | ok
        pay t alice shop 10         | awaiting_approval
        phone alice                 | 2 prompts, attention 3, pin failures 0
        ",
    );
}

#[test]
fn attention_is_used_up_by_ignored_and_reported_prompts_and_is_there_again_the_next_day() {
    check(
        "
        rules attention_per_day=5       | version 2
        pay p1 alice shop 10            | awaiting_approval
        pay p2 alice shop 10            | awaiting_approval
        wait 3m                         |
        phone alice                     | 0 prompts, attention 2, pin failures 0
        # Refused and vetoed ones cost nothing.
        pay p3 alice shop 10            | awaiting_approval
        refuse p3                       | refused
        pay p4 alice shop 10            | awaiting_approval
        mandate m alice shop            | awaiting_approval
        decline m                       | refused
        refuse p4                       | refused
        pay p5 alice shop 10            | awaiting_approval
        pay p6 alice shop 10            | awaiting_approval
        report p5                       | refused
        phone alice                     | 1 prompts, attention 5, pin failures 0
        pay p7 alice cafe 10            | awaiting_approval [attention_spent]
        wait 3m                         |
        phone alice                     | 0 prompts, attention 6, pin failures 0
        wait 12h                        |
        pay p8 alice cafe 10            | awaiting_approval
        ",
    );
}

#[test]
fn prompts_that_a_merchant_takes_back_again_and_again_use_attention_up() {
    check(
        "
        rules attention_per_day=3       | version 2
        pay p1 alice shop 10            | awaiting_approval
        cancel p1                       | cancelled
        mandate m alice shop            | awaiting_approval
        end m                           | cancelled
        phone alice                     | 0 prompts, attention 2, pin failures 0
        # What was approved was answered: taking that back disturbs nobody.
        cash alice 10                   | ok
        pay p2 alice shop 10 manual     | awaiting_approval
        approve p2                      | authorized
        cancel p2                       | cancelled
        phone alice                     | 0 prompts, attention 2, pin failures 0
        pay p3 alice shop 10            | awaiting_approval
        cancel p3                       | cancelled
        pay p4 alice cafe 10            | awaiting_approval [attention_spent]
        # Nobody was disturbed by this one.
        cancel p4                       | cancelled [attention_spent]
        phone alice                     | 0 prompts, attention 3, pin failures 0
        wait 24h                        |
        pay p5 alice cafe 10            | awaiting_approval
        ",
    );
}
