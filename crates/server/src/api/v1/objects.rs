//! What the API answers with: the merchant projection as JSON, fields in a fixed order.
//!
//! **Invariant:** made from facts alone, so that the same facts are the same bytes; feed, webhooks and answers share it.

use paytone_domain::{
    mandate::{MandateFacts, MandateStatus as DomainMandateStatus},
    money::{Amount, Currency},
    payment::{
        CaptureMode, PaymentFacts, RefundFacts, RefundStatus as DomainRefundStatus, Status, Whose,
    },
};
use paytone_journal::PublicIds;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::refusals;
use crate::{
    edge::{
        amount,
        directory::MerchantCard,
        ids::Public,
        text::{self, PaymentText, Place},
        time,
    },
    node::Node,
};

/// Where a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// The payer has been asked, as far as you can know, and has not answered.
    AwaitingApproval,
    /// The payer approved; the money is on its way.
    Funding,
    /// The money is held; capture it before `capture_deadline`.
    Authorized,
    /// Paid.
    Captured,
    /// Not asked, because of your own limits, or of the mandate; see `decline`.
    Declined,
    /// The payer said no, or chose another match code.
    Refused,
    /// Nobody answered by the deadline, or you did not capture in time.
    Expired,
    /// You took it back.
    Cancelled,
    /// The payer approved and the money did not come.
    Failed,
}

impl From<Status> for PaymentStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::AwaitingApproval => Self::AwaitingApproval,
            Status::Funding => Self::Funding,
            Status::Authorized => Self::Authorized,
            Status::Captured => Self::Captured,
            Status::Declined => Self::Declined,
            Status::Refused => Self::Refused,
            Status::Expired => Self::Expired,
            Status::Cancelled => Self::Cancelled,
            Status::Failed => Self::Failed,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// Decided; part of it still travels back to the payer's bank.
    Pending,
    Completed,
}

impl From<DomainRefundStatus> for RefundStatus {
    fn from(status: DomainRefundStatus) -> Self {
        match status {
            DomainRefundStatus::Pending => Self::Pending,
            DomainRefundStatus::Completed => Self::Completed,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MandateStatus {
    AwaitingApproval,
    /// You may charge.
    Active,
    /// The payer's SIM or phone was changed; the payer may resume it.
    Suspended,
    Refused,
    Expired,
    Cancelled,
    Ended,
}

impl From<DomainMandateStatus> for MandateStatus {
    fn from(status: DomainMandateStatus) -> Self {
        match status {
            DomainMandateStatus::AwaitingApproval => Self::AwaitingApproval,
            DomainMandateStatus::Active => Self::Active,
            DomainMandateStatus::Suspended => Self::Suspended,
            DomainMandateStatus::Refused => Self::Refused,
            DomainMandateStatus::Expired => Self::Expired,
            DomainMandateStatus::Cancelled => Self::Cancelled,
            DomainMandateStatus::Ended => Self::Ended,
        }
    }
}

/// Whose phone number it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum For {
    /// The shopper's own.
    #[default]
    #[serde(rename = "self")]
    Own,
    /// Somebody else's, who is asked to pay for the shopper. Lower limits apply.
    Other,
}

impl From<Whose> for For {
    fn from(whose: Whose) -> Self {
        match whose {
            Whose::Own => Self::Own,
            Whose::Other => Self::Other,
        }
    }
}

impl From<For> for Whose {
    fn from(whose: For) -> Self {
        match whose {
            For::Own => Self::Own,
            For::Other => Self::Other,
        }
    }
}

/// When the money moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Capture {
    /// At once.
    #[default]
    Automatic,
    /// When you capture it; until then it is held.
    Manual,
}

impl From<CaptureMode> for Capture {
    fn from(mode: CaptureMode) -> Self {
        match mode {
            CaptureMode::Automatic => Self::Automatic,
            CaptureMode::Manual => Self::Manual,
        }
    }
}

impl From<Capture> for CaptureMode {
    fn from(capture: Capture) -> Self {
        match capture {
            Capture::Automatic => Self::Automatic,
            Capture::Manual => Self::Manual,
        }
    }
}

/// What this payment cost you, by your price plan.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Fee {
    #[schema(example = "0.77")]
    pub amount: String,
    /// Tax on the fee.
    #[schema(example = "0.05")]
    pub tax: String,
}

/// Why a payment was declined.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Decline {
    /// Stable.
    #[schema(value_type = String, example = "merchant_payment_limit")]
    pub code: &'static str,
    /// For people.
    #[schema(value_type = String, example = "The amount is above this merchant's limit per payment.")]
    pub message: &'static str,
}

/// One attempt to be paid by a phone number.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Payment {
    #[schema(example = "pay_ng64bzpnz37bdpet4cxa52cpxe")]
    pub id: String,
    #[schema(value_type = String, example = "payment")]
    pub object: &'static str,
    pub status: PaymentStatus,
    #[schema(example = "128.00")]
    pub amount: String,
    /// ISO 4217.
    #[schema(example = "CNY")]
    pub currency: String,
    #[schema(example = "0.00")]
    pub captured_amount: String,
    #[schema(example = "0.00")]
    pub refunded_amount: String,
    /// Once it is captured.
    pub fee: Option<Fee>,
    #[schema(example = "Moon Garden, hardcover")]
    pub description: String,
    #[schema(example = "order-1042")]
    pub reference: Option<String>,
    #[serde(rename = "for")]
    pub whose: For,
    pub asker_name: Option<String>,
    pub capture: Capture,
    /// Show it at the checkout: the payer chooses it among three. None for charges under a mandate.
    #[schema(example = "47")]
    pub match_code: Option<String>,
    /// The mandate it was charged under.
    pub mandate: Option<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
    /// By then it is decided.
    #[schema(format = DateTime)]
    pub deadline: String,
    /// By then an authorised payment must be captured.
    #[schema(format = DateTime)]
    pub capture_deadline: Option<String>,
    pub decline: Option<Decline>,
}

/// Money going back to a payer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Refund {
    #[schema(example = "ref_mzxw6ytboi2dkmjqgezdgnbvgy")]
    pub id: String,
    #[schema(value_type = String, example = "refund")]
    pub object: &'static str,
    pub payment: String,
    #[schema(example = "28.00")]
    pub amount: String,
    #[schema(example = "CNY")]
    pub currency: String,
    pub status: RefundStatus,
    #[schema(example = "The box was damaged")]
    pub reason: Option<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
}

/// A payer's signed authority to be charged without being asked each time.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Mandate {
    #[schema(example = "man_o2k7pkaaa2weke6aalcmteetnm")]
    pub id: String,
    #[schema(value_type = String, example = "mandate")]
    pub object: &'static str,
    pub status: MandateStatus,
    /// Show it at the checkout while it awaits approval.
    #[schema(example = "47")]
    pub match_code: String,
    #[schema(example = "50.00")]
    pub max_per_payment: String,
    #[schema(example = "200.00")]
    pub max_per_month: String,
    #[schema(example = "CNY")]
    pub currency: String,
    /// The last day, in the operator's calendar.
    #[schema(format = Date, example = "2027-11-23")]
    pub ends_on: String,
    #[schema(format = DateTime)]
    pub deadline: String,
    pub description: String,
    pub reference: Option<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
}

/// Something that happened to a payment, refund or mandate of yours. Webhooks carry the same.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Event {
    /// Stays the same over all deliveries: drop what you have seen.
    #[schema(example = "evt_7q5xk3bnz37bdpet4cxa52cpxe")]
    pub id: String,
    /// `payment.`authorized, captured, declined, refused, expired, cancelled, failed; `refund.`pending, completed;
    /// `mandate.`active, refused, expired, suspended, resumed, cancelled, ended.
    #[serde(rename = "type")]
    #[schema(example = "payment.captured")]
    pub kind: String,
    #[schema(format = DateTime)]
    pub timestamp: String,
    /// As it stood then.
    pub data: EventData,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum EventData {
    Payment(Box<Payment>),
    Refund(Refund),
    Mandate(Mandate),
}

/// Turns facts into objects for one merchant.
#[derive(Clone, Copy)]
pub struct Renderer<'a> {
    pub ids: &'a PublicIds,
    pub currency: Currency,
    pub card: &'a MerchantCard,
}

impl<'a> Renderer<'a> {
    /// For the merchant of this card.
    pub fn of(node: &'a Node, card: &'a MerchantCard) -> Self {
        Self {
            ids: &node.ids,
            currency: node.currency(),
            card,
        }
    }
}

impl Renderer<'_> {
    fn amount(&self, amount: Amount) -> String {
        amount::show(amount, self.currency)
    }

    /// A text whose key is gone is empty.
    fn open(&self, place: Place, sealed: &paytone_domain::ids::Sealed) -> PaymentText {
        text::open_payment(&self.card.key, self.card.subject, place, sealed).unwrap_or_default()
    }

    pub fn payment(&self, facts: &PaymentFacts) -> Payment {
        self.payment_with(facts, self.open(Place::Payment, &facts.text))
    }

    /// For whoever has just sealed the text.
    pub fn payment_with(&self, facts: &PaymentFacts, text: PaymentText) -> Payment {
        let now = &facts.now;
        Payment {
            id: facts.id.show(self.ids),
            object: "payment",
            status: now.status.into(),
            amount: self.amount(facts.amount),
            currency: self.currency.code(),
            captured_amount: self.amount(now.captured),
            refunded_amount: self.amount(now.refunded),
            fee: (now.status == Status::Captured).then(|| Fee {
                amount: self.amount(now.fee),
                tax: self.amount(now.tax),
            }),
            description: text.description,
            reference: text.reference,
            whose: facts.whose.into(),
            asker_name: text.asker_name,
            capture: facts.capture.into(),
            match_code: facts.match_code.map(|code| format!("{code:02}")),
            mandate: facts.mandate.map(|id| id.show(self.ids)),
            created_at: time::show(facts.created_at),
            deadline: time::show(facts.deadline),
            capture_deadline: now.capture_deadline.map(time::show),
            decline: now.decline.map(|veto| Decline {
                code: veto.code(),
                message: refusals::reason(veto),
            }),
        }
    }

    pub fn refund(&self, facts: &RefundFacts) -> Refund {
        let reason = (!facts.text.0.is_empty()).then(|| {
            text::open(
                &self.card.key,
                self.card.subject,
                Place::Refund,
                &facts.text,
            )
            .unwrap_or_default()
        });
        Refund {
            id: facts.id.show(self.ids),
            object: "refund",
            payment: facts.payment.show(self.ids),
            amount: self.amount(facts.amount),
            currency: self.currency.code(),
            status: facts.status.into(),
            reason,
            created_at: time::show(facts.created_at),
        }
    }

    pub fn mandate(&self, facts: &MandateFacts) -> Mandate {
        let text = self.open(Place::Mandate, &facts.text);
        Mandate {
            id: facts.id.show(self.ids),
            object: "mandate",
            status: facts.status.into(),
            match_code: format!("{:02}", facts.match_code),
            max_per_payment: self.amount(facts.terms.payment_limit),
            max_per_month: self.amount(facts.terms.monthly_limit),
            currency: self.currency.code(),
            ends_on: facts.terms.ends_on.civil().to_string(),
            deadline: time::show(facts.deadline),
            description: text.description,
            reference: text.reference,
            created_at: time::show(facts.created_at),
        }
    }
}
