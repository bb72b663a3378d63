//! The account as its owner sees it: what there is to pay with, limits, phones, blocked merchants.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use paytone_domain::{
    Actor, Answer, Command, State as DomainState,
    funding::SourceKind,
    grant::Scope,
    ids::{LotId, MerchantId, Sealed, SubscriberId},
    ledger::{Account, Balance},
    money::Amount,
    risk,
    subscriber::PhoneCommand,
    time::{Moment, Timestamp},
};
use paytone_journal::subject_keys::SubjectKey;
use serde::{Deserialize, Serialize};

use super::{
    device::{self, DeviceSeen, DeviceShown, Nothing},
    prompt::merchant_card,
    session::{ActiveDevice, SignedIn},
};
use crate::{
    edge::{
        amount, category,
        ids::Public,
        json::{self, Body},
        position::stamp,
        problem::Problem,
        text::{self, Place, Profile},
        time,
    },
    node::Node,
};

/// What the state says of an account, its texts still sealed.
struct Seen {
    profile: Sealed,
    bank: Option<Sealed>,
    cash: Balance,
    lots: Vec<LotSeen>,
    bill: Option<BillSeen>,
    sources: [SourceKind; 4],
    limits: LimitsSeen,
    pin_tries_left: u8,
    devices: Vec<DeviceSeen>,
    blocked: Vec<MerchantId>,
}

struct LotSeen {
    id: LotId,
    label: Sealed,
    balance: Balance,
    expires_at: Option<Timestamp>,
    scope: Scope,
}

struct BillSeen {
    limit: Amount,
    used: Amount,
    month: String,
}

struct LimitsSeen {
    payment: Amount,
    daily: Amount,
    monthly: Amount,
    for_other: Amount,
    today: Amount,
    this_month: Amount,
}

fn look(state: &DomainState, moment: &Moment, id: SubscriberId) -> Option<Seen> {
    let owner = state.subscribers.get(id)?;
    let rules = &state.rules;
    let reduced = risk::reduced(owner, rules, moment);
    let at_most = |limit: Amount, cut: Amount| if reduced { limit.min(cut) } else { limit };
    let payment = at_most(rules.payment_limit, rules.reduced_payment_limit);
    let bill_held = Amount::clamped(state.book.balance(Account::BillReceivable(id)).held);
    let mut lots: Vec<_> = owner
        .funded_lots
        .iter()
        .filter_map(|lot| state.lots.get(lot))
        .filter(|lot| !lot.expired(moment.now))
        .map(|lot| LotSeen {
            id: lot.id,
            label: lot.label.clone(),
            balance: state.book.balance(Account::Grant(lot.id)),
            expires_at: lot.expires_at,
            scope: lot.scope.clone(),
        })
        .filter(|lot| lot.balance.posted > 0)
        .collect();
    // As they are spent: soonest to expire first.
    lots.sort_by_key(|lot| (lot.expires_at.unwrap_or(Timestamp(i64::MAX)), lot.id));
    Some(Seen {
        profile: owner.profile(),
        bank: owner.bank.clone(),
        cash: state.book.balance(Account::SubscriberCash(id)),
        lots,
        bill: (!owner.line().bill_limit.is_zero()).then(|| BillSeen {
            limit: owner.line().bill_limit,
            used: owner.billed.this_month(moment).plus(bill_held),
            month: moment.month.to_string(),
        }),
        sources: owner.sources,
        limits: LimitsSeen {
            payment,
            daily: at_most(rules.daily_limit, rules.reduced_daily_limit),
            monthly: rules.monthly_limit,
            for_other: rules.other_person_limit.min(payment),
            today: owner.spent.today(moment),
            this_month: owner.spent.this_month(moment),
        },
        pin_tries_left: rules.pin_tries.saturating_sub(owner.pin_failures),
        devices: owner
            .devices
            .iter()
            .filter_map(|device| state.devices.get(device))
            .map(DeviceSeen::from)
            .collect(),
        blocked: owner.blocked_merchants.clone(),
    })
}

#[derive(Serialize)]
struct Me {
    subscriber: String,
    number: String,
    name: String,
    currency: String,
    balance: BalanceShown,
    grants: Vec<GrantShown>,
    bill: Option<BillShown>,
    bank: Option<BankShown>,
    sources: [&'static str; 4],
    limits: LimitsShown,
    pin: PinShown,
    devices: Vec<DeviceShown>,
    blocked_merchants: Vec<MerchantNamed>,
}

#[derive(Serialize)]
struct BalanceShown {
    available: String,
    held: String,
}

#[derive(Serialize)]
struct GrantShown {
    id: String,
    label: String,
    available: String,
    held: String,
    expires_at: Option<String>,
    /// `None` is everywhere.
    scope: Option<ScopeShown>,
}

#[derive(Serialize)]
struct ScopeShown {
    merchants: Vec<String>,
    categories: Vec<&'static str>,
}

#[derive(Serialize)]
struct BillShown {
    limit: String,
    used: String,
    available: String,
    month: String,
}

#[derive(Serialize)]
struct BankShown {
    label: String,
}

#[derive(Serialize)]
struct LimitsShown {
    per_payment: String,
    per_day: String,
    per_month: String,
    used_today: String,
    used_this_month: String,
    for_other: String,
}

#[derive(Serialize)]
struct PinShown {
    locked: bool,
    tries_left: u8,
}

#[derive(Serialize)]
pub struct MerchantNamed {
    pub id: String,
    pub name: String,
}

pub async fn named(node: &Node, id: MerchantId) -> Result<MerchantNamed, Problem> {
    let card = merchant_card(node, id).await?;
    Ok(MerchantNamed {
        id: id.show(&node.ids),
        name: card.name.to_string(),
    })
}

/// `GET /phone/api/me`
pub async fn me(
    State(node): State<Arc<Node>>,
    ActiveDevice(device): ActiveDevice,
) -> Result<Response, Problem> {
    let owner = device.payer();
    let read = node
        .engine
        .read(move |state, moment| look(state, moment, owner.id))
        .await?;
    let seen = read.answer.ok_or_else(Problem::not_found)?;
    let key = node.subjects.get(owner.subject).await?;
    let me = show(&node, device, &seen, &key).await?;
    Ok(stamp(
        json::answer(StatusCode::OK, &me),
        &node,
        read.position,
    ))
}

async fn show(node: &Node, at: SignedIn, seen: &Seen, key: &SubjectKey) -> Result<Me, Problem> {
    let owner = at.payer();
    let currency = node.currency();
    let money = |amount| amount::show(amount, currency);
    let opened = |place, sealed: &Sealed| text::open(key, owner.subject, place, sealed);
    let profile: Option<Profile> = opened(Place::Profile, &seen.profile)
        .and_then(|profile| serde_json::from_str(&profile).ok());
    let (number, name) =
        profile.map_or_else(Default::default, |profile| (profile.number, profile.name));
    let mut grants = Vec::with_capacity(seen.lots.len());
    for lot in &seen.lots {
        grants.push(GrantShown {
            id: lot.id.show(&node.ids),
            label: opened(Place::LotLabel, &lot.label).unwrap_or_default(),
            available: money(lot.balance.available()),
            held: money(Amount::clamped(lot.balance.held)),
            expires_at: lot.expires_at.map(time::show),
            scope: show_scope(node, &lot.scope).await?,
        });
    }
    let mut blocked_merchants = Vec::with_capacity(seen.blocked.len());
    for merchant in &seen.blocked {
        blocked_merchants.push(named(node, *merchant).await?);
    }
    Ok(Me {
        subscriber: owner.id.show(&node.ids),
        number,
        name,
        currency: currency.code(),
        balance: BalanceShown {
            available: money(seen.cash.available()),
            held: money(Amount::clamped(seen.cash.held)),
        },
        grants,
        bill: seen.bill.as_ref().map(|bill| BillShown {
            limit: money(bill.limit),
            used: money(bill.used),
            available: money(bill.limit.minus(bill.used)),
            month: bill.month.clone(),
        }),
        bank: seen.bank.as_ref().map(|bank| BankShown {
            label: masked(&opened(Place::Bank, bank).unwrap_or_default()),
        }),
        sources: seen.sources.map(SourceKind::name),
        limits: LimitsShown {
            per_payment: money(seen.limits.payment),
            per_day: money(seen.limits.daily),
            per_month: money(seen.limits.monthly),
            used_today: money(seen.limits.today),
            used_this_month: money(seen.limits.this_month),
            for_other: money(seen.limits.for_other),
        },
        pin: PinShown {
            locked: seen.pin_tries_left == 0,
            tries_left: seen.pin_tries_left,
        },
        devices: seen
            .devices
            .iter()
            .map(|seen| device::show(node, seen, owner.subject, key, Some(at.device)))
            .collect(),
        blocked_merchants,
    })
}

async fn show_scope(node: &Node, scope: &Scope) -> Result<Option<ScopeShown>, Problem> {
    if scope.merchants.is_empty() && scope.categories.is_empty() {
        return Ok(None);
    }
    let mut merchants = Vec::with_capacity(scope.merchants.len());
    for merchant in &scope.merchants {
        merchants.push(named(node, *merchant).await?.name);
    }
    let mut categories: Vec<_> = scope
        .categories
        .iter()
        .copied()
        .map(category::name)
        .collect();
    categories.dedup();
    Ok(Some(ScopeShown {
        merchants,
        categories,
    }))
}

/// The end of an account number: enough to know it by.
fn masked(account: &str) -> String {
    let digits: Vec<char> = account.chars().filter(|c| c.is_alphanumeric()).collect();
    let end: String = digits[digits.len().saturating_sub(4)..].iter().collect();
    format!("•••• {end}")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    order: Vec<String>,
}

/// `PUT /phone/api/sources`
pub async fn order_sources(
    State(node): State<Arc<Node>>,
    ActiveDevice(by): ActiveDevice,
    body: Body<Order>,
) -> Result<Response, Problem> {
    let names = body.value.order;
    let unknown = |name: &str| {
        Problem::unprocessable("unknown_source", format!("there is no source {name}"))
            .field("order")
    };
    let kinds: Result<Vec<_>, _> = names
        .iter()
        .map(|name| SourceKind::from_name(name).ok_or_else(|| unknown(name)))
        .collect();
    let order = <[SourceKind; 4]>::try_from(kinds?)
        .map_err(|_| paytone_domain::subscriber::PhoneRefusal::NotAnOrder)?;
    let device = by.device;
    submit(&node, by, PhoneCommand::OrderSources { device, order }).await
}

/// `DELETE /phone/api/blocked-merchants/{id}`
pub async fn unblock(
    State(node): State<Arc<Node>>,
    ActiveDevice(by): ActiveDevice,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let merchant = MerchantId::read(&node.ids, &id).ok_or_else(Problem::not_found)?;
    let device = by.device;
    submit(
        &node,
        by,
        PhoneCommand::UnblockMerchant { device, merchant },
    )
    .await
}

async fn submit(node: &Node, by: SignedIn, command: PhoneCommand) -> Result<Response, Problem> {
    let answered = node
        .submit(Actor::Device(by.device), Command::Phone(command))
        .await?;
    match answered.answer {
        Answer::Phone(answer) => {
            answer?;
            let done = json::answer(StatusCode::OK, &Nothing {});
            Ok(stamp(done, node, answered.position))
        }
        _ => Err(Problem::internal("a phone was answered as something else")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_account_only_the_end_is_shown() {
        for (account, shown) in [
            ("6222 0200 0011 2233", "•••• 2233"),
            ("NO93 8601 1117 947", "•••• 7947"),
            ("12", "•••• 12"),
            ("", "•••• "),
        ] {
            assert_eq!(masked(account), shown);
        }
    }
}
