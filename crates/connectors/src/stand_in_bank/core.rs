//! The bank's decisions, as a step function.
//!
//! ```text
//!   request ──▶ behaviour ─┬─ lose_request ─▶ Drop                ┌──────▶ Done
//!                          ├─ delay_request ▶ Later ─▶ (again)    │
//!                          └─ else ─▶ perform ─┬─ at once ────────┼──────▶ Refused
//!                                              └─ late ─▶ Pending ┘
//! ```
//! **Invariant:** balances change only in `settle`, which an operation passes once, on its
//! way out of nothing or out of `Pending`.
//!
//! **Not here:** sockets, files, clocks. The caller passes `now_ms`, writes the records before it
//! lets an answer go, and drops or delays as told.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::answers::{answer, malformed, not_found, order_answer, status_answer, unavailable};
use super::mood::Moods;
use super::operation::{
    Account, Behaviour, Collect, GiveBack, Kind, Operation, Progress, Record, Statement,
    is_currency, wrong_field,
};
use crate::funding::is_reference;

const ACCOUNT_CAP_BYTES: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Opens an account, or sets its balance anew.
    OpenAccount {
        account: String,
        balance_minor: i64,
        currency: String,
    },
    Collect(Collect),
    GiveBack(GiveBack),
    Status {
        reference: String,
    },
    /// Decides a pending operation by hand.
    Complete {
        reference: String,
    },
    Fail {
        reference: String,
        reason: String,
    },
    /// For one account, or for all that have none of their own; `times` requests long, or until changed.
    Behave {
        account: Option<String>,
        behaviour: Behaviour,
        times: Option<u32>,
    },
    Statement,
}

/// Whether a request comes in, or comes back after [`Fate::Later`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    Fresh,
    Delayed,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    Answer {
        status: u16,
        body: Value,
        after_ms: u64,
    },
    /// Close the connection without a word.
    Drop,
    /// Nothing has happened yet: hand the request in again, as [`Arrival::Delayed`].
    Later { after_ms: u64 },
}

/// What one request caused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// To be made durable before the fate is carried out.
    pub records: Vec<Record>,
    pub fate: Fate,
}

/// The whole bank.
#[derive(Clone, Debug, Default)]
pub struct Core {
    accounts: BTreeMap<String, Account>,
    operations: BTreeMap<String, Operation>,
    due: BTreeSet<(u64, String)>,
    moods: Moods,
    /// Collected while a step runs.
    records: Vec<Record>,
}

impl Core {
    pub fn new() -> Self {
        Self::default()
    }

    /// Rebuilds a bank from what its steps wrote. Behaviours are not kept: a restart is normal.
    pub fn restore(records: impl IntoIterator<Item = Record>) -> Self {
        let mut core = Self::default();
        for record in records {
            match record {
                Record::Account {
                    account,
                    balance_minor,
                    currency,
                } => {
                    core.accounts.insert(
                        account,
                        Account {
                            balance_minor,
                            currency,
                        },
                    );
                }
                Record::Operation(operation) => {
                    core.operations
                        .insert(operation.reference.clone(), operation);
                }
            }
        }
        for operation in core.operations.values() {
            if let Progress::Pending {
                due_ms: Some(due_ms),
                ..
            } = operation.progress
            {
                core.due.insert((due_ms, operation.reference.clone()));
            }
        }
        core
    }

    /// When the next pending operation decides itself, if any does.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.due.first().map(|(due_ms, _)| *due_ms)
    }

    /// Takes one request at `now_ms`.
    pub fn step(&mut self, request: Request, arrival: Arrival, now_ms: u64) -> Step {
        self.settle_due(now_ms);
        let fate = match request {
            Request::OpenAccount {
                account,
                balance_minor,
                currency,
            } => self.open_account(account, balance_minor, currency),
            Request::Collect(order) => self.collect(order, arrival, now_ms),
            Request::GiveBack(order) => self.give_back(order, arrival, now_ms),
            Request::Status { reference } => self.status(&reference),
            Request::Complete { reference } => self.decide(&reference, None),
            Request::Fail { reference, reason } => self.decide(&reference, Some(reason)),
            Request::Behave {
                account,
                behaviour,
                times,
            } => self.behave(account, behaviour, times),
            Request::Statement => answer(200, json!(self.statement())),
        };
        Step {
            records: std::mem::take(&mut self.records),
            fate,
        }
    }

    /// The bank's side of the books.
    pub fn statement(&self) -> Statement {
        Statement::of(&self.accounts, self.operations.values())
    }

    fn open_account(&mut self, account: String, balance_minor: i64, currency: String) -> Fate {
        if account.is_empty() || account.len() > ACCOUNT_CAP_BYTES {
            return malformed("account");
        }
        if balance_minor < 0 {
            return malformed("balance_minor");
        }
        if !is_currency(&currency) {
            return malformed("currency");
        }
        self.accounts.insert(
            account.clone(),
            Account {
                balance_minor,
                currency: currency.clone(),
            },
        );
        let body =
            json!({"account": account, "balance_minor": balance_minor, "currency": currency});
        self.records.push(Record::Account {
            account,
            balance_minor,
            currency,
        });
        answer(200, body)
    }

    fn collect(&mut self, order: Collect, arrival: Arrival, now_ms: u64) -> Fate {
        if let Some(field) = wrong_field(&order.reference, order.amount_minor, &order.currency) {
            return malformed(field);
        }
        if order.account.is_empty() || order.account.len() > ACCOUNT_CAP_BYTES {
            return malformed("account");
        }
        self.order(
            Operation {
                reference: order.reference,
                kind: Kind::Collection,
                account: order.account,
                original: None,
                amount_minor: order.amount_minor,
                currency: order.currency,
                ..Operation::new()
            },
            arrival,
            now_ms,
        )
    }

    fn give_back(&mut self, order: GiveBack, arrival: Arrival, now_ms: u64) -> Fate {
        if let Some(field) = wrong_field(&order.reference, order.amount_minor, &order.currency) {
            return malformed(field);
        }
        if !is_reference(&order.original) {
            return malformed("original");
        }
        let account = match self.operations.get(&order.original) {
            Some(original) => original.account.clone(),
            None => String::new(),
        };
        self.order(
            Operation {
                reference: order.reference,
                kind: Kind::Return,
                account,
                original: Some(order.original),
                amount_minor: order.amount_minor,
                currency: order.currency,
                ..Operation::new()
            },
            arrival,
            now_ms,
        )
    }

    /// Does what is asked the way the account's behaviour says.
    fn order(&mut self, wanted: Operation, arrival: Arrival, now_ms: u64) -> Fate {
        let behaviour = match arrival {
            Arrival::Fresh => self.moods.take(&wanted.account),
            Arrival::Delayed => Behaviour::Normal,
        };
        match behaviour {
            Behaviour::Unavailable => unavailable(&wanted.reference),
            Behaviour::LoseRequest => Fate::Drop,
            Behaviour::DelayRequest { ms } => Fate::Later { after_ms: ms },
            Behaviour::LoseAnswer => {
                self.perform(wanted, &Behaviour::Normal, now_ms);
                Fate::Drop
            }
            Behaviour::Delay { ms } => match self.perform(wanted, &Behaviour::Normal, now_ms) {
                Fate::Answer { status, body, .. } => Fate::Answer {
                    status,
                    body,
                    after_ms: ms,
                },
                other => other,
            },
            Behaviour::Normal | Behaviour::Refuse { .. } | Behaviour::LateSuccess { .. } => {
                self.perform(wanted, &behaviour, now_ms)
            }
        }
    }

    /// A known reference is answered with what became of it, a new one is carried out.
    fn perform(&mut self, mut wanted: Operation, behaviour: &Behaviour, now_ms: u64) -> Fate {
        if let Some(known) = self.operations.get(&wanted.reference) {
            let same = known.kind == wanted.kind
                && known.original == wanted.original
                && known.amount_minor == wanted.amount_minor
                && known.currency == wanted.currency
                && (known.kind == Kind::Return || known.account == wanted.account);
            return if same {
                order_answer(known)
            } else {
                let body = json!({"status": "reference_reused", "reference": wanted.reference});
                answer(409, body)
            };
        }
        wanted.number = self.operations.len() as u64 + 1;
        match behaviour {
            Behaviour::Refuse { reason } => {
                wanted.progress = Progress::Refused {
                    reason: reason.clone(),
                };
            }
            Behaviour::LateSuccess {
                after_ms,
                after_status_calls,
            } => {
                let due_ms = after_ms.map(|ms| now_ms.saturating_add(ms));
                if let Some(due_ms) = due_ms {
                    self.due.insert((due_ms, wanted.reference.clone()));
                }
                wanted.progress = Progress::Pending {
                    due_ms,
                    status_calls_left: *after_status_calls,
                };
            }
            _ => self.settle(&mut wanted),
        }
        let fate = order_answer(&wanted);
        self.keep(wanted);
        fate
    }

    /// Moves the money of `operation`, or finds why it cannot be moved.
    fn settle(&mut self, operation: &mut Operation) {
        let result = match operation.kind {
            Kind::Collection => self.settle_collection(operation),
            Kind::Return => self.settle_return(operation),
        };
        operation.progress = match result {
            Ok(()) => Progress::Done {
                bank_reference: format!("SB{:010}", operation.number),
            },
            Err(reason) => Progress::Refused {
                reason: reason.to_owned(),
            },
        };
    }

    fn settle_collection(&mut self, operation: &Operation) -> Result<(), &'static str> {
        let account = self
            .accounts
            .get(&operation.account)
            .ok_or("account_unknown")?;
        if account.currency != operation.currency {
            return Err("currency_mismatch");
        }
        if account.balance_minor < operation.amount_minor {
            return Err("insufficient_funds");
        }
        self.set_balance(
            &operation.account,
            account.balance_minor - operation.amount_minor,
        );
        Ok(())
    }

    fn settle_return(&mut self, operation: &Operation) -> Result<(), &'static str> {
        let original = operation
            .original
            .as_ref()
            .and_then(|reference| self.operations.get(reference))
            .filter(|original| original.kind == Kind::Collection)
            .ok_or("original_unknown")?;
        match original.progress {
            Progress::Done { .. } => {}
            Progress::Pending { .. } => return Err("original_pending"),
            Progress::Refused { .. } => return Err("original_refused"),
        }
        if original.currency != operation.currency {
            return Err("currency_mismatch");
        }
        if operation.amount_minor > original.amount_minor - original.returned_minor {
            return Err("exceeds_original");
        }
        let account = self
            .accounts
            .get(&original.account)
            .ok_or("account_unknown")?;
        if account.currency != operation.currency {
            return Err("currency_mismatch");
        }
        let balance_minor = account
            .balance_minor
            .checked_add(operation.amount_minor)
            .ok_or("balance_too_large")?;
        let mut original = original.clone();
        original.returned_minor += operation.amount_minor;
        self.set_balance(&original.account, balance_minor);
        self.keep(original);
        Ok(())
    }

    fn set_balance(&mut self, name: &str, balance_minor: i64) {
        if let Some(account) = self.accounts.get_mut(name) {
            account.balance_minor = balance_minor;
            self.records.push(Record::Account {
                account: name.to_owned(),
                balance_minor,
                currency: account.currency.clone(),
            });
        }
    }

    fn keep(&mut self, operation: Operation) {
        self.records.push(Record::Operation(operation.clone()));
        self.operations
            .insert(operation.reference.clone(), operation);
    }

    fn settle_due(&mut self, now_ms: u64) {
        while self.next_due_ms().is_some_and(|due_ms| due_ms <= now_ms) {
            let Some((_, reference)) = self.due.pop_first() else {
                return;
            };
            self.settle_pending(&reference, None);
        }
    }

    /// Ends the wait of a pending operation: carries it out, or refuses it for `reason`.
    fn settle_pending(&mut self, reference: &str, reason: Option<String>) {
        let Some(mut operation) = self.operations.get(reference).cloned() else {
            return;
        };
        let Progress::Pending { due_ms, .. } = operation.progress else {
            return;
        };
        if let Some(due_ms) = due_ms {
            self.due.remove(&(due_ms, reference.to_owned()));
        }
        match reason {
            None => self.settle(&mut operation),
            Some(reason) => operation.progress = Progress::Refused { reason },
        }
        self.keep(operation);
    }

    fn status(&mut self, reference: &str) -> Fate {
        let account = self
            .operations
            .get(reference)
            .map(|known| known.account.clone());
        let account = account.unwrap_or_default();
        if matches!(self.moods.behaviour(&account), Behaviour::Unavailable) {
            self.moods.take(&account);
            return unavailable(reference);
        }
        if let Some(operation) = self.operations.get_mut(reference)
            && let Progress::Pending {
                status_calls_left: Some(left),
                ..
            } = &mut operation.progress
        {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.settle_pending(reference, None);
            } else {
                self.records.push(Record::Operation(operation.clone()));
            }
        }
        match self.operations.get(reference) {
            Some(known) => status_answer(known),
            None => not_found(reference),
        }
    }

    fn decide(&mut self, reference: &str, reason: Option<String>) -> Fate {
        match self.operations.get(reference).map(|known| &known.progress) {
            None => not_found(reference),
            Some(Progress::Pending { .. }) => {
                self.settle_pending(reference, reason);
                match self.operations.get(reference) {
                    Some(known) => status_answer(known),
                    None => not_found(reference),
                }
            }
            Some(_) => answer(
                409,
                json!({"status": "already_decided", "reference": reference}),
            ),
        }
    }

    fn behave(
        &mut self,
        account: Option<String>,
        behaviour: Behaviour,
        times: Option<u32>,
    ) -> Fate {
        let body = json!({"account": account, "behaviour": behaviour, "times": times});
        match self.moods.set(account, behaviour, times) {
            Ok(()) => answer(200, body),
            Err(field) => malformed(field),
        }
    }
}
