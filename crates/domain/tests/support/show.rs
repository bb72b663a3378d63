//! What a row's outcome looks like.

use paytone_domain::{
    ledger::{Account, AccountKind},
    money::Amount,
    payment::Payment,
};

use super::script::Script;

/// `money alice`, `payment p1`, `mandate m1`, `merchant shop`, `book`.
pub fn named(script: &Script, what: &str) -> String {
    let mut words = what.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let name = words.next().unwrap_or_default();
    match kind {
        "money" => money(script, name),
        "payment" => payment(&script.world.payment(script.payments[name]), script),
        "refund" => {
            let refund = script.world.refund(script.refunds[name]);
            format!("{} {}", refund.amount.minor(), refund.status.name())
        }
        "mandate" => {
            let mandate = &script.world.state.mandates[&script.mandates[name]];
            let veto = mandate.veto.map(|veto| format!(" [{}]", veto.code()));
            let charged = mandate.charged.this_month(&script.world.moment).minor();
            format!(
                "{}{}, charged {charged}",
                mandate.status.name(),
                veto.unwrap_or_default()
            )
        }
        "book" => book(script),
        "phone" => phone(script, name),
        "merchant" => {
            let id = script.merchant(name);
            let merchant = script.world.state.merchants.get(id).expect("a merchant");
            format!(
                "taken {}, open {}, wrong codes {}",
                merchant.taken.today(&script.world.moment).minor(),
                merchant.open,
                merchant.wrong_codes.used(&script.world.moment)
            )
        }
        "device" => {
            let device = &script.world.state.devices[&script.devices[name]];
            format!("{:?}", device.status)
        }
        other => panic!("cannot show {other}"),
    }
}

fn lot_name(script: &Script, account: Account) -> String {
    let Account::Grant(id) = account else {
        return account.kind().name().to_owned();
    };
    let known = script.lots.iter().find(|(_, known)| **known == id);
    known.map_or_else(|| id.0.to_string(), |(name, _)| name.clone())
}

/// Everything but zeros: `cash 100 (20 held), g1 50, bill 30, unclaimed 5`.
fn money(script: &Script, name: &str) -> String {
    let state = &script.world.state;
    let id = script.person(name);
    let owner = state.subscribers.get(id).expect("a subscriber");
    let mut lots: Vec<_> = state
        .lots
        .values()
        .filter(|lot| lot.subscriber == id)
        .collect();
    lots.sort_by_key(|lot| lot.id);
    let mut accounts = vec![("cash".to_owned(), Account::SubscriberCash(id))];
    accounts.extend(lots.iter().map(|lot| {
        let account = Account::Grant(lot.id);
        (lot_name(script, account), account)
    }));
    accounts.push(("bill".to_owned(), Account::BillReceivable(id)));
    accounts.push(("unclaimed".to_owned(), Account::Unclaimed(id)));
    let mut shown: Vec<_> = accounts
        .into_iter()
        .filter_map(|(name, account)| {
            let balance = state.book.balance(account);
            match (balance.posted, balance.held) {
                (0, 0) => None,
                (posted, 0) => Some(format!("{name} {posted}")),
                (posted, held) => Some(format!("{name} {posted} ({held} held)")),
            }
        })
        .collect();
    let spent = owner.spent.today(&script.world.moment);
    if !spent.is_zero() {
        shown.push(format!("spent {}", spent.minor()));
    }
    if shown.is_empty() {
        "nothing".to_owned()
    } else {
        shown.join(", ")
    }
}

/// What the subscriber's phone would tell: prompts, attention, PIN tries, reduced limits.
fn phone(script: &Script, name: &str) -> String {
    let state = &script.world.state;
    let owner = state
        .subscribers
        .get(script.person(name))
        .expect("a subscriber");
    let reduced = owner.reduced_until > script.world.moment.now;
    format!(
        "{} prompts, attention {}, pin failures {}{}",
        owner.prompts.len(),
        owner.attention.used(&script.world.moment),
        owner.pin_failures,
        if reduced { ", reduced" } else { "" }
    )
}

fn payment(payment: &Payment, script: &Script) -> String {
    let payer = payment.payer;
    let legs = payment.legs.iter().map(|leg| {
        let account = payer.map(|payer| leg.source.account(payer));
        let source = match account {
            Some(account @ Account::Grant(_)) => lot_name(script, account),
            _ => leg.source.kind().name().to_owned(),
        };
        let state = format!("{:?}", leg.state).to_lowercase();
        match (leg.captured, leg.amount) {
            (part, whole) if part.is_zero() || part == whole => {
                format!("{source} {} {state}", whole.minor())
            }
            (part, whole) => format!("{source} {} of {} {state}", part.minor(), whole.minor()),
        }
    });
    let legs: Vec<_> = legs.collect();
    let money = |name: &str, amount: Amount| {
        (!amount.is_zero()).then(|| format!(", {name} {}", amount.minor()))
    };
    let mut shown = payment.status.name().to_owned();
    if let Some(veto) = payment.veto {
        shown += &format!(" [{}]", veto.code());
    }
    for part in [
        money("captured", payment.captured),
        money("fee", payment.fee),
        money("tax", payment.tax),
        money("refunded", payment.refunded),
    ] {
        shown += &part.unwrap_or_default();
    }
    if !legs.is_empty() {
        shown += &format!(": {}", legs.join(", "));
    }
    shown
}

/// What is not zero, by kind.
fn book(script: &Script) -> String {
    let mut totals = std::collections::BTreeMap::<AccountKind, i64>::new();
    for (account, balance) in script.world.state.book.iter() {
        *totals.entry(account.kind()).or_default() += balance.posted;
    }
    let shown = totals.into_iter().filter(|(_, total)| *total != 0);
    let shown: Vec<_> = shown
        .map(|(kind, total)| format!("{} {total}", kind.name()))
        .collect();
    shown.join(", ")
}
