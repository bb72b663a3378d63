//! The whole state, written down and read again.
//!
//! ```text
//!   State ── write ──▶ chunk: root │ chunk: section, things │ chunk: section, things │ …
//!                                      │ Chunk::read: on any thread, in any order
//!   State ◀── finish ── Restoring ◀────┘ take
//! ```
//! A section is one container of the state; what may be in one is the list `sections!` below. A chunk holds things of one section
//! and can be read without any other. Indexes that follow from the rest (who holds a number, which keys are in use, how many
//! enrolments a number has, which lots have money on them) are made again and not written.
//!
//! **Invariants:** the same state gives the same bytes, whatever order its maps are in. Bytes from outside are read or refused:
//! nothing here panics, and nothing is taken twice or missing. **Not here:** files, checksums, the journal; whether it is the
//! right state, which is for a digest to say.
//!
//! One piece: what is written and how it is read again stand side by side, section by section.

mod containers;

use minicbor::{Decode, Decoder, Encode, Encoder};
use rustc_hash::FxHashMap;

use crate::{
    deadline::{Deadlines, Due},
    funding::Effect,
    grant::{self, Lot},
    idempotency::Repeats,
    ids::{
        DeviceId, EffectId, EnrolmentId, LotId, MandateId, OperatorId, PaymentId, ProposalId,
        RefundId, StoreId, TerminalId, TokenId,
    },
    ledger::Book,
    mandate::Mandate,
    merchant::Merchant,
    operator::{Operator, Proposal},
    pass::Pass,
    payment::{Payment, Refund},
    risk::Rules,
    sealed_day::SealedDay,
    sequence::Sequence,
    session::EndedSessions,
    state::{Numbered, Settings, State},
    subscriber::{Device, Enrolment, Subscriber},
    till::{Exchanges, Store, Terminal},
    time::Timestamp,
    token::Token,
};

/// Why bytes are no state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredError {
    /// A chunk is not what a chunk looks like.
    Damaged { section: u8, why: String },
    /// Written by a release that keeps more.
    UnknownSection(u8),
    /// A thing is there that cannot be beside the others.
    Misfit { section: u8, why: &'static str },
    /// Not as many things as there were.
    Incomplete {
        section: u8,
        expected: u64,
        found: u64,
    },
}

impl StoredError {
    /// A stable name for logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Damaged { .. } => "state_damaged",
            Self::UnknownSection(_) => "state_unknown_section",
            Self::Misfit { .. } => "state_misfit",
            Self::Incomplete { .. } => "state_incomplete",
        }
    }
}

impl std::fmt::Display for StoredError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged { section, why } => write!(f, "section {section} is damaged: {why}"),
            Self::UnknownSection(section) => {
                write!(f, "this release knows no section {section}")
            }
            Self::Misfit { section, why } => write!(f, "section {section}: {why}"),
            Self::Incomplete {
                section,
                expected,
                found,
            } => write!(
                f,
                "section {section} has {found} things instead of {expected}"
            ),
        }
    }
}

impl std::error::Error for StoredError {}

/// A container of the state: written and taken in thing after thing, in an order of its own.
trait Container {
    type Thing: for<'b> Decode<'b, ()>;

    fn count(&self) -> usize;

    /// Hands every thing to `out`, always in the same order.
    fn write<E>(&self, out: &mut Writer<'_, E>) -> Result<(), E>;

    /// Makes room for so many.
    fn reserve(&mut self, _count: usize) {}

    /// Takes in what [`Self::write`] wrote, in the order it was written, or says why it cannot be.
    fn take(&mut self, thing: Self::Thing) -> Result<(), &'static str>;
}

/// The chunk that says what the others are; there is one.
const ROOT: u8 = 0;

macro_rules! sections {
    ($($number:literal $section:ident: $container:ty = $($field:ident).+;)*) => {
        /// Things of one section.
        enum Things {
            Root(Box<Root>),
            $($section(Vec<<$container as Container>::Thing>),)*
        }

        impl Things {
            fn read(section: u8, count: usize, d: &mut Decoder<'_>) -> Result<Self, StoredError> {
                match section {
                    ROOT => one(ROOT, d).map(|root| Self::Root(Box::new(root))),
                    $($number => many(section, count, d).map(Self::$section),)*
                    _ => Err(StoredError::UnknownSection(section)),
                }
            }

            fn take_into(self, state: &mut State) -> Result<(u8, u64), StoredError> {
                match self {
                    Self::Root(root) => root.take_into(state),
                    $(Self::$section(things) => take($number, &mut state.$($field).+, things),)*
                }
            }
        }

        fn counts(state: &State) -> Vec<(u8, u64)> {
            vec![$(($number, state.$($field).+.count() as u64),)*]
        }

        fn reserve(state: &mut State, section: u8, count: usize) {
            match section {
                $($number => state.$($field).+.reserve(count),)*
                _ => {}
            }
        }

        fn write_all<E>(state: &State, out: &mut Writer<'_, E>) -> Result<(), E> {
            $(
                out.section = $number;
                state.$($field).+.write(out)?;
                out.flush()?;
            )*
            Ok(())
        }
    };
}

// A number never changes its meaning and is never used again.
sections! {
    1 Subscribers: Numbered<Subscriber> = subscribers;
    2 Merchants: Numbered<Merchant> = merchants;
    3 Balances: Book = book;
    4 Operators: std::collections::BTreeMap<OperatorId, Operator> = operators.by_id;
    5 Proposals: std::collections::BTreeMap<ProposalId, Proposal> = operators.proposals;
    6 Imported: rustc_hash::FxHashSet<u64> = operators.imported;
    7 Devices: Sequence<DeviceId, Device> = devices;
    8 Enrolments: FxHashMap<EnrolmentId, Enrolment> = enrolments;
    9 Lots: Sequence<LotId, Lot> = lots;
    10 Mandates: Sequence<MandateId, Mandate> = mandates;
    11 Payments: Sequence<PaymentId, Payment> = payments;
    12 Refunds: Sequence<RefundId, Refund> = refunds;
    13 Effects: FxHashMap<EffectId, Effect> = effects;
    14 Repeats: Repeats = repeats;
    15 EndedSessions: EndedSessions = ended_sessions;
    16 Deadlines: Deadlines = deadlines;
    17 SealedDays: Vec<SealedDay> = sealed_days;
    18 Tokens: Sequence<TokenId, Token> = tokens.by_id;
    19 Stores: Sequence<StoreId, Store> = terminals.stores;
    20 Terminals: Sequence<TerminalId, Terminal> = terminals.by_id;
    21 Exchanges: Exchanges = exchanges;
    22 Passes: FxHashMap<DeviceId, Pass> = passes.by_device;
}

/// What there is one of, and how many things there are of everything else.
#[derive(Encode, Decode)]
struct Root {
    #[n(0)]
    settings: Option<Settings>,
    #[n(1)]
    rules: Rules,
    #[n(2)]
    open_prompts: u64,
    #[n(3)]
    next_payment: u64,
    #[n(4)]
    next_refund: u64,
    #[n(5)]
    next_mandate: u64,
    #[n(6)]
    next_device: u64,
    #[n(7)]
    next_lot: u64,
    #[n(8)]
    next_effect: u64,
    #[n(9)]
    next_client_key: u64,
    #[n(10)]
    next_endpoint: u64,
    #[n(11)]
    next_proposal: u64,
    #[n(12)]
    counts: Vec<(u8, u64)>,
    #[cbor(n(13), default)]
    evictions: u64,
    #[cbor(n(14), default)]
    keys_left_before: Timestamp,
}

impl Root {
    fn of(state: &State) -> Self {
        Self {
            settings: state.settings.clone(),
            rules: state.rules.clone(),
            open_prompts: state.open_prompts,
            next_payment: state.next_payment,
            next_refund: state.next_refund,
            next_mandate: state.next_mandate,
            next_device: state.next_device,
            next_lot: state.next_lot,
            next_effect: state.next_effect,
            next_client_key: state.next_client_key,
            next_endpoint: state.next_endpoint,
            next_proposal: state.operators.next_proposal,
            counts: counts(state),
            evictions: state.archive.evictions,
            keys_left_before: state.repeats.left_before(),
        }
    }

    fn take_into(self, state: &mut State) -> Result<(u8, u64), StoredError> {
        state.settings = self.settings;
        state.rules = self.rules;
        state.open_prompts = self.open_prompts;
        state.next_payment = self.next_payment;
        state.next_refund = self.next_refund;
        state.next_mandate = self.next_mandate;
        state.next_device = self.next_device;
        state.next_lot = self.next_lot;
        state.next_effect = self.next_effect;
        state.next_client_key = self.next_client_key;
        state.next_endpoint = self.next_endpoint;
        state.operators.next_proposal = self.next_proposal;
        state.archive.evictions = self.evictions;
        state.repeats.restore_left(self.keys_left_before, None);
        Ok((ROOT, 1))
    }
}

fn one<T: for<'b> Decode<'b, ()>>(section: u8, d: &mut Decoder<'_>) -> Result<T, StoredError> {
    d.decode().map_err(|error| StoredError::Damaged {
        section,
        why: error.to_string(),
    })
}

fn many<T: for<'b> Decode<'b, ()>>(
    section: u8,
    count: usize,
    d: &mut Decoder<'_>,
) -> Result<Vec<T>, StoredError> {
    // A count is not believed further than the bytes reach.
    let left = d.input().len().saturating_sub(d.position());
    let mut things = Vec::with_capacity(count.min(left / 16 + 1));
    for _ in 0..count {
        things.push(one(section, d)?);
    }
    Ok(things)
}

fn take<C: Container>(
    section: u8,
    container: &mut C,
    things: Vec<C::Thing>,
) -> Result<(u8, u64), StoredError> {
    let count = things.len() as u64;
    for thing in things {
        let taken = container.take(thing);
        taken.map_err(|why| StoredError::Misfit { section, why })?;
    }
    Ok((section, count))
}

/// Where a chunk goes.
type Put<'a, E> = &'a mut dyn FnMut(&[u8]) -> Result<(), E>;

/// Gathers things into chunks.
struct Writer<'a, E> {
    put: Put<'a, E>,
    chunk_bytes: usize,
    section: u8,
    count: u64,
    things: Vec<u8>,
    chunk: Vec<u8>,
}

impl<E> Writer<'_, E> {
    fn thing(&mut self, thing: impl Encode<()>) -> Result<(), E> {
        encode(&mut self.things, thing);
        self.count += 1;
        if self.things.len() >= self.chunk_bytes {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), E> {
        if self.count == 0 {
            return Ok(());
        }
        self.chunk.clear();
        encode(&mut self.chunk, (self.section, self.count));
        self.chunk.extend_from_slice(&self.things);
        self.things.clear();
        self.count = 0;
        (self.put)(&self.chunk)
    }
}

fn encode(bytes: &mut Vec<u8>, thing: impl Encode<()>) {
    match Encoder::new(bytes).encode(thing) {
        Ok(_) => {}
        Err(error) => unreachable!("writing to memory does not fail: {error}"),
    }
}

impl State {
    /// Writes everything in chunks of about `chunk_bytes`; the same state gives the same chunks.
    pub fn write<E>(
        &self,
        chunk_bytes: usize,
        mut put: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut out = Writer {
            put: &mut put,
            chunk_bytes,
            section: ROOT,
            count: 0,
            things: Vec::new(),
            chunk: Vec::new(),
        };
        out.thing(Root::of(self))?;
        out.flush()?;
        write_all(self, &mut out)
    }
}

/// One chunk, read and not yet taken in. Reading needs nothing but its bytes, so that threads can share the work.
pub struct Chunk(Things);

impl Chunk {
    pub fn read(bytes: &[u8]) -> Result<Self, StoredError> {
        let mut d = Decoder::new(bytes);
        let (section, count): (u8, u64) = one(ROOT, &mut d)?;
        let damaged = |why: &str| StoredError::Damaged {
            section,
            why: why.to_owned(),
        };
        let count = usize::try_from(count).map_err(|_| damaged("too many things"))?;
        if count == 0 || (section == ROOT && count != 1) {
            return Err(damaged("not that many things"));
        }
        let things = Things::read(section, count, &mut d)?;
        if d.position() != bytes.len() {
            return Err(damaged("bytes are left over"));
        }
        Ok(Self(things))
    }
}

/// A state on its way back, chunk after chunk in the order they were written.
pub struct Restoring {
    state: State,
    /// What the root said that there is.
    expected: Vec<(u8, u64)>,
    found: FxHashMap<u8, u64>,
    /// No container is made larger ahead of its things.
    most_things: u64,
}

impl Restoring {
    /// `bytes`: how many there are in all, so that no count makes more room than they could fill.
    pub fn of(bytes: u64) -> Self {
        Self {
            state: State::default(),
            expected: Vec::new(),
            found: FxHashMap::default(),
            most_things: bytes / 4,
        }
    }

    pub fn take(&mut self, chunk: Chunk) -> Result<(), StoredError> {
        let is_root = match &chunk.0 {
            Things::Root(root) => {
                self.expected.clone_from(&root.counts);
                true
            }
            _ => false,
        };
        if is_root != self.found.is_empty() {
            let why = "the root comes first, and once";
            return Err(StoredError::Misfit { section: ROOT, why });
        }
        let (section, count) = chunk.0.take_into(&mut self.state)?;
        *self.found.entry(section).or_default() += count;
        if is_root {
            self.reserve();
        }
        Ok(())
    }

    fn reserve(&mut self) {
        let mut left = self.most_things;
        for (section, count) in &self.expected {
            let count = (*count).min(left);
            left -= count;
            let count = usize::try_from(count).unwrap_or(0);
            reserve(&mut self.state, *section, count);
        }
    }

    /// The state, if everything came.
    pub fn finish(mut self) -> Result<State, StoredError> {
        let found = |section: u8| self.found.get(&section).copied().unwrap_or(0);
        let everything = [(ROOT, 1)];
        for (section, expected) in everything.into_iter().chain(self.expected.iter().copied()) {
            let found = found(section);
            if found != expected {
                return Err(StoredError::Incomplete {
                    section,
                    expected,
                    found,
                });
            }
        }
        if self.state.book.total() != 0 {
            let why = "the books do not balance";
            return Err(StoredError::Misfit { section: 3, why });
        }
        self.state.make_indexes()?;
        Ok(self.state)
    }
}

impl State {
    /// What follows from the rest.
    fn make_indexes(&mut self) -> Result<(), StoredError> {
        self.queue_closed();
        let due = {
            let mut dues = self.deadlines.iter();
            let due = dues.find(|(_, due)| *due == Due::Repeats);
            due.map(|(at, _)| at)
        };
        self.repeats.restore_left(self.repeats.left_before(), due);
        let among = &self.subscribers;
        self.numbers.reserve(among.len(), among);
        self.subjects.reserve(among.len(), among);
        for subscriber in among.iter() {
            self.subjects
                .insert(subscriber.subject, subscriber.id, among);
            if let Some(number) = &subscriber.number {
                if self.numbers.find(number, among).is_some() {
                    let why = "two subscribers hold one number";
                    return Err(StoredError::Misfit { section: 1, why });
                }
                self.numbers.insert(number, subscriber.id, among);
            }
        }
        for (section, alone) in [
            (18, self.tokens.make_indexes()),
            (20, self.terminals.make_indexes()),
            (22, self.passes.make_indexes()),
        ] {
            if !alone {
                let why = "two of them are found by one hash";
                return Err(StoredError::Misfit { section, why });
            }
        }
        for enrolment in self.enrolments.values() {
            *self.number_enrolments.entry(enrolment.number).or_default() += 1;
        }
        let mut lots: Vec<_> = self.lots.values().collect();
        lots.sort_unstable_by_key(|lot| lot.id);
        let lots: Vec<_> = lots
            .into_iter()
            .map(|lot| (lot.id, lot.subscriber))
            .collect();
        for (lot, holder) in lots {
            if self.subscribers.get(holder).is_none() {
                let why = "a lot is nobody's";
                return Err(StoredError::Misfit { section: 9, why });
            }
            grant::follow_money(self, lot);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(state: &State) -> Vec<Vec<u8>> {
        let mut chunks = Vec::new();
        let put = |chunk: &[u8]| {
            chunks.push(chunk.to_vec());
            Ok::<(), std::convert::Infallible>(())
        };
        match state.write(1 << 20, put) {
            Ok(()) => chunks,
            Err(never) => match never {},
        }
    }

    fn read(chunks: &[Vec<u8>]) -> Result<State, StoredError> {
        let mut restoring = Restoring::of(1 << 20);
        for chunk in chunks {
            restoring.take(Chunk::read(chunk)?)?;
        }
        restoring.finish()
    }

    fn two_days() -> State {
        let mut state = State::default();
        state.operators.imported.extend([3, 1, 2]);
        state.next_payment = 77;
        state
    }

    #[test]
    fn what_there_is_one_of_comes_back() {
        let chunks = chunks(&two_days());
        assert_eq!(chunks.len(), 2, "the root and one section");
        let state = read(&chunks).expect("a state");
        assert_eq!(state.next_numbers()[0], 77);
        assert_eq!(state.operators.imported, two_days().operators.imported);
    }

    #[test]
    fn a_missing_doubled_or_misplaced_chunk_is_told() {
        let good = chunks(&two_days());
        let code = |chunks: &[Vec<u8>]| read(chunks).expect_err("not whole").code();
        let (root, imported) = (good[0].clone(), good[1].clone());
        assert_eq!(code(&[]), "state_incomplete");
        assert_eq!(code(&good[..1]), "state_incomplete");
        assert_eq!(code(&good[1..]), "state_misfit");
        assert_eq!(code(&[root.clone(), root.clone()]), "state_misfit");
        assert_eq!(
            code(&[root.clone(), imported.clone(), imported.clone()]),
            "state_misfit"
        );
        let mut longer = imported.clone();
        longer.push(0);
        assert_eq!(code(&[root.clone(), longer]), "state_damaged");
        let unknown = minicbor::to_vec((99_u8, 1_u64)).expect("bytes");
        assert_eq!(code(&[root, unknown]), "state_unknown_section");
    }

    #[test]
    fn a_count_that_cannot_be_makes_no_room() {
        let mut root = Root::of(&State::default());
        root.counts = vec![(1, u64::MAX), (7, u64::MAX), (11, u64::MAX)];
        let mut bytes = Vec::new();
        encode(&mut bytes, (ROOT, 1_u64));
        encode(&mut bytes, root);
        let error = read(&[bytes]).expect_err("nothing else comes");
        assert_eq!(error.code(), "state_incomplete");
        let many = minicbor::to_vec((1_u8, u64::MAX)).expect("bytes");
        assert!(Chunk::read(&many).is_err());
    }
}
