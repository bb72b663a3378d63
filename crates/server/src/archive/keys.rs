//! Idempotency keys that have left memory: looked for before a request is decided.
//!
//! ```text
//!   request ─▶ filter: certainly not there ─▶ engine, which is told how far was looked
//!                  └── perhaps ─▶ archive ─▶ not there: the same · there: the answer it got then
//! ```
//! **Invariant:** a filled filter has every key that left memory before `checked`; the engine decides nothing under a key
//! that may have left since. Until it is filled every key is looked up. **Not here:** what staff did, whose keys stay in memory
//! while they count.

use parking_lot::RwLock;
use paytone_domain::{
    Answer,
    idempotency::{OldAnswer, Recorded, Repeat},
    ids::RepeatKey,
    payment::ClientPaymentRefusal,
    time::{HOUR, Timestamp},
};
use paytone_engine::{Answered, Engine};

use super::{
    Archive,
    answers::{self, Run},
    filter::Filter,
    known::LookError,
};
use crate::node::Node;

/// What a node knows of keys that have left memory.
pub struct Keys(RwLock<Inner>);

struct Inner {
    filter: Filter,
    /// Every key used before then that has left memory is in the filter.
    checked: Timestamp,
    /// Whether that is all that have left.
    filled: bool,
    /// The last run that was put in.
    run: Run,
}

impl Keys {
    /// Of a node that starts; merchants' keys used before then have left memory.
    pub fn behind(left_before: Timestamp) -> Self {
        Self(RwLock::new(Inner {
            filter: Filter::default(),
            checked: Timestamp::default(),
            filled: left_before == Timestamp::default(),
            run: 0,
        }))
    }

    /// These are in that run of the archive and about to leave: all that were used between `from`, before which all had left,
    /// and `before`.
    pub fn add(&self, answers: &[OldAnswer], run: Run, from: Timestamp, before: Timestamp) {
        self.insert(run, answers.iter().map(|answer| (answer.key, answer.at)));
        let mut inner = self.0.write();
        // Another node may have let keys go meanwhile.
        inner.filled &= inner.checked >= from;
        if inner.filled {
            inner.checked = inner.checked.max(before);
            inner.run = inner.run.max(run);
        }
    }

    fn insert(&self, run: Run, keys: impl Iterator<Item = (RepeatKey, Timestamp)>) {
        let mut inner = self.0.write();
        for (key, at) in keys {
            inner.filter.insert(key, at, run);
        }
    }

    /// Where a key is to be looked for.
    pub fn place_of(&self, key: RepeatKey) -> PlaceOf {
        let inner = self.0.read();
        if !inner.filled {
            return PlaceOf::Unknown;
        }
        PlaceOf::Among(inner.checked, inner.filter.runs(key))
    }

    /// Keys used before then no longer count.
    pub fn forget(&self, before: Timestamp) {
        self.0.write().filter.forget(before);
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> u64 {
        self.0.read().filter.bytes() as u64
    }

    pub fn is_filled(&self) -> bool {
        self.0.read().filled
    }

    /// Keys have left that are not in the filter.
    pub fn lag(&self) {
        self.0.write().filled = false;
    }
}

/// Where a key may be that has left memory.
pub enum PlaceOf {
    /// In none but these runs, if it was used before then and has left.
    Among(Timestamp, Vec<(Run, Run)>),
    /// Anywhere.
    Unknown,
}

/// What is known of a request's key before it is decided.
pub enum Before {
    /// Nothing, of those used before then: it may be decided.
    New(Timestamp),
    /// It was answered so.
    Answered(Answered<Answer>),
}

impl Node {
    /// Looks for a request's key among those that have left memory.
    pub async fn looked_for(&self, repeat: Repeat) -> Result<Before, LookError> {
        let (checked, runs) = match self.keys.place_of(repeat.key) {
            PlaceOf::Among(checked, runs) if runs.is_empty() => return Ok(Before::New(checked)),
            PlaceOf::Among(checked, runs) => (checked, runs),
            PlaceOf::Unknown => {
                // What has left by now is in the archive by now.
                let read = self.engine.read(|state, _| state.repeats.left_before());
                (read.await?.answer, vec![answers::EVERY])
            }
        };
        let Some(old) = self.archive.answer(repeat.key, &runs).await? else {
            return Ok(Before::New(checked));
        };
        let look = self.look(move |known, moment| {
            // Keys count for that long; afterwards they may be used for something else.
            let hours = i64::from(known.state.rules.idempotency_hours);
            if moment.now.since(old.at) > hours * HOUR {
                return None;
            }
            if old.body != repeat.body {
                return Some(Answer::ClientRefused(ClientPaymentRefusal::KeyReused));
            }
            Some(match &old.answer {
                Recorded::Payment(id, then) => {
                    let payment = known.payment(*id);
                    let facts = payment.map(|payment| payment.facts(*then));
                    Answer::Payment(facts.ok_or(ClientPaymentRefusal::NotFound))
                }
                Recorded::Refund(id, then) => {
                    let refund = known.refund(*id);
                    let facts = refund.map(|refund| refund.facts(*then));
                    Answer::Refund(facts.ok_or(ClientPaymentRefusal::NotFound))
                }
                Recorded::Mandate(id, then) => {
                    let mandate = known.state.mandates.get(id);
                    let facts = mandate.map(|mandate| mandate.facts(*then));
                    Answer::Mandate(facts.ok_or(ClientPaymentRefusal::NotFound))
                }
                Recorded::Refused(refusal) => Answer::ClientRefused(*refusal),
                Recorded::Operation(done) => Answer::Operator(Ok(done.clone())),
            })
        });
        let Answered { answer, position } = look.await?;
        Ok(match answer {
            Some(answer) => Before::Answered(Answered { answer, position }),
            None => Before::New(checked),
        })
    }
}

impl Keys {
    /// Fills the filter with what has left memory and still counts.
    pub async fn fill(&self, engine: &Engine, archive: &Archive) -> Result<(), LookError> {
        let read = engine.read(|state, moment| {
            let hours = i64::from(state.rules.idempotency_hours);
            let oldest = moment.now.plus(-hours * HOUR);
            (state.repeats.left_before(), oldest)
        });
        let (left_before, oldest) = read.await?.answer;
        // The last run may have grown since.
        let first = self.0.read().run;
        let runs = archive.runs(first, oldest).await?;
        for run in &runs {
            self.insert(*run, archive.keys_of(*run).await?.into_iter());
        }
        let mut inner = self.0.write();
        inner.checked = inner.checked.max(left_before);
        inner.run = runs.last().copied().unwrap_or(first);
        inner.filled = true;
        Ok(())
    }
}
