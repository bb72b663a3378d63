//! One connection: frames in, events out.
//!
//! ```text
//!   connected ── sign-on ──▶ signed on ── sign-off ──▶ connected
//!       │                        │
//!       └── echo, always ────────┘      requests: always, or once signed on, as the profile says
//! ```

use std::sync::Arc;

use super::{
    code::Code,
    profile::Profile,
    reply::Reply,
    request::{Kind, Request},
    requests,
};
use crate::iso8583::{
    Codec, Deframer, Dialect, DialectError, Error, Frame, FrameError, Framing, Message,
    MessageType, Path, Problem, message_type::MessageClass,
};

/// What all connections of one acquirer speak.
#[derive(Debug)]
pub struct Link {
    pub codec: Codec,
    pub framing: Framing,
    pub profile: Profile,
}

impl Link {
    /// With the usual profile of the dialect's version.
    pub fn new(dialect: &Dialect, framing: Framing) -> Result<Self, DialectError> {
        Ok(Self {
            codec: Codec::new(dialect)?,
            framing,
            profile: Profile::of(dialect.version),
        })
    }

    /// The bytes that answer `request` with `reply`, for whoever answers apart from the [`Session`].
    pub fn answer(&self, request: &Request, reply: &Reply) -> Result<Vec<u8>, Error> {
        // Only requests and advices become a `Request`, and they have answers.
        let message = reply
            .message(request, &self.profile)
            .unwrap_or_else(|| Message::new(request.message.message_type));
        self.framed(&message, &request.header)
    }

    fn framed(&self, message: &Message, header: &[u8]) -> Result<Vec<u8>, Error> {
        let bytes = self.codec.encode(message)?;
        let mut to = Vec::with_capacity(bytes.len() + 16);
        self.framing
            .answer(header, &bytes, &mut to)
            .map_err(|_| Error::new(Path::End, Problem::TooLong))?;
        Ok(to)
    }
}

/// What came of a frame.
#[derive(Debug)]
pub enum Event {
    /// To be decided, and answered with [`Session::answer`].
    Request(Box<Request>),
    /// The answer is made already: to be sent as it is. Why it was made is for counters.
    Answered { bytes: Vec<u8>, why: Why },
    /// The other side answered an echo of ours, or sent an empty frame.
    Alive,
    /// Nobody to answer. A side that goes on like that is to be cut off.
    Unreadable(Error),
}

/// Why a session answered by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    SignedOn,
    SignedOff,
    Echo,
    /// A message that cannot be what it is meant to be.
    Format(Error),
    /// A type of message that no till sends, or something that this host does not do.
    Unsupported,
    NotSignedOn,
}

/// The state of one connection.
pub struct Session {
    link: Arc<Link>,
    deframer: Deframer,
    signed_on: bool,
}

impl Session {
    pub fn new(link: Arc<Link>) -> Self {
        let deframer = Deframer::new(link.framing);
        Self {
            link,
            deframer,
            signed_on: false,
        }
    }

    pub fn link(&self) -> &Link {
        &self.link
    }

    pub fn is_signed_on(&self) -> bool {
        self.signed_on
    }

    /// Takes in what the connection brought. [`Self::next_event`] until there is none, before more is taken in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.deframer.push(bytes);
    }

    /// Part of a message is there and the rest is not.
    pub fn is_waiting(&self) -> bool {
        self.deframer.is_waiting()
    }

    /// The next thing that happened. An error ends the connection: nothing after it can be told apart.
    pub fn next_event(&mut self) -> Result<Option<Event>, FrameError> {
        let frame = self.deframer.next_frame()?;
        Ok(frame.map(|frame| self.frame(frame)))
    }

    /// The bytes that answer `request` with `reply`.
    pub fn answer(&self, request: &Request, reply: &Reply) -> Result<Vec<u8>, Error> {
        self.link.answer(request, reply)
    }

    /// An echo of our own, to see whether the other side lives. `when` is MMDDhhmmss.
    pub fn echo(&self, trace: u32, when: &str) -> Result<Vec<u8>, Error> {
        let version = self.link.codec.dialect().version.digit();
        let mut message = Message::new(MessageType::new(800).of_version(version));
        message
            .set(7, when)
            .set(11, format!("{:06}", trace % 1_000_000));
        if version == 0 {
            message.set(70, "301");
        } else {
            message.set(24, "831");
        }
        let header = vec![0; self.link.framing.header_bytes()];
        self.link.framed(&message, &header)
    }

    fn frame(&mut self, frame: Frame) -> Event {
        if frame.message.is_empty() {
            // Never answered: two sides that both did would never stop.
            return Event::Alive;
        }
        let message = match self.link.codec.decode_far(&frame.message) {
            Ok(message) => message,
            Err(unreadable) => {
                let error = unreadable.error;
                return match unreadable.before {
                    Some(before) => self.format_error(&before, &frame.header, error),
                    None => Event::Unreadable(error),
                };
            }
        };
        self.message(message, frame.header)
    }

    fn message(&mut self, message: Message, header: Vec<u8>) -> Event {
        let message_type = message.message_type;
        if message_type.version() != self.link.codec.dialect().version.digit() {
            // An answer in its version may not be one of this dialect.
            return Event::Unreadable(foreign());
        }
        let kind = match Kind::of(message_type) {
            Some(kind) => kind,
            None => {
                let alive = message_type.class() == MessageClass::NetworkManagement
                    && message_type.is_response();
                return if alive {
                    Event::Alive
                } else {
                    self.refuse(
                        &message,
                        &header,
                        Code::InvalidTransaction,
                        Why::Unsupported,
                    )
                };
            }
        };
        let Link { codec, profile, .. } = &*self.link;
        let request = match requests::request(message, header.clone(), kind, codec, profile) {
            Ok(request) => request,
            Err(refused) => {
                let (error, message) = *refused;
                return self.format_error(&message, &header, error);
            }
        };
        if kind == Kind::NetworkManagement {
            return self.manage(&request);
        }
        if profile.sign_on_first && !self.signed_on {
            return self.refuse(
                request.message(),
                &header,
                Code::NotAllowedForTerminal,
                Why::NotSignedOn,
            );
        }
        Event::Request(Box::new(request))
    }

    /// Signing on, signing off, echo: field 70 in 1987, field 24 in 1993.
    fn manage(&mut self, request: &Request) -> Event {
        let field = if request.message.message_type.version() == 0 {
            70
        } else {
            24
        };
        let why = match request.message.number(field) {
            Some(1 | 801) => Why::SignedOn,
            Some(2 | 802) => Why::SignedOff,
            Some(301 | 831) => Why::Echo,
            _ => {
                return self.refuse(
                    &request.message,
                    &request.header,
                    Code::InvalidTransaction,
                    Why::Unsupported,
                );
            }
        };
        let event = self.refuse(&request.message, &request.header, Code::Approved, why);
        match why {
            Why::SignedOn => self.signed_on = true,
            Why::SignedOff => self.signed_on = false,
            _ => {}
        }
        event
    }

    fn format_error(&self, message: &Message, header: &[u8], error: Error) -> Event {
        self.refuse(message, header, Code::FormatError, Why::Format(error))
    }

    /// An answer of the session's own. What cannot be answered is only counted.
    fn refuse(&self, message: &Message, header: &[u8], code: Code, why: Why) -> Event {
        let mut reply = Reply::new(code);
        let mut unreadable = foreign();
        if let Why::Format(error) = why {
            // The number of the field, which is no secret and helps whoever programs the till.
            reply.remark = Some(error.path.to_string());
            unreadable = error;
        }
        let answer = reply
            .answer(message, &self.link.profile)
            .and_then(|answer| self.link.framed(&answer, header).ok());
        match answer {
            Some(bytes) => Event::Answered { bytes, why },
            None => Event::Unreadable(unreadable),
        }
    }
}

/// A message type that nothing is answered to.
fn foreign() -> Error {
    Error::new(Path::MessageType, Problem::NotInDialect)
}
