//! The outside world: what Paytone calls, and what it calls with.
//!
//! ```text
//!   funding/        banks and other money sources      Done · Refused · Unknown
//!   webhook/        signed messages to merchants       at least once, public addresses only
//!   prompt/         one-time codes and payment prompts on their way to a phone
//!   stand_in_bank/  a bank of our own that misbehaves on demand (tests, demo, simulator)
//! ```
//! **Invariant:** a connector never says that money did not move unless it knows. Whatever is not
//! a clear answer is `Unknown`, and asking again under the same reference is always safe.
//!
//! **Not here:** the domain's types, the journal, retry loops. Workers of the server decide when
//! to call and record what came of it; a connector does one thing once.

pub mod funding;
pub mod prompt;
pub mod stand_in_bank;
pub mod webhook;

use std::pin::Pin;

/// What an object-safe asynchronous method returns.
pub type Promise<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
