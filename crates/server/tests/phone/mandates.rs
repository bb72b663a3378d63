//! Mandates: signed, charged, revoked, suspended, resumed.

use paytone::edge::ids::Public;
use paytone_domain::{ids::MandateId, payment::Status};
use serde_json::{Value, json};

use crate::{
    ALICE, PIN, WRONG_PIN,
    support::{Ask, Phone, Shop, TestLine, TestNode, world::now},
};

/// A node, a shop, Alice with 500 yuan and a phone, and a mandate of 50 yuan a charge that she signed.
async fn signed() -> (TestNode, Shop, Phone, MandateId) {
    let test = TestNode::start().await;
    let shop = test.merchant("Tunes", 5735).await;
    let alice = test.line(ALICE).await;
    test.give_cash(alice, 50_000).await;
    let phone = Phone::enrol(&test, ALICE, PIN).await;
    let mandate = test.ask_mandate(&shop, ALICE, 5_000).await;
    let prompt = phone.prompt(&test, mandate.id).await;
    assert_eq!(prompt["kind"], "mandate");
    assert_eq!(prompt["mandate"]["max_per_payment"], "50.00");
    assert_eq!(prompt["mandate"]["max_per_month"], "500.00");
    assert_eq!(prompt["purpose"], "Music every month");
    let code = format!("{:02}", mandate.match_code);
    let answer = phone.approve(&test, &prompt, &code, PIN).await.expect(200);
    assert_eq!(answer.body, json!({"status": "active"}));
    (test, shop, phone, mandate.id)
}

async fn only(test: &TestNode, phone: &Phone) -> Value {
    let answer = phone.get(test, "/mandates").await.expect(200);
    let mandates = answer.body["mandates"].as_array().expect("a list");
    assert_eq!(mandates.len(), 1);
    mandates[0].clone()
}

#[tokio::test]
async fn a_signed_mandate_is_charged_without_a_prompt() {
    let (test, shop, phone, mandate) = signed().await;
    let payment = test.charge(&shop, mandate, Ask::of(ALICE, 3_000)).await;
    assert_eq!(payment.now.status, Status::Captured);
    assert!(phone.prompts(&test).await.is_empty());
    let shown = only(&test, &phone).await;
    assert_eq!(shown["id"], mandate.show(&test.node.ids));
    assert_eq!(shown["merchant"]["name"], "Tunes");
    assert_eq!(shown["status"], "active");
    assert_eq!(shown["used_this_month"], "30.00");
    let beyond = test.charge(&shop, mandate, Ask::of(ALICE, 5_001)).await;
    assert_eq!(beyond.now.status, Status::Declined);
}

#[tokio::test]
async fn a_revoked_mandate_is_charged_no_more() {
    let (test, shop, phone, mandate) = signed().await;
    let path = format!("/mandates/{}/revoke", mandate.show(&test.node.ids));
    for _ in 0..2 {
        let answer = phone.post(&test, &path, &json!({})).await.expect(200);
        assert_eq!(answer.body, json!({"status": "ended"}));
    }
    assert_eq!(only(&test, &phone).await["status"], "ended");
    let payment = test.charge(&shop, mandate, Ask::of(ALICE, 3_000)).await;
    assert_eq!(payment.now.status, Status::Declined);
}

#[tokio::test]
async fn a_sim_change_suspends_a_mandate_until_its_payer_resumes_it() {
    let (test, shop, phone, mandate) = signed().await;
    test.import(&TestLine {
        sim_changed: Some(now()),
        ..TestLine::of(ALICE)
    })
    .await;
    assert_eq!(only(&test, &phone).await["status"], "suspended");
    let payment = test.charge(&shop, mandate, Ask::of(ALICE, 3_000)).await;
    assert_eq!(payment.now.status, Status::Declined);
    let path = format!("/mandates/{}/resume", mandate.show(&test.node.ids));
    let resume = |pin: &str| json!({"pin": pin});
    let answer = phone.post(&test, &path, &resume(WRONG_PIN)).await;
    answer.refused(422, "wrong_pin");
    // A rule refuses so soon after the change, and says why.
    let answer = phone.post(&test, &path, &resume(PIN)).await;
    let answer = answer.refused(403, "vetoed");
    assert_eq!(answer.body["reason"], "recent_sim_change");
    test.rules(|rules| rules.cooling_off_hours = 0).await;
    let answer = phone.post(&test, &path, &resume(PIN)).await.expect(200);
    assert_eq!(answer.body, json!({"status": "active"}));
    let payment = test.charge(&shop, mandate, Ask::of(ALICE, 3_000)).await;
    assert_eq!(payment.now.status, Status::Captured);
}

#[tokio::test]
async fn a_refused_mandate_allows_nothing() {
    let test = TestNode::start().await;
    let shop = test.merchant("Tunes", 5735).await;
    test.line(ALICE).await;
    let phone = Phone::enrol(&test, ALICE, PIN).await;
    let mandate = test.ask_mandate(&shop, ALICE, 5_000).await;
    let prompt = phone.prompt(&test, mandate.id).await;
    let answer = phone.refuse(&test, &prompt, false).await.expect(200);
    assert_eq!(answer.body, json!({"status": "refused"}));
    let payment = test.charge(&shop, mandate.id, Ask::of(ALICE, 3_000)).await;
    assert_eq!(payment.now.status, Status::Declined);
    let answer = phone.get(&test, "/mandates").await.expect(200);
    assert_eq!(answer.body, json!({"mandates": []}));
}

#[tokio::test]
async fn other_terms_than_those_shown_are_not_signed() {
    let test = TestNode::start().await;
    let shop = test.merchant("Tunes", 5735).await;
    test.line(ALICE).await;
    let phone = Phone::enrol(&test, ALICE, PIN).await;
    let mandate = test.ask_mandate(&shop, ALICE, 5_000).await;
    let prompt = phone.prompt(&test, mandate.id).await;
    let code = format!("{:02}", mandate.match_code);
    let document = phone.document(&test, &prompt, Some(&code));
    for (name, other) in [
        ("max_per_payment", "49.00"),
        ("max_per_month", "5000.00"),
        ("ends_on", "2099-01-01"),
    ] {
        let mut differs = document.clone();
        differs["mandate"][name] = json!(other);
        let answer = phone
            .send_approval(&test, &prompt, &differs.to_string(), PIN)
            .await;
        answer.refused(422, "facts_differ");
    }
}
