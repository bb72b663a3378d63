//! Runs the domain over a journal.
//!
//! ```text
//!   commands ──▶ Core: decide, evolve ──▶ batch ──▶ Row ──▶ journal thread ──▶ durable
//!                  ▲      one thread                                │
//!   answers  ◀─────┴──────── only what is durable goes out ◀────────┘──▶ followers
//! ```
//!
//! [`Core`] is the step function: state, an open batch, the end of the chain; no threads, no clock of its own. [`Pipeline`]
//! adds which answers rest on which batch, and is a step function as well. [`Engine`] is the driver around both: a thread that drains what waits, decides it, and hands a batch to the journal while the next one is
//! being decided (natural group commit: the slower the disk, the larger the batches). [`join`] starts one that shares its
//! journal with other nodes: it follows, and leads when [`leadership`] says so.
//!
//! **Invariants:** every answer, refusals and reads included, waits until the last batch it rests on is durable. A failed
//! sync stops the engine. **Not here:** what is decided; sockets.

mod batch;
mod core;
mod digest;
mod driver;
pub mod effects;
mod lead;
pub mod leadership;
mod member;
mod pipeline;
pub mod replay;
pub mod snapshot;
pub mod stats;
pub mod trimming;
pub mod walk;
pub mod what_if;

pub use crate::batch::{Batch, BatchError, Item, LeadNote, PartDigest, Says};
pub use crate::core::{Core, Sealed};
pub use crate::digest::{digest, digest_of_part};
pub use crate::driver::{Engine, EngineError, Options, Pending, Running, StopReason, start};
pub use crate::lead::Standing;
pub use crate::member::{Member, join};
pub use crate::pipeline::{Answered, Durable, Pipeline};
pub use crate::replay::{ReplayError, replay, restart};
pub use crate::walk::Walk;
