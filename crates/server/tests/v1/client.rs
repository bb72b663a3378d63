//! A merchant's client, and the scene it plays in.

use std::sync::atomic::{AtomicU64, Ordering};

use http_body_util::BodyExt;
use hyper::Method;
use paytone::edge::ids::Public;
use paytone_domain::ids::{MandateId, PaymentId, SubscriberId};
use serde_json::{Value, json};

use crate::{
    ALICE, PIN,
    support::{Answer, Phone, Shop, TestNode},
};

static KEYS: AtomicU64 = AtomicU64::new(1);

/// An idempotency key that was not used before.
pub fn fresh() -> String {
    format!("test-{}", KEYS.fetch_add(1, Ordering::Relaxed))
}

/// A node, a bookshop with its client, and Alice with 500 yuan and a phone.
pub struct Scene {
    pub test: TestNode,
    pub shop: Shop,
    pub alice: SubscriberId,
    pub phone: Phone,
}

impl Scene {
    pub async fn new() -> Self {
        Self::on(TestNode::start().await).await
    }

    pub async fn on(test: TestNode) -> Self {
        let shop = test.merchant("Bookshop", 5942).await;
        let alice = test.line(ALICE).await;
        test.give_cash(alice, 50_000).await;
        let phone = Phone::enrol(&test, ALICE, PIN).await;
        Self {
            test,
            shop,
            alice,
            phone,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.test.get(path, Some(&self.shop.key)).await
    }

    /// With a fresh idempotency key.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_as(path, &fresh(), body).await
    }

    pub async fn post_as(&self, path: &str, key: &str, body: &Value) -> Answer {
        let headers = [("idempotency-key", key)];
        let key = Some(self.shop.key.as_str());
        self.test
            .send(Method::POST, path, key, &headers, Some(body))
            .await
    }

    /// The answer's status and its very bytes.
    pub async fn bytes(&self, path: &str, key: &str, body: &str) -> (u16, Vec<u8>) {
        let headers = [
            ("idempotency-key", key),
            ("content-type", "application/json"),
        ];
        let token = Some(self.shop.key.as_str());
        let body = body.as_bytes().to_vec();
        let response = self
            .test
            .open(Method::POST, path, token, &headers, body)
            .await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.expect("a body");
        (status, body.to_bytes().to_vec())
    }

    /// Asks Alice for an amount; more fields may be given.
    pub async fn ask(&self, amount: &str, more: Value) -> Value {
        let body = payment_of(ALICE, amount, more);
        self.post("/v1/payments", &body).await.expect(201).body
    }

    pub async fn approve(&self, payment: &Value) -> Answer {
        let id = PaymentId::read(&self.test.node.ids, text(payment, "id"));
        let prompt = self.phone.prompt(&self.test, id.expect("an id")).await;
        let code = text(payment, "match_code");
        self.phone.approve(&self.test, &prompt, code, PIN).await
    }

    /// A payment that Alice approved.
    pub async fn paid(&self, amount: &str, more: Value) -> Value {
        let payment = self.ask(amount, more).await;
        self.approve(&payment).await.expect(200);
        self.payment(&payment).await
    }

    /// As it is now.
    pub async fn payment(&self, payment: &Value) -> Value {
        let path = format!("/v1/payments/{}", text(payment, "id"));
        self.get(&path).await.expect(200).body
    }

    /// Waits until its status is another one.
    pub async fn changed(&self, payment: &Value) -> Value {
        let (id, status) = (text(payment, "id"), text(payment, "status"));
        let path = format!("/v1/payments/{id}?wait=9&status={status}");
        self.get(&path).await.expect(200).body
    }

    pub async fn approve_mandate(&self, mandate: &Value) -> Answer {
        let id = MandateId::read(&self.test.node.ids, text(mandate, "id"));
        let prompt = self.phone.prompt(&self.test, id.expect("an id")).await;
        let code = text(mandate, "match_code");
        self.phone.approve(&self.test, &prompt, code, PIN).await
    }

    /// All of the feed, once it shows what `after` rests on.
    pub async fn feed(&self, after: &Answer) -> Vec<Value> {
        let feed = self.get_after("/v1/events", after).await.expect(200).body;
        feed["data"].as_array().expect("a list").clone()
    }

    /// A list that shows at least what `after` has seen.
    pub async fn get_after(&self, path: &str, after: &Answer) -> Answer {
        let position = after.headers["paytone-position"].to_str().expect("text");
        let key = Some(self.shop.key.as_str());
        let headers = [("paytone-position", position)];
        self.test.send(Method::GET, path, key, &headers, None).await
    }
}

pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} of {value}"))
}

/// The body that asks `number` for an amount.
pub fn payment_of(number: &str, amount: &str, more: Value) -> Value {
    let mut body = json!({
        "amount": amount,
        "payer": {"phone_number": number},
        "description": "Two novels",
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}
