//! The balances in a second way: all legs of all entries added up, straight from the events, and holds from payments.
//!
//! **Invariant:** nothing of the book's own code is used, so that a mistake there shows here.

use std::collections::BTreeMap;

use paytone_domain::{
    Event, State,
    funding::{EffectEvent, LegState},
    grant::GrantEvent,
    ledger::{Account, Balance, Entry},
    operator::OperatorEvent,
    payment::{Payment, PaymentEvent, Refund, Status},
    subscriber::LineEvent,
    till::TillEvent,
};
use paytone_engine::Batch;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    archived::{Archived, kept},
    report::Report,
};
use crate::views::project::account_key;

/// Sums of legs, and holds as events set and lift them.
#[derive(Default)]
pub struct Books {
    posted: FxHashMap<Account, i128>,
    held: FxHashMap<Account, i128>,
    /// What is held for payments under way.
    holds: FxHashMap<u64, Vec<(Account, i64)>>,
    payers: FxHashMap<u64, paytone_domain::ids::SubscriberId>,
}

impl Books {
    /// Takes one batch in.
    pub fn take(&mut self, seq: u64, batch: &Batch, report: &mut Report) {
        for event in batch.steps() {
            report.events += 1;
            if let Some(entry) = entry_of(&event).filter(|entry| !entry.is_empty()) {
                self.post(seq, entry, report);
            }
            if let Event::Payment(event) = &*event {
                self.payment(event);
            }
        }
    }

    fn post(&mut self, seq: u64, entry: &Entry, report: &mut Report) {
        report.entries += 1;
        let mut sum = 0;
        for leg in entry.legs() {
            report.legs += 1;
            sum += i128::from(leg.minor);
            *self.posted.entry(leg.account).or_default() += i128::from(leg.minor);
        }
        if sum != 0 {
            report.differs(
                "entry",
                format!("row {seq}: an entry sums to {sum}, not to zero"),
            );
        }
        for leg in entry.legs().iter().filter(|leg| leg.account.is_spendable()) {
            let posted = self.posted.get(&leg.account).copied().unwrap_or_default();
            if posted < 0 {
                report.differs(
                    "overdrawn",
                    format!("row {seq}: {} would hold {posted}", name(leg.account)),
                );
            }
        }
    }

    fn payment(&mut self, event: &PaymentEvent) {
        match event {
            PaymentEvent::Requested {
                id, payer, decline, ..
            } => {
                if let (Some(payer), None) = (payer, decline) {
                    self.payers.insert(id.0, *payer);
                }
            }
            PaymentEvent::Approved { id, shares, .. } => {
                let Some(payer) = self.payers.get(&id.0).copied() else {
                    return;
                };
                let internal = shares.iter().filter(|share| !share.source.is_external());
                let held: Vec<_> = internal
                    .map(|share| (share.source.account(payer), share.amount.minor()))
                    .collect();
                for (account, minor) in &held {
                    *self.held.entry(*account).or_default() += i128::from(*minor);
                }
                self.holds.insert(id.0, held);
            }
            PaymentEvent::Captured { id, .. } | PaymentEvent::Ended { id, .. } => {
                self.payers.remove(&id.0);
                for (account, minor) in self.holds.remove(&id.0).unwrap_or_default() {
                    *self.held.entry(account).or_default() -= i128::from(minor);
                }
            }
            PaymentEvent::Authorized { .. }
            | PaymentEvent::Vetoed { .. }
            | PaymentEvent::Refunded { .. } => {}
        }
    }

    /// Every account with what is on it, by the views' names.
    pub fn by_name(&self) -> BTreeMap<(String, i64), (i128, i128)> {
        let mut named = BTreeMap::<_, (i128, i128)>::new();
        for (account, posted) in &self.posted {
            let (kind, owner) = account_key(*account);
            named.entry((kind.to_owned(), owner)).or_default().0 += posted;
        }
        for (account, held) in &self.held {
            let (kind, owner) = account_key(*account);
            named.entry((kind.to_owned(), owner)).or_default().1 += held;
        }
        named
    }

    /// Compares with what the replay made, and checks what must hold of every account and payment.
    pub fn compare(&self, state: &State, archived: &Archived, report: &mut Report) {
        report.currency = state.settings.as_ref().map(|settings| settings.currency);
        report.subscribers = state.subscribers.len() as u64;
        report.merchants = state.merchants.len() as u64;
        self.compare_balances(state, report);
        self.compare_holds(state, report);
        report.payments_by_status.clone_from(&archived.by_status);
        report.archived = archived.count;
        check_payments(state, report);
        check_merchants(self, state, archived, report);
    }

    fn compare_balances(&self, state: &State, report: &mut Report) {
        let mut accounts: Vec<_> = state.book.iter().collect();
        accounts.sort_unstable_by_key(|(account, _)| *account);
        report.accounts = accounts.len() as u64;
        let mut total = 0;
        for (account, Balance { posted, held }) in &accounts {
            total += i128::from(*posted);
            let sums = report.totals.entry(account.kind().name()).or_default();
            sums.0 += 1;
            sums.1 += i128::from(*posted);
            sums.2 += i128::from(*held);
            let legs = self.posted.get(account).copied().unwrap_or_default();
            if legs != i128::from(*posted) {
                report.differs(
                    "balance",
                    format!("{} has {posted}, its legs sum to {legs}", name(*account)),
                );
            }
            let holds = self.held.get(account).copied().unwrap_or_default();
            if holds != i128::from(*held) {
                report.differs(
                    "holds",
                    format!(
                        "{} holds {held}, payments hold {holds} there",
                        name(*account)
                    ),
                );
            }
            if account.is_spendable() && posted < held {
                report.differs(
                    "available",
                    format!("{} has {posted} and holds {held}", name(*account)),
                );
            }
            if *held < 0 {
                report.differs("holds", format!("{} holds {held}", name(*account)));
            }
        }
        let known: FxHashSet<_> = accounts.iter().map(|(account, _)| *account).collect();
        for (account, legs) in &self.posted {
            if *legs != 0 && !known.contains(account) {
                report.differs(
                    "balance",
                    format!(
                        "{} is not in the book, its legs sum to {legs}",
                        name(*account)
                    ),
                );
            }
        }
        if total != 0 {
            report.differs(
                "total",
                format!("all accounts together hold {total}, not zero"),
            );
        }
    }

    /// Holds in a third way: from payments that are under way now.
    fn compare_holds(&self, state: &State, report: &mut Report) {
        let mut holds = FxHashMap::<Account, i128>::default();
        for payment in state.payments.values() {
            let Some(payer) = payment.payer else { continue };
            for leg in payment
                .legs
                .iter()
                .filter(|leg| leg.state == LegState::Held)
            {
                *holds.entry(leg.source.account(payer)).or_default() +=
                    i128::from(leg.amount.minor());
            }
        }
        for (account, held) in self.held.iter().filter(|(_, held)| **held != 0) {
            let open = holds.remove(account).unwrap_or_default();
            if open != *held {
                report.differs(
                    "holds",
                    format!("{} holds {held}, payments under way {open}", name(*account)),
                );
            }
        }
        for (account, open) in holds.into_iter().filter(|(_, open)| *open != 0) {
            report.differs(
                "holds",
                format!("{} holds nothing, payments under way {open}", name(account)),
            );
        }
    }
}

fn check_payments(state: &State, report: &mut Report) {
    for payment in state.payments.values() {
        *report
            .payments_by_status
            .entry(payment.internal_status().name())
            .or_default() += 1;
        let refunds = payment.refunds.iter();
        check_payment(
            payment,
            refunds.filter_map(|id| state.refunds.get(id)),
            report,
        );
    }
}

/// What must hold of every payment, with all its refunds.
pub fn check_payment<'a>(
    payment: &Payment,
    refunds: impl Iterator<Item = &'a Refund>,
    report: &mut Report,
) {
    let mut wrong = |what: &str| {
        report.differs("payment", format!("payment {}: {what}", payment.id.0));
    };
    if payment.captured > payment.amount {
        wrong("captured more than its amount");
    }
    if payment.refunded > payment.captured {
        wrong("refunded more than captured");
    }
    if payment.fee.plus(payment.tax) > payment.captured {
        wrong("fee and tax above what was captured");
    }
    let sum = |part: fn(&paytone_domain::funding::FundingLeg) -> i64| -> i64 {
        payment.legs.iter().map(part).sum()
    };
    if !payment.legs.is_empty() && sum(|leg| leg.amount.minor()) != payment.amount.minor() {
        wrong("its legs do not make its amount");
    }
    if sum(|leg| leg.captured.minor()) != payment.captured.minor() {
        wrong("its legs do not make what was captured");
    }
    if sum(|leg| leg.refunded.minor()) != payment.refunded.minor() {
        wrong("its legs do not make what was refunded");
    }
    if payment.status != Status::Captured && !payment.captured.is_zero() {
        wrong("captured something and is not captured");
    }
    let refunds: i64 = refunds.map(|refund| refund.amount.minor()).sum();
    if refunds != payment.refunded.minor() {
        wrong("its refunds do not make what was refunded");
    }
}

/// What a merchant is owed follows from its payments alone.
fn check_merchants(books: &Books, state: &State, archived: &Archived, report: &mut Report) {
    let mut owed = archived.owed.clone();
    for payment in state.payments.values() {
        *owed.entry(payment.merchant).or_default() += kept(payment);
    }
    for merchant in state.merchants.iter() {
        let payable = Account::MerchantPayable(merchant.id);
        let legs = books.posted.get(&payable).copied().unwrap_or_default();
        let owed = owed.remove(&merchant.id).unwrap_or_default();
        if legs != owed {
            report.differs(
                "payable",
                format!("{} has {legs}, its payments make {owed}", name(payable)),
            );
        }
    }
}

fn name(account: Account) -> String {
    let (kind, owner) = account_key(account);
    if owner == 0 {
        kind.to_owned()
    } else {
        format!("{kind} {owner}")
    }
}

/// The entry that an event posts.
pub fn entry_of(event: &Event) -> Option<&Entry> {
    match event {
        Event::Payment(event) => match event {
            PaymentEvent::Captured { entry, .. }
            | PaymentEvent::Ended { entry, .. }
            | PaymentEvent::Refunded { entry, .. } => Some(entry),
            PaymentEvent::Requested { .. }
            | PaymentEvent::Approved { .. }
            | PaymentEvent::Authorized { .. }
            | PaymentEvent::Vetoed { .. } => None,
        },
        Event::Effect(event) => match event {
            EffectEvent::Settled { entry, .. } | EffectEvent::PaidToBalance { entry, .. } => {
                Some(entry)
            }
            EffectEvent::Wanted { .. }
            | EffectEvent::Attempted { .. }
            | EffectEvent::Dropped { .. }
            | EffectEvent::Repeated { .. } => None,
        },
        Event::Grant(GrantEvent::Given { entry, .. } | GrantEvent::Expired { entry, .. }) => {
            Some(entry)
        }
        Event::Line(event) => match event {
            LineEvent::Recycled { entry, .. } => Some(entry),
            LineEvent::Added { .. } | LineEvent::Updated { .. } | LineEvent::Renumbered { .. } => {
                None
            }
        },
        Event::Operator(event) => match event {
            OperatorEvent::Adjusted { entry, .. } | OperatorEvent::CashImported { entry, .. } => {
                Some(entry)
            }
            OperatorEvent::SubscriberErased { entry, .. } => entry.as_ref(),
            OperatorEvent::Added { .. }
            | OperatorEvent::Removed { .. }
            | OperatorEvent::PasswordSet { .. }
            | OperatorEvent::RulesSet { .. }
            | OperatorEvent::Proposed { .. }
            | OperatorEvent::Decided { .. }
            | OperatorEvent::PersonalDataRead { .. }
            | OperatorEvent::SubscriberBlocked { .. }
            | OperatorEvent::SubscriberUnblocked { .. }
            | OperatorEvent::PinUnlocked { .. }
            | OperatorEvent::PhoneReset { .. }
            | OperatorEvent::GrantImported { .. } => None,
        },
        Event::Till(TillEvent::Undone { given_back, .. }) => {
            given_back.as_ref().map(|given_back| &given_back.entry)
        }
        Event::Initialized { .. }
        | Event::Device(_)
        | Event::Enrolment(_)
        | Event::Phone(_)
        | Event::Merchant(_)
        | Event::Client(_)
        | Event::Mandate(_)
        // It is looked at in its steps.
        | Event::Charged(_)
        | Event::Repeat(_)
        | Event::Session(_)
        | Event::Fell { .. }
        | Event::KeyringChanged { .. }
        | Event::LevelActivated { .. }
        | Event::Archive(_)
        | Event::Token(_)
        | Event::Pass(_)
        | Event::Till(_)
        | Event::DaySealed(_) => None,
    }
}
