//! The process under test: the engine's pipeline, the journal and the worker, with a driver that virtual time moves.
//!
//! The same step functions as in production; only threads, sockets and disks are played. **Invariant:** a crash loses all
//! that is here and nothing that the journal has.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use paytone_domain::{
    Event, State, ids::EffectId, mandate::Mandate, subscriber::PromptRef, time::Timestamp,
};
use paytone_engine::{Batch, Core, Pipeline, effects};
use paytone_journal::{JournalReader, MemoryJournal, Row};

use crate::{
    archive::{ArchiveAsk, ArchiveAsked, Left},
    happening::{CallId, Look, Seen, Told, WorkerAsk},
    violation::{Check, Violation},
};

/// Small, so that full batches are met.
const BATCH_ITEMS: usize = 24;

#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// With how far its key was looked for.
    Client(CallId, Timestamp),
    Worker(WorkerAsk),
    Archive(u64, ArchiveAsked),
}

/// An answer and whom it is for.
pub struct Reply {
    pub to: Input,
    pub told: Told,
}

pub struct Process {
    pub life: u64,
    pub pipeline: Pipeline<Reply>,
    pub journal: MemoryJournal,
    pub inbox: VecDeque<Input>,
    /// The row that is being appended.
    pub row: Option<Row>,
    /// A bug put in on purpose made it say something else.
    pub decides_wrongly: bool,
    pub worker: effects::Step,
    pub archive_asks: BTreeMap<u64, ArchiveAsk>,
    /// What has left its state.
    pub left: Left,
    /// The exchange with the bank that each effect waits for.
    pub exchanges: BTreeMap<EffectId, u64>,
    /// When it runs next.
    pub wakes_at: Option<i64>,
}

/// What a future answers at once; `None` if it would wait.
pub fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

pub fn journal_violation(detail: impl ToString) -> Violation {
    Violation {
        check: Check::Journal,
        detail: detail.to_string(),
    }
}

/// Every durable row.
pub fn rows(journal: &mut impl JournalReader, after: u64) -> Result<Vec<Row>, Violation> {
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let after = rows.last().map_or(after, |row| row.seq);
        let read = now(journal.read(after, usize::MAX, usize::MAX))
            .ok_or_else(|| journal_violation("a read waits"))?
            .map_err(journal_violation)?;
        if read.is_empty() {
            return Ok(rows);
        }
        rows.extend(read);
    }
}

/// The state that all rows make but for the idempotency keys.
pub fn without_keys(journal: &mut impl JournalReader) -> Result<Core, Violation> {
    let mut core = Core::new();
    for mut row in rows(journal, 0)? {
        let mut batch = Batch::decode(&row.body).map_err(journal_violation)?;
        let moment = batch.moment;
        for item in &mut batch.items {
            let events = std::mem::take(&mut item.events);
            let steps = events.iter().flat_map(|event| event.steps(&moment));
            item.events = steps
                .filter(|event| !matches!(**event, Event::Repeat(_)))
                .map(Cow::into_owned)
                .collect();
        }
        row.body = batch.encode();
        core.apply(&row).map_err(journal_violation)?;
    }
    Ok(core)
}

impl Process {
    /// Starts with the state that the journal makes.
    pub fn start(journal: MemoryJournal, core: Core, life: u64) -> Self {
        Self {
            life,
            pipeline: Pipeline::new(core, BATCH_ITEMS),
            journal,
            inbox: VecDeque::new(),
            row: None,
            decides_wrongly: false,
            worker: effects::Step::new(effects::Options {
                in_flight: 1,
                ..effects::Options::default()
            }),
            archive_asks: BTreeMap::new(),
            left: Left::default(),
            exchanges: BTreeMap::new(),
            wakes_at: None,
        }
    }
}

/// What an edge reads.
pub fn look(state: &State, look: Look) -> Seen {
    match look {
        Look::Payment(id) => state.payments.get(&id).map_or(Seen::Nothing, |payment| {
            Seen::Payment(payment.facts(payment.snapshot()))
        }),
        Look::Mandate(id) => state
            .mandates
            .get(&id)
            .map_or(Seen::Nothing, |mandate: &Mandate| {
                Seen::Mandate(mandate.facts(mandate.status))
            }),
        Look::Prompts(id) => state
            .subscribers
            .get(id)
            .map_or(Seen::Nothing, |subscriber| {
                let mut prompts: Vec<PromptRef> = subscriber.prompts.clone();
                let mandates = subscriber.mandates.iter();
                prompts.extend(mandates.copied().map(PromptRef::Mandate));
                Seen::Prompts(prompts)
            }),
        Look::Device(key) => state
            .devices
            .values()
            .find(|device| device.key.0 == key)
            .map_or(Seen::Nothing, |device| {
                Seen::Device(device.id, device.subscriber)
            }),
    }
}
