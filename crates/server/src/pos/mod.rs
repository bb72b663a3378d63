//! Tills: terminals and acquirers that speak ISO 8583 over TCP.
//!
//! ```text
//!   bytes ─▶ connection ─▶ wire's session ─▶ decide ─▶ engine ─▶ answer ─▶ bytes
//!              limits        frames, fields    cryptogram, tokens' hashes; waits for a phone or a bank
//! ```
//! A link is one listener with one dialect; its card acceptors say whose terminals may use it. Requests of a connection are decided
//! side by side and answered as they are done.
//!
//! **Invariants:** a connection costs no more than its buffers and its requests under way; what cannot be read ends it. Card numbers,
//! chip data and keys are never logged. A cryptogram is verified before the engine hears of the tap; its counter is taken there.
//! **Not here:** what may be paid (`domain::till`), the formats (`paytone-wire`).

mod chip;
mod code;
mod connection;
mod decide;
mod keys;
mod link;
mod stores;
mod terminals;

pub mod player;
pub mod scan;
pub mod token;

pub use keys::{IssuerKey, IssuerKeys, KeyFileError};
pub use link::{LinkError, Links, Tills};
pub use stores::{StoreShown, of_merchant as stores_of};
pub use terminals::terminal_key;
