//! What `paytone bench history` prints: a row for each mark, or one JSON object.

use std::fmt;

use serde::Serialize;

/// One mark. Names and units are what `--json` shows.
#[derive(Clone, Debug, Serialize)]
pub struct Mark {
    /// Payments in the journal.
    pub millions: u64,
    /// Of the last payments before the mark.
    pub payments_per_s: u64,
    /// Of all threads but the load's: engine, journal, archiver, both databases.
    pub cpu_us_per_payment: f64,
    pub p99_ms: f64,
    /// Of a million new keys, how many the filter took for known, so that they were looked for on the disk.
    pub looked_up_per_million: u64,
    /// Resident memory as the last payment was answered.
    pub busy_rss_mib: u64,
    /// And once all that may leave had left.
    pub rss_mib: u64,
    /// Of it, the filter of keys: it holds a day's.
    pub key_filter_mib: u64,
    /// Payments and answers in memory then.
    pub kept_in_memory: u64,
    pub evictions: u64,
    pub journal_mib: u64,
    pub archive_mib: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub subscribers: u64,
    pub marks: Vec<Mark>,
    /// From a snapshot made at the end.
    pub start_s: f64,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} million: {} payments/s, {:.2} µs, {} MiB, journal {} MiB, archive {} MiB",
            self.millions,
            self.payments_per_s,
            self.cpu_us_per_payment,
            self.rss_mib,
            self.journal_mib,
            self.archive_mib
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
        table.set_header([
            "millions",
            "payments/s",
            "CPU µs",
            "p99 ms",
            "RSS MiB busy",
            "RSS MiB",
            "filter MiB",
            "journal MiB",
            "archive MiB",
        ]);
        for mark in &self.marks {
            table.add_row([
                mark.millions.to_string(),
                mark.payments_per_s.to_string(),
                format!("{:.2}", mark.cpu_us_per_payment),
                format!("{:.1}", mark.p99_ms),
                mark.busy_rss_mib.to_string(),
                mark.rss_mib.to_string(),
                mark.key_filter_mib.to_string(),
                mark.journal_mib.to_string(),
                mark.archive_mib.to_string(),
            ]);
        }
        writeln!(f, "{table}")?;
        writeln!(
            f,
            "{} subscribers. Cost and rate are of the last payments before each mark, archiving included.",
            self.subscribers
        )?;
        write!(
            f,
            "A start from a snapshot then takes {:.2} s.",
            self.start_s
        )
    }
}
