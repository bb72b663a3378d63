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
    idempotency::{OldAnswer, Recorded},
    ids::{PaymentId, RefundId, RepeatKey},
    payment::ClientPaymentRefusal,
    time::{HOUR, Moment, Timestamp},
};
use paytone_engine::Batch;

use crate::{
    happening::{Ask, CallId, Happening, Look, Seen, Told},
    mutation::Mutation,
    process::{Input, Process, Reply},
    promises::repeat_of,
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
    keys: BTreeMap<RepeatKey, OldAnswer>,
    /// What an edge with a bug in it goes by: the first copy that it ever read of each.
    first_read: BTreeMap<PaymentId, Closed>,
}

/// What leaves memory together.
#[derive(Clone, Debug)]
pub struct Leaving {
    copies: Vec<Closed>,
    answers: Vec<OldAnswer>,
    keys_before: Timestamp,
    /// Of its eviction.
    number: u64,
}

impl Leaving {
    /// What may leave now.
    pub fn of(state: &State, moment: &Moment) -> Self {
        let copies = state.oldest_closed(moment, QUIET, COPIES);
        let before = moment.now.plus(-QUIET);
        let (answers, keys_before) = state.repeats.oldest(before, COPIES);
        Self {
            copies,
            answers,
            keys_before,
            number: state.archive.evictions + 1,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.copies.is_empty() && self.answers.is_empty()
    }

    /// Once they are on the disk.
    pub fn evict(&self) -> ArchiveCommand {
        let payments = self.copies.iter();
        let payments = payments.map(|copy| (copy.payment.id, copy.payment.changed_at));
        ArchiveCommand::Evict {
            number: self.number,
            payments: payments.collect(),
            keys_before: self.keys_before,
        }
    }
}

impl Disk {
    pub fn write_all(&mut self, leaving: &Leaving) {
        self.write_payments(leaving);
        for old in &leaving.answers {
            self.keys.insert(old.key, old.clone());
        }
    }

    pub fn write_payments(&mut self, leaving: &Leaving) {
        leaving.copies.iter().for_each(|copy| self.write(copy));
    }

    /// Forgets copies that are newer than those that are about to be written, as a bug may.
    pub fn forget_newer(&mut self, leaving: &Leaving) {
        for copy in &leaving.copies {
            self.payments.remove(&copy.payment.id);
        }
    }

    pub fn old_answer(&self, key: RepeatKey) -> Option<&OldAnswer> {
        self.keys.get(&key)
    }

    /// Holds what a batch that is to be taken in next says of the archive against what is here and what left.
    pub fn check(&self, state: &State, left: &Left, batch: &Batch) -> Checked {
        for event in batch.items.iter().flat_map(|item| &item.events) {
            for copy in state.leaving(event) {
                let id = copy.payment.id;
                require(
                    self.copy(id).as_ref() == Some(&copy),
                    Check::Archive,
                    || format!("{id:?} left and is not on the disk as it was: {copy:?}"),
                )?;
            }
            for old in state.leaving_keys(event) {
                require(
                    self.keys.get(&old.key) == Some(&old),
                    Check::Archive,
                    || format!("a key left and is not on the disk as it was: {old:?}"),
                )?;
            }
            if let Event::Archive(ArchiveEvent::Recalled { copy }) = event {
                let left = left.get(copy.payment.id);
                require(left == Some(copy), Check::Archive, || {
                    format!("{copy:?} came back, {left:?} had left")
                })?;
            }
        }
        Ok(())
    }

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

    pub fn copy(&self, id: PaymentId) -> Option<Closed> {
        let bytes = self.payments.get(&id)?;
        Closed::decode(bytes).ok()
    }

    pub fn find(&self, gone: Gone) -> Option<Closed> {
        match gone {
            Gone::Payment(id) => self.copy(id),
            Gone::Refund(id) => self.copy(*self.refunds.get(&id)?),
            Gone::Keys => None,
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
        keys_before: Timestamp,
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
            (ArchiveAsked::Look, Told::Leaving(leaving)) => {
                let Some(life) = self.process.as_ref().map(|process| process.life) else {
                    return Ok(());
                };
                if leaving.is_empty() {
                    return Ok(());
                }
                if self.mutation == Some(Mutation::EvictBeforeWritten) {
                    self.evict(&leaving);
                }
                let slow = self.random.chance(5);
                let after = self.random.between(1, if slow { 20_000 } else { 60 });
                let written = Happening::ArchiveWritten { life, leaving };
                self.queue.push(after, written);
                Ok(())
            }
            (ArchiveAsked::Recall(call), Told::Answer(Answer::Archive(told))) => match told {
                // Whatever came of it, the request is asked again; a copy that is too old is looked up again then.
                Ok(_) | Err(ArchiveRefusal::Stale) => self.arrives(call),
                Err(refusal) => Err(wrong(format!("a copy of the archive is {refusal:?}"))),
            },
            _ => Ok(()),
        }
    }

    /// The copies are durable.
    pub fn archive_written(&mut self, life: u64, leaving: &Leaving) {
        self.disk.write_all(leaving);
        if self.process.as_ref().is_some_and(|now| now.life == life) {
            self.evict(leaving);
        }
    }

    fn evict(&mut self, leaving: &Leaving) {
        let payments = leaving.copies.iter();
        let payments = payments.map(|copy| (copy.payment.id, copy.payment.changed_at));
        self.archive_asks(ArchiveAsk::Evict {
            number: leaving.number,
            payments: payments.collect(),
            keys_before: leaving.keys_before,
        });
    }

    /// Looks for a request's key among those that left: how far was looked in vain, or what it was answered.
    pub fn looked_for(
        &self,
        process: &Process,
        command: &Command,
    ) -> Result<Timestamp, Box<Answer>> {
        let state = process.pipeline.state();
        let checked = state.repeats.left_before();
        if self.mutation == Some(Mutation::SkipKeyLookup) {
            return Ok(checked);
        }
        let Some(repeat) = repeat_of(command) else {
            return Ok(checked);
        };
        let hours = i64::from(state.rules.idempotency_hours);
        let counts = |at: Timestamp| process.pipeline.moment().now.since(at) <= hours * HOUR;
        let old = self.disk.keys.get(&repeat.key);
        let Some(old) = old.filter(|old| counts(old.at)) else {
            return Ok(checked);
        };
        if old.body != repeat.body {
            return Err(Box::new(Answer::ClientRefused(
                ClientPaymentRefusal::KeyReused,
            )));
        }
        let whole = process.left.whole(state);
        let lost = ClientPaymentRefusal::NotFound;
        Err(Box::new(match &old.answer {
            Recorded::Payment(id, then) => {
                let payment = whole.payments.get(id);
                Answer::Payment(payment.map(|payment| payment.facts(*then)).ok_or(lost))
            }
            Recorded::Refund(id, then) => {
                let refund = whole.refunds.get(id);
                Answer::Refund(refund.map(|refund| refund.facts(*then)).ok_or(lost))
            }
            Recorded::Mandate(id, then) => {
                let mandate = whole.mandates.get(id);
                Answer::Mandate(mandate.map(|mandate| mandate.facts(*then)).ok_or(lost))
            }
            Recorded::Refused(refusal) => Answer::ClientRefused(*refusal),
            Recorded::Operation(done) => Answer::Operator(Ok(done.clone())),
        }))
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
                let to = Input::Client(call, Timestamp::default());
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
        self.disk
            .check(&self.follower.state, &self.follower.left, batch)
    }
}

/// Decides what the archiver or an edge asks; what has left the process's state follows it.
pub fn decided(process: &mut Process, ask: ArchiveAsk) -> Told {
    let Process { pipeline, left, .. } = process;
    match ask {
        ArchiveAsk::Look => {
            Told::Leaving(Box::new(Leaving::of(pipeline.state(), pipeline.moment())))
        }
        ArchiveAsk::Evict {
            number,
            payments,
            keys_before,
        } => {
            let state = pipeline.state();
            let named = payments.iter().filter_map(|(id, _)| {
                let payment = state.payments.get(id)?;
                Closed::of(state, payment)
            });
            let named: Vec<_> = named.collect();
            let command = ArchiveCommand::Evict {
                number,
                payments,
                keys_before,
            };
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
