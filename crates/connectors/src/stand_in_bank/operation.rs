//! What the stand-in bank keeps, takes and tells.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::funding::is_reference;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub balance_minor: i64,
    pub currency: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Collection,
    Return,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Progress {
    /// Accepted and not decided; decides itself at a time, after some questions, or by hand.
    Pending {
        due_ms: Option<u64>,
        status_calls_left: Option<u32>,
    },
    Done {
        bank_reference: String,
    },
    Refused {
        reason: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    pub reference: String,
    pub kind: Kind,
    /// The account whose balance moves; for a return of nothing known, empty.
    pub account: String,
    /// For a return: the collection it gives back.
    pub original: Option<String>,
    pub amount_minor: i64,
    pub currency: String,
    #[serde(flatten)]
    pub progress: Progress,
    /// Of a collection: how much of it has gone back.
    pub returned_minor: i64,
    /// Its place in the order of arrival, from 1.
    pub number: u64,
}

impl Operation {
    /// Nothing asked, nothing decided.
    pub(super) fn new() -> Self {
        Self {
            reference: String::new(),
            kind: Kind::Collection,
            account: String::new(),
            original: None,
            amount_minor: 0,
            currency: String::new(),
            progress: Progress::Pending {
                due_ms: None,
                status_calls_left: None,
            },
            returned_minor: 0,
            number: 0,
        }
    }
}

/// `POST /collections`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collect {
    pub reference: String,
    pub account: String,
    pub amount_minor: i64,
    pub currency: String,
}

/// `POST /returns`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GiveBack {
    pub reference: String,
    pub original: String,
    pub amount_minor: i64,
    pub currency: String,
}

/// How the bank treats collections and returns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Behaviour {
    #[default]
    Normal,
    /// Does it at once and answers late.
    Delay {
        ms: u64,
    },
    /// The request itself is late: for a while the bank knows nothing of it.
    DelayRequest {
        ms: u64,
    },
    Refuse {
        reason: String,
    },
    /// Does it, then drops the connection.
    LoseAnswer,
    /// Does nothing and drops the connection.
    LoseRequest,
    /// Answers 202; decides after a time, after some status calls, or only by hand.
    LateSuccess {
        after_ms: Option<u64>,
        after_status_calls: Option<u32>,
    },
    /// Answers 503 and does nothing; status calls included.
    Unavailable,
}

/// One change of state, as it is written to the file. Applying the records in order rebuilds all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    Account {
        account: String,
        balance_minor: i64,
        currency: String,
    },
    Operation(Operation),
}

/// `GET /statement`: the bank's side of the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    pub accounts: BTreeMap<String, Account>,
    /// In order of arrival.
    pub operations: Vec<Operation>,
    /// Per currency.
    pub totals: BTreeMap<String, Totals>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub collections_done: u64,
    pub collected_minor: i64,
    pub returns_done: u64,
    pub returned_minor: i64,
    pub refused: u64,
    pub pending: u64,
}

impl Statement {
    pub(super) fn of<'a>(
        accounts: &BTreeMap<String, Account>,
        operations: impl Iterator<Item = &'a Operation>,
    ) -> Self {
        let mut operations: Vec<Operation> = operations.cloned().collect();
        operations.sort_by_key(|operation| operation.number);
        let mut totals: BTreeMap<String, Totals> = BTreeMap::new();
        for operation in &operations {
            totals
                .entry(operation.currency.clone())
                .or_default()
                .count(operation);
        }
        Self {
            accounts: accounts.clone(),
            operations,
            totals,
        }
    }
}

impl Totals {
    fn count(&mut self, operation: &Operation) {
        let amount_minor = operation.amount_minor;
        match (&operation.progress, operation.kind) {
            (Progress::Done { .. }, Kind::Collection) => {
                self.collections_done += 1;
                self.collected_minor = self.collected_minor.saturating_add(amount_minor);
            }
            (Progress::Done { .. }, Kind::Return) => {
                self.returns_done += 1;
                self.returned_minor = self.returned_minor.saturating_add(amount_minor);
            }
            (Progress::Refused { .. }, _) => self.refused += 1,
            (Progress::Pending { .. }, _) => self.pending += 1,
        }
    }
}

pub(super) fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Which of what every order carries cannot be right.
pub(super) fn wrong_field(
    reference: &str,
    amount_minor: i64,
    currency: &str,
) -> Option<&'static str> {
    if !is_reference(reference) {
        Some("reference")
    } else if amount_minor <= 0 {
        Some("amount_minor")
    } else if !is_currency(currency) {
        Some("currency")
    } else {
        None
    }
}
