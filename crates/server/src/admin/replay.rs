//! A period decided again under other rules or price plans, as a diff. Nothing is changed by it.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Router, extract::State, response::Response, routing::post};
use paytone_domain::{
    ids::MerchantId,
    money::{Amount, Currency},
    risk::Veto,
    time::{BusinessDate, Calendar, Timestamp},
};
use paytone_engine::what_if::{Moneys, Otherwise, Report, Sum};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{look_back, merchants::Plan, rules, session::SignedIn};
use crate::{
    edge::{amount, ids::Public as _, json::Body, problem::Problem, time},
    node::Node,
    past,
};

pub fn router() -> Router<Arc<Node>> {
    Router::new().route("/admin/api/replays", post(begin))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Rules by name; those that are left out are as they were.
    #[serde(default)]
    rules: BTreeMap<String, Value>,
    /// What every merchant pays.
    price_plan: Option<Plan>,
    /// What single merchants pay, by id.
    #[serde(default)]
    price_plans: BTreeMap<String, Plan>,
    /// A moment, or a business date with which the period begins.
    from: String,
    /// A moment that is not in the period any more, or the last business date that is.
    to: String,
}

async fn begin(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Body { value, .. }: Body<Asked>,
) -> Result<Response, Problem> {
    let currency = node.currency();
    let (settings, in_force) = node
        .engine
        .read(|state, _| (state.settings.clone(), state.rules.clone()))
        .await?
        .answer;
    let calendar = settings
        .and_then(|settings| Calendar::new(&settings.zone, settings.cut_off_minutes))
        .ok_or_else(|| Problem::internal("a journal without a calendar"))?;
    let from = moment("from", &value.from, &calendar, false)?;
    let until = moment("to", &value.to, &calendar, true)?;
    if until <= from {
        return Err(Problem::unprocessable("empty_period", "to is after from").field("to"));
    }
    // What is wrong with them is told before anything is replayed.
    let mut tried = in_force;
    for (name, value) in &value.rules {
        rules::change(&mut tried, name, value, currency)?;
    }
    let plan = match &value.price_plan {
        Some(plan) => Some(plan.read("price_plan.", currency)?),
        None => None,
    };
    let mut plans = Vec::new();
    for (id, plan) in &value.price_plans {
        let field = format!("price_plans.{id}");
        let merchant = MerchantId::read(&node.ids, id).ok_or_else(|| {
            Problem::unprocessable("unknown_merchant", "there is no such merchant").field(&field)
        })?;
        plans.push((merchant, plan.read(&format!("{field}."), currency)?));
    }
    let changes = value.rules;
    let otherwise = Otherwise {
        rules: Box::new(move |in_force| {
            let mut rules = in_force.clone();
            for (name, value) in &changes {
                // Each was tried above, and whether it makes sense does not hang on the others.
                let _ = rules::change(&mut rules, name, value, currency);
            }
            rules
        }),
        plan,
        plans: plans.into_iter().collect(),
        from,
        until,
    };
    look_back::run(&node, operator, move |node, _, progress| async move {
        let report = past::what_if(&node.config, otherwise, progress)
            .await
            .map_err(look_back::past_problem)?;
        told(&node, &report, from, until).await
    })
}

/// A moment, or the beginning or end of a business date.
fn moment(field: &str, text: &str, calendar: &Calendar, end: bool) -> Result<Timestamp, Problem> {
    let Ok(date) = text.parse::<jiff::civil::Date>() else {
        return time::read(field, text);
    };
    // What looks like a date may be the beginning of a whole moment.
    if text.len() > 10 {
        return time::read(field, text);
    }
    let date = BusinessDate::from_civil(date);
    let last = if end { date } else { BusinessDate(date.0 - 1) };
    Ok(calendar.end_of(last).plus(1))
}

async fn told(
    node: &Node,
    report: &Report,
    from: Timestamp,
    until: Timestamp,
) -> Result<Value, Problem> {
    let currency = node.currency();
    let by_reason = |sums: &BTreeMap<Veto, Sum>| -> Vec<Value> {
        let line = |(veto, sum): (&Veto, &Sum)| json!({"reason": veto.code(), "payments": sum.payments, "amount": amount::show_signed(sum.minor, currency)});
        sums.iter().map(line).collect()
    };
    let mut merchants = Vec::new();
    for (id, (recorded, replayed)) in &report.merchants {
        if recorded == replayed {
            continue;
        }
        let card = node
            .directory
            .merchant(*id, &node.subjects)
            .await
            .map_err(super::key_problem)?;
        merchants.push(json!({
            "id": id.show(&node.ids),
            "name": card.map(|card| card.name.to_string()),
            "recorded": moneys(recorded, currency),
            "replayed": moneys(replayed, currency),
        }));
    }
    let other: Vec<_> = report
        .otherwise
        .iter()
        .map(|((was, would_be), sum)| {
            json!({
                "was": was.code(), "would_be": would_be.code(), "payments": sum.payments,
                "amount": amount::show_signed(sum.minor, currency),
            })
        })
        .collect();
    let differences: Vec<_> = report
        .differences
        .iter()
        .map(|difference| {
            json!({
                "payment": difference.payment.show(&node.ids),
                "amount": amount::show(difference.amount, currency),
                "was": difference.was.map_or("allowed", Veto::code),
                "would_be": difference.would_be.map_or("allowed", Veto::code),
            })
        })
        .collect();
    Ok(json!({
        "from": time::show(from),
        "until": time::show(until),
        "currency": currency.code(),
        "same": report.is_same(),
        "requests": report.requests,
        "approvals": report.approvals,
        "stopped": by_reason(&report.stopped),
        "paid": by_reason(&report.paid),
        "paid_by_banks": amount::show(Amount::clamped(report.of_banks), currency),
        "asked": by_reason(&report.asked),
        "other_reason": other,
        "recorded": moneys(&report.recorded, currency),
        "replayed": moneys(&report.replayed, currency),
        "merchants": merchants,
        "differences": differences,
    }))
}

fn moneys(moneys: &Moneys, currency: Currency) -> Value {
    let show = |minor| amount::show_signed(minor, currency);
    json!({
        "captures": moneys.captures,
        "captured": show(moneys.captured),
        "fee": show(moneys.fee),
        "tax": show(moneys.tax),
    })
}
