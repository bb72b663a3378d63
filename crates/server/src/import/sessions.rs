//! Imports under way, and whose turn it is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use paytone_domain::time::Timestamp;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::watch;

/// Imports that are open at a time.
const OPEN: usize = 4;
/// An import that was not heard of for so long is over.
const IDLE: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Lines,
    Balances,
}

/// One file on its way in.
#[derive(Debug)]
pub struct Import {
    pub kind: Kind,
    /// How old its knowledge is.
    pub as_of: Timestamp,
    /// Checks everything and changes nothing.
    pub check: bool,
    /// Keyed hashes of the rows seen so far, where a row has a name.
    pub seen: Mutex<FxHashSet<u64>>,
    next: watch::Sender<u64>,
    heard: Mutex<Instant>,
}

/// All imports of a node.
#[derive(Debug, Default)]
pub struct Imports {
    open: Mutex<FxHashMap<u64, Arc<Import>>>,
    last: AtomicU64,
}

impl Imports {
    /// `None` if too many are open.
    pub fn open(&self, kind: Kind, as_of: Timestamp, check: bool) -> Option<u64> {
        let mut open = self.open.lock();
        open.retain(|_, import| import.heard.lock().elapsed() < IDLE);
        if open.len() >= OPEN {
            return None;
        }
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let import = Import {
            kind,
            as_of,
            check,
            seen: Mutex::default(),
            next: watch::Sender::new(0),
            heard: Mutex::new(Instant::now()),
        };
        open.insert(id, Arc::new(import));
        Some(id)
    }

    pub fn get(&self, id: u64, kind: Kind) -> Option<Arc<Import>> {
        let open = self.open.lock();
        let import = open.get(&id).filter(|import| import.kind == kind)?;
        *import.heard.lock() = Instant::now();
        Some(Arc::clone(import))
    }

    pub fn close(&self, id: u64) {
        self.open.lock().remove(&id);
    }
}

/// The right to go on; the next chunk's begins when it is dropped.
#[derive(Debug)]
pub struct Turn {
    import: Arc<Import>,
    chunk: u64,
}

impl Import {
    /// Waits until all chunks before this one are done. `None` if it was done already, or an earlier one never comes.
    pub async fn turn(self: &Arc<Self>, chunk: u64, patience: Duration) -> Option<Turn> {
        let mut next = self.next.subscribe();
        let reached = next.wait_for(|next| *next >= chunk);
        let now = *tokio::time::timeout(patience, reached).await.ok()?.ok()?;
        (now == chunk).then(|| Turn {
            import: Arc::clone(self),
            chunk,
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.import
            .next
            .send_modify(|next| *next = (*next).max(self.chunk + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn chunks_take_their_turns_in_order_and_once() {
        let imports = Imports::default();
        let id = imports
            .open(Kind::Lines, Timestamp(0), false)
            .expect("room for one");
        assert!(imports.get(id, Kind::Balances).is_none());
        let import = imports.get(id, Kind::Lines).expect("open");
        let patience = Duration::ZERO;
        let first = import.turn(0, patience).await.expect("the first");
        assert!(import.turn(1, patience).await.is_none(), "too early");
        drop(first);
        drop(import.turn(1, patience).await.expect("the second"));
        assert!(import.turn(0, patience).await.is_none(), "done already");
    }

    #[test]
    fn only_so_many_imports_are_open_at_a_time() {
        let imports = Imports::default();
        let open = || imports.open(Kind::Lines, Timestamp(0), false);
        let ids: Vec<_> = (0..OPEN).filter_map(|_| open()).collect();
        assert_eq!(ids.len(), OPEN);
        assert_eq!(open(), None);
        imports.close(ids[0]);
        assert!(open().is_some());
    }
}
