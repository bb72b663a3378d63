//! Journals of every release, replayed to the digest they had then.
//!
//! A file here is never changed. A release that writes another level of events adds one: run this test with
//! `PAYTONE_NEW_GOLDEN=NAME` once, and add its line to [`GOLDEN`].

mod scenario;
mod snapshots;
mod what_if;

use std::{collections::BTreeSet, path::PathBuf};

use paytone_domain::{
    Event, State,
    archive::ArchiveEvent,
    stored::{Chunk, Restoring},
    time::Timestamp,
};
use paytone_engine::{Batch, Core, digest};
use paytone_journal::{Hash, Row, verify_chain};
use scenario::Scenario;

/// File and the digest of the state that it makes.
const GOLDEN: &[(&str, &str)] = &[
    (
        "level-1",
        "92f160703458f14a8310dc9fc2393ac71d68588f3e7652fe418cf79edb4afa20",
    ),
    // The same level, with what the first did not know: vetoes at the approval, sealed days, ended sessions, new passwords.
    (
        "level-1-signed-days",
        "45e8c68b362b25b5795b18744bd733d01703078346e72c38b859b5594f284d83",
    ),
    // A charge is one event.
    (
        "level-2",
        "2c74e5eb405ec749eb70ecb82eaa851ef92157693b41a72d40cb93c5c90a6844",
    ),
    // Payments and idempotency keys leave memory, and payments come back.
    (
        "level-3",
        "b301d78ffd389e769d350a6e7a574b51c19e5bdd9dcf982e13570bf8138b084a",
    ),
    // Tills, tokens and one-time codes.
    (
        "level-4",
        "e70818b2f0127bbf0f6f5b267101881ca10a4642d30fd11ea7725fe8b7363988",
    ),
];

#[test]
fn a_journal_of_every_release_makes_the_state_it_made_then() {
    if let Ok(name) = std::env::var("PAYTONE_NEW_GOLDEN") {
        write(&name);
    }
    for (name, pinned) in GOLDEN {
        let rows = read(name);
        let end = verify_chain(rows.iter().cloned()).expect("an unbroken chain");
        assert_eq!(end.map(|tip| tip.seq), Some(rows.len() as u64), "{name}");
        assert_eq!(hex(&digest(&replayed(&rows))), *pinned, "{name}");
    }
}

#[test]
fn the_golden_journals_know_every_kind_of_event() {
    let rows = GOLDEN.iter().flat_map(|(name, _)| read(name));
    let known = kinds(&rows.collect::<Vec<_>>());
    let known: Vec<_> = known.into_iter().collect();
    let listed = include_str!("kinds.txt");
    assert_eq!(known.join("\n"), listed.trim_end());
}

#[test]
fn in_the_journal_of_level_3_payments_and_keys_leave_often_and_payments_come_back() {
    let batches = read("level-3");
    let batches = batches
        .iter()
        .map(|row| Batch::decode(&row.body).expect("a batch"));
    let (mut payments, mut keys, mut back) = (0, 0, 0);
    for event in batches
        .flat_map(|batch| batch.items)
        .flat_map(|item| item.events)
    {
        match event {
            Event::Archive(ArchiveEvent::Evicted {
                payments: left,
                keys_before,
                ..
            }) => {
                payments += left.len();
                keys += usize::from(keys_before > Timestamp::default());
            }
            Event::Archive(ArchiveEvent::Recalled { .. }) => back += 1,
            _ => {}
        }
    }
    assert!(
        payments > 100 && keys > 50 && back > 10,
        "{payments} {keys} {back}"
    );
}

#[test]
fn in_the_journal_of_level_4_tills_are_paid_undone_and_asked_long_after() {
    let rows = read("level-4");
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for row in &rows {
        let batch = Batch::decode(&row.body).expect("a batch");
        for event in batch.items.iter().flat_map(|item| &item.events) {
            *counts.entry(kind(event)).or_default() += 1;
        }
    }
    for (what, least) in [
        ("Till/Decided", 200),
        ("Till/Undone", 50),
        ("Till/ShiftClosed", 5),
        ("Till/Forgotten", 5),
        ("Token/Issued", 12),
        ("Token/Suspended", 5),
        ("Pass/Used", 10),
        ("Pass/Wrong", 3),
        ("Archive/Evicted", 50),
    ] {
        let seen = counts.get(what).copied().unwrap_or_default();
        assert!(seen >= least, "{what}: {seen} of {least}; {counts:?}");
    }
}

#[test]
fn any_world_replays_to_the_state_it_lived_in() {
    for seed in 0..12 {
        let mut scenario = Scenario::begin(seed);
        scenario.archives = seed % 2 == 1;
        scenario.tills = seed % 3 > 0;
        scenario.live(600);
        assert_eq!(
            scenario.state().archive.evictions > 0,
            scenario.archives,
            "seed {seed}"
        );
        let replayed = replayed(scenario.rows());
        assert_eq!(
            hex(&digest(&replayed)),
            hex(&digest(scenario.state())),
            "seed {seed}"
        );
        assert_eq!(replayed.book, scenario.state().book, "seed {seed}");
        let restored = restored(&replayed);
        assert_eq!(digest(&restored), digest(&replayed), "seed {seed}");
        assert_eq!(replayed.book.total(), 0, "seed {seed}");
    }
}

#[test]
fn one_balance_more_is_another_digest() {
    let mut scenario = Scenario::begin(1);
    let before = digest(scenario.state());
    let mut state = scenario.state().clone();
    assert_eq!(digest(&state), before);
    state.book.hold(
        paytone_domain::ledger::Account::Suspense,
        paytone_domain::money::Amount::clamped(1),
    );
    assert_ne!(digest(&state), before);
    scenario.live(50);
    assert_ne!(digest(scenario.state()), before);
}

fn kinds(rows: &[Row]) -> BTreeSet<String> {
    let batches = rows
        .iter()
        .map(|row| Batch::decode(&row.body).expect("a batch"));
    let items = batches.flat_map(|batch| batch.items);
    items
        .flat_map(|item| item.events)
        .map(|event| kind(&event))
        .collect()
}

/// `Payment/Captured` and the like.
fn kind(event: &Event) -> String {
    let shown = format!("{event:?}");
    let mut words = shown
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default().to_owned();
    match event {
        Event::Initialized { .. }
        | Event::Fell { .. }
        | Event::KeyringChanged { .. }
        | Event::LevelActivated { .. }
        | Event::Charged(_)
        | Event::DaySealed(_) => first,
        _ => format!("{first}/{}", words.next().unwrap_or_default()),
    }
}

fn replayed(rows: &[Row]) -> State {
    let mut core = Core::new();
    for row in rows {
        core.apply(row).expect("a batch of this release");
    }
    core.state().clone()
}

/// The state after it was written down and read again.
fn restored(state: &State) -> State {
    let mut chunks = Vec::new();
    let put = |chunk: &[u8]| {
        chunks.push(Chunk::read(chunk));
        Ok::<(), std::convert::Infallible>(())
    };
    state.write(4_096, put).expect("memory takes everything");
    let mut restoring = Restoring::of(1 << 30);
    for chunk in chunks {
        restoring
            .take(chunk.expect("a chunk"))
            .expect("a chunk that fits");
    }
    restoring.finish().expect("a whole state")
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}.cbor"))
}

type Stored = (
    u64,
    u64,
    minicbor::bytes::ByteArray<16>,
    minicbor::bytes::ByteArray<32>,
    minicbor::bytes::ByteArray<32>,
    minicbor::bytes::ByteVec,
);

fn read(name: &str) -> Vec<Row> {
    let bytes = std::fs::read(path(name)).expect("a golden journal");
    let rows: Vec<Stored> = minicbor::decode(&bytes).expect("rows");
    rows.into_iter()
        .map(|(seq, epoch, batch_id, previous_hash, hash, body)| Row {
            seq,
            epoch,
            batch_id: *batch_id,
            previous_hash: Hash::from_bytes(*previous_hash),
            hash: Hash::from_bytes(*hash),
            body: body.into(),
        })
        .collect()
}

fn write(name: &str) {
    // Of many worlds the one that knows most.
    let lived = (0..100).map(|seed| {
        let mut scenario = Scenario::begin(seed);
        scenario.archives = true;
        scenario.tills = true;
        scenario.live(2_500);
        scenario
    });
    let scenario = lived
        .max_by_key(|scenario| kinds(scenario.rows()).len())
        .expect("some world");
    let rows = scenario.rows().iter().map(|row| -> Stored {
        (
            row.seq,
            row.epoch,
            row.batch_id.into(),
            (*row.previous_hash.as_bytes()).into(),
            (*row.hash.as_bytes()).into(),
            row.body.clone().into(),
        )
    });
    let rows: Vec<_> = rows.collect();
    let bytes = minicbor::to_vec(rows).expect("writing to memory does not fail");
    assert!(!path(name).exists(), "a golden journal is never changed");
    std::fs::write(path(name), bytes).expect("a golden journal is written");
    println!("{name} makes {}", hex(&digest(scenario.state())));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
