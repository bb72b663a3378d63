//! Enrolment: the first device, further ones, recoveries; alike for every number.

use crate::support::check;

#[test]
fn the_first_device_needs_a_code_and_sets_the_pin() {
    check(
        "
        line dora                       | added
        ask e dora                      | enter code, sent
        enrol e dora                    | no: CodeFirst
        code e wrong                    | no: WrongCode { tries_left: 4 }
        code e right                    | choose PIN
        enrol e dora                    | Active
        enrol e dora                    | no: Expired
        cash dora 10                    | ok
        pay p dora shop 10              | awaiting_approval
        approve p                       | captured
        ",
    );
}

#[test]
fn a_further_device_needs_the_pin_and_an_existing_one() {
    check(
        "
        cash alice 10                   | ok
        ask e alice                     | enter code, sent
        code e right                    | enter PIN, further device
        enrol e tablet pin=wrong        | no: WrongPin { tries_left: 4 }
        enrol e tablet                  | AwaitingApproval
        let tablet by=tablet            | no: DeviceNotActive
        let tablet by=bob               | no: NotFound
        let tablet by=alice sig=bad     | no: bad_signature
        let tablet by=alice sig=facts   | no: facts_differ
        let tablet by=alice pin=wrong   | no: wrong_pin, 4 left
        let tablet by=alice             | Active
        let tablet by=alice             | no: already_decided
        ask f alice                     | enter code, sent
        code f right                    | enter PIN, further device
        enrol f watch                   | AwaitingApproval
        stop watch by=bob               | no: NotFound
        stop watch by=tablet            | Removed
        let watch by=alice              | no: already_decided
        ",
    );
}

#[test]
fn a_recovery_waits_a_day_and_then_means_low_limits_and_no_new_mandates_for_three_days() {
    check(
        "
        rules reduced_payment_limit=100 reduced_daily_limit=150 | version 2
        cash alice 1000                 | ok
        mandate m alice shop            | awaiting_approval
        sign m                          | active
        ask e alice                     | enter code, sent
        code e right                    | enter PIN, further device
        enrol e found recovery          | Recovering
        pay p alice shop 200            | awaiting_approval
        approve p by=found              | no: device_not_active
        cancel p                        | cancelled
        wait 86399s                     |
        device found                    | Recovering
        wait 1s                         |
        device found                    | Active
        phone alice                     | 0 prompts, attention 0, pin failures 0, reduced
        pay p alice shop 101            | awaiting_approval [reduced_limit]
        pay q alice shop 100            | awaiting_approval
        approve q by=found              | captured
        pay p alice shop 51             | awaiting_approval [reduced_limit]
        charge c m 51                   | declined reduced_limit
        charge c m 50                   | captured
        mandate n alice cafe            | awaiting_approval [recovery_no_mandates]
        wait 72h                        |
        phone alice                     | 0 prompts, attention 0, pin failures 0
        pay p alice shop 101            | awaiting_approval
        mandate n alice cafe            | awaiting_approval
        ",
    );
}

#[test]
fn every_active_device_can_stop_a_recovery_and_the_recovering_one_can_stop_nothing() {
    check(
        "
        ask e alice                     | enter code, sent
        code e right                    | enter PIN, further device
        enrol e found recovery          | Recovering
        phone alice                     | 1 prompts, attention 0, pin failures 0
        stop alice by=found             | no: DeviceNotActive
        stop found by=alice             | Removed
        wait 24h                        |
        device found                    | Removed
        phone alice                     | 0 prompts, attention 0, pin failures 0
        stop found by=alice             | Removed
        ",
    );
}

#[test]
fn an_existing_device_may_let_a_recovering_one_in_without_the_wait() {
    check(
        "
        ask e alice                     | enter code, sent
        code e right                    | enter PIN, further device
        enrol e found recovery          | Recovering
        let found by=alice              | Active
        wait 25h                        |
        phone alice                     | 0 prompts, attention 0, pin failures 0
        ",
    );
}

#[test]
fn with_a_pin_and_no_device_left_a_new_one_waits_until_staff_resets_the_phone() {
    check(
        "
        stop alice by=alice             | Removed
        ask e alice                     | enter code, sent
        code e right                    | enter PIN
        enrol e found                   | Recovering
        reset alice                     | ok
        device found                    | Removed
        ask f alice                     | enter code, sent
        code f right                    | choose PIN
        enrol f fresh                   | Active
        wait 25h                        |
        device found                    | Removed
        phone alice                     | 0 prompts, attention 0, pin failures 0
        ",
    );
}

#[test]
fn a_strangers_number_is_answered_as_a_wrong_code_is() {
    check(
        "
        ask e nobody                    | enter code
        ask f alice                     | enter code, sent
        code e right                    | no: WrongCode { tries_left: 4 }
        code f wrong                    | no: WrongCode { tries_left: 4 }
        code e right                    | no: WrongCode { tries_left: 3 }
        enrol e found                   | no: CodeFirst
        enrol f found                   | no: CodeFirst
        wait 15m                        |
        code e right                    | no: Expired
        code f right                    | no: Expired
        block bob                       | ok
        ask g bob                       | enter code
        code g right                    | no: WrongCode { tries_left: 4 }
        ",
    );
}

#[test]
fn five_wrong_codes_use_an_enrolment_up_and_it_counts_until_its_time_is_over() {
    check(
        "
        ask e alice                     | enter code, sent
        code e wrong                    | no: WrongCode { tries_left: 4 }
        code e wrong                    | no: WrongCode { tries_left: 3 }
        code e wrong                    | no: WrongCode { tries_left: 2 }
        code e wrong                    | no: WrongCode { tries_left: 1 }
        code e wrong                    | no: WrongCode { tries_left: 0 }
        code e right                    | no: Expired
        ask f alice                     | enter code, sent
        ask g alice                     | enter code, sent
        # A fourth looks the same, and no message is sent.
        ask h alice                     | enter code
        code h right                    | no: Expired
        wait 15m                        |
        ask i alice                     | enter code, sent
        code i right                    | enter PIN, further device
        ",
    );
}

#[test]
fn enrolments_under_way_are_limited_in_all() {
    check(
        "
        rules enrolments=2              | version 2
        ask e alice                     | enter code, sent
        ask e bob                       | no: TooMany
        ask f nobody                    | enter code
        ask g bob                       | no: TooMany
        ask h stranger                  | no: TooMany
        wait 15m                        |
        ask g bob                       | enter code, sent
        ",
    );
}

#[test]
fn a_code_for_a_number_that_changed_hands_meanwhile_is_worth_nothing() {
    check(
        "
        ask e alice                     | enter code, sent
        code e right                    | enter PIN, further device
        recycle alice dora              | recycled
        enrol e found                   | no: Expired
        ask f bob                       | enter code, sent
        renumber bob bobs-new           | renumbered
        code f right                    | no: WrongCode { tries_left: 4 }
        ",
    );
}

#[test]
fn a_device_that_waits_gives_up_itself_and_nothing_else() {
    check(
        "
        ask e alice                     | enter code, sent
        code e right                    | enter PIN, further device
        enrol e second                  | AwaitingApproval
        ask f alice                     | enter code, sent
        code f right                    | enter PIN, further device
        enrol f third recovery          | Recovering
        stop alice by=second            | no: DeviceNotActive
        stop third by=second            | no: DeviceNotActive
        stop bob by=third               | no: DeviceNotActive
        stop second by=second           | Removed
        stop third by=third             | Removed
        stop third by=third             | no: DeviceNotActive
        phone alice                     | 0 prompts, attention 0, pin failures 0
        let second by=alice             | no: already_decided
        wait 25h                        |
        device third                    | Removed
        ",
    );
}

#[test]
fn a_device_that_nobody_lets_in_is_gone_after_a_day() {
    check(
        "
        ask e alice                     | enter code, sent
        code e right                    | enter PIN, further device
        enrol e late                    | AwaitingApproval
        ask f alice                     | enter code, sent
        code f right                    | enter PIN, further device
        enrol f early                   | AwaitingApproval
        let early by=alice              | Active
        wait 24h                        |
        device late                     | Removed
        device early                    | Active
        phone alice                     | 0 prompts, attention 0, pin failures 0
        let late by=alice               | no: already_decided
        ",
    );
}
