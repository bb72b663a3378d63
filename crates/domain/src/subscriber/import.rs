//! Lines from a network export: bind, update, renumber, recycle.
//!
//! ```text
//!   unknown number ───────────────▶ bound to a new subscriber
//!   renumbered_from a bound number ▶ the binding moves, everything else stays
//!   recycled, activated later ─────▶ the old holder is closed, a new generation begins
//!   known number ──────────────────▶ line facts updated, or nothing
//! ```
//! An export that does not tell when a SIM or device was changed does not say that it never was: a date that is known stays, and
//! only moves forward while the number has this holder.
//!
//! **Invariant:** the same row twice changes nothing. Recycling is never guessed: the row says so, and the later activation
//! date tells it from a row that was already taken in.

use minicbor::{Decode, Encode};

use super::{Line, Subscriber, SubscriberStatus};
use crate::{
    Event,
    ids::{MandateId, NumberHash, Sealed, SubscriberId},
    ledger::Entry,
    mandate::{EndedBy, MandateEvent, MandateStatus},
    pass::{self, PassEnd},
    state::State,
    time::Moment,
    token::{self, SuspendedBy},
};

/// One row, checked and sealed at the edge.
#[derive(Clone, Debug)]
pub struct LineRow {
    pub number: NumberHash,
    pub renumbered_from: Option<NumberHash>,
    pub recycled: bool,
    pub line: Line,
    /// The key the profile is sealed under: the present holder's, or a new one's.
    pub subject: u64,
    /// May be empty where the edge knows that it has not changed.
    pub profile: Sealed,
    /// Keyed hash over number, name, birth date and bank account: the same row is known by it.
    pub profile_hash: u64,
    /// `None` leaves the bank account as it is.
    pub bank: Option<Sealed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOutcome {
    Added,
    Updated,
    Renumbered,
    Recycled,
    Unchanged,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowRefusal {
    /// Both the old and the new number have a holder.
    NumberTaken,
    /// The edge sealed the profile under a key that is not the holder's, or left it out and it has changed; it asks again.
    WrongSubject,
    /// An older export than the one already taken in.
    OlderThanKnown,
}

impl RowRefusal {
    pub fn code(self) -> &'static str {
        match self {
            Self::NumberTaken => "number_taken",
            Self::WrongSubject => "wrong_subject",
            Self::OlderThanKnown => "older_than_known",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LineEvent {
    #[n(0)]
    Added {
        #[n(0)]
        subscriber: SubscriberId,
        #[n(1)]
        number: NumberHash,
        #[n(2)]
        generation: u32,
        #[n(3)]
        subject: u64,
        #[n(4)]
        profile: Sealed,
        #[n(5)]
        profile_hash: u64,
        #[n(6)]
        bank: Option<Sealed>,
        #[n(7)]
        line: Line,
    },
    #[n(1)]
    Updated {
        #[n(0)]
        subscriber: SubscriberId,
        #[n(1)]
        line: Line,
        #[n(2)]
        profile: Option<Sealed>,
        #[n(3)]
        profile_hash: u64,
        #[n(4)]
        bank: Option<Sealed>,
    },
    #[n(2)]
    Renumbered {
        #[n(0)]
        subscriber: SubscriberId,
        #[n(1)]
        from: NumberHash,
        #[n(2)]
        to: NumberHash,
    },
    /// The number leaves its holder: cash goes to the unclaimed accounts, grants back to where they came from.
    #[n(3)]
    Recycled {
        #[n(0)]
        subscriber: SubscriberId,
        #[n(1)]
        number: NumberHash,
        #[n(2)]
        entry: Entry,
    },
}

pub(crate) fn decide(
    state: &State,
    mut row: LineRow,
) -> (Result<RowOutcome, RowRefusal>, Vec<Event>) {
    let mut events = Vec::new();
    let holder = state.holder(&row.number);
    let earlier = row
        .renumbered_from
        .and_then(|from| Some((from, state.holder(&from)?)));
    let next_holder =
        |known: &Subscriber| row.recycled && row.line.activated > known.line().activated;
    if let Some(known) = holder
        .or(earlier.map(|(_, holder)| holder))
        .filter(|known| !next_holder(known))
    {
        row.line.keep_dates_of(&known.line());
    }
    let outcome = match (holder, earlier) {
        // The old number has its next holder already, and this row was taken in before that.
        (Some(holder), Some(_)) if is_known(&row, holder) => Ok(RowOutcome::Unchanged),
        (Some(_), Some(_)) => Err(RowRefusal::NumberTaken),
        (None, Some((_, holder))) if row.line.as_of < holder.line().as_of => {
            Err(RowRefusal::OlderThanKnown)
        }
        (None, Some((from, holder))) => {
            if holder.subject != row.subject || leaves_out(&row, holder) {
                return (Err(RowRefusal::WrongSubject), events);
            }
            events.push(Event::Line(LineEvent::Renumbered {
                subscriber: holder.id,
                from,
                to: row.number,
            }));
            update(state, holder, &row, &mut events);
            Ok(RowOutcome::Renumbered)
        }
        (Some(holder), None) if row.recycled && row.line.activated > holder.line().activated => {
            if !is_new(state, &row) {
                return (Err(RowRefusal::WrongSubject), events);
            }
            events.extend(recycle(state, holder, row.number));
            events.push(added(
                state.subscribers.next_id(),
                holder.generation + 1,
                row,
            ));
            Ok(RowOutcome::Recycled)
        }
        (Some(holder), None) => {
            if is_known(&row, holder) {
                Ok(RowOutcome::Unchanged)
            } else if row.line.as_of < holder.line().as_of {
                Err(RowRefusal::OlderThanKnown)
            } else if holder.subject != row.subject || leaves_out(&row, holder) {
                Err(RowRefusal::WrongSubject)
            } else {
                update(state, holder, &row, &mut events);
                Ok(RowOutcome::Updated)
            }
        }
        (None, None) if !is_new(state, &row) => Err(RowRefusal::WrongSubject),
        (None, None) => {
            events.push(added(state.subscribers.next_id(), 0, row));
            Ok(RowOutcome::Added)
        }
    };
    (outcome, events)
}

fn is_known(row: &LineRow, holder: &Subscriber) -> bool {
    row.line == holder.line() && row.profile_hash == holder.profile_hash
}

/// Sealed under a key that is nobody's yet: two subscribers under one key would be forgotten together.
fn is_new(state: &State, row: &LineRow) -> bool {
    !row.profile.0.is_empty() && !state.subjects.contains(row.subject, &state.subscribers)
}

/// The row lacks a profile that is needed.
fn leaves_out(row: &LineRow, holder: &Subscriber) -> bool {
    row.profile.0.is_empty() && row.profile_hash != holder.profile_hash
}

fn added(subscriber: SubscriberId, generation: u32, row: LineRow) -> Event {
    Event::Line(LineEvent::Added {
        subscriber,
        number: row.number,
        generation,
        subject: row.subject,
        profile: row.profile,
        profile_hash: row.profile_hash,
        bank: row.bank,
        line: row.line,
    })
}

/// New facts about a line; a SIM or device change among them suspends the mandates.
fn update(state: &State, holder: &Subscriber, row: &LineRow, events: &mut Vec<Event>) {
    let profile = (row.profile_hash != holder.profile_hash).then(|| row.profile.clone());
    if holder.line().holder_may_differ(&row.line) {
        events.extend(token::suspend_all(
            state,
            holder.id,
            SuspendedBy::LineChanged,
        ));
        events.extend(pass::end_all(state, holder.id, PassEnd::LineChanged));
        for id in active_mandates(state, holder) {
            events.push(Event::Mandate(MandateEvent::Suspended { id }));
        }
    }
    events.push(Event::Line(LineEvent::Updated {
        subscriber: holder.id,
        line: row.line.clone(),
        profile,
        profile_hash: row.profile_hash,
        bank: row.bank.clone(),
    }));
}

fn active_mandates<'a>(
    state: &'a State,
    holder: &'a Subscriber,
) -> impl Iterator<Item = MandateId> + 'a {
    holder.mandates.iter().copied().filter(|id| {
        state
            .mandates
            .get(id)
            .is_some_and(|mandate| mandate.status == MandateStatus::Active)
    })
}

/// Ends a generation: nothing of the old holder's is left behind the number. What is held stays held until its payment
/// ends; prompts that wait expire as ignored ones do.
fn recycle(state: &State, holder: &Subscriber, number: NumberHash) -> Vec<Event> {
    let mut events = Vec::new();
    let entry = super::leave(state, holder, EndedBy::NumberRecycled, false, &mut events);
    events.push(Event::Line(LineEvent::Recycled {
        subscriber: holder.id,
        number,
        entry,
    }));
    events
}

pub(crate) fn evolve(state: &mut State, moment: &Moment, event: &LineEvent) {
    match event {
        LineEvent::Added {
            subscriber,
            number,
            generation,
            subject,
            profile,
            profile_hash,
            bank,
            line,
        } => {
            let mut added = Subscriber {
                id: *subscriber,
                status: SubscriberStatus::Active,
                subject: *subject,
                number: None,
                generation: *generation,
                line: super::KnownLine::from(line),
                profile: super::Profile::from(profile),
                profile_hash: *profile_hash,
                payer: None,
            };
            if bank.is_some() {
                added.bank.clone_from(bank);
            }
            state.subscribers.insert(added);
            state.bind(*number, *subscriber);
            let (subjects, subscribers) = (&mut state.subjects, &state.subscribers);
            subjects.insert(*subject, *subscriber, subscribers);
        }
        LineEvent::Updated {
            subscriber,
            line,
            profile,
            profile_hash,
            bank,
        } => {
            let holder = state.subscribers.expect_mut(*subscriber);
            holder.line = super::KnownLine::from(line);
            if let Some(profile) = profile {
                holder.set_profile(profile);
            }
            holder.profile_hash = *profile_hash;
            if let Some(bank) = bank {
                holder.bank = Some(bank.clone());
            }
        }
        LineEvent::Renumbered {
            subscriber,
            from: _,
            to,
        } => {
            state.unbind(*subscriber);
            state.bind(*to, *subscriber);
        }
        LineEvent::Recycled {
            subscriber,
            number: _,
            entry,
        } => {
            state.unbind(*subscriber);
            super::left(state, moment, *subscriber, entry);
            let holder = state.subscribers.expect_mut(*subscriber);
            holder.status = SubscriberStatus::Closed;
            holder.pin = None;
        }
    }
}
