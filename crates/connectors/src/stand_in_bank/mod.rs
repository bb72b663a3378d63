//! A bank of our own that delays, refuses, loses answers and succeeds late on demand.
//!
//! ```text
//!            ┌─ core: pure; request + time in, records + fate of the request out
//!   http ────┤
//!            └─ file: one JSON line per change, written before the answer leaves
//! ```
//! **Invariant:** one reference moves money at most once, whatever is lost or repeated; the
//! statement shows every operation, so that tests can compare the books of both sides.
//!
//! **Not here:** anything of Paytone's. The real server, the demo, the tests and the simulator all
//! talk to this as to any other bank; the simulator drives [`Core`] without sockets.

mod answers;
mod core;
mod file;
mod http;
mod mood;
mod operation;

pub use self::core::{Arrival, Core, Fate, Request, Step};
pub use self::file::FileError;
pub use self::http::{State, serve};
pub use self::operation::{
    Account, Behaviour, Collect, GiveBack, Kind, Operation, Progress, Record, Statement, Totals,
};
