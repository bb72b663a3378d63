//! What `paytone bench engine` prints: a table for people, or one JSON object.

use std::{fmt, time::Duration};

use serde::Serialize;

use super::load::Measured;

/// One run. Names and units are what `--json` shows.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Most payments of one batch; nothing where it was what waited, up to the engine's own limit.
    pub batch: Option<usize>,
    pub payments: u64,
    pub payments_per_s: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    /// Of the threads between the queue and the disk.
    pub cpu_us_per_payment: f64,
    /// Of the load that asks and takes the answers.
    pub load_cpu_us_per_payment: f64,
    pub rss_mib: u64,
    /// In the journal's file, everything included.
    pub bytes_per_payment: u64,
}

impl Run {
    pub fn of(limit: usize, measured: &Measured, grown: u64) -> Self {
        let payments = measured.payments.max(1);
        let each = |spent: Duration| {
            (spent / u32::try_from(payments).unwrap_or(u32::MAX)).as_secs_f64() * 1e6
        };
        let ms = |micros: u64| Duration::from_micros(micros).as_secs_f64() * 1e3;
        let micros = measured.took.as_micros().max(1);
        Self {
            batch: (limit != usize::MAX).then_some(limit),
            payments: measured.payments,
            payments_per_s: u64::try_from(u128::from(measured.payments) * 1_000_000 / micros)
                .unwrap_or(u64::MAX),
            p50_ms: ms(measured.latency.value_at_quantile(0.5)),
            p99_ms: ms(measured.latency.value_at_quantile(0.99)),
            max_ms: ms(measured.latency.max()),
            cpu_us_per_payment: each(measured.cpu),
            load_cpu_us_per_payment: each(measured.load_cpu),
            rss_mib: measured.resident_bytes >> 20,
            bytes_per_payment: grown / payments,
        }
    }
}

pub struct Report {
    pub runs: Vec<Run>,
    pub bytes_per_subscriber: u64,
    pub replayed_events: u64,
    pub replay: Duration,
}

impl Report {
    fn replayed_per_s(&self) -> u64 {
        let micros = self.replay.as_micros().max(1);
        u64::try_from(u128::from(self.replayed_events) * 1_000_000 / micros).unwrap_or(u64::MAX)
    }

    /// The first run's figures, the others beside them.
    pub fn json(&self) -> serde_json::Value {
        let mut runs = self.runs.iter();
        let mut object = serde_json::to_value(runs.next()).unwrap_or_default();
        object["limited"] = serde_json::to_value(runs.collect::<Vec<_>>()).unwrap_or_default();
        object["bytes_per_subscriber"] = self.bytes_per_subscriber.into();
        object["replayed_events_per_s"] = self.replayed_per_s().into();
        object["replay_gives_the_same_state"] = true.into();
        object
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
        table.set_header([
            "batch",
            "payments/s",
            "p50 ms",
            "p99 ms",
            "max ms",
            "CPU µs",
            "load's CPU µs",
            "RSS MiB",
            "bytes",
        ]);
        for run in &self.runs {
            table.add_row([
                run.batch
                    .map_or_else(|| "what waits".to_owned(), |most| most.to_string()),
                run.payments_per_s.to_string(),
                format!("{:.2}", run.p50_ms),
                format!("{:.2}", run.p99_ms),
                format!("{:.2}", run.max_ms),
                format!("{:.2}", run.cpu_us_per_payment),
                format!("{:.2}", run.load_cpu_us_per_payment),
                run.rss_mib.to_string(),
                run.bytes_per_payment.to_string(),
            ]);
        }
        writeln!(f, "{table}")?;
        writeln!(
            f,
            "CPU and bytes are per payment: CPU of all threads between the queue and the disk, bytes in the journal."
        )?;
        writeln!(
            f,
            "A subscriber without a device takes {} bytes of memory.",
            self.bytes_per_subscriber
        )?;
        write!(
            f,
            "The journal makes the same state again: {} events in {:.1} s, {} events/s.",
            self.replayed_events,
            self.replay.as_secs_f64(),
            self.replayed_per_s()
        )
    }
}
