//! A payer's attention is a budget: prompts that wait, are ignored, withdrawn or reported use it up.

use super::{Facts, Veto};

pub fn rule(facts: &Facts<'_>) -> Option<Veto> {
    if !facts.step.prompts() {
        return None;
    }
    let payer = facts.payer?;
    if payer.prompts.len() >= facts.rules.payer_open_prompts as usize {
        return Some(Veto::PayerTooManyPrompts);
    }
    (payer.attention.used(facts.moment) >= facts.rules.attention_per_day)
        .then_some(Veto::AttentionSpent)
}
