//! What terminals, acquirers, chips and codes speak: bytes in, plain types out, and back.
//!
//! ```text
//!   iso8583/  frames of a stream ──▶ messages of a dialect ──▶ fields          (and back)
//!   emv/      keys ──▶ cryptograms of cards, and the issuer's answers; what chip data say
//!   pin       PIN blocks
//!   qr/       what a merchant shows for a phone to scan, and a phone for a till
//!   till/     the host's side of a till's connection: requests out, answers back
//!   tlv       tags, lengths, values: what chips talk in, and field 55
//! ```
//! **Invariant:** no function here panics on any bytes, and nothing prints a card number, a track, a PIN block, chip data or a key.
//! What is read and written again is the same bytes.
//!
//! **Not here:** sockets, clocks, randomness, what an answer should be. Whoever calls brings time and random bytes along. This
//! crate depends on none of the others.

#![forbid(unsafe_code)]

pub mod emv;
pub mod iso8583;
pub mod pin;
pub mod qr;
pub mod till;
pub mod tlv;
