//! Webhooks against a real receiver.

use std::sync::Arc;

use hyper::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{
    client::{Scene, text},
    receiver::Receiver,
    support::{PATIENCE, TestNode},
};

/// A scene whose node sends webhooks to this machine.
async fn scene() -> (Scene, JoinHandle<()>) {
    let test = TestNode::start_with(|config| {
        config.webhooks.allow_private = true;
        config.webhooks.allow_http = true;
    });
    let scene = Scene::on(test.await).await;
    let worker = paytone::webhooks::spawn(Arc::clone(&scene.test.node));
    (scene, worker)
}

async fn endpoint(scene: &Scene, url: &str) -> Value {
    scene
        .post("/v1/webhook_endpoints", &json!({"url": url}))
        .await
        .expect(201)
        .body
}

/// The log, once its newest delivery is no longer pending.
async fn settled_log(scene: &Scene, endpoint: &Value) -> Vec<Value> {
    let path = format!("/v1/webhook_endpoints/{}/deliveries", text(endpoint, "id"));
    let settled = async {
        loop {
            let log = scene.get(&path).await.expect(200).body;
            let data = log["data"].as_array().expect("a list").clone();
            if data.iter().all(|delivery| delivery["status"] != "pending") {
                return data;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, settled)
        .await
        .expect("everything is settled in time")
}

#[tokio::test]
async fn each_event_of_the_feed_is_sent_signed_with_the_same_body() {
    let (scene, _worker) = scene().await;
    let mut receiver = Receiver::start().await;
    // What happened before is not sent.
    scene.paid("1.00", json!({})).await;
    let endpoint = endpoint(&scene, &receiver.url).await;
    let secret = text(&endpoint, "secret");
    let payment = scene.paid("10.00", json!({})).await;
    let refunds = format!("/v1/payments/{}/refunds", text(&payment, "id"));
    let refund = scene.post(&refunds, &json!({})).await.expect(201);
    let mut sent = [receiver.next().await, receiver.next().await];
    sent.sort_by_key(|message| text(&message.json(), "type").to_owned());
    let feed = scene.feed(&refund).await;
    for (message, event) in sent.iter().zip(&feed[1..]) {
        assert_eq!(&message.json(), event);
        assert_eq!(message.header("webhook-id"), text(event, "id"));
        assert_eq!(message.header("content-type"), "application/json");
        assert!(message.is_signed_with(secret));
        assert!(!message.is_signed_with("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    }
    assert_eq!(sent[0].json()["data"], payment);
    assert_eq!(sent[1].json()["data"], refund.body);
    let log = settled_log(&scene, &endpoint).await;
    let told: Vec<_> = log
        .iter()
        .map(|delivery| (text(delivery, "type"), text(delivery, "status")))
        .collect();
    assert_eq!(
        told,
        [
            ("refund.completed", "delivered"),
            ("payment.captured", "delivered")
        ]
    );
    assert_eq!(log[0]["attempts"][0]["http_status"], 204);
}

#[tokio::test]
async fn what_is_not_taken_is_sent_again_under_the_same_id() {
    let (scene, _worker) = scene().await;
    let mut receiver = Receiver::start().await;
    let endpoint = endpoint(&scene, &receiver.url).await;
    receiver.answer_with(&[500]);
    scene.paid("10.00", json!({})).await;
    let (first, second) = (receiver.next().await, receiver.next().await);
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert_eq!(first.body, second.body);
    assert!(second.is_signed_with(text(&endpoint, "secret")));
    let log = settled_log(&scene, &endpoint).await;
    let attempts = log[0]["attempts"].as_array().expect("a list");
    let statuses: Vec<_> = attempts
        .iter()
        .map(|attempt| attempt["http_status"].clone())
        .collect();
    assert_eq!(statuses, [500, 204]);
    assert!(text(&attempts[0], "error").starts_with("status_not_success"));
}

#[tokio::test]
async fn a_delivery_that_was_given_up_is_sent_again_by_hand() {
    let (scene, _worker) = scene().await;
    let mut receiver = Receiver::start().await;
    let endpoint = endpoint(&scene, &receiver.url).await;
    // 410: no more of this.
    receiver.answer_with(&[410]);
    scene.paid("10.00", json!({})).await;
    let first = receiver.next().await;
    let failed = settled_log(&scene, &endpoint).await.remove(0);
    assert_eq!(failed["status"], "failed");
    let deliveries = format!("/v1/webhook_endpoints/{}/deliveries", text(&endpoint, "id"));
    let again = format!("{deliveries}/{}/redeliver", text(&failed, "id"));
    let wanted = scene.post(&again, &json!({})).await.expect(202).body;
    assert_eq!(wanted["status"], "pending");
    let second = receiver.next().await;
    assert_eq!(first.body, second.body);
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    let log = settled_log(&scene, &endpoint).await;
    assert_eq!(log[0]["status"], "delivered");
    assert_eq!(log[0]["attempts"].as_array().map(Vec::len), Some(2));
    scene
        .post(&format!("{deliveries}/whd_x/redeliver"), &json!({}))
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn after_a_rotation_the_old_secret_signs_beside_the_new_one() {
    let (scene, _worker) = scene().await;
    let mut receiver = Receiver::start().await;
    let endpoint = endpoint(&scene, &receiver.url).await;
    let one = format!("/v1/webhook_endpoints/{}", text(&endpoint, "id"));
    let rotated = scene
        .post(&format!("{one}/rotate_secret"), &json!({}))
        .await
        .expect(200)
        .body;
    assert_ne!(rotated["secret"], endpoint["secret"]);
    scene.paid("10.00", json!({})).await;
    let message = receiver.next().await;
    assert!(message.is_signed_with(text(&endpoint, "secret")));
    assert!(message.is_signed_with(text(&rotated, "secret")));
    let shown = scene.get(&one).await.expect(200).body;
    assert_eq!(shown["secret"], Value::Null, "a secret is shown once");
    assert!(shown["previous_secret_until"].is_string());
}

#[tokio::test]
async fn endpoints_are_listed_removed_and_bounded_and_belong_to_their_merchant() {
    let (scene, _worker) = scene().await;
    let receiver = Receiver::start().await;
    let first = endpoint(&scene, &receiver.url).await;
    let one = format!("/v1/webhook_endpoints/{}", text(&first, "id"));
    let listed = scene.get("/v1/webhook_endpoints").await.expect(200).body;
    assert_eq!(listed["data"][0]["url"], receiver.url.as_str());
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));
    let other = scene.test.merchant("Elsewhere", 5411).await;
    let theirs = scene
        .test
        .get("/v1/webhook_endpoints", Some(&other.key))
        .await
        .expect(200);
    assert_eq!(theirs.body["data"], json!([]));
    for (method, path) in [
        (Method::GET, one.clone()),
        (Method::DELETE, one.clone()),
        (Method::POST, format!("{one}/rotate_secret")),
        (Method::GET, format!("{one}/deliveries")),
    ] {
        let answer = scene
            .test
            .send(method, &path, Some(&other.key), &[], None)
            .await;
        answer.refused(404, "not_found");
    }
    for _ in 1..10 {
        endpoint(&scene, &receiver.url).await;
    }
    let eleventh = scene
        .post("/v1/webhook_endpoints", &json!({"url": receiver.url}))
        .await;
    eleventh.refused(409, "too_many_endpoints");
    let key = Some(scene.shop.key.as_str());
    let removed = scene.test.send(Method::DELETE, &one, key, &[], None).await;
    assert_eq!(removed.status, 204);
    scene.get(&one).await.refused(404, "not_found");
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_refused_when_it_is_registered() {
    let scene = Scene::new().await;
    for (url, code) in [
        ("http://shop.example/hooks", "scheme_not_allowed"),
        ("https://127.0.0.1/hooks", "address_not_public"),
        ("https://[::ffff:10.0.0.1]/", "address_not_public"),
        ("https://shop.example:22/", "port_not_allowed"),
        ("https://me@shop.example/", "credentials_in_url"),
        ("nothing", "url_invalid"),
    ] {
        let answer = scene
            .post("/v1/webhook_endpoints", &json!({"url": url}))
            .await;
        let answer = answer.refused(422, code);
        assert_eq!(answer.body["field"], "url", "{url}");
    }
    let unknown = json!({"url": "https://shop.example/", "events": []});
    scene
        .post("/v1/webhook_endpoints", &unknown)
        .await
        .refused(400, "unknown_field");
}

#[tokio::test]
async fn what_was_not_sent_before_a_restart_is_sent_after_it() {
    let (scene, worker) = scene().await;
    let mut receiver = Receiver::start().await;
    let endpoint = endpoint(&scene, &receiver.url).await;
    worker.abort();
    drop(worker.await);
    let payment = scene.paid("10.00", json!({})).await;
    let test = scene.test.restart_with(|config| {
        config.webhooks.allow_private = true;
        config.webhooks.allow_http = true;
    });
    let test = test.await;
    let _worker = paytone::webhooks::spawn(Arc::clone(&test.node));
    let message = receiver.next().await;
    assert_eq!(message.json()["data"], payment);
    assert!(message.is_signed_with(text(&endpoint, "secret")));
}
