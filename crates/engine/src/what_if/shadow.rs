//! By how much the shadow differs from what was, and the decisions that are made on it.
//!
//! **Invariant:** a counter has a difference only through a payment that went otherwise, and loses it when the recorded one is
//! given back. One piece, as every field has its way in and its way out side by side.

use std::collections::BTreeSet;

use paytone_domain::{
    Event, State,
    approval::ApprovalRefusal,
    counters::{Daily, Hourly, Spent},
    funding::{Share, plan_with},
    ids::{MandateId, MerchantId, PaymentId, SubscriberId},
    ledger::Account,
    mandate::Mandate,
    merchant::Merchant,
    money::Amount,
    operator::OperatorEvent,
    payment::{Ending, Payment, PaymentEvent, Whose},
    risk::{Facts, Rules, Step, Veto, merchant_veto, payer_veto},
    subscriber::{PhoneEvent, PromptRef, Subscriber},
    time::{BusinessDate, HOUR, Moment, Month, Timestamp},
};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    Otherwise,
    report::{Difference, Report},
};

/// What became otherwise of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Allowed then; its money stays, and the payer never saw it if it was stopped at the request.
    Stopped,
    /// Vetoed then; nothing more is known of it than that.
    Asked,
    /// Vetoed then; its money went.
    Paid,
    /// Vetoed by either.
    Neither,
}

/// An open prompt's difference in what its merchant has open.
#[derive(Clone, Copy, Debug)]
struct Opened {
    /// By how much the shadow has more until the recorded one is over.
    more: i64,
}

#[derive(Default)]
pub(super) struct Shadow {
    pub report: Report,
    rules: Option<(u32, Rules)>,
    fates: FxHashMap<PaymentId, Fate>,
    /// What the payer approved and the shadow did not let count.
    more_money: FxHashMap<Account, i64>,
    more_billed: FxHashMap<(SubscriberId, Month), i64>,
    spent_day: FxHashMap<(SubscriberId, BusinessDate), i64>,
    spent_month: FxHashMap<(SubscriberId, Month), i64>,
    taken_day: FxHashMap<(MerchantId, BusinessDate), i64>,
    charged_month: FxHashMap<(MandateId, Month), i64>,
    attention: FxHashMap<(SubscriberId, BusinessDate), i64>,
    wrong_codes: FxHashMap<(MerchantId, BusinessDate), i64>,
    prompts: FxHashMap<(MerchantId, i64), i64>,
    open: FxHashMap<MerchantId, i64>,
    opened: FxHashMap<PaymentId, Opened>,
    /// Prompts that only the shadow still has open, by when they end.
    closing: BTreeSet<(Timestamp, PaymentId, MerchantId)>,
    /// Payers whom fewer tries would have locked out.
    locked: FxHashSet<SubscriberId>,
}

fn more<K: std::hash::Hash + Eq>(map: &FxHashMap<K, i64>, key: K) -> i64 {
    map.get(&key).copied().unwrap_or_default()
}

fn add<K: std::hash::Hash + Eq>(map: &mut FxHashMap<K, i64>, key: K, minor: i64) {
    if minor != 0 {
        *map.entry(key).or_default() += minor;
    }
}

fn amount(recorded: Amount, more: i64) -> Amount {
    Amount::clamped(recorded.minor() + more)
}

fn count(recorded: u32, more: i64) -> u32 {
    u32::try_from(i64::from(recorded) + more).unwrap_or_default()
}

impl Shadow {
    /// Time passes: what only the shadow has open ends.
    pub fn pass(&mut self, moment: &Moment) {
        while let Some((at, _, merchant)) = self.closing.first().copied()
            && at <= moment.now
        {
            self.closing.pop_first();
            add(&mut self.open, merchant, -1);
        }
    }

    /// Takes in the next event; `state` is as it was before.
    pub fn take(&mut self, otherwise: &Otherwise, state: &State, moment: &Moment, event: &Event) {
        match event {
            Event::Payment(event) => self.payment(otherwise, state, moment, event),
            Event::Phone(PhoneEvent::ApprovalRejected {
                subscriber,
                why: ApprovalRefusal::WrongPin(_),
                ..
            })
            | Event::Phone(PhoneEvent::PinFailed { subscriber }) => {
                let failures = state
                    .subscribers
                    .get(*subscriber)
                    .map_or(0, |subscriber| subscriber.pin_failures.saturating_add(1));
                let rules = self.rules(otherwise, state);
                if failures >= rules.pin_tries && failures < state.rules.pin_tries {
                    self.locked.insert(*subscriber);
                }
            }
            Event::Operator(
                OperatorEvent::PinUnlocked { subscriber }
                | OperatorEvent::PhoneReset { subscriber, .. },
            ) => {
                self.locked.remove(subscriber);
            }
            _ => {}
        }
    }

    fn rules(&mut self, otherwise: &Otherwise, state: &State) -> Rules {
        match &self.rules {
            Some((version, rules)) if *version == state.rules.version => rules.clone(),
            _ => {
                let rules = (otherwise.rules)(&state.rules);
                self.rules = Some((state.rules.version, rules.clone()));
                rules
            }
        }
    }

    fn payment(
        &mut self,
        otherwise: &Otherwise,
        state: &State,
        moment: &Moment,
        event: &PaymentEvent,
    ) {
        match event {
            PaymentEvent::Requested { .. } => self.requested(otherwise, state, moment, event),
            PaymentEvent::Approved { id, shares, .. } => {
                if let Some(payment) = state.payments.get(id) {
                    self.approved(otherwise, state, moment, payment, Ok(shares));
                }
            }
            PaymentEvent::Vetoed { id, veto, .. } => {
                if let Some(payment) = state.payments.get(id) {
                    self.approved(otherwise, state, moment, payment, Err(*veto));
                }
            }
            PaymentEvent::Captured {
                id,
                amount,
                fee,
                tax,
                ..
            } => {
                if let Some(payment) = state.payments.get(id) {
                    self.captured(otherwise, payment, *amount, (*fee, *tax));
                }
            }
            PaymentEvent::Ended {
                id,
                ending,
                attention,
                ..
            } => {
                if let Some(payment) = state.payments.get(id) {
                    // The payer was never asked, so that a prompt taken back cost nothing.
                    if payment.approved_on.is_none()
                        && self.fates.get(id) == Some(&Fate::Stopped)
                        && let Some(payer) = payment.payer
                    {
                        let cost = i64::from(*attention);
                        add(&mut self.attention, (payer, moment.date), -cost);
                    }
                    self.ended(moment, payment, *ending);
                }
            }
            PaymentEvent::Refunded { id, parts, .. } => {
                if let Some(payment) = state.payments.get(id)
                    && self.fates.get(id) == Some(&Fate::Stopped)
                    && let Some(payer) = payment.payer
                {
                    for (place, part) in parts {
                        if let Some(leg) = payment.legs.get(usize::from(*place)) {
                            let share = Share {
                                source: leg.source,
                                amount: *part,
                            };
                            let on = payment.captured_on.unwrap_or(moment.date);
                            self.money(payer, &share, on, -part.minor());
                        }
                    }
                }
            }
            PaymentEvent::Authorized { .. } => {}
        }
    }

    fn requested(
        &mut self,
        otherwise: &Otherwise,
        state: &State,
        moment: &Moment,
        event: &PaymentEvent,
    ) {
        let PaymentEvent::Requested {
            id,
            merchant,
            payer,
            amount,
            whose,
            mandate,
            deadline,
            veto,
            decline,
            till,
            ..
        } = event
        else {
            return;
        };
        let Some(recorded_merchant) = state.merchants.get(*merchant) else {
            return;
        };
        self.report.requests += 1;
        let rules = self.rules(otherwise, state);
        let shadow_merchant = self.merchant(recorded_merchant, moment);
        let payer = payer.and_then(|payer| state.subscribers.get(payer));
        let was = decline.or(*veto);
        let mandate = mandate.and_then(|id| state.mandates.get(&id));
        if mandate.is_some() || till.is_some_and(|till| !till.prompted) {
            let payer = match mandate {
                Some(mandate) => mandate
                    .approved_at
                    .and(mandate.payer)
                    .and_then(|id| state.subscribers.get(id)),
                None => payer,
            };
            let shadow_payer = payer.map(|payer| self.subscriber(payer, &rules, moment));
            let shadow_mandate = mandate.map(|mandate| self.mandate(mandate, moment));
            let step = match mandate {
                Some(_) => Step::Charge,
                None => Step::Tap,
            };
            let facts = Facts {
                step,
                moment,
                rules: &rules,
                merchant: &shadow_merchant,
                payer: shadow_payer.as_ref(),
                has_device: true,
                amount: *amount,
                for_other: false,
                mandate: shadow_mandate.as_ref(),
            };
            let decided = match &shadow_payer {
                None => Err(Veto::MandateNotActive),
                Some(payer) => match merchant_veto(&facts).or_else(|| payer_veto(&facts)) {
                    Some(veto) => Err(veto),
                    None => self
                        .plan(state, moment, payer, &shadow_merchant, *amount)
                        .ok_or(Veto::InsufficientFunds),
                },
            };
            match (was, decided) {
                (None, Err(veto)) => self.stop(*id, *amount, veto),
                (Some(was), Ok(shares)) => {
                    let payer = shadow_payer.map(|payer| payer.id);
                    self.pay(
                        otherwise,
                        recorded_merchant,
                        moment,
                        *id,
                        payer,
                        mandate.map(|mandate| mandate.id),
                        (*amount, was),
                        &shares,
                    );
                }
                (was, decided) => self.settle(*id, *amount, was, decided.err()),
            }
            return;
        }
        let shadow_payer = payer.map(|payer| self.subscriber(payer, &rules, moment));
        let facts = Facts {
            step: Step::Prompt,
            moment,
            rules: &rules,
            merchant: &shadow_merchant,
            payer: shadow_payer.as_ref(),
            has_device: payer.is_some_and(|payer| state.has_active_device(payer)),
            amount: *amount,
            for_other: *whose == Whose::Other,
            mandate: None,
        };
        let declines = merchant_veto(&facts);
        let would_be = declines.or_else(|| payer_veto(&facts));
        let hour = moment.now.0.div_euclid(HOUR);
        match (decline.is_none(), declines.is_none()) {
            (true, false) => {
                add(&mut self.open, *merchant, -1);
                add(&mut self.prompts, (*merchant, hour), -1);
                self.opened.insert(*id, Opened { more: -1 });
            }
            (false, true) => {
                add(&mut self.open, *merchant, 1);
                add(&mut self.prompts, (*merchant, hour), 1);
                self.closing.insert((*deadline, *id, *merchant));
            }
            _ => {}
        }
        match (was, would_be) {
            (None, Some(veto)) => self.stop(*id, *amount, veto),
            (Some(was), None) => {
                self.fates.insert(*id, Fate::Asked);
                self.report.asked.entry(was).or_default().add(*amount);
                self.note(*id, *amount, Some(was), None);
            }
            (was, would_be) => self.settle(*id, *amount, was, would_be),
        }
    }

    /// An approval that counted, with its shares, or one that a rule vetoed.
    fn approved(
        &mut self,
        otherwise: &Otherwise,
        state: &State,
        moment: &Moment,
        payment: &Payment,
        recorded: Result<&Vec<Share>, Veto>,
    ) {
        let Some(payer) = payment.payer.and_then(|id| state.subscribers.get(id)) else {
            return;
        };
        let Some(merchant) = state.merchants.get(payment.merchant) else {
            return;
        };
        let prompted = payment.mandate.is_none();
        if !self.fates.contains_key(&payment.id) && prompted {
            self.report.approvals += 1;
            let rules = self.rules(otherwise, state);
            let shadow_payer = self.subscriber(payer, &rules, moment);
            let shadow_merchant = self.merchant(merchant, moment);
            let facts = Facts {
                step: Step::Approval,
                moment,
                rules: &rules,
                merchant: &shadow_merchant,
                payer: Some(&shadow_payer),
                has_device: true,
                amount: payment.amount,
                for_other: payment.whose == Whose::Other,
                mandate: None,
            };
            let decided = match merchant_veto(&facts).or_else(|| payer_veto(&facts)) {
                Some(veto) => Err(veto),
                None => self
                    .plan(
                        state,
                        moment,
                        &shadow_payer,
                        &shadow_merchant,
                        payment.amount,
                    )
                    .ok_or(Veto::InsufficientFunds),
            };
            match (recorded, decided) {
                (Ok(_), Err(veto)) => self.stop(payment.id, payment.amount, veto),
                (Err(was), Ok(planned)) => {
                    // Then it waited on, unseen; now it is over with the approval.
                    self.opened.insert(payment.id, Opened { more: -1 });
                    add(&mut self.open, payment.merchant, -1);
                    let asked = (payment.amount, was);
                    self.pay(
                        otherwise,
                        merchant,
                        moment,
                        payment.id,
                        Some(payer.id),
                        None,
                        asked,
                        &planned,
                    );
                }
                (Err(was), Err(veto)) => {
                    self.settle(payment.id, payment.amount, Some(was), Some(veto));
                }
                (Ok(_), Ok(_)) => {}
            }
        }
        // What was approved then and is not now stays with the payer, and counts nowhere.
        if let (Ok(shares), Some(Fate::Stopped)) = (recorded, self.fates.get(&payment.id)) {
            if prompted {
                // Then its prompt was over; now it waits, unseen, until its deadline.
                add(&mut self.open, payment.merchant, 1);
                // Declined at once, it never waited.
                if self.opened.remove(&payment.id).is_none() {
                    self.closing
                        .insert((payment.deadline, payment.id, payment.merchant));
                }
            }
            self.counts(payment, payer.id, moment.date, -payment.amount.minor());
            for share in shares {
                self.money(payer.id, share, moment.date, share.amount.minor());
            }
        }
    }

    fn captured(
        &mut self,
        otherwise: &Otherwise,
        payment: &Payment,
        captured: Amount,
        recorded: (Amount, Amount),
    ) {
        self.report.recorded.add(captured, recorded);
        let merchants = self.report.merchants.entry(payment.merchant).or_default();
        merchants.0.add(captured, recorded);
        if self.fates.get(&payment.id) == Some(&Fate::Stopped) {
            let (Some(payer), Some(on)) = (payment.payer, payment.approved_on) else {
                return;
            };
            let rest = payment.amount.minus(captured);
            self.counts(payment, payer, on, rest.minor());
            let mut left = captured;
            for leg in &payment.legs {
                let part = leg.amount.min(left);
                left = left.minus(part);
                let share = Share {
                    source: leg.source,
                    amount: leg.amount.minus(part),
                };
                self.money(payer, &share, on, -share.amount.minor());
            }
            return;
        }
        let fees = match plan_of(otherwise, payment.merchant) {
            Some(plan) => plan.fee(captured),
            None => recorded,
        };
        self.report.replayed.add(captured, fees);
        merchants_of(&mut self.report, payment.merchant).add(captured, fees);
    }

    fn ended(&mut self, moment: &Moment, payment: &Payment, ending: Ending) {
        if let Some(Opened { more }) = self.opened.remove(&payment.id) {
            add(&mut self.open, payment.merchant, -more);
        }
        if self.fates.get(&payment.id) != Some(&Fate::Stopped) {
            return;
        }
        let Some(payer) = payment.payer else { return };
        match (ending, payment.approved_on) {
            // The payer was never asked, so that nothing was ignored, mistyped or reported.
            (Ending::Ignored, _) if payment.veto.is_none() => {
                add(&mut self.attention, (payer, moment.date), -1);
            }
            (Ending::WrongCode, _) => {
                add(&mut self.wrong_codes, (payment.merchant, moment.date), -1);
            }
            (Ending::Refused { report: true }, _) => {
                add(&mut self.wrong_codes, (payment.merchant, moment.date), -1);
                add(&mut self.attention, (payer, moment.date), -3);
            }
            (_, Some(on)) => {
                self.counts(payment, payer, on, payment.amount.minor());
                for leg in &payment.legs {
                    let share = Share {
                        source: leg.source,
                        amount: leg.amount,
                    };
                    self.money(payer, &share, on, -share.amount.minor());
                }
            }
            (_, None) => {}
        }
    }

    fn stop(&mut self, id: PaymentId, amount: Amount, veto: Veto) {
        self.fates.insert(id, Fate::Stopped);
        self.report.stopped.entry(veto).or_default().add(amount);
        self.note(id, amount, None, Some(veto));
    }

    /// Vetoed either way, or allowed either way.
    fn settle(&mut self, id: PaymentId, amount: Amount, was: Option<Veto>, would_be: Option<Veto>) {
        if let (Some(was), Some(would_be)) = (was, would_be)
            && was != would_be
        {
            self.fates.insert(id, Fate::Neither);
            let sums = &mut self.report.otherwise;
            sums.entry((was, would_be)).or_default().add(amount);
            self.note(id, amount, Some(was), Some(would_be));
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what a payment is made of")]
    fn pay(
        &mut self,
        otherwise: &Otherwise,
        merchant: &Merchant,
        moment: &Moment,
        id: PaymentId,
        payer: Option<SubscriberId>,
        mandate: Option<MandateId>,
        (amount, was): (Amount, Veto),
        shares: &[Share],
    ) {
        self.fates.insert(id, Fate::Paid);
        self.report.paid.entry(was).or_default().add(amount);
        self.note(id, amount, Some(was), None);
        let fees = plan_of(otherwise, merchant.id)
            .unwrap_or(&merchant.plan)
            .fee(amount);
        self.report.replayed.add(amount, fees);
        merchants_of(&mut self.report, merchant.id).add(amount, fees);
        let Some(payer) = payer else { return };
        add(&mut self.spent_day, (payer, moment.date), amount.minor());
        add(&mut self.spent_month, (payer, moment.month), amount.minor());
        add(
            &mut self.taken_day,
            (merchant.id, moment.date),
            amount.minor(),
        );
        if let Some(mandate) = mandate {
            add(
                &mut self.charged_month,
                (mandate, moment.month),
                amount.minor(),
            );
        }
        for share in shares {
            if share.source.is_external() {
                self.report.of_banks += share.amount.minor();
            }
            self.money(payer, share, moment.date, -share.amount.minor());
        }
    }

    fn note(
        &mut self,
        payment: PaymentId,
        amount: Amount,
        was: Option<Veto>,
        would_be: Option<Veto>,
    ) {
        self.report.differs(Difference {
            payment,
            amount,
            was,
            would_be,
        });
    }

    /// By how much the limits' sums differ from now on.
    fn counts(&mut self, payment: &Payment, payer: SubscriberId, on: BusinessDate, minor: i64) {
        add(&mut self.spent_day, (payer, on), minor);
        add(&mut self.spent_month, (payer, on.month()), minor);
        add(&mut self.taken_day, (payment.merchant, on), minor);
        if let Some(mandate) = payment.mandate {
            add(&mut self.charged_month, (mandate, on.month()), minor);
        }
    }

    /// By how much the payer's sources differ from now on. A bill's limit is a month's.
    fn money(&mut self, payer: SubscriberId, share: &Share, on: BusinessDate, minor: i64) {
        if share.source.is_external() {
            return;
        }
        match share.source.account(payer) {
            Account::BillReceivable(payer) => {
                add(&mut self.more_billed, (payer, on.month()), minor);
            }
            account => add(&mut self.more_money, account, minor),
        }
    }

    fn plan(
        &self,
        state: &State,
        moment: &Moment,
        payer: &Subscriber,
        merchant: &Merchant,
        amount: Amount,
    ) -> Option<Vec<Share>> {
        plan_with(
            state,
            moment,
            payer,
            // Also those that were spent then and may have money here.
            &payer.lots,
            merchant,
            amount,
            |account| match account {
                Account::BillReceivable(payer) => more(&self.more_billed, (payer, moment.month)),
                account => more(&self.more_money, account),
            },
        )
    }

    fn merchant(&self, merchant: &Merchant, moment: &Moment) -> Merchant {
        let mut shadow = merchant.clone();
        let (id, date) = (merchant.id, moment.date);
        let taken = amount(
            merchant.taken.today(moment),
            more(&self.taken_day, (id, date)),
        );
        shadow.taken = Spent::of(moment, taken, merchant.taken.this_month(moment));
        let hour = moment.now.0.div_euclid(HOUR);
        let prompts = merchant.prompts.in_this_hour(moment);
        shadow.prompts = Hourly::of(moment, count(prompts, more(&self.prompts, (id, hour))));
        let wrong_codes = merchant.wrong_codes.used(moment);
        shadow.wrong_codes = Daily::of(
            moment,
            count(wrong_codes, more(&self.wrong_codes, (id, date))),
        );
        shadow.open = count(merchant.open, more(&self.open, id));
        shadow
    }

    fn subscriber(&self, payer: &Subscriber, rules: &Rules, moment: &Moment) -> Subscriber {
        let mut shadow = payer.clone();
        let id = payer.id;
        shadow.spent = Spent::of(
            moment,
            amount(
                payer.spent.today(moment),
                more(&self.spent_day, (id, moment.date)),
            ),
            amount(
                payer.spent.this_month(moment),
                more(&self.spent_month, (id, moment.month)),
            ),
        );
        let attention = payer.attention.used(moment);
        let attention = count(attention, more(&self.attention, (id, moment.date)));
        shadow.attention = Daily::of(moment, attention);
        shadow.prompts.retain(|prompt| match prompt {
            PromptRef::Payment(id) => self.fates.get(id) != Some(&Fate::Stopped),
            PromptRef::Mandate(_) | PromptRef::Device(_) => true,
        });
        if self.locked.contains(&id) {
            shadow.pin_failures = rules.pin_tries;
        }
        shadow
    }

    fn mandate(&self, mandate: &Mandate, moment: &Moment) -> Mandate {
        let mut shadow = mandate.clone();
        let charged = mandate.charged.this_month(moment);
        let charged = amount(
            charged,
            more(&self.charged_month, (mandate.id, moment.month)),
        );
        shadow.charged = Spent::of(moment, mandate.charged.today(moment), charged);
        shadow
    }
}

fn plan_of(
    otherwise: &Otherwise,
    merchant: MerchantId,
) -> Option<&paytone_domain::merchant::PricePlan> {
    otherwise.plans.get(&merchant).or(otherwise.plan.as_ref())
}

fn merchants_of(report: &mut Report, merchant: MerchantId) -> &mut super::Moneys {
    &mut report.merchants.entry(merchant).or_default().1
}
