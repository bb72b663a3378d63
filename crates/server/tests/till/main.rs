//! Tills over TCP: the terminal and phone of `paytone till` against a real node, a terminal in Python that shares no code with it, and
//! clients that mean no good.

#[path = "../support/mod.rs"]
mod support;

mod abuse;
mod codes;
mod links;
mod long_ago;
mod python;
mod scene;
mod storm;
mod taps;

use scene::Scene;

pub const ALICE: &str = "+8613800138000";
pub const PIN: &str = "284617";
