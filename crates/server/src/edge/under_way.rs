//! Requests under way by idempotency key: a second one with the same key is told to wait instead of waiting itself.

use parking_lot::Mutex;
use paytone_domain::ids::RepeatKey;
use rustc_hash::FxHashSet;

const SHARDS: usize = 16;

#[derive(Default)]
pub struct UnderWay([Mutex<FxHashSet<RepeatKey>>; SHARDS]);

impl UnderWay {
    /// `None` while another request with this key is under way.
    pub fn begin(&self, key: RepeatKey) -> Option<Begun<'_>> {
        let shard = &self.0[usize::from(key.0[0]) % SHARDS];
        let new = shard.lock().insert(key);
        // One that is made only to be dropped would end the other request.
        new.then(|| Begun { shard, key })
    }
}

/// One request under way, until it is dropped.
pub struct Begun<'a> {
    shard: &'a Mutex<FxHashSet<RepeatKey>>,
    key: RepeatKey,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.shard.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_under_way_once_until_its_request_is_over() {
        let under_way = UnderWay::default();
        let (key, other) = (RepeatKey([1; 16]), RepeatKey([17; 16]));
        let begun = under_way.begin(key);
        assert!(begun.is_some());
        assert!(under_way.begin(key).is_none());
        assert!(under_way.begin(other).is_some());
        drop(begun);
        assert!(under_way.begin(key).is_some());
    }
}
