//! Idempotency: the same key gets the same answer, refusals included.
//!
//! What is kept is the answer's changeable part; the rest of it never changes.

use minicbor::{Decode, Encode};

use crate::{
    Event,
    deadline::Due,
    fifo::Fifo,
    ids::{BodyHash, MandateId, PaymentId, RefundId, RepeatKey},
    mandate::MandateStatus,
    operator::Done,
    payment::{ClientPaymentRefusal, RefundStatus, Snapshot},
    sharded::Sharded,
    state::State,
    time::{HOUR, MINUTE, Moment, Timestamp},
};

/// An idempotency key, hashed with its client, and the hash of what came with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    pub key: RepeatKey,
    pub body: BodyHash,
    /// Of keys that have left memory, those used before then were looked through for this one, in vain.
    pub checked: Timestamp,
}

impl Repeat {
    /// For where no key ever leaves memory.
    pub fn new(key: RepeatKey, body: BodyHash) -> Self {
        Self {
            key,
            body,
            checked: Timestamp::default(),
        }
    }
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Recorded {
    #[n(0)]
    Payment(#[n(0)] PaymentId, #[n(1)] Snapshot),
    #[n(1)]
    Refund(#[n(0)] RefundId, #[n(1)] RefundStatus),
    #[n(2)]
    Mandate(#[n(0)] MandateId, #[n(1)] MandateStatus),
    #[n(3)]
    Refused(#[n(0)] ClientPaymentRefusal),
    /// What an operator asked for.
    #[n(4)]
    Operation(#[n(0)] Done),
}

impl Recorded {
    /// What an archive keeps.
    pub fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to memory does not fail")
    }

    /// Says what is wrong with bytes that are no answer.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        minicbor::decode(bytes).map_err(|error| error.to_string())
    }
}

#[derive(Clone, Debug)]
struct Kept {
    body: BodyHash,
    answer: Recorded,
}

impl Kept {
    fn may_leave(&self) -> bool {
        !matches!(self.answer, Recorded::Operation(_))
    }
}

/// Keys of the last day or more.
#[derive(Clone, Debug, Default)]
pub struct Repeats {
    kept: Sharded<RepeatKey, Kept>,
    order: Fifo<(Timestamp, RepeatKey)>,
    /// Merchants' keys used before then have left memory.
    left_before: Timestamp,
    /// When the oldest are due to be forgotten.
    due: Option<Timestamp>,
}

/// An answer on its way to the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldAnswer {
    pub at: Timestamp,
    pub key: RepeatKey,
    pub body: BodyHash,
    pub answer: Recorded,
}

/// What is known of a key.
pub(crate) enum Known<'a> {
    New,
    Same(&'a Recorded),
    /// The key came with another body before.
    Other,
    /// It may have been used and have left memory since it was looked for.
    Unchecked,
}

impl Repeats {
    pub(crate) fn known(&self, repeat: &Repeat) -> Known<'_> {
        match self.kept.get(&repeat.key) {
            None if repeat.checked < self.left_before => Known::Unchecked,
            None => Known::New,
            Some(kept) if kept.body == repeat.body => Known::Same(&kept.answer),
            Some(_) => Known::Other,
        }
    }

    pub(crate) fn is_known(&self, key: &RepeatKey) -> bool {
        self.kept.contains_key(key)
    }

    /// What is kept of each key, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (Timestamp, RepeatKey, BodyHash, &Recorded)> + '_ {
        self.order.iter().filter_map(|(at, key)| {
            let kept = self.kept.get(key)?;
            Some((*at, *key, kept.body, &kept.answer))
        })
    }

    /// One more of those that [`Self::iter`] gives, in its order; false if the key is there already.
    pub(crate) fn restore(
        &mut self,
        at: Timestamp,
        key: RepeatKey,
        body: BodyHash,
        answer: Recorded,
    ) -> bool {
        self.order.push_back((at, key));
        self.kept.insert(key, Kept { body, answer }).is_none()
    }

    pub(crate) fn reserve(&mut self, count: usize) {
        self.kept.reserve(count);
    }

    /// Merchants' keys used before then have left memory.
    pub fn left_before(&self) -> Timestamp {
        self.left_before
    }

    /// Answers to merchants used before `before`, oldest first: about `limit`, and from when on none are among them. What staff
    /// did stays in memory.
    pub fn oldest(&self, before: Timestamp, limit: usize) -> (Vec<OldAnswer>, Timestamp) {
        let mut old: Vec<OldAnswer> = Vec::new();
        for (at, key) in self.order.iter() {
            // All of one moment leave together.
            let enough = old.len() >= limit && old.last().is_some_and(|last| last.at < *at);
            if *at >= before || enough {
                return (old, (*at).min(before));
            }
            let Some(kept) = self.kept.get(key).filter(|kept| kept.may_leave()) else {
                continue;
            };
            old.push(OldAnswer {
                at: *at,
                key: *key,
                body: kept.body,
                answer: kept.answer.clone(),
            });
        }
        (old, before)
    }

    /// How many would leave.
    pub(crate) fn leaving(&self, before: Timestamp) -> usize {
        let old = self.order.iter().take_while(|(at, _)| *at < before);
        let kept = old.filter_map(|(_, key)| self.kept.get(key));
        kept.filter(|kept| kept.may_leave()).count()
    }

    pub(crate) fn restore_left(&mut self, left_before: Timestamp, due: Option<Timestamp>) {
        self.left_before = left_before;
        self.due = due;
    }

    pub fn len(&self) -> usize {
        self.kept.len()
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum RepeatEvent {
    #[n(0)]
    Used {
        #[n(0)]
        key: RepeatKey,
        #[n(1)]
        body: BodyHash,
        #[n(2)]
        answer: Recorded,
    },
    /// Keys used before then are forgotten.
    #[n(1)]
    Forgotten {
        #[n(0)]
        before: Timestamp,
    },
}

/// The oldest keys have been kept long enough. They go by the quarter of an hour.
pub(crate) fn due(state: &State, moment: &Moment) -> Vec<Event> {
    let before = moment
        .now
        .plus(-i64::from(state.rules.idempotency_hours) * HOUR);
    vec![Event::Repeat(RepeatEvent::Forgotten { before })]
}

pub(crate) fn evolve(state: &mut State, moment: &Moment, event: &RepeatEvent) {
    match event {
        RepeatEvent::Used { key, body, answer } => {
            state.keep_answer(moment, Repeat::new(*key, *body), answer.clone());
        }
        RepeatEvent::Forgotten { before } => {
            while let Some((at, key)) = state.repeats.order.front().copied()
                && at < *before
            {
                state.repeats.order.pop_front();
                state.repeats.kept.remove(&key);
            }
            state.repeats.due = None;
            if let Some((oldest, _)) = state.repeats.order.front().copied() {
                schedule(state, oldest);
            }
        }
    }
}

impl State {
    /// What a key got.
    pub(crate) fn keep_answer(&mut self, moment: &Moment, repeat: Repeat, answer: Recorded) {
        if self.repeats.order.is_empty() {
            schedule(self, moment.now);
        }
        let Repeat { key, body, .. } = repeat;
        self.repeats.kept.insert(key, Kept { body, answer });
        self.repeats.order.push_back((moment.now, key));
    }
}

fn schedule(state: &mut State, oldest: Timestamp) {
    let at = oldest.plus(i64::from(state.rules.idempotency_hours) * HOUR + 15 * MINUTE);
    state.deadlines.insert(at, Due::Repeats);
    state.repeats.due = Some(at);
}

/// Merchants' keys used before then are in the archive.
pub(crate) fn leave(state: &mut State, before: Timestamp) {
    let repeats = &mut state.repeats;
    repeats.left_before = repeats.left_before.max(before);
    let mut stay = Vec::new();
    while let Some((at, key)) = repeats.order.front().copied()
        && at < before
    {
        repeats.order.pop_front();
        match repeats.kept.get(&key) {
            Some(kept) if !kept.may_leave() => stay.push((at, key)),
            _ => drop(repeats.kept.remove(&key)),
        }
    }
    for (at, key) in stay.into_iter().rev() {
        repeats.order.push_front((at, key));
    }
    if repeats.order.is_empty()
        && let Some(at) = repeats.due.take()
    {
        state.deadlines.remove(at, Due::Repeats);
    }
}
