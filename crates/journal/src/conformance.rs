//! What every journal must do, as one suite. For tests: each implementation calls [`run`] on itself.
//!
//! Every check starts on an empty store of its own, and panics when the implementation does something else.

use std::future::Future;

use futures_util::future::join;

use crate::chain::ChainVerifier;
use crate::row::{Hash, Row, Tip};
use crate::store::{AppendError, Journal, JournalReader};

/// Where one journal lives, from being empty to being closed and opened again.
pub trait Place {
    /// The writer under test.
    type Journal: Journal;
    /// The reader under test.
    type Reader: JournalReader;

    /// Opens the journal for writing.
    fn open(&self) -> impl Future<Output = Self::Journal>;

    /// Opens another view on it, for reading.
    fn reader(&self) -> impl Future<Output = Self::Reader>;

    /// Ends a writer, so that [`Self::open`] works again.
    fn close(&self, journal: Self::Journal) -> impl Future<Output = ()>;
}

/// Runs every check, each at a new place.
pub async fn run<P: Place>(make: impl Fn() -> P) {
    an_empty_journal_has_no_end(&make()).await;
    rows_come_back_as_they_went(&make()).await;
    rows_survive_closing_and_opening(&make()).await;
    another_row_at_a_taken_position_is_a_conflict(&make()).await;
    repeating_an_append_changes_nothing(&make()).await;
    a_gap_is_refused(&make()).await;
    a_row_chained_to_another_is_refused(&make()).await;
    an_older_epoch_is_refused(&make()).await;
    reading_stops_at_its_limits(&make()).await;
    a_body_of_several_megabytes_fits(&make()).await;
    a_reader_follows_while_a_writer_appends(&make()).await;
}

async fn an_empty_journal_has_no_end<P: Place>(place: &P) {
    let mut journal = place.open().await;
    assert_eq!(journal.last().await, Ok(None));
    assert_eq!(journal.read(0, 10, 1000).await, Ok(Vec::new()));
    assert_eq!(journal.read(u64::MAX, 10, 1000).await, Ok(Vec::new()));
    assert_eq!(place.reader().await.last().await, Ok(None));
}

async fn rows_come_back_as_they_went<P: Place>(place: &P) {
    let mut journal = place.open().await;
    let before = journal.size_bytes().await.expect("a size");
    let mut rows = Vec::new();
    for body in [b"first".to_vec(), Vec::new(), vec![0, 255, 0]] {
        let row = next(rows.last(), 1, body);
        journal.append(&row).await.expect("appended");
        assert_eq!(journal.last().await, Ok(Some(row.tip())));
        rows.push(row);
    }
    assert_eq!(journal.read(0, 10, 1000).await.as_ref(), Ok(&rows));
    assert_eq!(
        place.reader().await.read(1, 10, 1000).await.as_deref(),
        Ok(&rows[1..])
    );
    assert!(journal.size_bytes().await.expect("a size") > before);
}

async fn rows_survive_closing_and_opening<P: Place>(place: &P) {
    let mut rows = Vec::new();
    for _ in 0..3 {
        let mut journal = place.open().await;
        assert_eq!(journal.last().await, Ok(rows.last().map(Row::tip)));
        grow(&mut journal, &mut rows, 2).await;
        place.close(journal).await;
    }
    assert_eq!(place.open().await.read(0, 100, 10_000).await, Ok(rows));
}

async fn another_row_at_a_taken_position_is_a_conflict<P: Place>(place: &P) {
    let mut journal = place.open().await;
    let mut rows = Vec::new();
    grow(&mut journal, &mut rows, 3).await;
    for taken in 0..rows.len() {
        let previous = taken.checked_sub(1).map(|index| rows[index].tip());
        let rival = Row::seal(previous, 1, [0xFF; 16], rows[taken].body.clone());
        let held = rows[taken].hash;
        let expected = AppendError::Conflict {
            seq: rival.seq,
            held,
            offered: rival.hash,
        };
        assert_eq!(journal.append(&rival).await, Err(expected));
    }
    grow(&mut journal, &mut rows, 1).await;
    assert_eq!(journal.read(0, 100, 10_000).await, Ok(rows));
}

async fn repeating_an_append_changes_nothing<P: Place>(place: &P) {
    let mut journal = place.open().await;
    let mut rows = Vec::new();
    grow(&mut journal, &mut rows, 3).await;
    for row in &rows {
        assert_eq!(journal.append(row).await, Ok(()));
    }
    place.close(journal).await;
    let mut journal = place.open().await;
    assert_eq!(journal.append(&rows[2]).await, Ok(()));
    grow(&mut journal, &mut rows, 1).await;
    assert_eq!(journal.read(0, 100, 10_000).await, Ok(rows));
}

async fn a_gap_is_refused<P: Place>(place: &P) {
    let mut journal = place.open().await;
    let first = next(None, 1, b"first".to_vec());
    let second = next(Some(&first), 1, b"second".to_vec());
    let third = next(Some(&second), 1, b"third".to_vec());
    assert_broken(journal.append(&second).await);
    let before_all = Row {
        seq: 0,
        ..first.clone()
    };
    assert_broken(journal.append(&before_all).await);
    journal
        .append(&first)
        .await
        .expect("a refused row does no harm");
    assert_broken(journal.append(&third).await);
    assert_eq!(journal.read(0, 100, 10_000).await, Ok(vec![first]));
}

async fn a_row_chained_to_another_is_refused<P: Place>(place: &P) {
    let mut journal = place.open().await;
    let elsewhere = Hash::from_bytes([9; 32]);
    let unrooted = Row {
        previous_hash: elsewhere,
        ..next(None, 1, b"first".to_vec())
    };
    assert_broken(journal.append(&unrooted).await);
    let first = next(None, 1, b"first".to_vec());
    journal.append(&first).await.expect("appended");
    let misled = Tip {
        hash: elsewhere,
        ..first.tip()
    };
    let astray = Row::seal(Some(misled), 1, [2; 16], b"second".to_vec());
    assert_broken(journal.append(&astray).await);
    assert_eq!(journal.read(0, 100, 10_000).await, Ok(vec![first]));
}

async fn an_older_epoch_is_refused<P: Place>(place: &P) {
    let mut journal = place.open().await;
    let first = next(None, 5, b"first".to_vec());
    journal.append(&first).await.expect("appended");
    assert_broken(
        journal
            .append(&next(Some(&first), 4, b"second".to_vec()))
            .await,
    );
    let second = next(Some(&first), 6, b"second".to_vec());
    journal.append(&second).await.expect("a newer epoch");
    assert_eq!(journal.last().await, Ok(Some(second.tip())));
}

async fn reading_stops_at_its_limits<P: Place>(place: &P) {
    let mut journal = place.open().await;
    let mut rows: Vec<Row> = Vec::new();
    for _ in 0..6 {
        let row = next(rows.last(), 1, vec![1; 10]);
        journal.append(&row).await.expect("appended");
        rows.push(row);
    }
    // After which row, rows and bytes asked for, positions that come.
    let cases: [(u64, usize, usize, &[u64]); 9] = [
        (0, 100, 1000, &[1, 2, 3, 4, 5, 6]),
        (0, 2, 1000, &[1, 2]),
        (4, 100, 1000, &[5, 6]),
        (6, 100, 1000, &[]),
        (0, 0, 1000, &[]),
        (0, 100, 30, &[1, 2, 3]),
        (0, 100, 39, &[1, 2, 3]),
        (0, 100, 9, &[1]),
        (3, usize::MAX, usize::MAX, &[4, 5, 6]),
    ];
    let mut reader = place.reader().await;
    for (after, limit_rows, limit_bytes, expected) in cases {
        let case = format!("after {after}, at most {limit_rows} rows and {limit_bytes} bytes");
        let read = journal
            .read(after, limit_rows, limit_bytes)
            .await
            .expect(&case);
        let positions: Vec<u64> = read.iter().map(|row| row.seq).collect();
        assert_eq!(positions, expected, "{case}");
        assert_eq!(
            reader.read(after, limit_rows, limit_bytes).await,
            Ok(read),
            "{case}"
        );
    }
}

async fn a_body_of_several_megabytes_fits<P: Place>(place: &P) {
    let mut journal = place.open().await;
    let body: Vec<u8> = (0..5_000_000_u32).map(|at| (at % 251) as u8).collect();
    let large = next(None, 1, body);
    journal.append(&large).await.expect("appended");
    let small = next(Some(&large), 1, b"small".to_vec());
    journal.append(&small).await.expect("appended");
    assert_eq!(
        journal.read(0, 10, 1000).await.as_deref(),
        Ok([large.clone()].as_slice())
    );
    assert_eq!(
        place.reader().await.read(0, 10, 6_000_000).await,
        Ok(vec![large, small])
    );
}

async fn a_reader_follows_while_a_writer_appends<P: Place>(place: &P) {
    const ROWS: u64 = 200;
    let mut journal = place.open().await;
    let mut reader = place.reader().await;
    let writing = async {
        let mut rows = Vec::new();
        grow(&mut journal, &mut rows, ROWS).await;
        rows.last().map(Row::tip)
    };
    let following = async {
        let mut verifier = ChainVerifier::new();
        while verifier.tip().is_none_or(|tip| tip.seq < ROWS) {
            let after = verifier.tip().map_or(0, |tip| tip.seq);
            for row in reader.read(after, 7, 1000).await.expect("read") {
                verifier.accept(&row).expect("an unbroken chain");
            }
            tokio::task::yield_now().await;
        }
        verifier.tip()
    };
    let (written, followed) = join(writing, following).await;
    assert_eq!(followed, written);
}

fn next(previous: Option<&Row>, epoch: u64, body: Vec<u8>) -> Row {
    let seq = previous.map_or(1, |row| row.seq + 1);
    Row::seal(
        previous.map(Row::tip),
        epoch,
        u128::from(seq).to_be_bytes(),
        body,
    )
}

async fn grow(journal: &mut impl Journal, rows: &mut Vec<Row>, count: u64) {
    for _ in 0..count {
        let row = next(rows.last(), 1, format!("batch {}", rows.len()).into_bytes());
        journal.append(&row).await.expect("appended");
        rows.push(row);
    }
}

fn assert_broken(answer: Result<(), AppendError>) {
    assert!(matches!(answer, Err(AppendError::Broken(_))), "{answer:?}");
}
