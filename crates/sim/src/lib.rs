//! A seeded simulation of Paytone in virtual time, with faults. Development only.
//!
//! ```text
//!   merchants, phones, staff ──▶ network that loses, delays, repeats ──▶ process: Pipeline, MemoryJournal, worker
//!        ▲                                                                   │ crashes, starts; slow, full, broken disks; clocks that jump
//!        └────────── answers, prompts ◀──────────────────────────────────────┴──▶ stand-in bank with moods
//! ```
//! The engine's pipeline, the replay, the worker's step, the reading of the bank's answers and the bank itself are the very
//! code that runs in production; only threads, sockets, disks and people are played here. One seed is one run, event by event.
//!
//! After every step of the process the books are checked, and every few steps all payments, holds and effects; after every
//! start what clients were told; and at the end, when nothing is under way any more, the bank's statement.
//!
//! **Invariant:** a run depends on its seed, its length and its mutation alone. **Not here:** real time, threads, HTTP, SQLite.

mod archive;
mod checks;
mod exchange;
mod follower;
mod happening;
mod machine;
mod merchants;
mod mutation;
pub mod nodes;
mod phones;
mod process;
mod promises;
mod random;
mod run;
mod snapshots;
mod staff;
mod trimming;
mod violation;
mod world;

pub use mutation::Mutation;
pub use random::Random;
pub use run::{Failure, Report, run};
pub use violation::{Check, Violation};
