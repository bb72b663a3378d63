//! HTTP to a server that dies and comes back at another address.
//!
//! **Invariant:** a request that got no whole answer is sent again, byte for byte, to the next life of the server; so what a
//! client is told is what it was told in the end, and it never knows whether the first try was heard.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, body::Bytes, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;

/// Longer than any answer of a server that lives.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a client waits for one of several nodes before it asks another one.
const TRY: Duration = Duration::from_secs(5);
/// How long it takes all of them to answer once.
const ALL_TRIES: Duration = Duration::from_secs(120);
/// What a client does between two tries.
const PAUSE: Duration = Duration::from_millis(20);
const POSITION: &str = "paytone-position";

/// Which life of the server it is, counted from one, and where it listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    pub number: u32,
    pub address: Option<SocketAddr>,
}

/// One request, kept so that it can be sent again.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: Method,
    pub path: String,
    pub token: String,
    pub idempotency_key: Option<String>,
    pub body: Option<Value>,
}

impl Call {
    pub fn get(path: impl Into<String>, token: &str) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            token: token.to_owned(),
            idempotency_key: None,
            body: None,
        }
    }

    pub fn post(path: impl Into<String>, token: &str, body: Value) -> Self {
        Self {
            method: Method::POST,
            body: Some(body),
            ..Self::get(path, token)
        }
    }

    pub fn with_key(self, key: String) -> Self {
        Self {
            idempotency_key: Some(key),
            ..self
        }
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Told {
    pub status: u16,
    pub bytes: Bytes,
}

impl Told {
    /// It did nothing, being too busy or not leading, or is still at work on an earlier try with the
    /// same key: this client's over a connection it lost, or another client's of the same request.
    fn says_later(&self) -> bool {
        self.status == 503
            || (self.status == 409 && self.json()["code"] == "idempotency_in_progress")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| {
            panic!(
                "not JSON: {error}: {}",
                String::from_utf8_lossy(&self.bytes)
            )
        })
    }
}

/// A client's way to the server.
#[derive(Clone)]
pub struct Wire {
    client: Client<HttpConnector, Full<Bytes>>,
    life: watch::Receiver<Life>,
    /// Several nodes instead, any of which will do.
    nodes: Vec<SocketAddr>,
    next: Arc<AtomicUsize>,
    /// What the last answer rests on, which reads present.
    position: Arc<Mutex<Option<String>>>,
}

/// What a client gives up with: nobody will start the server again.
#[derive(Debug)]
pub struct Over;

impl Wire {
    pub fn new(life: watch::Receiver<Life>) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            life,
            nodes: Vec::new(),
            next: Arc::default(),
            position: Arc::default(),
        }
    }

    /// To any of several nodes, one after the other.
    pub fn among(nodes: Vec<SocketAddr>) -> Self {
        Self {
            nodes,
            ..Self::new(watch::channel(Life::default()).1)
        }
    }

    /// To some of its nodes only, knowing what is known here.
    pub fn only(&self, nodes: Vec<SocketAddr>) -> Self {
        Self {
            nodes,
            ..self.clone()
        }
    }

    /// To one address only.
    pub fn to(address: SocketAddr) -> Self {
        let life = Life {
            number: 1,
            address: Some(address),
        };
        // The sender is dropped: this life is the last one.
        Self::new(watch::channel(life).1)
    }

    /// The answer to `call`, over as many lives of the server as it takes.
    pub async fn ask(&self, call: &Call) -> Result<Told, Over> {
        if !self.nodes.is_empty() {
            let told = tokio::time::timeout(ALL_TRIES, self.ask_any(call)).await;
            return Ok(told.unwrap_or_else(|_| panic!("no node answers {}", call.path)));
        }
        let mut life = self.life.clone();
        let mut tried = 0;
        loop {
            let now = *life
                .wait_for(|life| life.address.is_some() && life.number > tried)
                .await
                .map_err(|_| Over)?;
            let address = now.address.expect("waited for");
            let answer = tokio::time::timeout(PATIENCE, self.send(address, call)).await;
            match answer.unwrap_or_else(|_| panic!("no answer in time to {}", call.path)) {
                Some(told) if told.says_later() => tokio::task::yield_now().await,
                Some(told) => return Ok(told),
                None => tried = now.number,
            }
        }
    }

    async fn ask_any(&self, call: &Call) -> Told {
        loop {
            let place = self.next.fetch_add(1, Ordering::Relaxed) % self.nodes.len();
            let answer = tokio::time::timeout(TRY, self.send(self.nodes[place], call)).await;
            match answer.ok().flatten() {
                Some(told) if !told.says_later() => return told,
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn send(&self, address: SocketAddr, call: &Call) -> Option<Told> {
        let mut request = Request::builder()
            .method(&call.method)
            .uri(format!("http://{address}{}", call.path))
            .header(header::AUTHORIZATION, format!("Bearer {}", call.token));
        if let Some(key) = &call.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let position = self.position.lock().clone();
        if let Some(position) = position.filter(|_| call.method == Method::GET) {
            request = request.header(POSITION, position);
        }
        let body = match &call.body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let request = request.body(Full::from(body)).expect("a request");
        let response = self.client.request(request).await.ok()?;
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.ok()?.to_bytes();
        if let Some(position) = head.headers.get(POSITION)
            && !self.nodes.is_empty()
        {
            *self.position.lock() = position.to_str().ok().map(str::to_owned);
        }
        Some(Told {
            status: head.status.as_u16(),
            bytes,
        })
    }
}
