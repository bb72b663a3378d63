//! How much of the node one client or phone may have at once, so that none starves the others.
//!
//! A request takes its turn before its body is read and gives it back when it is answered. While it waits for something to
//! change (a long poll) it counts among those that wait, of which there may be more. **Invariant:** nothing is kept of who has
//! no request under way. **Not here:** how many requests a second; the node is shared by what is under way, not by the clock.

use std::{hash::Hash, sync::Arc};

use parking_lot::Mutex;
use rustc_hash::{FxBuildHasher, FxHashMap};

const SHARDS: usize = 32;

/// How much each may have.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    pub in_flight: u32,
    pub waiting: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Has {
    in_flight: u32,
    waiting: u32,
}

/// Who has how much, by name.
pub struct FairShare<K> {
    most: Most,
    shards: [Mutex<FxHashMap<K, Has>>; SHARDS],
}

/// One request's share, given back when dropped.
pub struct Turn<K: Eq + Hash + Copy> {
    share: Arc<FairShare<K>>,
    of: K,
    waits: bool,
}

impl<K: Eq + Hash + Copy> FairShare<K> {
    pub fn new(most: Most) -> Self {
        Self {
            most,
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// `None` while `of` has as much as it may.
    pub fn begin(self: &Arc<Self>, of: K) -> Option<Turn<K>> {
        let mut shard = self.shard(&of).lock();
        let has = shard.entry(of).or_default();
        if has.in_flight >= self.most.in_flight {
            if has.in_flight == 0 && has.waiting == 0 {
                shard.remove(&of);
            }
            return None;
        }
        has.in_flight += 1;
        drop(shard);
        Some(Turn {
            share: Arc::clone(self),
            of,
            waits: false,
        })
    }

    /// How many wait, of all.
    pub fn waiting(&self) -> u64 {
        let shards = self.shards.iter();
        shards
            .map(|shard| {
                let shard = shard.lock();
                shard
                    .values()
                    .map(|has| u64::from(has.waiting))
                    .sum::<u64>()
            })
            .sum()
    }

    fn shard(&self, of: &K) -> &Mutex<FxHashMap<K, Has>> {
        use std::hash::BuildHasher as _;
        let hash = FxBuildHasher.hash_one(of);
        let place = usize::try_from(hash >> 32).unwrap_or_default() % SHARDS;
        &self.shards[place]
    }

    #[cfg(test)]
    fn known(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}

impl<K: Eq + Hash + Copy> Turn<K> {
    /// From now on it only waits; false, and nothing has changed, while there are as many that wait as there may be.
    pub fn wait(&mut self) -> bool {
        let mut shard = self.share.shard(&self.of).lock();
        let has = shard.entry(self.of).or_default();
        if !self.waits && has.waiting >= self.share.most.waiting {
            return false;
        }
        if !self.waits {
            has.waiting += 1;
            has.in_flight = has.in_flight.saturating_sub(1);
        }
        drop(shard);
        self.waits = true;
        true
    }

    /// It goes on, even where that is one too many: what was begun is finished.
    pub fn go_on(&mut self) {
        if self.waits {
            let mut shard = self.share.shard(&self.of).lock();
            let has = shard.entry(self.of).or_default();
            has.waiting = has.waiting.saturating_sub(1);
            has.in_flight += 1;
            drop(shard);
            self.waits = false;
        }
    }
}

impl<K: Eq + Hash + Copy> Drop for Turn<K> {
    fn drop(&mut self) {
        let mut shard = self.share.shard(&self.of).lock();
        if let Some(has) = shard.get_mut(&self.of) {
            let count = if self.waits {
                &mut has.waiting
            } else {
                &mut has.in_flight
            };
            *count = count.saturating_sub(1);
            if has.in_flight == 0 && has.waiting == 0 {
                shard.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share() -> Arc<FairShare<u64>> {
        Arc::new(FairShare::new(Most {
            in_flight: 2,
            waiting: 1,
        }))
    }

    #[test]
    fn one_may_have_its_share_and_the_others_theirs() {
        let share = share();
        let first = share.begin(1).expect("room");
        let _second = share.begin(1).expect("room");
        assert!(share.begin(1).is_none());
        assert!(share.begin(2).is_some());
        drop(first);
        assert!(share.begin(1).is_some());
    }

    #[test]
    fn one_that_waits_makes_room_and_may_always_go_on() {
        let share = share();
        let mut waits = share.begin(1).expect("room");
        assert!(waits.wait() && waits.wait());
        let (_first, mut second) = (share.begin(1).expect("room"), share.begin(1).expect("room"));
        assert!(share.begin(1).is_none());
        assert!(!second.wait(), "only one may wait");
        waits.go_on();
        assert!(share.begin(1).is_none());
    }

    #[test]
    fn nothing_is_kept_of_those_who_are_gone() {
        let share = share();
        for of in 0..100 {
            let mut turn = share.begin(of).expect("room");
            assert!(turn.wait());
        }
        assert_eq!(share.known(), 0);
        let none = Arc::new(FairShare::new(Most {
            in_flight: 0,
            waiting: 0,
        }));
        assert!(none.begin(7).is_none());
        assert_eq!(none.known(), 0);
    }
}
