//! What one merchant may take per payment and day.

use super::{Facts, Veto};

pub fn rule(facts: &Facts<'_>) -> Option<Veto> {
    if !facts.step.moves_money() || facts.step == super::Step::Approval {
        return None;
    }
    let merchant = facts.merchant;
    if facts.amount > merchant.limits.payment {
        return Some(Veto::MerchantPaymentLimit);
    }
    (merchant.taken.today(facts.moment).plus(facts.amount) > merchant.limits.daily)
        .then_some(Veto::MerchantDailyLimit)
}
