//! A real node on a temporary folder with real HTTP, a small world to put into it, and a phone made of software.
//!
//! Used by each test binary as `#[path = "../support/mod.rs"] mod support;`:
//!
//! ```ignore
//! let test = TestNode::start().await;
//! let shop = test.merchant("Bookshop", 5942).await;
//! let alice = test.line("+8613800138000").await;
//! test.give_cash(alice, 50_000).await;
//! let phone = Phone::enrol(&test, "+8613800138000", "284617").await;
//! let payment = test.ask(&shop, Ask::of("+8613800138000", 12_800)).await;
//! let prompt = phone.prompt(&test, payment.id).await;
//! let answer = phone.approve(&test, &prompt, &code_of(&payment), "284617").await;
//! assert_eq!(answer.body["status"], "captured");
//! ```
//! `PAYTONE_TEST_STORE=postgres` puts every node's stores into a private PostgreSQL instead of files.
//!
//! Nothing here waits by sleeping; what is waited for has a limit of ten seconds.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod phone;
pub mod world;

use std::{
    path::Path,
    sync::{Arc, Weak},
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, Request, Response, body::Bytes, body::Incoming, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use paytone::{
    config::{Config, Store},
    http::{Served, router, serve},
    node::{Node, Started},
};
use paytone_journal::Keyring;
use private_postgres::Cluster;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

#[allow(unused_imports, reason = "each test binary uses a part of it")]
pub use phone::{Events, Phone};
#[allow(unused_imports, reason = "each test binary uses a part of it")]
pub use world::{Ask, Shop, TestLine, code_of};

/// Longest wait for anything.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A node that serves HTTP, as the demo does.
pub struct TestNode {
    pub node: Arc<Node>,
    /// `http://127.0.0.1:port`
    pub origin: String,
    client: Client<HttpConnector, Full<Bytes>>,
    started: Started,
    served: Served,
    folder: TempDir,
    /// Where its stores are, if not in the folder.
    store: Store,
}

/// What a request was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// `Null` where the answer had no body.
    pub body: Value,
}

impl Answer {
    /// The problem's code; empty for a success.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("")
    }

    /// Itself, if it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// Itself, if it is this problem.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.body);
        self
    }
}

impl TestNode {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// With some settings changed.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Keyring::create(folder.path().join("keyring.toml")).expect("a keyring");
        let store = match std::env::var("PAYTONE_TEST_STORE").as_deref() {
            Ok("postgres") => in_postgres(Cluster::shared()),
            Ok(other) => panic!("no such store: {other}"),
            Err(_) => Store::default(),
        };
        Self::start_in(folder, store, change).await
    }

    /// With its stores in a database of their own.
    pub async fn start_on(cluster: &Cluster) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Keyring::create(folder.path().join("keyring.toml")).expect("a keyring");
        Self::start_in(folder, in_postgres(cluster), |_| {}).await
    }

    /// On what is in a folder already, and in a database.
    pub async fn start_in(folder: TempDir, store: Store, change: impl FnOnce(&mut Config)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut config = Config {
            data: folder.path().join("data"),
            keyring: folder.path().join("keyring.toml"),
            listen: address,
            origin: format!("http://{address}"),
            code_channels: vec!["screen".to_owned()],
            store,
            ..Config::default()
        };
        change(&mut config);
        let (origin, limits) = (config.origin.clone(), config.limits.clone());
        let store = config.store.clone();
        let started = Node::start(config, true).await.expect("the node starts");
        let node = Arc::clone(&started.node);
        let served = serve(listener, router(Arc::clone(&node)), &limits).expect("it listens");
        Self {
            node,
            origin,
            client: Client::builder(TokioExecutor::new()).build_http(),
            started,
            served,
            folder,
            store,
        }
    }

    /// Stops it and starts another one on the same data, at another address.
    pub async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    /// As [`Self::restart`], with some settings changed.
    pub async fn restart_with(self, change: impl FnOnce(&mut Config)) -> Self {
        let store = self.store.clone();
        let folder = self.stop().await;
        Self::start_in(folder, store, change).await
    }

    /// Stops it; its data stays in the folder.
    pub async fn stop(self) -> TempDir {
        let Self {
            node,
            client,
            started,
            served,
            folder,
            ..
        } = self;
        drop(client);
        node.news.close();
        served.stop(PATIENCE).await;
        let last = Arc::downgrade(&node);
        drop(node);
        let stopping = tokio::task::spawn_blocking(move || started.stop());
        stopping.await.expect("the engine stops");
        gone(&last).await;
        folder
    }

    /// The URL of its database; empty if its stores are files.
    pub fn store_url(&self) -> &str {
        &self.store.url
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.send(Method::GET, path, token, &[], None).await
    }

    pub async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        self.send(Method::POST, path, token, &[], Some(body)).await
    }

    /// One request with a JSON body and further headers; the body of the answer must be JSON or empty.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let bytes = body.map(|body| body.to_string().into_bytes());
        let kind = ("content-type", "application/json");
        let mut headers = headers.to_vec();
        if bytes.is_some() {
            headers.push(kind);
        }
        self.send_bytes(method, path, token, &headers, bytes.unwrap_or_default())
            .await
    }

    /// One request as it stands.
    pub async fn send_bytes(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let response = self.open(method, path, token, headers, body).await;
        let (head, body) = response.into_parts();
        let bytes = tokio::time::timeout(PATIENCE, body.collect())
            .await
            .expect("the answer's body comes in time")
            .expect("the answer's body comes whole")
            .to_bytes();
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                panic!("{path}: {error}: {}", String::from_utf8_lossy(&bytes))
            })
        };
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        }
    }

    /// Like [`Self::send_bytes`], with the answer's body still to be read.
    pub async fn open(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Response<Incoming> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.origin));
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body)).expect("a request");
        tokio::time::timeout(PATIENCE, self.client.request(request))
            .await
            .expect("an answer comes in time")
            .expect("an answer comes")
    }
}

/// A new database.
pub fn in_postgres(cluster: &Cluster) -> Store {
    Store {
        url: cluster.database(),
        ..Store::default()
    }
}

/// Waits until nobody holds the node any more, so that its files can be opened again.
async fn gone(node: &Weak<Node>) {
    let all_gone = async {
        while node.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, all_gone)
        .await
        .expect("everybody lets go of a node that stopped");
}
