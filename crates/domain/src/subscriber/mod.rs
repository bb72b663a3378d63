//! Subscribers: the people behind the numbers.
//!
//! A number is bound to one subscriber at a time. Renumbering and change move the binding; recycling ends it and begins a
//! new **generation**: the number's next holder is another subscriber and inherits nothing.
//!
//! **Not here:** names, numbers and birth dates in clear. They are sealed under the subscriber's own key, which only the
//! edge can read, and a number is found by its keyed hash.

mod device;
mod enrolment;
mod finder;
mod import;
mod leave;
mod line;
mod payer;
mod phone;
mod pin;

use minicbor::{Decode, Encode};

pub use device::{
    Device, DeviceCommand, DeviceEvent, DeviceRefusal, DeviceStatus, due_device, due_recovery,
};
pub use enrolment::{
    Enrolment, EnrolmentCommand, EnrolmentEvent, EnrolmentRefusal, NextStep, due_enrolment,
};
pub use finder::Holders;
pub use import::{LineEvent, LineRow, RowOutcome, RowRefusal};
pub use line::{KnownLine, Line, LineKind, LineStatus};
pub use payer::{Payer, Profile};
pub use phone::{PhoneCommand, PhoneEvent, PhoneRefusal};

pub(crate) use device::{decide as decide_device, evolve as evolve_device, is_active_device_of};
pub(crate) use enrolment::{decide as decide_enrolment, evolve as evolve_enrolment};
pub(crate) use finder::Subjects;
pub(crate) use import::{decide as decide_import, evolve as evolve_line};
pub(crate) use leave::{leave, left, remove_devices};
pub(crate) use phone::{decide as decide_phone, evolve as evolve_phone};

pub(crate) use pin::{PinCheck, check as check_pin};

use crate::{
    ids::{DeviceId, MandateId, NumberHash, PaymentId, Sealed, SubscriberId},
    ledger::Account,
    risk::Rules,
    state::State,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum SubscriberStatus {
    #[n(0)]
    Active,
    /// By the operator.
    #[n(1)]
    Blocked,
    /// The number went to somebody else.
    #[n(2)]
    Closed,
    /// The key is gone; what was sealed under it is unreadable.
    #[n(3)]
    Erased,
}

/// Something on the payer's phone that waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PromptRef {
    #[n(0)]
    Payment(#[n(0)] PaymentId),
    #[n(1)]
    Mandate(#[n(0)] MandateId),
    #[n(2)]
    Device(#[n(0)] DeviceId),
}

/// A subscriber takes little memory until it is used: there are millions who never were. What only users have is a [`Payer`],
/// whose fields are read and written here as if they were the subscriber's own.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Subscriber {
    #[n(0)]
    pub id: SubscriberId,
    #[n(1)]
    pub status: SubscriberStatus,
    /// Names the key in the table of subject keys.
    #[n(2)]
    pub subject: u64,
    /// `None` once the number went to somebody else.
    #[n(3)]
    pub number: Option<NumberHash>,
    /// How many holders the number had before.
    #[n(4)]
    pub generation: u32,
    #[n(5)]
    pub line: KnownLine,
    /// Number, name and birth date, sealed.
    #[n(6)]
    pub profile: Profile,
    /// Keyed hash of the profile, so that the same row is known again.
    #[n(7)]
    pub profile_hash: u64,
    #[n(8)]
    pub payer: Option<Box<Payer>>,
}

/// Whether the number went to somebody else or the subscriber was forgotten, so that nobody can spend what is still theirs.
pub(crate) fn has_left(state: &State, subscriber: SubscriberId) -> bool {
    state.subscribers.get(subscriber).is_none_or(|subscriber| {
        matches!(
            subscriber.status,
            SubscriberStatus::Closed | SubscriberStatus::Erased
        )
    })
}

/// Where this subscriber's cash goes.
pub(crate) fn cash_of(state: &State, subscriber: SubscriberId) -> Account {
    if has_left(state, subscriber) {
        Account::Unclaimed(subscriber)
    } else {
        Account::SubscriberCash(subscriber)
    }
}

impl Subscriber {
    pub fn line(&self) -> Line {
        self.line.line()
    }

    pub fn profile(&self) -> Sealed {
        Sealed::from(&self.profile.0[..])
    }

    pub(crate) fn set_profile(&mut self, profile: &Sealed) {
        self.profile = Profile::from(profile);
    }

    pub fn pin_locked(&self, rules: &Rules) -> bool {
        self.pin_failures >= rules.pin_tries
    }

    pub(crate) fn forget_prompt(&mut self, prompt: PromptRef) {
        self.prompts.retain(|waiting| *waiting != prompt);
    }
}
