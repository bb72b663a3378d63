//! Bugs that are put in on purpose, to show that the simulation finds them.

/// What is wrong with the system in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Answers leave before the batch they rest on is durable.
    AnswerBeforeDurable,
    /// After a restart the idempotency keys are forgotten.
    ForgetKeysOnReplay,
    /// The end of a payment releases nothing of what was held for it.
    KeepHold,
    /// A result of the bank is posted twice.
    PostResultTwice,
    /// The worker hears of effects, and calls the bank, before anything of it is durable.
    CallBeforeDurable,
    /// Every attempt at the bank is an order of its own.
    ReferencePerAttempt,
    /// An expired payment's deadline is never decided.
    SkipDeadlines,
}

impl Mutation {
    pub const ALL: [Self; 7] = [
        Self::AnswerBeforeDurable,
        Self::ForgetKeysOnReplay,
        Self::KeepHold,
        Self::PostResultTwice,
        Self::CallBeforeDurable,
        Self::ReferencePerAttempt,
        Self::SkipDeadlines,
    ];
}
