//! A number that is nobody's cannot pay.

use super::{Facts, Veto};

pub fn rule(facts: &Facts<'_>) -> Option<Veto> {
    facts.payer.is_none().then_some(Veto::UnknownNumber)
}
