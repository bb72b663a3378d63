//! What one merchant may take per payment and day.
//!
//! The day's sum is checked again at the approval, when it begins to count: many prompts at once cannot exceed it.

use super::{Facts, Veto};

pub fn rule(facts: &Facts<'_>) -> Option<Veto> {
    if !facts.step.moves_money() {
        return None;
    }
    let merchant = facts.merchant;
    if facts.step != super::Step::Approval && facts.amount > merchant.limits.payment {
        return Some(Veto::MerchantPaymentLimit);
    }
    (merchant.taken.today(facts.moment).plus(facts.amount) > merchant.limits.daily)
        .then_some(Veto::MerchantDailyLimit)
}
