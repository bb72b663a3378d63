//! Traces by OTLP over HTTP, to a collector, where one is configured; otherwise no span is ever made.
//!
//! ```text
//!   POST /v1/payments ─┬─ decide and make durable
//!                      └─ …
//! ```
//! A trace that a client began (`traceparent`) is continued; whether it is sampled is this node's own decision. **Invariant:**
//! attributes are routes, methods, statuses and request numbers: never what somebody sent.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use axum::{body::Bytes, extract::Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry::{
    propagation::TextMapPropagator as _,
    trace::{TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_http::{HeaderExtractor, HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracerProvider},
};
use tokio::runtime::Handle;
use tracing::{Span, Subscriber, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use super::super::{config, http::request};

/// Spans that are sent have this target.
const TARGET: &str = "paytone::trace";
/// Longest for a collector to take what it is sent.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most of a collector's answer that is read.
const ANSWER_BYTES: usize = 64 << 10;

/// Whether spans are made.
static ON: AtomicBool = AtomicBool::new(false);

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    #[error("setting telemetry.otlp_endpoint: {0}")]
    Endpoint(String),
    #[error("setting telemetry.traces_per_thousand: at most 1000")]
    Share,
}

pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// `None` where no collector is configured. Needs the runtime that is to send.
    pub fn start(settings: &config::Telemetry) -> Result<Option<Self>, TracesError> {
        if settings.otlp_endpoint.is_empty() {
            return Ok(None);
        }
        if settings.traces_per_thousand > 1_000 {
            return Err(TracesError::Share);
        }
        let base = settings.otlp_endpoint.trim_end_matches('/');
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(ByHyper::new())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{base}/v1/traces"))
            .with_timeout(PATIENCE)
            .build()
            .map_err(|error| TracesError::Endpoint(error.to_string()))?;
        let share = f64::from(settings.traces_per_thousand) / 1_000.0;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::TraceIdRatioBased(share))
            .with_resource(Resource::builder().with_service_name("paytone").build())
            .build();
        ON.store(true, Ordering::Relaxed);
        Ok(Some(Self { provider }))
    }

    pub(super) fn layer<S>(&self) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("paytone"))
            .with_location(false)
            .with_threads(false)
            .with_filter(filter_fn(|metadata| metadata.target() == TARGET))
            .boxed()
    }

    /// Sends what is left, which blocks.
    pub fn stop(self) {
        ON.store(false, Ordering::Relaxed);
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "the last traces were not taken");
        }
    }
}

/// The span of a request; none where traces are off.
pub fn of_request(asked: &Request, route: &str, number: u32) -> Span {
    if !ON.load(Ordering::Relaxed) {
        return Span::none();
    }
    let method = asked.method();
    let span = tracing::info_span!(
        target: TARGET,
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = %method,
        http.route = route,
        http.response.status_code = Empty,
        request.id = request::show(number),
    );
    let begun = TraceContextPropagator::new().extract(&HeaderExtractor(asked.headers()));
    if begun.span().span_context().is_valid() {
        // Where the span was filtered away there is nothing to continue.
        let _ = span.set_parent(begun);
    }
    span
}

/// The span of one decision, within its request's.
pub fn of_decision() -> Span {
    if !ON.load(Ordering::Relaxed) {
        return Span::none();
    }
    tracing::info_span!(target: TARGET, "decide and make durable")
}

/// Sends on the runtime, for an exporter that has a thread of its own.
#[derive(Clone, Debug)]
struct ByHyper {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
}

impl ByHyper {
    fn new() -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .build();
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            runtime: Handle::current(),
        }
    }
}

#[async_trait]
impl HttpClient for ByHyper {
    async fn send_bytes(
        &self,
        request: hyper::Request<Bytes>,
    ) -> Result<hyper::Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sending = async move {
            let answer = client.request(request.map(Full::new)).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES).collect().await?;
            Ok(hyper::Response::from_parts(head, body.to_bytes()))
        };
        let sent = self
            .runtime
            .spawn(async move { tokio::time::timeout(PATIENCE, sending).await });
        sent.await??
    }
}
