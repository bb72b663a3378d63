//! Around every request: its number, how long it took and how it was answered, and a span where traces are wanted.
//!
//! **Invariant:** a request that is dropped half-way (its client went away) gives back its turn and is counted. **Not here:**
//! bodies. A stream counts as answered when it begins.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue},
    response::Response,
};
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
use tower::{Layer, Service};
use tracing::Span;

use super::request::{self, Scope};
use crate::{
    metrics::{
        Metrics,
        requests::{Asked, NO_ROUTE},
    },
    node::Node,
    telemetry::traces,
};

/// On answers that something went wrong, so that the log's lines about it can be found.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[derive(Clone)]
pub struct Observe(pub Arc<Node>);

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Observed {
            node: Arc::clone(&self.0),
            inner,
        }
    }
}

#[derive(Clone)]
pub struct Observed<S> {
    node: Arc<Node>,
    inner: S,
}

impl<S> Service<Request> for Observed<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Watched<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let number = self.node.new_request();
        let route = request.extensions().get::<MatchedPath>();
        let route = route.map_or(NO_ROUTE, MatchedPath::as_str);
        let asked = self.node.metrics.requests.route(route, request.method());
        let span = traces::of_request(&request, route, number);
        let under_way = UnderWay::begin(Arc::clone(&self.node.metrics), asked);
        let answer = request::SCOPE.scope(Scope::of(number), self.inner.call(request));
        Watched {
            answer,
            under_way,
            span,
            number,
        }
    }
}

/// Counted until it is answered or dropped.
struct UnderWay {
    metrics: Arc<Metrics>,
    asked: Arc<Asked>,
    begun: Instant,
    answered: bool,
}

impl UnderWay {
    fn begin(metrics: Arc<Metrics>, asked: Arc<Asked>) -> Self {
        metrics.requests.begins();
        Self {
            metrics,
            asked,
            begun: Instant::now(),
            answered: false,
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.metrics.requests.ends(self.answered);
    }
}

pin_project! {
    /// The answer of one request.
    pub struct Watched<F> {
        #[pin]
        answer: TaskLocalFuture<Scope, F>,
        under_way: UnderWay,
        span: Span,
        number: u32,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Watched<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let entered = this.span.enter();
        let Ok(mut response) = ready!(this.answer.poll(context));
        drop(entered);
        let status = response.status();
        let took = this.under_way.begun.elapsed();
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        this.under_way.asked.answered(status, took_us);
        this.under_way.answered = true;
        this.span
            .record("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            this.span.record("otel.status_code", "ERROR");
            if let Ok(id) = HeaderValue::try_from(request::show(*this.number)) {
                response.headers_mut().insert(REQUEST_ID, id);
            }
        }
        Poll::Ready(Ok(response))
    }
}
