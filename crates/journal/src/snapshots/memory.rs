//! Snapshots in memory, for simulation: handles on the same store, which a crash does not touch.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Listed;

type Kept = BTreeMap<u64, Vec<Vec<u8>>>;

#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Kept>>);

impl Memory {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn list(&self) -> Vec<Listed> {
        let kept = self.kept();
        let listed = kept.iter().map(|(seq, pages)| Listed {
            seq: *seq,
            bytes: pages.iter().map(|page| page.len() as u64).sum(),
            name: seq.to_string(),
        });
        listed.collect()
    }

    pub fn keep(&self, seq: u64, pages: Vec<Vec<u8>>) -> String {
        self.kept().insert(seq, pages);
        seq.to_string()
    }

    pub fn read(&self, seq: u64) -> std::vec::IntoIter<Vec<u8>> {
        let pages = self.kept().get(&seq).cloned();
        pages.unwrap_or_default().into_iter()
    }

    pub fn remove(&self, seq: u64) {
        self.kept().remove(&seq);
    }

    pub fn damage(&self, seq: u64) {
        let mut kept = self.kept();
        let Some(pages) = kept.get_mut(&seq) else {
            return;
        };
        let middle = pages.len() / 2;
        if let Some(byte) = pages.get_mut(middle).and_then(|page| page.last_mut()) {
            *byte ^= 1;
        }
    }
}
