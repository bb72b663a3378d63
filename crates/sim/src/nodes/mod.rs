//! Several nodes on one journal, in virtual time: crashes, hung leaders that wake up, appends whose answer is lost or that arrive
//! late, and a journal that goes back.
//!
//! ```text
//!   clients ──▶ any node ── not leading ──▶ "try again"
//!                  │ leads: Pipeline ──▶ MemoryJournal ◀── looks: the others, and one observer that nobody can fool
//! ```
//! [`paytone_engine::leadership`] and the pipeline are the very code of production; threads and waits are played here.
//!
//! **Checked:** what is answered is in the journal; one key has one answer and one effect; what a client knows is there is never
//! refused as unknown; a read shows exactly its position; after all faults every node has the state that the journal makes; a
//! node that took in what a journal lacks says nothing more and stops.

mod node;
mod run;

pub use run::{Report, run};

/// Bugs that are put in on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// A new leader applies the last row once more.
    DoubleApplyAfterTakeOver,
    /// A lost lead keeps what was not durable.
    KeepStateOfLostLead,
}

impl Mutation {
    pub const ALL: [Self; 2] = [Self::DoubleApplyAfterTakeOver, Self::KeepStateOfLostLead];
}
