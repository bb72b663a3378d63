//! A PostgreSQL of one's own: a private cluster in a temporary folder, for tests.
//!
//! ```text
//!   test binary ──unix socket──▶ postmaster        watcher: reads from a pipe that this process holds;
//!        │                          ▲               when the process is gone, however it went, it
//!        └── Wire (TCP, can cut) ───┘               stops the postmaster and removes the folder
//! ```
//!
//! Needs Debian's package `postgresql` or its like; `PAYTONE_POSTGRES_BIN` names another folder of programs. As root the
//! server runs as the user `postgres`, because it refuses to be root.
//!
//! **Invariant:** one cluster per process ([`Cluster::shared`]), a database per test ([`Cluster::database`]): tests share
//! nothing but the server. It syncs as in production. **Not here:** SQL; the program `psql` does the little there is.

mod cluster;
mod wire;

pub use cluster::{Cluster, Paused};
pub use wire::Wire;
