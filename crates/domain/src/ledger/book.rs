//! What every account holds now.

use minicbor::{Decode, Encode};

use super::{Account, Entry};
use crate::{
    ids::{LotId, MerchantId, SubscriberId},
    money::Amount,
    sequence::Sequence,
    sharded::Sharded,
};

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
    cash: Sequence<SubscriberId, Balance>,
    grants: Sequence<LotId, Balance>,
    payable: Sequence<MerchantId, Balance>,
    bills: Sequence<SubscriberId, Balance>,
    others: Sharded<Account, Balance>,
}

impl Book {
    pub fn balance(&self, account: Account) -> Balance {
        let balance = match account {
            Account::SubscriberCash(id) => self.cash.get(&id),
            Account::Grant(id) => self.grants.get(&id),
            Account::MerchantPayable(id) => self.payable.get(&id),
            Account::BillReceivable(id) => self.bills.get(&id),
            other => self.others.get(&other),
        };
        balance.copied().unwrap_or_default()
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
            self.add(leg.account, leg.minor);
        }
    }

    /// One leg of an entry; nothing is not written down. Whoever adds one adds the others as well.
    ///
    /// # Panics
    /// As [`Self::post`].
    pub(crate) fn add(&mut self, account: Account, minor: i64) {
        if minor == 0 {
            return;
        }
        let balance = self.of_mut(account);
        balance.posted += minor;
        assert!(
            !account.is_spendable() || balance.posted >= balance.held,
            "{account:?} would hold {} with only {} on it",
            balance.held,
            balance.posted
        );
    }

    /// Reserves `amount`.
    ///
    /// # Panics
    /// If a spendable account has not that much available.
    pub fn hold(&mut self, account: Account, amount: Amount) {
        let balance = self.of_mut(account);
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
        let balance = self.of_mut(account);
        balance.held -= amount.minor();
        assert!(balance.held >= 0, "{account:?} released more than was held");
    }

    /// A balance as it was; false if there is one already.
    pub(crate) fn restore(&mut self, account: Account, balance: Balance) -> bool {
        let before = match account {
            Account::SubscriberCash(id) => self.cash.insert(id, balance),
            Account::Grant(id) => self.grants.insert(id, balance),
            Account::MerchantPayable(id) => self.payable.insert(id, balance),
            Account::BillReceivable(id) => self.bills.insert(id, balance),
            other => self.others.insert(other, balance),
        };
        before.is_none()
    }

    /// Whether an account's number is absurdly far from all others.
    pub(crate) fn is_too_far(&self, account: Account) -> bool {
        match account {
            Account::SubscriberCash(id) => self.cash.is_too_far(id),
            Account::Grant(id) => self.grants.is_too_far(id),
            Account::MerchantPayable(id) => self.payable.is_too_far(id),
            Account::BillReceivable(id) => self.bills.is_too_far(id),
            _ => false,
        }
    }

    fn of_mut(&mut self, account: Account) -> &mut Balance {
        match account {
            Account::SubscriberCash(id) => self.cash.of(id),
            Account::Grant(id) => self.grants.of(id),
            Account::MerchantPayable(id) => self.payable.of(id),
            Account::BillReceivable(id) => self.bills.of(id),
            other => self.others.of(other),
        }
    }

    /// Every account with what is on it, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Account, Balance)> + '_ {
        let cash = self.cash.iter();
        let grants = self.grants.iter();
        let payable = self.payable.iter();
        let cash = cash.map(|(id, balance)| (Account::SubscriberCash(id), *balance));
        let grants = grants.map(|(id, balance)| (Account::Grant(id), *balance));
        let payable = payable.map(|(id, balance)| (Account::MerchantPayable(id), *balance));
        let bills = self.bills.iter();
        let bills = bills.map(|(id, balance)| (Account::BillReceivable(id), *balance));
        let others = self.others.iter();
        let others = others.map(|(account, balance)| (*account, *balance));
        cash.chain(grants).chain(payable).chain(bills).chain(others)
    }

    /// Sum over all accounts; zero at all times.
    pub fn total(&self) -> i128 {
        self.iter()
            .map(|(_, balance)| i128::from(balance.posted))
            .sum()
    }
}
