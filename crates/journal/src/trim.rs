//! Takes the oldest rows out of a journal, once they are somewhere else.
//!
//! ```text
//!   rows 1 … n │ n + 1 …      oldest first, some at a time, each time in a transaction of its own
//!   ╰─ exported ╯╰─ stay
//! ```
//! **Invariants:** what stays is always one unbroken end of the chain, whenever this is cut off; the last row is never taken. An append
//! beside it waits no longer than for one such transaction. **Not here:** whether the rows are anywhere else.

use std::path::Path;

use sqlx::{Connection as _, PgConnection, SqliteConnection};

use crate::{
    PostgresStore, postgres, sqlite,
    store::{OpenError, ReadError},
};

/// Rows of one transaction.
const ROWS: i64 = 256;

/// A connection that may take rows out.
#[derive(Debug)]
pub enum Trimmer {
    Sqlite(SqliteConnection),
    Postgres(Box<PgConnection>),
}

fn failed(error: &sqlx::Error) -> ReadError {
    ReadError::Unavailable(error.to_string())
}

impl Trimmer {
    /// Of a file, also while a server of ours writes it.
    pub async fn sqlite(path: &Path) -> Result<Self, OpenError> {
        if !path.try_exists().unwrap_or(false) {
            return Err(OpenError::Missing(path.display().to_string()));
        }
        Ok(Self::Sqlite(sqlite::FORMAT.open_or_create(path).await?))
    }

    /// Of a table; its role needs the right to delete.
    pub async fn postgres(store: &PostgresStore) -> Result<Self, OpenError> {
        let connection = store.connect(postgres::LAYOUT.schema).await;
        let mut connection = connection.map_err(|error| store.failed(&error))?;
        store
            .find(&mut connection, &postgres::LAYOUT, false)
            .await?;
        Ok(Self::Postgres(Box::new(connection)))
    }

    /// The first row that is there and the last.
    async fn ends(&mut self) -> Result<(i64, i64), sqlx::Error> {
        const ENDS: &str = "SELECT COALESCE(MIN(seq), 1), COALESCE(MAX(seq), 0) FROM journal";
        match self {
            Self::Sqlite(connection) => sqlx::query_as(ENDS).fetch_one(connection).await,
            Self::Postgres(connection) => sqlx::query_as(ENDS).fetch_one(&mut **connection).await,
        }
    }

    /// Takes the rows up to `through` out; `progress` is told how far it got. Says how many there were.
    pub async fn remove(
        &mut self,
        through: u64,
        mut progress: impl FnMut(u64),
    ) -> Result<u64, ReadError> {
        let (first, last) = self.ends().await.map_err(|error| failed(&error))?;
        let through = i64::try_from(through).unwrap_or(i64::MAX).min(last - 1);
        let mut at = first - 1;
        while at < through {
            at = (at + ROWS).min(through);
            let done = match self {
                Self::Sqlite(connection) => remove_sqlite(connection, at).await,
                Self::Postgres(connection) => sqlx::query("DELETE FROM journal WHERE seq <= $1")
                    .bind(at)
                    .execute(&mut **connection)
                    .await
                    .map(drop),
            };
            done.map_err(|error| failed(&error))?;
            progress(at.cast_unsigned());
        }
        Ok((through - first + 1).max(0).cast_unsigned())
    }
}

/// The guard against deletes is away for this transaction, and for nobody else.
async fn remove_sqlite(connection: &mut SqliteConnection, through: i64) -> Result<(), sqlx::Error> {
    let mut removing = connection.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query("DROP TRIGGER journal_refuses_delete")
        .execute(&mut *removing)
        .await?;
    sqlx::query("DELETE FROM journal WHERE seq <= $1")
        .bind(through)
        .execute(&mut *removing)
        .await?;
    sqlx::query(sqlite::REFUSES_DELETE)
        .execute(&mut *removing)
        .await?;
    removing.commit().await
}

#[cfg(test)]
mod tests {
    use private_postgres::Cluster;

    use super::*;
    use crate::{
        EitherReader, Journal, JournalReader as _, PostgresJournal, Row, SqliteJournal,
        exports::Exports, verify_chain,
    };

    const ROWS_IN_ALL: u64 = 700;

    async fn append(journal: &mut impl Journal, rows: &mut Vec<Row>) {
        let tip = rows.last().map(Row::tip);
        let seq = tip.map_or(1, |tip| tip.seq + 1);
        let row = Row::seal(tip, 1, u128::from(seq).to_be_bytes(), vec![9; 30]);
        journal.append(&row).await.expect("it fits");
        rows.push(row);
    }

    async fn all(reader: &mut EitherReader) -> Result<Vec<Row>, ReadError> {
        let mut rows: Vec<Row> = Vec::new();
        loop {
            let after = rows.last().map_or(0, |row| row.seq);
            let read = reader.read(after, 100, 1 << 20).await?;
            if read.is_empty() {
                return Ok(rows);
            }
            rows.extend(read);
        }
    }

    /// What is exported and taken out is read as if it were there, however far the taking out came.
    async fn trims(
        mut journal: impl Journal,
        mut trimmer: Trimmer,
        reader: impl AsyncFn() -> EitherReader,
    ) {
        let mut rows = Vec::new();
        for _ in 0..ROWS_IN_ALL {
            append(&mut journal, &mut rows).await;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let exports = Exports::folder(folder.path());
        let mut writing = exports.begin(1).expect("begun");
        for row in &rows[..650] {
            writing.put(row).expect("put");
        }
        let segment = writing.finish().expect("synced").expect("rows");
        let mut whole = reader().await.with_exports(exports);
        assert_eq!(all(&mut whole).await.expect("rows"), rows);
        // As if it were cut off in the middle, twice, and then goes on.
        for (through, removed) in [(300, 300), (301, 1), (650, 349), (650, 0)] {
            let mut told = 0;
            let counted = trimmer.remove(through, |at| told = at).await;
            assert_eq!(counted.expect("removed"), removed);
            assert!(removed == 0 || told == through);
            append(&mut journal, &mut rows).await;
            assert_eq!(all(&mut whole).await.expect("rows"), rows);
            assert_eq!(whole.trimmed(), through);
            let tip = verify_chain(all(&mut whole).await.expect("rows"));
            assert_eq!(tip, Ok(rows.last().map(Row::tip)));
            // A reader that knows no exports says what it lacks.
            let mut bare = reader().await;
            match all(&mut bare).await {
                Err(ReadError::Trimmed {
                    from: 1,
                    through: at,
                    ..
                }) => assert_eq!(at, through),
                other => panic!("{other:?}"),
            }
            let seq = usize::try_from(through).expect("few");
            assert_eq!(
                bare.read(through, 1, 1).await.expect("a row"),
                rows[seq..=seq]
            );
        }
        std::fs::remove_file(segment.path).expect("removed");
        assert_eq!(
            all(&mut whole).await.expect_err("it is gone").code(),
            "journal_trimmed"
        );
        // The end of the chain always stays.
        trimmer.remove(u64::MAX, |_| {}).await.expect("removed");
        let last = journal.last().await.expect("a tip");
        assert_eq!(last, rows.last().map(Row::tip));
        append(&mut journal, &mut rows).await;
    }

    #[tokio::test]
    async fn a_file_is_trimmed_beside_its_writer_and_refuses_deletes_as_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.sqlite");
        let journal = SqliteJournal::open(&path).await.expect("opened");
        let trimmer = Trimmer::sqlite(&path).await.expect("opened");
        let reader =
            async || EitherReader::from(SqliteJournal::reader(&path).await.expect("opened"));
        trims(journal, trimmer, reader).await;
        let Ok(Trimmer::Sqlite(mut connection)) = Trimmer::sqlite(&path).await else {
            panic!("a file");
        };
        for text in ["DELETE FROM journal", "UPDATE journal SET epoch = 9"] {
            let error = sqlx::query(text).execute(&mut connection).await;
            let error = error.expect_err(text).to_string();
            assert!(error.contains("append-only"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_table_is_trimmed_beside_its_writers() {
        let url = Cluster::shared().database();
        let store = PostgresStore::parse(&url).expect("a URL");
        let journal = PostgresJournal::open(&store).await.expect("opened");
        let trimmer = Trimmer::postgres(&store).await.expect("opened");
        let reader =
            async || EitherReader::from(PostgresJournal::reader(&store).await.expect("opened"));
        trims(journal, trimmer, reader).await;
    }
}
