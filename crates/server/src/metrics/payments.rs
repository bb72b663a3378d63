//! Payments by what became of them, counted from durable batches.
//!
//! A payment counts once under `requested` and once under its outcome. One that a rule vetoed on the payer's side counts as
//! `vetoed` when that happens, and not again when it expires as its merchant sees it.

use std::sync::atomic::{AtomicU64, Ordering};

use paytone_domain::{
    Event, State,
    ids::PaymentId,
    money::Amount,
    payment::{Ending, PaymentEvent, Status, asks_on_phone},
    risk::Veto,
    time::{Moment, Timestamp},
};
use paytone_engine::{
    Batch,
    stats::{Histogram, TIMES_US},
};
use rustc_hash::FxHashMap;

/// What can become of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Captured,
    /// Told to the merchant at once.
    Declined,
    /// By a rule on the payer's side, unseen by the merchant.
    Vetoed,
    Refused,
    Expired,
    Cancelled,
    Failed,
}

impl Outcome {
    pub const ALL: [Self; 7] = [
        Self::Captured,
        Self::Declined,
        Self::Vetoed,
        Self::Refused,
        Self::Expired,
        Self::Cancelled,
        Self::Failed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::Declined => "declined",
            Self::Vetoed => "vetoed",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    fn of(ending: Ending) -> Self {
        match ending {
            Ending::Refused { .. } | Ending::WrongCode => Self::Refused,
            Ending::Cancelled => Self::Cancelled,
            Ending::Ignored | Ending::NotCaptured => Self::Expired,
            Ending::NotFunded | Ending::PayerErased => Self::Failed,
        }
    }
}

const OUTCOMES: usize = Outcome::ALL.len();
const REASONS: usize = Veto::ALL.len();

/// A payment that waits for an answer.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    since: Timestamp,
    vetoed: bool,
}

/// Payments that wait for an answer. As many as the rules let wait in all.
#[derive(Debug, Default)]
pub struct Open(FxHashMap<PaymentId, Waiting>);

impl Open {
    pub fn of(state: &State) -> Self {
        let waiting = state.payments.values().filter_map(|payment| {
            let waiting = Waiting {
                since: payment.created_at,
                vetoed: payment.veto.is_some(),
            };
            (payment.status == Status::AwaitingApproval).then_some((payment.id, waiting))
        });
        Self(waiting.collect())
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// What one batch did.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    requested: u64,
    approved: u64,
    refunded: u64,
    captured_minor: u64,
    outcomes: [u64; OUTCOMES],
    vetoes: [u64; REASONS],
    declines: [u64; REASONS],
}

impl Tally {
    fn captured(&mut self, amount: Amount) {
        self.outcomes[Outcome::Captured as usize] += 1;
        self.captured_minor += amount.minor().max(0).unsigned_abs();
    }
}

/// The counters.
pub struct Payments {
    requested: AtomicU64,
    approved: AtomicU64,
    refunded: AtomicU64,
    captured_minor: AtomicU64,
    outcomes: [AtomicU64; OUTCOMES],
    vetoes: [AtomicU64; REASONS],
    declines: [AtomicU64; REASONS],
    missed: AtomicU64,
    /// From the request to the approval on a phone.
    pub approval_us: Histogram,
}

impl Default for Payments {
    fn default() -> Self {
        Self {
            requested: AtomicU64::new(0),
            approved: AtomicU64::new(0),
            refunded: AtomicU64::new(0),
            captured_minor: AtomicU64::new(0),
            outcomes: [const { AtomicU64::new(0) }; OUTCOMES],
            vetoes: [const { AtomicU64::new(0) }; REASONS],
            declines: [const { AtomicU64::new(0) }; REASONS],
            missed: AtomicU64::new(0),
            approval_us: Histogram::new(TIMES_US),
        }
    }
}

/// [`Payments`] at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub requested: u64,
    pub approved: u64,
    pub refunded: u64,
    pub captured_minor: u64,
    pub outcomes: Vec<(Outcome, u64)>,
    pub vetoes: Vec<(Veto, u64)>,
    pub declines: Vec<(Veto, u64)>,
    pub batches_missed: u64,
}

impl Payments {
    /// Counts what a batch did.
    pub fn take(&self, batch: &Batch, open: &mut Open) {
        let mut tally = Tally::default();
        for event in batch.items.iter().flat_map(|item| &item.events) {
            match event {
                Event::Payment(event) => self.event(event, &batch.moment, open, &mut tally),
                // Most payments: it is not looked at in its steps.
                Event::Charged(charged) => {
                    tally.requested += 1;
                    tally.approved += 1;
                    tally.captured(charged.amount);
                }
                _ => {}
            }
        }
        self.add(&tally);
    }

    fn event(&self, event: &PaymentEvent, moment: &Moment, open: &mut Open, tally: &mut Tally) {
        match event {
            PaymentEvent::Requested {
                id,
                mandate,
                veto,
                decline,
                till,
                ..
            } => {
                tally.requested += 1;
                if let Some(reason) = decline {
                    tally.outcomes[Outcome::Declined as usize] += 1;
                    tally.declines[*reason as usize] += 1;
                } else {
                    if let Some(reason) = veto {
                        tally.outcomes[Outcome::Vetoed as usize] += 1;
                        tally.vetoes[*reason as usize] += 1;
                    }
                    if asks_on_phone(*mandate, *till) {
                        let waiting = Waiting {
                            since: moment.now,
                            vetoed: veto.is_some(),
                        };
                        open.0.insert(*id, waiting);
                    }
                }
            }
            PaymentEvent::Approved { id, .. } => {
                tally.approved += 1;
                if let Some(waiting) = open.0.remove(id) {
                    let took_ms = moment.now.since(waiting.since).max(0).unsigned_abs();
                    self.approval_us.record(took_ms * 1_000);
                }
            }
            PaymentEvent::Authorized { .. } => {}
            PaymentEvent::Captured { amount, .. } => tally.captured(*amount),
            PaymentEvent::Ended { id, ending, .. } => {
                let counted = open.0.remove(id).is_some_and(|waiting| waiting.vetoed);
                if !counted {
                    tally.outcomes[Outcome::of(*ending) as usize] += 1;
                }
            }
            PaymentEvent::Vetoed { id, veto, .. } => {
                tally.outcomes[Outcome::Vetoed as usize] += 1;
                tally.vetoes[*veto as usize] += 1;
                if let Some(waiting) = open.0.get_mut(id) {
                    waiting.vetoed = true;
                }
            }
            PaymentEvent::Refunded { .. } => tally.refunded += 1,
        }
    }

    fn add(&self, tally: &Tally) {
        let add = |counter: &AtomicU64, more: u64| {
            if more > 0 {
                counter.fetch_add(more, Ordering::Relaxed);
            }
        };
        let add_all = |counters: &[AtomicU64], more: &[u64]| {
            for (counter, more) in counters.iter().zip(more) {
                add(counter, *more);
            }
        };
        add(&self.requested, tally.requested);
        add(&self.approved, tally.approved);
        add(&self.refunded, tally.refunded);
        add(&self.captured_minor, tally.captured_minor);
        add_all(&self.outcomes, &tally.outcomes);
        add_all(&self.vetoes, &tally.vetoes);
        add_all(&self.declines, &tally.declines);
    }

    /// Batches went by uncounted.
    pub fn missed(&self, batches: u64) {
        self.missed.fetch_add(batches, Ordering::Relaxed);
    }

    pub fn read(&self) -> Counted {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let reasons = |counters: &[AtomicU64]| {
            let counts = counters.iter().map(load);
            Veto::ALL.into_iter().zip(counts).collect()
        };
        Counted {
            requested: load(&self.requested),
            approved: load(&self.approved),
            refunded: load(&self.refunded),
            captured_minor: load(&self.captured_minor),
            outcomes: Outcome::ALL
                .into_iter()
                .zip(self.outcomes.iter().map(load))
                .collect(),
            vetoes: reasons(&self.vetoes),
            declines: reasons(&self.declines),
            batches_missed: load(&self.missed),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use paytone_domain::{
        Actor,
        funding::{Share, Source},
        ids::{BodyHash, MandateId, MerchantId, RepeatKey, Sealed, SubscriberId},
        money::Amount,
        payment::Charged,
    };
    use paytone_engine::Item;

    /// A charge as one event, and as the events it stands for.
    pub(crate) fn charged_and_its_steps() -> [Batch; 2] {
        let moment = Moment::default();
        let amount = Amount::new(1_250).expect("an amount");
        let charged = Charged {
            id: PaymentId(7),
            merchant: MerchantId(1),
            payer: SubscriberId(2),
            mandate: MandateId(3),
            amount,
            fee: Amount::ZERO,
            tax: Amount::ZERO,
            shares: vec![Share {
                source: Source::Balance,
                amount,
            }],
            text: Sealed::default(),
            prompt_ms: 60_000,
            capture_ms: 60_000,
            rules_version: 1,
            reference_hash: None,
            key: RepeatKey([1; 16]),
            body: BodyHash([2; 16]),
        };
        let steps = charged.steps(&moment).into();
        [vec![Event::Charged(charged)], steps].map(|events| Batch {
            moment,
            level: paytone_domain::LEVEL,
            items: vec![Item {
                actor: Actor::System,
                cause: 0,
                events,
            }],
            note: None,
        })
    }

    #[test]
    fn outcomes_and_reasons_count_at_their_own_place() {
        for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place, "{}", outcome.name());
        }
        for (place, reason) in Veto::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place, "{}", reason.code());
        }
    }

    #[test]
    fn a_charge_counts_as_its_steps_do() {
        let [whole, steps] = charged_and_its_steps().map(|batch| {
            let payments = Payments::default();
            payments.take(&batch, &mut Open::default());
            payments.read()
        });
        assert_eq!(whole, steps);
        assert_eq!((whole.requested, whole.captured_minor), (1, 1_250));
    }
}
