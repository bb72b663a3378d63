//! What happened lately, for a phone whose stream broke off: it names the last event it heard, at any node, and hears what came since.
//!
//! ```text
//!   durable batches ──▶ the last few thousand things touched ──since(place)──▶ told as they stand now, each once
//! ```
//! **Invariants:** a [`Place`] means the same on every node: it follows from the journal alone. What is not kept any more is never
//! passed over in silence. **Not here:** whose the things are; who asks looks at the state.

use std::{collections::VecDeque, sync::Arc};

use paytone_journal::PublicIds;

use super::touched::Touched;

/// Things that are looked through for one phone at most.
const MOST: usize = 8_192;
const KIND: &str = "evt";
/// A batch touches fewer things.
const ORDINAL_BITS: u32 = 20;

/// Where in the journal a piece of news belongs: its batch, and which of the things that the batch touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub seq: u64,
    pub ordinal: u64,
}

impl Place {
    /// The last of a batch: what belongs to an account as a whole.
    pub const LAST: u64 = (1 << ORDINAL_BITS) - 1;

    /// As an event's id, which says nothing of how much there is.
    pub fn show(self, ids: &PublicIds) -> String {
        let ordinal = self.ordinal.min(Self::LAST);
        ids.encode(KIND, self.seq << ORDINAL_BITS | ordinal)
    }

    pub fn read(ids: &PublicIds, text: &str) -> Option<Self> {
        let both = ids.decode(KIND, text)?;
        Some(Self {
            seq: both >> ORDINAL_BITS,
            ordinal: both & Self::LAST,
        })
    }
}

/// The batches after a position, as far as they are kept.
#[derive(Default)]
pub struct Recent {
    after: u64,
    last: u64,
    things: usize,
    batches: VecDeque<(u64, Arc<Touched>)>,
}

impl Recent {
    /// Keeps what comes after `position`, and nothing from before.
    pub fn begin(&mut self, position: u64) {
        *self = Self {
            after: position,
            last: position,
            ..Self::default()
        };
    }

    pub fn push(&mut self, seq: u64, touched: &Arc<Touched>) {
        if seq <= self.last {
            return;
        }
        self.last = seq;
        if touched.is_empty() {
            return;
        }
        self.things += touched.len();
        self.batches.push_back((seq, Arc::clone(touched)));
        while self.things > MOST
            && let Some((seq, oldest)) = self.batches.pop_front()
        {
            self.things -= oldest.len();
            self.after = seq;
        }
    }

    /// How far it has got.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The batches from that of `place` on; `None` if some of what came after it is not kept.
    pub fn since(&self, place: Place) -> Option<Vec<(u64, Arc<Touched>)>> {
        // Of its own batch something may be missing, too.
        let is_last = place.ordinal == Place::LAST;
        if place.seq < self.after || (place.seq == self.after && !is_last) {
            return None;
        }
        let kept = self.batches.iter();
        Some(kept.filter(|(seq, _)| *seq >= place.seq).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paytone_domain::ids::SubscriberId;

    fn touching(subscribers: usize) -> Arc<Touched> {
        Arc::new(Touched {
            subscribers: vec![SubscriberId(1); subscribers],
            ..Touched::default()
        })
    }

    fn at(seq: u64, ordinal: u64) -> Place {
        Place { seq, ordinal }
    }

    fn positions(recent: &Recent, place: Place) -> Option<Vec<u64>> {
        let since = recent.since(place)?;
        Some(since.into_iter().map(|(seq, _)| seq).collect())
    }

    #[test]
    fn what_came_after_a_place_is_kept_and_what_came_before_the_start_is_not() {
        let mut recent = Recent::default();
        recent.begin(10);
        recent.push(10, &touching(1));
        recent.push(11, &touching(1));
        recent.push(12, &touching(0));
        recent.push(13, &touching(2));
        assert_eq!(recent.last(), 13);
        assert_eq!(positions(&recent, at(9, Place::LAST)), None);
        assert_eq!(positions(&recent, at(10, 0)), None);
        assert_eq!(positions(&recent, at(10, Place::LAST)), Some(vec![11, 13]));
        assert_eq!(positions(&recent, at(11, 0)), Some(vec![11, 13]));
        assert_eq!(positions(&recent, at(12, 0)), Some(vec![13]));
        assert_eq!(positions(&recent, at(14, 0)), Some(Vec::new()));
    }

    #[test]
    fn when_too_much_is_kept_the_oldest_goes_and_is_missed() {
        let mut recent = Recent::default();
        recent.begin(0);
        recent.push(1, &touching(1));
        recent.push(2, &touching(MOST - 1));
        assert_eq!(positions(&recent, at(1, 0)), Some(vec![1, 2]));
        recent.push(3, &touching(1));
        assert_eq!(positions(&recent, at(1, 0)), None);
        assert_eq!(positions(&recent, at(1, Place::LAST)), Some(vec![2, 3]));
    }
}
