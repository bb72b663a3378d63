//! Since when the views have been behind: a step function over what became durable and what they show.
//!
//! It keeps a few positions with the time they became durable; the oldest one that the views do not show yet says how long
//! they have been behind, to within a quarter of a second. **Invariant:** bounded, however far behind they are.

use std::collections::VecDeque;

/// Between two positions that are kept, in milliseconds, as long as there is room.
const APART_MS: i64 = 250;
/// Positions kept; of more, every other one is let go.
const KEPT: usize = 4_096;

#[derive(Debug, Default)]
pub struct Lag {
    /// Positions and when they became durable, in milliseconds, ascending.
    marks: VecDeque<(u64, i64)>,
}

impl Lag {
    /// `seq` became durable while the views showed `shown`.
    pub fn durable(&mut self, seq: u64, now_ms: i64, shown: u64) {
        self.forget(shown);
        let is_apart = self
            .marks
            .back()
            .is_none_or(|(_, at)| now_ms - at >= APART_MS);
        if is_apart && seq > shown {
            self.marks.push_back((seq, now_ms));
        }
        if self.marks.len() > KEPT {
            let mut keep = false;
            self.marks.retain(|_| {
                keep = !keep;
                keep
            });
        }
    }

    /// How long the views have been behind when they show `shown`, in milliseconds.
    pub fn behind_ms(&mut self, now_ms: i64, shown: u64) -> u64 {
        self.forget(shown);
        let oldest = self.marks.front();
        oldest.map_or(0, |(_, at)| (now_ms - at).max(0).unsigned_abs())
    }

    fn forget(&mut self, shown: u64) {
        while self.marks.front().is_some_and(|(seq, _)| *seq <= shown) {
            self.marks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_behind_since_the_first_position_they_do_not_show() {
        let mut lag = Lag::default();
        lag.durable(1, 0, 0);
        lag.durable(2, 100, 0);
        lag.durable(3, 1_000, 0);
        assert_eq!(lag.behind_ms(1_500, 0), 1_500);
        assert_eq!(lag.behind_ms(1_500, 1), 500);
        assert_eq!(lag.behind_ms(1_500, 3), 0);
        // Shown already when it is heard of.
        lag.durable(4, 2_000, 4);
        assert_eq!(lag.behind_ms(9_000, 4), 0);
    }

    #[test]
    fn it_stays_small_however_far_behind_they_are() {
        let mut lag = Lag::default();
        for seq in 1..=100_000_u64 {
            lag.durable(seq, seq.cast_signed() * APART_MS, 0);
        }
        assert!(lag.marks.len() <= KEPT);
        assert_eq!(lag.behind_ms(100_000 * APART_MS, 0), 99_999 * 250);
    }
}
