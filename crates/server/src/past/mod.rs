//! Looking back: what the books were at another moment, replayed from the journal beside the running engine.
//!
//! ```text
//!   begin ──▶ a thread of its own: snapshot ─▶ read rows ─▶ chain ─▶ evolve ─▶ … ─▶ what was asked for ──▶ answer, kept until the next one
//!                     ╰── progress: rows so far, rows in all
//! ```
//! It begins with the newest snapshot that is early enough. What had left memory before that is in the archive; where it changed since,
//! the replay is done again from the first row.
//!
//! **Invariants:** the engine's thread does nothing for it but two short reads; the journal is only read. One runs at a time, since
//! each makes a whole state of its own, and none longer than the settings allow. **Not here:** who may ask, and what they are shown.

mod replay;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use parking_lot::Mutex;
use paytone_domain::ids::OperatorId;
use serde_json::Value;

pub use replay::{Begins, PastError, Reached, Then, apart, state_at, what_if};

use crate::edge::problem::Problem;

/// How far a replay got, whether it should go on, and until when it may.
#[derive(Debug)]
pub struct Progress {
    rows: AtomicU64,
    rows_in_all: AtomicU64,
    stopped: AtomicBool,
    until: Instant,
}

impl Progress {
    pub fn new(limit: Duration) -> Self {
        Self {
            rows: AtomicU64::new(0),
            rows_in_all: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            until: Instant::now() + limit,
        }
    }

    pub fn set(&self, rows: u64, rows_in_all: u64) {
        self.rows.store(rows, Ordering::Relaxed);
        self.rows_in_all.store(rows_in_all, Ordering::Relaxed);
    }

    /// Rows replayed, and rows in all.
    pub fn rows(&self) -> (u64, u64) {
        let rows_in_all = self.rows_in_all.load(Ordering::Relaxed);
        (self.rows.load(Ordering::Relaxed), rows_in_all)
    }

    /// Whether it may go on.
    pub fn check(&self) -> Result<(), PastError> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(PastError::Stopped);
        }
        if Instant::now() >= self.until {
            return Err(PastError::TooLong);
        }
        Ok(())
    }
}

/// The one look back that runs or ran last.
#[derive(Default)]
pub struct LookBacks {
    current: Mutex<Option<LookBack>>,
    next: AtomicU64,
}

struct LookBack {
    id: u64,
    operator: OperatorId,
    progress: Arc<Progress>,
    outcome: Option<Result<Value, Problem>>,
}

/// What became of a look back so far.
#[derive(Debug)]
pub enum Seen {
    Running { rows: u64, rows_in_all: u64 },
    Done(Result<Value, Problem>),
}

impl LookBacks {
    /// Makes room for another one, or refuses while one runs.
    pub fn begin(
        &self,
        operator: OperatorId,
        limit: Duration,
    ) -> Result<(u64, Arc<Progress>), Problem> {
        let mut current = self.current.lock();
        if current
            .as_ref()
            .is_some_and(|current| current.outcome.is_none())
        {
            let mut problem = Problem::new(
                StatusCode::CONFLICT,
                "look_back_busy",
                "another look back is under way; they run one at a time",
            );
            problem.retry_after_s = Some(5);
            return Err(problem);
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let progress = Arc::new(Progress::new(limit));
        *current = Some(LookBack {
            id,
            operator,
            progress: Arc::clone(&progress),
            outcome: None,
        });
        Ok((id, progress))
    }

    /// Keeps what came of it until somebody begins the next one.
    pub fn end(&self, id: u64, outcome: Result<Value, Problem>) {
        if let Some(current) = self
            .current
            .lock()
            .as_mut()
            .filter(|current| current.id == id)
        {
            current.outcome = Some(outcome);
        }
    }

    /// What became of it; only for whoever began it, since it may show people.
    pub fn seen(&self, operator: OperatorId, id: u64) -> Option<Seen> {
        let current = self.current.lock();
        let current = current
            .as_ref()
            .filter(|current| current.id == id && current.operator == operator)?;
        Some(match &current.outcome {
            Some(outcome) => Seen::Done(outcome.clone()),
            None => {
                let (rows, rows_in_all) = current.progress.rows();
                Seen::Running { rows, rows_in_all }
            }
        })
    }

    /// Ends it early; says whether it was there.
    pub fn stop(&self, operator: OperatorId, id: u64) -> bool {
        let current = self.current.lock();
        let found = current
            .as_ref()
            .filter(|current| current.id == id && current.operator == operator);
        if let Some(current) = found {
            current.progress.stopped.store(true, Ordering::Relaxed);
        }
        found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_run_one_at_a_time_and_only_whoever_began_one_sees_it() {
        let (ann, bob) = (OperatorId(1), OperatorId(2));
        let all = LookBacks::default();
        let minute = Duration::from_secs(60);
        let (first, progress) = all.begin(ann, minute).expect("nothing runs");
        progress.set(3, 10);
        let busy = all.begin(bob, minute).expect_err("one runs");
        assert_eq!(busy.code, "look_back_busy");
        let running = all.seen(ann, first).expect("it is hers");
        assert!(
            matches!(
                running,
                Seen::Running {
                    rows: 3,
                    rows_in_all: 10
                }
            ),
            "{running:?}"
        );
        assert!(all.seen(bob, first).is_none() && !all.stop(bob, first));
        assert!(progress.check().is_ok());
        assert!(all.stop(ann, first));
        assert!(matches!(progress.check(), Err(PastError::Stopped)));
        all.end(first, Ok(Value::Null));
        assert!(matches!(all.seen(ann, first), Some(Seen::Done(Ok(_)))));
        let (second, progress) = all.begin(bob, Duration::ZERO).expect("the first is over");
        assert!(matches!(progress.check(), Err(PastError::TooLong)));
        // The first one, were it to end only now, touches nothing.
        all.end(first, Ok(Value::Null));
        assert!(matches!(all.seen(bob, second), Some(Seen::Running { .. })));
    }
}
