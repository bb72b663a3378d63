//! A node whose memory is short, with its workers, a shop, and a payer who signed a mandate.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use http_body_util::BodyExt as _;
use hyper::Method;
use paytone::{config::Config, edge::ids::Public as _, workers::Workers};
use paytone_domain::{State, money::Amount};
use serde_json::{Value, json};

use crate::support::{Answer, Phone, Shop, TestNode};

pub const ALICE: &str = "+8613800138000";
pub const PIN: &str = "284617";
/// Longer than the shortest window, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Memory as short as it can be.
pub fn short(config: &mut Config) {
    config.archive.after_seconds = 5;
    config.archive.keys_after_seconds = 5;
}

static KEYS: AtomicU64 = AtomicU64::new(1);

pub struct Scene {
    pub test: TestNode,
    pub shop: Shop,
    pub phone: Phone,
    pub mandate: String,
    workers: Workers,
}

impl Scene {
    pub async fn new() -> Self {
        Self::on(TestNode::start_with(short).await).await
    }

    /// On a node whose window is that short already.
    pub async fn on(test: TestNode) -> Self {
        let workers = Workers::start(&test.node).expect("workers start");
        let most = Amount::clamped(100_000_000);
        test.rules(|rules| {
            rules.payment_limit = most;
            rules.daily_limit = most;
            rules.monthly_limit = most;
        })
        .await;
        let shop = test.merchant("Tunes", 5735).await;
        let alice = test.line(ALICE).await;
        test.give_cash(alice, 50_000_000).await;
        let phone = Phone::enrol(&test, ALICE, PIN).await;
        let asked = test.ask_mandate(&shop, ALICE, 5_000_000).await;
        let prompt = phone.prompt(&test, asked.id).await;
        let code = format!("{:02}", asked.match_code);
        phone.approve(&test, &prompt, &code, PIN).await.expect(200);
        let mandate = asked.id.show(&test.node.ids);
        Self {
            test,
            shop,
            phone,
            mandate,
            workers,
        }
    }

    /// On the same data, after `change` to what is in its folder.
    pub async fn restart(self, change: impl FnOnce(&std::path::Path)) -> Self {
        let Self {
            test,
            shop,
            phone,
            mandate,
            workers,
        } = self;
        workers.stop(PATIENCE).await;
        let test = test
            .restart_with(|config| {
                change(&config.data);
                short(config);
            })
            .await;
        let workers = Workers::start(&test.node).expect("workers start");
        Self {
            test,
            shop,
            phone,
            mandate,
            workers,
        }
    }

    pub async fn stop(self) {
        drop(self.end().await);
    }

    /// Stops it; its data stays in the folder.
    pub async fn end(self) -> tempfile::TempDir {
        self.workers.stop(PATIENCE).await;
        self.test.stop().await
    }

    pub async fn in_memory(&self) -> usize {
        let read = self.test.node.engine.read(|state, _| state.payments.len());
        read.await.expect("the engine runs").answer
    }

    /// Waits until so few payments are in memory.
    pub async fn until_in_memory(&self, few: usize) {
        self.until(move |state| state.payments.len() <= few).await;
    }

    /// Waits until no merchant's key is in memory.
    pub async fn until_keys_left(&self) {
        self.until(|state| state.repeats.is_empty()).await;
    }

    async fn until(&self, is_so: impl Fn(&State) -> bool + Copy + Send + 'static) {
        let mut position = self.test.node.engine.position();
        let reached = async {
            loop {
                position.mark_unchanged();
                let read = self.test.node.engine.read(move |state, _| is_so(state));
                if read.await.expect("the engine runs").answer {
                    return;
                }
                position.changed().await.expect("the engine runs");
            }
        };
        tokio::time::timeout(PATIENCE, reached)
            .await
            .expect("what is over leaves in time");
    }

    /// A charge under the mandate; its id.
    pub async fn charge(&self, amount: &str) -> String {
        let body = json!({"amount": amount, "mandate": self.mandate, "description": "Music"});
        let answer = self.post("/v1/payments", &body).await.expect(201);
        assert_eq!(text(&answer.body, "status"), "captured");
        text(&answer.body, "id").to_owned()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.test.get(path, Some(&self.shop.key)).await
    }

    /// With a fresh idempotency key.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        let key = format!("fresh-{}", KEYS.fetch_add(1, Ordering::Relaxed));
        let headers = [("idempotency-key", key.as_str())];
        let token = Some(self.shop.key.as_str());
        self.test
            .send(Method::POST, path, token, &headers, Some(body))
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
}

pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} of {value}"))
}
