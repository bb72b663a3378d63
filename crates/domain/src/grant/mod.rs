//! Grants: lots of own-balance money given by a campaign, a gift, a voucher or a welfare programme.
//!
//! Spent soonest-expiring first, only where the lot's scope allows; what is left at expiry goes back to where it came from.

use minicbor::{Decode, Encode};

use crate::{
    Event,
    deadline::Due,
    ids::{LotId, MerchantId, Sealed, SubscriberId},
    ledger::{Account, Entry},
    money::Amount,
    state::State,
    time::{DAY, Moment, Timestamp},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Origin {
    #[n(0)]
    Gift,
    #[n(1)]
    Voucher,
    #[n(2)]
    Campaign,
    #[n(3)]
    Welfare,
}

/// Where a lot may be spent; an empty scope is everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Scope {
    #[n(0)]
    pub merchants: Vec<MerchantId>,
    /// Merchant category codes (ISO 18245).
    #[n(1)]
    pub categories: Vec<u16>,
}

impl Scope {
    pub fn allows(&self, merchant: MerchantId, category: u16) -> bool {
        (self.merchants.is_empty() && self.categories.is_empty())
            || self.merchants.contains(&merchant)
            || self.categories.contains(&category)
    }
}

/// Where a refund to a lot goes that has expired meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ExpiredRefund {
    /// To the subscriber's cash.
    #[n(0)]
    Cash,
    /// Back to where the lot came from.
    #[n(1)]
    Forfeit,
    /// Back to the lot, which lives that many days more.
    #[n(2)]
    Extend(#[n(0)] u16),
}

/// The facts of a lot; what is on it stands in the book.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Lot {
    #[n(0)]
    pub id: LotId,
    #[n(1)]
    pub subscriber: SubscriberId,
    #[n(2)]
    pub origin: Origin,
    /// What the subscriber reads, sealed under the subscriber's key.
    #[n(3)]
    pub label: Sealed,
    /// The operator's tax class, as its accountants number them.
    #[n(4)]
    pub tax_class: u16,
    #[n(5)]
    pub expires_at: Option<Timestamp>,
    #[n(6)]
    pub scope: Scope,
    #[n(7)]
    pub expired_refund: ExpiredRefund,
    /// Brought in from an earlier system: its counterpart is opening balances, else campaign expense.
    #[n(8)]
    pub opening: bool,
}

impl Lot {
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Where what is left of it goes at expiry: what was never a campaign's does not lessen what campaigns cost.
    pub fn funded_by(&self) -> Account {
        match self.origin {
            Origin::Gift | Origin::Voucher | Origin::Welfare if self.opening => {
                Account::OpeningBalances
            }
            Origin::Gift | Origin::Voucher | Origin::Campaign | Origin::Welfare => {
                Account::CampaignExpense
            }
        }
    }

    pub(crate) fn close(&mut self, now: Timestamp) {
        self.expires_at = Some(self.expires_at.map_or(now, |at| at.min(now)));
    }

    /// The lot's new expiry if a refund comes back after it expired and its campaign lets it live on.
    pub(crate) fn extended(&self, now: Timestamp) -> Option<Timestamp> {
        match self.expired_refund {
            ExpiredRefund::Extend(days) if self.expired(now) => {
                Some(now.plus(i64::from(days) * DAY))
            }
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum GrantEvent {
    #[n(0)]
    Given {
        #[n(0)]
        lot: Lot,
        #[n(1)]
        entry: Entry,
    },
    #[n(1)]
    Expired {
        #[n(0)]
        lot: LotId,
        #[n(1)]
        entry: Entry,
    },
}

/// A lot's time is over: what is available on it goes back. What is held stays until its payment ends.
pub fn due_lot(state: &State, moment: &Moment, id: LotId) -> Vec<Event> {
    let Some(lot) = state.lots.get(&id).filter(|lot| lot.expired(moment.now)) else {
        return Vec::new();
    };
    let entry = Entry::moving(
        state.book.available(Account::Grant(id)),
        Account::Grant(id),
        lot.funded_by(),
    );
    vec![Event::Grant(GrantEvent::Expired { lot: id, entry })]
}

pub(crate) fn evolve(state: &mut State, event: &GrantEvent) {
    match event {
        GrantEvent::Given { lot, entry } => {
            state
                .subscribers
                .expect_mut(lot.subscriber)
                .lots
                .push(lot.id);
            state.next_lot = state.next_lot.max(lot.id.0 + 1);
            if let Some(at) = lot.expires_at {
                state.deadlines.insert(at, Due::Lot(lot.id));
            }
            state.lots.insert(lot.id, lot.clone());
            state.post(entry);
        }
        GrantEvent::Expired { lot, entry } => {
            state.post(entry);
            if let Some(lot) = state.lots.get(lot)
                && state.book.balance(Account::Grant(lot.id)) == crate::ledger::Balance::default()
            {
                state
                    .subscribers
                    .expect_mut(lot.subscriber)
                    .lots
                    .retain(|id| *id != lot.id);
            }
        }
    }
}

/// Keeps the list of its holder's lots that have money on them, which is all that decisions walk: a refund may fill one that
/// was spent years ago, so none is ever forgotten.
pub(crate) fn follow_money(state: &mut State, id: LotId) {
    let Some(holder) = state.lots.get(&id).map(|lot| lot.subscriber) else {
        return;
    };
    let has_money = state.book.balance(Account::Grant(id)).posted != 0;
    let funded = &mut state.subscribers.expect_mut(holder).funded_lots;
    match (funded.binary_search(&id), has_money) {
        (Err(place), true) => funded.insert(place, id),
        (Ok(place), false) => {
            funded.remove(place);
        }
        (Ok(_), true) | (Err(_), false) => {}
    }
}

/// Entry that gives a lot its money.
pub(crate) fn giving(lot: &Lot, amount: Amount) -> Entry {
    let from = if lot.opening {
        Account::OpeningBalances
    } else {
        Account::CampaignExpense
    };
    Entry::moving(amount, from, Account::Grant(lot.id))
}
