//! Batches made durable, and the secrets that live beside them.
//!
//! ```text
//!   engine ──▶ Row::seal ──▶ Journal::append ──▶ one row, synced ──▶ JournalReader ──▶ followers
//!                              │
//!                              ├── sqlite     one file, one writer, any number of readers
//!                              ├── postgres   one table, any number of nodes
//!                              └── memory     for simulation: told when to lose what
//! ```
//!
//! **Invariant:** a row, once appended, never changes and never goes away, unless it was exported first; row `n` carries the hash of row `n − 1`, so
//! nobody can change one without changing all that follow. An append says one of three things: it *did not happen*
//! ([`AppendError::Conflict`]), it *may have happened* ([`AppendError::Unknown`]), or *this journal is not to be
//! trusted any more* ([`AppendError::Broken`]).
//!
//! | module | what it is |
//! |---|---|
//! | [`row`] | a row, its hash, how one is sealed |
//! | [`store`] | the seam: [`Journal`], [`JournalReader`] and their errors |
//! | [`sqlite`], [`postgres`], [`memory`] | its implementations |
//! | [`either`] | the one that the settings name |
//! | [`postgres_store`] | a PostgreSQL database of ours, for all that is kept in one |
//! | [`snapshots`] | pages of a state that somebody made of the rows, kept beside them |
//! | [`mod@copy`] | a journal copied into a file of its own |
//! | [`exports`], [`trim`] | old rows written out into files, and taken out of the journal |
//! | [`with_exports`] | the two read as one |
//! | [`chain`] | checks that rows form one unbroken chain |
//! | [`conformance`] | what every implementation must do, as one suite |
//! | [`keyring`] | the secrets outside every database, and what is computed with them |
//! | [`public_ids`] | ids shown to the outside, which reveal neither order nor volume |
//! | [`subject_keys`] | the mutable table of keys per person, so that people can be forgotten |
//!
//! **Not here:** what a batch means (its body is opaque bytes), leadership, retries, clocks, sockets.

pub mod chain;
pub mod conformance;
pub mod copy;
pub mod either;
mod exclusive;
pub mod exports;
pub mod keyring;
pub mod memory;
pub mod postgres;
pub mod postgres_store;
pub mod public_ids;
mod randomness;
pub mod row;
pub mod snapshots;
pub mod sqlite;
mod sqlite_file;
pub mod store;
mod stored;
pub mod subject_keys;
pub mod trim;
mod verdict;
pub mod with_exports;

pub use chain::{ChainError, ChainVerifier, verify_chain};
pub use either::{EitherJournal, EitherReader};
pub use keyring::Keyring;
pub use memory::MemoryJournal;
pub use postgres::{PostgresJournal, PostgresReader};
pub use postgres_store::PostgresStore;
pub use public_ids::PublicIds;
pub use randomness::random;
pub use row::{Hash, Row, Tip};
pub use snapshots::Snapshots;
pub use sqlite::{SqliteJournal, SqliteReader};
pub use store::{AppendError, Journal, JournalReader, OpenError, ReadError};
pub use subject_keys::SubjectKeys;
pub use with_exports::WithExports;
