//! A start from a snapshot and the rows after it ends where a start from the first row does.

use paytone_engine::{
    Core, digest,
    replay::{Progress, Restart, newest},
    restart,
    snapshot::{self, Keep, MakeError},
};
use paytone_journal::{Journal, MemoryJournal, Row, Snapshots};

use super::{replayed, scenario::Scenario};

async fn append(journal: &mut MemoryJournal, rows: &[Row]) {
    for row in rows {
        journal.append(row).await.expect("it fits");
    }
}

async fn start(journal: &mut MemoryJournal, snapshots: &Snapshots) -> Restart {
    restart(journal, Some(snapshots), |_| {})
        .await
        .expect("it starts")
}

fn same(core: &Core, rows: &[Row]) {
    let mut whole = Core::new();
    for row in rows {
        whole.apply(row).expect("a batch");
    }
    assert_eq!(digest(core.state()), digest(whole.state()));
    assert_eq!((core.tip(), core.moment()), (whole.tip(), whole.moment()));
    assert_eq!(core.next_due(), whole.next_due());
}

/// A world's journal with a snapshot at each of these places.
async fn with_snapshots(
    seed: u64,
    steps: usize,
    at: &[usize],
) -> (Vec<Row>, MemoryJournal, Snapshots) {
    let mut scenario = Scenario::begin(seed);
    scenario.live(steps);
    let rows = scenario.rows().to_vec();
    let (mut journal, snapshots) = (MemoryJournal::default(), Snapshots::memory());
    let mut done = 0;
    for place in at.iter().copied() {
        append(&mut journal, &rows[done..place]).await;
        done = place;
        let made = snapshot::make(&mut journal, &snapshots, |_| {}).await;
        let made = made.expect("a snapshot");
        assert_eq!((made.listed.seq, made.is_new), (place as u64, true));
    }
    append(&mut journal, &rows[done..]).await;
    (rows, journal, snapshots)
}

#[tokio::test]
async fn a_start_takes_the_newest_snapshot_and_the_rows_after_it() {
    for seed in 0..4 {
        let (rows, mut journal, snapshots) = with_snapshots(seed, 1_500, &[1, 150, 420]).await;
        let begun = start(&mut journal, &snapshots).await;
        assert_eq!(begun.snapshot, Some(420), "seed {seed}");
        assert_eq!(begun.rows, rows.len() as u64 - 420, "seed {seed}");
        same(&begun.core, &rows);
    }
}

#[tokio::test]
async fn a_long_journal_and_a_large_snapshot_are_read_on_several_threads() {
    let (rows, mut journal, snapshots) = with_snapshots(11, 6_000, &[]).await;
    assert!(rows.len() > 2_048, "{} rows", rows.len());
    let mut told = Vec::new();
    let begun = restart(&mut journal, Some(&snapshots), |progress| {
        told.push(progress);
    })
    .await
    .expect("it starts");
    assert_eq!(begun.snapshot, None);
    let end = rows.len() as u64;
    let last = Progress::Replaying {
        from: 0,
        seq: end,
        end,
    };
    assert_eq!((told.len(), told.last()), (rows.len(), Some(&last)));
    same(&begun.core, &rows);
}

#[tokio::test]
async fn a_damaged_snapshot_is_set_aside_and_the_one_before_it_is_used() {
    let (rows, mut journal, snapshots) = with_snapshots(5, 1_500, &[200, 300]).await;
    snapshots.damage(300);
    let begun = start(&mut journal, &snapshots).await;
    assert_eq!(begun.snapshot, Some(200));
    same(&begun.core, &rows);
    let listed = snapshots.list().await.expect("a list");
    assert_eq!(listed.len(), 1, "the damaged one is set aside");
    snapshots.damage(200);
    let begun = start(&mut journal, &snapshots).await;
    assert_eq!(begun.snapshot, None);
    assert_eq!(begun.rows, rows.len() as u64);
    same(&begun.core, &rows);
}

#[tokio::test]
async fn a_snapshot_of_rows_that_the_journal_lacks_is_not_used() {
    let (_, _, later) = with_snapshots(5, 1_500, &[400]).await;
    // The journal was brought back to an earlier moment, and went on otherwise.
    let (rows, mut journal, _) = with_snapshots(6, 1_500, &[]).await;
    let begun = start(&mut journal, &later).await;
    assert_eq!(begun.snapshot, None);
    same(&begun.core, &rows);
    let (_, _, later) = with_snapshots(5, 1_500, &[400]).await;
    let mut short = MemoryJournal::default();
    append(&mut short, &rows[..100]).await;
    let begun = start(&mut short, &later).await;
    assert_eq!((begun.snapshot, begun.rows), (None, 100));
    assert_eq!(later.list().await.expect("a list"), []);
}

#[tokio::test]
async fn a_snapshot_says_what_it_is_of() {
    let (rows, mut journal, snapshots) = with_snapshots(7, 1_500, &[250]).await;
    let listed = snapshots.list().await.expect("a list").remove(0);
    let header = snapshot::header(&snapshots, &listed)
        .await
        .expect("a header");
    assert_eq!(header.tip(), rows[249].tip());
    assert_eq!(header.digest, digest(&replayed(&rows[..250])));
    assert!(
        snapshot::is_in(&header, &mut journal)
            .await
            .expect("rows are read")
    );
}

#[tokio::test]
async fn making_one_twice_at_one_place_makes_one() {
    let (_, mut journal, snapshots) = with_snapshots(8, 1_500, &[]).await;
    let first = snapshot::make(&mut journal, &snapshots, |_| {}).await;
    assert!(first.expect("a snapshot").is_new);
    let second = snapshot::make(&mut journal, &snapshots, |_| {}).await;
    assert!(!second.expect("a snapshot").is_new);
    let mut empty = MemoryJournal::default();
    let nothing = snapshot::make(&mut empty, &Snapshots::memory(), |_| {}).await;
    assert!(matches!(nothing, Err(MakeError::Empty)));
}

#[tokio::test]
async fn the_newest_stay_and_the_last_of_each_date_and_looking_back_begins_there() {
    for seed in 0..4 {
        let mut scenario = Scenario::begin(seed);
        scenario.live(2_500);
        let rows = scenario.rows().to_vec();
        let (mut journal, snapshots) = (MemoryJournal::default(), Snapshots::memory());
        let keep = Keep { newest: 2, days: 4 };
        let mut dates: Vec<(u64, i32)> = Vec::new();
        let mut dropped = 0;
        for some in rows.chunks(29) {
            append(&mut journal, some).await;
            let made = snapshot::make_keeping(&mut journal, &snapshots, keep, |_| {}).await;
            let made = made.expect("a snapshot").listed;
            let header = snapshot::header(&snapshots, &made).await.expect("sound");
            dates.push((made.seq, header.moment.date.0));
            let today = header.moment.date.0;
            let mut wanted: Vec<u64> = (today - 3..=today)
                .filter_map(|date| dates.iter().rev().find(|(_, of)| *of == date))
                .chain(dates.iter().rev().take(2))
                .map(|(seq, _)| *seq)
                .collect();
            wanted.sort_unstable_by_key(|seq| std::cmp::Reverse(*seq));
            wanted.dedup();
            let listed = snapshots.list().await.expect("a list");
            let listed: Vec<_> = listed.iter().map(|listed| listed.seq).collect();
            assert_eq!(listed, wanted, "seed {seed}");
            dropped = dates.len() - listed.len();
        }
        assert!(dropped > 5, "seed {seed}: {dropped} were dropped");
        let oldest = snapshots.list().await.expect("a list").pop().expect("one");
        let at = snapshot::header(&snapshots, &oldest)
            .await
            .expect("sound")
            .moment;
        let early = |header: &snapshot::Header| header.moment.now <= at.now;
        let core = newest(&mut journal, &snapshots, early, |_| {}).await;
        let core = core.expect("it reads").expect("one that is early enough");
        let last = usize::try_from(oldest.seq).expect("few");
        same(&core, &rows[..last]);
    }
}
