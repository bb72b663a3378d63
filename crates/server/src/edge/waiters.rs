//! Those who wait for something to change: long polls and event streams.

use std::{hash::Hash, sync::Arc};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::{Notify, futures::OwnedNotified};

/// Waiters by what they wait for. One that is woken looks again by itself.
#[derive(Debug)]
pub struct Waiters<K>(Mutex<FxHashMap<K, (Arc<Notify>, usize)>>);

impl<K> Default for Waiters<K> {
    fn default() -> Self {
        Self(Mutex::new(FxHashMap::default()))
    }
}

impl<K: Eq + Hash + Copy> Waiters<K> {
    /// From now on a change of `key` is not missed: take the [`Waiting::changed`] future, look, then await it.
    pub fn wait(self: &Arc<Self>, key: K) -> Waiting<K> {
        let mut waiters = self.0.lock();
        let (notify, count) = waiters.entry(key).or_default();
        *count += 1;
        Waiting {
            waiters: Arc::clone(self),
            key,
            notify: Arc::clone(notify),
        }
    }

    pub fn wake(&self, key: K) {
        let waiters = self.0.lock();
        if let Some((notify, _)) = waiters.get(&key) {
            notify.notify_waiters();
        }
    }

    /// When it is not known who missed what.
    pub fn wake_all(&self) {
        for (notify, _) in self.0.lock().values() {
            notify.notify_waiters();
        }
    }
}

/// One that waits; forgotten when dropped.
pub struct Waiting<K: Eq + Hash + Copy> {
    waiters: Arc<Waiters<K>>,
    key: K,
    notify: Arc<Notify>,
}

impl<K: Eq + Hash + Copy> Waiting<K> {
    /// Completes at the first change after this call.
    pub fn changed(&self) -> OwnedNotified {
        Arc::clone(&self.notify).notified_owned()
    }
}

impl<K: Eq + Hash + Copy> Drop for Waiting<K> {
    fn drop(&mut self) {
        let mut waiters = self.waiters.0.lock();
        if let Some((_, count)) = waiters.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                waiters.remove(&self.key);
            }
        }
    }
}
