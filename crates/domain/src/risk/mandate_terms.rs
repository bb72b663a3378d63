//! A charge must be within what the payer signed; after a recovery nothing new is signed for a while.

use super::{Facts, Step, Veto};
use crate::mandate::MandateStatus;

pub fn rule(facts: &Facts<'_>) -> Option<Veto> {
    let payer = facts.payer?;
    if matches!(facts.step, Step::MandatePrompt | Step::MandateApproval) {
        return (facts.moment.now < payer.reduced_until).then_some(Veto::RecoveryNoMandates);
    }
    let mandate = facts.mandate?;
    match mandate.status {
        MandateStatus::Active => {}
        MandateStatus::Suspended => return Some(Veto::MandateSuspended),
        MandateStatus::Ended => return Some(Veto::MandateEnded),
        MandateStatus::AwaitingApproval
        | MandateStatus::Refused
        | MandateStatus::Expired
        | MandateStatus::Cancelled => {
            return Some(Veto::MandateNotActive);
        }
    }
    if facts.moment.date > mandate.terms.ends_on {
        return Some(Veto::MandateEnded);
    }
    if facts.amount > mandate.terms.payment_limit {
        return Some(Veto::MandatePaymentLimit);
    }
    let month = mandate.charged.this_month(facts.moment).plus(facts.amount);
    (month > mandate.terms.monthly_limit).then_some(Veto::MandateMonthlyLimit)
}
