//! `paytone top`: the running node, live in a terminal.
//!
//! ```text
//!   admin API ──a Reading a second──▶ History ──▶ View: rates, times of the last minute ──▶ frame ─┬─▶ screen
//!                                                                                               └─▶ text (--once)
//! ```
//! Everything but [`screen`] is plain functions. **Not here:** figures of its own; what is shown was measured by the node.

mod frame;
pub mod screen;

use std::collections::VecDeque;

use ratatui::{Terminal, backend::TestBackend};
use serde_json::{Value, json};

use crate::metrics::{
    Reading,
    reading::{Count, Distribution},
};

/// Looks that are kept: what charts show, and how far back times are taken from.
const KEPT: usize = 60;

/// The looks of the last minute.
#[derive(Debug, Default)]
pub struct History {
    readings: VecDeque<Reading>,
    /// Why the last look failed.
    lost: Option<String>,
}

/// What is shown.
#[derive(Clone, Debug, Default)]
pub struct View {
    pub now: Reading,
    /// Since the look before, in milliseconds.
    elapsed_ms: u64,
    before: Reading,
    /// Of the last minute.
    pub approval: Distribution,
    pub prompt: Distribution,
    pub batch: Distribution,
    pub commit: Distribution,
    /// Payments asked for a second, oldest first.
    pub payments_chart: Vec<u64>,
    /// The longest commits (99 of 100 are below), oldest first, in microseconds.
    pub commit_chart: Vec<u64>,
    pub lost: Option<String>,
}

impl History {
    pub fn take(&mut self, reading: Reading) {
        self.lost = None;
        let restarted = self
            .readings
            .back()
            .is_some_and(|last| last.uptime_seconds > reading.uptime_seconds);
        if restarted {
            self.readings.clear();
        }
        self.readings.push_back(reading);
        if self.readings.len() > KEPT {
            self.readings.pop_front();
        }
    }

    /// A look failed; what was seen before stays.
    pub fn lost(&mut self, why: String) {
        self.lost = Some(why);
    }

    /// `None` before the first look.
    pub fn view(&self) -> Option<View> {
        let now = self.readings.back()?;
        let first = self.readings.front()?;
        let before = self.readings.iter().rev().nth(1).unwrap_or(now);
        let pairs = || self.readings.iter().zip(self.readings.iter().skip(1));
        Some(View {
            elapsed_ms: elapsed_ms(before, now),
            approval: now.approval_us.since(&first.approval_us),
            prompt: now.prompt_us.since(&first.prompt_us),
            batch: now.batch_items.since(&first.batch_items),
            commit: now.commit_us.since(&first.commit_us),
            payments_chart: pairs()
                .map(|(one, next)| {
                    let more = next
                        .payments
                        .requested
                        .saturating_sub(one.payments.requested);
                    per_second(more, elapsed_ms(one, next))
                })
                .collect(),
            commit_chart: pairs()
                .map(|(one, next)| {
                    let commits = next.commit_us.since(&one.commit_us);
                    commits.quantile(99).unwrap_or(0)
                })
                .collect(),
            before: before.clone(),
            now: now.clone(),
            lost: self.lost.clone(),
        })
    }
}

fn elapsed_ms(from: &Reading, to: &Reading) -> u64 {
    (to.at_ms - from.at_ms).max(0).unsigned_abs()
}

fn per_second(more: u64, elapsed_ms: u64) -> u64 {
    (more * 1_000).checked_div(elapsed_ms).unwrap_or(0)
}

fn named(counts: &[Count], name: &str) -> u64 {
    let found = counts.iter().find(|count| count.name == name);
    found.map_or(0, |count| count.count)
}

fn answered(reading: &Reading) -> u64 {
    let routes = reading.http.routes.iter();
    routes
        .flat_map(|route| &route.by_status)
        .map(|(_, count)| count)
        .sum()
}

fn turned_away(reading: &Reading) -> u64 {
    let counts = reading.http.turned_away.iter();
    counts.map(|count| count.count).sum()
}

impl View {
    fn rate(&self, of: impl Fn(&Reading) -> u64) -> u64 {
        let more = of(&self.now).saturating_sub(of(&self.before));
        per_second(more, self.elapsed_ms)
    }

    /// An outcome's payments a second.
    pub fn outcome_rate(&self, name: &str) -> u64 {
        self.rate(|reading| named(&reading.payments.outcomes, name))
    }

    pub fn requested_rate(&self) -> u64 {
        self.rate(|reading| reading.payments.requested)
    }

    pub fn request_rate(&self) -> u64 {
        self.rate(answered)
    }

    pub fn turned_away_rate(&self) -> u64 {
        self.rate(turned_away)
    }

    /// What the node measured, and what happened a second, for scripts.
    pub fn json(&self) -> Value {
        let outcomes = self.now.payments.outcomes.iter();
        let outcomes: serde_json::Map<_, _> = outcomes
            .map(|count| (count.name.clone(), self.outcome_rate(&count.name).into()))
            .collect();
        let times = |seen: &Distribution| json!({"count": seen.total(), "p50": seen.quantile(50), "p99": seen.quantile(99)});
        json!({
            "per_second": {
                "requested": self.requested_rate(),
                "outcomes": outcomes,
                "http_requests": self.request_rate(),
                "turned_away": self.turned_away_rate(),
            },
            "last_minute": {
                "approval_us": times(&self.approval),
                "prompt_us": times(&self.prompt),
                "batch_items": times(&self.batch),
                "commit_us": times(&self.commit),
            },
            "now": self.now,
        })
    }
}

/// One frame of 80 columns and 24 lines, without colours.
pub fn text(view: &View) -> String {
    const COLUMNS: u16 = 80;
    const LINES: u16 = 24;
    let mut terminal = match Terminal::new(TestBackend::new(COLUMNS, LINES)) {
        Ok(terminal) => terminal,
        Err(never) => match never {},
    };
    match terminal.draw(|frame| frame::draw(frame, view)) {
        Ok(_) => {}
        Err(never) => match never {},
    }
    let cells = terminal.backend().buffer().content();
    let mut text = String::new();
    for line in cells.chunks(usize::from(COLUMNS)) {
        let line: String = line.iter().map(|cell| cell.symbol()).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::reading::{Engine, Payments};

    fn reading(second: u64, requested: u64) -> Reading {
        Reading {
            version: "1.2.3".to_owned(),
            at_ms: second.cast_signed() * 1_000,
            uptime_seconds: second,
            payments: Payments {
                requested,
                outcomes: vec![Count {
                    name: "captured".to_owned(),
                    count: requested / 2,
                }],
                ..Payments::default()
            },
            commit_us: Distribution {
                bounds: vec![1_000, 2_000],
                counts: vec![second, 0, 0],
                sum: 0,
            },
            engine: Engine {
                waiting: 7,
                queue: 32_768,
                ..Engine::default()
            },
            ..Reading::default()
        }
    }

    #[test]
    fn rates_are_of_the_last_two_looks_and_charts_of_all() {
        let mut history = History::default();
        assert!(history.view().is_none());
        history.take(reading(10, 100));
        assert_eq!(history.view().map(|view| view.requested_rate()), Some(0));
        history.take(reading(11, 300));
        history.take(reading(13, 1_300));
        let view = history.view().expect("three looks");
        assert_eq!(
            (view.requested_rate(), view.outcome_rate("captured")),
            (500, 250)
        );
        assert_eq!(view.payments_chart, [200, 500]);
        assert_eq!(
            (view.commit.total(), view.commit.quantile(99)),
            (3, Some(1_000))
        );
        assert_eq!(view.json()["per_second"]["outcomes"]["captured"], 250);
    }

    #[test]
    fn a_node_that_was_started_anew_begins_anew() {
        let mut history = History::default();
        history.take(reading(100, 5_000));
        history.take(reading(2, 10));
        let view = history.view().expect("a look");
        assert_eq!((view.requested_rate(), view.payments_chart.len()), (0, 0));
    }

    #[test]
    fn a_frame_fits_a_small_terminal_and_says_what_matters() {
        let mut history = History::default();
        history.take(reading(10, 100));
        history.take(reading(11, 12_445));
        let frame = text(&history.view().expect("two looks"));
        assert_eq!(frame.lines().count(), 24);
        assert!(
            frame.lines().all(|line| line.chars().count() <= 80),
            "{frame}"
        );
        for words in ["1.2.3", "ready", "12,345", "captured", "32,768", "q quits"] {
            assert!(frame.contains(words), "{words} is missing:\n{frame}");
        }
        history.lost("no server answers".to_owned());
        let frame = text(&history.view().expect("two looks"));
        assert!(frame.contains("no server answers"), "{frame}");
    }
}
