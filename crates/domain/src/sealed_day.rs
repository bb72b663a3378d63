//! Sealed days: one root over everything that was posted on a business date, signed and chained to the day before.
//!
//! ```text
//!   day 1: head ◀── day 2: previous, root, signature ─▶ head ◀── day 3 …
//! ```
//! **Invariant:** a day is sealed once, after it closed, and carries the head of the one sealed before; so nobody can change one
//! without changing all that follow. **Not here:** hashing and signing. What is sealed is worked out outside and checked by
//! whoever verifies the books; whether the day is over and follows the last is decided here.

use minicbor::{Decode, Encode};

use crate::{
    Event,
    ids::{DayHash, DayKey, Signature},
    state::State,
    time::{BusinessDate, Moment},
};

/// One business date, sealed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SealedDay {
    #[n(0)]
    pub date: BusinessDate,
    /// How many entries were posted on it.
    #[n(1)]
    pub entries: u64,
    /// Of the tree of those entries.
    #[n(2)]
    pub root: DayHash,
    /// The head of the day sealed before; all zeros for the first.
    #[n(3)]
    pub previous: DayHash,
    /// Hash of what is signed.
    #[n(4)]
    pub head: DayHash,
    /// The last row of the journal that counts.
    #[n(5)]
    pub row: u64,
    #[n(6)]
    pub key: DayKey,
    #[n(7)]
    pub signature: Signature,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealRefusal {
    /// More may still be posted on it.
    NotOver,
    /// It, or a later one, is sealed.
    AlreadySealed,
    /// It does not carry the head of the day sealed before.
    NotNext,
}

impl SealRefusal {
    pub fn code(self) -> &'static str {
        match self {
            Self::NotOver => "day_not_over",
            Self::AlreadySealed => "day_already_sealed",
            Self::NotNext => "day_not_next",
        }
    }
}

pub(crate) fn decide(
    state: &State,
    moment: &Moment,
    day: SealedDay,
) -> (Result<(), SealRefusal>, Vec<Event>) {
    let last = state.sealed_days.last();
    let refusal = if day.date >= moment.date {
        Some(SealRefusal::NotOver)
    } else if last.is_some_and(|last| day.date <= last.date || day.row < last.row) {
        Some(SealRefusal::AlreadySealed)
    } else if last.map_or(DayHash([0; 32]), |last| last.head) != day.previous {
        Some(SealRefusal::NotNext)
    } else {
        None
    };
    match refusal {
        Some(refusal) => (Err(refusal), Vec::new()),
        None => (Ok(()), vec![Event::DaySealed(day)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{evolve, time::Timestamp};

    fn day(date: i32, previous: u8, head: u8) -> SealedDay {
        SealedDay {
            date: BusinessDate(date),
            entries: 1,
            root: DayHash([9; 32]),
            previous: DayHash([previous; 32]),
            head: DayHash([head; 32]),
            row: u64::from(head),
            key: DayKey([1; 32]),
            signature: Signature([2; 64]),
        }
    }

    #[test]
    fn a_day_is_sealed_once_after_it_closed_and_on_the_one_before() {
        let mut state = State::default();
        let today = Moment {
            now: Timestamp(0),
            date: BusinessDate(103),
            month: BusinessDate(103).month(),
        };
        for (offered, outcome) in [
            (day(103, 0, 1), Err(SealRefusal::NotOver)),
            (day(100, 7, 1), Err(SealRefusal::NotNext)),
            (day(100, 0, 1), Ok(())),
            (day(100, 1, 2), Err(SealRefusal::AlreadySealed)),
            (day(99, 1, 2), Err(SealRefusal::AlreadySealed)),
            (day(102, 0, 2), Err(SealRefusal::NotNext)),
            (day(102, 1, 2), Ok(())),
        ] {
            let (decided, events) = decide(&state, &today, offered.clone());
            assert_eq!(decided, outcome, "{offered:?}");
            assert_eq!(events.len(), usize::from(outcome.is_ok()));
            for event in &events {
                evolve(&mut state, &today, event);
            }
        }
        assert_eq!(state.sealed_days.len(), 2);
    }
}
