//! What every account holds now.

use minicbor::{Decode, Encode};
use rustc_hash::FxHashMap;

use super::{Account, Entry};
use crate::money::Amount;

/// What is on an account, and how much of it is reserved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Balance {
    #[n(0)]
    pub posted: i64,
    #[n(1)]
    pub held: i64,
}

impl Balance {
    pub fn available(self) -> Amount {
        Amount::clamped(self.posted - self.held)
    }
}

/// All balances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    balances: FxHashMap<Account, Balance>,
}

impl Book {
    pub fn balance(&self, account: Account) -> Balance {
        self.balances.get(&account).copied().unwrap_or_default()
    }

    pub fn available(&self, account: Account) -> Amount {
        self.balance(account).available()
    }

    /// Writes an entry down.
    ///
    /// # Panics
    /// If a spendable account would end with less than is held on it: then the decision was wrong, and the engine must
    /// stop rather than write it down.
    pub fn post(&mut self, entry: &Entry) {
        for leg in entry.legs() {
            let balance = self.balances.entry(leg.account).or_default();
            balance.posted += leg.minor;
            assert!(
                !leg.account.is_spendable() || balance.posted >= balance.held,
                "{:?} would hold {} with only {} on it",
                leg.account,
                balance.held,
                balance.posted
            );
        }
    }

    /// Reserves `amount`.
    ///
    /// # Panics
    /// If a spendable account has not that much available.
    pub fn hold(&mut self, account: Account, amount: Amount) {
        let balance = self.balances.entry(account).or_default();
        balance.held += amount.minor();
        assert!(
            !account.is_spendable() || balance.posted >= balance.held,
            "{account:?} holds more than it has"
        );
    }

    /// Takes a reservation back, whole or in part.
    ///
    /// # Panics
    /// If less is held.
    pub fn release(&mut self, account: Account, amount: Amount) {
        let balance = self.balances.entry(account).or_default();
        balance.held -= amount.minor();
        assert!(balance.held >= 0, "{account:?} released more than was held");
    }

    /// A balance as it was; false if there is one already.
    pub(crate) fn restore(&mut self, account: Account, balance: Balance) -> bool {
        self.balances.insert(account, balance).is_none()
    }

    pub(crate) fn reserve(&mut self, count: usize) {
        self.balances.reserve(count);
    }

    /// Every account with what is on it, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Account, Balance)> + '_ {
        self.balances
            .iter()
            .map(|(account, balance)| (*account, *balance))
    }

    /// Sum over all accounts; zero at all times.
    pub fn total(&self) -> i128 {
        self.balances
            .values()
            .map(|balance| i128::from(balance.posted))
            .sum()
    }
}
