//! Snapshots in two tables of a PostgreSQL database that several nodes share.
//!
//! ```text
//!   snapshots       seq, maker, complete, set_aside, seen_at      a row each
//!   snapshot_pages  maker, place, page                             what is in it
//! ```
//! The row of a snapshot that is not complete holds its place: another node that wants to make one meanwhile is told so. One that
//! was left by a crash counts for two minutes.
//!
//! **Invariant:** pages are inserted before the row is marked complete, each in a statement of its own, so that no transaction is
//! large. **Not here:** locks.

use sqlx::postgres::PgPool;

use super::{Listed, SnapshotsError};
use crate::postgres_store::{Layout, PostgresStore, in_time};
use crate::store::OpenError;

/// One writes, one reads.
const CONNECTIONS: u32 = 2;

pub(crate) const LAYOUT: Layout<'static> = Layout {
    schema: "paytone",
    name: "snapshots",
    version: 1,
    create: &[
        "CREATE TABLE paytone.snapshots (
            maker BYTEA PRIMARY KEY,
            seq BIGINT NOT NULL,
            bytes BIGINT NOT NULL,
            complete BOOLEAN NOT NULL,
            set_aside BOOLEAN NOT NULL,
            seen_at TIMESTAMPTZ NOT NULL
        )",
        "CREATE TABLE paytone.snapshot_pages (
            maker BYTEA NOT NULL,
            place BIGINT NOT NULL,
            page BYTEA NOT NULL,
            PRIMARY KEY (maker, place)
        )",
    ],
    tune: &["ALTER TABLE paytone.snapshot_pages ALTER COLUMN page SET STORAGE EXTERNAL"],
    grants: &[
        "SELECT, INSERT, UPDATE, DELETE ON paytone.snapshots",
        "SELECT, INSERT, DELETE ON paytone.snapshot_pages",
    ],
};

const LEFT_BEHIND: &str = "seen_at < CURRENT_TIMESTAMP - INTERVAL '2 minutes'";
/// After how many pages its maker shows that it lives.
const SHOWN_EVERY: u32 = 8;
/// Pages that are dropped in one statement.
const DROPPED_AT_ONCE: i64 = 64;

#[derive(Clone, Debug)]
pub struct PostgresSnapshots {
    pool: PgPool,
    store: PostgresStore,
}

fn failed(error: sqlx::Error) -> SnapshotsError {
    SnapshotsError::Unavailable(error.to_string())
}

impl PostgresSnapshots {
    /// `make`: makes the tables where they are not there.
    pub async fn open(store: &PostgresStore, make: bool) -> Result<Self, OpenError> {
        let connection = store.connect(LAYOUT.schema).await;
        let mut connection = connection.map_err(|error| store.failed(&error))?;
        store.find(&mut connection, &LAYOUT, make).await?;
        Ok(Self {
            pool: store.pool("paytone", CONNECTIONS),
            store: store.clone(),
        })
    }

    async fn asked<T>(
        &self,
        asking: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, SnapshotsError> {
        in_time(self.store.statement_timeout(), asking)
            .await
            .map_err(failed)
    }

    pub async fn list(&self) -> Result<Vec<Listed>, SnapshotsError> {
        let rows: Vec<(i64, i64)> = self
            .asked(
                sqlx::query_as("SELECT seq, bytes FROM snapshots WHERE complete AND NOT set_aside")
                    .fetch_all(&self.pool),
            )
            .await?;
        let listed = rows.into_iter().map(|(seq, bytes)| Listed {
            seq: seq.cast_unsigned(),
            bytes: bytes.cast_unsigned(),
            name: format!("snapshot {seq} in {}", self.store),
        });
        Ok(listed.collect())
    }

    pub async fn begin(&self, seq: u64) -> Result<Rows, SnapshotsError> {
        self.drop_where(&format!("NOT complete AND {LEFT_BEHIND}"), None)
            .await?;
        let under_way: i64 = self
            .asked(
                sqlx::query_scalar("SELECT count(*) FROM snapshots WHERE NOT complete")
                    .fetch_one(&self.pool),
            )
            .await?;
        if under_way > 0 {
            return Err(SnapshotsError::Busy);
        }
        let mut maker = [0; 16];
        aws_lc_rs::rand::fill(&mut maker)
            .map_err(|_| SnapshotsError::Unavailable("no randomness".to_owned()))?;
        let begun = sqlx::query(
            "INSERT INTO snapshots (maker, seq, bytes, complete, set_aside, seen_at) \
             VALUES ($1, $2, 0, FALSE, FALSE, CURRENT_TIMESTAMP)",
        )
        .bind(maker.as_slice())
        .bind(seq.cast_signed());
        self.asked(begun.execute(&self.pool)).await?;
        Ok(Rows {
            tables: self.clone(),
            maker,
            seq,
        })
    }

    /// The maker of the whole one at `seq`; of several the first, whichever that is: they hold the same.
    async fn maker(&self, seq: u64) -> Result<Option<Vec<u8>>, SnapshotsError> {
        let asking = sqlx::query_scalar(
            "SELECT maker FROM snapshots WHERE seq = $1 AND complete AND NOT set_aside ORDER BY maker LIMIT 1",
        )
        .bind(seq.cast_signed());
        self.asked(asking.fetch_optional(&self.pool)).await
    }

    pub async fn read(&self, seq: u64) -> Result<Reading, SnapshotsError> {
        Ok(Reading {
            tables: self.clone(),
            maker: self.maker(seq).await?.unwrap_or_default(),
        })
    }

    pub async fn set_aside(&self, seq: u64) -> Result<(), SnapshotsError> {
        self.drop_where("set_aside", None).await?;
        let aside =
            sqlx::query("UPDATE snapshots SET set_aside = TRUE WHERE seq = $1 AND complete")
                .bind(seq.cast_signed());
        self.asked(aside.execute(&self.pool)).await.map(|_| ())
    }

    pub async fn remove(&self, seq: u64) -> Result<(), SnapshotsError> {
        self.drop_where("seq = $1 AND complete AND NOT set_aside", Some(seq))
            .await
    }

    /// Drops snapshots: from the list first, then page by page.
    async fn drop_where(&self, which: &str, seq: Option<u64>) -> Result<(), SnapshotsError> {
        let text = format!("DELETE FROM snapshots WHERE {which} RETURNING maker");
        let mut dropping = sqlx::query_scalar(sqlx::AssertSqlSafe(text));
        if let Some(seq) = seq {
            dropping = dropping.bind(seq.cast_signed());
        }
        let makers: Vec<Vec<u8>> = self.asked(dropping.fetch_all(&self.pool)).await?;
        for maker in makers {
            let mut from = 0;
            loop {
                let dropping = sqlx::query(
                    "DELETE FROM snapshot_pages WHERE maker = $1 AND place >= $2 AND place < $3",
                )
                .bind(&maker)
                .bind(from)
                .bind(from + DROPPED_AT_ONCE);
                let dropped = self.asked(dropping.execute(&self.pool)).await?;
                if dropped.rows_affected() == 0 {
                    break;
                }
                from += DROPPED_AT_ONCE;
            }
        }
        Ok(())
    }
}

/// One that is being written.
#[derive(Debug)]
pub struct Rows {
    tables: PostgresSnapshots,
    maker: [u8; 16],
    seq: u64,
}

impl Rows {
    pub async fn write(&mut self, place: u32, page: &[u8]) -> Result<(), SnapshotsError> {
        let inserting =
            sqlx::query("INSERT INTO snapshot_pages (maker, place, page) VALUES ($1, $2, $3)")
                .bind(self.maker.as_slice())
                .bind(i64::from(place))
                .bind(page);
        let inserted = self.tables.asked(inserting.execute(&self.tables.pool));
        inserted.await?;
        if place.is_multiple_of(SHOWN_EVERY) {
            let showing =
                sqlx::query("UPDATE snapshots SET seen_at = CURRENT_TIMESTAMP WHERE maker = $1")
                    .bind(self.maker.as_slice());
            let shown = self.tables.asked(showing.execute(&self.tables.pool));
            shown.await?;
        }
        Ok(())
    }

    pub async fn finish(self, bytes: u64) -> Result<String, SnapshotsError> {
        let finishing =
            sqlx::query("UPDATE snapshots SET complete = TRUE, bytes = $2 WHERE maker = $1")
                .bind(self.maker.as_slice())
                .bind(bytes.cast_signed());
        let done = self.tables.asked(finishing.execute(&self.tables.pool));
        if done.await?.rows_affected() != 1 {
            return Err(SnapshotsError::Unavailable(
                "it took so long that another node dropped it".to_owned(),
            ));
        }
        Ok(format!("snapshot {} in {}", self.seq, self.tables.store))
    }
}

/// One that is being read.
#[derive(Debug)]
pub struct Reading {
    tables: PostgresSnapshots,
    maker: Vec<u8>,
}

impl Reading {
    pub async fn next(&mut self, place: u32) -> Result<Option<Vec<u8>>, SnapshotsError> {
        let asking =
            sqlx::query_scalar("SELECT page FROM snapshot_pages WHERE maker = $1 AND place = $2")
                .bind(&self.maker)
                .bind(i64::from(place));
        self.tables
            .asked(asking.fetch_optional(&self.tables.pool))
            .await
    }
}
