//! Entries, balances, effects and grants.

use paytone_domain::{
    funding::{Direction, EffectEvent, EffectOutcome},
    grant::GrantEvent,
    ids::{EffectId, PaymentId},
    ledger::{Account, Entry},
};
use serde_json::json;

use super::{At, Misfit, Tables, column};
use crate::views::rows::{EffectRow, EntryRow, HistoryRow, LegRow};

impl Tables {
    /// Writes an entry down, unless it moves nothing.
    pub(super) fn post(
        &mut self,
        at: &At<'_>,
        what: &str,
        payment: Option<PaymentId>,
        entry: &Entry,
    ) {
        if entry.is_empty() {
            return;
        }
        self.entries.push(EntryRow {
            n: at.n,
            at: at.now,
            date: i64::from(at.moment.date.0),
            what: what.to_owned(),
            payment: payment.map(|id| column(id.0)),
        });
        for (leg, place) in entry.legs().iter().zip(0..) {
            let (account, owner) = key(leg.account);
            self.legs.push(LegRow {
                entry: at.n,
                place,
                account: account.to_owned(),
                owner,
                minor: leg.minor,
            });
            self.balances.entry((account, owner)).or_default().0 += leg.minor;
        }
    }

    /// Reserves on an account, or with an amount below zero lets go.
    pub(super) fn hold(&mut self, account: Account, minor: i64) {
        self.balances.entry(key(account)).or_default().1 += minor;
    }

    pub(super) fn history(
        &mut self,
        at: &At<'_>,
        subscriber: u64,
        kind: &str,
        object: u64,
        amount: i64,
    ) {
        self.history.push(HistoryRow {
            subscriber: column(subscriber),
            n: at.n,
            kind: kind.to_owned(),
            object: column(object),
            at: at.now,
            amount,
        });
    }

    pub(super) fn grant(&mut self, at: &At<'_>, event: &GrantEvent) {
        match event {
            GrantEvent::Given { lot, entry } => {
                self.post(at, "grant_given", None, entry);
                let given = on_account(entry, Account::Grant(lot.id));
                self.history(at, lot.subscriber.0, "grant", lot.id.0, given);
            }
            GrantEvent::Expired { entry, .. } => self.post(at, "grant_expired", None, entry),
        }
    }

    pub(super) fn effect(&mut self, at: &At<'_>, event: &EffectEvent) -> Result<(), Misfit> {
        let id = match event {
            EffectEvent::Wanted { effect } => effect.id,
            EffectEvent::Attempted { id, .. }
            | EffectEvent::Settled { id, .. }
            | EffectEvent::Dropped { id }
            | EffectEvent::PaidToBalance { id, .. }
            | EffectEvent::Repeated { id } => *id,
        };
        if let EffectEvent::Wanted { effect } = event {
            let (direction, original) = match effect.direction {
                Direction::Collect => ("collect", None),
                Direction::GiveBack { original } => ("give_back", Some(column(original.0))),
            };
            self.effects.add(EffectRow {
                id: column(effect.id.0),
                payment: column(effect.payment.0),
                payer: column(effect.payer.0),
                direction: direction.to_owned(),
                original,
                refund: effect.refund.map(|refund| column(refund.0)),
                amount: effect.amount.minor(),
                state: "wanted".to_owned(),
                attempts: 0,
                wanted_at: effect.wanted_at.0,
                changed_at: at.now,
            });
        }
        let effect = self.effects.change(id.0).ok_or(Misfit {
            table: "effects",
            id: id.0,
        })?;
        let gives_back = effect.direction == "give_back";
        let state = match event {
            EffectEvent::Wanted { .. } | EffectEvent::Repeated { .. } => "wanted",
            EffectEvent::Attempted { attempt, .. } => {
                effect.attempts = i64::from(*attempt);
                "attempted"
            }
            EffectEvent::Settled { outcome, .. } => match outcome {
                EffectOutcome::Done => "done",
                EffectOutcome::Refused if gives_back => "stuck",
                EffectOutcome::Refused => "refused",
                EffectOutcome::Unknown => "unknown",
            },
            EffectEvent::Dropped { .. } => "dropped",
            EffectEvent::PaidToBalance { .. } => "paid_to_balance",
        };
        effect.state = state.to_owned();
        effect.changed_at = at.now;
        let effect = effect.clone();
        let payment = PaymentId(effect.payment.cast_unsigned());
        match event {
            EffectEvent::Settled { entry, .. } => {
                let what = if gives_back {
                    "given_back"
                } else {
                    "collected"
                };
                self.post(at, what, Some(payment), entry);
            }
            EffectEvent::PaidToBalance { entry, .. } => {
                self.post(at, "paid_to_balance", Some(payment), entry);
                self.history(
                    at,
                    effect.payer.cast_unsigned(),
                    "paid_to_balance",
                    payment.0,
                    effect.amount,
                );
            }
            EffectEvent::Wanted { .. }
            | EffectEvent::Attempted { .. }
            | EffectEvent::Dropped { .. }
            | EffectEvent::Repeated { .. } => {}
        }
        let what = match event {
            EffectEvent::Repeated { .. } => "effect_repeated".to_owned(),
            _ => format!("effect_{state}"),
        };
        let mut detail = json!({
            "effect": id.0,
            "direction": effect.direction,
            "amount": effect.amount,
        });
        if let EffectEvent::Attempted { attempt, .. } = event {
            detail["attempt"] = json!(attempt);
        }
        self.step(at, payment, &what, &detail);
        self.action_on_effect(at, event, id);
        if gives_back
            && matches!(state, "done" | "dropped" | "paid_to_balance")
            && let Some(refund) = effect.refund
        {
            self.complete_refund(at, refund.cast_unsigned())?;
        }
        Ok(())
    }

    fn action_on_effect(&mut self, at: &At<'_>, event: &EffectEvent, id: EffectId) {
        let what = match event {
            EffectEvent::PaidToBalance { .. } => "pay_effect_to_balance",
            EffectEvent::Repeated { .. } => "repeat_effect",
            EffectEvent::Wanted { .. }
            | EffectEvent::Attempted { .. }
            | EffectEvent::Settled { .. }
            | EffectEvent::Dropped { .. } => return,
        };
        self.action(at, what, None, None, Some(id.0));
    }

    /// Refunds that the wanted effects belong to.
    pub(super) fn want_of_effects(&mut self) {
        for id in std::mem::take(&mut self.effects_wanted) {
            if let Some(refund) = self.effects.get(id).and_then(|effect| effect.refund) {
                self.refunds.want(refund.cast_unsigned());
            }
        }
    }
}

/// An account as the views name it.
pub fn key(account: Account) -> (&'static str, i64) {
    (account.kind().name(), column(account.owner().unwrap_or(0)))
}

/// What an entry moves to an account.
pub(super) fn on_account(entry: &Entry, account: Account) -> i64 {
    let legs = entry.legs().iter();
    legs.filter(|leg| leg.account == account)
        .map(|leg| leg.minor)
        .sum()
}
