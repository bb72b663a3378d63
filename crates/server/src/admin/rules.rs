//! The operator's rules by name: shown, and changed as new versions.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Router, extract::State, http::StatusCode, response::Response, routing::get};
use paytone_domain::{
    money::{Amount, Currency},
    operator::Operation,
    risk::Rules,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{operation, session::SignedIn};
use crate::{
    edge::{
        amount,
        json::{self, Body},
        problem::Problem,
    },
    node::Node,
};

pub fn router() -> Router<Arc<Node>> {
    Router::new().route("/admin/api/rules", get(show).put(set))
}

/// One rule: where it stands in [`Rules`], and which values make sense.
enum Rule {
    Amount(fn(&mut Rules) -> &mut Amount),
    Count(fn(&mut Rules) -> &mut u32, u32, u32),
    Tries(fn(&mut Rules) -> &mut u8, u8, u8),
    Switch(fn(&mut Rules) -> &mut bool),
}

use Rule::{Count, Switch, Tries};

/// Every rule, as people name it. A test holds this against [`Rules`].
const RULES: &[(&str, Rule)] = &[
    ("payment_limit", Rule::Amount(|r| &mut r.payment_limit)),
    ("daily_limit", Rule::Amount(|r| &mut r.daily_limit)),
    ("monthly_limit", Rule::Amount(|r| &mut r.monthly_limit)),
    (
        "other_person_limit",
        Rule::Amount(|r| &mut r.other_person_limit),
    ),
    (
        "reduced_payment_limit",
        Rule::Amount(|r| &mut r.reduced_payment_limit),
    ),
    (
        "reduced_daily_limit",
        Rule::Amount(|r| &mut r.reduced_daily_limit),
    ),
    (
        "tap_limit",
        Rule::Amount(|r| r.tap_limit.get_or_insert(Rules::TAP_LIMIT)),
    ),
    (
        "code_limit",
        Rule::Amount(|r| r.code_limit.get_or_insert(Rules::CODE_LIMIT)),
    ),
    (
        "code_offline_limit",
        Rule::Amount(|r| {
            r.code_offline_limit
                .get_or_insert(Rules::CODE_OFFLINE_LIMIT)
        }),
    ),
    (
        "code_offline_hours",
        Count(
            |r| {
                r.code_offline_hours
                    .get_or_insert(Rules::CODE_OFFLINE_HOURS)
            },
            1,
            720,
        ),
    ),
    // Two digits of a code tell its half minute among the hundred nearest.
    (
        "code_seconds",
        Count(
            |r| r.code_seconds.get_or_insert(Rules::CODE_SECONDS),
            30,
            1_200,
        ),
    ),
    (
        "number_age_days",
        Count(|r| &mut r.number_age_days, 0, 3_650),
    ),
    (
        "cooling_off_hours",
        Count(|r| &mut r.cooling_off_hours, 0, 8_760),
    ),
    (
        "line_facts_hours",
        Count(|r| &mut r.line_facts_hours, 1, 87_600),
    ),
    (
        "merchant_prompts_per_hour",
        Count(|r| &mut r.merchant_prompts_per_hour, 1, u32::MAX),
    ),
    (
        "merchant_open",
        Count(|r| &mut r.merchant_open, 1, u32::MAX),
    ),
    (
        "merchant_wrong_codes_per_day",
        Count(|r| &mut r.merchant_wrong_codes_per_day, 1, u32::MAX),
    ),
    (
        "payer_open_prompts",
        Count(|r| &mut r.payer_open_prompts, 1, 100),
    ),
    (
        "attention_per_day",
        Count(|r| &mut r.attention_per_day, 1, 10_000),
    ),
    ("prompt_seconds", Count(|r| &mut r.prompt_seconds, 30, 900)),
    ("capture_days", Count(|r| &mut r.capture_days, 1, 90)),
    // Merchants are promised a day.
    (
        "idempotency_hours",
        Count(|r| &mut r.idempotency_hours, 24, 8_760),
    ),
    ("pin_tries", Tries(|r| &mut r.pin_tries, 1, 10)),
    (
        "recovery_wait_hours",
        Count(|r| &mut r.recovery_wait_hours, 0, 720),
    ),
    (
        "recovery_reduced_hours",
        Count(|r| &mut r.recovery_reduced_hours, 0, 8_760),
    ),
    (
        "number_enrolments",
        Count(|r| &mut r.number_enrolments, 1, 100),
    ),
    ("enrolments", Count(|r| &mut r.enrolments, 1, u32::MAX)),
    (
        "enrolment_minutes",
        Count(|r| &mut r.enrolment_minutes, 1, 1_440),
    ),
    (
        "open_payments",
        Count(|r| &mut r.open_payments, 1, u32::MAX),
    ),
    (
        "four_eyes.adjustments",
        Switch(|r| &mut r.four_eyes.adjustments),
    ),
    ("four_eyes.rules", Switch(|r| &mut r.four_eyes.rules)),
    (
        "four_eyes.client_keys",
        Switch(|r| &mut r.four_eyes.client_keys),
    ),
    (
        "four_eyes.unblocking",
        Switch(|r| &mut r.four_eyes.unblocking),
    ),
];

/// Every rule with its value as JSON, in the order of the table.
pub fn values(rules: &Rules, currency: Currency) -> Vec<(&'static str, Value)> {
    let mut rules = rules.clone();
    RULES
        .iter()
        .map(|(name, rule)| {
            let value = match rule {
                Rule::Amount(place) => amount::show(*place(&mut rules), currency).into(),
                Count(place, ..) => (*place(&mut rules)).into(),
                Tries(place, ..) => (*place(&mut rules)).into(),
                Switch(place) => (*place(&mut rules)).into(),
            };
            (*name, value)
        })
        .collect()
}

/// What differs between two sets of rules: name, before, after.
pub fn differences(
    before: &Rules,
    after: &Rules,
    currency: Currency,
) -> Vec<(&'static str, Value, Value)> {
    values(before, currency)
        .into_iter()
        .zip(values(after, currency))
        .filter(|((_, before), (_, after))| before != after)
        .map(|((name, before), (_, after))| (name, before, after))
        .collect()
}

/// Sets one rule by its name.
pub(super) fn change(
    rules: &mut Rules,
    name: &str,
    value: &Value,
    currency: Currency,
) -> Result<(), Problem> {
    let Some((_, rule)) = RULES.iter().find(|(known, _)| *known == name) else {
        return Err(
            Problem::bad_request("unknown_field", format!("there is no rule {name}")).field(name),
        );
    };
    let wrong = |detail: String| Problem::unprocessable("invalid_rule", detail).field(name);
    let whole = |least: u64, most: u64| {
        // A command line has only text.
        let text = value.as_str().and_then(|text| text.parse().ok());
        value
            .as_u64()
            .or(text)
            .filter(|count| (least..=most).contains(count))
            .ok_or_else(|| wrong(format!("{name} is a whole number from {least} to {most}")))
    };
    match rule {
        Rule::Amount(place) => {
            let text = value.as_str().ok_or_else(|| {
                wrong(format!(
                    "{name} is a decimal number in a string, such as \"128.00\""
                ))
            })?;
            let is_zero = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
            *place(rules) = if is_zero && text.starts_with('0') {
                Amount::ZERO
            } else {
                amount::read(name, text, currency)?
            };
        }
        Count(place, least, most) => {
            let count = whole(u64::from(*least), u64::from(*most))?;
            *place(rules) = u32::try_from(count).unwrap_or(*most);
        }
        Tries(place, least, most) => {
            let count = whole(u64::from(*least), u64::from(*most))?;
            *place(rules) = u8::try_from(count).unwrap_or(*most);
        }
        Switch(place) => {
            *place(rules) = match (value.as_bool(), value.as_str()) {
                (Some(on), _) => on,
                (_, Some("true")) => true,
                (_, Some("false")) => false,
                _ => return Err(wrong(format!("{name} is true or false"))),
            };
        }
    }
    Ok(())
}

async fn show(State(node): State<Arc<Node>>, _: SignedIn) -> Result<Response, Problem> {
    let rules = node
        .engine
        .read(|state, _| state.rules.clone())
        .await?
        .answer;
    let shown: Vec<_> = values(&rules, node.currency())
        .into_iter()
        .map(|(code, value)| json!({"code": code, "value": value}))
        .collect();
    Ok(json::answer(
        StatusCode::OK,
        &json!({"version": rules.version, "currency": node.currency().code(), "rules": shown}),
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRules {
    /// Rules by name; those that are left out stay as they are.
    rules: BTreeMap<String, Value>,
}

async fn set(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Body { value, bytes }: Body<NewRules>,
) -> Result<Response, Problem> {
    let mut rules = node
        .engine
        .read(|state, _| state.rules.clone())
        .await?
        .answer;
    for (name, value) in &value.rules {
        change(&mut rules, name, value, node.currency())?;
    }
    let operation = Operation::SetRules(Box::new(rules));
    operation::done(&node, operator.asks(&node, &bytes), operation).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yuan() -> Currency {
        Currency::new("CNY", 2).expect("a currency")
    }

    #[test]
    fn every_rule_can_be_named() {
        // Whatever `Debug` shows of the rules has a name here.
        let shown = format!("{:#?}", Rules::default());
        let fields = shown
            .lines()
            .filter_map(|line| line.trim().split_once(": "))
            .map(|(field, _)| field)
            .filter(|field| !matches!(*field, "version" | "four_eyes"));
        for field in fields {
            let named = RULES
                .iter()
                .any(|(name, _)| *name == field || *name == format!("four_eyes.{field}"));
            assert!(named, "{field}");
        }
        assert_eq!(
            RULES.len(),
            shown.matches(": ").count() - 2,
            "version and four_eyes apart"
        );
    }

    #[test]
    fn a_rule_is_changed_by_name_within_what_makes_sense() {
        for (name, value, outcome) in [
            ("payment_limit", json!("128.50"), Ok("payment_limit")),
            (
                "reduced_payment_limit",
                json!("0.00"),
                Ok("reduced_payment_limit"),
            ),
            ("payment_limit", json!(128), Err("invalid_rule")),
            ("payment_limit", json!("1.005"), Err("too_many_decimals")),
            ("number_age_days", json!(30), Ok("number_age_days")),
            ("number_age_days", json!("30"), Ok("number_age_days")),
            ("number_age_days", json!(-1), Err("invalid_rule")),
            ("idempotency_hours", json!(23), Err("invalid_rule")),
            ("pin_tries", json!(11), Err("invalid_rule")),
            ("pin_tries", json!(3), Ok("pin_tries")),
            ("four_eyes.rules", json!(false), Ok("four_eyes.rules")),
            ("four_eyes.rules", json!(1), Err("invalid_rule")),
            ("four_eyes", json!(false), Err("unknown_field")),
            ("payment_limits", json!("1.00"), Err("unknown_field")),
        ] {
            let before = Rules::default();
            let mut after = before.clone();
            let got = change(&mut after, name, &value, yuan())
                .map(|()| {
                    let differs = differences(&before, &after, yuan());
                    assert_eq!(differs.len(), 1, "{name}");
                    differs[0].0
                })
                .map_err(|problem| problem.code);
            assert_eq!(got, outcome, "{name} {value}");
        }
    }
}
