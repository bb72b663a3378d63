//! A database that is made of the journal: a file, or a schema of PostgreSQL. Where there is none, or one of another form, it is made.
//!
//! **Invariant:** tables of another form are never read. **Not here:** what is in the tables, and who fills them.

use std::{path::Path, time::Duration};

use paytone_journal::{OpenError, PostgresStore, postgres_store::Layout};
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{database::Pool, stores::Place};

/// Readers at the same time.
const READERS: u32 = 4;
/// How long a file may be somebody else's.
const BUSY: Duration = Duration::from_secs(5);

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

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Derived {
    /// Marks a file as one of these: four letters.
    pub application_id: i32,
    /// Grows when the tables or what they show changes.
    pub version: i32,
    /// In SQLite's words.
    pub tables: &'static str,
    /// Where the tables are in PostgreSQL, and what they are called there.
    pub schema: &'static str,
    pub name: &'static str,
    /// Whether each commit is on the disk before it is told.
    pub is_synced: bool,
}

impl Derived {
    fn options(&self, path: &Path) -> SqliteConnectOptions {
        let synchronous = if self.is_synced {
            SqliteSynchronous::Full
        } else {
            SqliteSynchronous::Normal
        };
        SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .busy_timeout(BUSY)
            .statement_cache_capacity(256)
    }

    /// The file, for writing.
    pub async fn open_file(&self, path: &Path) -> Result<SqliteConnection, StoreError> {
        if let Ok(connection) = self.open_fitting(path).await {
            return Ok(connection);
        }
        drop_file(path)?;
        let connect = self.options(path).create_if_missing(true);
        let mut connection = SqliteConnection::connect_with(&connect).await?;
        let (id, version) = (self.application_id, self.version);
        let marks = format!("PRAGMA application_id = {id}; PRAGMA user_version = {version};");
        let mut making = connection.begin().await?;
        making.execute(sqlx::raw_sql(self.tables)).await?;
        making.execute(sqlx::raw_sql(AssertSqlSafe(marks))).await?;
        making.commit().await?;
        Ok(connection)
    }

    async fn open_fitting(&self, path: &Path) -> Result<SqliteConnection, sqlx::Error> {
        let mut connection = SqliteConnection::connect_with(&self.options(path)).await?;
        let application: i32 = sqlx::query_scalar("PRAGMA application_id")
            .fetch_one(&mut connection)
            .await?;
        let version: i32 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&mut connection)
            .await?;
        if (application, version) == (self.application_id, self.version) {
            Ok(connection)
        } else {
            connection.close().await?;
            Err(sqlx::Error::RowNotFound)
        }
    }

    /// A connection to the tables in PostgreSQL. Those of another form go where `remake` says so, and are refused elsewhere.
    pub async fn open_postgres(
        &self,
        store: &PostgresStore,
        remake: bool,
    ) -> Result<PgConnection, StoreError> {
        let statements = self.statements(true);
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        let layout = Layout {
            schema: self.schema,
            name: self.name,
            version: i64::from(self.version),
            create: &statements,
            tune: &[],
            grants: &[],
        };
        let mut connection = store.connect(self.schema).await?;
        if remake {
            let version = store.version(&mut connection, &layout).await?;
            if version.is_some_and(|version| version != layout.version) {
                self.drop_tables(&mut connection).await?;
            }
        }
        store.find(&mut connection, &layout, true).await?;
        Ok(connection)
    }

    /// The tables, a statement each; in PostgreSQL's words if it is for that.
    pub fn statements(&self, postgres: bool) -> Vec<String> {
        let lines = self.tables.lines();
        let lines = lines.filter(|line| !line.trim().starts_with("--"));
        let mut text = lines.collect::<Vec<_>>().join("\n");
        if postgres {
            text = text
                .replace("INTEGER", "BIGINT")
                .replace("BLOB", "BYTEA")
                .replace(" WITHOUT ROWID", "");
        }
        let statements = text.split(';').map(str::trim);
        statements
            .filter(|statement| !statement.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Takes the tables away, and the mark that they are there.
    async fn drop_tables(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let found: Vec<(String, String)> = sqlx::query_as(
            "SELECT table_name::TEXT, table_type::TEXT FROM information_schema.tables WHERE table_schema = $1
             ORDER BY table_type DESC",
        )
        .bind(self.schema)
        .fetch_all(&mut *connection)
        .await?;
        let mut dropping = connection.begin().await?;
        for (name, kind) in found {
            let kind = if kind == "VIEW" { "VIEW" } else { "TABLE" };
            let text = format!("DROP {kind} {}.{name}", self.schema);
            dropping.execute(sqlx::raw_sql(AssertSqlSafe(text))).await?;
        }
        dropping.commit().await
    }

    /// Drops all of it; whoever reads finds nothing until it is made again.
    pub async fn drop_all(&self, place: &Place) -> Result<(), StoreError> {
        match place {
            Place::File(path) => drop_file(path)?,
            Place::Postgres(store) => {
                let mut connection = store.connect(self.schema).await?;
                self.drop_tables(&mut connection).await?;
                connection.close().await?;
            }
        }
        Ok(())
    }

    /// Connections that only read.
    pub fn readers(&self, place: &Place) -> Pool {
        match place {
            Place::File(path) => {
                let connect = self.options(path).pragma("query_only", "ON");
                let pool = SqlitePoolOptions::new().max_connections(READERS);
                Pool::Sqlite(pool.connect_lazy_with(connect))
            }
            Place::Postgres(store) => Pool::Postgres(store.pool(self.schema, READERS)),
        }
    }
}

/// Removes the file and what SQLite keeps beside it.
fn drop_file(path: &Path) -> std::io::Result<()> {
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

#[cfg(test)]
mod tests {
    use crate::{archive, views};

    #[test]
    fn tables_are_told_to_postgresql_in_its_own_words() {
        for derived in [views::store::TABLES, archive::store::TABLES] {
            let statements = derived.statements(true);
            let tables = derived.tables.matches("CREATE TABLE").count();
            let told = statements
                .iter()
                .filter(|text| text.starts_with("CREATE TABLE"));
            assert_eq!(told.count(), tables);
            for statement in &statements {
                assert!(statement.starts_with("CREATE "), "{statement}");
                for word in ["INTEGER", "BLOB", "ROWID", "--"] {
                    assert!(!statement.contains(word), "{statement}");
                }
            }
        }
    }
}
