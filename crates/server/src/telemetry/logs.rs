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
        format::{Format, JsonFields, Writer},
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
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        // Saying that a line could not be written ends the thread that logs, where nobody reads standard error.
        .log_internal_errors(false);
    if json {
        let format = WithRequest {
            format: Format::default().json(),
            put: as_first_member,
        };
        lines
            .event_format(format)
            .fmt_fields(JsonFields::new())
            .boxed()
    } else {
        let format = WithRequest {
            format: Format::default(),
            put: at_the_end,
        };
        lines.event_format(format).boxed()
    }
}

/// Lines in `format`, with the number of the request put in by `put`.
struct WithRequest<F> {
    format: Format<F>,
    put: fn(&mut Writer<'_>, line: &str, request: &str) -> fmt::Result,
}

/// At the end of a line of text.
fn at_the_end(writer: &mut Writer<'_>, line: &str, request: &str) -> fmt::Result {
    let line = line.trim_end_matches('\n');
    writeln!(writer, "{line} request={request}")
}

/// As the first member of an object.
fn as_first_member(writer: &mut Writer<'_>, line: &str, request: &str) -> fmt::Result {
    match line.strip_prefix('{') {
        Some(rest) => write!(writer, "{{\"request\":\"{request}\",{rest}"),
        None => writer.write_str(line),
    }
}

impl<S, N, F> FormatEvent<S, N> for WithRequest<F>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
    Format<F>: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(number) = request::number() else {
            return self.format.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.format
            .format_event(context, Writer::new(&mut line), event)?;
        (self.put)(&mut writer, &line, &request::show(number).to_string())
    }
}
