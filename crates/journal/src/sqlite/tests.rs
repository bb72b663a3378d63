//! What is SQLite's own; what every journal does is in [`crate::conformance`].

use std::fs::{self, OpenOptions};
use std::os::unix::fs::PermissionsExt;

use sqlx::Executor;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;

use super::*;
use crate::chain::verify_chain;
use crate::conformance::{self, Place};

struct InFolder {
    folder: TempDir,
}

impl InFolder {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("journal.db")
    }

    /// A connection that knows nothing of our rules, as an operator's own tool would have.
    async fn stranger(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(self.path())
            .create_if_missing(true);
        SqliteConnection::connect_with(&options)
            .await
            .expect("connected")
    }
}

impl Place for InFolder {
    type Journal = SqliteJournal;
    type Reader = SqliteReader;

    async fn open(&self) -> SqliteJournal {
        SqliteJournal::open(self.path()).await.expect("opened")
    }

    async fn reader(&self) -> SqliteReader {
        SqliteJournal::reader(self.path()).await.expect("opened")
    }

    async fn close(&self, journal: SqliteJournal) {
        journal.close().await.expect("closed");
    }
}

async fn append_next(journal: &mut SqliteJournal, body: Vec<u8>) -> Result<Row, AppendError> {
    let last = journal.last().await.expect("read");
    let row = Row::seal(last, 1, [1; 16], body);
    journal.append(&row).await.map(|()| row)
}

#[tokio::test]
async fn it_does_what_every_journal_must() {
    conformance::run(InFolder::new).await;
}

#[tokio::test]
async fn nobody_changes_deletes_or_replaces_a_row() {
    let place = InFolder::new();
    let mut journal = place.open().await;
    let row = append_next(&mut journal, b"body".to_vec())
        .await
        .expect("appended");
    let mut stranger = place.stranger().await;
    for attempt in [
        "UPDATE journal SET body = x'00'",
        "DELETE FROM journal",
        "REPLACE INTO journal SELECT seq, epoch, batch_id, previous_hash, hash, x'00' FROM journal",
        "INSERT INTO journal SELECT seq, epoch, batch_id, previous_hash, hash, x'00' FROM journal WHERE true
            ON CONFLICT (seq) DO UPDATE SET body = excluded.body",
    ] {
        let error = stranger.execute(attempt).await.expect_err(attempt);
        assert!(error.to_string().contains("append-only"), "{attempt}: {error}");
    }
    assert_eq!(journal.read(0, 10, 1000).await, Ok(vec![row]));
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let place = InFolder::new();
    let _journal = place.open().await;
    let mut reader = place.reader().await;
    let error = reader
        .connection
        .execute("DROP TABLE journal")
        .await
        .expect_err("refused");
    assert!(error.to_string().contains("readonly"), "{error}");
}

#[tokio::test]
async fn a_second_writer_is_told_who_is_first() {
    let place = InFolder::new();
    let journal = place.open().await;
    let error = SqliteJournal::open(place.path()).await.expect_err("in use");
    assert_eq!(error.code(), "store_in_use");
    assert!(
        error
            .to_string()
            .contains(&format!("process {}", std::process::id())),
        "{error}"
    );
    place.close(journal).await;
    place.open().await;
}

#[tokio::test]
async fn what_is_not_a_journal_is_refused_untouched() {
    let place = InFolder::new();
    let missing = SqliteJournal::reader(place.path())
        .await
        .expect_err("nothing there");
    assert_eq!(missing.code(), "store_missing");

    place
        .stranger()
        .await
        .execute("CREATE TABLE theirs (x)")
        .await
        .expect("made");
    let theirs = fs::read(place.path()).expect("read");
    for error in [
        SqliteJournal::open(place.path())
            .await
            .map(drop)
            .expect_err("theirs"),
        SqliteJournal::reader(place.path())
            .await
            .map(drop)
            .expect_err("theirs"),
    ] {
        assert_eq!(error.code(), "store_unfit", "{error}");
    }
    assert_eq!(fs::read(place.path()).expect("read"), theirs);

    let place = InFolder::new();
    let journal = place.open().await;
    place.close(journal).await;
    place
        .stranger()
        .await
        .execute("PRAGMA user_version = 2")
        .await
        .expect("set");
    let newer = SqliteJournal::open(place.path())
        .await
        .expect_err("of a later version");
    assert!(
        newer.to_string().contains("its format is 2, not 1"),
        "{newer}"
    );
}

#[tokio::test]
async fn only_its_owner_can_read_the_files() {
    let place = InFolder::new();
    let mut journal = place.open().await;
    append_next(&mut journal, b"body".to_vec())
        .await
        .expect("appended");
    for name in ["journal.db", "journal.db-wal"] {
        let mode = fs::metadata(place.folder.path().join(name))
            .expect(name)
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn every_append_is_synced() {
    let place = InFolder::new();
    let mut journal = place.open().await;
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous")
        .fetch_one(&mut journal.reader.connection)
        .await
        .expect("asked");
    assert_eq!(synchronous, 2, "FULL");
}

#[tokio::test]
async fn a_full_disk_stops_the_writer_for_good() {
    let place = InFolder::new();
    let mut journal = place.open().await;
    let first = append_next(&mut journal, b"first".to_vec())
        .await
        .expect("appended");
    journal
        .reader
        .connection
        .execute("PRAGMA max_page_count = 20")
        .await
        .expect("set");
    let full = append_next(&mut journal, vec![0; 200_000])
        .await
        .expect_err("full");
    assert_eq!(full.code(), "journal_broken");
    let after = append_next(&mut journal, b"small".to_vec())
        .await
        .expect_err("poisoned");
    assert_eq!(after, full);
    place.close(journal).await;
    let mut journal = place.open().await;
    assert_eq!(journal.last().await, Ok(Some(first.tip())));
    append_next(&mut journal, b"small".to_vec())
        .await
        .expect("opened again, it goes on");
}

/// Copies the files of a running journal as a crash would leave them, its log cut after `log_bytes`.
fn crashed_copy(place: &InFolder, log_bytes: u64) -> InFolder {
    let copy = InFolder::new();
    fs::copy(place.path(), copy.path()).expect("copied");
    let log = copy.folder.path().join("journal.db-wal");
    fs::copy(place.folder.path().join("journal.db-wal"), &log).expect("copied");
    OpenOptions::new()
        .write(true)
        .open(log)
        .expect("opened")
        .set_len(log_bytes)
        .expect("cut");
    copy
}

#[tokio::test]
async fn a_copy_of_the_files_half_way_holds_every_answered_row() {
    let place = InFolder::new();
    let mut journal = place.open().await;
    for count in 1..=20 {
        append_next(&mut journal, vec![count; 3000])
            .await
            .expect("appended");
        let log_bytes = fs::metadata(place.folder.path().join("journal.db-wal"))
            .expect("a log")
            .len();
        let mut copy = crashed_copy(&place, log_bytes).open().await;
        let rows = copy.read(0, 100, 1_000_000).await.expect("read");
        assert_eq!(verify_chain(rows), Ok(journal.last().await.expect("read")));
    }
}

#[tokio::test]
async fn a_log_cut_anywhere_leaves_an_unbroken_beginning_that_goes_on() {
    let place = InFolder::new();
    let mut journal = place.open().await;
    let mut ends = vec![];
    for count in 0..6 {
        append_next(&mut journal, vec![count; 3000])
            .await
            .expect("appended");
        ends.push(
            fs::metadata(place.folder.path().join("journal.db-wal"))
                .expect("a log")
                .len(),
        );
    }
    let log_bytes = *ends.last().expect("six");
    for cut in (0..=log_bytes).step_by(1021) {
        let answered = ends.iter().filter(|end| **end <= cut).count() as u64;
        let copy_place = crashed_copy(&place, cut);
        let opened = SqliteJournal::open(copy_place.path()).await;
        let mut copy = opened.unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        let rows = copy.read(0, 100, 1_000_000).await.expect("read");
        let end = verify_chain(rows).expect("an unbroken chain");
        assert_eq!(end.map_or(0, |tip| tip.seq), answered, "cut at {cut}");
        append_next(&mut copy, b"onwards".to_vec())
            .await
            .expect("appended");
    }
}

#[tokio::test]
async fn the_log_is_moved_beside_the_appends_and_begins_again() {
    let place = InFolder::new();
    let pace = Pace {
        every: 64 << 10,
        at_most: 256 << 10,
    };
    let mut journal = SqliteJournal::open_with(&place.path(), pace)
        .await
        .expect("opened");
    let length = |name| fs::metadata(place.folder.path().join(name)).map_or(0, |file| file.len());
    let mut appended = 0_u64;
    // However the threads take turns, some of so many appends find the log moved.
    while length("journal.db") < 1 << 20 || length("journal.db-wal") > appended / 2 {
        assert!(appended < 64 << 20, "the log is not moved");
        append_next(&mut journal, vec![7; 16 << 10])
            .await
            .expect("appended");
        appended += 16 << 10;
    }
    let mut reader = place.reader().await;
    let rows = reader.read(0, 10_000, 1 << 30).await.expect("read");
    assert_eq!(verify_chain(rows), Ok(journal.last().await.expect("read")));
    drop(reader.connection.close().await);
    place.close(journal).await;
    assert_eq!(length("journal.db-wal"), 0);
}

/// Where SQLite would find the last frame that is the log's.
fn used(log: &[u8]) -> usize {
    let salts = &log[16..24];
    let frames = log[32..].chunks_exact(24 + 4_096);
    32 + frames.take_while(|frame| &frame[8..16] == salts).count() * (24 + 4_096)
}

#[tokio::test]
async fn a_log_of_some_length_is_made_longer_beforehand_and_keeps_its_length() {
    let place = InFolder::new();
    let mut journal = place.open().await;
    let log = place.folder.path().join("journal.db-wal");
    let mut lengths = Vec::new();
    for count in 0..400 {
        append_next(&mut journal, vec![7; 4_000 + count])
            .await
            .expect("appended");
        lengths.push(fs::metadata(&log).expect("a log").len());
    }
    let bytes = fs::read(&log).expect("read");
    assert!(used(&bytes) < bytes.len(), "there is room at its end");
    lengths.dedup();
    // Hundreds of appends, of which each would have made it longer.
    assert!(lengths.len() < 60, "{lengths:?}");
    let mut copy = crashed_copy(&place, bytes.len() as u64).open().await;
    let rows = copy.read(0, 1_000, 1 << 30).await.expect("read");
    assert_eq!(verify_chain(rows), Ok(journal.last().await.expect("read")));
    append_next(&mut copy, b"onwards".to_vec())
        .await
        .expect("appended");
}
