//! A [`Reading`] as Prometheus reads it: text format 0.0.4.
//!
//! Times are in seconds, sizes in bytes, counters end in `_total`. Label values are names of this program's own, but for those
//! of links, which are the settings'.

use std::fmt::{Display, Write as _};

use super::reading::{Count, Distribution, Reading, TillLink};

/// What [`text`] is, for the header.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const MICROS_PER_SECOND: f64 = 1_000_000.0;

/// One page of metrics.
pub fn text(reading: &Reading) -> String {
    let mut page = Page(String::with_capacity(32 << 10));
    node(&mut page, reading);
    payments(&mut page, reading);
    engine(&mut page, reading);
    http(&mut page, reading);
    tills(&mut page, reading);
    page.0
}

struct Page(String);

#[derive(Clone, Copy)]
enum Unit {
    Seconds,
    Items,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to memory does not fail; so below.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = if labels.is_empty() {
            writeln!(self.0, "{name} {value}")
        } else {
            writeln!(self.0, "{name}{{{labels}}} {value}")
        };
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, "", value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help);
        self.sample(name, "", value);
    }

    fn counters(&mut self, name: &str, kind: &str, help: &str, label: &str, counts: &[Count]) {
        self.family(name, kind, help);
        for one in counts {
            self.sample(name, &format!("{label}=\"{}\"", one.name), one.count);
        }
    }

    fn buckets(&mut self, name: &str, labels: &str, seen: &Distribution, unit: Unit) {
        let comma = if labels.is_empty() { "" } else { "," };
        let bucket = format!("{name}_bucket");
        let mut below = 0;
        for (bound, count) in seen.bounds.iter().zip(&seen.counts) {
            below += count;
            let labels = match unit {
                Unit::Seconds => format!("{labels}{comma}le=\"{}\"", seconds(*bound)),
                Unit::Items => format!("{labels}{comma}le=\"{bound}\""),
            };
            self.sample(&bucket, &labels, below);
        }
        let total = seen.total();
        self.sample(&bucket, &format!("{labels}{comma}le=\"+Inf\""), total);
        match unit {
            Unit::Seconds => self.sample(&format!("{name}_sum"), labels, seconds(seen.sum)),
            Unit::Items => self.sample(&format!("{name}_sum"), labels, seen.sum),
        }
        self.sample(&format!("{name}_count"), labels, total);
    }

    fn histogram(&mut self, name: &str, help: &str, seen: &Distribution, unit: Unit) {
        self.family(name, "histogram", help);
        self.buckets(name, "", seen, unit);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "times are shown, and exact up to 2^53 microseconds"
)]
fn seconds(micros: u64) -> f64 {
    micros as f64 / MICROS_PER_SECOND
}

fn node(page: &mut Page, reading: &Reading) {
    page.family("paytone_build_info", "gauge", "The release that runs.");
    let version = format!("version=\"{}\"", reading.version);
    page.sample("paytone_build_info", &version, 1);
    page.gauge(
        "paytone_uptime_seconds",
        "Since the node was started.",
        reading.uptime_seconds,
    );
    page.gauge(
        "paytone_ready",
        "1 while the node should get requests.",
        u8::from(reading.not_ready.is_empty()),
    );
    page.gauge(
        "paytone_leads",
        "1 while this node decides; a node on its own always does.",
        u8::from(reading.lead.leads),
    );
    page.gauge(
        "paytone_epoch",
        "Counts leaderships, as far as this node has read; 0 on a node on its own.",
        reading.lead.epoch,
    );
    page.counter(
        "paytone_state_compared_total",
        "Parts of the leader's state that this node compared with its own.",
        reading.lead.compared,
    );
    page.gauge(
        "paytone_state_differs",
        "1 if this node stopped because its state is not the leader's.",
        u8::from(reading.lead.differs),
    );
    page.gauge(
        "paytone_resident_bytes",
        "Memory that the process has in use.",
        reading.memory.resident_bytes,
    );
    page.counters(
        "paytone_state_items",
        "gauge",
        "What the state in memory holds, by its parts.",
        "part",
        &reading.memory.state,
    );
}

fn payments(page: &mut Page, reading: &Reading) {
    let payments = &reading.payments;
    page.counter(
        "paytone_payments_requested_total",
        "Payments that merchants asked for.",
        payments.requested,
    );
    page.counters(
        "paytone_payments_total",
        "counter",
        "Payments by what became of them.",
        "outcome",
        &payments.outcomes,
    );
    page.counter(
        "paytone_payments_approved_total",
        "Payments approved on a phone or under a mandate.",
        payments.approved,
    );
    page.counters(
        "paytone_payment_vetoes_total",
        "counter",
        "Refused by a rule on the payer's side, unseen by the merchant.",
        "reason",
        &payments.vetoes,
    );
    page.counters(
        "paytone_payment_declines_total",
        "counter",
        "Refused and told to the merchant.",
        "reason",
        &payments.declines,
    );
    page.counter(
        "paytone_refunds_total",
        "Refunds that merchants asked for.",
        payments.refunded,
    );
    page.counter(
        "paytone_captured_minor_total",
        "Money captured, in minor units.",
        payments.captured_minor,
    );
    page.counter(
        "paytone_metrics_batches_missed_total",
        "Durable batches that the counters of payments lack.",
        payments.batches_missed,
    );
    page.histogram(
        "paytone_approval_seconds",
        "From a payment's request to its approval on a phone.",
        &reading.approval_us,
        Unit::Seconds,
    );
    page.histogram(
        "paytone_prompt_seconds",
        "From a payment's request to its prompt on a phone's stream.",
        &reading.prompt_us,
        Unit::Seconds,
    );
}

fn engine(page: &mut Page, reading: &Reading) {
    let engine = &reading.engine;
    page.histogram(
        "paytone_batch_items",
        "Items of a durable batch.",
        &reading.batch_items,
        Unit::Items,
    );
    page.histogram(
        "paytone_commit_seconds",
        "How long an append took until it was durable.",
        &reading.commit_us,
        Unit::Seconds,
    );
    page.gauge(
        "paytone_queue_waiting",
        "Inputs that wait for the engine.",
        engine.waiting,
    );
    page.gauge("paytone_queue_room", "How many may wait.", engine.queue);
    page.gauge(
        "paytone_appending_seconds",
        "How long the append under way has been taking.",
        engine.appending_seconds,
    );
    page.counter(
        "paytone_appends_unknown_total",
        "Tries of appends whose outcome was unknown.",
        engine.unknown_appends,
    );
    page.gauge(
        "paytone_journal_position",
        "How far the journal is durable.",
        engine.position,
    );
    let snapshots = &reading.snapshots;
    page.gauge(
        "paytone_snapshot_position",
        "Of the newest snapshot that this node made or found since its start.",
        snapshots.position,
    );
    page.gauge(
        "paytone_snapshot_bytes",
        "How large that one is.",
        snapshots.bytes,
    );
    page.counter(
        "paytone_snapshots_failed_total",
        "Tries to make a snapshot that came to nothing.",
        snapshots.failed,
    );
    page.gauge(
        "paytone_start_position",
        "Of the snapshot that the start began with; 0 for the first row.",
        snapshots.start_position,
    );
    page.gauge(
        "paytone_start_events",
        "Events that the start replayed.",
        snapshots.start_events,
    );
    page.gauge(
        "paytone_start_seconds",
        "How long loading and replaying took.",
        snapshots.start_seconds,
    );
    page.gauge(
        "paytone_views_position",
        "How far the views show the journal.",
        reading.views.position,
    );
    page.counter(
        "paytone_archive_evicted_total",
        "Payments that left memory for the archive, by this node.",
        reading.archive.evicted,
    );
    page.gauge(
        "paytone_archive_behind_seconds",
        "How much longer than it should the oldest payment that is over has been in memory.",
        reading.archive.behind_seconds,
    );
    page.gauge(
        "paytone_archive_key_filter_bytes",
        "Memory of the filter that knows which idempotency keys may be in the archive.",
        reading.archive.key_filter_bytes,
    );
    page.gauge(
        "paytone_views_behind_positions",
        "Positions that the views do not show yet.",
        reading.views.behind_positions,
    );
    page.gauge(
        "paytone_views_behind_seconds",
        "How long the views have been behind.",
        reading.views.behind_seconds,
    );
    if let Some(webhooks) = &reading.webhooks {
        page.gauge(
            "paytone_webhooks_waiting",
            "Webhooks that were not taken yet.",
            webhooks.waiting,
        );
        page.gauge(
            "paytone_webhooks_oldest_seconds",
            "How long the oldest of them has been waiting.",
            webhooks.oldest_seconds,
        );
    }
}

fn http(page: &mut Page, reading: &Reading) {
    let http = &reading.http;
    page.gauge(
        "paytone_http_connections",
        "Open connections.",
        http.connections,
    );
    page.gauge(
        "paytone_http_streams",
        "Open event streams to phones.",
        http.streams,
    );
    page.gauge(
        "paytone_http_requests_under_way",
        "Requests under way.",
        http.under_way,
    );
    page.counter(
        "paytone_http_requests_broken_off_total",
        "Requests whose client went away before the answer.",
        http.broken_off,
    );
    page.counters(
        "paytone_turned_away_total",
        "counter",
        "Turned away because there was too much, by what was full.",
        "by",
        &http.turned_away,
    );
    let name = "paytone_http_requests_total";
    page.family(name, "counter", "Requests by route, method and status.");
    for route in &http.routes {
        for (status, count) in &route.by_status {
            let labels = format!(
                "route=\"{}\",method=\"{}\",status=\"{status}\"",
                route.route, route.method
            );
            page.sample(name, &labels, count);
        }
    }
    let name = "paytone_http_request_seconds";
    page.family(name, "histogram", "How long requests took to be answered.");
    for route in &http.routes {
        let labels = format!("route=\"{}\",method=\"{}\"", route.route, route.method);
        page.buckets(name, &labels, &route.took_us, Unit::Seconds);
    }
}

fn tills(page: &mut Page, reading: &Reading) {
    let of = |link: &TillLink| format!("link=\"{}\"", escaped(&link.name));
    let mut each = |name: &str, kind: &str, help: &str, value: fn(&TillLink) -> u64| {
        page.family(name, kind, help);
        for link in &reading.tills {
            page.sample(name, &of(link), value(link));
        }
    };
    each(
        "paytone_till_connections",
        "gauge",
        "Open connections of tills, by link.",
        |link| link.connections,
    );
    each(
        "paytone_till_sent_away_total",
        "counter",
        "Connections of tills that were too many.",
        |link| link.sent_away,
    );
    each(
        "paytone_till_unreadable_total",
        "counter",
        "Messages of tills that nobody could answer.",
        |link| link.unreadable,
    );
    each(
        "paytone_till_unanswered_total",
        "counter",
        "Requests of tills of which it was not known what became.",
        |link| link.unanswered,
    );
    let name = "paytone_till_messages_total";
    page.family(
        name,
        "counter",
        "Requests of tills by link, type of message and field 39 of the answer, as ISO 8583:1987 has them.",
    );
    for link in &reading.tills {
        for one in &link.answers {
            let labels = format!(
                "{},type=\"{}\",code=\"{}\"",
                of(link),
                one.message_type,
                one.code
            );
            page.sample(name, &labels, one.count);
        }
    }
    let name = "paytone_till_answer_seconds";
    page.family(
        name,
        "histogram",
        "How long requests of tills took to be answered.",
    );
    for link in &reading.tills {
        page.buckets(name, &of(link), &link.took_us, Unit::Seconds);
    }
}

/// A label's value that is not a name of this program's own.
fn escaped(value: &str) -> String {
    let value = value.replace('\\', r"\\").replace('"', r#"\""#);
    value.replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_upwards_in_seconds() {
        let mut page = Page(String::new());
        let seen = Distribution {
            bounds: vec![16, 1_500],
            counts: vec![2, 1, 1],
            sum: 2_000_000,
        };
        page.histogram("h", "words", &seen, Unit::Seconds);
        let expected = "# HELP h words\n# TYPE h histogram\n\
            h_bucket{le=\"0.000016\"} 2\nh_bucket{le=\"0.0015\"} 3\nh_bucket{le=\"+Inf\"} 4\nh_sum 2\nh_count 4\n";
        assert_eq!(page.0, expected);
    }
}
