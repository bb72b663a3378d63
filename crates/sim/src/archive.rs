//! The archiver, its disk, and edges that look things up there.
//!
//! ```text
//!   Look ─▶ copies, durable ─▶ disk ─▶ Evict ─▶ out of memory
//!   Archived ─▶ fetch ─▶ Recall { copy, as_of } ─▶ the same request again
//! ```
//! What left is remembered apart from the disk, as the state had it: so a copy that is missing, or another one, is found when
//! it leaves and when it comes back.
//!
//! **Not here:** PostgreSQL and SQLite; a disk whose every commit is synced is a map that survives crashes.

use std::{borrow::Cow, collections::BTreeMap};

use paytone_domain::{
    Actor, Answer, Command, Event, State,
    archive::{ArchiveCommand, ArchiveEvent, ArchiveRefusal, Closed, Gone, QUIET},
    ids::{PaymentId, RefundId},
    time::Timestamp,
};
use paytone_engine::Batch;

use crate::{
    happening::{Ask, CallId, Happening, Look, Seen, Told},
    mutation::Mutation,
    process::{Input, Process, Reply},
    violation::{Check, Checked, Violation, require},
    world::World,
};

/// Copied at once.
const COPIES: usize = 16;

/// What is on the disk.
#[derive(Default)]
pub struct Disk {
    payments: BTreeMap<PaymentId, Vec<u8>>,
    refunds: BTreeMap<RefundId, PaymentId>,
    /// What an edge with a bug in it goes by: the first copy that it ever read of each.
    first_read: BTreeMap<PaymentId, Closed>,
}

impl Disk {
    fn write(&mut self, copy: &Closed) {
        for refund in &copy.refunds {
            self.refunds.insert(refund.id, copy.payment.id);
        }
        let known = self.copy(copy.payment.id);
        // Another node may have written later.
        if known.is_none_or(|known| known.payment.changed_at < copy.payment.changed_at) {
            self.payments.insert(copy.payment.id, copy.encode());
        }
    }

    fn copy(&self, id: PaymentId) -> Option<Closed> {
        let bytes = self.payments.get(&id)?;
        Closed::decode(bytes).ok()
    }

    fn find(&self, gone: Gone) -> Option<Closed> {
        match gone {
            Gone::Payment(id) => self.copy(id),
            Gone::Refund(id) => self.copy(*self.refunds.get(&id)?),
        }
    }
}

/// What has left a state, as it was then.
#[derive(Clone, Default)]
pub struct Left(BTreeMap<PaymentId, Closed>);

impl Left {
    pub fn add(&mut self, copies: impl IntoIterator<Item = Closed>) {
        for copy in copies {
            self.0.insert(copy.payment.id, copy);
        }
    }

    pub fn get(&self, id: PaymentId) -> Option<&Closed> {
        self.0.get(&id)
    }

    pub fn returned(&mut self, id: PaymentId) {
        self.0.remove(&id);
    }

    /// The state as it would be if nothing had left it.
    pub fn whole<'a>(&self, state: &'a State) -> Cow<'a, State> {
        if self.0.is_empty() {
            return Cow::Borrowed(state);
        }
        let mut whole = state.clone();
        for Closed { payment, refunds } in self.0.values() {
            whole.payments.insert(payment.id, payment.clone());
            for refund in refunds {
                whole.refunds.insert(refund.id, refund.clone());
            }
        }
        Cow::Owned(whole)
    }
}

/// What the archiver and edges ask of the engine, in the same process.
#[derive(Clone, Debug)]
pub enum ArchiveAsk {
    Look,
    Evict {
        number: u64,
        payments: Vec<(PaymentId, Timestamp)>,
    },
    /// So that this request can be decided.
    Recall {
        call: CallId,
        copy: Box<Closed>,
        as_of: Timestamp,
    },
}

/// Which of them an answer is for.
#[derive(Clone, Copy, Debug)]
pub enum ArchiveAsked {
    Look,
    Evict,
    Recall(CallId),
}

fn wrong(detail: String) -> Violation {
    Violation {
        check: Check::Archive,
        detail,
    }
}

impl World {
    /// The archiver looks again, and after a while once more.
    pub fn archiver(&mut self, life: u64) {
        if self.process.as_ref().is_none_or(|now| now.life != life) {
            return;
        }
        self.archive_asks(ArchiveAsk::Look);
        if !self.settling {
            let after = self.random.between(1_000, 60_000);
            self.queue.push(after, Happening::Archiver { life });
        }
    }

    fn archive_asks(&mut self, ask: ArchiveAsk) {
        let token = self.token();
        let Some(process) = &mut self.process else {
            return;
        };
        let asked = match &ask {
            ArchiveAsk::Look => ArchiveAsked::Look,
            ArchiveAsk::Evict { .. } => ArchiveAsked::Evict,
            ArchiveAsk::Recall { call, .. } => ArchiveAsked::Recall(*call),
        };
        process.archive_asks.insert(token, ask);
        process.inbox.push_back(Input::Archive(token, asked));
        self.wake(2);
    }

    /// The engine answered the archiver, or an edge that recalls.
    pub fn archive_told(&mut self, asked: ArchiveAsked, told: Told) -> Checked {
        match (asked, told) {
            (ArchiveAsked::Look, Told::Closed(copies, evictions)) if !copies.is_empty() => {
                let Some(life) = self.process.as_ref().map(|process| process.life) else {
                    return Ok(());
                };
                let number = evictions + 1;
                if self.mutation == Some(Mutation::EvictBeforeWritten) {
                    self.evict(number, &copies);
                }
                let slow = self.random.chance(5);
                let after = self.random.between(1, if slow { 20_000 } else { 60 });
                let written = Happening::ArchiveWritten {
                    life,
                    number,
                    copies,
                };
                self.queue.push(after, written);
                Ok(())
            }
            (ArchiveAsked::Recall(call), Told::Answer(Answer::Archive(told))) => match told {
                // Whatever came of it, the request is asked again; a copy that is too old is looked up again then.
                Ok(_) | Err(ArchiveRefusal::Stale) => {
                    self.arrives(call);
                    Ok(())
                }
                Err(refusal) => Err(wrong(format!("a copy of the archive is {refusal:?}"))),
            },
            _ => Ok(()),
        }
    }

    /// The copies are durable.
    pub fn archive_written(&mut self, life: u64, number: u64, copies: Vec<Closed>) {
        for copy in &copies {
            self.disk.write(copy);
        }
        if self.process.as_ref().is_some_and(|now| now.life == life) {
            self.evict(number, &copies);
        }
    }

    fn evict(&mut self, number: u64, copies: &[Closed]) {
        let payments = copies.iter();
        let payments = payments.map(|copy| (copy.payment.id, copy.payment.changed_at));
        self.archive_asks(ArchiveAsk::Evict {
            number,
            payments: payments.collect(),
        });
    }

    /// What a client asked of has left: an edge looks it up.
    pub fn fetch(&mut self, call: CallId, gone: Gone, as_of: Timestamp) {
        let Some(life) = self.process.as_ref().map(|process| process.life) else {
            return;
        };
        let slow = self.random.chance(5);
        let after = self.random.between(1, if slow { 2 * QUIET } else { 40 });
        let fetched = Happening::Fetched {
            life,
            call,
            gone,
            as_of,
        };
        self.queue.push(after, fetched);
    }

    pub fn fetched(&mut self, life: u64, call: CallId, gone: Gone, as_of: Timestamp) -> Checked {
        if self.process.as_ref().is_none_or(|now| now.life != life) {
            return Ok(());
        }
        let Some(mut copy) = self.disk.find(gone) else {
            return Err(wrong(format!("{gone:?} has left and is not on the disk")));
        };
        if self.mutation == Some(Mutation::RecallStaleCopy) {
            let first = self.disk.first_read.entry(copy.payment.id);
            copy = first.or_insert(copy).clone();
        }
        let is_look = self
            .calls
            .get(&call)
            .map(|known| matches!(known.ask, Ask::Look(Look::Payment(_))));
        match is_look {
            None => Ok(()),
            Some(true) => {
                let payment = &copy.payment;
                let facts = payment.facts(payment.snapshot());
                let told = Told::Seen(Seen::Payment(facts));
                let to = Input::Client(call);
                self.release(Reply { to, told }, 0)
            }
            Some(false) => {
                let copy = Box::new(copy);
                self.archive_asks(ArchiveAsk::Recall { call, copy, as_of });
                Ok(())
            }
        }
    }

    /// Holds what a durable batch says of the archive against the disk and against what left. To be asked before the follower
    /// takes the batch in.
    pub fn check_archive(&self, batch: &Batch) -> Checked {
        for event in batch.items.iter().flat_map(|item| &item.events) {
            for copy in self.follower.state.leaving(event) {
                let id = copy.payment.id;
                require(
                    self.disk.copy(id).as_ref() == Some(&copy),
                    Check::Archive,
                    || format!("{id:?} left and is not on the disk as it was: {copy:?}"),
                )?;
            }
            if let Event::Archive(ArchiveEvent::Recalled { copy }) = event {
                let left = self.follower.left.get(copy.payment.id);
                require(left == Some(copy), Check::Archive, || {
                    format!("{copy:?} came back, {left:?} had left")
                })?;
            }
        }
        Ok(())
    }
}

/// Decides what the archiver or an edge asks; what has left the process's state follows it.
pub fn decided(process: &mut Process, ask: ArchiveAsk) -> Told {
    let Process { pipeline, left, .. } = process;
    match ask {
        ArchiveAsk::Look => {
            let state = pipeline.state();
            let copies = state.oldest_closed(pipeline.moment(), QUIET, COPIES);
            Told::Closed(copies, state.archive.evictions)
        }
        ArchiveAsk::Evict { number, payments } => {
            let state = pipeline.state();
            let named = payments.iter().filter_map(|(id, _)| {
                let payment = state.payments.get(id)?;
                Closed::of(state, payment)
            });
            let named: Vec<_> = named.collect();
            let command = ArchiveCommand::Evict { number, payments };
            let answer = pipeline.decide(Actor::System, 0, Command::Archive(command));
            let state = pipeline.state();
            left.add(named.into_iter().filter(|copy| {
                let id = copy.payment.id;
                !state.payments.contains_key(&id)
            }));
            Told::Answer(answer)
        }
        ArchiveAsk::Recall { copy, as_of, .. } => {
            let id = copy.payment.id;
            let command = ArchiveCommand::Recall { copy, as_of };
            let answer = pipeline.decide(Actor::System, 0, Command::Archive(command));
            if answer == Answer::Archive(Ok(1)) {
                left.returned(id);
            }
            Told::Answer(answer)
        }
    }
}
