//! What came of it, as numbers.

use std::collections::BTreeMap;

use paytone_domain::{
    ids::{MerchantId, PaymentId},
    money::Amount,
    risk::Veto,
};

/// Payments, and what they were for together, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub payments: u64,
    pub minor: i64,
}

impl Sum {
    pub(super) fn add(&mut self, amount: Amount) {
        self.payments += 1;
        self.minor += amount.minor();
    }
}

/// What merchants took and paid for it, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moneys {
    pub captures: u64,
    pub captured: i64,
    pub fee: i64,
    pub tax: i64,
}

impl Moneys {
    pub(super) fn add(&mut self, captured: Amount, (fee, tax): (Amount, Amount)) {
        self.captures += 1;
        self.captured += captured.minor();
        self.fee += fee.minor();
        self.tax += tax.minor();
    }
}

/// One payment that would have gone otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    pub payment: PaymentId,
    pub amount: Amount,
    /// `None`: it was allowed.
    pub was: Option<Veto>,
    pub would_be: Option<Veto>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Batches of the period.
    pub batches: u64,
    /// Merchants' requests decided again, and payers' approvals.
    pub requests: u64,
    pub approvals: u64,
    /// Allowed then, and vetoed by this now.
    pub stopped: BTreeMap<Veto, Sum>,
    /// Vetoed by this then, and paid now: charges under mandates, and approvals that did not count.
    pub paid: BTreeMap<Veto, Sum>,
    /// Vetoed by this then, and the payer would be asked now. What they would answer is unknown.
    pub asked: BTreeMap<Veto, Sum>,
    /// Vetoed then and now, by another reason: then, now.
    pub otherwise: BTreeMap<(Veto, Veto), Sum>,
    /// Of what is counted as paid now, the part that banks would be asked for.
    pub of_banks: i64,
    pub recorded: Moneys,
    pub replayed: Moneys,
    /// The same by merchant: recorded, replayed.
    pub merchants: BTreeMap<MerchantId, (Moneys, Moneys)>,
    /// The first payments that went otherwise.
    pub differences: Vec<Difference>,
}

/// Shown one by one.
const SHOWN: usize = 100;

impl Report {
    /// Whether everything would have been as it was.
    pub fn is_same(&self) -> bool {
        self.differences.is_empty() && self.recorded == self.replayed
    }

    pub(super) fn differs(&mut self, difference: Difference) {
        if self.differences.len() < SHOWN {
            self.differences.push(difference);
        }
    }
}
