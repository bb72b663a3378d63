//! Commands: what is asked of the engine.

use crate::{
    Actor, Answer, Event, State,
    answer::AlreadyInitialized,
    archive::ArchiveCommand,
    funding::EffectCommand,
    idempotency::Repeat,
    ids::{KeyringFingerprint, SessionId},
    mandate::MandateCommand,
    merchant::ClientCommand,
    money::Currency,
    operator::OperatorCommand,
    pass::OpenPass,
    payment::PaymentCommand,
    sealed_day::SealedDay,
    subscriber::{DeviceCommand, EnrolmentCommand, LineRow, PhoneCommand},
    till::TillCommand,
    time::{Moment, Timestamp},
};

#[derive(Clone, Debug)]
pub enum Command {
    /// Decides the oldest thing that is due.
    Tick,
    Initialize {
        currency: Currency,
        zone: String,
        cut_off_minutes: u16,
        keyring: KeyringFingerprint,
    },
    Payment(PaymentCommand),
    Mandate(MandateCommand),
    Client(ClientCommand),
    Device(DeviceCommand),
    Enrolment(EnrolmentCommand),
    Phone(PhoneCommand),
    Effect(EffectCommand),
    /// One row of a network export.
    Line(Box<LineRow>),
    Operator(OperatorCommand),
    Till(TillCommand),
    OpenPass(OpenPass),
    SealDay(Box<SealedDay>),
    Archive(ArchiveCommand),
    /// Every node knows this level of events.
    ActivateLevel {
        level: u32,
    },
    /// Ends a session that would last until then.
    EndSession {
        session: SessionId,
        until: Timestamp,
    },
}

impl Command {
    /// The idempotency key of a merchant's request, if it has one.
    pub fn repeat(&self) -> Option<&Repeat> {
        match self {
            Self::Payment(
                PaymentCommand::Cancel { repeat, .. }
                | PaymentCommand::Capture { repeat, .. }
                | PaymentCommand::Refund { repeat, .. },
            )
            | Self::Mandate(MandateCommand::End { repeat, .. }) => Some(repeat),
            Self::Payment(PaymentCommand::Request(request)) => Some(&request.repeat),
            Self::Mandate(MandateCommand::Request(request)) => Some(&request.repeat),
            _ => None,
        }
    }

    /// Says how far a merchant's idempotency key was looked for among those that have left memory.
    pub fn say_checked(&mut self, checked: Timestamp) {
        let repeat = match self {
            Self::Payment(
                PaymentCommand::Cancel { repeat, .. }
                | PaymentCommand::Capture { repeat, .. }
                | PaymentCommand::Refund { repeat, .. },
            )
            | Self::Mandate(MandateCommand::End { repeat, .. }) => repeat,
            Self::Payment(PaymentCommand::Request(request)) => &mut request.repeat,
            Self::Mandate(MandateCommand::Request(request)) => &mut request.repeat,
            _ => return,
        };
        repeat.checked = checked;
    }
}

/// An answer and what it did.
#[derive(Clone, Debug)]
pub struct Decision {
    pub answer: Answer,
    pub events: Vec<Event>,
}

/// Decides one command. Looks only at its arguments and changes none of them.
pub fn decide(state: &State, moment: &Moment, actor: Actor, command: Command) -> Decision {
    let (answer, events) = match command {
        Command::Tick => (Answer::Ticked, crate::deadline::decide(state, moment)),
        Command::Initialize {
            currency,
            zone,
            cut_off_minutes,
            keyring,
        } => match state.settings {
            Some(_) => (Answer::Initialized(Err(AlreadyInitialized)), Vec::new()),
            None => {
                let event = Event::Initialized {
                    currency,
                    zone,
                    cut_off_minutes,
                    keyring,
                    level: crate::LEVEL,
                };
                (Answer::Initialized(Ok(())), vec![event])
            }
        },
        Command::Payment(command) => return crate::payment::decide(state, moment, command),
        Command::Mandate(command) => return crate::mandate::decide(state, moment, command),
        Command::Client(command) => {
            let (answer, events) = crate::merchant::decide_client(state, moment, command);
            (Answer::Client(answer), events)
        }
        Command::SealDay(day) => {
            let (answer, events) = crate::sealed_day::decide(state, moment, *day);
            (Answer::DaySealed(answer), events)
        }
        Command::Device(command) => {
            let (answer, events) = crate::subscriber::decide_device(state, command);
            (Answer::Device(answer), events)
        }
        Command::Enrolment(command) => {
            let (answer, events) = crate::subscriber::decide_enrolment(state, moment, command);
            (Answer::Enrolment(answer), events)
        }
        Command::Phone(command) => {
            let (answer, events) = crate::subscriber::decide_phone(state, command);
            (Answer::Phone(answer), events)
        }
        Command::Effect(command) => {
            let (answer, events) = crate::funding::decide_effect(state, moment, command);
            (Answer::Effect(answer), events)
        }
        Command::Line(row) => {
            let (answer, events) = crate::subscriber::decide_import(state, *row);
            (Answer::Line(answer), events)
        }
        Command::Operator(command) => {
            let (answer, events) = crate::operator::decide(state, moment, actor, command);
            (Answer::Operator(answer), events)
        }
        Command::Till(command) => return crate::till::decide(state, moment, command),
        Command::OpenPass(request) => {
            let (answer, events) = crate::pass::open(state, moment, request);
            (Answer::Pass(answer), events)
        }
        Command::Archive(command) => {
            let (answer, events) = crate::archive::decide(state, moment, command);
            (Answer::Archive(answer), events)
        }
        Command::ActivateLevel { level } => {
            let events = crate::level::decide(state, level);
            let now = if events.is_empty() {
                state.level()
            } else {
                level
            };
            (Answer::Level(now), events)
        }
        Command::EndSession { session, until } => (
            Answer::SessionEnded,
            crate::session::end(state, moment, session, until),
        ),
    };
    Decision { answer, events }
}
