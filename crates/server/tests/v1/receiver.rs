//! A merchant's webhook receiver, with a verification of its own.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use aws_lc_rs::hmac;
use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use serde_json::Value;
use tokio::{net::TcpListener, sync::mpsc};

use crate::support::PATIENCE;

/// One message as it arrived.
#[derive(Clone, Debug)]
pub struct Message {
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Listens on this machine; answers 204 unless told otherwise.
pub struct Receiver {
    pub url: String,
    answers: Arc<Mutex<VecDeque<u16>>>,
    messages: mpsc::UnboundedReceiver<Message>,
}

#[derive(Clone)]
struct Shared {
    answers: Arc<Mutex<VecDeque<u16>>>,
    messages: mpsc::UnboundedSender<Message>,
}

async fn receive(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let status = shared.answers.lock().expect("no panic").pop_front();
    let _ = shared.messages.send(Message { headers, body });
    StatusCode::from_u16(status.unwrap_or(204)).expect("a status")
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, messages) = mpsc::unbounded_channel();
        let answers = Arc::default();
        let shared = Shared {
            answers: Arc::clone(&answers),
            messages: sender,
        };
        let router = Router::new()
            .route("/hooks", post(receive))
            .with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            url: format!("http://{address}/hooks"),
            answers,
            messages,
        }
    }

    /// What the next messages are answered with.
    pub fn answer_with(&self, statuses: &[u16]) {
        self.answers.lock().expect("no panic").extend(statuses);
    }

    pub async fn next(&mut self) -> Message {
        let next = tokio::time::timeout(PATIENCE, self.messages.recv()).await;
        next.expect("a message comes in time")
            .expect("the receiver runs")
    }
}

impl Message {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().expect("text")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// By the text of the Standard Webhooks specification, not by the sender's code.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let base64 = data_encoding::BASE64;
        let encoded = secret.strip_prefix("whsec_").expect("a webhook secret");
        let secret = base64.decode(encoded.as_bytes()).expect("base64");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let (id, timestamp) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", &self.body].concat();
        let mut signatures = self.header("webhook-signature").split(' ');
        signatures.any(|signature| {
            let (version, tag) = signature.split_once(',').expect("version and tag");
            let tag = base64.decode(tag.as_bytes()).expect("base64");
            version == "v1" && hmac::verify(&key, &signed, &tag).is_ok()
        })
    }
}
