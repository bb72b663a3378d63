//! Mandates: a payer's signed authority for one merchant to charge without a prompt.
//!
//! ```text
//!   AwaitingApproval ── signed ──▶ Active ⇄ Suspended (SIM or device change; the payer resumes)
//!      ├─ refused, wrong code ─▶ Refused      └──▶ Ended (revoked, by the merchant, a new generation, its end date)
//!      ├─ deadline ────────────▶ Expired
//!      └─ merchant ────────────▶ Cancelled
//! ```
//! **Invariant:** a veto on the payer's side shows nowhere but in the timeline; the mandate waits and expires as an ignored one.

mod decide;
mod evolve;

use minicbor::{Decode, Encode};

pub(crate) use decide::{decide, due_mandate};
pub(crate) use evolve::evolve;

use crate::{
    approval::{ApprovalRefusal, Evidence, MatchCodes, SignatureCheck},
    counters::Spent,
    idempotency::Repeat,
    ids::{DeviceId, MandateId, MerchantId, NumberHash, PinValue, Sealed, SubscriberId},
    money::Amount,
    risk::Veto,
    time::{BusinessDate, Timestamp},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum MandateStatus {
    #[n(0)]
    AwaitingApproval,
    #[n(1)]
    Active,
    #[n(2)]
    Suspended,
    #[n(3)]
    Refused,
    #[n(4)]
    Expired,
    #[n(5)]
    Cancelled,
    #[n(6)]
    Ended,
}

impl MandateStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::AwaitingApproval => "awaiting_approval",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Ended => "ended",
        }
    }

    /// Not over yet.
    pub fn is_standing(self) -> bool {
        matches!(
            self,
            Self::AwaitingApproval | Self::Active | Self::Suspended
        )
    }
}

/// What the payer signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Terms {
    #[n(0)]
    pub payment_limit: Amount,
    #[n(1)]
    pub monthly_limit: Amount,
    /// The last business date.
    #[n(2)]
    pub ends_on: BusinessDate,
}

#[derive(Clone, Debug, Encode, Decode)]
pub struct Mandate {
    #[n(0)]
    pub id: MandateId,
    #[n(1)]
    pub merchant: MerchantId,
    #[n(2)]
    pub payer: Option<SubscriberId>,
    #[n(3)]
    pub terms: Terms,
    /// Description and reference, sealed under the merchant's key.
    #[n(4)]
    pub text: Sealed,
    #[n(5)]
    pub codes: MatchCodes,
    #[n(6)]
    pub status: MandateStatus,
    /// Why the payer was never asked; the merchant does not learn it.
    #[n(7)]
    pub veto: Option<Veto>,
    #[n(8)]
    pub created_at: Timestamp,
    #[n(9)]
    pub deadline: Timestamp,
    #[n(10)]
    pub approved_at: Option<Timestamp>,
    #[n(11)]
    pub charged: Spent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum EndedBy {
    #[n(0)]
    Payer,
    #[n(1)]
    Merchant,
    #[n(2)]
    NumberRecycled,
    #[n(3)]
    Operator,
}

#[derive(Clone, Debug)]
pub enum MandateCommand {
    Request(Box<MandateRequest>),
    /// By the merchant: ends one that stands, cancels one that waits.
    End {
        merchant: MerchantId,
        id: MandateId,
        repeat: Repeat,
    },
    Approve(Box<MandateApproval>),
    Refuse {
        device: DeviceId,
        id: MandateId,
        report: bool,
    },
    Revoke {
        device: DeviceId,
        id: MandateId,
    },
    Resume {
        device: DeviceId,
        id: MandateId,
        pin: PinValue,
    },
}

#[derive(Clone, Debug)]
pub struct MandateRequest {
    pub merchant: MerchantId,
    pub number: NumberHash,
    pub terms: Terms,
    pub text: Sealed,
    pub entropy: u64,
    pub repeat: Repeat,
}

#[derive(Clone, Debug)]
pub struct MandateApproval {
    pub device: DeviceId,
    pub id: MandateId,
    pub pin: PinValue,
    pub code: u8,
    pub check: SignatureCheck,
    pub evidence: Evidence,
}

/// A mandate as the merchant sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MandateFacts {
    pub id: MandateId,
    pub status: MandateStatus,
    pub terms: Terms,
    pub text: Sealed,
    pub match_code: u8,
    pub created_at: Timestamp,
    pub deadline: Timestamp,
}

impl Mandate {
    pub fn facts(&self, status: MandateStatus) -> MandateFacts {
        MandateFacts {
            id: self.id,
            status,
            terms: self.terms,
            text: self.text.clone(),
            match_code: self.codes.shown(),
            created_at: self.created_at,
            deadline: self.deadline,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum MandateEvent {
    #[n(0)]
    Requested {
        #[n(0)]
        id: MandateId,
        #[n(1)]
        merchant: MerchantId,
        #[n(2)]
        payer: Option<SubscriberId>,
        #[n(3)]
        terms: Terms,
        #[n(4)]
        text: Sealed,
        #[n(5)]
        codes: MatchCodes,
        #[n(6)]
        deadline: Timestamp,
        #[n(7)]
        veto: Option<Veto>,
        #[n(8)]
        rules_version: u32,
    },
    #[n(1)]
    Approved {
        #[n(0)]
        id: MandateId,
        #[n(1)]
        device: DeviceId,
        #[n(2)]
        evidence: Evidence,
    },
    /// By the payer, or by choosing the wrong match code.
    #[n(2)]
    Refused {
        #[n(0)]
        id: MandateId,
        #[n(1)]
        device: DeviceId,
        #[n(2)]
        wrong_code: bool,
        #[n(3)]
        report: bool,
    },
    #[n(3)]
    Expired {
        #[n(0)]
        id: MandateId,
    },
    #[n(4)]
    Suspended {
        #[n(0)]
        id: MandateId,
    },
    #[n(5)]
    Resumed {
        #[n(0)]
        id: MandateId,
        #[n(1)]
        device: DeviceId,
    },
    #[n(6)]
    Ended {
        #[n(0)]
        id: MandateId,
        #[n(1)]
        by: EndedBy,
    },
    #[n(7)]
    Cancelled {
        #[n(0)]
        id: MandateId,
        /// What it costs of the payer's attention.
        #[cbor(n(1), default)]
        attention: u32,
    },
    /// The payer signed and a rule said no; the merchant sees an ignored prompt.
    #[n(8)]
    Vetoed {
        #[n(0)]
        id: MandateId,
        #[n(1)]
        veto: Veto,
    },
}

/// What the phone is told.
pub type PhoneAnswer = Result<MandateStatus, ApprovalRefusal>;
