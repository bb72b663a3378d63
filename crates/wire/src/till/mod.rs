//! The host's side of a till's connection: bytes in, plain requests out, and answers back.
//!
//! ```text
//!   bytes ─▶ Session ─┬─▶ Event::Request ─▶ (somebody decides) ─▶ Reply ─▶ Session::answer ─▶ bytes
//!                     ├─▶ Event::Answered     sign-on, echo, sign-off, what cannot be read: the answer is made
//!                     └─▶ Event::Unreadable   not even a message type: there is nobody to answer
//! ```
//! A [`Link`] is what a connection speaks: dialect, framing and a [`Profile`], which says which fields a message must have and which its
//! answer repeats.
//!
//! **Invariant:** every message that can be answered gets exactly one answer, with the same trace number and terminal; one that lacks a
//! field, or has one that makes no sense, is answered with "format error" and the field's number, and reaches nobody.
//!
//! **Not here:** sockets, clocks, deadlines, what was answered before (a repeat says that it is one and who it is:
//! [`Identity`]), and every decision.

pub mod card;
pub mod code;
pub mod profile;
pub mod reply;
pub mod request;
mod requests;
pub mod session;
pub mod terminal;

pub use card::Card;
pub use code::Code;
pub use profile::Profile;
pub use reply::Reply;
pub use request::{Entry, Identity, Kind, Request};
pub use session::{Event, Link, Session};
pub use terminal::Terminal;
