//! Several nodes on one journal, in virtual time: crashes, hung leaders that wake up, appends whose answer is lost or that arrive
//! late, clocks that jump, a later release, and a journal that goes back.
//!
//! ```text
//!   clients ──▶ any node ── not leading ──▶ "try again"
//!                  │ leads: Pipeline ──▶ MemoryJournal ◀── looks: the others, and one observer that nobody can fool
//!                  ╰─ archiver ──▶ one disk for all: what is over leaves memory, and comes back when it is asked of
//! ```
//! [`paytone_engine::leadership`] and the pipeline are the very code of production; threads and waits are played here.
//!
//! **Checked:** what is answered is in the journal; one key has one answer and one effect; what a client knows is there is never
//! refused as unknown; a read shows exactly its position, and a leader's nothing older than what anybody was told before; after all faults every node has the state that the journal makes; a
//! what leaves memory is on the disk, and comes back as it left; a
//! node that took in what a journal lacks says nothing more and stops, and so does one that meets events of a later release; no node's
//! state is found to differ from what its leader shows of its own.

mod archiving;
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
    /// Answers leave before the batch they rest on is durable.
    AnswerBeforeDurable,
    /// A new leader answers before one further row of its own is durable.
    AnswerEarlyAfterTakeOver,
    /// A leader that hung answers from memory, however long ago its last row was.
    StaleLeaderAnswers,
    /// Who finds its position taken appends the same batch after whatever is there.
    AppendAfterConflict,
    /// An append whose answer got lost is not repeated as it was, but as a row of its own.
    RepeatUnknownAnew,
    /// A journal that went back is followed as if nothing were missing.
    GoOnAfterWentBack,
    /// A node goes on over what it cannot read.
    SkipUnknownEvents,
    /// A node that follows misses an event now and then.
    FollowerMissesEvent,
    /// The leader evicts before its copies are on the disk.
    EvictBeforeWritten,
    /// What is written when keys leave are the payments alone.
    ForgetKeysOfEviction,
    /// A node that leads no more writes its copies over newer ones of the node that does.
    OverwriteNewerCopies,
    /// Edges do not look for keys among those that left memory.
    SkipKeyLookup,
}

impl Mutation {
    pub const ALL: [Self; 14] = [
        Self::DoubleApplyAfterTakeOver,
        Self::KeepStateOfLostLead,
        Self::AnswerBeforeDurable,
        Self::AnswerEarlyAfterTakeOver,
        Self::StaleLeaderAnswers,
        Self::AppendAfterConflict,
        Self::RepeatUnknownAnew,
        Self::GoOnAfterWentBack,
        Self::SkipUnknownEvents,
        Self::FollowerMissesEvent,
        Self::EvictBeforeWritten,
        Self::ForgetKeysOfEviction,
        Self::OverwriteNewerCopies,
        Self::SkipKeyLookup,
    ];
}
