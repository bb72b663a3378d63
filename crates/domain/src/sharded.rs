//! A map in many small tables, so that none of them is ever large.
//!
//! A table that grows moves all that is in it at once. With one table for a million things everybody waits for that; with many,
//! each moves its small part at a time of its own.
//!
//! **Not here:** an order.

use std::{
    fmt,
    hash::{BuildHasher as _, Hash},
};

use rustc_hash::{FxBuildHasher, FxHashMap};

const TABLES: usize = 1 << 8;

#[derive(Clone)]
pub struct Sharded<K, V> {
    tables: Box<[FxHashMap<K, V>]>,
}

impl<K, V> Default for Sharded<K, V> {
    fn default() -> Self {
        Self {
            tables: (0..TABLES).map(|_| FxHashMap::default()).collect(),
        }
    }
}

impl<K: Eq + Hash, V> Sharded<K, V> {
    pub fn get(&self, key: &K) -> Option<&V> {
        self.tables[table(key)].get(key)
    }

    pub fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// In no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.tables.iter().flatten()
    }

    pub fn len(&self) -> usize {
        self.tables.iter().map(FxHashMap::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(FxHashMap::is_empty)
    }

    /// What was under this key before goes away.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.tables[table(&key)].insert(key, value)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.tables[table(key)].remove(key)
    }

    /// What is under this key, or begins to be.
    pub(crate) fn of(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.tables[table(&key)].entry(key).or_default()
    }

    pub(crate) fn reserve(&mut self, count: usize) {
        for table in &mut self.tables {
            table.reserve(count / TABLES);
        }
    }
}

impl<K: fmt::Debug + Eq + Hash, V: fmt::Debug> fmt::Debug for Sharded<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// By bits of the hash that a table does not go by.
fn table<K: Hash>(key: &K) -> usize {
    let bits = FxBuildHasher.hash_one(key) >> 48;
    usize::try_from(bits).unwrap_or_default() % TABLES
}

impl<K: Eq + Hash, V: PartialEq> PartialEq for Sharded<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.tables == other.tables
    }
}

impl<K: Eq + Hash, V: Eq> Eq for Sharded<K, V> {}
