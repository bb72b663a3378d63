//! Several nodes on one journal: fixed seeds find nothing, and every bug that is put in on purpose is found.

use sim::{Check, nodes};

const SEEDS: std::ops::Range<u64> = 1..17;
const STEPS: u64 = 12_000;

fn found_by(mutation: nodes::Mutation) -> &'static [Check] {
    use nodes::Mutation;
    match mutation {
        Mutation::DoubleApplyAfterTakeOver | Mutation::KeepStateOfLostLead => &[
            Check::Replay,
            Check::Answered,
            Check::Keys,
            Check::Panic,
            Check::Differs,
        ],
        Mutation::AnswerBeforeDurable => &[Check::Answered, Check::Keys],
        Mutation::AnswerEarlyAfterTakeOver | Mutation::StaleLeaderAnswers => &[Check::Answered],
        Mutation::AppendAfterConflict | Mutation::RepeatUnknownAnew => &[
            Check::Replay,
            Check::Answered,
            Check::Keys,
            Check::Panic,
            Check::Differs,
        ],
        Mutation::GoOnAfterWentBack | Mutation::SkipUnknownEvents => &[Check::Journal],
        Mutation::FollowerMissesEvent => &[Check::Differs],
        Mutation::EvictBeforeWritten
        | Mutation::ForgetKeysOfEviction
        | Mutation::OverwriteNewerCopies => &[Check::Archive],
        Mutation::SkipKeyLookup => &[Check::Keys],
    }
}

#[test]
fn fixed_seeds_find_nothing_and_the_lead_changes_hands() {
    let (mut take_overs, mut evictions, mut recalled) = (0, 0, 0);
    for seed in SEEDS {
        match nodes::run(seed, STEPS, None) {
            Ok(report) => {
                take_overs += report.take_overs;
                evictions += report.evictions;
                recalled += report.recalled;
            }
            Err(failure) => panic!("{failure}"),
        }
    }
    assert!(take_overs > 50, "the lead changed hands {take_overs} times");
    assert!(
        evictions > 50 && recalled > 20,
        "{evictions} evictions, {recalled} payments came back"
    );
}

#[test]
fn a_seed_means_one_run() {
    let once = nodes::run(3, 4_000, None).expect("finds nothing");
    assert_eq!(nodes::run(3, 4_000, None).expect("finds nothing"), once);
}

#[test]
fn every_mutation_is_found_by_a_check_that_is_there_for_it() {
    for mutation in nodes::Mutation::ALL {
        let found = (1..200).find_map(|seed| nodes::run(seed, STEPS, Some(mutation)).err());
        let failure = found.unwrap_or_else(|| panic!("{mutation:?} is not found"));
        println!(
            "{mutation:?}: seed {}, {:?}",
            failure.seed, failure.violation
        );
        assert!(
            found_by(mutation).contains(&failure.violation.check),
            "{mutation:?} is found by another check: {failure}"
        );
    }
}
