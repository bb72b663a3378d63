//! Stores of this program that somebody changed, or a disk: whatever is in them is what was written, or is refused.

use std::path::Path;

use paytone_engine::{Core, digest, replay, snapshot};
use paytone_journal::{
    ChainVerifier, Journal as _, MemoryJournal, Row, Snapshots, SqliteJournal, Tip,
};

use crate::{
    decoders::batches,
    mutation::{Mutation, rounds},
};

fn rows() -> Vec<Row> {
    let mut tip: Option<Tip> = None;
    let seal = |(place, body): (usize, Vec<u8>)| {
        let row = Row::seal(tip, 1, (place as u128).to_be_bytes(), body);
        tip = Some(row.tip());
        row
    };
    batches().into_iter().enumerate().map(seal).collect()
}

/// The row with one of its fields changed.
fn changed(mutation: &mut Mutation, row: &Row) -> Row {
    let mut row = row.clone();
    match mutation.below(6) {
        0 => row.seq = row.seq.wrapping_add(1 + mutation.below(3) as u64),
        1 => row.epoch = row.epoch.wrapping_sub(1 + mutation.below(3) as u64),
        2 => {
            let place = mutation.below(16);
            row.batch_id[place] ^= 1;
        }
        3 => row.previous_hash = row.hash,
        4 => row.hash = row.previous_hash,
        _ => row.body = mutation.of(&row.body),
    }
    row
}

#[test]
fn a_row_is_taken_only_as_it_was_written_and_where_it_was_written() {
    let mut mutation = Mutation::new();
    let good = rows();
    for _ in 0..rounds(2_000) {
        let place = mutation.below(good.len());
        let row = changed(&mut mutation, &good[place]);
        let before = place.checked_sub(1).map(|before| good[before].tip());
        let taken = ChainVerifier::after(before).accept(&row).is_ok();
        assert_eq!(taken, row == good[place], "seed {}", mutation.seed);
    }
}

async fn write_journal(path: &Path, rows: &[Row]) {
    let mut journal = SqliteJournal::open(path).await.expect("a journal");
    for row in rows {
        journal.append(row).await.expect("it fits");
    }
    journal.close().await.expect("it closes");
}

/// What a journal file makes; nothing if it is refused.
async fn replayed(path: &Path) -> Option<(u64, [u8; 32])> {
    let mut reader = SqliteJournal::reader(path).await.ok()?;
    let core = replay(&mut reader, |_, _| {}).await.ok()?;
    Some((core.tip().map_or(0, |tip| tip.seq), digest(core.state())))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_file_makes_a_state_that_its_rows_made_or_is_refused() {
    let mut mutation = Mutation::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.sqlite");
    let rows = rows();
    let rows = &rows[..rows.len().min(40)];
    write_journal(&path, rows).await;
    let good = std::fs::read(&path).expect("it is there");
    // A file may lose its end: what is left is what was made up to there.
    let mut core = Core::new();
    let mut made = vec![digest(core.state())];
    for row in rows {
        core.apply(row).expect("a golden batch");
        made.push(digest(core.state()));
    }
    for _ in 0..rounds(150) {
        std::fs::write(&path, mutation.of(&good)).expect("it can be written");
        if let Some((seq, digest)) = replayed(&path).await {
            let wanted = usize::try_from(seq).ok().and_then(|seq| made.get(seq));
            assert_eq!(Some(&digest), wanted, "seed {}, row {seq}", mutation.seed);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_file_gives_the_state_that_was_written_or_is_refused() {
    let mut mutation = Mutation::new();
    let folder = tempfile::tempdir().expect("a folder");
    let snapshots = Snapshots::folder(folder.path());
    let mut journal = MemoryJournal::new();
    for row in rows() {
        journal.append(&row).await.expect("it fits");
    }
    let made = snapshot::make(&mut journal, &snapshots, |_| {}).await;
    let listed = made.expect("a snapshot").listed;
    let core = replay(&mut journal, |_, _| {}).await.expect("it is sound");
    let good = std::fs::read(&listed.name).expect("it is there");
    for _ in 0..rounds(500) {
        let bytes = mutation.of(&good);
        std::fs::write(&listed.name, &bytes).expect("it can be written");
        let found = snapshots.list().await.expect("a folder");
        let Ok(loaded) = snapshot::load(&snapshots, &found[0], |_| {}).await else {
            assert!(
                bytes != good,
                "seed {}: a good one is refused",
                mutation.seed
            );
            continue;
        };
        assert_eq!(loaded.tip(), core.tip(), "seed {}", mutation.seed);
        let digests = [&loaded, &core].map(|core| digest(core.state()));
        assert_eq!(digests[0], digests[1], "seed {}", mutation.seed);
    }
}
