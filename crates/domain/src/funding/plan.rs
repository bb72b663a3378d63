//! The waterfall: which sources pay how much.

use super::{Share, Source, SourceKind};
use crate::{
    grant::Lot,
    ledger::Account,
    merchant::Merchant,
    money::Amount,
    state::State,
    subscriber::Subscriber,
    time::{Moment, Timestamp},
};

/// Most lots that one payment may be made of: an event stays small, and the place of a leg fits its number.
const MOST_LOTS: usize = 1_000;

/// All of `amount` in the payer's order, or nothing.
pub(crate) fn plan(
    state: &State,
    moment: &Moment,
    payer: &Subscriber,
    merchant: &Merchant,
    amount: Amount,
) -> Option<Vec<Share>> {
    plan_with(state, moment, payer, merchant, amount, |_| 0)
}

/// As if every account had `more` than it has, in minor units; less where that is negative.
pub fn plan_with(
    state: &State,
    moment: &Moment,
    payer: &Subscriber,
    merchant: &Merchant,
    amount: Amount,
    more: impl Fn(Account) -> i64,
) -> Option<Vec<Share>> {
    let with = |account: Account, available: Amount| match more(account) {
        0 => available,
        more => Amount::clamped(available.minor().saturating_add(more)),
    };
    let mut shares = Vec::with_capacity(2);
    let mut missing = amount;
    let mut take = |missing: &mut Amount, source: Source, available: Amount| {
        let amount = available.min(*missing);
        if !amount.is_zero() {
            shares.push(Share { source, amount });
            *missing = missing.minus(amount);
        }
    };
    for source in payer.sources {
        match source {
            SourceKind::Grant => {
                for lot in spendable_lots(state, moment, payer, merchant) {
                    let account = Account::Grant(lot.id);
                    take(
                        &mut missing,
                        Source::Grant(lot.id),
                        with(account, state.book.available(account)),
                    );
                }
            }
            SourceKind::Balance => {
                let account = Account::SubscriberCash(payer.id);
                take(
                    &mut missing,
                    Source::Balance,
                    with(account, state.book.available(account)),
                );
            }
            SourceKind::Bill => take(
                &mut missing,
                Source::Bill,
                with(
                    Account::BillReceivable(payer.id),
                    bill_available(state, moment, payer),
                ),
            ),
            SourceKind::Bank if payer.bank.is_some() => {
                take(&mut missing, Source::Bank, Amount::MAX)
            }
            SourceKind::Bank => {}
        }
    }
    missing.is_zero().then_some(shares)
}

/// Soonest-expiring first.
fn spendable_lots<'a>(
    state: &'a State,
    moment: &Moment,
    payer: &Subscriber,
    merchant: &Merchant,
) -> Vec<&'a Lot> {
    let lots = payer.lots.iter().filter_map(|id| state.lots.get(id));
    let mut lots: Vec<_> = lots
        .filter(|lot| !lot.expired(moment.now) && lot.scope.allows(merchant.id, merchant.category))
        .collect();
    lots.sort_by_key(|lot| (lot.expires_at.unwrap_or(Timestamp(i64::MAX)), lot.id));
    lots.truncate(MOST_LOTS);
    lots
}

/// What may still go on this month's phone bill.
pub(crate) fn bill_available(state: &State, moment: &Moment, payer: &Subscriber) -> Amount {
    let held = state.book.balance(Account::BillReceivable(payer.id)).held;
    payer
        .line
        .bill_limit
        .minus(payer.billed.this_month(moment))
        .minus(Amount::clamped(held))
}
