//! The stand-in bank as a real HTTP server.
//!
//! ```text
//!   PUT  /accounts/{account}            {balance_minor, currency}
//!   POST /collections                   {reference, account, amount_minor, currency}
//!   POST /returns                       {reference, original, amount_minor, currency}
//!   GET  /operations/{reference}
//!   POST /operations/{reference}/complete
//!   POST /operations/{reference}/fail   {reason}
//!   PUT  /behaviour                     {behaviour: {kind, …}, account?, times?}
//!   GET  /statement
//! ```
//! Each of them wants `Authorization: Bearer …` with the bank's token; without it the answer is 401 and nothing else is told.
//!
//! **Invariant:** [`Fate::Drop`] leaves not one byte of an answer on the wire.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{
    DefaultBodyLimit, FromRequest, Path as UrlPath, Request as AxumRequest, State as Shared,
};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower_service::Service as _;

use super::core::{Arrival, Core, Fate, Request};
use super::file::{FileError, Lines};
use super::operation::{Behaviour, Collect, GiveBack, Statement};
use crate::funding::Token;

const BODY_CAP_BYTES: usize = 16 * 1024;
const CONNECTIONS: usize = 1024;
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// A running bank. Clones share it.
#[derive(Clone)]
pub struct State {
    books: Arc<Mutex<Books>>,
    token: Token,
}

struct Books {
    core: Core,
    lines: Option<Lines>,
}

impl State {
    /// A bank that forgets all when it ends; it answers whoever has the token.
    pub fn in_memory(token: Token) -> Self {
        Self::with(Core::new(), None, token)
    }

    /// A bank that keeps its books in `path`.
    pub fn open(path: &Path, token: Token) -> Result<Self, FileError> {
        let (lines, records) = Lines::open(path)?;
        Ok(Self::with(Core::restore(records), Some(lines), token))
    }

    fn with(core: Core, lines: Option<Lines>, token: Token) -> Self {
        Self {
            books: Arc::new(Mutex::new(Books { core, lines })),
            token,
        }
    }

    /// The bank's side of the books, for whoever runs it in the same process.
    pub fn statement(&self) -> Result<Statement, FileError> {
        // What is due by now belongs on it.
        self.step(Request::Statement, Arrival::Fresh)?;
        Ok(self
            .books
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .core
            .statement())
    }

    /// Opens an account or sets its balance, for whoever runs it in the same process.
    pub fn open_account(
        &self,
        account: &str,
        balance_minor: i64,
        currency: &str,
    ) -> Result<(), FileError> {
        let request = Request::OpenAccount {
            account: account.to_owned(),
            balance_minor,
            currency: currency.to_owned(),
        };
        self.step(request, Arrival::Fresh).map(drop)
    }

    /// Does the file's work on the calling thread.
    fn step(&self, request: Request, arrival: Arrival) -> Result<Fate, FileError> {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let step = books.core.step(request, arrival, now_ms());
        if let Some(lines) = &mut books.lines {
            lines.append(&step.records)?;
        }
        Ok(step.fate)
    }

    async fn carry_out(&self, request: Request) -> Response {
        let mut arrival = Arrival::Fresh;
        loop {
            let (state, asked) = (self.clone(), request.clone());
            let stepped = tokio::task::spawn_blocking(move || state.step(asked, arrival)).await;
            match stepped {
                Ok(Ok(Fate::Answer {
                    status,
                    body,
                    after_ms,
                })) => {
                    pause(after_ms).await;
                    let status =
                        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                    return (status, axum::Json(body)).into_response();
                }
                Ok(Ok(Fate::Later { after_ms })) => {
                    pause(after_ms).await;
                    arrival = Arrival::Delayed;
                }
                // What is not durable must not be answered; the client cannot know, and asks again.
                Ok(Ok(Fate::Drop) | Err(_)) | Err(_) => return dropped(),
            }
        }
    }
}

async fn pause(ms: u64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Marks an answer that must not be given.
#[derive(Clone)]
struct Dropped;

fn dropped() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Dropped);
    response
}

#[derive(Debug, thiserror::Error)]
#[error("the answer is dropped on demand")]
struct DroppedOnDemand;

/// Serves the bank on `listener` until the future is dropped, connections included.
pub async fn serve(listener: TcpListener, state: State) -> io::Result<()> {
    let router = router(state);
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let permit = room
            .clone()
            .acquire_owned()
            .await
            .map_err(io::Error::other)?;
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            // Out of file descriptors, or a client gone before it was accepted.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let router = router.clone();
        connections.spawn(async move {
            let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let mut router = router.clone();
                async move {
                    let Ok(response) = router.call(request.map(Body::new)).await;
                    match response.extensions().get::<Dropped>() {
                        None => Ok(response),
                        Some(_) => Err(DroppedOnDemand),
                    }
                }
            });
            // How a connection ends is its client's business.
            let _ended = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(socket), service)
                .await;
            drop(permit);
        });
    }
}

fn router(state: State) -> Router {
    Router::new()
        .route("/accounts/{account}", put(open_account))
        .route("/collections", post(collect))
        .route("/returns", post(give_back))
        .route("/operations/{reference}", get(status))
        .route("/operations/{reference}/complete", post(complete))
        .route("/operations/{reference}/fail", post(fail))
        .route("/behaviour", put(behave))
        .route("/statement", get(statement))
        .layer(DefaultBodyLimit::max(BODY_CAP_BYTES))
        .layer(from_fn_with_state(state.clone(), only_with_token))
        .with_state(state)
}

/// Before anything of a request is looked at.
async fn only_with_token(
    Shared(state): Shared<State>,
    request: AxumRequest,
    next: Next,
) -> Response {
    let offered = request.headers().get(header::AUTHORIZATION);
    let offered = offered.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    if offered.is_some_and(|offered| state.token.is(offered)) {
        return next.run(request).await;
    }
    let body = json!({"status": "unauthorized", "detail": "the bank's token is wanted"});
    (StatusCode::UNAUTHORIZED, axum::Json(body)).into_response()
}

/// JSON whose errors are JSON too.
struct Json<T>(T);

impl<T: DeserializeOwned> FromRequest<State> for Json<T> {
    type Rejection = Response;

    async fn from_request(request: AxumRequest, state: &State) -> Result<Self, Response> {
        match axum::Json::from_request(request, state).await {
            Ok(axum::Json(body)) => Ok(Self(body)),
            Err(rejection) => {
                let body = json!({"status": "malformed", "detail": rejection.body_text()});
                // 422 means "refused" here, so a body of the wrong shape is a plain 400.
                let status = match rejection.status() {
                    StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
                    other => other,
                };
                Err((status, axum::Json(body)).into_response())
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenAccountBody {
    balance_minor: i64,
    currency: String,
}

async fn open_account(
    Shared(state): Shared<State>,
    UrlPath(account): UrlPath<String>,
    Json(body): Json<OpenAccountBody>,
) -> Response {
    let OpenAccountBody {
        balance_minor,
        currency,
    } = body;
    state
        .carry_out(Request::OpenAccount {
            account,
            balance_minor,
            currency,
        })
        .await
}

async fn collect(Shared(state): Shared<State>, Json(order): Json<Collect>) -> Response {
    state.carry_out(Request::Collect(order)).await
}

async fn give_back(Shared(state): Shared<State>, Json(order): Json<GiveBack>) -> Response {
    state.carry_out(Request::GiveBack(order)).await
}

async fn status(Shared(state): Shared<State>, UrlPath(reference): UrlPath<String>) -> Response {
    state.carry_out(Request::Status { reference }).await
}

async fn complete(Shared(state): Shared<State>, UrlPath(reference): UrlPath<String>) -> Response {
    state.carry_out(Request::Complete { reference }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FailBody {
    reason: String,
}

async fn fail(
    Shared(state): Shared<State>,
    UrlPath(reference): UrlPath<String>,
    Json(FailBody { reason }): Json<FailBody>,
) -> Response {
    state.carry_out(Request::Fail { reference, reason }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BehaveBody {
    behaviour: Behaviour,
    account: Option<String>,
    times: Option<u32>,
}

async fn behave(Shared(state): Shared<State>, Json(body): Json<BehaveBody>) -> Response {
    let BehaveBody {
        behaviour,
        account,
        times,
    } = body;
    state
        .carry_out(Request::Behave {
            account,
            behaviour,
            times,
        })
        .await
}

async fn statement(Shared(state): Shared<State>) -> Response {
    state.carry_out(Request::Statement).await
}
