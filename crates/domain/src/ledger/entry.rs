//! Entries: legs that sum to zero.

use minicbor::{Decode, Encode};

use super::Account;
use crate::money::Amount;

/// One side of an entry: above zero a credit, below a debit, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Leg {
    #[n(0)]
    pub account: Account,
    #[n(1)]
    pub minor: i64,
}

/// A balanced set of legs. There is no way to make one that does not balance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode)]
#[cbor(transparent)]
pub struct Entry(#[n(0)] Vec<Leg>);

impl<'b, C> Decode<'b, C> for Entry {
    fn decode(d: &mut minicbor::Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        let entry = Self(Decode::decode(d, ctx)?);
        if entry.sum() == 0 {
            Ok(entry)
        } else {
            Err(minicbor::decode::Error::message("entry does not balance"))
        }
    }
}

impl Entry {
    /// Moves `amount` from one account to another.
    pub fn moving(amount: Amount, from: Account, to: Account) -> Self {
        let mut entry = Self::default();
        entry.and(amount, from, to);
        entry
    }

    /// Moves `amount` as well; legs on one account are added up, and nothing is not written down.
    pub fn and(&mut self, amount: Amount, from: Account, to: Account) -> &mut Self {
        self.leg(from, -amount.minor());
        self.leg(to, amount.minor());
        self
    }

    fn leg(&mut self, account: Account, minor: i64) {
        match self.0.iter().position(|leg| leg.account == account) {
            Some(at) => {
                self.0[at].minor += minor;
                if self.0[at].minor == 0 {
                    self.0.remove(at);
                }
            }
            None if minor == 0 => {}
            None => self.0.push(Leg { account, minor }),
        }
    }

    pub fn legs(&self) -> &[Leg] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn sum(&self) -> i128 {
        self.0.iter().map(|leg| i128::from(leg.minor)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{MerchantId, SubscriberId};

    #[test]
    fn legs_on_one_account_are_added_up() {
        let cash = Account::SubscriberCash(SubscriberId(1));
        let payable = Account::MerchantPayable(MerchantId(1));
        let mut entry = Entry::moving(Amount::clamped(100), cash, payable);
        entry.and(Amount::clamped(3), payable, Account::FeeIncome);
        let legs: Vec<_> = entry
            .legs()
            .iter()
            .map(|leg| (leg.account, leg.minor))
            .collect();
        assert_eq!(legs, [(cash, -100), (payable, 97), (Account::FeeIncome, 3)]);
    }

    #[test]
    fn an_unbalanced_entry_cannot_be_read_back() {
        let legs = vec![Leg {
            account: Account::FeeIncome,
            minor: 5,
        }];
        let bytes = minicbor::to_vec(&legs).expect("encodes");
        assert!(minicbor::decode::<Entry>(&bytes).is_err());
    }
}
