//! The line must be active, the subscriber not blocked, the merchant not blocked by this payer, and a phone must be there to
//! ask.

use super::{Facts, Veto};
use crate::subscriber::{LineStatus, SubscriberStatus};

pub fn rule(facts: &Facts<'_>) -> Option<Veto> {
    let payer = facts.payer?;
    if payer.line().status != LineStatus::Active || payer.number.is_none() {
        return Some(Veto::LineNotActive);
    }
    if payer.status != SubscriberStatus::Active {
        return Some(Veto::SubscriberBlocked);
    }
    if payer.blocked_merchants.contains(&facts.merchant.id) {
        return Some(Veto::MerchantBlockedByPayer);
    }
    (facts.step.prompts() && !facts.has_device).then_some(Veto::NoDevice)
}
