//! A charge under a mandate that was paid from inside and captured at once, as one event.
//!
//! It says what five events say otherwise: requested, approved, authorised, captured, and what its idempotency key got. Most
//! payments are such charges, and a journal of them is half as long and is taken in twice as fast.
//!
//! **Invariant:** taking it in does to the state what taking in its [`Charged::steps`] does. Followers see the steps.

use minicbor::{Decode, Encode};

use super::{
    CaptureMode, Payment, PaymentEvent, PaymentFacts, PaymentRequest, Snapshot, Status, Whose,
};
use crate::{
    Event,
    funding::{FundingLeg, LegState, Share, Source},
    idempotency::{Recorded, Repeat, RepeatEvent},
    ids::{BodyHash, MandateId, MerchantId, PaymentId, RepeatKey, Sealed, SubscriberId},
    ledger::{Account, Entry},
    merchant::PricePlan,
    money::Amount,
    state::State,
    time::{DAY, Moment, SECOND, Timestamp},
};

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Charged {
    #[n(0)]
    pub id: PaymentId,
    #[n(1)]
    pub merchant: MerchantId,
    #[n(2)]
    pub payer: SubscriberId,
    #[n(3)]
    pub mandate: MandateId,
    #[n(4)]
    pub amount: Amount,
    #[n(5)]
    pub fee: Amount,
    #[n(6)]
    pub tax: Amount,
    /// All of them internal.
    #[n(7)]
    pub shares: Vec<Share>,
    #[n(8)]
    pub text: Sealed,
    /// How long after the charge a prompt would have ended, in milliseconds.
    #[n(9)]
    pub prompt_ms: u64,
    /// How long after the charge an authorisation would have ended, in milliseconds.
    #[n(10)]
    pub capture_ms: u64,
    /// The version of the rules it was decided by.
    #[n(11)]
    pub rules_version: u32,
    /// Keyed hash of merchant and reference, for those who search.
    #[n(12)]
    pub reference_hash: Option<u64>,
    #[n(13)]
    pub key: RepeatKey,
    #[n(14)]
    pub body: BodyHash,
}

impl Charged {
    pub fn repeat(&self) -> Repeat {
        Repeat::new(self.key, self.body)
    }

    fn deadline(&self, moment: &Moment) -> Timestamp {
        later(moment, self.prompt_ms)
    }

    fn capture_deadline(&self, moment: &Moment) -> Timestamp {
        later(moment, self.capture_ms)
    }

    /// A charge of `request` that these internal shares pay for in full.
    pub(super) fn new(
        state: &State,
        request: PaymentRequest,
        payer: SubscriberId,
        mandate: MandateId,
        plan: &PricePlan,
        shares: Vec<Share>,
    ) -> Self {
        let (fee, tax) = plan.fee(request.amount);
        let seconds = request
            .expires_in_seconds
            .unwrap_or(state.rules.prompt_seconds);
        Self {
            id: PaymentId(state.next_payment),
            merchant: request.merchant,
            payer,
            mandate,
            amount: request.amount,
            fee,
            tax,
            shares,
            text: request.text,
            prompt_ms: u64::from(seconds) * SECOND.unsigned_abs(),
            capture_ms: u64::from(state.rules.capture_days) * DAY.unsigned_abs(),
            rules_version: state.rules.version,
            reference_hash: request.reference_hash,
            key: request.repeat.key,
            body: request.repeat.body,
        }
    }

    /// The payment as it was answered.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            status: Status::Captured,
            captured: self.amount,
            refunded: Amount::ZERO,
            fee: self.fee,
            tax: self.tax,
            capture_deadline: None,
            decline: None,
        }
    }

    /// The payment as its merchant sees it.
    pub(super) fn facts(&self, moment: &Moment) -> PaymentFacts {
        PaymentFacts {
            id: self.id,
            amount: self.amount,
            whose: Whose::Own,
            capture: CaptureMode::Automatic,
            text: self.text.clone(),
            match_code: None,
            mandate: Some(self.mandate),
            created_at: moment.now,
            deadline: self.deadline(moment),
            now: self.snapshot(),
        }
    }

    fn legs(&self) -> Vec<FundingLeg> {
        let leg = |share: &Share| FundingLeg {
            source: share.source,
            amount: share.amount,
            state: LegState::Moved,
            captured: share.amount,
            refunded: Amount::ZERO,
            effect: None,
        };
        self.shares.iter().map(leg).collect()
    }

    fn entry(&self) -> Entry {
        let payable = Account::MerchantPayable(self.merchant);
        let mut entry = Entry::default();
        for share in &self.shares {
            entry.and(share.amount, share.source.account(self.payer), payable);
        }
        entry
            .and(self.fee, payable, Account::FeeIncome)
            .and(self.tax, payable, Account::FeeTax);
        entry
    }

    /// The events that say the same one by one.
    pub fn steps(&self, moment: &Moment) -> [Event; 5] {
        [
            Event::Payment(PaymentEvent::Requested {
                id: self.id,
                merchant: self.merchant,
                payer: Some(self.payer),
                amount: self.amount,
                whose: Whose::Own,
                capture: CaptureMode::Automatic,
                text: self.text.clone(),
                codes: None,
                mandate: Some(self.mandate),
                deadline: self.deadline(moment),
                veto: None,
                decline: None,
                rules_version: self.rules_version,
                reference_hash: self.reference_hash,
                till: None,
            }),
            Event::Payment(PaymentEvent::Approved {
                id: self.id,
                device: None,
                evidence: None,
                shares: self.shares.clone(),
                effects: Vec::new(),
            }),
            Event::Payment(PaymentEvent::Authorized {
                id: self.id,
                capture_deadline: self.capture_deadline(moment),
            }),
            Event::Payment(PaymentEvent::Captured {
                id: self.id,
                amount: self.amount,
                fee: self.fee,
                tax: self.tax,
                entry: self.entry(),
            }),
            Event::Repeat(RepeatEvent::Used {
                key: self.key,
                body: self.body,
                answer: Recorded::Payment(self.id, self.snapshot()),
            }),
        ]
    }

    pub(super) fn payment(&self, moment: &Moment) -> Payment {
        Payment {
            id: self.id,
            merchant: self.merchant,
            payer: Some(self.payer),
            amount: self.amount,
            whose: Whose::Own,
            capture: CaptureMode::Automatic,
            text: self.text.clone(),
            codes: None,
            mandate: Some(self.mandate),
            created_at: moment.now,
            changed_at: moment.now,
            deadline: self.deadline(moment),
            status: Status::Captured,
            veto: None,
            decline: None,
            legs: self.legs(),
            approved_on: Some(moment.date),
            capture_deadline: None,
            captured: self.amount,
            captured_on: Some(moment.date),
            refunded: Amount::ZERO,
            fee: self.fee,
            tax: self.tax,
            refunds: Vec::new(),
            till: None,
        }
    }
}

fn later(moment: &Moment, ms: u64) -> Timestamp {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    Timestamp(moment.now.0.saturating_add(ms))
}

pub(crate) fn evolve(state: &mut State, moment: &Moment, charged: &Charged) {
    state.next_payment = state.next_payment.max(charged.id.0 + 1);
    let mut billed = Amount::ZERO;
    let mut payable = 0;
    for share in &charged.shares {
        let minor = share.amount.minor();
        state.post_leg(share.source.account(charged.payer), -minor);
        payable += minor;
        if share.source == Source::Bill {
            billed = billed.plus(share.amount);
        }
    }
    let (fee, tax) = (charged.fee.minor(), charged.tax.minor());
    payable -= fee + tax;
    state.post_leg(Account::MerchantPayable(charged.merchant), payable);
    state.post_leg(Account::FeeIncome, fee);
    state.post_leg(Account::FeeTax, tax);

    if let Some(mandate) = state.mandates.get_mut(&charged.mandate) {
        mandate.charged.add(moment, charged.amount);
    }
    let merchant = state.merchants.expect_mut(charged.merchant);
    merchant.taken.add(moment, charged.amount);
    let payer = state.subscribers.expect_mut(charged.payer);
    payer.spent.add(moment, charged.amount);
    if !billed.is_zero() {
        payer.billed.add(moment, billed);
    }
    state.payments.insert(charged.id, charged.payment(moment));
    state.touched(moment, charged.id);
    let answer = Recorded::Payment(charged.id, charged.snapshot());
    state.keep_answer(moment, charged.repeat(), answer);
}
