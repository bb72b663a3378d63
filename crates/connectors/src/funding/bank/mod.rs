//! A bank account as a money source, over HTTP and JSON.
//!
//! ```text
//!   POST /collections {reference, account, amount_minor, currency}    GET /operations/{reference}
//!   POST /returns     {reference, original, amount_minor, currency}
//!
//!   200 done · 422 refused · 202 pending        200 done | refused · 202 pending · 404 not_found
//! ```
//! **Invariant:** an answer counts only if status, body and what was asked agree; a proxy's error
//! page, a redirect, a broken body, or another amount than asked is `Unknown`.
//!
//! **Not here:** retries; certificates of the client (mutual TLS).
//!
//! Reading an answer is apart from fetching it ([`read_outcome`], [`read_status`]), so that the
//! simulator judges answers by the same code without a socket.

mod answer;

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use url::Url;

use super::{Collection, Funding, OpenError, Outcome, Reference, Return, Settings, Status};
use crate::Promise;

pub use answer::{Asked, read_outcome, read_status};

pub const NAME: &str = "bank";

/// An honest answer is a few hundred bytes.
const ANSWER_CAP_BYTES: usize = 16 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const ACCOUNT_CAP_BYTES: usize = 64;

pub struct Bank {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base_url: String,
    authorization: Option<HeaderValue>,
    timeout: Duration,
}

pub(super) fn open(settings: &Settings) -> Result<Arc<dyn Funding>, OpenError> {
    Ok(Arc::new(Bank::open(settings)?))
}

impl Bank {
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        let base_url = base_url(settings)?;
        let authorization = match &settings.token {
            None => None,
            Some(token) => {
                let mut value = HeaderValue::try_from(format!("Bearer {}", token.reveal()))
                    .map_err(|_| OpenError::Token)?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT.min(settings.timeout)));
        connector.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(aws_lc_rs::default_provider())
            .map_err(|error| OpenError::BaseUrl {
                why: error.to_string(),
            })?
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .http1_max_buf_size(2 * ANSWER_CAP_BYTES)
            .build(connector);
        Ok(Self {
            client,
            base_url,
            authorization,
            timeout: settings.timeout,
        })
    }

    /// One exchange. `Err` says why there is no answer to read.
    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> Result<(u16, Bytes), String> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base_url))
            .header(ACCEPT, "application/json");
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let bytes = match body {
            None => Bytes::new(),
            Some(json) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Bytes::from(json.to_string())
            }
        };
        let request = request
            .body(Full::new(bytes))
            .map_err(|_| "request_unusable".to_owned())?;
        let answered = async {
            let answer = self.client.request(request).await.map_err(|error| {
                if error.is_connect() {
                    "unreachable"
                } else {
                    "connection_lost"
                }
                .to_owned()
            })?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), ANSWER_CAP_BYTES)
                .collect()
                .await
                .map_err(|_| "answer_broken_or_too_large".to_owned())?;
            Ok((status, body.to_bytes()))
        };
        match tokio::time::timeout(self.timeout, answered).await {
            Ok(result) => result,
            Err(_) => Err("timed_out".to_owned()),
        }
    }

    async fn order(&self, path: &str, asked: Asked<'_>, body: serde_json::Value) -> Outcome {
        match self.exchange(Method::POST, path, Some(body)).await {
            Ok((status, bytes)) => read_outcome(&asked, status, &bytes),
            Err(why) => Outcome::Unknown { why },
        }
    }
}

impl Funding for Bank {
    fn name(&self) -> &'static str {
        NAME
    }

    fn collect<'a>(&'a self, order: &'a Collection) -> Promise<'a, Outcome> {
        Box::pin(async move {
            let asked = Asked {
                reference: &order.reference,
                amount_minor: order.amount_minor,
                currency: &order.currency,
            };
            if !asked.is_sendable()
                || order.account.is_empty()
                || order.account.len() > ACCOUNT_CAP_BYTES
            {
                return never_sent();
            }
            let body = serde_json::json!({
                "reference": order.reference.as_str(),
                "account": order.account,
                "amount_minor": order.amount_minor,
                "currency": order.currency,
            });
            self.order("/collections", asked, body).await
        })
    }

    fn give_back<'a>(&'a self, order: &'a Return) -> Promise<'a, Outcome> {
        Box::pin(async move {
            let asked = Asked {
                reference: &order.reference,
                amount_minor: order.amount_minor,
                currency: &order.currency,
            };
            if !asked.is_sendable() {
                return never_sent();
            }
            let body = serde_json::json!({
                "reference": order.reference.as_str(),
                "original": order.original.as_str(),
                "amount_minor": order.amount_minor,
                "currency": order.currency,
            });
            self.order("/returns", asked, body).await
        })
    }

    fn status<'a>(&'a self, reference: &'a Reference) -> Promise<'a, Status> {
        Box::pin(async move {
            match self
                .exchange(Method::GET, &format!("/operations/{reference}"), None)
                .await
            {
                Ok((status, bytes)) => read_status(reference, status, &bytes),
                Err(why) => Status::Unknown { why },
            }
        })
    }
}

/// Refusing is safe only because nothing left this process.
fn never_sent() -> Outcome {
    Outcome::Refused {
        reason: "request_invalid".to_owned(),
    }
}

fn base_url(settings: &Settings) -> Result<String, OpenError> {
    let refuse = |why: &str| {
        Err(OpenError::BaseUrl {
            why: why.to_owned(),
        })
    };
    let Ok(url) = Url::parse(&settings.base_url) else {
        return refuse("not a URL");
    };
    match url.scheme() {
        "https" => {}
        "http" if settings.allow_http => {}
        "http" => return refuse("plain http is not allowed here"),
        _ => return refuse("only https"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("credentials belong in token");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("no query and no fragment");
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_url_is_https_without_credentials_or_query() {
        let check = |url: &str, allow_http| {
            Bank::open(&Settings {
                allow_http,
                ..Settings::new(url)
            })
            .map(|bank| bank.base_url)
        };
        assert_eq!(
            check("https://bank.example/v1/", false).unwrap(),
            "https://bank.example/v1"
        );
        assert_eq!(
            check("http://127.0.0.1:8080", true).unwrap(),
            "http://127.0.0.1:8080"
        );
        for (url, allow_http) in [
            ("http://bank.example", false),
            ("ftp://bank.example", true),
            ("https://me:pw@bank.example", false),
            ("https://bank.example/?key=1", false),
            ("bank.example", false),
        ] {
            assert_eq!(
                check(url, allow_http).unwrap_err().code(),
                "funding_base_url",
                "{url}"
            );
        }
    }
}
