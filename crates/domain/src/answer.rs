//! What a command is answered with.

use crate::{
    approval::ApprovalRefusal,
    archive::{ArchiveRefusal, Gone},
    funding::EffectRefusal,
    ids::EndpointId,
    mandate::{self, MandateFacts},
    merchant::ClientRefusal,
    operator::{Done, OperatorRefusal},
    pass::{PassKey, PassRefusal},
    payment::{self, ClientPaymentRefusal, PaymentFacts, RefundFacts},
    sealed_day::SealRefusal,
    subscriber::{
        DeviceRefusal, DeviceStatus, EnrolmentRefusal, NextStep, PhoneRefusal, RowOutcome,
        RowRefusal,
    },
    till::TillAnswer,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Ticked,
    Initialized(Result<(), AlreadyInitialized>),
    Payment(Result<PaymentFacts, ClientPaymentRefusal>),
    Refund(Result<RefundFacts, ClientPaymentRefusal>),
    Mandate(Result<MandateFacts, ClientPaymentRefusal>),
    /// Any of a merchant's requests on payments, refunds and mandates.
    ClientRefused(ClientPaymentRefusal),
    Client(Result<EndpointId, ClientRefusal>),
    PaymentOnPhone(payment::PhoneAnswer),
    MandateOnPhone(mandate::PhoneAnswer),
    Device(Result<DeviceStatus, DeviceRefusal>),
    Enrolment(Result<NextStep, EnrolmentRefusal>),
    Phone(Result<(), PhoneRefusal>),
    Effect(Result<(), EffectRefusal>),
    Line(Result<RowOutcome, RowRefusal>),
    Operator(Result<Done, OperatorRefusal>),
    Till(TillAnswer),
    Pass(Result<PassKey, PassRefusal>),
    DaySealed(Result<(), SealRefusal>),
    SessionEnded,
    /// How many things left or came back.
    Archive(Result<usize, ArchiveRefusal>),
    /// The journal's, from now on.
    Level(u32),
}

impl Answer {
    /// What is to be recalled before the same command can be decided.
    pub fn gone(&self) -> Option<Gone> {
        match self {
            Self::Payment(Err(ClientPaymentRefusal::Archived(gone)))
            | Self::Refund(Err(ClientPaymentRefusal::Archived(gone)))
            | Self::Mandate(Err(ClientPaymentRefusal::Archived(gone)))
            | Self::ClientRefused(ClientPaymentRefusal::Archived(gone))
            | Self::Till(TillAnswer::Archived(gone))
            | Self::PaymentOnPhone(Err(ApprovalRefusal::Archived(gone))) => Some(*gone),
            _ => None,
        }
    }
}

/// A journal begins once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyInitialized;
