//! Money from a bank that misbehaves: afterwards both sides' books say the same, and nothing moved twice.

use std::collections::BTreeSet;

use paytone_domain::{
    funding::EffectState,
    ledger::Account,
    operator::{Done, Operation},
    payment::Status,
};
use serde_json::{Value, json};

use crate::payer::{ACCOUNT, OPENING_MINOR, Running, Town};

/// Both sides' books after everything is settled.
async fn books_agree(town: &Town, running: &Running) -> Value {
    running.settled().await;
    let statement = town.statement().await;
    let totals = &statement["totals"]["CNY"];
    let number = |name: &str| totals[name].as_i64().unwrap_or_default();
    let net = number("collected_minor") - number("returned_minor");
    assert_eq!(number("pending"), 0);
    assert_eq!(running.posted(Account::BankClearing).await, -net);
    assert_eq!(running.posted(Account::Suspense).await, 0);
    assert_eq!(running.posted(Account::Collected).await, 0);
    let left = statement["accounts"][ACCOUNT]["balance_minor"].as_i64();
    assert_eq!(left, Some(OPENING_MINOR - net));
    let operations = statement["operations"].as_array().expect("a list");
    let references: BTreeSet<_> = operations
        .iter()
        .map(|operation| operation["reference"].to_string())
        .collect();
    assert_eq!(references.len(), operations.len(), "one order, one line");
    statement
}

fn done(statement: &Value, kind: &str) -> usize {
    let operations = statement["operations"].as_array().expect("a list");
    operations
        .iter()
        .filter(|operation| operation["kind"] == kind && operation["status"] == "done")
        .count()
}

#[tokio::test]
async fn whatever_the_bank_does_in_time_moves_money_once_or_not_at_all() {
    let town = Town::new().await;
    let running = town.start().await;
    let mut collected = 0;
    for (behaviour, times, outcome) in [
        (json!({"kind": "normal"}), 1, "captured"),
        (json!({"kind": "delay", "ms": 300}), 1, "captured"),
        // Longer than the connector waits: the answer is never seen.
        (json!({"kind": "delay", "ms": 1_500}), 1, "captured"),
        // The order arrives after the first question about it.
        (json!({"kind": "delay_request", "ms": 1_400}), 1, "captured"),
        (json!({"kind": "lose_answer"}), 1, "captured"),
        (json!({"kind": "lose_request"}), 2, "captured"),
        (json!({"kind": "unavailable"}), 3, "captured"),
        (
            json!({"kind": "late_success", "after_ms": 500}),
            1,
            "captured",
        ),
        (
            json!({"kind": "late_success", "after_status_calls": 3}),
            1,
            "captured",
        ),
        (
            json!({"kind": "refuse", "reason": "account_closed"}),
            1,
            "failed",
        ),
    ] {
        town.behave(behaviour.clone(), times).await;
        let payment = running.pay(1_000 + collected, 60).await;
        running
            .until("a verdict", move |state| {
                state
                    .payments
                    .get(&payment)
                    .is_some_and(|payment| payment.status != Status::Funding)
            })
            .await;
        assert_eq!(running.status(payment).await, outcome, "{behaviour}");
        collected += i64::from(outcome == "captured");
    }
    let statement = books_agree(&town, &running).await;
    assert_eq!(done(&statement, "collection") as i64, collected);
    assert_eq!(done(&statement, "return"), 0);
    running.stop().await;
}

#[tokio::test]
async fn money_that_comes_after_the_verdict_goes_back() {
    let town = Town::new().await;
    let running = town.start().await;
    let late = json!({"kind": "late_success", "after_ms": 2_500});
    town.behave(late, 1).await;
    let payment = running.pay(5_000, 1).await;
    running
        .until("the deadline's verdict", move |state| {
            state
                .payments
                .get(&payment)
                .is_some_and(|payment| payment.status == Status::Failed)
        })
        .await;
    assert_eq!(town.statement().await["totals"]["CNY"]["pending"], 1);
    let statement = books_agree(&town, &running).await;
    assert_eq!(running.status(payment).await, "failed");
    assert_eq!(
        (done(&statement, "collection"), done(&statement, "return")),
        (1, 1)
    );
    running.stop().await;
}

#[tokio::test]
async fn a_refund_goes_back_to_the_account_whatever_is_lost_on_the_way() {
    let town = Town::new().await;
    let running = town.start().await;
    for (behaviour, times) in [
        (json!({"kind": "normal"}), 1),
        (json!({"kind": "lose_answer"}), 1),
        (json!({"kind": "lose_request"}), 1),
        (json!({"kind": "late_success", "after_status_calls": 2}), 1),
    ] {
        let payment = running.pay(2_000, 60).await;
        running.settled().await;
        assert_eq!(running.status(payment).await, "captured");
        town.behave(behaviour, times).await;
        running.refund(payment).await;
        books_agree(&town, &running).await;
    }
    let statement = town.statement().await;
    assert_eq!(
        (done(&statement, "collection"), done(&statement, "return")),
        (4, 4)
    );
    running.stop().await;
}

#[tokio::test]
async fn money_the_bank_would_not_take_back_waits_for_a_person_who_can_try_again() {
    let town = Town::new().await;
    let running = town.start().await;
    let payment = running.pay(3_000, 60).await;
    running.settled().await;
    town.behave(json!({"kind": "refuse", "reason": "account_blocked"}), 1)
        .await;
    running.refund(payment).await;
    running
        .until("a stuck effect", |state| {
            state
                .effects
                .values()
                .any(|effect| effect.state == EffectState::Stuck)
        })
        .await;
    assert_ne!(running.posted(Account::Suspense).await, 0);
    let stuck = running
        .node
        .engine
        .read(|state, _| state.effects.keys().next().copied())
        .await
        .expect("a look")
        .answer
        .expect("an effect");
    let again = running.operate(Operation::RepeatEffect(stuck)).await;
    assert_eq!(again, Done::Done);
    let statement = books_agree(&town, &running).await;
    assert_eq!(done(&statement, "return"), 1);
    running.stop().await;
}

#[tokio::test]
async fn what_was_unknown_when_the_node_stopped_is_asked_about_after_the_start() {
    let town = Town::new().await;
    let running = town.start().await;
    // Decided by hand only.
    town.behave(json!({"kind": "late_success"}), 1).await;
    let payment = running.pay(4_000, 60).await;
    running
        .until("an unknown effect", |state| {
            state
                .effects
                .values()
                .any(|effect| effect.state == EffectState::Unknown)
        })
        .await;
    running.stop().await;
    let statement = town.statement().await;
    let reference = statement["operations"][0]["reference"]
        .as_str()
        .expect("a reference");
    let complete = format!("/operations/{reference}/complete");
    town.ask_bank("POST", &complete, json!({})).await;
    let running = town.start().await;
    let statement = books_agree(&town, &running).await;
    assert_eq!(running.status(payment).await, "captured");
    assert_eq!(done(&statement, "collection"), 1);
    running.stop().await;
}
