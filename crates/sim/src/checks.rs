//! What must hold after every step.

use std::collections::BTreeMap;

use paytone_connectors::stand_in_bank::Statement;
use paytone_domain::{
    State,
    funding::{Direction, LegState, Source},
    ledger::Account,
    mandate::MandateStatus,
    payment::{Payment, Status},
    time::Timestamp,
};

use crate::violation::{Check, Checked, require};

/// Quick enough for every step.
pub fn quick(state: &State) -> Checked {
    require(state.book.total() == 0, Check::Books, || {
        format!("the book's total is {}", state.book.total())
    })?;
    for (account, balance) in state.book.iter() {
        let holds =
            balance.held >= 0 && (!account.is_spendable() || balance.posted >= balance.held);
        require(holds, Check::Books, || {
            format!("{account:?} has {balance:?}")
        })?;
    }
    Ok(())
}

/// What accounts must show, added up from payments and effects.
#[derive(Default)]
struct Expected {
    posted: BTreeMap<Account, i64>,
    held: BTreeMap<Account, i64>,
    open: BTreeMap<u64, u32>,
}

impl Expected {
    fn post(&mut self, account: Account, minor: i64) {
        *self.posted.entry(account).or_default() += minor;
    }
}

/// Goes through every payment, mandate and effect.
pub fn thorough(state: &State) -> Checked {
    quick(state)?;
    let mut expected = Expected::default();
    for payment in state.payments.values() {
        payment_fits(state, payment, &mut expected)?;
    }
    for mandate in state.mandates.values() {
        if mandate.status == MandateStatus::AwaitingApproval {
            *expected.open.entry(mandate.merchant.0).or_default() += 1;
        }
    }
    for effect in state.effects.values() {
        if matches!(effect.direction, Direction::GiveBack { .. }) {
            expected.post(Account::Suspense, effect.amount.minor());
        }
    }
    for (account, balance) in state.book.iter() {
        let held = expected.held.get(&account).copied().unwrap_or(0);
        require(balance.held == held, Check::Holds, || {
            format!(
                "{account:?} holds {}, its payments hold {held}",
                balance.held
            )
        })?;
    }
    for account in [Account::Collected, Account::Suspense] {
        expected.post(account, 0);
    }
    for (account, minor) in &expected.posted {
        let posted = state.book.balance(*account).posted;
        require(posted == *minor, Check::Books, || {
            format!("{account:?} has {posted}, its payments make {minor}")
        })?;
    }
    let open: u64 = expected.open.values().map(|open| u64::from(*open)).sum();
    require(state.open_prompts == open, Check::Books, || {
        format!("{} prompts are open, {open} are", state.open_prompts)
    })?;
    for merchant in state.merchants.iter() {
        let open = expected.open.get(&merchant.id.0).copied().unwrap_or(0);
        require(merchant.open == open, Check::Books, || {
            format!("{:?} has {} open, {open} are", merchant.id, merchant.open)
        })?;
    }
    Ok(())
}

fn payment_fits(state: &State, payment: &Payment, expected: &mut Expected) -> Checked {
    let id = payment.id;
    let holds = payment.captured <= payment.amount && payment.refunded <= payment.captured;
    require(holds, Check::Books, || format!("{payment:?}"))?;
    if payment.status == Status::AwaitingApproval {
        *expected.open.entry(payment.merchant.0).or_default() += 1;
    }
    let refunds = payment.refunds.iter();
    let refunded: i64 = refunds
        .filter_map(|refund| state.refunds.get(refund))
        .map(|refund| refund.amount.minor())
        .sum();
    require(refunded == payment.refunded.minor(), Check::Books, || {
        format!(
            "the refunds of {id:?} make {refunded}, not {:?}",
            payment.refunded
        )
    })?;
    let payable = payment.captured.minor()
        - payment.fee.minor()
        - payment.tax.minor()
        - payment.refunded.minor();
    expected.post(Account::MerchantPayable(payment.merchant), payable);
    expected.post(Account::FeeIncome, payment.fee.minor());
    expected.post(Account::FeeTax, payment.tax.minor());
    let (mut captured, mut back) = (0, 0);
    for leg in &payment.legs {
        captured += leg.captured.minor();
        back += leg.refunded.minor();
        let Some(payer) = payment.payer else { continue };
        match leg.state {
            LegState::Held => {
                *expected.held.entry(leg.source.account(payer)).or_default() += leg.amount.minor();
            }
            LegState::Collected => expected.post(Account::Collected, leg.amount.minor()),
            LegState::Wanted | LegState::Refused | LegState::Moved | LegState::Released => {}
        }
        if leg.source == Source::Bill {
            let billed = leg.captured.minor() - leg.refunded.minor();
            expected.post(Account::BillReceivable(payer), -billed);
        }
    }
    let holds = payment.legs.is_empty()
        || (captured == payment.captured.minor() && back == payment.refunded.minor());
    require(holds, Check::Books, || {
        format!("the legs of {id:?} do not make what it says: {payment:?}")
    })
}

/// Every payment and mandate has its verdict by its deadline, and nothing is left on a grant whose time is over.
pub fn verdicts(state: &State, now: Timestamp) -> Checked {
    let late = |deadline: Timestamp| deadline <= now;
    for payment in state.payments.values() {
        let waits = matches!(payment.status, Status::AwaitingApproval | Status::Funding)
            && late(payment.deadline)
            || payment.capture_deadline.is_some_and(late);
        require(!waits, Check::Deadlines, || {
            format!("at {now:?} without a verdict: {payment:?}")
        })?;
    }
    for mandate in state.mandates.values() {
        let waits = mandate.status == MandateStatus::AwaitingApproval && late(mandate.deadline);
        require(!waits, Check::Deadlines, || {
            format!("at {now:?} without a verdict: {mandate:?}")
        })?;
    }
    for lot in state.lots.values().filter(|lot| lot.expired(now)) {
        let left = state.book.available(Account::Grant(lot.id));
        require(left.is_zero(), Check::Deadlines, || {
            format!("at {now:?} there is {left:?} on {lot:?}")
        })?;
    }
    Ok(())
}

/// When nothing is under way any more: no payment open, nothing in between, and the bank says the same.
pub fn settled(state: &State, statement: &Statement) -> Checked {
    let under_way = state.payments.values().find(|payment| {
        matches!(
            payment.status,
            Status::AwaitingApproval | Status::Funding | Status::Authorized
        )
    });
    require(under_way.is_none(), Check::Settled, || {
        format!("still under way: {under_way:?}")
    })?;
    require(state.effects.is_empty(), Check::Settled, || {
        format!("still wanted: {:?}", state.effects)
    })?;
    for account in [Account::Suspense, Account::Collected] {
        let balance = state.book.balance(account);
        require(balance.posted == 0, Check::Settled, || {
            format!("{account:?} has {balance:?}")
        })?;
    }
    let at_bank: i64 = statement
        .totals
        .values()
        .map(|totals| totals.collected_minor - totals.returned_minor)
        .sum();
    let clearing = state.book.balance(Account::BankClearing).posted;
    require(clearing == -at_bank, Check::Settled, || {
        format!("the bank clearing account has {clearing}, the bank's statement {at_bank}")
    })
}
