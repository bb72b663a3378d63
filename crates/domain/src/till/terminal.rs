//! Stores and their terminals, with what each terminal counted in its shift.

use minicbor::{Decode, Encode};
use rustc_hash::FxHashMap;

use super::TillEvent;
use crate::{
    ids::{MerchantId, Sealed, StoreId, TerminalId, TerminalKey},
    money::Amount,
    pass::WrongCodes,
    sequence::Sequence,
};

/// A place where a merchant is paid.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Store {
    #[n(0)]
    pub id: StoreId,
    #[n(1)]
    pub merchant: MerchantId,
    /// What its terminals send as card acceptor (field 42), at most 15 characters.
    #[n(2)]
    pub acceptor: String,
    /// The name people see, sealed under the merchant's key.
    #[n(3)]
    pub name: Sealed,
}

/// How many, and how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Total {
    #[n(0)]
    pub count: u64,
    #[n(1)]
    pub minor: i64,
}

impl Total {
    pub(super) fn add(&mut self, amount: Amount) {
        self.count += 1;
        self.minor = self.minor.saturating_add(amount.minor());
    }
}

/// What a terminal took since the last reconciliation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Shift {
    /// Counts up from zero.
    #[n(0)]
    pub number: u32,
    #[n(1)]
    pub purchases: Total,
    /// Purchases that were undone after they had been counted.
    #[n(2)]
    pub reversals: Total,
    #[n(3)]
    pub refunds: Total,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Terminal {
    #[n(0)]
    pub id: TerminalId,
    #[n(1)]
    pub store: StoreId,
    /// Hash of card acceptor and terminal as they stand in messages.
    #[n(2)]
    pub key: TerminalKey,
    /// What it sends as its name (field 41), at most 8 characters.
    #[n(3)]
    pub code: String,
    /// Most for one payment.
    #[n(4)]
    pub limit: Amount,
    #[n(5)]
    pub blocked: bool,
    #[n(6)]
    pub shift: Shift,
    /// The one before.
    #[n(7)]
    pub closed: Option<Shift>,
    #[n(8)]
    pub wrong_codes: WrongCodes,
}

impl Terminal {
    pub(super) fn close_shift(&mut self) {
        self.closed = Some(self.shift);
        self.shift = Shift {
            number: self.shift.number + 1,
            ..Shift::default()
        };
    }
}

#[derive(Clone, Debug, Default)]
pub struct Terminals {
    pub(crate) stores: Sequence<StoreId, Store>,
    pub(crate) by_id: Sequence<TerminalId, Terminal>,
    by_key: FxHashMap<TerminalKey, TerminalId>,
}

impl Terminals {
    pub fn get(&self, id: TerminalId) -> Option<&Terminal> {
        self.by_id.get(&id)
    }

    pub fn store(&self, id: StoreId) -> Option<&Store> {
        self.stores.get(&id)
    }

    pub fn find(&self, key: &TerminalKey) -> Option<&Terminal> {
        self.get(*self.by_key.get(key)?)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Terminal> {
        self.by_id.values()
    }

    pub fn stores(&self) -> impl Iterator<Item = &Store> {
        self.stores.values()
    }

    pub(crate) fn next_id(&self) -> TerminalId {
        TerminalId(self.by_id.len() as u64 + 1)
    }

    pub(crate) fn next_store(&self) -> StoreId {
        StoreId(self.stores.len() as u64 + 1)
    }

    pub(crate) fn has_acceptor(&self, acceptor: &str) -> bool {
        self.stores().any(|store| store.acceptor == acceptor)
    }

    pub(super) fn expect_mut(&mut self, id: TerminalId) -> &mut Terminal {
        let terminal = self.by_id.get_mut(&id);
        terminal.expect("an event names a terminal that exists")
    }

    /// A payment of this terminal was captured.
    pub(crate) fn took(&mut self, id: TerminalId, amount: Amount) {
        self.expect_mut(id).shift.purchases.add(amount);
    }

    /// A code that it scanned was wrong.
    pub(crate) fn sent_wrong_code(&mut self, id: TerminalId, wrong: WrongCodes) {
        self.expect_mut(id).wrong_codes = wrong;
    }

    /// What follows from the terminals themselves; false if two have one key.
    pub(crate) fn make_indexes(&mut self) -> bool {
        for terminal in self.by_id.values() {
            self.by_key.insert(terminal.key, terminal.id);
        }
        self.by_key.len() == self.by_id.len()
    }
}

pub(super) fn evolve(terminals: &mut Terminals, event: &TillEvent) {
    match event {
        TillEvent::StoreAdded { store } => {
            terminals.stores.insert(store.id, store.clone());
        }
        TillEvent::TerminalAdded {
            terminal,
            store,
            key,
            code,
            limit,
        } => {
            terminals.by_key.insert(*key, *terminal);
            let added = Terminal {
                id: *terminal,
                store: *store,
                key: *key,
                code: code.clone(),
                limit: *limit,
                blocked: false,
                shift: Shift::default(),
                closed: None,
                wrong_codes: WrongCodes::default(),
            };
            terminals.by_id.insert(*terminal, added);
        }
        TillEvent::TerminalSet {
            terminal,
            limit,
            blocked,
        } => {
            let terminal = terminals.expect_mut(*terminal);
            (terminal.limit, terminal.blocked) = (*limit, *blocked);
        }
        _ => {}
    }
}
