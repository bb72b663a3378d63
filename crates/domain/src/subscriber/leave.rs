//! A subscriber leaves: the number goes to somebody else, or who it was is forgotten.
//!
//! ```text
//!   mandates end · devices go · cash ──▶ unclaimed · lots ──▶ where they came from
//! ```
//! **Invariant:** nothing stays that somebody could still spend. What is held for a payment stays held until that payment ends,
//! and then goes the same way.

use super::{DeviceEvent, Subscriber};
use crate::{
    Event,
    grant::Lot,
    ids::SubscriberId,
    ledger::{Account, Entry},
    mandate::{EndedBy, MandateEvent},
    money::Amount,
    state::State,
    time::Moment,
    token,
};

/// Ends what stands, and says what moves. `lots_with_holds`: the payments that hold on lots end before this does.
pub(crate) fn leave(
    state: &State,
    holder: &Subscriber,
    by: EndedBy,
    lots_with_holds: bool,
    events: &mut Vec<Event>,
) -> Entry {
    let mandates = holder.mandates.iter().filter(|id| {
        state
            .mandates
            .get(id)
            .is_some_and(|mandate| mandate.status.is_standing())
    });
    events.extend(mandates.map(|id| Event::Mandate(MandateEvent::Ended { id: *id, by })));
    remove_devices(holder, events);
    events.extend(token::end_all(state, holder.id));
    let mut entry = Entry::default();
    let cash = Account::SubscriberCash(holder.id);
    entry.and(
        state.book.available(cash),
        cash,
        Account::Unclaimed(holder.id),
    );
    for lot in holder.lots.iter().filter_map(|id| state.lots.get(id)) {
        let account = Account::Grant(lot.id);
        let balance = state.book.balance(account);
        let amount = if lots_with_holds {
            Amount::clamped(balance.posted)
        } else {
            balance.available()
        };
        entry.and(amount, account, lot.funded_by());
    }
    entry
}

pub(crate) fn remove_devices(holder: &Subscriber, events: &mut Vec<Event>) {
    let devices = holder.devices.iter();
    events.extend(devices.map(|device| Event::Device(DeviceEvent::Removed { device: *device })));
}

/// What the event that ends it does: no number, no prompts, and no lot that lives on.
pub(crate) fn left(state: &mut State, moment: &Moment, id: SubscriberId, entry: &Entry) {
    state.post(entry);
    let holder = state.subscribers.expect_mut(id);
    holder.prompts.clear();
    for id in holder.lots.clone() {
        if let Some(lot) = state.lots.get_mut(&id) {
            Lot::close(lot, moment.now);
        }
    }
}
