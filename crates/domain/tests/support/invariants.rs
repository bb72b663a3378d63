//! What is true after every command, whatever it was.

use std::collections::BTreeMap;

use paytone_domain::{
    Answer, State,
    funding::{Direction, LegState},
    ids::{LotId, SubscriberId},
    ledger::{Account, AccountKind},
    mandate::MandateStatus,
    money::Amount,
    payment::{Payment, Status},
    subscriber::PromptRef,
};

pub fn hold(state: &State) {
    books_balance(state);
    holds_belong_to_payments(state);
    money_on_its_way_is_on_its_account(state);
    state.payments.values().for_each(payment_adds_up);
    prompts_are_counted(state);
    lots_with_money_are_known(state);
    for (number, id) in state.numbers.iter(&state.subscribers) {
        let holder = state.subscribers.get(id).expect("a number has a holder");
        assert_eq!(
            holder.number.as_ref(),
            Some(number),
            "a binding has two ends"
        );
    }
}

fn books_balance(state: &State) {
    assert_eq!(state.book.total(), 0, "the books balance");
    for (account, balance) in state.book.iter() {
        assert!(balance.held >= 0, "{account:?}: {balance:?}");
        if account.is_spendable() {
            assert!(balance.posted >= balance.held, "{account:?}: {balance:?}");
        }
    }
}

fn holds_belong_to_payments(state: &State) {
    let mut held: BTreeMap<Account, i64> = BTreeMap::new();
    for payment in state.payments.values() {
        for leg in &payment.legs {
            if leg.state == LegState::Held {
                let payer = payment.payer.expect("who holds has a payer");
                *held.entry(leg.source.account(payer)).or_default() += leg.amount.minor();
            }
        }
    }
    for (account, balance) in state.book.iter() {
        let expected = held.remove(&account).unwrap_or(0);
        assert_eq!(balance.held, expected, "held on {account:?}");
    }
    assert!(held.is_empty(), "held nowhere: {held:?}");
}

fn posted(state: &State, kind: AccountKind) -> i64 {
    let of_kind = state
        .book
        .iter()
        .filter(|(account, _)| account.kind() == kind);
    of_kind.map(|(_, balance)| balance.posted).sum()
}

fn money_on_its_way_is_on_its_account(state: &State) {
    let collected: i64 = state
        .payments
        .values()
        .flat_map(|payment| &payment.legs)
        .filter(|leg| leg.state == LegState::Collected)
        .map(|leg| leg.amount.minor())
        .sum();
    assert_eq!(
        posted(state, AccountKind::Collected),
        collected,
        "collected"
    );
    let going_back: i64 = state
        .effects
        .values()
        .filter(|effect| matches!(effect.direction, Direction::GiveBack { .. }))
        .map(|effect| effect.amount.minor())
        .sum();
    assert_eq!(posted(state, AccountKind::Suspense), going_back, "suspense");
}

fn payment_adds_up(payment: &Payment) {
    assert!(payment.captured <= payment.amount, "{payment:?}");
    assert!(payment.refunded <= payment.captured, "{payment:?}");
    if payment.legs.is_empty() {
        return;
    }
    let sum = |part: fn(&paytone_domain::funding::FundingLeg) -> Amount| {
        Amount::sum(payment.legs.iter().map(part))
    };
    assert_eq!(sum(|leg| leg.amount), payment.amount, "all or nothing");
    assert_eq!(sum(|leg| leg.captured), payment.captured);
    assert_eq!(sum(|leg| leg.refunded), payment.refunded);
    let waits = matches!(payment.status, Status::Funding | Status::Authorized);
    for leg in &payment.legs {
        let holds = matches!(leg.state, LegState::Held | LegState::Collected);
        assert!(
            waits || !holds,
            "a payment that is over holds nothing: {payment:?}"
        );
        assert!(leg.refunded <= leg.captured, "{payment:?}");
    }
}

fn lots_with_money_are_known(state: &State) {
    let mut funded: BTreeMap<SubscriberId, Vec<LotId>> = BTreeMap::new();
    for lot in state.lots.values() {
        if state.book.balance(Account::Grant(lot.id)).posted != 0 {
            funded.entry(lot.subscriber).or_default().push(lot.id);
        }
    }
    for subscriber in state.subscribers.iter() {
        let mut expected = funded.remove(&subscriber.id).unwrap_or_default();
        expected.sort_unstable();
        assert_eq!(subscriber.funded_lots, expected, "{:?}", subscriber.id);
    }
}

fn prompts_are_counted(state: &State) {
    let mut open: BTreeMap<u64, u32> = BTreeMap::new();
    for payment in state.payments.values() {
        if payment.status == Status::AwaitingApproval {
            *open.entry(payment.merchant.0).or_default() += 1;
        }
    }
    for mandate in state.mandates.values() {
        if mandate.status == MandateStatus::AwaitingApproval {
            *open.entry(mandate.merchant.0).or_default() += 1;
        }
    }
    assert_eq!(
        state.open_prompts,
        open.values().map(|open| u64::from(*open)).sum::<u64>()
    );
    for merchant in state.merchants.iter() {
        assert_eq!(
            merchant.open,
            open.get(&merchant.id.0).copied().unwrap_or(0)
        );
    }
    for subscriber in state.subscribers.iter() {
        for prompt in &subscriber.prompts {
            match prompt {
                PromptRef::Payment(id) => {
                    assert_eq!(state.payments[id].status, Status::AwaitingApproval);
                    assert_eq!(state.payments[id].veto, None, "who is vetoed is not asked");
                }
                PromptRef::Mandate(id) => {
                    assert_eq!(state.mandates[id].status, MandateStatus::AwaitingApproval);
                    assert_eq!(state.mandates[id].veto, None, "who is vetoed is not asked");
                }
                PromptRef::Device(id) => assert!(state.devices.contains_key(id)),
            }
        }
    }
}

/// An answer is made before its events are applied; it must tell what they made.
pub fn answered_as_it_is(state: &State, answer: &Answer) {
    match answer {
        Answer::Payment(Ok(facts)) => {
            let payment = &state.payments[&facts.id];
            assert_eq!(*facts, payment.facts(payment.snapshot()));
        }
        Answer::Refund(Ok(facts)) => {
            let refund = &state.refunds[&facts.id];
            assert_eq!(*facts, refund.facts(refund.status));
        }
        Answer::Mandate(Ok(facts)) => {
            let mandate = &state.mandates[&facts.id];
            assert_eq!(*facts, mandate.facts(mandate.status));
        }
        _ => {}
    }
}
