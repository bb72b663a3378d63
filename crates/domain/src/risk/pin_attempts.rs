//! After too many wrong PINs nobody can approve anything.

use super::{Facts, Veto};

pub fn rule(facts: &Facts<'_>) -> Option<Veto> {
    facts
        .payer?
        .pin_locked(facts.rules)
        .then_some(Veto::PinLocked)
}
