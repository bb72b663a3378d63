//! After a SIM or device change the person behind the number may be another.

use super::{Facts, Rules, Veto};
use crate::{
    subscriber::Subscriber,
    time::{HOUR, Moment},
};

pub fn rule(facts: &Facts<'_>) -> Option<Veto> {
    let line = facts.payer?.line();
    let cooling_off = i64::from(facts.rules.cooling_off_hours) * HOUR;
    let recent = |changed: Option<crate::time::Timestamp>| {
        changed.is_some_and(|at| facts.moment.now.since(at) < cooling_off)
    };
    if recent(line.sim_changed) {
        return Some(Veto::RecentSimChange);
    }
    recent(line.device_changed).then_some(Veto::RecentDeviceChange)
}

/// The network told so long ago that a change since then would not be known here: limits are reduced instead of refusing.
pub fn facts_too_old(payer: &Subscriber, rules: &Rules, moment: &Moment) -> bool {
    moment.now.since(payer.line().as_of) > i64::from(rules.line_facts_hours) * HOUR
}
