//! A small JSON client, as a merchant's or a phone's program would have one.

use std::{fmt, time::Duration};

use axum::http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use serde_json::Value;

const ANSWER_CAP_BYTES: usize = 1 << 20;
/// Longer than the longest long poll.
const TIMEOUT: Duration = Duration::from_secs(40);

/// Talks to one address. Clones share connections.
#[derive(Clone)]
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
}

/// Status and body.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub body: Value,
}

/// One request; made by [`Http::post`] and its kin.
pub struct Call<'a> {
    http: &'a Http,
    method: Method,
    path: String,
    token: Option<&'a str>,
    key: Option<&'a str>,
    body: Option<Value>,
}

/// There is no answer to read; what was asked may have been done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct NoAnswer {
    pub path: String,
    pub why: String,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Http({})", self.base)
    }
}

impl Http {
    /// `base` is such as `http://127.0.0.1:8400`.
    pub fn new(base: impl Into<String>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(3)));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            // Shorter than the server waits for the next request.
            .pool_idle_timeout(Duration::from_secs(5))
            .build(connector);
        Self {
            client,
            base: base.into(),
        }
    }

    pub fn get(&self, path: impl Into<String>) -> Call<'_> {
        self.call(Method::GET, path, None)
    }

    pub fn post(&self, path: impl Into<String>, body: Value) -> Call<'_> {
        self.call(Method::POST, path, Some(body))
    }

    pub fn put(&self, path: impl Into<String>, body: Value) -> Call<'_> {
        self.call(Method::PUT, path, Some(body))
    }

    pub fn delete(&self, path: impl Into<String>) -> Call<'_> {
        self.call(Method::DELETE, path, None)
    }

    fn call(&self, method: Method, path: impl Into<String>, body: Option<Value>) -> Call<'_> {
        Call {
            http: self,
            method,
            path: path.into(),
            token: None,
            key: None,
            body,
        }
    }
}

impl<'a> Call<'a> {
    pub fn token(mut self, token: &'a str) -> Self {
        self.token = Some(token);
        self
    }

    /// The `Idempotency-Key`.
    pub fn key(mut self, key: &'a str) -> Self {
        self.key = Some(key);
        self
    }

    pub async fn send(self) -> Result<Reply, NoAnswer> {
        let failed = |why: String| NoAnswer {
            path: self.path.clone(),
            why,
        };
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(format!("{}{}", self.http.base, self.path))
            .header(header::ACCEPT, "application/json");
        if let Some(token) = self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(key) = self.key {
            request = request.header("idempotency-key", key);
        }
        let bytes = match &self.body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let request = request
            .body(Full::new(bytes))
            .map_err(|error| failed(error.to_string()))?;
        let exchange = async {
            let answer = self
                .http
                .client
                .request(request)
                .await
                .map_err(|error| error.to_string())?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_CAP_BYTES)
                .collect()
                .await
                .map_err(|error| error.to_string())?
                .to_bytes();
            let body = if body.is_empty() {
                Value::Null
            } else {
                serde_json::from_slice(&body).map_err(|error| error.to_string())?
            };
            Ok(Reply { status, body })
        };
        match tokio::time::timeout(TIMEOUT, exchange).await {
            Ok(result) => result.map_err(failed),
            Err(_) => Err(failed("no answer in time".to_owned())),
        }
    }
}
