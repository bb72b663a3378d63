//! Sessions that were ended before their time: an operator or a phone signed out.
//!
//! A session is a token that only the edge can make and that says itself how long it lasts, so nothing is kept of it while it
//! lasts. One that was ended is remembered until its time would have been over.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use crate::{
    Event,
    deadline::Due,
    ids::SessionId,
    state::State,
    time::{DAY, Moment, Timestamp},
};

/// No session lasts longer.
const LONGEST: i64 = DAY;

/// Those that were ended, and until when that counts.
#[derive(Clone, Debug, Default)]
pub struct EndedSessions(BTreeMap<SessionId, Timestamp>);

impl EndedSessions {
    pub fn contains(&self, session: &SessionId) -> bool {
        self.0.contains_key(session)
    }

    /// One that was ended; false if it is there already.
    pub(crate) fn restore(&mut self, session: SessionId, until: Timestamp) -> bool {
        self.0.insert(session, until).is_none()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (SessionId, Timestamp)> + '_ {
        self.0.iter().map(|(session, until)| (*session, *until))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum SessionEvent {
    #[n(0)]
    Ended {
        #[n(0)]
        session: SessionId,
        #[n(1)]
        until: Timestamp,
    },
    /// Its own time is over.
    #[n(1)]
    Forgotten {
        #[n(0)]
        session: SessionId,
    },
}

/// Ends a session whose token the edge has checked. Ending it twice changes nothing.
pub(crate) fn end(
    state: &State,
    moment: &Moment,
    session: SessionId,
    until: Timestamp,
) -> Vec<Event> {
    if until <= moment.now || state.ended_sessions.contains(&session) {
        return Vec::new();
    }
    let until = until.min(moment.now.plus(LONGEST));
    vec![Event::Session(SessionEvent::Ended { session, until })]
}

pub(crate) fn due(state: &State, session: SessionId) -> Vec<Event> {
    if state.ended_sessions.contains(&session) {
        vec![Event::Session(SessionEvent::Forgotten { session })]
    } else {
        Vec::new()
    }
}

pub(crate) fn evolve(state: &mut State, event: &SessionEvent) {
    match event {
        SessionEvent::Ended { session, until } => {
            state.ended_sessions.0.insert(*session, *until);
            state.deadlines.insert(*until, Due::Session(*session));
        }
        SessionEvent::Forgotten { session } => {
            state.ended_sessions.0.remove(session);
        }
    }
}
