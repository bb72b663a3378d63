//! The same key gets the same answer, byte for byte, and does nothing twice.

use aws_lc_rs::digest::{SHA256, digest};
use futures_util::future::join_all;
use paytone_domain::ids::RepeatKey;
use serde_json::json;

use crate::{
    ALICE,
    client::{Scene, fresh, payment_of, text},
};

#[tokio::test]
async fn a_retry_gets_the_first_answer_byte_for_byte_whatever_happened_since() {
    let scene = Scene::new().await;
    let body = payment_of(ALICE, "128.00", json!({"reference": "r-1"})).to_string();
    let key = fresh();
    let first = scene.bytes("/v1/payments", &key, &body).await;
    assert_eq!(first.0, 201);
    let payment = serde_json::from_slice(&first.1).expect("JSON");
    scene.approve(&payment).await.expect(200);
    assert_eq!(scene.bytes("/v1/payments", &key, &body).await, first);
    assert_eq!(scene.payment(&payment).await["status"], "captured");
    let refunds = format!("/v1/payments/{}/refunds", text(&payment, "id"));
    let (key, part) = (fresh(), r#"{"amount":"100.00","reason":"Torn"}"#);
    let refund = scene.bytes(&refunds, &key, part).await;
    assert_eq!(refund.0, 201);
    assert_eq!(scene.bytes(&refunds, &key, part).await, refund);
    assert_eq!(scene.payment(&payment).await["refunded_amount"], "100.00");
    // Refusals too.
    let (key, more) = (fresh(), r#"{"amount":"28.01"}"#);
    let refused = scene.bytes(&refunds, &key, more).await;
    assert_eq!(refused.0, 422);
    scene.post(&refunds, &json!({})).await.expect(201);
    assert_eq!(scene.bytes(&refunds, &key, more).await, refused);
}

#[tokio::test]
async fn a_retry_after_a_restart_gets_the_first_answer() {
    let scene = Scene::new().await;
    let (key, body) = (fresh(), payment_of(ALICE, "12.00", json!({})).to_string());
    let first = scene.bytes("/v1/payments", &key, &body).await;
    let Scene {
        test,
        shop,
        alice,
        phone,
    } = scene;
    let test = test.restart().await;
    let scene = Scene {
        test,
        shop,
        alice,
        phone,
    };
    assert_eq!(scene.bytes("/v1/payments", &key, &body).await, first);
}

#[tokio::test]
async fn a_key_with_another_request_is_refused() {
    let scene = Scene::new().await;
    let key = fresh();
    let body = payment_of(ALICE, "12.00", json!({}));
    let payment = scene
        .post_as("/v1/payments", &key, &body)
        .await
        .expect(201)
        .body;
    let other = payment_of(ALICE, "13.00", json!({}));
    let answer = scene.post_as("/v1/payments", &key, &other).await;
    answer.refused(422, "idempotency_key_reused");
    let cancel = format!("/v1/payments/{}/cancel", text(&payment, "id"));
    let answer = scene.post_as(&cancel, &key, &json!({})).await;
    answer.refused(422, "idempotency_key_reused");
}

#[tokio::test]
async fn keys_belong_to_one_merchant() {
    let scene = Scene::new().await;
    let other = scene.test.merchant("Elsewhere", 5411).await;
    let (key, body) = (fresh(), payment_of(ALICE, "12.00", json!({})));
    let ours = scene
        .post_as("/v1/payments", &key, &body)
        .await
        .expect(201)
        .body;
    let headers = [("idempotency-key", key.as_str())];
    let token = Some(other.key.as_str());
    let method = hyper::Method::POST;
    let theirs = scene
        .test
        .send(method, "/v1/payments", token, &headers, Some(&body))
        .await;
    assert_ne!(theirs.expect(201).body["id"], ours["id"]);
}

#[tokio::test]
async fn while_the_first_is_under_way_the_second_is_told_so() {
    let scene = Scene::new().await;
    let key = fresh();
    let hash = digest(
        &SHA256,
        &[&scene.shop.id.0.to_be_bytes(), key.as_bytes()].concat(),
    );
    let repeat = RepeatKey(*hash.as_ref().first_chunk().expect("16 bytes"));
    let under_way = scene.test.node.under_way.begin(repeat);
    assert!(under_way.is_some());
    let body = payment_of(ALICE, "12.00", json!({}));
    let answer = scene.post_as("/v1/payments", &key, &body).await;
    answer.refused(409, "idempotency_in_progress");
    drop(under_way);
    scene.post_as("/v1/payments", &key, &body).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_with_one_key_make_one_payment() {
    let scene = Scene::new().await;
    let (key, body) = (fresh(), payment_of(ALICE, "12.00", json!({})).to_string());
    let all = (0..32).map(|_| scene.bytes("/v1/payments", &key, &body));
    let answers = join_all(all).await;
    let mut made: Vec<_> = answers
        .iter()
        .filter(|(status, _)| *status == 201)
        .collect();
    assert!(
        answers
            .iter()
            .all(|(status, _)| [201, 409].contains(status))
    );
    made.dedup();
    assert_eq!(made.len(), 1);
    let read = scene
        .test
        .node
        .engine
        .read(|state, _| state.payments.len())
        .await;
    assert_eq!(read.expect("the engine runs").answer, 1);
}
