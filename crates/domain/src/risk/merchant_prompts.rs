//! How many people one merchant may ask, and what it has done with that so far.
//!
//! Counted alike for every number, so that a merchant learns nothing about any of them.

use super::{Facts, Veto};

pub fn rule(facts: &Facts<'_>) -> Option<Veto> {
    if !facts.step.prompts() {
        return None;
    }
    let merchant = facts.merchant;
    if merchant.open >= facts.rules.merchant_open {
        return Some(Veto::MerchantTooManyOpen);
    }
    if merchant.prompts.in_this_hour(facts.moment) >= facts.rules.merchant_prompts_per_hour {
        return Some(Veto::MerchantTooManyPrompts);
    }
    (merchant.wrong_codes.used(facts.moment) >= facts.rules.merchant_wrong_codes_per_day)
        .then_some(Veto::MerchantWrongCodes)
}
