//! The rules of the design, as tables of commands with their outcomes. One file per concern.

#[path = "../support/mod.rs"]
mod support;

mod approval;
mod archive;
mod bank;
mod capture;
mod codes;
mod endpoints;
mod enrolment;
mod funding;
mod idempotency;
mod levels;
mod lines;
mod mandates;
mod operators;
mod projection;
mod properties;
mod races;
mod refund;
mod tills;
mod vetoes;
