//! The database file of the views.
//!
//! **Invariant:** a file of another kind or another form of tables is never read: the views are dropped and made again.

use std::path::Path;

use sqlx::{
    AssertSqlSafe, Connection, Executor, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

/// "PTV1".
const APPLICATION_ID: i32 = 0x5054_5631;
/// Grows when the tables or what they show changes.
const VERSION: i32 = 1;
const SCHEMA: &str = include_str!("schema.sql");
/// Readers at the same time.
const READERS: u32 = 4;

/// How far the tables got: a journal position and the hash of the row there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub position: u64,
    pub hash: Vec<u8>,
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

/// Opens the file for writing, and makes it when there is none or when it is of another form.
pub async fn open(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
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

/// Removes the file and what SQLite keeps beside it.
pub fn drop_file(path: &Path) -> std::io::Result<()> {
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
pub fn readers(path: &Path) -> SqlitePool {
    let connect = options(path).pragma("query_only", "ON");
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .connect_lazy_with(connect)
}

/// One connection that only reads a file that must be there.
pub async fn reader(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnection::connect_with(&options(path).pragma("query_only", "ON")).await
}

pub async fn progress(connection: &mut SqliteConnection) -> Result<Option<Progress>, sqlx::Error> {
    let found: Option<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT position, hash FROM progress WHERE id = 1")
            .fetch_optional(connection)
            .await?;
    Ok(found.map(|(position, hash)| Progress {
        position: position.cast_unsigned(),
        hash,
    }))
}

pub async fn set_progress(
    connection: &mut SqliteConnection,
    progress: &Progress,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO progress (id, position, hash) VALUES (1, $1, $2)
         ON CONFLICT (id) DO UPDATE SET position = excluded.position, hash = excluded.hash",
    )
    .bind(progress.position.cast_signed())
    .bind(progress.hash.clone())
    .execute(connection)
    .await?;
    Ok(())
}

/// Empties every table.
pub async fn clear(path: &Path) -> Result<(), sqlx::Error> {
    let mut connection = open(path).await?;
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
    connection.close().await
}
