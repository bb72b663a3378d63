//! What the simulation found to be wrong.

/// Which promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The book's total, an account below zero, or an account that differs from the payments and effects behind it.
    Books,
    /// More or less is held than the payments that are under way hold.
    Holds,
    /// Something that was due was not decided.
    Deadlines,
    /// Engine time or a business date went back.
    Clock,
    /// A refund went elsewhere than where its money had come from.
    Refunds,
    /// What was answered is not so any more.
    Answered,
    /// One idempotency key was answered in two ways.
    Keys,
    /// Replaying the journal makes another state.
    Replay,
    /// A node found its state to be another than the leader's.
    Differs,
    /// The bank was asked for something that the journal does not want, or twice.
    Bank,
    /// At the end something is still under way, or does not come out even.
    Settled,
    /// What left memory is not in the archive as it was, or came back as another.
    Archive,
    /// The journal answered what it must not.
    Journal,
    /// The system stopped itself.
    Panic,
}

/// A broken promise, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub check: Check,
    pub detail: String,
}

pub type Checked = Result<(), Violation>;

/// An error unless `holds`.
pub fn require(holds: bool, check: Check, detail: impl FnOnce() -> String) -> Checked {
    if holds {
        Ok(())
    } else {
        Err(Violation {
            check,
            detail: detail(),
        })
    }
}
