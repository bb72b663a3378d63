//! What is over leaves a real node's memory, and is there for whoever asks for it: merchants, payers, staff, verify.

#[path = "../support/mod.rs"]
mod support;

mod past;
mod postgres;
mod rebuilt;
mod scene;

use futures_util::future::join_all;
use serde_json::json;

use crate::scene::{PIN, Scene, text};

/// Charges of one wave.
const WAVE: usize = 1_200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_holds_what_is_recent_and_merchants_see_no_difference() {
    let scene = Scene::new().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        for _ in 0..WAVE / 100 {
            let charges = (0..100).map(|_| scene.charge("1.00"));
            ids.extend(join_all(charges).await);
        }
        assert!(scene.in_memory().await > 0);
        // However many there have been: none is left.
        scene.until_in_memory(0).await;
    }
    let read = scene
        .test
        .node
        .engine
        .read(|state, _| state.payments.capacity());
    let room = read.await.expect("the engine runs").answer;
    assert!(room < 4 * WAVE, "room for {room} payments is kept");

    let first = scene
        .get(&format!("/v1/payments/{}", ids[0]))
        .await
        .expect(200);
    assert_eq!(text(&first.body, "status"), "captured");
    assert_eq!(text(&first.body, "description"), "Music");
    let list = scene.get("/v1/payments?limit=100").await.expect(200).body;
    assert_eq!(list["data"].as_array().map(Vec::len), Some(100));
    assert_eq!(text(&list["data"][99], "status"), "captured");
    let feed = scene.get("/v1/events?limit=100").await.expect(200).body;
    let told = feed["data"].as_array().expect("a list");
    let payments = told
        .iter()
        .filter(|event| text(event, "type").starts_with("payment."));
    assert!(payments.count() > 50, "{feed}");
    assert_eq!(scene.in_memory().await, 0, "reading brings nothing back");
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_of_what_left_is_made_and_repeated_as_ever() {
    let scene = Scene::new().await;
    let id = scene.charge("10.00").await;
    scene.until_in_memory(0).await;
    let path = format!("/v1/payments/{id}/refunds");
    let body = r#"{"amount":"4.00","reason":"Torn"}"#;
    let first = scene.bytes(&path, "a", body).await;
    assert_eq!(first.0, 201, "{}", String::from_utf8_lossy(&first.1));
    assert_eq!(scene.in_memory().await, 1, "it came back");
    scene.until_in_memory(0).await;
    // Its key is known, and what it was answered has left.
    assert_eq!(scene.bytes(&path, "a", body).await, first);
    let refund: serde_json::Value = serde_json::from_slice(&first.1).expect("JSON");
    scene.until_in_memory(0).await;
    let shown = scene
        .get(&format!("/v1/refunds/{}", text(&refund, "id")))
        .await;
    assert_eq!(shown.expect(200).body, refund);
    let all = scene.get(&path).await.expect(200).body;
    assert_eq!(all["data"], json!([refund]));

    let answer = scene.post(&path, &json!({"amount": "6.01"})).await;
    answer.refused(422, "more_than_captured");
    scene.post(&path, &json!({})).await.expect(201);
    let now = scene
        .get(&format!("/v1/payments/{id}"))
        .await
        .expect(200)
        .body;
    assert_eq!(text(&now, "refunded_amount"), "10.00");
    let cancel = scene
        .post(&format!("/v1/payments/{id}/cancel"), &json!({}))
        .await;
    cancel.refused(409, "wrong_status");
    let other = scene.test.merchant("Elsewhere", 5411).await;
    let key = Some(other.key.as_str());
    let path = format!("/v1/payments/{id}");
    scene.test.get(&path, key).await.refused(404, "not_found");
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payer_finds_what_left_in_the_history_and_is_told_that_it_is_over() {
    let scene = Scene::new().await;
    let (test, phone) = (&scene.test, &scene.phone);
    let ask = support::Ask::of(scene::ALICE, 1_200);
    let payment = test.ask(&scene.shop, ask).await;
    let prompt = phone.prompt(test, payment.id).await;
    let code = support::code_of(&payment);
    phone.approve(test, &prompt, &code, PIN).await.expect(200);
    test.refund(&scene.shop, payment.id, Some(200)).await;
    scene.until_in_memory(0).await;
    let history = phone.get(test, "/history").await.expect(200).body;
    let kinds: Vec<_> = history["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| (text(item, "kind"), text(item, "amount")))
        .collect();
    assert_eq!(kinds[..2], [("refund", "2.00"), ("payment", "12.00")]);
    let detail = format!("/history/{}", text(&history["items"][1], "id"));
    let detail = phone.get(test, &detail).await.expect(200).body;
    assert_eq!(text(&detail, "refunded_amount"), "2.00");
    let detail = format!("/history/{}", text(&history["items"][0], "id"));
    phone.get(test, &detail).await.expect(200);
    // The phone that slept over it answers now.
    let late = phone.approve(test, &prompt, &code, PIN).await;
    late.refused(409, "already_decided");
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_left_gets_its_first_answer_byte_for_byte() {
    let scene = Scene::new().await;
    let charge = format!(
        r#"{{"amount":"3.00","mandate":"{}","description":"Music"}}"#,
        scene.mandate
    );
    let first = scene.bytes("/v1/payments", "charge", &charge).await;
    assert_eq!(first.0, 201);
    let id = serde_json::from_slice::<serde_json::Value>(&first.1).expect("JSON");
    let cancel = format!("/v1/payments/{}/cancel", text(&id, "id"));
    let refused = scene.bytes(&cancel, "cancel", "{}").await;
    assert_eq!(refused.0, 409);
    scene.until_in_memory(0).await;
    scene.until_keys_left().await;
    let again = async |scene: &Scene| {
        assert_eq!(scene.bytes("/v1/payments", "charge", &charge).await, first);
        assert_eq!(scene.bytes(&cancel, "cancel", "{}").await, refused);
        let other = scene.bytes("/v1/payments", "cancel", &charge).await;
        assert_eq!(other.0, 422, "{}", String::from_utf8_lossy(&other.1));
        let list = scene.get("/v1/payments").await.expect(200).body;
        assert_eq!(list["data"].as_array().map(Vec::len), Some(1), "{list}");
    };
    again(&scene).await;
    // Now the keys are in no filter until it is filled from the disk.
    let scene = scene.restart(|_| {}).await;
    again(&scene).await;
    scene.charge("1.00").await;
    scene.until_keys_left().await;
    let answer = scene.bytes("/v1/payments", "charge", &charge).await;
    assert_eq!(answer, first, "and when it is filled");
    scene.stop().await;
}
