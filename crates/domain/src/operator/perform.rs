//! Does what staff asked for, once it may be done.

use super::{BalanceRow, Done, HeldAs, Operation, Operator, OperatorEvent, OperatorRefusal, Role};
use crate::{
    Event,
    funding::{EffectEvent, EffectState},
    grant::{GrantEvent, Lot, giving},
    ids::{ClientKeyId, LotId, OperatorId, SubscriberId},
    ledger::{Account, Entry},
    mandate::EndedBy,
    merchant::{Merchant, MerchantEvent},
    money::Amount,
    pass::{self, PassEnd},
    state::State,
    subscriber::{Subscriber, SubscriberStatus, cash_of, leave, left, remove_devices},
    time::Moment,
    token::{self, SuspendedBy},
};

pub(super) fn perform(
    state: &State,
    moment: &Moment,
    operation: Operation,
    events: &mut Vec<Event>,
) -> Result<Done, OperatorRefusal> {
    if state.level() < operation.level() {
        return Err(OperatorRefusal::NotYet);
    }
    match operation {
        Operation::AddStore { .. }
        | Operation::AddTerminal { .. }
        | Operation::SetTerminal { .. }
        | Operation::IssueToken { .. }
        | Operation::SuspendToken(_)
        | Operation::ResumeToken(_)
        | Operation::ReplaceToken { .. }
        | Operation::EndToken(_) => super::tills::perform(state, operation, events),
        Operation::AddOperator {
            name,
            role,
            password,
        } => {
            if state.operators.named(&name).is_some() {
                return Err(OperatorRefusal::NameTaken);
            }
            let operator = OperatorId(state.operators.by_id.len() as u64 + 1);
            events.push(Event::Operator(OperatorEvent::Added {
                operator,
                name,
                role,
                password,
            }));
            Ok(Done::OperatorAdded(operator))
        }
        Operation::RemoveOperator(id) => {
            let operator = known_operator(state, id)?;
            let admins = state
                .operators
                .by_id
                .values()
                .filter(|known| known.role == Role::Admin && !known.removed)
                .count();
            if operator.role == Role::Admin && admins == 1 {
                return Err(OperatorRefusal::LastAdmin);
            }
            events.push(Event::Operator(OperatorEvent::Removed { operator: id }));
            Ok(Done::Done)
        }
        Operation::SetPassword {
            operator: id,
            password,
        } => {
            known_operator(state, id)?;
            events.push(Event::Operator(OperatorEvent::PasswordSet {
                operator: id,
                password,
            }));
            Ok(Done::Done)
        }
        Operation::SetRules(mut rules) => {
            // All rules are set at once: those of an older version would take back what came since.
            if rules.version != state.rules.version {
                return Err(OperatorRefusal::ChangedMeanwhile);
            }
            if *rules == state.rules {
                return Ok(Done::Unchanged);
            }
            rules.version += 1;
            let version = rules.version;
            events.push(Event::Operator(OperatorEvent::RulesSet { rules }));
            Ok(Done::RulesSet(version))
        }
        Operation::AddMerchant {
            subject,
            name,
            category,
            limits,
            plan,
        } => {
            let merchant = state.merchants.next_id();
            events.push(Event::Merchant(MerchantEvent::Added {
                merchant,
                subject,
                name,
                category,
                limits,
                plan,
            }));
            Ok(Done::MerchantAdded(merchant))
        }
        Operation::AddClientKey {
            merchant,
            hash,
            label,
        } => {
            let known = known_merchant(state, merchant)?;
            if known.keys.iter().any(|known| known.hash == hash) {
                return Ok(Done::Unchanged);
            }
            let key = ClientKeyId(state.next_client_key);
            events.push(Event::Merchant(MerchantEvent::KeyAdded {
                merchant,
                key,
                hash,
                label,
            }));
            Ok(Done::KeyAdded(key))
        }
        Operation::RevokeClientKey { merchant, key } => {
            let known = known_merchant(state, merchant)?
                .keys
                .iter()
                .find(|known| known.id == key);
            if known.ok_or(OperatorRefusal::NotFound)?.revoked {
                return Ok(Done::Unchanged);
            }
            events.push(Event::Merchant(MerchantEvent::KeyRevoked { merchant, key }));
            Ok(Done::Done)
        }
        Operation::SetPlan { merchant, mut plan } => {
            let known = &known_merchant(state, merchant)?.plan;
            plan.version = known.version;
            if plan == *known {
                return Ok(Done::Unchanged);
            }
            plan.version += 1;
            events.push(Event::Merchant(MerchantEvent::PlanSet { merchant, plan }));
            Ok(Done::Done)
        }
        Operation::SetMerchantLimits { merchant, limits } => {
            if known_merchant(state, merchant)?.limits == limits {
                return Ok(Done::Unchanged);
            }
            events.push(Event::Merchant(MerchantEvent::LimitsSet {
                merchant,
                limits,
            }));
            Ok(Done::Done)
        }
        Operation::BlockMerchant(merchant) => {
            if known_merchant(state, merchant)?.blocked {
                return Ok(Done::Unchanged);
            }
            events.push(Event::Merchant(MerchantEvent::Blocked { merchant }));
            Ok(Done::Done)
        }
        Operation::UnblockMerchant(merchant) => {
            if !known_merchant(state, merchant)?.blocked {
                return Ok(Done::Unchanged);
            }
            events.push(Event::Merchant(MerchantEvent::Unblocked { merchant }));
            Ok(Done::Done)
        }
        Operation::BlockSubscriber(id) => {
            status_is(state, id, SubscriberStatus::Active)?;
            let by = SuspendedBy::SubscriberBlocked;
            events.extend(token::suspend_all(state, id, by));
            events.extend(pass::end_all(state, id, PassEnd::SubscriberBlocked));
            events.push(Event::Operator(OperatorEvent::SubscriberBlocked {
                subscriber: id,
            }));
            Ok(Done::Done)
        }
        Operation::UnblockSubscriber(id) => {
            status_is(state, id, SubscriberStatus::Blocked)?;
            events.push(Event::Operator(OperatorEvent::SubscriberUnblocked {
                subscriber: id,
            }));
            Ok(Done::Done)
        }
        Operation::UnlockPin(id) => {
            known_subscriber(state, id)?;
            events.push(Event::Operator(OperatorEvent::PinUnlocked {
                subscriber: id,
            }));
            Ok(Done::Done)
        }
        Operation::ResetPhone(id) => {
            let subscriber = known_subscriber(state, id)?;
            remove_devices(subscriber, events);
            events.extend(token::suspend_all(state, id, SuspendedBy::PhoneRemoved));
            events.push(Event::Operator(OperatorEvent::PhoneReset {
                subscriber: id,
            }));
            Ok(Done::Done)
        }
        Operation::EraseSubscriber(id) => erase(state, moment, id, events),
        Operation::Adjust {
            subscriber,
            minor,
            reason,
        } => adjust(state, subscriber, minor, reason, events),
        Operation::ImportBalance(row) => import_balance(state, moment, *row, events),
        Operation::RepeatEffect(id) => {
            stuck(state, id)?;
            events.push(Event::Effect(EffectEvent::Repeated { id }));
            Ok(Done::Done)
        }
        Operation::PayEffectToBalance(id) => {
            let effect = stuck(state, id)?;
            let entry = Entry::moving(
                effect.amount,
                Account::Suspense,
                cash_of(state, effect.payer),
            );
            events.push(Event::Effect(EffectEvent::PaidToBalance { id, entry }));
            Ok(Done::Done)
        }
    }
}

fn known_operator(state: &State, id: OperatorId) -> Result<&Operator, OperatorRefusal> {
    let known = state.operators.by_id.get(&id);
    known
        .filter(|operator| !operator.removed)
        .ok_or(OperatorRefusal::NotFound)
}

fn known_merchant(state: &State, id: crate::ids::MerchantId) -> Result<&Merchant, OperatorRefusal> {
    state.merchants.get(id).ok_or(OperatorRefusal::NotFound)
}

fn known_subscriber(state: &State, id: SubscriberId) -> Result<&Subscriber, OperatorRefusal> {
    state.subscribers.get(id).ok_or(OperatorRefusal::NotFound)
}

fn status_is(
    state: &State,
    id: SubscriberId,
    status: SubscriberStatus,
) -> Result<(), OperatorRefusal> {
    if known_subscriber(state, id)?.status == status {
        Ok(())
    } else {
        Err(OperatorRefusal::WrongStatus)
    }
}

fn stuck(
    state: &State,
    id: crate::ids::EffectId,
) -> Result<&crate::funding::Effect, OperatorRefusal> {
    let effect = state.effects.get(&id).ok_or(OperatorRefusal::NotFound)?;
    if effect.state == EffectState::Stuck {
        Ok(effect)
    } else {
        Err(OperatorRefusal::WrongStatus)
    }
}

/// Forgets who it was. The books stay; what was sealed under this subscriber's key can be read by nobody, and nothing is left
/// on an account that nobody can name.
fn erase(
    state: &State,
    moment: &Moment,
    id: SubscriberId,
    events: &mut Vec<Event>,
) -> Result<Done, OperatorRefusal> {
    let subscriber = known_subscriber(state, id)?;
    if subscriber.status == SubscriberStatus::Erased {
        return Ok(Done::Unchanged);
    }
    events.extend(crate::payment::end_all_of(state, moment, id));
    let entry = leave(state, subscriber, EndedBy::Operator, true, events);
    events.push(Event::Operator(OperatorEvent::SubscriberErased {
        subscriber: id,
        entry: Some(entry),
    }));
    Ok(Done::Done)
}

fn adjust(
    state: &State,
    id: SubscriberId,
    minor: i64,
    reason: crate::ids::Sealed,
    events: &mut Vec<Event>,
) -> Result<Done, OperatorRefusal> {
    known_subscriber(state, id)?;
    let amount = Amount::new(minor.saturating_abs())
        .filter(|amount| !amount.is_zero())
        .ok_or(OperatorRefusal::WrongStatus)?;
    // What somebody who left still has is unclaimed, and it is there that it is put right.
    let cash = cash_of(state, id);
    let entry = if minor > 0 {
        Entry::moving(amount, Account::WriteOff, cash)
    } else if amount > state.book.available(cash) {
        return Err(OperatorRefusal::WouldOverdraw);
    } else {
        Entry::moving(amount, cash, Account::WriteOff)
    };
    events.push(Event::Operator(OperatorEvent::Adjusted {
        subscriber: id,
        reason,
        entry,
    }));
    Ok(Done::Done)
}

fn import_balance(
    state: &State,
    moment: &Moment,
    row: BalanceRow,
    events: &mut Vec<Event>,
) -> Result<Done, OperatorRefusal> {
    let subscriber = known_subscriber(state, row.subscriber)?;
    if state.operators.imported.contains(&row.row) {
        return Ok(Done::Unchanged);
    }
    if subscriber.status != SubscriberStatus::Active {
        return Err(OperatorRefusal::WrongStatus);
    }
    match row.held_as {
        HeldAs::Cash => {
            let entry = Entry::moving(
                row.amount,
                Account::OpeningBalances,
                Account::SubscriberCash(row.subscriber),
            );
            events.push(Event::Operator(OperatorEvent::CashImported {
                subscriber: row.subscriber,
                row: row.row,
                entry,
            }));
            Ok(Done::Done)
        }
        HeldAs::Grant {
            origin,
            label,
            tax_class,
            expires_at,
            scope,
            expired_refund,
        } => {
            if expires_at.is_some_and(|at| at <= moment.now) {
                return Err(OperatorRefusal::WrongStatus);
            }
            let id = LotId(state.next_lot);
            let lot = Lot {
                id,
                subscriber: row.subscriber,
                origin,
                label,
                tax_class,
                expires_at,
                scope,
                expired_refund,
                opening: true,
            };
            let entry = giving(&lot, row.amount);
            events.push(Event::Operator(OperatorEvent::GrantImported {
                row: row.row,
            }));
            events.push(Event::Grant(GrantEvent::Given { lot, entry }));
            Ok(Done::LotGiven(id))
        }
    }
}

pub(super) fn evolve_subscriber(state: &mut State, moment: &Moment, event: &OperatorEvent) {
    match event {
        OperatorEvent::SubscriberBlocked { subscriber } => {
            state.subscribers.expect_mut(*subscriber).status = SubscriberStatus::Blocked;
        }
        OperatorEvent::SubscriberUnblocked { subscriber } => {
            state.subscribers.expect_mut(*subscriber).status = SubscriberStatus::Active;
        }
        OperatorEvent::PinUnlocked { subscriber } => {
            state.subscribers.expect_mut(*subscriber).pin_failures = 0
        }
        OperatorEvent::PhoneReset { subscriber } => {
            let subscriber = state.subscribers.expect_mut(*subscriber);
            subscriber.pin = None;
            subscriber.pin_failures = 0;
        }
        OperatorEvent::SubscriberErased { subscriber, entry } => {
            if let Some(entry) = entry {
                left(state, moment, *subscriber, entry);
            }
            let erased = state.subscribers.expect_mut(*subscriber);
            erased.status = SubscriberStatus::Erased;
            erased.set_profile(&crate::ids::Sealed::default());
            erased.bank = None;
            erased.pin = None;
            state.unbind(*subscriber);
        }
        _ => {}
    }
}
