//! The phone's API over real HTTP: enrolling, sessions, prompts, approvals, the account, the event stream.

#[path = "../support/mod.rs"]
mod support;

mod account;
mod approving;
mod enrolling;
mod history;
mod mandates;
mod news;
mod sessions;

/// A number in use.
const ALICE: &str = "+8613800138000";
/// A number in use, of somebody else.
const BOB: &str = "+8613900139000";
/// A number that is nobody's.
const NOBODY: &str = "+8613700137000";
/// A PIN that is not weak, and another one.
const PIN: &str = "284617";
const WRONG_PIN: &str = "284618";
