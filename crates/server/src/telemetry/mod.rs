//! Logs and traces: what the process tells of single requests, while it runs.
//!
//! **Not here:** figures. Those are in [`crate::metrics`].

pub mod logs;
pub mod traces;

use tracing_subscriber::{Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::config;
pub use traces::TracesError;

/// Ends the traces when it is dropped or told to.
#[must_use = "traces end with it"]
pub struct Telemetry {
    traces: Option<traces::Traces>,
}

/// Logs to standard error, and traces where `settings` say so. Where a process has set logs up already they stay as they are.
pub fn start(default: &str, settings: &config::Telemetry) -> Result<Telemetry, TracesError> {
    let traces = traces::Traces::start(settings)?;
    let spans = traces.as_ref().map(traces::Traces::layer);
    let registry = tracing_subscriber::registry()
        .with(spans)
        .with(logs::layer(settings.log_json).with_filter(logs::filter(default)));
    // Somebody may have set one up already: a test.
    let _ = registry.try_init();
    Ok(Telemetry { traces })
}

impl Telemetry {
    /// Sends what is left, which blocks.
    pub fn stop(self) {
        if let Some(traces) = self.traces {
            traces.stop();
        }
    }
}
