//! How a node says how it is, and how it says no: health, metrics, traces, shares of what it can do.

#[path = "../support/mod.rs"]
mod support;

mod metrics;
mod overload;
mod status;
mod traces;
mod trimming;

/// A number in use.
const ALICE: &str = "+8613800138000";
/// A number that is nobody's.
const NOBODY: &str = "+8613700137000";
const PIN: &str = "284617";
