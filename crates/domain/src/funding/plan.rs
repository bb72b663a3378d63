//! The waterfall: which sources pay how much.

use super::{Share, Source, SourceKind};
use crate::{
    ids::LotId,
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
    let lots = &payer.funded_lots;
    plan_with(state, moment, payer, lots, merchant, amount, |_| 0)
}

/// As if every account had `more` than it has, in minor units; less where that is negative. `lots` are those of the payer that
/// have money, or may have with `more`.
pub fn plan_with(
    state: &State,
    moment: &Moment,
    payer: &Subscriber,
    lots: &[LotId],
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
        if missing.is_zero() {
            break;
        }
        match source {
            SourceKind::Grant => {
                let available = |id| {
                    let account = Account::Grant(id);
                    with(account, state.book.available(account))
                };
                for (id, available) in spendable_lots(state, moment, lots, merchant, available) {
                    take(&mut missing, Source::Grant(id), available);
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

/// What may be spent here and now, soonest-expiring first.
fn spendable_lots(
    state: &State,
    moment: &Moment,
    lots: &[LotId],
    merchant: &Merchant,
    available: impl Fn(LotId) -> Amount,
) -> impl Iterator<Item = (LotId, Amount)> {
    let lots = lots.iter().filter_map(|id| state.lots.get(id));
    let mut lots: Vec<_> = lots
        .filter(|lot| !lot.expired(moment.now) && lot.scope.allows(merchant.id, merchant.category))
        .map(|lot| (lot.expires_at.unwrap_or(Timestamp(i64::MAX)), lot.id))
        .map(|(ends, id)| (ends, id, available(id)))
        .filter(|(.., available)| !available.is_zero())
        .collect();
    lots.sort_unstable_by_key(|(ends, id, _)| (*ends, *id));
    lots.truncate(MOST_LOTS);
    lots.into_iter().map(|(_, id, available)| (id, available))
}

/// What may still go on this month's phone bill.
pub(crate) fn bill_available(state: &State, moment: &Moment, payer: &Subscriber) -> Amount {
    let held = state.book.balance(Account::BillReceivable(payer.id)).held;
    payer
        .line()
        .bill_limit
        .minus(payer.billed.this_month(moment))
        .minus(Amount::clamped(held))
}
