//! Payments: one attempt of a merchant to be paid by a number.
//!
//! ```text
//!                  ┌─ refused, wrong code ─▶ Refused
//!                  ├─ merchant ────────────▶ Cancelled
//!  AwaitingApproval┼─ deadline ────────────▶ Expired
//!                  └─ approved ─▶ Funding ──┬─ all collected ─▶ Authorized ─┬─ capture ──▶ Captured
//!                                           ├─ refused, deadline ▶ Failed   ├─ merchant ─▶ Cancelled
//!  Declined (merchant's own limits, at once)└─ merchant ─────▶ Cancelled    └─ deadline ─▶ Expired
//! ```
//! A payer who is forgotten ends what is funded or authorised as failed; what waits expires as an ignored prompt does.
//!
//! A veto on the payer's side changes none of this: the payment waits unseen and expires as an ignored one does. So all that
//! a merchant can see is one state machine, whoever's number was typed; [`Payment::veto`] says what really happened.
//!
//! **Invariants:** one race, one winner; internal legs are held from approval to capture; captured ≤ amount, refunded ≤ captured.
//!
//! One piece although it is long: the words of a payment (states, facts, commands, events) are read together.

mod approve;
mod capture;
mod charged;
mod end;
mod evolve;
mod refund;
mod request;
mod tapped;

use minicbor::{Decode, Encode};

pub use charged::Charged;
pub use tapped::asks_on_phone;

pub(crate) use approve::approve;
pub(crate) use capture::{capture, due_capture};
pub(crate) use charged::evolve as evolve_charged;
pub(crate) use end::{cancel, due_payment, end_all_of, refuse};
pub(crate) use evolve::{evolve, leg_settled, refund_completed};
pub(crate) use refund::refund;
pub(crate) use request::{repeated, request};
pub(crate) use tapped::{Tapped, tapped, undone};

use crate::{
    Answer, Decision, Event,
    approval::{ApprovalRefusal, Evidence, MatchCodes, SignatureCheck},
    archive::Gone,
    funding::{Effect, FundingLeg, LegState, Share},
    idempotency::Repeat,
    ids::{
        DeviceId, EffectId, MandateId, MerchantId, NumberHash, PaymentId, PinValue, RefundId,
        Sealed, SubscriberId,
    },
    ledger::Entry,
    money::Amount,
    risk::Veto,
    state::State,
    till::TillRef,
    time::{BusinessDate, Moment, Timestamp},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
pub enum Status {
    #[n(0)]
    AwaitingApproval,
    #[n(1)]
    Funding,
    #[n(2)]
    Authorized,
    #[n(3)]
    Captured,
    #[n(4)]
    Declined,
    #[n(5)]
    Refused,
    #[n(6)]
    Expired,
    #[n(7)]
    Cancelled,
    #[n(8)]
    Failed,
}

impl Status {
    pub const ALL: [Self; 9] = [
        Self::AwaitingApproval,
        Self::Funding,
        Self::Authorized,
        Self::Captured,
        Self::Declined,
        Self::Refused,
        Self::Expired,
        Self::Cancelled,
        Self::Failed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::AwaitingApproval => "awaiting_approval",
            Self::Funding => "funding",
            Self::Authorized => "authorized",
            Self::Captured => "captured",
            Self::Declined => "declined",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// Whose phone was named at the checkout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Whose {
    #[n(0)]
    Own,
    #[n(1)]
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum CaptureMode {
    #[n(0)]
    Automatic,
    #[n(1)]
    Manual,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Payment {
    #[n(0)]
    pub id: PaymentId,
    #[n(1)]
    pub merchant: MerchantId,
    #[n(2)]
    pub payer: Option<SubscriberId>,
    #[n(3)]
    pub amount: Amount,
    #[n(4)]
    pub whose: Whose,
    #[n(5)]
    pub capture: CaptureMode,
    /// Description, reference and the asker's name, sealed under the merchant's key.
    #[n(6)]
    pub text: Sealed,
    #[n(7)]
    pub codes: Option<MatchCodes>,
    #[n(8)]
    pub mandate: Option<MandateId>,
    #[n(9)]
    pub created_at: Timestamp,
    #[n(10)]
    pub deadline: Timestamp,
    #[n(11)]
    pub status: Status,
    /// Why the payer was not asked, or the approval did not count. Never shown to the merchant.
    #[n(12)]
    pub veto: Option<Veto>,
    /// Why the merchant was declined, shown to it.
    #[n(13)]
    pub decline: Option<Veto>,
    #[n(14)]
    pub legs: Vec<FundingLeg>,
    #[n(15)]
    pub approved_on: Option<BusinessDate>,
    #[n(16)]
    pub capture_deadline: Option<Timestamp>,
    #[n(17)]
    pub captured: Amount,
    #[n(18)]
    pub captured_on: Option<BusinessDate>,
    #[n(19)]
    pub refunded: Amount,
    #[n(20)]
    pub fee: Amount,
    #[n(21)]
    pub tax: Amount,
    #[n(22)]
    pub refunds: Vec<RefundId>,
    /// When an event last changed it or one of its refunds.
    #[n(23)]
    pub changed_at: Timestamp,
    /// Set if it came from a till.
    #[n(24)]
    pub till: Option<TillRef>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum RefundStatus {
    #[n(0)]
    Pending,
    #[n(1)]
    Completed,
}

impl RefundStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Refund {
    #[n(0)]
    pub id: RefundId,
    #[n(1)]
    pub payment: PaymentId,
    #[n(2)]
    pub amount: Amount,
    /// The merchant's reason, sealed under the merchant's key.
    #[n(3)]
    pub text: Sealed,
    #[n(4)]
    pub status: RefundStatus,
    #[n(5)]
    pub created_at: Timestamp,
}

/// What of a payment changes, as it stood when it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Snapshot {
    #[n(0)]
    pub status: Status,
    #[n(1)]
    pub captured: Amount,
    #[n(2)]
    pub refunded: Amount,
    #[n(3)]
    pub fee: Amount,
    #[n(4)]
    pub tax: Amount,
    #[n(5)]
    pub capture_deadline: Option<Timestamp>,
    #[n(6)]
    pub decline: Option<Veto>,
}

/// The merchant projection of a payment: all that its merchant may know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentFacts {
    pub id: PaymentId,
    pub amount: Amount,
    pub whose: Whose,
    pub capture: CaptureMode,
    pub text: Sealed,
    pub match_code: Option<u8>,
    pub mandate: Option<MandateId>,
    pub created_at: Timestamp,
    pub deadline: Timestamp,
    pub now: Snapshot,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundFacts {
    pub id: RefundId,
    pub payment: PaymentId,
    pub amount: Amount,
    pub text: Sealed,
    pub status: RefundStatus,
    pub created_at: Timestamp,
}

impl Refund {
    pub fn facts(&self, status: RefundStatus) -> RefundFacts {
        RefundFacts {
            id: self.id,
            payment: self.payment,
            amount: self.amount,
            text: self.text.clone(),
            status,
            created_at: self.created_at,
        }
    }
}

impl Payment {
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            status: self.status,
            captured: self.captured,
            refunded: self.refunded,
            fee: self.fee,
            tax: self.tax,
            capture_deadline: self.capture_deadline,
            decline: self.decline,
        }
    }

    /// What the merchant saw when it stood like `now`.
    pub fn facts(&self, now: Snapshot) -> PaymentFacts {
        PaymentFacts {
            id: self.id,
            amount: self.amount,
            whose: self.whose,
            capture: self.capture,
            text: self.text.clone(),
            match_code: self.codes.map(|codes| codes.shown()),
            mandate: self.mandate,
            created_at: self.created_at,
            deadline: self.deadline,
            now,
        }
    }

    /// What the merchant sees.
    pub fn facts_now(&self) -> PaymentFacts {
        self.facts(self.snapshot())
    }

    /// What really became of it: a veto shows as declined once it is over.
    pub fn internal_status(&self) -> Status {
        match (self.veto, self.status) {
            (Some(_), Status::AwaitingApproval | Status::Expired) => Status::Declined,
            (_, status) => status,
        }
    }
}

/// Why a merchant's request was not done. Kept with its idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ClientPaymentRefusal {
    /// No such payment, refund or mandate of this merchant.
    #[n(0)]
    NotFound,
    /// The same key came with another body. Not kept.
    #[n(1)]
    KeyReused,
    /// Too much waits already, in all. Not kept; try again later.
    #[n(2)]
    Busy,
    /// The payment is in another state than this needs.
    #[n(3)]
    WrongStatus(#[n(0)] Status),
    #[n(4)]
    MoreThanAuthorized {
        #[n(0)]
        authorized: Amount,
    },
    #[n(5)]
    MoreThanCaptured {
        #[n(0)]
        left: Amount,
    },
    /// For requests that make no object: refused by the merchant's own limits.
    #[n(6)]
    Declined(#[n(0)] Veto),
    /// A mandate would be over before it began.
    #[n(7)]
    EndsInThePast,
    /// It is in the archive: to be recalled first. Not kept, and nobody is told.
    #[n(8)]
    Archived(#[n(0)] Gone),
}

impl ClientPaymentRefusal {
    pub fn code(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::KeyReused => "idempotency_key_reused",
            Self::Busy => "overloaded",
            Self::WrongStatus(_) => "wrong_status",
            Self::MoreThanAuthorized { .. } => "more_than_authorized",
            Self::MoreThanCaptured { .. } => "more_than_captured",
            Self::Declined(_) => "declined",
            Self::EndsInThePast => "ends_in_the_past",
            Self::Archived(_) => "archived",
        }
    }
}

#[derive(Clone, Debug)]
pub enum PaymentCommand {
    Request(Box<PaymentRequest>),
    Cancel {
        merchant: MerchantId,
        id: PaymentId,
        repeat: Repeat,
    },
    Capture {
        merchant: MerchantId,
        id: PaymentId,
        amount: Option<Amount>,
        repeat: Repeat,
    },
    Refund {
        merchant: MerchantId,
        id: PaymentId,
        amount: Option<Amount>,
        text: Sealed,
        repeat: Repeat,
    },
    Approve(Box<PaymentApproval>),
    Refuse {
        device: DeviceId,
        id: PaymentId,
        report: bool,
    },
}

#[derive(Clone, Copy, Debug)]
pub enum PayerRef {
    Number(NumberHash),
    Mandate(MandateId),
}

#[derive(Clone, Debug)]
pub struct PaymentRequest {
    pub merchant: MerchantId,
    pub payer: PayerRef,
    pub amount: Amount,
    pub whose: Whose,
    pub capture: CaptureMode,
    pub text: Sealed,
    /// Keyed hash of merchant and reference, by which views find it again.
    pub reference_hash: Option<u64>,
    /// How long the prompt waits; `None` is the operator's default.
    pub expires_in_seconds: Option<u32>,
    /// For the match codes.
    pub entropy: u64,
    pub repeat: Repeat,
}

#[derive(Clone, Debug)]
pub struct PaymentApproval {
    pub device: DeviceId,
    pub id: PaymentId,
    pub pin: PinValue,
    /// The match code the payer chose.
    pub code: u8,
    pub check: SignatureCheck,
    pub evidence: Evidence,
}

/// How a payment ended without being captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Ending {
    #[n(0)]
    Refused {
        #[n(0)]
        report: bool,
    },
    #[n(1)]
    WrongCode,
    #[n(2)]
    Cancelled,
    /// Nobody answered.
    #[n(3)]
    Ignored,
    /// The sources did not answer in time, or one said no.
    #[n(4)]
    NotFunded,
    #[n(5)]
    NotCaptured,
    /// The payer was forgotten: nobody is there whose money it could be.
    #[n(6)]
    PayerErased,
}

impl Ending {
    pub fn status(self) -> Status {
        match self {
            Self::Refused { .. } | Self::WrongCode => Status::Refused,
            Self::Cancelled => Status::Cancelled,
            Self::Ignored | Self::NotCaptured => Status::Expired,
            Self::NotFunded | Self::PayerErased => Status::Failed,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PaymentEvent {
    #[n(0)]
    Requested {
        #[n(0)]
        id: PaymentId,
        #[n(1)]
        merchant: MerchantId,
        #[n(2)]
        payer: Option<SubscriberId>,
        #[n(3)]
        amount: Amount,
        #[n(4)]
        whose: Whose,
        #[n(5)]
        capture: CaptureMode,
        #[n(6)]
        text: Sealed,
        #[n(7)]
        codes: Option<MatchCodes>,
        #[n(8)]
        mandate: Option<MandateId>,
        #[n(9)]
        deadline: Timestamp,
        #[n(10)]
        veto: Option<Veto>,
        #[n(11)]
        decline: Option<Veto>,
        /// The version of the rules it was decided by.
        #[n(12)]
        rules_version: u32,
        /// Keyed hash of merchant and reference, for those who search.
        #[n(13)]
        reference_hash: Option<u64>,
        /// Set if it came from a till; from level 4.
        #[n(14)]
        till: Option<TillRef>,
    },
    /// Approved on the phone or under a mandate; the internal shares are held.
    #[n(1)]
    Approved {
        #[n(0)]
        id: PaymentId,
        #[n(1)]
        device: Option<DeviceId>,
        #[n(2)]
        evidence: Option<Evidence>,
        #[n(3)]
        shares: Vec<Share>,
        /// What is wanted of the outside world, one for each external share in order.
        #[n(4)]
        effects: Vec<EffectId>,
    },
    #[n(2)]
    Authorized {
        #[n(0)]
        id: PaymentId,
        #[n(1)]
        capture_deadline: Timestamp,
    },
    #[n(3)]
    Captured {
        #[n(0)]
        id: PaymentId,
        #[n(1)]
        amount: Amount,
        #[n(2)]
        fee: Amount,
        #[n(3)]
        tax: Amount,
        #[n(4)]
        entry: Entry,
    },
    #[n(4)]
    Ended {
        #[n(0)]
        id: PaymentId,
        #[n(1)]
        ending: Ending,
        #[n(2)]
        device: Option<DeviceId>,
        /// Collected money moves to suspense until it went back.
        #[n(3)]
        entry: Entry,
        /// What it costs of the payer's attention, beside what being ignored does.
        #[cbor(n(4), default)]
        attention: u32,
    },
    /// The payer approved and a rule said no; the merchant sees an ignored prompt.
    #[n(5)]
    Vetoed {
        #[n(0)]
        id: PaymentId,
        #[n(1)]
        veto: Veto,
        #[n(2)]
        rules_version: u32,
    },
    #[n(6)]
    Refunded {
        #[n(0)]
        id: PaymentId,
        #[n(1)]
        refund: RefundId,
        #[n(2)]
        amount: Amount,
        #[n(3)]
        text: Sealed,
        /// How much goes back to each leg, by its place.
        #[n(4)]
        parts: Vec<(u16, Amount)>,
        #[n(5)]
        entry: Entry,
        #[n(6)]
        status: RefundStatus,
        /// Expired lots that live on.
        #[n(7)]
        extended: Vec<(crate::ids::LotId, Timestamp)>,
    },
}

pub(crate) fn decide(state: &State, moment: &Moment, command: PaymentCommand) -> Decision {
    match command {
        PaymentCommand::Request(command) => repeated(state, command.repeat, |events| {
            request(state, moment, *command, events)
        }),
        PaymentCommand::Cancel {
            merchant,
            id,
            repeat,
        } => repeated(state, repeat, |events| {
            cancel(state, moment, merchant, id, events)
        }),
        PaymentCommand::Capture {
            merchant,
            id,
            amount,
            repeat,
        } => repeated(state, repeat, |events| {
            capture(state, moment, merchant, id, amount, events)
        }),
        PaymentCommand::Refund {
            merchant,
            id,
            amount,
            text,
            repeat,
        } => repeated(state, repeat, |events| {
            refund(state, moment, merchant, id, amount, text, events)
        }),
        PaymentCommand::Approve(approval) => {
            let mut events = Vec::new();
            let answer = approve(state, moment, *approval, &mut events);
            Decision {
                answer: Answer::PaymentOnPhone(answer),
                events,
            }
        }
        PaymentCommand::Refuse { device, id, report } => {
            let mut events = Vec::new();
            let answer = refuse(state, moment, device, id, report, &mut events);
            Decision {
                answer: Answer::PaymentOnPhone(answer),
                events,
            }
        }
    }
}

/// The payment of this merchant.
fn of_merchant(
    state: &State,
    merchant: MerchantId,
    id: PaymentId,
) -> Result<&Payment, ClientPaymentRefusal> {
    state
        .payments
        .get(&id)
        .ok_or_else(|| state.payment_missing(id))
        .and_then(|payment| {
            let of_them = payment.merchant == merchant;
            of_them
                .then_some(payment)
                .ok_or(ClientPaymentRefusal::NotFound)
        })
}

impl State {
    /// Why there is no such payment in memory.
    pub(crate) fn payment_missing(&self, id: PaymentId) -> ClientPaymentRefusal {
        let gone = Gone::Payment(id);
        if self.is_gone(gone) {
            ClientPaymentRefusal::Archived(gone)
        } else {
            ClientPaymentRefusal::NotFound
        }
    }
}

/// Whether a result for this effect still counts for its payment.
pub(crate) fn waits_for(state: &State, moment: &Moment, effect: &Effect) -> bool {
    state.payments.get(&effect.payment).is_some_and(|payment| {
        payment.status == Status::Funding
            && moment.now < payment.deadline
            && payment
                .legs
                .iter()
                .any(|leg| leg.effect == Some(effect.id) && leg.state == LegState::Wanted)
    })
}

/// One external leg was collected in time: if it was the last, the payment is authorised.
pub(crate) fn leg_collected(state: &State, moment: &Moment, effect: &Effect) -> Vec<Event> {
    let Some(payment) = state.payments.get(&effect.payment) else {
        return Vec::new();
    };
    let others_wait = payment
        .legs
        .iter()
        .any(|leg| leg.state == LegState::Wanted && leg.effect != Some(effect.id));
    if others_wait {
        return Vec::new();
    }
    capture::authorize(state, moment, payment)
}

/// One external leg was refused: the payment fails and what is held goes back.
pub(crate) fn leg_refused(state: &State, moment: &Moment, effect: &Effect) -> Vec<Event> {
    match state.payments.get(&effect.payment) {
        Some(payment) => end::ending(
            state,
            moment,
            payment,
            Ending::NotFunded,
            None,
            Some(effect.id),
        ),
        None => Vec::new(),
    }
}

/// What the phone is told.
pub type PhoneAnswer = Result<Status, ApprovalRefusal>;
