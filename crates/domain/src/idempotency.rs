//! Idempotency: the same key gets the same answer, refusals included.
//!
//! What is kept is the answer's changeable part; the rest of it never changes.

use std::collections::VecDeque;

use minicbor::{Decode, Encode};

use crate::{
    Event,
    deadline::Due,
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

#[derive(Clone, Debug)]
struct Kept {
    body: BodyHash,
    answer: Recorded,
}

/// Keys of the last day or more.
#[derive(Clone, Debug, Default)]
pub struct Repeats {
    kept: Sharded<RepeatKey, Kept>,
    order: VecDeque<(Timestamp, RepeatKey)>,
}

/// What is known of a key.
pub(crate) enum Known<'a> {
    New,
    Same(&'a Recorded),
    /// The key came with another body before.
    Other,
}

impl Repeats {
    pub(crate) fn known(&self, repeat: &Repeat) -> Known<'_> {
        match self.kept.get(&repeat.key) {
            None => Known::New,
            Some(kept) if kept.body == repeat.body => Known::Same(&kept.answer),
            Some(_) => Known::Other,
        }
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
        self.order.reserve(count);
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
            let repeat = Repeat {
                key: *key,
                body: *body,
            };
            state.keep_answer(moment, repeat, answer.clone());
        }
        RepeatEvent::Forgotten { before } => {
            while let Some((at, key)) = state.repeats.order.front().copied()
                && at < *before
            {
                state.repeats.order.pop_front();
                state.repeats.kept.remove(&key);
            }
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
        let Repeat { key, body } = repeat;
        self.repeats.kept.insert(key, Kept { body, answer });
        self.repeats.order.push_back((moment.now, key));
    }
}

fn schedule(state: &mut State, oldest: Timestamp) {
    let at = oldest.plus(i64::from(state.rules.idempotency_hours) * HOUR + 15 * MINUTE);
    state.deadlines.insert(at, Due::Repeats);
}
