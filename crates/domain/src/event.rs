//! Events: what was decided, as results. `evolve` holds no policy.
//!
//! Fields are numbered, so that an old journal stays readable: a number never changes its meaning and is never used again.

use std::borrow::Cow;

use minicbor::{Decode, Encode};

use crate::{
    archive::ArchiveEvent,
    deadline::Due,
    funding::EffectEvent,
    grant::GrantEvent,
    idempotency::RepeatEvent,
    ids::{DeviceId, EnrolmentId, KeyringFingerprint, LotId, MandateId, PaymentId, SessionId},
    mandate::MandateEvent,
    merchant::{ClientEvent, MerchantEvent},
    money::Currency,
    operator::OperatorEvent,
    pass::PassEvent,
    payment::{Charged, PaymentEvent},
    sealed_day::SealedDay,
    session::SessionEvent,
    state::State,
    subscriber::{DeviceEvent, EnrolmentEvent, LineEvent, PhoneEvent},
    till::TillEvent,
    time::{Moment, Timestamp},
    token::TokenEvent,
};

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Event {
    /// The first event of every journal.
    #[n(0)]
    Initialized {
        #[n(0)]
        currency: Currency,
        /// IANA name.
        #[n(1)]
        zone: String,
        /// Minutes after midnight at which a business day begins.
        #[n(2)]
        cut_off_minutes: u16,
        #[n(3)]
        keyring: KeyringFingerprint,
        #[n(4)]
        level: u32,
    },
    #[n(1)]
    Line(#[n(0)] LineEvent),
    #[n(2)]
    Device(#[n(0)] DeviceEvent),
    #[n(3)]
    Enrolment(#[n(0)] EnrolmentEvent),
    #[n(4)]
    Phone(#[n(0)] PhoneEvent),
    #[n(5)]
    Merchant(#[n(0)] MerchantEvent),
    #[n(6)]
    Client(#[n(0)] ClientEvent),
    #[n(7)]
    Payment(#[n(0)] PaymentEvent),
    #[n(8)]
    Effect(#[n(0)] EffectEvent),
    #[n(9)]
    Mandate(#[n(0)] MandateEvent),
    #[n(10)]
    Grant(#[n(0)] GrantEvent),
    #[n(11)]
    Repeat(#[n(0)] RepeatEvent),
    #[n(12)]
    Operator(#[n(0)] OperatorEvent),
    /// Something that was due has been decided.
    #[n(13)]
    Fell {
        #[n(0)]
        at: Timestamp,
        #[n(1)]
        due: Fallen,
    },
    /// The keyring was rotated: from now on this fingerprint fits.
    #[n(14)]
    KeyringChanged {
        #[n(0)]
        keyring: KeyringFingerprint,
    },
    #[n(15)]
    DaySealed(#[n(0)] SealedDay),
    #[n(16)]
    Session(#[n(0)] SessionEvent),
    /// Every node knows this level: from now on its events may be written.
    #[n(17)]
    LevelActivated {
        #[n(0)]
        level: u32,
    },
    /// From level 2.
    #[n(18)]
    Archive(#[n(0)] ArchiveEvent),
    /// A whole charge; from level 2.
    #[n(20)]
    Charged(#[n(0)] Charged),
    /// From level 4.
    #[n(21)]
    Token(#[n(0)] TokenEvent),
    /// From level 4.
    #[n(22)]
    Till(#[n(0)] TillEvent),
    /// From level 4.
    #[n(23)]
    Pass(#[n(0)] PassEvent),
}

impl Event {
    /// What followers look at: the event itself, or the steps of one that stands for several.
    pub fn steps(&self, moment: &Moment) -> impl Iterator<Item = Cow<'_, Event>> {
        let (one, several) = match self {
            Self::Charged(charged) => (None, Some(charged.steps(moment))),
            one => (Some(Cow::Borrowed(one)), None),
        };
        let several = several.into_iter().flatten().map(Cow::Owned);
        one.into_iter().chain(several)
    }
}

/// [`Due`], as it is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Fallen {
    #[n(0)]
    Payment(#[n(0)] PaymentId),
    #[n(1)]
    Capture(#[n(0)] PaymentId),
    #[n(2)]
    Mandate(#[n(0)] MandateId),
    #[n(3)]
    Lot(#[n(0)] LotId),
    #[n(4)]
    Recovery(#[n(0)] DeviceId),
    #[n(5)]
    Enrolment(#[n(0)] EnrolmentId),
    #[n(6)]
    Repeats,
    #[n(7)]
    Device(#[n(0)] DeviceId),
    #[n(8)]
    Session(#[n(0)] SessionId),
    #[n(9)]
    Exchanges,
}

impl From<Due> for Fallen {
    fn from(due: Due) -> Self {
        match due {
            Due::Payment(id) => Self::Payment(id),
            Due::Capture(id) => Self::Capture(id),
            Due::Mandate(id) => Self::Mandate(id),
            Due::Lot(id) => Self::Lot(id),
            Due::Recovery(id) => Self::Recovery(id),
            Due::Enrolment(id) => Self::Enrolment(id),
            Due::Repeats => Self::Repeats,
            Due::Device(id) => Self::Device(id),
            Due::Session(id) => Self::Session(id),
            Due::Exchanges => Self::Exchanges,
        }
    }
}

impl From<Fallen> for Due {
    fn from(fallen: Fallen) -> Self {
        match fallen {
            Fallen::Payment(id) => Self::Payment(id),
            Fallen::Capture(id) => Self::Capture(id),
            Fallen::Mandate(id) => Self::Mandate(id),
            Fallen::Lot(id) => Self::Lot(id),
            Fallen::Recovery(id) => Self::Recovery(id),
            Fallen::Enrolment(id) => Self::Enrolment(id),
            Fallen::Repeats => Self::Repeats,
            Fallen::Device(id) => Self::Device(id),
            Fallen::Session(id) => Self::Session(id),
            Fallen::Exchanges => Self::Exchanges,
        }
    }
}

/// Applies one event.
///
/// # Panics
/// If the event does not fit the state: then the journal is not the one that made this state, and going on would lose money.
pub fn evolve(state: &mut State, moment: &Moment, event: &Event) {
    match event {
        Event::Initialized {
            currency,
            zone,
            cut_off_minutes,
            keyring,
            level,
        } => {
            state.settings = Some(crate::state::Settings {
                currency: *currency,
                zone: zone.clone(),
                cut_off_minutes: *cut_off_minutes,
                keyring: *keyring,
                level: *level,
            });
        }
        Event::KeyringChanged { keyring } => {
            if let Some(settings) = &mut state.settings {
                settings.keyring = *keyring;
            }
        }
        Event::LevelActivated { level } => crate::level::evolve(state, *level),
        Event::DaySealed(day) => state.sealed_days.push(day.clone()),
        Event::Line(event) => crate::subscriber::evolve_line(state, moment, event),
        Event::Device(event) => crate::subscriber::evolve_device(state, moment, event),
        Event::Enrolment(event) => crate::subscriber::evolve_enrolment(state, event),
        Event::Phone(event) => crate::subscriber::evolve_phone(state, event),
        Event::Merchant(event) => crate::merchant::evolve(state, event),
        Event::Client(event) => crate::merchant::evolve_client(state, event),
        Event::Payment(event) => crate::payment::evolve(state, moment, event),
        Event::Charged(charged) => crate::payment::evolve_charged(state, moment, charged),
        Event::Effect(event) => crate::funding::evolve_effect(state, moment, event),
        Event::Mandate(event) => crate::mandate::evolve(state, moment, event),
        Event::Grant(event) => crate::grant::evolve(state, event),
        Event::Repeat(event) => crate::idempotency::evolve(state, moment, event),
        Event::Operator(event) => crate::operator::evolve(state, moment, event),
        Event::Archive(event) => crate::archive::evolve(state, moment, event),
        Event::Session(event) => crate::session::evolve(state, event),
        Event::Token(event) => crate::token::evolve(state, moment, event),
        Event::Till(event) => crate::till::evolve(state, moment, event),
        Event::Pass(event) => crate::pass::evolve(state, moment, event),
        Event::Fell { at, due } => state.deadlines.remove(*at, Due::from(*due)),
    }
}
