//! Which idempotency keys may be in the archive, and in which runs there: answered from memory, with few mistakes and all of them
//! on the safe side.
//!
//! Bloom filters (Bloom 1970) one after the other, up to a certain size each twice as large as the one before, dropped when all
//! their keys have been kept long enough. A key is a hash already, so that its bytes are the positions.
//!
//! **Invariant:** a key that was put in is found until its time is over. **Not here:** the keys themselves.

use std::collections::VecDeque;

use paytone_domain::{ids::RepeatKey, time::Timestamp};

use super::answers::Run;

/// Of each key; with 24 bits a key, one of a hundred thousand that were never put in is taken by one slice for one that was. Each such
/// mistake is looked for in all of the slice's runs, which takes a thousand times as long as a payment: there have to be few of them.
const POSITIONS: usize = 16;
const BITS_PER_KEY: usize = 24;
const SMALLEST: usize = 1 << 14;
/// So large that a day has few slices, so small that a slice has few runs.
const LARGEST: usize = 1 << 20;

struct Slice {
    bits: Vec<u64>,
    keys: usize,
    most: usize,
    /// When the latest of its keys was used.
    latest: Timestamp,
    /// From the first to the last run that its keys are in.
    runs: (Run, Run),
}

impl Slice {
    fn new(most: usize, run: Run) -> Self {
        Self {
            bits: vec![0; (most * BITS_PER_KEY).div_ceil(64)],
            keys: 0,
            most,
            latest: Timestamp::default(),
            runs: (run, run),
        }
    }

    /// Two halves of the key make all positions (Kirsch and Mitzenmacher 2006).
    fn positions(&self, key: RepeatKey) -> impl Iterator<Item = usize> + use<> {
        let halves = key.0.as_chunks::<8>().0;
        let (one, other) = (u64::from_le_bytes(halves[0]), u64::from_le_bytes(halves[1]));
        let bits = self.bits.len() as u64 * 64;
        (0..POSITIONS as u64).map(move |place| {
            let sum = one.wrapping_add(place.wrapping_mul(other | 1));
            usize::try_from(sum % bits).unwrap_or(0)
        })
    }

    fn insert(&mut self, key: RepeatKey, at: Timestamp, run: Run) {
        for position in self.positions(key) {
            self.bits[position / 64] |= 1 << (position % 64);
        }
        self.keys += 1;
        self.latest = self.latest.max(at);
        self.runs = (self.runs.0.min(run), self.runs.1.max(run));
    }

    fn may_contain(&self, key: RepeatKey) -> bool {
        self.positions(key)
            .all(|position| self.bits[position / 64] & (1 << (position % 64)) != 0)
    }
}

/// The keys that may be in the archive.
#[derive(Default)]
pub struct Filter(VecDeque<Slice>);

impl Filter {
    pub fn insert(&mut self, key: RepeatKey, at: Timestamp, run: Run) {
        let most = match self.0.back() {
            None => SMALLEST,
            Some(last) if last.keys < last.most => 0,
            Some(last) => (2 * last.most).min(LARGEST),
        };
        if most > 0 {
            self.0.push_back(Slice::new(most, run));
        }
        if let Some(last) = self.0.back_mut() {
            last.insert(key, at, run);
        }
    }

    /// From which to which runs it may be in; none if it was never put in.
    pub fn runs(&self, key: RepeatKey) -> Vec<(Run, Run)> {
        let slices = self.0.iter().filter(|slice| slice.may_contain(key));
        slices.map(|slice| slice.runs).collect()
    }

    /// Keys used before then no longer count.
    pub fn forget(&mut self, before: Timestamp) {
        while self.0.len() > 1 && self.0.front().is_some_and(|slice| slice.latest < before) {
            self.0.pop_front();
        }
    }

    pub fn bytes(&self) -> usize {
        self.0.iter().map(|slice| slice.bits.len() * 8).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SplitMix64, Steele, Lea and Flood 2014.
    fn key(number: u64) -> RepeatKey {
        let mix = |seed: u64| {
            let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        };
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&mix(2 * number + 1).to_le_bytes());
        bytes[8..].copy_from_slice(&mix(2 * number + 2).to_le_bytes());
        RepeatKey(bytes)
    }

    #[test]
    fn what_was_put_in_is_found_where_it_is_and_little_else_is() {
        let mut filter = Filter::default();
        for number in 0..100_000 {
            filter.insert(key(number), Timestamp(1), Run::from(number >= 50_000));
        }
        for number in 0..100_000 {
            let run = Run::from(number >= 50_000);
            let runs = filter.runs(key(number));
            let is_there = |(first, last): &(Run, Run)| (*first..=*last).contains(&run);
            assert!(runs.iter().any(is_there), "{number} is not in {runs:?}");
        }
        let wrong = (100_000..200_000).filter(|number| !filter.runs(key(*number)).is_empty());
        let wrong = wrong.count();
        assert!(wrong < 20, "{wrong} of 100000 are taken for known");
        assert!(filter.bytes() < 500_000, "{} bytes", filter.bytes());
    }

    #[test]
    fn what_is_too_old_goes_and_what_is_not_stays() {
        let mut filter = Filter::default();
        for number in 0..3 * SMALLEST as u64 {
            let at = Timestamp(i64::from(number >= SMALLEST as u64));
            filter.insert(key(number), at, 1);
        }
        let before = filter.bytes();
        filter.forget(Timestamp(1));
        assert!(filter.bytes() < before);
        let mut later = SMALLEST as u64..3 * SMALLEST as u64;
        assert!(later.all(|number| !filter.runs(key(number)).is_empty()));
    }
}
