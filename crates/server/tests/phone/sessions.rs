//! Challenges and sessions.

use serde_json::json;

use crate::{
    ALICE, BOB, PIN,
    support::{Phone, TestNode},
};

#[tokio::test]
async fn only_the_devices_key_over_this_origin_opens_a_session() {
    let test = TestNode::start().await;
    for number in [ALICE, BOB] {
        test.line(number).await;
    }
    let alice = Phone::enrol(&test, ALICE, PIN).await;
    let bob = Phone::enrol(&test, BOB, PIN).await;
    let body = json!({"device": alice.device});
    let asked = test
        .post("/phone/api/challenges", None, &body)
        .await
        .expect(200);
    let challenge = asked.body["challenge"].as_str().expect("a challenge");
    let right = format!("paytone.session.v1\n{challenge}\n{}", test.origin);
    let elsewhere = format!("paytone.session.v1\n{challenge}\nhttps://evil.example");
    alice
        .open_session(&test, challenge, &right)
        .await
        .expect(200);
    for refused in [
        alice.open_session(&test, challenge, &elsewhere).await,
        alice.open_session(&test, challenge, challenge).await,
        alice.open_session(&test, "made-up", &right).await,
        // A challenge of another device, well signed.
        bob.open_session(&test, challenge, &right).await,
        // A session's token is no challenge.
        alice
            .open_session(
                &test,
                &alice.token,
                &format!("paytone.session.v1\n{}\n{}", alice.token, test.origin),
            )
            .await,
    ] {
        refused.refused(401, "unauthorized");
    }
    for token in ["", "made-up", challenge] {
        let answer = test.get("/phone/api/prompts", Some(token)).await;
        answer.refused(401, "unauthorized");
    }
    test.get("/phone/api/prompts", None)
        .await
        .refused(401, "unauthorized");
}

#[tokio::test]
async fn a_page_opened_under_another_name_is_told_the_right_one() {
    let test = TestNode::start().await;
    test.line(ALICE).await;
    let phone = Phone::enrol(&test, ALICE, PIN).await;
    let body = json!({"device": phone.device});
    for (origin, status) in [(test.origin.as_str(), 200), ("http://localhost:1", 421)] {
        let headers = [("origin", origin)];
        let path = "/phone/api/challenges";
        let answer = test
            .send(hyper::Method::POST, path, None, &headers, Some(&body))
            .await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
}

#[tokio::test]
async fn an_unknown_device_gets_no_challenge() {
    let test = TestNode::start().await;
    for device in ["dev_aaaaaaaaaaaaaaaaaaaaaaaaaa", "dev_", ""] {
        let answer = test
            .post("/phone/api/challenges", None, &json!({"device": device}))
            .await;
        answer.refused(404, "unknown_device");
    }
}

#[tokio::test]
async fn a_session_outlives_a_restart() {
    let test = TestNode::start().await;
    test.line(ALICE).await;
    let phone = Phone::enrol(&test, ALICE, PIN).await;
    let test = test.restart().await;
    let device = phone.get(&test, "/me/device").await.expect(200);
    assert_eq!(device.body["id"], phone.device.as_str());
}

#[tokio::test]
async fn signing_out_ends_this_session_and_its_stream_and_no_other() {
    let test = TestNode::start().await;
    test.line(ALICE).await;
    let mut phone = Phone::enrol(&test, ALICE, PIN).await;
    let ended = phone.token.clone();
    let mut events = phone.events(&test).await;
    phone
        .send(&test, hyper::Method::DELETE, "/sessions", None)
        .await
        .expect(200);
    while events.next().await.is_some() {}
    phone.get(&test, "/me").await.refused(401, "unauthorized");
    phone.sign_in(&test).await.expect(200);
    assert_ne!(phone.token, ended);
    phone.get(&test, "/me").await.expect(200);
    let test = test.restart().await;
    let answer = test.get("/phone/api/me", Some(&ended)).await;
    answer.refused(401, "unauthorized");
    phone.get(&test, "/me").await.expect(200);
}

#[tokio::test]
async fn a_phone_that_waits_gives_up_by_itself_and_stops_no_other() {
    let test = TestNode::start().await;
    test.line(ALICE).await;
    let first = Phone::enrol(&test, ALICE, PIN).await;
    let second = Phone::enrol(&test, ALICE, PIN).await;
    assert_eq!(second.status, "awaiting_approval");
    let refused = second.stop_device(&test, &first.device).await;
    refused.refused(403, "device_not_active");
    let done = second.stop_device(&test, &second.device).await.expect(200);
    assert_eq!(done.body["status"], "removed");
    second
        .get(&test, "/me/device")
        .await
        .refused(401, "unauthorized");
    assert!(first.prompts(&test).await.is_empty());
}
