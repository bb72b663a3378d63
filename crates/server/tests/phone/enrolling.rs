//! From a number to a device: codes, PINs, further devices, recovery.

use std::time::{Duration, Instant};

use paytone_domain::operator::Operation;
use serde_json::{Value, json};

use crate::{
    ALICE, NOBODY, PIN, WRONG_PIN,
    support::{Answer, Phone, TestNode, phone::other_code},
};

async fn answer_to(test: &TestNode, number: &str) -> Answer {
    let body = json!({"phone_number": number});
    test.post("/phone/api/enrolments", None, &body).await
}

#[tokio::test]
async fn the_first_device_is_active_at_once() {
    let test = TestNode::start().await;
    test.line(ALICE).await;
    let enrolment = Phone::begin(&test, ALICE).await;
    let code = Phone::screen_code(&test, &enrolment).await;
    let proven = Phone::try_code(&test, &enrolment, &code).await.expect(200);
    assert_eq!(proven.body, json!({"pin": "set", "device": "first"}));
    let phone = Phone::complete(&test, &enrolment, PIN, false)
        .await
        .unwrap_or_else(|answer| panic!("{}", answer.body));
    assert_eq!(phone.status, "active");
    let device = phone.get(&test, "/me/device").await.expect(200).body;
    assert_eq!(device["id"], phone.device.as_str());
    assert_eq!(
        (&device["this"], &device["status"]),
        (&json!(true), &json!("active"))
    );
    assert_eq!(device["label"], "Test phone");
    // The code was for one device.
    let again = Phone::complete(&test, &enrolment, PIN, false).await;
    again
        .err()
        .expect("it is over")
        .refused(410, "enrolment_expired");
}

#[tokio::test]
async fn asking_is_alike_for_a_strangers_number() {
    let test = TestNode::start().await;
    test.line(ALICE).await;
    let shape = |answer: &Answer| {
        let names = |value: &Value| {
            let members = value.as_object().expect("an object");
            members.keys().cloned().collect::<Vec<_>>()
        };
        let headers = answer.headers.keys().map(ToString::to_string);
        (
            answer.status,
            names(&answer.body),
            answer.body["channel"].clone(),
            answer.body["code_length"].clone(),
            answer.body["enrolment"].as_str().map(str::len),
            headers.collect::<Vec<_>>(),
        )
    };
    let (known, stranger) = (
        answer_to(&test, ALICE).await,
        answer_to(&test, NOBODY).await,
    );
    assert_eq!(known.status, 202);
    assert_eq!(shape(&known), shape(&stranger));
    // Both show a code; a stranger's is only never right.
    let enrolment = stranger.body["enrolment"].as_str().expect("an id");
    let code = Phone::screen_code(&test, enrolment).await;
    for tries_left in (1..=4).rev() {
        let answer = Phone::try_code(&test, enrolment, &code).await;
        let answer = answer.refused(422, "wrong_code");
        assert_eq!(answer.body["tries_left"], tries_left);
    }
    // More than may be pending at a time: alike again, for a known number and for a stranger's.
    for _ in 0..4 {
        let (known, stranger) = (
            answer_to(&test, ALICE).await,
            answer_to(&test, NOBODY).await,
        );
        assert_eq!(shape(&known), shape(&stranger));
    }
}

#[tokio::test]
async fn asking_takes_as_long_for_a_strangers_number() {
    let test = TestNode::start().await;
    test.rules(|rules| rules.number_enrolments = 1_000).await;
    test.line(ALICE).await;
    let (mut known, mut stranger) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        for (number, times) in [(ALICE, &mut known), (NOBODY, &mut stranger)] {
            let begun = Instant::now();
            answer_to(&test, number).await.expect(202);
            times.push(begun.elapsed());
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let (known, stranger) = (median(&mut known), median(&mut stranger));
    let noise = known.max(stranger) / 2 + Duration::from_millis(2);
    assert!(
        known.abs_diff(stranger) < noise,
        "{known:?} and {stranger:?}"
    );
}

#[tokio::test]
async fn the_fifth_wrong_code_ends_an_enrolment() {
    let test = TestNode::start().await;
    test.line(ALICE).await;
    let enrolment = Phone::begin(&test, ALICE).await;
    let right = Phone::screen_code(&test, &enrolment).await;
    for tries_left in (0..=4).rev() {
        let answer = Phone::try_code(&test, &enrolment, &other_code(&right)).await;
        let answer = answer.refused(422, "wrong_code");
        assert_eq!(answer.body["tries_left"], tries_left);
    }
    let answer = Phone::try_code(&test, &enrolment, &right).await;
    answer.refused(410, "enrolment_expired");
}

#[tokio::test]
async fn what_is_not_acceptable_is_refused_by_its_field() {
    let test = TestNode::start().await;
    test.line(ALICE).await;
    for (body, status, code, field) in [
        (json!({}), 400, "missing_field", "phone_number"),
        (
            json!({"phone_number": 1}),
            400,
            "invalid_field",
            "phone_number",
        ),
        (
            json!({"phone_number": ALICE, "pin": "1"}),
            400,
            "unknown_field",
            "pin",
        ),
        (
            json!({"phone_number": "12"}),
            422,
            "invalid_phone_number",
            "phone_number",
        ),
    ] {
        let answer = test.post("/phone/api/enrolments", None, &body).await;
        let answer = answer.refused(status, code);
        assert_eq!(answer.body["field"], field);
    }
    let enrolment = Phone::begin(&test, ALICE).await;
    for code in ["", "12345", "1234567", "12345a", "１２３４５６"] {
        let answer = Phone::try_code(&test, &enrolment, code).await;
        answer.refused(422, "invalid_code");
    }
    let path = format!("/phone/api/enrolments/{enrolment}/device");
    let body = |key: &str, pin: &str, label: &str| json!({"public_key": key, "pin": pin, "label": label, "recovery": false});
    // The base point of the curve.
    let key =
        "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU";
    let answer = test.post(&path, None, &body(key, PIN, "Phone")).await;
    answer.refused(409, "code_first");
    let code = Phone::screen_code(&test, &enrolment).await;
    Phone::try_code(&test, &enrolment, &code).await.expect(200);
    let long = "a".repeat(41);
    for (key, pin, label, code, field) in [
        ("AAAA", PIN, "Phone", "invalid_public_key", "public_key"),
        (key, "28461", "Phone", "invalid_pin", "pin"),
        (key, "123456", "Phone", "weak_pin", "pin"),
        (key, "777777", "Phone", "weak_pin", "pin"),
        (key, "363636", "Phone", "weak_pin", "pin"),
        (key, PIN, "", "invalid_label", "label"),
        (key, PIN, "a\u{7}b", "invalid_label", "label"),
        (key, PIN, &long, "invalid_label", "label"),
    ] {
        let answer = test.post(&path, None, &body(key, pin, label)).await;
        let answer = answer.refused(422, code);
        assert_eq!(answer.body["field"], field);
    }
    test.post(&path, None, &body(key, PIN, "Phone"))
        .await
        .expect(201);
    for unknown in ["enr_00000000000000000000000000000000", "enr_", "nothing"] {
        let answer = Phone::try_code(&test, unknown, "000000").await;
        answer.refused(410, "enrolment_expired");
    }
}

#[tokio::test]
async fn a_further_device_waits_for_one_that_is_active() {
    let test = TestNode::start().await;
    test.line(ALICE).await;
    let first = Phone::enrol(&test, ALICE, PIN).await;
    let enrolment = Phone::begin(&test, ALICE).await;
    let code = Phone::screen_code(&test, &enrolment).await;
    let proven = Phone::try_code(&test, &enrolment, &code).await.expect(200);
    assert_eq!(proven.body, json!({"pin": "enter", "device": "further"}));
    let second = Phone::complete(&test, &enrolment, PIN, false).await;
    let second = second.unwrap_or_else(|answer| panic!("{}", answer.body));
    assert_eq!(second.status, "awaiting_approval");
    second
        .get(&test, "/prompts")
        .await
        .refused(403, "device_not_active");
    let waiting = second.get(&test, "/me/device").await.expect(200);
    assert_eq!(waiting.body["status"], "awaiting_approval");

    let prompts = first.prompts(&test).await;
    assert_eq!(prompts.len(), 1);
    assert_eq!(prompts[0]["kind"], "device");
    assert_eq!(prompts[0]["device"]["recovering"], false);
    let answer = first.approve_device(&test, &prompts[0], WRONG_PIN).await;
    let answer = answer.refused(422, "wrong_pin");
    assert_eq!(answer.body["tries_left"], 4);
    let answer = first
        .approve_device(&test, &prompts[0], PIN)
        .await
        .expect(200);
    assert_eq!(answer.body, json!({"status": "active"}));
    assert!(second.prompts(&test).await.is_empty());
    let again = first.approve_device(&test, &prompts[0], PIN).await;
    again.refused(409, "already_decided");
}

#[tokio::test]
async fn a_device_that_is_stopped_is_gone() {
    let test = TestNode::start().await;
    test.line(ALICE).await;
    let first = Phone::enrol(&test, ALICE, PIN).await;
    let mut second = Phone::enrol(&test, ALICE, PIN).await;
    // One that waits can stop nobody.
    let answer = second.stop_device(&test, &first.device).await;
    answer.refused(403, "device_not_active");
    let answer = first.stop_device(&test, &second.device).await.expect(200);
    assert_eq!(answer.body, json!({"status": "removed"}));
    second
        .get(&test, "/me/device")
        .await
        .refused(401, "unauthorized");
    second.sign_in(&test).await.refused(410, "device_removed");
    assert!(first.prompts(&test).await.is_empty());
}

#[tokio::test]
async fn a_recovery_is_told_waits_a_day_and_can_be_stopped() {
    let test = TestNode::start().await;
    test.line(ALICE).await;
    let first = Phone::enrol(&test, ALICE, PIN).await;
    let second = Phone::recover(&test, ALICE, PIN).await;
    assert_eq!(second.status, "recovering");
    let waiting = second.get(&test, "/me/device").await.expect(200).body;
    let at = |value: &Value| {
        let text = value.as_str().expect("a time");
        text.parse::<jiff::Timestamp>().expect("RFC 3339")
    };
    let wait = at(&waiting["active_from"]).duration_since(at(&waiting["created_at"]));
    assert_eq!(wait.as_hours(), 24);
    let prompts = first.prompts(&test).await;
    assert_eq!(prompts[0]["device"]["recovering"], true);
    assert_eq!(prompts[0]["deadline"], waiting["active_from"]);
    first.refuse(&test, &prompts[0], false).await.expect(200);
    second
        .get(&test, "/me/device")
        .await
        .refused(401, "unauthorized");
}

#[tokio::test]
async fn a_recovery_that_nobody_stops_ends_with_an_active_device() {
    let test = TestNode::start().await;
    test.line(ALICE).await;
    let first = Phone::enrol(&test, ALICE, PIN).await;
    // No wait at all: the recovery is due with the next thing that is decided.
    test.rules(|rules| rules.recovery_wait_hours = 0).await;
    let second = Phone::recover(&test, ALICE, PIN).await;
    assert_eq!(second.status, "recovering");
    let active =
        async { while second.get(&test, "/me/device").await.body["status"] != "active" {} };
    let patience = crate::support::PATIENCE;
    tokio::time::timeout(patience, active)
        .await
        .expect("it becomes active");
    assert!(first.prompts(&test).await.is_empty());
    second.get(&test, "/prompts").await.expect(200);
}

#[tokio::test]
async fn wrong_pins_are_counted_over_enrolments_until_staff_unlocks() {
    let test = TestNode::start().await;
    let alice = test.line(ALICE).await;
    let phone = Phone::enrol(&test, ALICE, PIN).await;
    for tries_left in (0..=4).rev() {
        let enrolment = Phone::prove(&test, ALICE).await;
        let refused = Phone::complete(&test, &enrolment, WRONG_PIN, false).await;
        let answer = refused
            .err()
            .expect("a wrong PIN")
            .refused(422, "wrong_pin");
        assert_eq!(answer.body["tries_left"], tries_left);
        // The next one starts from a new enrolment; this one is used up with the right PIN elsewhere or expires.
        test.rules(|rules| rules.number_enrolments += 1).await;
    }
    let enrolment = Phone::prove(&test, ALICE).await;
    let refused = Phone::complete(&test, &enrolment, PIN, false).await;
    refused.err().expect("locked").refused(423, "pin_locked");
    test.operate(Operation::UnlockPin(alice)).await;
    let second = Phone::complete(&test, &enrolment, PIN, false).await;
    let second = second.unwrap_or_else(|answer| panic!("{}", answer.body));
    assert_eq!(second.status, "awaiting_approval");
    assert_eq!(phone.prompts(&test).await.len(), 1);
}
