//! Log lines: text or one JSON object each, on standard error, as `RUST_LOG` says.
//!
//! A line written while a request is served carries the request's number, which its answer names where something went wrong
//! and which the engine's item keeps as its cause.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Full, Json, JsonFields, Writer},
    },
    registry::LookupSpan,
};

use crate::http::request;

pub fn filter(default: &str) -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default))
}

pub fn layer<S>(json: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if json {
        let format = Format::default().json();
        lines
            .event_format(InJson(format))
            .fmt_fields(JsonFields::new())
            .boxed()
    } else {
        lines.event_format(InText(Format::default())).boxed()
    }
}

/// Text, with the request's number at the end.
struct InText(Format<Full>);

/// One object, with the request's number as its first member.
struct InJson(Format<Json>);

impl<S, N> FormatEvent<S, N> for InText
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(number) = request::number() else {
            return self.0.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end_matches('\n');
        writeln!(writer, "{line} request={}", request::show(number))
    }
}

impl<S, N> FormatEvent<S, N> for InJson
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(number) = request::number() else {
            return self.0.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        match line.strip_prefix('{') {
            Some(rest) => write!(writer, "{{\"request\":\"{}\",{rest}", request::show(number)),
            None => writer.write_str(&line),
        }
    }
}
