//! Everything that is measured, at one moment. The admin API gives it as JSON; `paytone top` reads that.

use std::{sync::atomic::Ordering, time::Duration};

use paytone_domain::State;
use paytone_engine::{Standing, stats::Counts};
use serde::{Deserialize, Serialize};

use super::{
    health::{self, NotReady},
    requests::TurnedAway,
    tills::Seen,
};
use crate::{edge::time, node::Node};

/// How long the engine may take to say what its state is made of, and the delivery log what waits in it.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    pub version: String,
    /// Unix time in milliseconds.
    pub at_ms: i64,
    pub uptime_seconds: u64,
    /// What keeps the node from being ready; nothing when it is.
    pub not_ready: Vec<NotReady>,
    pub payments: Payments,
    /// From a payment's request to the approval on a phone.
    pub approval_us: Distribution,
    /// From a payment's request to its prompt on a phone's stream.
    pub prompt_us: Distribution,
    pub batch_items: Distribution,
    pub commit_us: Distribution,
    pub engine: Engine,
    pub views: Views,
    #[serde(default)]
    pub snapshots: Snapshots,
    #[serde(default)]
    pub archive: Archive,
    /// `None` while the delivery log does not answer.
    pub webhooks: Option<Webhooks>,
    pub memory: Memory,
    pub http: Http,
    #[serde(default)]
    pub tills: Vec<TillLink>,
    #[serde(default)]
    pub lead: Lead,
}

/// This node among several; one on its own leads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lead {
    pub leads: bool,
    pub epoch: u64,
    /// How often this node's state was compared with the leader's.
    pub compared: u64,
    /// It was found to be another, and the node has stopped.
    pub differs: bool,
}

/// Since the start of the node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Payments {
    pub requested: u64,
    pub approved: u64,
    pub refunded: u64,
    /// Minor units.
    pub captured_minor: u64,
    pub outcomes: Vec<Count>,
    /// Refused by a rule on the payer's side, unseen by the merchant.
    pub vetoes: Vec<Count>,
    /// Refused and told to the merchant.
    pub declines: Vec<Count>,
    /// Durable batches that these numbers lack.
    pub batches_missed: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub name: String,
    pub count: u64,
}

/// Counts of values up to each bound, and above the last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    pub bounds: Vec<u64>,
    /// One more than there are bounds.
    pub counts: Vec<u64>,
    pub sum: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Engine {
    /// How far the journal is durable.
    pub position: u64,
    /// Inputs that wait for the engine's thread, and how many may.
    pub waiting: u64,
    pub queue: u64,
    /// How long the append under way has been taking.
    pub appending_seconds: f64,
    /// Tries of appends whose outcome was unknown.
    pub unknown_appends: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Views {
    pub position: u64,
    pub behind_positions: u64,
    pub behind_seconds: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshots {
    /// Of the newest that this node made or found since its start; zero for none.
    pub position: u64,
    pub bytes: u64,
    /// Tries that came to nothing.
    pub failed: u64,
    /// Where the start began, what it replayed after that, and how long it took.
    pub start_position: u64,
    pub start_events: u64,
    pub start_seconds: f64,
}

impl Snapshots {
    fn of(node: &Node) -> Self {
        let log = &node.snapshots;
        let newest = log.newest();
        Self {
            position: newest.map_or(0, |newest| newest.seq),
            bytes: newest.map_or(0, |newest| newest.bytes),
            failed: log.failed(),
            start_position: log.start.snapshot,
            start_events: log.start.events,
            start_seconds: log.start.took.as_secs_f64(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Archive {
    /// Payments that left memory, by this node since its start.
    pub evicted: u64,
    /// How much longer than it should the oldest payment that is over has been in memory.
    pub behind_seconds: f64,
    /// What the filter of keys that left takes.
    #[serde(default)]
    pub key_filter_bytes: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Webhooks {
    pub waiting: u64,
    pub oldest_seconds: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    pub resident_bytes: u64,
    /// How many of each the state holds; empty while the engine does not answer.
    pub state: Vec<Count>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Http {
    pub connections: u64,
    /// Event streams to phones.
    pub streams: u64,
    pub under_way: u64,
    /// Whoever asked went away before the answer.
    pub broken_off: u64,
    /// Turned away because there was too much, by what was full.
    pub turned_away: Vec<Count>,
    pub routes: Vec<Route>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Route {
    pub route: String,
    pub method: String,
    pub by_status: Vec<(u16, u64)>,
    pub took_us: Distribution,
}

/// Since the start of the node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TillLink {
    pub name: String,
    pub connections: u64,
    pub sent_away: u64,
    pub unreadable: u64,
    pub unanswered: u64,
    pub answers: Vec<TillAnswers>,
    pub took_us: Distribution,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TillAnswers {
    /// Of the request, as the 1987 version has it.
    pub message_type: String,
    /// Field 39, as the 1987 version has it.
    pub code: String,
    pub count: u64,
}

impl From<Seen> for TillLink {
    fn from(seen: Seen) -> Self {
        let answers = seen.answers.into_iter();
        Self {
            name: seen.name,
            connections: seen.connections,
            sent_away: seen.sent_away,
            unreadable: seen.unreadable,
            unanswered: seen.unanswered,
            answers: answers
                .map(|(message_type, code, count)| TillAnswers {
                    message_type: message_type.to_owned(),
                    code: code.to_owned(),
                    count,
                })
                .collect(),
            took_us: seen.took_us.into(),
        }
    }
}

impl From<Counts> for Distribution {
    fn from(counts: Counts) -> Self {
        Self {
            bounds: counts.bounds.to_vec(),
            counts: counts.counts,
            sum: counts.sum,
        }
    }
}

impl Distribution {
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The bound below which `hundredths` of every hundred values are, or the last one for what is above it; `None` without
    /// values.
    pub fn quantile(&self, hundredths: u64) -> Option<u64> {
        let total = self.total();
        let rank = (total * hundredths).div_ceil(100).max(1);
        let mut seen = 0;
        let place = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        self.bounds.get(place).or(self.bounds.last()).copied()
    }

    pub fn mean(&self) -> Option<u64> {
        self.sum.checked_div(self.total())
    }

    /// What came since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = earlier.counts.iter().copied().chain(std::iter::repeat(0));
        let counts = self.counts.iter().zip(before);
        Self {
            bounds: self.bounds.clone(),
            counts: counts
                .map(|(now, before)| now.saturating_sub(before))
                .collect(),
            sum: self.sum.saturating_sub(earlier.sum),
        }
    }
}

fn count(name: &str, count: u64) -> Count {
    Count {
        name: name.to_owned(),
        count,
    }
}

/// What the state holds, by its parts.
fn parts(state: &State) -> Vec<Count> {
    let parts = [
        ("subscribers", state.subscribers.len()),
        ("numbers", state.numbers.len()),
        ("devices", state.devices.len()),
        ("enrolments", state.enrolments.len()),
        ("merchants", state.merchants.len()),
        ("grants", state.lots.len()),
        ("mandates", state.mandates.len()),
        ("tokens", state.tokens.len()),
        ("payments", state.payments.len()),
        ("refunds", state.refunds.len()),
        ("effects", state.effects.len()),
        ("repeat_keys", state.repeats.len()),
        ("till_messages", state.exchanges.len()),
    ];
    let mut counts: Vec<_> = parts
        .into_iter()
        .map(|(name, len)| count(name, len as u64))
        .collect();
    counts.push(count("open_prompts", state.open_prompts));
    counts
}

/// Bytes of memory that the process has in use; zero where the system does not say.
fn resident_bytes() -> u64 {
    const PAGE: u64 = 4_096;
    let Ok(text) = std::fs::read_to_string("/proc/self/statm") else {
        return 0;
    };
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0_u64) * PAGE
}

impl Views {
    /// How far the views are behind what is durable.
    pub fn of(node: &Node) -> Self {
        let shown = node.views.position();
        let durable = *node.engine.position().borrow();
        let behind_ms = node.metrics.lag.lock().behind_ms(time::now().0, shown);
        Self {
            position: shown,
            behind_positions: durable.saturating_sub(shown),
            behind_seconds: Duration::from_millis(behind_ms).as_secs_f64(),
        }
    }
}

impl Reading {
    pub async fn of(node: &Node) -> Self {
        let metrics = &node.metrics;
        let stats = node.engine.stats();
        let not_ready = health::not_ready(node).await;
        let state = if not_ready.is_empty() {
            let read = node.engine.read(|state, moment| {
                let oldest = state.oldest_closed_since();
                let waits_ms = oldest.map_or(0, |at| moment.now.since(at));
                (parts(state), waits_ms)
            });
            let read = tokio::time::timeout(PATIENCE, read).await;
            read.ok().and_then(Result::ok).map(|read| read.answer)
        } else {
            None
        };
        let window_ms = i64::from(node.config.archive.after_seconds) * 1_000;
        let archive_ms = state
            .as_ref()
            .map_or(0, |(_, waits_ms)| waits_ms - window_ms);
        let archive_ms = archive_ms.max(0).unsigned_abs();
        let state = state.map(|(parts, _)| parts);
        let now = time::now();
        let backlog = tokio::time::timeout(PATIENCE, node.webhooks.store.backlog()).await;
        let webhooks = backlog
            .ok()
            .and_then(Result::ok)
            .map(|(waiting, oldest)| Webhooks {
                waiting,
                oldest_seconds: oldest.map_or(0.0, |at| {
                    Duration::from_millis(now.since(at).max(0).unsigned_abs()).as_secs_f64()
                }),
            });
        let counted = metrics.payments.read();
        let reasons = |counts: Vec<(paytone_domain::risk::Veto, u64)>| {
            let counts = counts.into_iter().filter(|(_, seen)| *seen > 0);
            counts
                .map(|(reason, seen)| count(reason.code(), seen))
                .collect()
        };
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            at_ms: now.0,
            uptime_seconds: metrics.begun.elapsed().as_secs(),
            not_ready,
            payments: Payments {
                requested: counted.requested,
                approved: counted.approved,
                refunded: counted.refunded,
                captured_minor: counted.captured_minor,
                outcomes: counted
                    .outcomes
                    .into_iter()
                    .map(|(outcome, seen)| count(outcome.name(), seen))
                    .collect(),
                vetoes: reasons(counted.vetoes),
                declines: reasons(counted.declines),
                batches_missed: counted.batches_missed,
            },
            approval_us: metrics.payments.approval_us.read().into(),
            prompt_us: metrics.prompt_us.read().into(),
            batch_items: metrics.batch_items.read().into(),
            commit_us: stats.commits().into(),
            engine: Engine {
                position: *node.engine.position().borrow(),
                waiting: stats.waiting(),
                queue: stats.room() as u64,
                appending_seconds: stats.appending_for().unwrap_or_default().as_secs_f64(),
                unknown_appends: stats.unknown_appends(),
            },
            views: Views::of(node),
            snapshots: Snapshots::of(node),
            archive: Archive {
                evicted: metrics.evicted.load(Ordering::Relaxed),
                behind_seconds: Duration::from_millis(archive_ms).as_secs_f64(),
                key_filter_bytes: node.keys.bytes(),
            },
            webhooks,
            memory: Memory {
                resident_bytes: resident_bytes(),
                state: state.unwrap_or_default(),
            },
            http: http(node),
            tills: metrics.tills.read().into_iter().map(Into::into).collect(),
            lead: Lead {
                leads: *node.engine.standing().borrow() == Standing::Leads,
                epoch: node.engine.epoch(),
                compared: node.engine.compared().0,
                differs: node
                    .cluster
                    .as_ref()
                    .is_some_and(|cluster| cluster.differs.get().is_some()),
            },
        }
    }
}

fn http(node: &Node) -> Http {
    let requests = &node.metrics.requests;
    let turned_away = TurnedAway::ALL.map(|by| {
        let seen = match by {
            TurnedAway::Engine => node.engine.stats().overloaded(),
            TurnedAway::Client | TurnedAway::Device => requests.turned_away_count(by),
        };
        count(by.name(), seen)
    });
    Http {
        connections: requests.connections.load(Ordering::Relaxed),
        streams: node.news.streams() as u64,
        under_way: requests.under_way(),
        broken_off: requests.broken_off(),
        turned_away: turned_away.to_vec(),
        routes: requests
            .read()
            .into_iter()
            .map(|answered| Route {
                route: answered.route,
                method: answered.method.to_owned(),
                by_status: answered.by_status,
                took_us: answered.took_us.into(),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(counts: &[u64]) -> Distribution {
        Distribution {
            bounds: vec![10, 20, 30],
            counts: counts.to_vec(),
            sum: 70,
        }
    }

    #[test]
    fn quantiles_are_bounds_and_the_last_one_stands_for_all_above() {
        assert_eq!(of(&[0, 0, 0, 0]).quantile(50), None);
        let seen = of(&[98, 1, 0, 1]);
        assert_eq!(
            [50, 98, 99, 100].map(|hundredths| seen.quantile(hundredths)),
            [Some(10), Some(10), Some(20), Some(30)]
        );
    }

    #[test]
    fn a_difference_holds_what_came_in_between() {
        let before = of(&[1, 2, 0, 0]);
        let mut after = of(&[1, 4, 0, 1]);
        after.sum = 170;
        let between = after.since(&before);
        assert_eq!(
            (between.counts.as_slice(), between.sum),
            (&[0, 2, 0, 1][..], 100)
        );
        assert_eq!(between.mean(), Some(33));
        // A node that was started anew knows nothing of before.
        assert_eq!(after.since(&Distribution::default()), after);
    }
}
