//! Most per payment, day and month; less for somebody else's request and while limits are reduced.

use super::{Facts, Veto, reduced};

pub fn rule(facts: &Facts<'_>) -> Option<Veto> {
    if !facts.step.moves_money() {
        return None;
    }
    let payer = facts.payer?;
    let rules = facts.rules;
    let today = payer.spent.today(facts.moment).plus(facts.amount);
    let month = payer.spent.this_month(facts.moment).plus(facts.amount);
    if facts.amount > rules.payment_limit {
        return Some(Veto::PaymentLimit);
    }
    if facts.for_other && facts.amount > rules.other_person_limit {
        return Some(Veto::OtherPersonLimit);
    }
    if reduced(payer, rules, facts.moment)
        && (facts.amount > rules.reduced_payment_limit || today > rules.reduced_daily_limit)
    {
        return Some(Veto::ReducedLimit);
    }
    if today > rules.daily_limit {
        return Some(Veto::DailyLimit);
    }
    (month > rules.monthly_limit).then_some(Veto::MonthlyLimit)
}
