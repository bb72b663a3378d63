//! Unwrapped keys at hand: bounded, the long unused go first, all are wiped when they go.
//!
//! ```text
//!   insert ──▶ young ──full──▶ old ──full again──▶ wiped
//!                ▲──── used ────┘
//! ```
//!
//! **Invariant:** at most `capacity` keys are held. A key used within the last `capacity / 2` insertions is among them.

use std::collections::HashMap;
use std::mem;

use super::SubjectKey;

#[derive(Debug)]
pub struct KeyCache {
    capacity: usize,
    young: HashMap<u64, SubjectKey>,
    old: HashMap<u64, SubjectKey>,
}

impl KeyCache {
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    pub fn get(&mut self, subject: u64) -> Option<SubjectKey> {
        if let Some(key) = self.young.get(&subject) {
            return Some(key.clone());
        }
        let key = self.old.remove(&subject)?;
        self.insert(subject, key.clone());
        Some(key)
    }

    pub fn insert(&mut self, subject: u64, key: SubjectKey) {
        if self.young.len() >= (self.capacity / 2).max(1) {
            self.old = mem::take(&mut self.young);
        }
        self.old.remove(&subject);
        self.young.insert(subject, key);
    }

    pub fn remove(&mut self, subject: u64) {
        self.young.remove(&subject);
        self.old.remove(&subject);
    }
}

#[cfg(test)]
impl KeyCache {
    pub fn clear(&mut self) {
        *self = Self::new(self.capacity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SubjectKey {
        SubjectKey::from_bytes([byte; 32])
    }

    #[test]
    fn it_never_holds_more_than_its_capacity_and_keeps_what_is_used() {
        let mut cache = KeyCache::new(10);
        cache.insert(0, key(0));
        for subject in 1..100 {
            cache.insert(subject, key(1));
            assert!(cache.get(0).is_some(), "after {subject}");
            assert!(cache.young.len() + cache.old.len() <= 10);
        }
        assert!(cache.get(1).is_none());
        assert!(cache.get(99).is_some());
    }

    #[test]
    fn a_removed_key_is_gone_from_both_halves() {
        let mut cache = KeyCache::new(4);
        for subject in 0..3 {
            cache.insert(subject, key(1));
        }
        for subject in 0..3 {
            cache.remove(subject);
            assert!(cache.get(subject).is_none());
        }
    }
}
