//! What the engine measures of itself while it works: plain counters that anybody may read at any time.
//!
//! **Invariant:** writing one takes no lock and allocates nothing; the engine's thread writes once a round, the journal's once
//! a row. **Not here:** names, units for people, how often somebody looks.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Counts of values up to each bound and above the last one.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One more than there are bounds.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What a [`Histogram`] held at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub bounds: &'static [u64],
    /// One more than there are bounds: the last counts what is above.
    pub counts: Vec<u64>,
    pub sum: u64,
}

impl Histogram {
    /// `bounds` ascend; a value equal to a bound counts there.
    pub fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    pub fn record(&self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    pub fn read(&self) -> Counts {
        let counts = self
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        Counts {
            bounds: self.bounds,
            counts: counts.collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

impl Counts {
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// Microseconds from 16 µs to half a minute, two bounds to each doubling.
pub const TIMES_US: &[u64] = &[
    16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_024, 1_536, 2_048, 3_072, 4_096, 6_144,
    8_192, 12_288, 16_384, 24_576, 32_768, 49_152, 65_536, 98_304, 131_072, 196_608, 262_144,
    393_216, 524_288, 786_432, 1_048_576, 1_572_864, 2_097_152, 4_194_304, 8_388_608, 16_777_216,
    33_554_432,
];
/// Items of a batch.
pub const SIZES: &[u64] = &[
    1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536,
];

/// On a line of its own: whoever writes it does not slow those who write its neighbours.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Apart(AtomicU64);

/// The engine's own measurements.
#[derive(Debug)]
pub struct Stats {
    begun: Instant,
    /// Given to the engine, by many threads.
    given: Apart,
    /// Taken up by its thread.
    taken: Apart,
    refused: Apart,
    /// Microseconds from the beginning to when the append under way was begun, plus one; zero when there is none.
    appending_since: Apart,
    /// Tries of appends whose outcome was unknown.
    unknown: AtomicU64,
    /// How long appends took until they were known to be durable, in microseconds.
    commits: Histogram,
    queue: usize,
}

impl Stats {
    pub(crate) fn new(queue: usize) -> Self {
        Self {
            begun: Instant::now(),
            given: Apart::default(),
            taken: Apart::default(),
            refused: Apart::default(),
            appending_since: Apart::default(),
            unknown: AtomicU64::new(0),
            commits: Histogram::new(TIMES_US),
            queue,
        }
    }

    pub(crate) fn given(&self) {
        self.given.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self) {
        self.refused.0.fetch_add(1, Ordering::Relaxed);
    }

    /// By the engine's thread alone.
    pub(crate) fn took(&self, more: u64) {
        let taken = self.taken.0.load(Ordering::Relaxed);
        self.taken.0.store(taken + more, Ordering::Relaxed);
    }

    pub(crate) fn append_begins(&self) -> Instant {
        let now = Instant::now();
        let since = micros(now.duration_since(self.begun)) + 1;
        self.appending_since.0.store(since, Ordering::Relaxed);
        now
    }

    pub(crate) fn append_unknown(&self) {
        self.unknown.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn append_ended(&self, begun: Instant) {
        self.commits.record(micros(begun.elapsed()));
        self.appending_since.0.store(0, Ordering::Relaxed);
    }

    /// Inputs that wait for the engine's thread.
    pub fn waiting(&self) -> u64 {
        let taken = self.taken.0.load(Ordering::Relaxed);
        self.given.0.load(Ordering::Relaxed).saturating_sub(taken)
    }

    /// How many may.
    pub fn room(&self) -> usize {
        self.queue
    }

    /// Inputs that were told at once that too much waits.
    pub fn overloaded(&self) -> u64 {
        self.refused.0.load(Ordering::Relaxed)
    }

    /// How long the append under way has been taking.
    pub fn appending_for(&self) -> Option<Duration> {
        let since = self
            .appending_since
            .0
            .load(Ordering::Relaxed)
            .checked_sub(1)?;
        Some(
            self.begun
                .elapsed()
                .saturating_sub(Duration::from_micros(since)),
        )
    }

    /// Tries of appends whose outcome was unknown, since the start.
    pub fn unknown_appends(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
    }

    pub fn commits(&self) -> Counts {
        self.commits.read()
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_at_the_first_bound_that_holds_it() {
        let histogram = Histogram::new(&[10, 20]);
        for value in [0, 10, 11, 20, 21, 900] {
            histogram.record(value);
        }
        let counts = histogram.read();
        assert_eq!(counts.counts, [2, 2, 2]);
        assert_eq!((counts.total(), counts.sum), (6, 962));
    }

    #[test]
    fn what_was_given_and_not_taken_waits() {
        let stats = Stats::new(8);
        (0..3).for_each(|_| stats.given());
        stats.took(2);
        stats.refused();
        assert_eq!(
            (stats.waiting(), stats.overloaded(), stats.room()),
            (1, 1, 8)
        );
    }

    #[test]
    fn an_append_is_under_way_until_it_ended() {
        let stats = Stats::new(8);
        assert_eq!(stats.appending_for(), None);
        let begun = stats.append_begins();
        assert!(stats.appending_for().is_some());
        stats.append_ended(begun);
        assert_eq!((stats.appending_for(), stats.commits().total()), (None, 1));
    }
}
