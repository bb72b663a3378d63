//! A merchant that the operator blocked takes no payments.

use super::{Facts, Veto};

pub fn rule(facts: &Facts<'_>) -> Option<Veto> {
    facts.merchant.blocked.then_some(Veto::MerchantBlocked)
}
