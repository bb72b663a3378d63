//! The database of the views: a file, or schemas of PostgreSQL.
//!
//! **Invariant:** tables of another form are never read: the views are dropped and made again. Progress is claimed before rows
//! are written, so that of several writers one gets on at a time and the others notice.

use paytone_journal::PostgresStore;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{
    database::{Pool, Session, Transaction},
    derived::{Derived, StoreError},
    stores::Place,
};

/// Where the tables are in PostgreSQL.
pub const POSTGRES_SCHEMA: &str = "paytone_views";

pub const TABLES: Derived = Derived {
    // "PTV1".
    application_id: 0x5054_5631,
    version: 2,
    tables: include_str!("schema.sql"),
    schema: POSTGRES_SCHEMA,
    name: "views",
    // All of it can be made again.
    is_synced: false,
};

/// How far the tables got: a journal position and the hash of the row there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub position: u64,
    pub hash: Vec<u8>,
}

/// Opens them for writing, and makes them when there are none or when they are of another form.
pub async fn open(place: &Place) -> Result<Session, StoreError> {
    Ok(match place {
        Place::File(path) => Session::Sqlite(TABLES.open_file(path).await?),
        Place::Postgres(store) => Session::Postgres(open_postgres(store).await?),
    })
}

async fn open_postgres(store: &PostgresStore) -> Result<PgConnection, StoreError> {
    let mut connection = TABLES.open_postgres(store, true).await?;
    // All of it can be made again, so that no commit waits for a disk or a standby.
    connection.execute("SET synchronous_commit = off").await?;
    Ok(connection)
}

/// Drops the views; whoever reads them finds nothing until they are made again.
pub async fn drop_all(place: &Place) -> Result<(), StoreError> {
    TABLES.drop_all(place).await
}

/// Connections that only read.
pub fn readers(place: &Place) -> Pool {
    TABLES.readers(place)
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
            let mut connection = TABLES.open_file(path).await?;
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
