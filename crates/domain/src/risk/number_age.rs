//! A number activated a few days ago is not yet somebody's.

use super::{Facts, Veto};
use crate::time::DAY;

pub fn rule(facts: &Facts<'_>) -> Option<Veto> {
    let age = facts.moment.now.since(facts.payer?.line().activated);
    (age < i64::from(facts.rules.number_age_days) * DAY).then_some(Veto::NumberTooYoung)
}
