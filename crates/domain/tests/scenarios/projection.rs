//! What a merchant may know: the same of a stranger's number, a vetoed payer and a silent one.
//!
//! The same requests are made in worlds that differ in nothing but who holds the number. Everything that the merchant can
//! see, and when, must be equal to the last bit, ids and codes included.

use paytone_domain::{mandate::MandateFacts, payment::PaymentFacts, time::Timestamp};

use crate::support::script::Script;

/// What the merchant `shop` could see after one row.
type Sight = (
    Timestamp,
    String,
    Vec<PaymentFacts>,
    Vec<MandateFacts>,
    u32,
    u32,
);

/// Runs `rows` with `NUMBER` replaced, and notes what the merchant sees after each. Rows that begin with `*` happen on the
/// payer's side: their outcome is not the merchant's to see.
fn sights(before: &str, number: &str, rows: &str) -> Vec<Sight> {
    let mut script = Script::default();
    for row in before.lines().map(str::trim).filter(|row| !row.is_empty()) {
        script.run(row);
    }
    let rows = rows.replace("NUMBER", number);
    let mut sights = Vec::new();
    for row in rows.lines().map(str::trim).filter(|row| !row.is_empty()) {
        if let Some(hidden) = row.strip_prefix('*') {
            if number == "bob" {
                script.run(hidden);
            }
            continue;
        }
        let told = script.run(row);
        // In brackets stands what the merchant is not told.
        let told = told.split(" [").next().unwrap_or_default().to_owned();
        let shop = script.merchant("shop");
        let state = &script.world.state;
        let mut payments: Vec<_> = state
            .payments
            .values()
            .filter(|payment| payment.merchant == shop)
            .map(|payment| payment.facts(payment.snapshot()))
            .collect();
        payments.sort_by_key(|payment| payment.id);
        let mut mandates: Vec<_> = state
            .mandates
            .values()
            .filter(|mandate| mandate.merchant == shop)
            .map(|mandate| mandate.facts(mandate.status))
            .collect();
        mandates.sort_by_key(|mandate| mandate.id);
        let merchant = state.merchants.get(shop).expect("a merchant");
        let prompts = merchant.prompts.in_this_hour(&script.world.moment);
        sights.push((
            script.world.moment.now,
            told,
            payments,
            mandates,
            merchant.open,
            prompts,
        ));
    }
    sights
}

#[track_caller]
fn alike(rows: &str) {
    let silent = sights("", "alice", rows);
    for (who, before, number) in [
        ("a stranger's number", "", "nobody"),
        ("a blocked payer", "block alice", "alice"),
        (
            "a line that is not active",
            "line alice status=suspended",
            "alice",
        ),
        ("a changed SIM", "line alice sim=now", "alice"),
        ("a payer without a phone", "stop alice by=alice", "alice"),
        ("a payer with a low limit", "rules payment_limit=1", "alice"),
        (
            "a payer whose attention is spent",
            "rules attention_per_day=0",
            "alice",
        ),
        (
            "one who does things on the phone that do not count",
            "",
            "bob",
        ),
    ] {
        let seen = sights(before, number, rows);
        for (silent, seen) in silent.iter().zip(&seen) {
            assert_eq!(silent, seen, "{who}");
        }
    }
}

#[test]
fn a_payment_that_expires_looks_alike_for_every_number() {
    alike(
        "
        pay p NUMBER shop 100 in=60s key=a body=1
        pay p NUMBER shop 100 in=60s key=a body=1
        * approve p sig=bad
        * approve p pin=wrong
        * approve p
        pay q NUMBER shop 100 other
        capture p
        refund r p
        wait 59s
        wait 1s
        cancel p
        capture p
        wait 2m
        pay p NUMBER shop 100 in=60s key=a body=1
        ",
    );
}

#[test]
fn a_veto_at_the_approval_looks_like_silence() {
    alike(
        "
        pay p NUMBER shop 100
        * line bob sim=now
        * approve p
        tick
        pay q NUMBER shop 100
        wait 3m
        ",
    );
}

#[test]
fn a_cancelled_payment_looks_alike_for_every_number() {
    alike(
        "
        pay p NUMBER shop 100 manual
        cancel p key=a
        cancel p key=a
        cancel p
        pay q NUMBER shop 100
        pass 3m
        cancel q
        tick
        ",
    );
}

#[test]
fn the_merchants_own_limits_are_told_alike_for_every_number() {
    alike(
        "
        limits shop payment=99
        pay p NUMBER shop 100
        pay q NUMBER shop 99
        block shop
        pay r NUMBER shop 10
        wait 3m
        ",
    );
}

#[test]
fn a_mandate_that_nobody_signs_looks_alike_for_every_number() {
    alike(
        "
        mandate m NUMBER shop key=a
        charge c m 10
        mandate m NUMBER shop key=a
        mandate n NUMBER shop
        end n
        wait 3m
        charge c m 10
        end m
        ",
    );
}
