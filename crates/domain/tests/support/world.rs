//! A state, a moment, and the journal that the state came from.
//!
//! Every event goes through its codec, and the invariants are looked at after every command. The whole journal is replayed
//! when the world ends.

use std::collections::BTreeMap;

use paytone_domain::{
    Actor, Answer, Command, Decision, Event, State,
    archive::{ArchiveCommand, ArchiveRefusal, Closed, Gone, MOST, QUIET},
    decide, evolve,
    idempotency::{OldAnswer, Recorded},
    ids::{PaymentId, RefundId, RepeatKey},
    mandate::MandateCommand,
    payment::{ClientPaymentRefusal, Payment, PaymentCommand, Refund},
    stored::{Chunk, Restoring},
    time::{Calendar, Moment, Timestamp},
};

use super::invariants;

pub struct World {
    pub state: State,
    pub moment: Moment,
    calendar: Calendar,
    journal: Vec<(Moment, Vec<u8>)>,
    /// What was written before it left memory.
    archive: BTreeMap<PaymentId, Vec<u8>>,
    answers: BTreeMap<RepeatKey, OldAnswer>,
}

/// Noon of 10 November 2026 in Shanghai.
const START: i64 = 1_794_283_200_000;

impl Default for World {
    fn default() -> Self {
        let mut calendar = Calendar::new("Asia/Shanghai", 0).expect("a zone");
        Self {
            state: State::default(),
            moment: calendar.moment(Timestamp(START)),
            calendar,
            journal: Vec::new(),
            archive: BTreeMap::new(),
            answers: BTreeMap::new(),
        }
    }
}

impl World {
    /// Decides a command and applies what came of it.
    pub fn run(&mut self, actor: Actor, command: Command) -> Answer {
        // What an edge does: looks for the key among those that left, brings back what left, and asks again.
        let mut command = command;
        if let Some(answer) = self.answered(&command) {
            return answer;
        }
        command.say_checked(self.state.repeats.left_before());
        let answer = self.ask(actor, command.clone());
        match answer.gone() {
            Some(gone) => {
                self.recall(gone);
                self.ask(actor, command)
            }
            None => answer,
        }
    }

    /// What a key that left was answered with.
    fn answered(&self, command: &Command) -> Option<Answer> {
        let repeat = command.repeat()?;
        let old = self.answers.get(&repeat.key)?;
        if old.body != repeat.body {
            return Some(Answer::ClientRefused(ClientPaymentRefusal::KeyReused));
        }
        Some(match &old.answer {
            Recorded::Payment(id, then) => Answer::Payment(Ok(self.payment(*id).facts(*then))),
            Recorded::Refund(id, then) => Answer::Refund(Ok(self.refund(*id).facts(*then))),
            Recorded::Mandate(id, then) => {
                Answer::Mandate(Ok(self.state.mandates[id].facts(*then)))
            }
            Recorded::Refused(refusal) => Answer::ClientRefused(*refusal),
            Recorded::Operation(done) => Answer::Operator(Ok(done.clone())),
        })
    }

    pub fn ask(&mut self, actor: Actor, command: Command) -> Answer {
        let Decision { answer, events } = decide(&self.state, &self.moment, actor, command.clone());
        let decided = !events.is_empty();
        for event in events {
            self.apply(event);
        }
        invariants::hold(&self.state);
        if decided {
            invariants::answered_as_it_is(&self.state, &answer);
        }
        if has_key(&command) {
            let again = decide(&self.state, &self.moment, actor, command);
            assert!(again.events.is_empty(), "a retry did {:?}", again.events);
            assert_eq!(again.answer, answer, "a retry is answered alike");
        }
        answer
    }

    /// Writes down everything that is over and lets it go. How many things left.
    pub fn archive(&mut self) -> usize {
        let closed = self.state.oldest_closed(&self.moment, QUIET, MOST);
        let number = self.state.archive.evictions + 1;
        let mut payments = Vec::new();
        for copy in closed {
            payments.push((copy.payment.id, copy.payment.changed_at));
            let bytes = minicbor::to_vec(&copy).expect("a copy encodes");
            self.archive.insert(copy.payment.id, bytes);
        }
        let before = self.moment.now.plus(-QUIET);
        let (answers, keys_before) = self.state.repeats.oldest(before, 10);
        for old in answers {
            self.answers.insert(old.key, old);
        }
        let command = Command::Archive(ArchiveCommand::Evict {
            number,
            payments,
            keys_before,
        });
        match self.ask(Actor::System, command) {
            Answer::Archive(Ok(count)) => count,
            Answer::Archive(Err(ArchiveRefusal::NothingLeft)) => 0,
            other => panic!("not evicted: {other:?}"),
        }
    }

    /// What was written of it when it left last.
    pub fn archived(&self, id: PaymentId) -> Closed {
        minicbor::decode(&self.archive[&id]).expect("a copy decodes")
    }

    fn recall(&mut self, gone: Gone) {
        let id = match gone {
            Gone::Payment(id) => id,
            Gone::Keys => panic!("keys do not come back"),
            Gone::Refund(id) => {
                let mut known = self.archive.keys().map(|of| self.archived(*of));
                let of = known.find(|copy| copy.refunds.iter().any(|refund| refund.id == id));
                of.expect("a refund is archived with its payment")
                    .payment
                    .id
            }
        };
        let copy = Box::new(self.archived(id));
        let as_of = self.moment.now;
        let command = Command::Archive(ArchiveCommand::Recall { copy, as_of });
        assert_eq!(self.ask(Actor::System, command), Answer::Archive(Ok(1)));
    }

    /// A payment with its refunds, in memory or out of it.
    pub fn closed(&self, id: PaymentId) -> Closed {
        match self.state.payments.get(&id) {
            Some(payment) => {
                let refunds = payment.refunds.iter();
                Closed {
                    payment: payment.clone(),
                    refunds: refunds.map(|id| self.state.refunds[id].clone()).collect(),
                }
            }
            None => self.archived(id),
        }
    }

    pub fn payment(&self, id: PaymentId) -> Payment {
        self.closed(id).payment
    }

    pub fn refund(&self, id: RefundId) -> Refund {
        if let Some(refund) = self.state.refunds.get(&id) {
            return refund.clone();
        }
        let copies = self.archive.keys().map(|of| self.archived(*of));
        let mut refunds = copies.flat_map(|copy| copy.refunds);
        refunds.find(|refund| refund.id == id).expect("a refund")
    }

    fn apply(&mut self, event: Event) {
        let bytes = minicbor::to_vec(&event).expect("an event encodes");
        let read: Event = minicbor::decode(&bytes).expect("an event decodes");
        assert_eq!(read, event, "an event reads back as it was written");
        evolve(&mut self.state, &self.moment, &read);
        self.journal.push((self.moment, bytes));
    }

    /// Time goes on and nothing else happens.
    pub fn pass(&mut self, milliseconds: i64) {
        self.moment = self.calendar.moment(self.moment.now.plus(milliseconds));
    }

    /// Decides what is due, until nothing is. How many decisions that took.
    pub fn tick(&mut self) -> usize {
        let mut ticks = 0;
        while self
            .state
            .deadlines
            .earliest()
            .is_some_and(|at| at <= self.moment.now)
        {
            self.run(Actor::System, Command::Tick);
            ticks += 1;
            assert!(ticks < 10_000, "a deadline falls once");
        }
        ticks
    }

    /// How many events there have been.
    pub fn written(&self) -> usize {
        self.journal.len()
    }

    /// Whatever has left memory, all of it together is as it would be if nothing had.
    pub fn in_memory_or_archived_as(&self, whole: &State) {
        assert_eq!(self.state.book, whole.book);
        for payment in whole.payments.values() {
            let mut closed = self.closed(payment.id);
            closed.payment.changed_at = payment.changed_at;
            assert_eq!(closed.payment, *payment);
            let refunds = payment.refunds.iter();
            let refunds: Vec<_> = refunds.map(|id| whole.refunds[id].clone()).collect();
            assert_eq!(closed.refunds, refunds);
        }
        assert_eq!(self.state.next_numbers(), whole.next_numbers());
        assert_eq!(
            format!("{:?}", self.state.subscribers),
            format!("{:?}", whole.subscribers)
        );
        assert_eq!(
            format!("{:?}", self.state.merchants),
            format!("{:?}", whole.merchants)
        );
    }

    /// Evolves the journal from nothing, its events as they are and in their steps: the state must come out the same in every
    /// part.
    pub fn replay(&self) {
        let (mut again, mut in_steps) = (State::default(), State::default());
        for (moment, bytes) in &self.journal {
            let event: Event = minicbor::decode(bytes).expect("an event decodes");
            evolve(&mut again, moment, &event);
            for step in event.steps(moment) {
                evolve(&mut in_steps, moment, &step);
            }
        }
        assert_eq!(again.book, self.state.book, "replay gives the same books");
        let expected = format!("{:?}", self.state);
        assert!(
            format!("{again:?}") == expected,
            "replay gives the same state"
        );
        assert!(
            format!("{in_steps:?}") == expected,
            "replay in steps gives the same state"
        );
        self.restore();
    }

    /// Writes the state down and reads it again: nothing of it may be lost, and the same bytes are written the next time.
    fn restore(&self) {
        let chunks = written(&self.state);
        let mut restoring = Restoring::of(chunks.iter().map(|chunk| chunk.len() as u64).sum());
        for chunk in &chunks {
            let chunk = Chunk::read(chunk).expect("a chunk reads back");
            restoring.take(chunk).expect("a chunk fits");
        }
        let again = restoring.finish().expect("a whole state");
        assert_eq!(again.book, self.state.book, "the same books come back");
        assert!(written(&again) == chunks, "the same bytes are written");
        // Maps come back in another order.
        let parts = |state: &State| {
            let shown = format!("{state:#?}");
            let mut parts: Vec<_> = shown.lines().map(str::to_owned).collect();
            parts.sort_unstable();
            parts
        };
        assert!(
            parts(&again) == parts(&self.state),
            "the same state comes back"
        );
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.replay();
        }
    }
}

/// In small chunks, so that sections are cut.
fn written(state: &State) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    let put = |chunk: &[u8]| {
        chunks.push(chunk.to_vec());
        Ok::<(), std::convert::Infallible>(())
    };
    state.write(300, put).expect("memory takes everything");
    chunks
}

fn has_key(command: &Command) -> bool {
    match command {
        Command::Payment(command) => matches!(
            command,
            PaymentCommand::Request(_)
                | PaymentCommand::Cancel { .. }
                | PaymentCommand::Capture { .. }
                | PaymentCommand::Refund { .. }
        ),
        Command::Mandate(command) => matches!(
            command,
            MandateCommand::Request(_) | MandateCommand::End { .. }
        ),
        _ => false,
    }
}
