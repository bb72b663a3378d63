//! The merchant API and webhooks over real HTTP.

#[path = "../support/mod.rs"]
mod support;

mod client;
mod document;
mod idempotency;
mod inputs;
mod lists;
mod mandates;
mod payments;
mod postgres;
mod projection;
mod receiver;
mod webhooks;

/// A number in use.
const ALICE: &str = "+8613800138000";
/// A number in use, of somebody else.
const BOB: &str = "+8613900139000";
/// A number that is nobody's.
const NOBODY: &str = "+8613700137000";
const PIN: &str = "284617";
