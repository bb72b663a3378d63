//! What only a journal in memory does; what every journal does is in [`crate::conformance`].

use futures_util::FutureExt;

use super::*;
use crate::conformance::{self, Place};

impl Place for MemoryJournal {
    type Journal = Self;
    type Reader = Self;

    async fn open(&self) -> Self {
        self.reopen()
    }

    async fn reader(&self) -> Self {
        self.reopen()
    }

    async fn close(&self, _journal: Self) {}
}

fn first() -> Row {
    Row::seal(None, 1, [1; 16], b"first".to_vec())
}

/// The answer, if there is one already.
fn append(journal: &mut MemoryJournal, row: &Row) -> Option<Result<(), AppendError>> {
    journal.append(row).now_or_never()
}

fn rows(journal: &mut MemoryJournal) -> Vec<Row> {
    journal
        .read(0, 100, 10_000)
        .now_or_never()
        .expect("at once")
        .expect("read")
}

#[tokio::test]
async fn it_does_what_every_journal_must() {
    conformance::run(MemoryJournal::new).await;
}

#[test]
fn a_planned_fault_answers_once_and_does_what_its_name_says() {
    let cases = [
        (Fault::UnknownHappened, "journal_unknown", true),
        (Fault::UnknownNotHappened, "journal_unknown", false),
        (Fault::Conflict, "journal_conflict", false),
    ];
    for (fault, code, happened) in cases {
        let mut journal = MemoryJournal::new();
        journal.plan(fault);
        let error = append(&mut journal, &first())
            .expect("at once")
            .expect_err(code);
        assert_eq!(
            (error.code(), rows(&mut journal).len() == 1),
            (code, happened),
            "{fault:?}"
        );
        assert_eq!(append(&mut journal, &first()), Some(Ok(())), "{fault:?}");
        assert_eq!(rows(&mut journal), [first()], "{fault:?}");
    }
}

#[test]
fn after_a_failed_sync_nothing_goes_until_a_restart_that_may_find_the_row_or_not() {
    for (unsynced, found) in [(Unsynced::Lost, 0), (Unsynced::Kept, 1)] {
        let mut journal = MemoryJournal::new();
        journal.plan(Fault::Broken);
        for _ in 0..2 {
            let error = append(&mut journal, &first())
                .expect("at once")
                .expect_err("broken");
            assert_eq!(error.code(), "journal_broken");
        }
        assert!(rows(&mut journal).is_empty());
        journal.crash_with(unsynced);
        let mut restarted = journal.reopen();
        assert_eq!(rows(&mut restarted).len(), found);
        assert_eq!(append(&mut restarted, &first()), Some(Ok(())));
    }
}

#[test]
fn a_held_row_is_seen_and_answered_only_once_synced() {
    let mut journal = MemoryJournal::new();
    let mut reader = journal.clone();
    journal.hold_syncs();
    assert!(!journal.sync());
    assert_eq!(append(&mut journal, &first()), None);
    assert!(reader.awaits_sync() && rows(&mut reader).is_empty());
    assert!(reader.sync());
    assert_eq!(rows(&mut reader), [first()]);
    assert_eq!(append(&mut journal, &first()), Some(Ok(())));
}

#[tokio::test]
async fn a_sync_wakes_the_append_that_waits_for_it() {
    let mut journal = MemoryJournal::new();
    let disk = journal.clone();
    journal.hold_syncs();
    let waiting = tokio::spawn(async move { journal.append(&first()).await });
    while !disk.awaits_sync() {
        tokio::task::yield_now().await;
    }
    disk.sync();
    assert_eq!(waiting.await.expect("no panic"), Ok(()));
}

#[test]
fn a_crash_loses_what_was_not_synced_and_ends_every_handle() {
    let mut journal = MemoryJournal::new();
    assert_eq!(append(&mut journal, &first()), Some(Ok(())));
    let second = Row::seal(Some(first().tip()), 1, [2; 16], b"second".to_vec());
    journal.hold_syncs();
    assert_eq!(append(&mut journal, &second), None);
    journal.crash();
    assert!(matches!(
        append(&mut journal, &second),
        Some(Err(AppendError::Broken(_)))
    ));
    assert!(matches!(
        journal.last().now_or_never(),
        Some(Err(ReadError::Unavailable(_)))
    ));
    let mut restarted = journal.reopen();
    assert_eq!(rows(&mut restarted), [first()]);
}

#[test]
fn of_two_writers_one_wins_the_position() {
    let (mut one, mut other) = (MemoryJournal::new(), MemoryJournal::new());
    assert_eq!(append(&mut one, &first()), Some(Ok(())));
    other.shared = Arc::clone(&one.shared);
    let rival = Row::seal(None, 2, [9; 16], b"rival".to_vec());
    let expected = AppendError::Conflict {
        seq: 1,
        held: first().hash,
        offered: rival.hash,
    };
    assert_eq!(append(&mut other, &rival), Some(Err(expected)));
}
