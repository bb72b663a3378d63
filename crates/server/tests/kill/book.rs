//! What clients were told, in their own words, and what follows from it.

use std::collections::HashMap;

use serde_json::Value;

use crate::wire::{Call, Told};

/// A payment as its merchant knows it.
#[derive(Clone, Debug)]
pub struct Known {
    pub shop: usize,
    pub payer: usize,
    pub amount: i64,
    pub status: String,
    pub captured: i64,
    pub refunded: i64,
}

/// A request with an idempotency key and the first answer to it.
#[derive(Clone, Debug)]
pub struct Kept {
    pub call: Call,
    pub told: Told,
}

#[derive(Debug, Default)]
pub struct Book {
    pub payments: HashMap<String, Known>,
    /// Ids by shop, oldest first.
    pub of_shop: HashMap<usize, Vec<String>>,
    /// Per refund: its payment and amount.
    pub refunds: HashMap<String, (String, i64)>,
    pub kept: Vec<Kept>,
    /// What phones were told an approval or refusal came to.
    pub decided: HashMap<String, String>,
}

/// "12.80" → 1280. The tests' currency has two digits.
pub fn minor(text: &Value) -> i64 {
    let text = text.as_str().expect("an amount is text");
    let (whole, fraction) = text.split_once('.').expect("two digits after the point");
    assert_eq!(fraction.len(), 2, "{text}");
    whole.parse::<i64>().expect("digits") * 100 + fraction.parse::<i64>().expect("digits")
}

/// 1280 → "12.80".
pub fn major(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

/// How far a payment is; it never goes back.
fn stage(status: &str) -> u8 {
    match status {
        "awaiting_approval" => 0,
        "funding" => 1,
        "authorized" => 2,
        "captured" | "declined" | "refused" | "expired" | "cancelled" | "failed" => 3,
        other => panic!("no payment is {other}"),
    }
}

impl Known {
    /// Fails if `payment`, as the server shows it now, takes back anything that was told before.
    #[track_caller]
    pub fn assert_kept(&self, payment: &Value) {
        let status = payment["status"].as_str().expect("a status");
        let told = &self.status;
        assert!(
            stage(status) > stage(told) || status == told,
            "told {told}, now {status}: {payment}"
        );
        assert_eq!(minor(&payment["amount"]), self.amount, "{payment}");
        let (captured, refunded) = amounts(payment);
        assert!(refunded >= self.refunded, "told {self:?}, now {payment}");
        if told == "captured" {
            assert_eq!(captured, self.captured, "{payment}");
        }
        assert!(refunded <= captured && captured <= self.amount, "{payment}");
    }

    /// Takes over what an answer says; an old answer, given again, does not take anything back.
    pub fn learn(&mut self, payment: &Value) {
        let status = payment["status"].as_str().expect("a status");
        if stage(status) >= stage(&self.status) {
            status.clone_into(&mut self.status);
        }
        let (captured, refunded) = amounts(payment);
        self.captured = self.captured.max(captured);
        self.refunded = self.refunded.max(refunded);
    }

    /// What this payment took from its payer's balance.
    pub fn spent(&self) -> i64 {
        self.captured - self.refunded
    }

    /// What it holds on its payer's balance.
    pub fn held(&self) -> i64 {
        match self.status.as_str() {
            "authorized" => self.amount,
            _ => 0,
        }
    }
}

fn amounts(payment: &Value) -> (i64, i64) {
    (
        minor(&payment["captured_amount"]),
        minor(&payment["refunded_amount"]),
    )
}

impl Book {
    /// A new payment, or what an answer says of a known one.
    pub fn note(&mut self, shop: usize, payer: usize, payment: &Value) -> String {
        let id = payment["id"].as_str().expect("an id").to_owned();
        let known = self.payments.entry(id.clone()).or_insert_with(|| {
            self.of_shop.entry(shop).or_default().push(id.clone());
            Known {
                shop,
                payer,
                amount: minor(&payment["amount"]),
                status: "awaiting_approval".to_owned(),
                captured: 0,
                refunded: 0,
            }
        });
        known.learn(payment);
        id
    }

    pub fn learn(&mut self, payment: &Value) {
        let id = payment["id"].as_str().expect("an id");
        self.payments
            .get_mut(id)
            .expect("a known payment")
            .learn(payment);
    }
}
