//! The simulation bites: every bug that is put in on purpose is found, and by the check that is there for it.

use sim::{Check, Mutation};

const SEEDS: std::ops::Range<u64> = 1..60;
const STEPS: u64 = 8_000;

/// What may find it; several promises can break at once.
fn found_by(mutation: Mutation) -> &'static [Check] {
    match mutation {
        Mutation::AnswerBeforeDurable => &[Check::Answered, Check::Keys],
        Mutation::SkipSync => &[Check::Answered, Check::Replay, Check::Journal],
        Mutation::GoOnAfterFailedSync => &[Check::Journal, Check::Answered],
        Mutation::ForgetKeysOnReplay => &[Check::Keys, Check::Archive],
        Mutation::SkipKeyLookup => &[Check::Keys],
        Mutation::SnapshotForgetsKeys => &[Check::Keys, Check::Replay, Check::Archive],
        Mutation::SnapshotOfAnEarlierRow => &[
            Check::Answered,
            Check::Keys,
            Check::Replay,
            Check::Panic,
            Check::Archive,
        ],
        Mutation::KeepHold => &[Check::Holds, Check::Replay],
        Mutation::PostResultTwice => &[Check::Books, Check::Replay],
        Mutation::CallBeforeDurable => &[Check::Settled, Check::Bank],
        Mutation::ReferencePerAttempt => &[Check::Bank],
        Mutation::SilenceMeansRefused => &[Check::Settled],
        Mutation::SkipDeadlines | Mutation::DropGrantExpiry => &[Check::Deadlines],
        Mutation::ForgetLotOnRefund => &[Check::Refunds],
        Mutation::LoseGiveBack => &[Check::Books],
        Mutation::ClockGoesBack => &[Check::Clock],
        Mutation::TrimBeforeExported | Mutation::TrustExport => &[Check::Journal],
        Mutation::EvictBeforeWritten | Mutation::RecallStaleCopy => &[Check::Archive],
    }
}

#[test]
fn every_mutation_is_found_by_the_check_that_is_there_for_it() {
    for mutation in Mutation::ALL {
        let failure = SEEDS
            .into_iter()
            .find_map(|seed| sim::run(seed, STEPS, Some(mutation)).err());
        let failure = failure.unwrap_or_else(|| panic!("{mutation:?} is not found"));
        assert!(
            found_by(mutation).contains(&failure.violation.check),
            "{mutation:?} is found by another check: {failure}"
        );
        assert!(!failure.trace.is_empty(), "{mutation:?} left no trace");
        println!(
            "{mutation:?}: seed {}, step {}, {:?}",
            failure.seed, failure.step, failure.violation.check
        );
    }
}
