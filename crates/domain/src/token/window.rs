//! Which application transaction counters may still come.
//!
//! A card counts every attempt, and attempts may reach the issuer out of order or not at all. So those lately seen are remembered, those
//! far behind refused, and one that jumps ahead too far is not believed.
//!
//! **Invariant:** a counter that was taken once is never taken again.
//!
//! **Not here:** what a refusal means, and when a counter is taken: together with the decision it came for.

use minicbor::{Decode, Encode};

/// How far above the highest a counter may be.
pub const AHEAD: u16 = 1_000;

/// The counters a card has used: the highest, and which of the 64 before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct Window {
    /// The highest so far; 0 if none.
    #[n(0)]
    pub highest: u16,
    /// Bit `n` stands for `highest - 1 - n`.
    #[n(1)]
    pub seen: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CounterError {
    /// It was seen before.
    Replayed,
    TooOld,
    TooFarAhead,
}

impl Window {
    /// The window after `counter` was used, or why it may not be. A counter may be `ahead` above the highest at most.
    pub fn with(self, counter: u16, ahead: u16) -> Result<Self, CounterError> {
        if counter == 0 {
            // The first transaction has 1.
            return Err(CounterError::TooOld);
        }
        if counter > self.highest {
            let by = counter - self.highest;
            if by > ahead {
                return Err(CounterError::TooFarAhead);
            }
            let shifted = self.seen.checked_shl(u32::from(by)).unwrap_or(0);
            // The highest so far moves into the bits, unless there was none.
            let before = if self.highest > 0 {
                1_u64.checked_shl(u32::from(by) - 1).unwrap_or(0)
            } else {
                0
            };
            return Ok(Self {
                highest: counter,
                seen: shifted | before,
            });
        }
        let behind = self.highest - counter;
        let Some(bit) = behind.checked_sub(1) else {
            return Err(CounterError::Replayed);
        };
        if bit >= 64 {
            return Err(CounterError::TooOld);
        }
        if self.seen >> bit & 1 == 1 {
            return Err(CounterError::Replayed);
        }
        Ok(Self {
            seen: self.seen | 1 << bit,
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_sides_of_each_limit() {
        let window = Window::default().with(100, 100).expect("the first");
        assert_eq!(window.with(100, 50), Err(CounterError::Replayed));
        assert_eq!(window.with(151, 50), Err(CounterError::TooFarAhead));
        assert!(window.with(150, 50).is_ok());
        assert!(window.with(36, 50).is_ok());
        assert_eq!(window.with(35, 50), Err(CounterError::TooOld));
        assert_eq!(Window::default().with(0, 50), Err(CounterError::TooOld));
        let last = Window::default().with(65_535, u16::MAX).expect("the last");
        assert_eq!(last.with(65_535, u16::MAX), Err(CounterError::Replayed));
    }

    proptest! {
        #[test]
        fn the_window_is_what_a_set_of_all_counters_says(
            counters in proptest::collection::vec(1..400_u16, 1..200), ahead in 1..200_u16,
        ) {
            let mut window = Window::default();
            let mut taken = BTreeSet::new();
            for counter in counters {
                let highest = taken.last().copied().unwrap_or(0);
                let expected = if counter > highest + ahead {
                    Err(CounterError::TooFarAhead)
                } else if u32::from(counter) + 64 < u32::from(highest) {
                    Err(CounterError::TooOld)
                } else if taken.contains(&counter) {
                    Err(CounterError::Replayed)
                } else {
                    Ok(())
                };
                let next = window.with(counter, ahead);
                prop_assert_eq!(next.map(|_| ()), expected);
                if let Ok(next) = next {
                    window = next;
                    taken.insert(counter);
                }
            }
        }
    }
}
