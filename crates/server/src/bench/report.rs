//! What a benchmark prints: a table for people, or one JSON object.

use std::time::Duration;

use serde::Serialize;

use super::load::Measured;

/// One line of a benchmark. Names and units are what `--json` shows.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    pub name: String,
    pub payments_per_s: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    /// Server and load generator together.
    pub cpu_us_per_payment: f64,
    pub rss_mib: u64,
    /// The do-nothing endpoint of the same server in the same run.
    pub ceiling_per_s: u64,
    pub requests_per_s: u64,
    pub errors: u64,
}

impl Line {
    pub fn of(name: &str, measured: &Measured, ceiling_per_s: u64) -> Self {
        let per_s = |count: u64| {
            let micros = measured.took.as_micros().max(1);
            u64::try_from(u128::from(count) * 1_000_000 / micros).unwrap_or(u64::MAX)
        };
        let ms = |micros: u64| Duration::from_micros(micros).as_secs_f64() * 1e3;
        let payments = u32::try_from(measured.payments.max(1)).unwrap_or(u32::MAX);
        Self {
            name: name.to_owned(),
            payments_per_s: per_s(measured.payments),
            p50_ms: ms(measured.latency.value_at_quantile(0.5)),
            p99_ms: ms(measured.latency.value_at_quantile(0.99)),
            max_ms: ms(measured.latency.max()),
            cpu_us_per_payment: (measured.cpu / payments).as_secs_f64() * 1e6,
            rss_mib: measured.resident_bytes >> 20,
            ceiling_per_s,
            requests_per_s: per_s(measured.requests),
            errors: measured.errors,
        }
    }
}

/// The lines as a table.
pub fn table(lines: &[Line]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header([
        "run",
        "payments/s",
        "p50 ms",
        "p99 ms",
        "max ms",
        "CPU µs/payment",
        "RSS MiB",
        "requests/s",
        "of ceiling",
        "errors",
    ]);
    for line in lines {
        let share = (line.requests_per_s * 100)
            .checked_div(line.ceiling_per_s)
            .map_or_else(String::new, |percent| format!("{percent} %"));
        table.add_row([
            line.name.clone(),
            line.payments_per_s.to_string(),
            format!("{:.2}", line.p50_ms),
            format!("{:.2}", line.p99_ms),
            format!("{:.2}", line.max_ms),
            format!("{:.1}", line.cpu_us_per_payment),
            line.rss_mib.to_string(),
            line.requests_per_s.to_string(),
            share,
            line.errors.to_string(),
        ]);
    }
    table.to_string()
}
