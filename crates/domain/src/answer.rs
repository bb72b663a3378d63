//! What a command is answered with.

use crate::{
    funding::EffectRefusal,
    ids::EndpointId,
    mandate::{self, MandateFacts},
    merchant::ClientRefusal,
    operator::{Done, OperatorRefusal},
    payment::{self, ClientPaymentRefusal, PaymentFacts, RefundFacts},
    sealed_day::SealRefusal,
    subscriber::{
        DeviceRefusal, DeviceStatus, EnrolmentRefusal, NextStep, PhoneRefusal, RowOutcome,
        RowRefusal,
    },
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
    DaySealed(Result<(), SealRefusal>),
    SessionEnded,
    /// The journal's, from now on.
    Level(u32),
}

/// A journal begins once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyInitialized;
