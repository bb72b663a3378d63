//! The words of scenarios that operators and network exports say.

use paytone_domain::{
    grant::{ExpiredRefund, Origin, Scope},
    merchant::MerchantLimits,
    money::Amount,
    operator::{BalanceRow, Done, HeldAs, Operation, OperatorRefusal},
    risk::Rules,
    subscriber::{LineStatus, RowOutcome, RowRefusal},
    time::Timestamp,
};

use super::{
    script::{Script, amount, number, sealed},
    words::{Row, span},
};

pub fn run(script: &mut Script, row: &Row<'_>) -> String {
    match row.words[0] {
        "cash" | "grant" => balance(script, row),
        "line" | "renumber" | "recycle" => line(script, row),
        _ => operator(script, row),
    }
}

fn told(script: &mut Script, row: &Row<'_>, done: Result<Done, OperatorRefusal>) -> String {
    match done {
        Ok(Done::Done) => "ok".to_owned(),
        Ok(Done::Unchanged) => "unchanged".to_owned(),
        Ok(Done::LotGiven(lot)) => {
            script.lots.insert(row.words[1].to_owned(), lot);
            "ok".to_owned()
        }
        Ok(Done::RulesSet(version)) => format!("version {version}"),
        Ok(other) => format!("{other:?}"),
        Err(refusal) => format!("no: {}", refusal.code()),
    }
}

fn in_days(script: &Script, text: &str) -> Timestamp {
    script.world.moment.now.plus(span(text))
}

fn balance(script: &mut Script, row: &Row<'_>) -> String {
    let (who, minor, held_as) = if row.words[0] == "cash" {
        (row.words[1], row.words[2], HeldAs::Cash)
    } else {
        let scope = Scope {
            merchants: row
                .pair("at")
                .map(|at| script.merchant(at))
                .into_iter()
                .collect(),
            categories: row
                .pair("in")
                .map(|code| code.parse().expect("a code"))
                .into_iter()
                .collect(),
        };
        let expired_refund = match row.pair("refund") {
            None | Some("cash") => ExpiredRefund::Cash,
            Some("forfeit") => ExpiredRefund::Forfeit,
            Some(extend) => {
                let days = extend.trim_start_matches("extend:");
                ExpiredRefund::Extend(days.parse().expect("days"))
            }
        };
        let held_as = HeldAs::Grant {
            origin: match row.pair("origin") {
                Some("gift") => Origin::Gift,
                Some("welfare") => Origin::Welfare,
                _ => Origin::Campaign,
            },
            label: sealed(row.words[1]),
            tax_class: 1,
            expires_at: row.pair("expires").map(|text| in_days(script, text)),
            scope,
            expired_refund,
        };
        (row.words[2], row.words[3], held_as)
    };
    let fresh = script.entropy();
    let operation = Operation::ImportBalance(Box::new(BalanceRow {
        row: row.minor("row").map_or(fresh, |row| row as u64),
        subscriber: script.person(who),
        amount: amount(minor.parse().expect("an amount")),
        held_as,
    }));
    let done = script.act(operation);
    told(script, row, done)
}

fn line(script: &mut Script, row: &Row<'_>) -> String {
    let name = row.words[1];
    let mut next = script.row(name);
    let now = script.world.moment.now;
    let at = |text: &str| {
        if text == "now" {
            now
        } else {
            now.plus(-span(text))
        }
    };
    for (what, value) in row.pairs() {
        match what {
            "bill" => next.line.bill_limit = amount(value.parse().expect("an amount")),
            "sim" => next.line.sim_changed = Some(at(value)),
            "device" => next.line.device_changed = Some(at(value)),
            "activated" => next.line.activated = at(value),
            "asof" => next.line.as_of = at(value),
            "profile" => next.profile_hash = value.parse().expect("a number"),
            "status" => {
                next.line.status = match value {
                    "active" => LineStatus::Active,
                    "suspended" => LineStatus::Suspended,
                    _ => LineStatus::Terminated,
                }
            }
            other => panic!("no line fact {other}"),
        }
    }
    if row.has("bank") {
        next.bank = Some(sealed("account"));
        next.profile_hash += 1;
    }
    match row.words[0] {
        "renumber" => {
            next.number = number(row.words[2]);
            next.renumbered_from = Some(number(name));
        }
        "recycle" => {
            next.recycled = true;
            next.subject = script.new_subject();
            if row.pair("activated").is_none() {
                next.line.activated = now;
            }
            next.line.as_of = now;
        }
        _ => {}
    }
    let outcome = script.import(&next);
    let newcomer = if row.words[0] == "line" {
        name
    } else {
        row.words[2]
    };
    let reached = if row.words[0] == "recycle" {
        name
    } else {
        newcomer
    };
    if let (Ok(RowOutcome::Added | RowOutcome::Recycled), Some(id)) =
        (outcome, script.holder(reached))
    {
        script.people.insert(newcomer.to_owned(), id);
    }
    match outcome {
        Ok(outcome) => format!("{outcome:?}").to_lowercase(),
        Err(
            refusal @ (RowRefusal::NumberTaken
            | RowRefusal::WrongSubject
            | RowRefusal::OlderThanKnown),
        ) => {
            format!("no: {}", refusal.code())
        }
    }
}

fn operator(script: &mut Script, row: &Row<'_>) -> String {
    let name = row.words.get(1).copied().unwrap_or_default();
    let merchant = script.merchants.get(name).copied();
    let person = script.people.get(name).copied();
    let operation = match (row.words[0], merchant, person) {
        ("rules", _, _) => {
            let mut rules = script.world.state.rules.clone();
            for (rule, value) in row.pairs() {
                set_rule(&mut rules, rule, value.parse().expect("a number"));
            }
            Operation::SetRules(Box::new(rules))
        }
        ("limits", Some(merchant), _) => {
            let mut limits: MerchantLimits = script
                .world
                .state
                .merchants
                .get(merchant)
                .expect("a merchant")
                .limits;
            let set = |limit: &mut Amount, name| {
                if let Some(minor) = row.minor(name) {
                    *limit = amount(minor);
                }
            };
            set(&mut limits.payment, "payment");
            set(&mut limits.daily, "daily");
            Operation::SetMerchantLimits { merchant, limits }
        }
        ("block", Some(merchant), _) => Operation::BlockMerchant(merchant),
        ("unblock", Some(merchant), _) => Operation::UnblockMerchant(merchant),
        ("block", _, Some(person)) => Operation::BlockSubscriber(person),
        ("unblock", _, Some(person)) => Operation::UnblockSubscriber(person),
        ("unlock", _, Some(person)) => Operation::UnlockPin(person),
        ("reset", _, Some(person)) => Operation::ResetPhone(person),
        ("erase", _, Some(person)) => Operation::EraseSubscriber(person),
        ("adjust", _, Some(person)) => Operation::Adjust {
            subscriber: person,
            minor: row.words[2].parse().expect("an amount"),
            reason: sealed("why"),
        },
        ("again", _, _) => Operation::RepeatEffect(script.effect_of(script.payments[name])),
        ("tobalance", _, _) => {
            Operation::PayEffectToBalance(script.effect_of(script.payments[name]))
        }
        (other, _, _) => panic!("no such word: {other} {name}"),
    };
    let done = script.act(operation);
    told(script, row, done)
}

fn set_rule(rules: &mut Rules, name: &str, value: i64) {
    let count = u32::try_from(value).expect("a count");
    match name {
        "payment_limit" => rules.payment_limit = amount(value),
        "daily_limit" => rules.daily_limit = amount(value),
        "monthly_limit" => rules.monthly_limit = amount(value),
        "other_person_limit" => rules.other_person_limit = amount(value),
        "reduced_payment_limit" => rules.reduced_payment_limit = amount(value),
        "reduced_daily_limit" => rules.reduced_daily_limit = amount(value),
        "merchant_prompts_per_hour" => rules.merchant_prompts_per_hour = count,
        "merchant_open" => rules.merchant_open = count,
        "merchant_wrong_codes_per_day" => rules.merchant_wrong_codes_per_day = count,
        "payer_open_prompts" => rules.payer_open_prompts = count,
        "attention_per_day" => rules.attention_per_day = count,
        "open_payments" => rules.open_payments = count,
        "enrolments" => rules.enrolments = count,
        "capture_days" => rules.capture_days = count,
        other => panic!("no rule {other}"),
    }
}
