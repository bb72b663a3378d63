//! What is PostgreSQL's own, on a real one; what every journal does is in [`crate::conformance`].

mod faults;
mod settings;

use std::time::Duration;

use private_postgres::Cluster;

use super::*;
use crate::conformance::{self, Place};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

struct InDatabase {
    store: PostgresStore,
}

impl InDatabase {
    fn new() -> Self {
        let url = Cluster::shared().database();
        Self {
            store: PostgresStore::parse(&url).expect("a URL"),
        }
    }
}

impl Place for InDatabase {
    type Journal = PostgresJournal;
    type Reader = PostgresReader;

    async fn open(&self) -> PostgresJournal {
        PostgresJournal::open(&self.store).await.expect("opened")
    }

    async fn reader(&self) -> PostgresReader {
        PostgresJournal::reader(&self.store).await.expect("opened")
    }

    async fn close(&self, journal: PostgresJournal) {
        journal.close().await.expect("closed");
    }
}

fn name_of(url: &str) -> &str {
    let (_, name) = url.rsplit_once('/').expect("a path");
    name.split('?').next().expect("a name")
}

/// The row after the last of `rows`, with a body of its own.
fn next(rows: &[Row]) -> Row {
    let seq = rows.len() as u64 + 1;
    let body = format!("batch {seq}").into_bytes();
    Row::seal(
        rows.last().map(Row::tip),
        1,
        u128::from(seq).to_be_bytes(),
        body,
    )
}

/// Appends as the engine does: the same again until it is known.
async fn append_until_known(journal: &mut PostgresJournal, row: &Row) -> Result<u32, AppendError> {
    let appending = async {
        let mut unknown = 0;
        loop {
            match journal.append(row).await {
                Ok(()) => return Ok(unknown),
                Err(AppendError::Unknown(_)) => unknown += 1,
                Err(error) => return Err(error),
            }
            tokio::task::yield_now().await;
        }
    };
    let known = tokio::time::timeout(PATIENCE, appending).await;
    known.expect("the server comes back in time")
}

async fn all(store: &PostgresStore) -> Vec<Row> {
    let mut reader = PostgresJournal::reader(store).await.expect("opened");
    reader.read(0, 100_000, usize::MAX).await.expect("read")
}

#[tokio::test]
async fn it_does_what_every_journal_must() {
    conformance::run(InDatabase::new).await;
}

#[tokio::test]
async fn of_two_writers_one_wins_each_position_and_the_other_is_told_which_row_is_there() {
    const POSITIONS: usize = 60;
    let place = InDatabase::new();
    let (mut one, mut other) = (place.open().await, place.open().await);
    let mut rows = Vec::new();
    let (mut won, mut lost) = (0, 0);
    for _ in 0..POSITIONS {
        let mine = next(&rows);
        let tip = rows.last().map(Row::tip);
        let theirs = Row::seal(tip, 1, [0xEE; 16], mine.body.clone());
        let (first, second) = tokio::join!(one.append(&mine), other.append(&theirs));
        let (held, refused, offered) = match (first, second) {
            (Ok(()), Err(error)) => (mine, error, theirs),
            (Err(error), Ok(())) => (theirs, error, mine),
            both => panic!("position {}: {both:?}", mine.seq),
        };
        let conflict = AppendError::Conflict {
            seq: held.seq,
            held: held.hash,
            offered: offered.hash,
        };
        assert_eq!(refused, conflict);
        if held.batch_id == [0xEE; 16] {
            lost += 1;
        } else {
            won += 1;
        }
        rows.push(held);
    }
    println!("{won} to {lost}");
    assert_eq!(all(&place.store).await, rows);
}

#[tokio::test]
async fn two_nodes_that_make_the_tables_at_once_get_the_same_ones() {
    for _ in 0..5 {
        let place = InDatabase::new();
        let (one, other) = tokio::join!(place.open(), place.open());
        assert_eq!(one.reader.id, other.reader.id);
    }
}

#[tokio::test]
async fn a_role_that_may_insert_and_select_is_enough_and_cannot_change_a_row() {
    let url = Cluster::shared().database();
    let name = name_of(&url).to_owned();
    let role = format!("node_{name}");
    let cluster = Cluster::shared();
    cluster.sql(&name, &format!("CREATE ROLE {role} LOGIN"));
    cluster.sql(&name, &crate::postgres_store::script(&[], &role));
    let store = PostgresStore::parse(&cluster.url(&name, &role)).expect("a URL");
    let mut journal = PostgresJournal::open(&store).await.expect("opened");
    let row = next(&[]);
    journal.append(&row).await.expect("appended");
    journal.append(&row).await.expect("repeated");
    let mut connection = journal.reader.take().await.expect("connected");
    for attempt in [
        "UPDATE journal SET body = ''",
        "DELETE FROM journal",
        "TRUNCATE journal",
        "DROP TABLE journal",
    ] {
        let error = sqlx::raw_sql(attempt)
            .execute(&mut connection)
            .await
            .expect_err(attempt);
        let state = crate::postgres_store::sqlstate(&error);
        assert_eq!(state.as_deref(), Some("42501"), "{attempt}: {error}");
    }
    // Nor need it be told how much room the table takes.
    journal.reader.put(connection);
    assert!(journal.size_bytes().await.expect("told") > 8_000);
    cluster.sql(
        &name,
        "REVOKE EXECUTE ON FUNCTION pg_total_relation_size(regclass) FROM PUBLIC",
    );
    let counted = journal.size_bytes().await.expect("counted");
    assert_eq!(counted, row.body.len() as u64 + 112);
    assert_eq!(all(&store).await, [row]);
}

#[tokio::test]
async fn a_connection_made_on_one_runtime_is_replaced_on_another() {
    let place = InDatabase::new();
    let mut journal = place.open().await;
    let row = next(&[]);
    let appended = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let row = next(&[]);
        runtime.block_on(journal.append(&row)).map(|()| journal)
    });
    let mut journal = appended.join().expect("no panic").expect("appended");
    // The runtime that its last connection was made on is gone.
    assert_eq!(journal.last().await, Ok(Some(row.tip())));
}
