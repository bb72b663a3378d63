//! Opening an SQLite file of ours: made with the right mode, marked as ours, synced in full.
//!
//! **Invariant:** a database of somebody else is refused before anything in it changes.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use crate::store::OpenError;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What a file of one kind looks like.
#[derive(Debug)]
pub struct Format {
    /// What messages call it.
    pub name: &'static str,
    /// Tells it from every other SQLite database.
    pub application_id: i32,
    /// Grows when the tables change.
    pub version: i32,
    /// Makes the tables.
    pub create: &'static str,
    /// Run on every connection.
    pub settings: &'static str,
    /// Rows fetched ahead of whoever reads them.
    pub rows_ahead: usize,
}

impl Format {
    /// Opens the file at `path` for writing; makes it when there is none.
    pub async fn open_or_create(&self, path: &Path) -> Result<SqliteConnection, OpenError> {
        // Made here and not by SQLite, so that nobody else can read it; SQLite gives its log the same mode.
        let made = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path);
        made.map_err(|error| failed(path, &error))?;
        let mut connection = self.connect(path).await?;
        let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master")
            .fetch_one(&mut connection)
            .await
            .map_err(|error| failed(path, &error))?;
        if tables == 0 {
            self.create(&mut connection)
                .await
                .map_err(|error| failed(path, &error))?;
        }
        self.check(&mut connection, path).await?;
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode = WAL")
            .fetch_one(&mut connection)
            .await
            .map_err(|error| failed(path, &error))?;
        if mode != "wal" {
            return Err(failed(
                path,
                &"the file system cannot hold a write-ahead log",
            ));
        }
        connection
            .execute("PRAGMA synchronous = FULL")
            .await
            .map_err(|error| failed(path, &error))?;
        Ok(connection)
    }

    /// Opens a file that must be there, for reading.
    pub async fn open_to_read(&self, path: &Path) -> Result<SqliteConnection, OpenError> {
        if !path.try_exists().map_err(|error| failed(path, &error))? {
            return Err(OpenError::Missing(path.display().to_string()));
        }
        let mut connection = self.connect(path).await?;
        self.check(&mut connection, path).await?;
        // A read-only open would depend on who made the log's index; this refuses writes all the same.
        connection
            .execute("PRAGMA query_only = ON")
            .await
            .map_err(|error| failed(path, &error))?;
        Ok(connection)
    }

    async fn connect(&self, path: &Path) -> Result<SqliteConnection, OpenError> {
        let mut connection = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .busy_timeout(BUSY_TIMEOUT)
            .row_buffer_size(self.rows_ahead)
            .disable_statement_logging()
            .connect()
            .await
            .map_err(|error| failed(path, &error))?;
        connection
            .execute(self.settings)
            .await
            .map_err(|error| failed(path, &error))?;
        Ok(connection)
    }

    async fn create(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let marks = format!(
            "PRAGMA application_id = {}; PRAGMA user_version = {};",
            self.application_id, self.version
        );
        let mut transaction = connection.begin().await?;
        sqlx::raw_sql(self.create)
            .execute(&mut *transaction)
            .await?;
        sqlx::raw_sql(AssertSqlSafe(marks))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    async fn check(&self, connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
        let mut marks = [0_i32; 2];
        for (mark, pragma) in marks
            .iter_mut()
            .zip(["PRAGMA application_id", "PRAGMA user_version"])
        {
            let found = sqlx::query_scalar(pragma).fetch_one(&mut *connection).await;
            *mark = found.map_err(|error| failed(path, &error))?;
        }
        let [application_id, version] = marks;
        let unfit = |why| OpenError::Unfit {
            path: path.display().to_string(),
            why,
        };
        if application_id != self.application_id {
            return Err(unfit(format!("it is not {}", self.name)));
        }
        if version != self.version {
            return Err(unfit(format!(
                "its format is {version}, not {}",
                self.version
            )));
        }
        Ok(())
    }
}

/// What a failed statement means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// A constraint or trigger refused.
    Refused,
    /// Somebody else held the file for too long.
    Busy,
    /// The store itself failed.
    Store,
}

/// Tells the kinds of failure apart by SQLite's result code.
pub fn failure_of(error: &sqlx::Error) -> Failure {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .and_then(|code| code.parse::<u32>().ok());
    // The low byte is the kind of result, the rest its detail: <https://sqlite.org/rescode.html>.
    match code.map(|code| code & 0xFF) {
        Some(5 | 6) => Failure::Busy,
        Some(19) => Failure::Refused,
        Some(_) | None => Failure::Store,
    }
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> OpenError {
    OpenError::Failed {
        path: path.display().to_string(),
        why: error.to_string(),
    }
}
