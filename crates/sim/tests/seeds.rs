//! Fixed seeds find nothing, and go through what they are there for.

use std::collections::BTreeMap;

/// Runs that together take a few seconds unoptimised.
const SEEDS: std::ops::Range<u64> = 1_000..1_024;
const STEPS: u64 = 10_000;

#[test]
fn fixed_seeds_find_nothing_and_meet_every_kind_of_event() {
    let mut met: BTreeMap<String, u64> = BTreeMap::new();
    let (mut clock_jumps, mut full_disks, mut from_snapshots) = (0, 0, 0);
    let (mut trimmed, mut damaged_exports) = (0, 0);
    for seed in SEEDS {
        match sim::run(seed, STEPS, None) {
            Ok(report) => {
                assert!(report.crashes > 0, "seed {seed} met no crash");
                clock_jumps += report.clock_jumps;
                full_disks += report.full_disks;
                trimmed += report.trimmed;
                damaged_exports += report.damaged_exports;
                from_snapshots += report.from_snapshots;
                for (event, times) in report.met {
                    *met.entry(event).or_default() += times;
                }
            }
            Err(failure) => panic!("{failure}"),
        }
    }
    assert!(clock_jumps > 0 && full_disks > 0);
    assert!(from_snapshots > 0, "no start began with a snapshot");
    assert!(
        trimmed > 1_000 && damaged_exports > 0,
        "{trimmed} rows left, {damaged_exports} files were damaged"
    );
    let missing: Vec<_> = EVENTS
        .iter()
        .filter(|event| !met.contains_key(**event))
        .collect();
    assert!(missing.is_empty(), "never met: {missing:?}; met: {met:#?}");
}

#[test]
fn a_seed_means_one_run() {
    let once = sim::run(7, 3_000, None).expect("finds nothing");
    let again = sim::run(7, 3_000, None).expect("finds nothing");
    assert_eq!(once, again);
    let other = sim::run(8, 3_000, None).expect("finds nothing");
    assert!(once.digest != other.digest);
}

/// What the simulation is there for.
const EVENTS: &[&str] = &[
    "Archive Evicted",
    "Archive Recalled",
    "Device Added",
    "Device Approved",
    "Device Removed",
    "Effect Attempted",
    "Effect Dropped",
    "Effect PaidToBalance",
    "Effect Repeated",
    "Effect Settled",
    "Effect Wanted",
    "Enrolment CodeWrong",
    "Enrolment Completed",
    "Grant Expired",
    "Grant Given",
    "Line Added",
    "Line Recycled",
    "Line Renumbered",
    "Line Updated",
    "Mandate Approved",
    "Mandate Cancelled",
    "Mandate Ended",
    "Mandate Expired",
    "Mandate Refused",
    "Mandate Resumed",
    "Mandate Suspended",
    "Merchant Blocked",
    "Operator Adjusted",
    "Operator Decided",
    "Operator RulesSet",
    "Operator SubscriberBlocked",
    "Payment Authorized",
    "Payment Cancelled",
    "Payment Captured",
    "Payment Ignored",
    "Payment NotCaptured",
    "Payment NotFunded",
    "Payment Refunded",
    "Payment Vetoed",
    "Payment WrongCode",
    "Phone rejected AlreadyDecided",
    "Phone rejected BadSignature",
    "Phone rejected DeviceNotActive",
    "Phone rejected FactsDiffer",
    "Phone rejected InsufficientFunds",
    "Phone rejected PinLocked",
    "Phone rejected TooLate",
    "Phone rejected WrongCode",
    "Repeat Forgotten",
];
