//! The database of the views: a file, or schemas of PostgreSQL.
//!
//! **Invariant:** tables of another form are never read: the views are dropped and made again. Progress is claimed before rows
//! are written, so that of several writers one gets on at a time and the others notice.

use std::path::Path;

use paytone_journal::{OpenError, PostgresStore, postgres_store::Layout};
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    database::{Pool, Session, Transaction},
    stores::Place,
};

/// "PTV1".
const APPLICATION_ID: i32 = 0x5054_5631;
/// Grows when the tables or what they show changes.
const VERSION: i32 = 1;
const SCHEMA: &str = include_str!("schema.sql");
/// Where the tables are in PostgreSQL.
pub const POSTGRES_SCHEMA: &str = "paytone_views";
/// Readers at the same time.
const READERS: u32 = 4;

/// How far the tables got: a journal position and the hash of the row there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub position: u64,
    pub hash: Vec<u8>,
}

/// Why the tables cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

fn options(path: &Path) -> SqliteConnectOptions {
    // All of it can be made again, so that it need not be synced at every commit.
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(std::time::Duration::from_secs(5))
        .statement_cache_capacity(256)
}

/// Opens them for writing, and makes them when there are none or when they are of another form.
pub async fn open(place: &Place) -> Result<Session, StoreError> {
    Ok(match place {
        Place::File(path) => Session::Sqlite(open_file(path).await?),
        Place::Postgres(store) => Session::Postgres(open_postgres(store).await?),
    })
}

async fn open_file(path: &Path) -> Result<SqliteConnection, StoreError> {
    if let Ok(connection) = open_fitting(path).await {
        return Ok(connection);
    }
    drop_file(path)?;
    let connect = options(path).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&connect).await?;
    let marks =
        format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};");
    let mut making = connection.begin().await?;
    making.execute(sqlx::raw_sql(SCHEMA)).await?;
    making.execute(sqlx::raw_sql(AssertSqlSafe(marks))).await?;
    making.commit().await?;
    Ok(connection)
}

async fn open_fitting(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let mut connection = SqliteConnection::connect_with(&options(path)).await?;
    let application: i32 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut connection)
        .await?;
    let version: i32 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut connection)
        .await?;
    if (application, version) == (APPLICATION_ID, VERSION) {
        Ok(connection)
    } else {
        connection.close().await?;
        Err(sqlx::Error::RowNotFound)
    }
}

async fn open_postgres(store: &PostgresStore) -> Result<PgConnection, StoreError> {
    let schema = postgres_schema();
    let statements: Vec<&str> = schema.iter().map(String::as_str).collect();
    let layout = Layout {
        schema: POSTGRES_SCHEMA,
        name: "views",
        version: i64::from(VERSION),
        create: &statements,
        tune: &[],
        grants: &[],
    };
    let mut connection = store.connect(POSTGRES_SCHEMA).await?;
    let version = store.version(&mut connection, &layout).await?;
    if version.is_some_and(|version| version != layout.version) {
        drop_tables(&mut connection).await?;
    }
    store.find(&mut connection, &layout, true).await?;
    // All of it can be made again, so that no commit waits for a disk or a standby.
    connection.execute("SET synchronous_commit = off").await?;
    Ok(connection)
}

/// The same tables in PostgreSQL's words, a statement each.
fn postgres_schema() -> Vec<String> {
    let lines = SCHEMA.lines().filter(|line| !line.trim().starts_with("--"));
    let text = lines.collect::<Vec<_>>().join("\n");
    let text = text
        .replace("INTEGER", "BIGINT")
        .replace("BLOB", "BYTEA")
        .replace(" WITHOUT ROWID", "");
    let statements = text.split(';').map(str::trim);
    statements
        .filter(|statement| !statement.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Takes the tables away, and the mark that they are there.
async fn drop_tables(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let found: Vec<(String, String)> = sqlx::query_as(
        "SELECT table_name::TEXT, table_type::TEXT FROM information_schema.tables WHERE table_schema = $1
         ORDER BY table_type DESC",
    )
    .bind(POSTGRES_SCHEMA)
    .fetch_all(&mut *connection)
    .await?;
    let mut dropping = connection.begin().await?;
    for (name, kind) in found {
        let kind = if kind == "VIEW" { "VIEW" } else { "TABLE" };
        let text = format!("DROP {kind} {POSTGRES_SCHEMA}.{name}");
        dropping.execute(sqlx::raw_sql(AssertSqlSafe(text))).await?;
    }
    dropping.commit().await
}

/// Drops the views; whoever reads them finds nothing until they are made again.
pub async fn drop_all(place: &Place) -> Result<(), StoreError> {
    match place {
        Place::File(path) => drop_file(path)?,
        Place::Postgres(store) => {
            let mut connection = store.connect(POSTGRES_SCHEMA).await?;
            drop_tables(&mut connection).await?;
            connection.close().await?;
        }
    }
    Ok(())
}

/// Removes the file and what SQLite keeps beside it.
pub(crate) fn drop_file(path: &Path) -> std::io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Connections that only read.
pub fn readers(place: &Place) -> Pool {
    match place {
        Place::File(path) => {
            let connect = options(path).pragma("query_only", "ON");
            Pool::Sqlite(
                SqlitePoolOptions::new()
                    .max_connections(READERS)
                    .connect_lazy_with(connect),
            )
        }
        Place::Postgres(store) => Pool::Postgres(store.pool(POSTGRES_SCHEMA, READERS)),
    }
}

/// Tables that do not change while they are read; `None` if there are none.
pub async fn moment(place: &Place) -> Result<Option<Transaction>, sqlx::Error> {
    if let Place::File(path) = place
        && !path.exists()
    {
        return Ok(None);
    }
    let mut moment = readers(place).begin().await?;
    if let Place::Postgres(_) = place {
        moment
            .ask("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            .run()
            .await?;
        // All balances are many rows.
        moment.ask("SET LOCAL statement_timeout = 0").run().await?;
        let (found,): (i64,) = moment
            .ask("SELECT count(*) FROM information_schema.tables WHERE table_schema = $1 AND table_name = 'progress'")
            .bind(POSTGRES_SCHEMA)
            .one()
            .await?;
        if found == 0 {
            return Ok(None);
        }
    }
    Ok(Some(moment))
}

/// What asks how far the tables got.
pub const PROGRESS: &str = "SELECT position, hash FROM progress WHERE id = 1";

impl From<(i64, Vec<u8>)> for Progress {
    fn from((position, hash): (i64, Vec<u8>)) -> Self {
        Self {
            position: position.cast_unsigned(),
            hash,
        }
    }
}

/// Moves on from one position to another; `false` if somebody else did. What follows in the transaction has the tables alone.
pub async fn claim(session: &mut Session, from: u64, to: &Progress) -> Result<bool, sqlx::Error> {
    let claiming = if from == 0 {
        "INSERT INTO progress (id, position, hash) VALUES (1, $2, $3) ON CONFLICT (id) DO UPDATE
         SET position = excluded.position, hash = excluded.hash WHERE progress.position = $1"
    } else {
        "UPDATE progress SET position = $2, hash = $3 WHERE id = 1 AND position = $1"
    };
    let claimed = session
        .ask(claiming)
        .bind(from.cast_signed())
        .bind(to.position.cast_signed())
        .bind(to.hash.clone())
        .run()
        .await?;
    Ok(claimed == 1)
}

/// Empties every table.
pub async fn clear(place: &Place) -> Result<(), StoreError> {
    match place {
        Place::File(path) => {
            let mut connection = open_file(path).await?;
            let tables: Vec<String> =
                sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'table'")
                    .fetch_all(&mut connection)
                    .await?;
            let mut clearing = connection.begin().await?;
            for table in tables {
                // Names of our own schema.
                let text = format!("DELETE FROM {table}");
                clearing.execute(sqlx::raw_sql(AssertSqlSafe(text))).await?;
            }
            clearing.commit().await?;
            connection.close().await?;
        }
        // Readers hold no tables open here.
        Place::Postgres(_) => drop_all(place).await?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_told_to_postgresql_in_its_own_words() {
        let statements = postgres_schema();
        let tables = SCHEMA.matches("CREATE TABLE").count();
        assert_eq!(
            statements
                .iter()
                .filter(|text| text.starts_with("CREATE TABLE"))
                .count(),
            tables
        );
        for statement in &statements {
            assert!(statement.starts_with("CREATE "), "{statement}");
            for word in ["INTEGER", "BLOB", "ROWID", "--"] {
                assert!(!statement.contains(word), "{statement}");
            }
        }
    }
}
