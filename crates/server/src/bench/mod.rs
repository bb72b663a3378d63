//! Benchmarks, always with durability on, over real HTTP on loopback.
//!
//! `paytone bench http` runs four loads on one server, one after the other: a do-nothing endpoint (the ceiling), charges
//! under a mandate as fast as they are answered and at four fifths of that rate, and whole payments (create, prompt,
//! approval with a real signature). `paytone bench start` measures how long a start takes, from a snapshot and without. Load generator and server share the process and its CPU time.

mod http;
mod load;
mod report;
pub mod start;
mod world;

pub use http::{Args, run};
