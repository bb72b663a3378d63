//! What is over leaves memory, and comes back when somebody asks something of it.
//!
//! ```text
//!   over, unchanged for the window ──copies, durable──▶ archive on disk ──▶ Evict ──▶ Evicted: out of memory
//!   refund of it ──▶ Archived: look it up ──▶ Recall { copy, as_of } ──▶ Recalled: as if it had never left
//! ```
//! Idempotency keys go as well; they do not come back: what was answered under one is told from the archive, and no command is
//! decided under a key that may have left since it was looked for.
//!
//! A payment goes with all its refunds. Whoever evicts has written the copies down first, and says so by the number of the
//! eviction; whoever recalls has first been told that the thing is not in memory, and says when (`as_of`).
//!
//! **Invariants:** nothing leaves memory that changed less than [`QUIET`] ago, and no copy comes back that was looked up longer
//! ago than that. So between the look and the return there is no time to come back, change and leave again: the copy is what
//! left. Evictions are numbered without a gap, so that an archive that lacks some knows it.
//!
//! **Not here:** the archive itself; how long the window is, which is at least [`QUIET`].

mod closed;
mod runs;

use minicbor::{Decode, Encode};

pub use closed::Closed;
pub use runs::Runs;

pub(crate) use closed::Queue;

use crate::{
    Event, State,
    idempotency::OldAnswer,
    ids::{PaymentId, RefundId},
    payment::Payment,
    time::{Moment, SECOND, Timestamp},
};

/// Nothing that changed since then is evicted, and no copy is older than that.
pub const QUIET: i64 = 5 * SECOND;

/// Evictions are events of this level.
pub const LEVEL: u32 = 2;

/// From this level on more than payments leaves.
pub const REST_LEVEL: u32 = 3;

/// Most payments of one eviction.
pub const MOST: usize = 8_192;

#[derive(Clone, Debug)]
pub enum ArchiveCommand {
    /// The archive holds these as they have been since then.
    Evict {
        /// One more than the last eviction had.
        number: u64,
        payments: Vec<(PaymentId, Timestamp)>,
        /// Merchants' idempotency keys that were used before then; the default for none.
        keys_before: Timestamp,
    },
    /// A copy out of the archive.
    Recall {
        copy: Box<Closed>,
        /// Engine time of an answer that said it is not in memory, from before it was looked up.
        as_of: Timestamp,
    },
}

/// Why a thing does not leave or come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveRefusal {
    /// Events of that kind may not be written yet.
    Level,
    /// Somebody else has evicted meanwhile; the last eviction is this one.
    Number(u64),
    /// Nothing of what was named is still as it was.
    NothingLeft,
    /// The copy was looked up too long ago: look again.
    Stale,
    /// It is not a copy of anything of this journal.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ArchiveEvent {
    #[n(0)]
    Evicted {
        #[n(0)]
        number: u64,
        /// With their refunds.
        #[n(1)]
        payments: Runs,
        /// Merchants' idempotency keys that were used before then.
        #[cbor(n(2), default)]
        keys_before: Timestamp,
    },
    #[n(1)]
    Recalled {
        #[n(0)]
        copy: Box<Closed>,
    },
}

/// Something that has left memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Gone {
    #[n(0)]
    Payment(#[n(0)] PaymentId),
    /// With its payment.
    #[n(1)]
    Refund(#[n(0)] RefundId),
    /// Idempotency keys that this request's has not been looked for among.
    #[n(2)]
    Keys,
}

/// What the state knows of the archive.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    /// The number of the last eviction.
    pub evictions: u64,
    pub(crate) queue: Queue,
}

impl State {
    /// Whether it was in memory once and has left.
    pub fn is_gone(&self, gone: Gone) -> bool {
        match gone {
            Gone::Payment(id) => {
                (1..self.next_payment).contains(&id.0) && !self.payments.contains_key(&id)
            }
            Gone::Refund(id) => {
                (1..self.next_refund).contains(&id.0) && !self.refunds.contains_key(&id)
            }
            Gone::Keys => self.repeats.left_before() > Timestamp::default(),
        }
    }

    /// What has been over for `window` milliseconds, the longest first.
    pub fn oldest_closed(&self, moment: &Moment, window: i64, limit: usize) -> Vec<Closed> {
        // So that whatever changes later is seen to have: its time is another one.
        let before = moment.now.plus(-window.max(QUIET));
        let entries = self.archive.queue.until(before);
        entries
            .filter_map(|(at, id)| {
                let payment = self.payments.get(&id).filter(|one| one.changed_at == at)?;
                Closed::of(self, payment)
            })
            .take(limit)
            .collect()
    }

    /// Since when the longest of those that wait for the archive has been over.
    pub fn oldest_closed_since(&self) -> Option<Timestamp> {
        self.archive.queue.first().map(|(at, _)| at)
    }

    /// What an event is about to take out of memory, as it is now.
    pub fn leaving(&self, event: &Event) -> Vec<Closed> {
        let Event::Archive(ArchiveEvent::Evicted { payments, .. }) = event else {
            return Vec::new();
        };
        let payments = payments
            .iter()
            .filter_map(|id| self.payments.get(&PaymentId(id)));
        payments
            .filter_map(|payment| Closed::of(self, payment))
            .collect()
    }

    /// The idempotency keys that an event is about to take out of memory, with their answers.
    pub fn leaving_keys(&self, event: &Event) -> Vec<OldAnswer> {
        match event {
            Event::Archive(ArchiveEvent::Evicted { keys_before, .. }) => {
                self.repeats.oldest(*keys_before, usize::MAX).0
            }
            _ => Vec::new(),
        }
    }

    fn may_leave(&self, moment: &Moment, payment: &Payment, since: Timestamp) -> bool {
        payment.changed_at == since
            && moment.now.since(since) >= QUIET
            && closed::is_over(self, payment)
    }
}

pub(crate) fn decide(
    state: &State,
    moment: &Moment,
    command: ArchiveCommand,
) -> (Result<usize, ArchiveRefusal>, Vec<Event>) {
    let decided = match command {
        ArchiveCommand::Evict {
            number,
            payments,
            keys_before,
        } => evict(state, moment, number, &payments, keys_before),
        ArchiveCommand::Recall { copy, as_of } => recall(state, moment, copy, as_of),
    };
    match decided {
        Ok((count, event)) => (
            Ok(count),
            event.into_iter().map(Event::Archive).collect::<Vec<_>>(),
        ),
        Err(refusal) => (Err(refusal), Vec::new()),
    }
}

type Decided = Result<(usize, Option<ArchiveEvent>), ArchiveRefusal>;

fn evict(
    state: &State,
    moment: &Moment,
    number: u64,
    payments: &[(PaymentId, Timestamp)],
    keys_before: Timestamp,
) -> Decided {
    if state.level() < LEVEL {
        return Err(ArchiveRefusal::Level);
    }
    if number != state.archive.evictions + 1 {
        return Err(ArchiveRefusal::Number(state.archive.evictions));
    }
    let leaves = |(id, since): &&(PaymentId, Timestamp)| {
        let payment = state.payments.get(id);
        payment.is_some_and(|payment| state.may_leave(moment, payment, *since))
    };
    let payments: Runs = payments
        .iter()
        .take(MOST)
        .filter(leaves)
        .map(|(id, _)| id.0)
        .collect();
    // Later ones may still be used at that moment.
    let keys_before = keys_before.min(moment.now.plus(-QUIET));
    let keys = match state.level() >= REST_LEVEL {
        true => state.repeats.leaving(keys_before),
        // Nodes of an earlier release would keep them.
        false => 0,
    };
    let keys_before = match keys {
        0 => Timestamp::default(),
        _ => keys_before,
    };
    match payments.len() {
        0 if keys == 0 => Err(ArchiveRefusal::NothingLeft),
        count => {
            let evicted = ArchiveEvent::Evicted {
                number,
                payments,
                keys_before,
            };
            Ok((count, Some(evicted)))
        }
    }
}

fn recall(state: &State, moment: &Moment, copy: Box<Closed>, as_of: Timestamp) -> Decided {
    if state.payments.contains_key(&copy.payment.id) {
        return Ok((0, None));
    }
    if !state.is_gone(Gone::Payment(copy.payment.id)) || !copy.fits(state) {
        return Err(ArchiveRefusal::Unknown);
    }
    if as_of > moment.now || moment.now.since(as_of) >= QUIET {
        return Err(ArchiveRefusal::Stale);
    }
    Ok((1, Some(ArchiveEvent::Recalled { copy })))
}

pub(crate) fn evolve(state: &mut State, moment: &Moment, event: &ArchiveEvent) {
    match event {
        ArchiveEvent::Evicted {
            number,
            payments,
            keys_before,
        } => {
            state.archive.evictions = *number;
            if *keys_before > Timestamp::default() {
                crate::idempotency::leave(state, *keys_before);
            }
            for id in payments.iter() {
                let payment = state
                    .payments
                    .remove(&PaymentId(id))
                    .expect("an evicted payment is in memory");
                for refund in &payment.refunds {
                    state.refunds.remove(refund);
                }
            }
            let payments = &state.payments;
            state.archive.queue.forget(|at, id| {
                payments
                    .get(&id)
                    .is_none_or(|payment| payment.changed_at != at)
            });
        }
        ArchiveEvent::Recalled { copy } => {
            let Closed { payment, refunds } = &**copy;
            state.payments.insert(payment.id, payment.clone());
            for refund in refunds {
                state.refunds.insert(refund.id, refund.clone());
            }
            state.touched(moment, payment.id);
        }
    }
}
