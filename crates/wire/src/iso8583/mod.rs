//! ISO 8583: the messages of card networks, in whatever dialect the other side speaks.
//!
//! ```text
//!   bytes of a stream ─▶ Deframer ─▶ Frame ─▶ Codec ─▶ Message ─▶ MessageType, fields, subfields
//!                        (Framing)            (Dialect)
//! ```
//! A [`Dialect`] is data: the version's table of fields ([`fields_1987`], [`fields_1993`]), how characters, numbers, lengths, bitmaps
//! and binary fields are written, and what this network does otherwise. [`Codec`] is a dialect made ready. In a [`Message`] every
//! value has one form whatever the dialect: characters as ASCII (or what EBCDIC has beyond it), digits as characters, binary data as
//! bytes.
//!
//! **Invariant:** any bytes decode to a message or to an [`Error`] that names the field (`55.9F26`), and what decodes encodes to the
//! same bytes. Printing a message or an error shows no card number, track, PIN block or chip data.
//!
//! **Not here:** which fields a message must have and what they mean, sockets, time.

pub mod charset;
mod codec;
mod decode;
pub mod dialect;
pub mod dialects;
mod encode;
pub mod error;
pub mod field;
pub mod fields_1987;
pub mod fields_1993;
pub mod frame;
pub mod message;
pub mod message_type;
pub mod original;
mod print;
pub mod subfields;

pub use codec::{Codec, DialectError};
pub use dialect::Dialect;
pub use error::{Error, Path, Problem};
pub use frame::{Deframer, Frame, FrameError, Framing};
pub use message::Message;
pub use message_type::MessageType;
pub use original::Original;
pub(crate) use print::account_number;
