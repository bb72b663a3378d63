//! Benchmarks, always with durability on. Load generator and server share the process and its CPU time.
//!
//! | command | what it runs |
//! |---|---|
//! | `paytone bench engine` | charges through the engine alone, in process, on a journal on disk |
//! | `paytone bench history` | what a payment costs and what memory holds, the longer the journal gets |
//! | `paytone bench http` | four loads on one server, one after the other: a do-nothing endpoint (the ceiling), charges under a mandate as fast as they are answered and at four fifths of that rate, and whole payments (create, prompt, approval with a real signature) |
//! | `paytone bench till` | taps over one ISO 8583 link, as fast as they are answered and at half that rate |
//! | `paytone bench start` | how long a start takes, from a snapshot and without |

pub mod engine;
pub mod history;
mod http;
mod load;
mod report;
pub mod start;
pub mod till;
mod world;

pub use http::{Args, BenchError, run};
