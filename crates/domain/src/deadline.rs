//! What is due when. Deadlines belong to the server and fall by a tick, oldest first, one decision each.

use std::collections::BTreeSet;

use crate::{
    Event,
    ids::{DeviceId, EnrolmentId, LotId, MandateId, PaymentId, SessionId},
    state::State,
    time::{Moment, Timestamp},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// The payer has not answered, or the sources have not.
    Payment(PaymentId),
    /// An authorisation was not captured.
    Capture(PaymentId),
    /// The payer has not answered.
    Mandate(MandateId),
    Lot(LotId),
    Recovery(DeviceId),
    Enrolment(EnrolmentId),
    /// The oldest kept idempotency answers.
    Repeats,
    /// Nobody has let a further device in.
    Device(DeviceId),
    /// A session that was ended would be over by itself.
    Session(SessionId),
    /// The oldest kept messages of tills.
    Exchanges,
}

#[derive(Clone, Debug, Default)]
pub struct Deadlines(BTreeSet<(Timestamp, Due)>);

impl Deadlines {
    pub(crate) fn insert(&mut self, at: Timestamp, due: Due) {
        self.0.insert((at, due));
    }

    pub(crate) fn remove(&mut self, at: Timestamp, due: Due) {
        self.0.remove(&(at, due));
    }

    /// Everything that will be due, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (Timestamp, Due)> + '_ {
        self.0.iter().copied()
    }

    pub fn earliest(&self) -> Option<Timestamp> {
        self.0.first().map(|(at, _)| *at)
    }

    fn due(&self, now: Timestamp) -> Option<(Timestamp, Due)> {
        self.0.first().filter(|(at, _)| *at <= now).copied()
    }
}

/// Decides the oldest thing that is due; no events if nothing is. Called again until then.
pub(crate) fn decide(state: &State, moment: &Moment) -> Vec<Event> {
    let Some((at, due)) = state.deadlines.due(moment.now) else {
        return Vec::new();
    };
    let mut events = match due {
        Due::Payment(id) => crate::payment::due_payment(state, moment, id),
        Due::Capture(id) => crate::payment::due_capture(state, moment, id),
        Due::Mandate(id) => crate::mandate::due_mandate(state, id),
        Due::Lot(id) => crate::grant::due_lot(state, moment, id),
        Due::Recovery(id) => crate::subscriber::due_recovery(state, moment, id),
        Due::Enrolment(id) => crate::subscriber::due_enrolment(state, id),
        Due::Repeats => crate::idempotency::due(state, moment),
        Due::Device(id) => crate::subscriber::due_device(state, id),
        Due::Session(id) => crate::session::due(state, id),
        Due::Exchanges => crate::till::due(moment),
    };
    events.push(Event::Fell {
        at,
        due: crate::event::Fallen::from(due),
    });
    events
}
