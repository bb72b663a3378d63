//! The journal as one PostgreSQL table: any number of nodes, of which the chain lets one win each position.
//!
//! ```text
//!   append ──one INSERT──▶ committed where the server commits: its disk, its standbys
//!     │ key taken, or nothing inserted ──▶ judge by batch and hash ──▶ there already ──▶ confirm ──▶ Ok
//!     └ connection lost, no answer in time ──▶ Unknown; the next append makes a new connection
//! ```
//!
//! A row that is found after a lost answer may be on the server and not yet on its standby. So finding it is not enough:
//! a small row in a table beside must be committed *after* it ([`PostgresJournal::open`] does the same), and commits reach
//! standbys in order.
//!
//! **Invariant:** inserts and ordered reads only (but for [`crate::trim`]); the primary key is all that safety rests on. A role that may insert and
//! select, and no more, is enough. **Not here:** repeating an append, which is the caller's; who leads.

use std::pin::Pin;

use aws_lc_rs::rand;
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::runtime;

use crate::postgres_store::{Layout, PostgresStore, Trouble, in_time, trouble_of};
use crate::row::{Hash, Row, Tip};
use crate::store::{AppendError, Journal, JournalReader, OpenError, ReadError};
use crate::stored::{RawRow, RawTip, row_of, tip_of};
use crate::verdict::{Verdict, judge};

pub(crate) const LAYOUT: Layout<'static> = Layout {
    schema: "paytone",
    name: "journal",
    version: 1,
    create: &[
        "CREATE TABLE paytone.journal (
            seq BIGINT PRIMARY KEY,
            epoch BIGINT NOT NULL,
            batch_id BYTEA NOT NULL CHECK (length(batch_id) = 16),
            previous_hash BYTEA NOT NULL CHECK (length(previous_hash) = 32),
            hash BYTEA NOT NULL CHECK (length(hash) = 32),
            body BYTEA NOT NULL
        )",
        "CREATE TABLE paytone.confirmations (
            id BYTEA PRIMARY KEY,
            seq BIGINT NOT NULL
        )",
    ],
    // Compressing bodies costs more time than it saves room: much of them is ciphertext and hashes.
    tune: &["ALTER TABLE paytone.journal ALTER COLUMN body SET STORAGE EXTERNAL"],
    grants: &[
        "SELECT, INSERT ON paytone.journal",
        "SELECT, INSERT ON paytone.confirmations",
    ],
};

const APPEND: &str = "
    INSERT INTO journal (seq, epoch, batch_id, previous_hash, hash, body)
    SELECT $1, $2, $3, $4, $5, $6
    WHERE $1 = 1 OR EXISTS (SELECT 1 FROM journal WHERE seq = $1 - 1 AND hash = $4 AND epoch <= $2)";
const CONFIRM: &str = "INSERT INTO confirmations (id, seq) VALUES ($1, $2)";
/// The limit of bytes is the server's to keep: what it has begun to send would have to be received.
const READ: &str = "
    SELECT seq, epoch, batch_id, previous_hash, hash, body FROM (
        SELECT seq, epoch, batch_id, previous_hash, hash, body,
            SUM(length(body)) OVER (ORDER BY seq) AS bytes, ROW_NUMBER() OVER (ORDER BY seq) AS place
        FROM (SELECT * FROM journal WHERE seq > $1 ORDER BY seq LIMIT $2) AS next
    ) AS counted
    WHERE bytes <= $3 OR place = 1 ORDER BY seq";
const LAST: &str = "SELECT seq, epoch, hash FROM journal ORDER BY seq DESC LIMIT 1";
const TIP_AT: &str = "SELECT seq, epoch, hash FROM journal WHERE seq = $1";
const SIZE: &str = "SELECT pg_total_relation_size('paytone.journal')";
/// For engines that do not tell.
const SIZE_COUNTED: &str =
    "SELECT CAST(COALESCE(SUM(length(body) + 112), 0) AS BIGINT) FROM journal";

/// One question to the database.
type Asking<'c, T> = Pin<Box<dyn Future<Output = Result<T, sqlx::Error>> + Send + 'c>>;

/// A writer of a journal in PostgreSQL.
#[derive(Debug)]
pub struct PostgresJournal {
    reader: PostgresReader,
    poisoned: Option<String>,
}

/// Reads a journal in PostgreSQL. Makes a new connection when the one it has is lost.
#[derive(Debug)]
pub struct PostgresReader {
    store: PostgresStore,
    writes: bool,
    /// Which journal it is: after a failover another one may answer at the same address.
    id: [u8; 16],
    open: Option<Open>,
}

/// A connection is served by the runtime on which it was made.
#[derive(Debug)]
struct Open {
    runtime: runtime::Id,
    connection: PgConnection,
}

impl PostgresJournal {
    /// Opens the journal for writing, and makes it when there is none. Refuses a server that would lose what it has
    /// acknowledged. All that is read afterwards is as durable as the server makes anything.
    pub async fn open(store: &PostgresStore) -> Result<Self, OpenError> {
        let mut connection = store
            .connect("paytone")
            .await
            .map_err(|error| store.failed(&error))?;
        store.check_settings(&mut connection).await?;
        let id = store.find(&mut connection, &LAYOUT, true).await?;
        let confirmed = in_time(store.statement_timeout(), confirm(&mut connection, 0)).await;
        confirmed.map_err(|error| store.failed(&error))?;
        let mut reader = PostgresReader {
            store: store.clone(),
            writes: true,
            id,
            open: None,
        };
        reader.put(connection);
        Ok(Self {
            reader,
            poisoned: None,
        })
    }

    /// Opens the journal for reading.
    pub async fn reader(store: &PostgresStore) -> Result<PostgresReader, OpenError> {
        let mut connection = store
            .connect("paytone")
            .await
            .map_err(|error| store.failed(&error))?;
        let id = store.find(&mut connection, &LAYOUT, false).await?;
        let mut reader = PostgresReader {
            store: store.clone(),
            writes: false,
            id,
            open: None,
        };
        reader.put(connection);
        Ok(reader)
    }

    /// Says good-bye to the server. Dropping loses nothing either.
    pub async fn close(self) -> Result<(), ReadError> {
        match self.reader.open {
            Some(open) => in_time(
                self.reader.store.statement_timeout(),
                open.connection.close(),
            )
            .await
            .map_err(|error| unreadable(trouble_of(&error))),
            None => Ok(()),
        }
    }

    async fn offer(&mut self, row: &Row, seq: i64, epoch: i64) -> Result<(), Trouble> {
        // Whoever drops this future drops the connection with it: what it was doing is unknown.
        let mut connection = self.reader.take().await?;
        let inserted = sqlx::query(APPEND)
            .bind(seq)
            .bind(epoch)
            .bind(row.batch_id.as_slice())
            .bind(row.previous_hash.as_bytes().as_slice())
            .bind(row.hash.as_bytes().as_slice())
            .bind(row.body.as_slice())
            .execute(&mut connection)
            .await;
        let outcome = match inserted {
            Ok(done) if done.rows_affected() == 1 => Ok(()),
            Ok(_) => Err(Trouble::Taken),
            Err(error) => Err(trouble_of(&error)),
        };
        if matches!(outcome, Ok(()) | Err(Trouble::Taken)) {
            self.reader.put(connection);
        }
        outcome
    }

    /// Finds out why a statement inserted nothing.
    async fn judge(&mut self, row: &Row) -> Result<Verdict, Trouble> {
        let mut connection = self.reader.take().await?;
        let held = tip_at(&mut connection, row.seq).await?.map(|tip| tip.hash);
        let before = match row.seq.checked_sub(1) {
            Some(seq) => tip_at(&mut connection, seq).await?,
            None => None,
        };
        let verdict = judge(row, held, before);
        if verdict == Verdict::AlreadyThere {
            let seq = row.seq.cast_signed();
            let confirmed = confirm(&mut connection, seq).await;
            confirmed.map_err(|error| trouble_of(&error))?;
        }
        self.reader.put(connection);
        Ok(verdict)
    }

    async fn append_now(&mut self, row: &Row, seq: i64, epoch: i64) -> Result<(), AppendError> {
        let trouble = match self.offer(row, seq, epoch).await {
            Ok(()) => return Ok(()),
            Err(Trouble::Taken) => match self.judge(row).await {
                Ok(Verdict::AlreadyThere) => return Ok(()),
                Ok(Verdict::Refused(error)) => return Err(error),
                // Another writer added the row before it between the two statements.
                Ok(Verdict::Fits) => Trouble::Passing(format!("row {} fits only now", row.seq)),
                Err(trouble) => trouble,
            },
            Err(trouble) => trouble,
        };
        match trouble {
            Trouble::Taken => Err(AppendError::Unknown(
                "a confirmation's key is taken".to_owned(),
            )),
            Trouble::Passing(why) => Err(AppendError::Unknown(why)),
            Trouble::Lasting(why) => {
                self.poisoned = Some(why.clone());
                Err(AppendError::Broken(why))
            }
        }
    }
}

impl Journal for PostgresJournal {
    async fn append(&mut self, row: &Row) -> Result<(), AppendError> {
        if let Some(why) = &self.poisoned {
            return Err(AppendError::Broken(why.clone()));
        }
        let too_large =
            |_| AppendError::Broken(format!("row {}: position or epoch beyond 63 bits", row.seq));
        let seq = i64::try_from(row.seq).map_err(too_large)?;
        let epoch = i64::try_from(row.epoch).map_err(too_large)?;
        // The statement lets any first row in; that it starts a chain is a matter of its own fields.
        if row.seq == 1 && row.previous_hash != Hash::GENESIS {
            return Err(AppendError::Broken(
                "row 1: it is chained to a row before it".to_owned(),
            ));
        }
        let limit = self.reader.store.statement_timeout();
        let appended = tokio::time::timeout(limit, self.append_now(row, seq, epoch)).await;
        appended.unwrap_or_else(|_| {
            let why = format!("no answer within {} ms", limit.as_millis());
            Err(AppendError::Unknown(why))
        })
    }
}

impl JournalReader for PostgresJournal {
    async fn read(
        &mut self,
        after_seq: u64,
        limit_rows: usize,
        limit_bytes: usize,
    ) -> Result<Vec<Row>, ReadError> {
        self.reader.read(after_seq, limit_rows, limit_bytes).await
    }

    async fn last(&mut self) -> Result<Option<Tip>, ReadError> {
        self.reader.last().await
    }

    async fn size_bytes(&mut self) -> Result<u64, ReadError> {
        self.reader.size_bytes().await
    }
}

impl PostgresReader {
    /// The connection, or a new one to the same journal.
    async fn take(&mut self) -> Result<PgConnection, Trouble> {
        if let Some(open) = self.open.take()
            && open.runtime == runtime::Handle::current().id()
        {
            return Ok(open.connection);
        }
        let connected = self.store.connect("paytone").await;
        // Wrong passwords and missing databases too may be put right while we wait.
        let mut connection = connected.map_err(|error| Trouble::Passing(error.to_string()))?;
        if self.writes {
            // A new leader of the cluster may be set otherwise; no answer rests on it until that is put right.
            let checked = self.store.check_settings(&mut connection).await;
            checked.map_err(|error| Trouble::Passing(error.to_string()))?;
        }
        match self.store.find(&mut connection, &LAYOUT, false).await {
            Ok(id) if id == self.id => Ok(connection),
            Ok(_) => Err(Trouble::Lasting(format!(
                "{} holds another journal now",
                self.store
            ))),
            Err(error @ OpenError::Failed { .. }) => Err(Trouble::Passing(error.to_string())),
            Err(error) => Err(Trouble::Lasting(error.to_string())),
        }
    }

    fn put(&mut self, connection: PgConnection) {
        self.open = Some(Open {
            runtime: runtime::Handle::current().id(),
            connection,
        });
    }

    /// Asks; once more on a new connection if the one at hand turns out to be lost.
    async fn ask<T>(
        &mut self,
        question: impl for<'c> Fn(&'c mut PgConnection) -> Asking<'c, T> + Send,
    ) -> Result<T, ReadError> {
        let mut had_one = self.open.is_some();
        loop {
            let limit = self.store.statement_timeout();
            let mut connection = self.take().await.map_err(unreadable)?;
            match in_time(limit, question(&mut connection)).await {
                Ok(answer) => {
                    self.put(connection);
                    return Ok(answer);
                }
                Err(error) => match trouble_of(&error) {
                    Trouble::Passing(_) if had_one => had_one = false,
                    trouble => return Err(unreadable(trouble)),
                },
            }
        }
    }
}

impl JournalReader for PostgresReader {
    async fn read(
        &mut self,
        after_seq: u64,
        limit_rows: usize,
        limit_bytes: usize,
    ) -> Result<Vec<Row>, ReadError> {
        let Ok(after_seq) = i64::try_from(after_seq) else {
            return Ok(Vec::new());
        };
        let limit_rows = i64::try_from(limit_rows).unwrap_or(i64::MAX);
        let limit_bytes = i64::try_from(limit_bytes).unwrap_or(i64::MAX);
        let found = self.ask(|connection| {
            Box::pin(async move {
                sqlx::query_as::<_, RawRow>(READ)
                    .bind(after_seq)
                    .bind(limit_rows)
                    .bind(limit_bytes)
                    .fetch_all(connection)
                    .await
            })
        });
        found.await?.into_iter().map(row_of).collect()
    }

    async fn last(&mut self) -> Result<Option<Tip>, ReadError> {
        let found = self.ask(|connection| {
            Box::pin(async move {
                sqlx::query_as::<_, RawTip>(LAST)
                    .fetch_optional(connection)
                    .await
            })
        });
        found.await?.map(tip_of).transpose()
    }

    async fn size_bytes(&mut self) -> Result<u64, ReadError> {
        let size = self.ask(|connection| {
            Box::pin(async move {
                let told: Result<i64, _> =
                    sqlx::query_scalar(SIZE).fetch_one(&mut *connection).await;
                match told {
                    Err(error) if matches!(trouble_of(&error), Trouble::Lasting(_)) => {
                        sqlx::query_scalar(SIZE_COUNTED).fetch_one(connection).await
                    }
                    told => told,
                }
            })
        });
        Ok(size.await?.unsigned_abs())
    }
}

async fn tip_at(connection: &mut PgConnection, seq: u64) -> Result<Option<Tip>, Trouble> {
    let found: Option<RawTip> = sqlx::query_as(TIP_AT)
        .bind(seq.cast_signed())
        .fetch_optional(connection)
        .await
        .map_err(|error| trouble_of(&error))?;
    found
        .map(tip_of)
        .transpose()
        .map_err(|error| Trouble::Lasting(error.to_string()))
}

/// Commits something after all that is there.
async fn confirm(connection: &mut PgConnection, seq: i64) -> Result<(), sqlx::Error> {
    let mut id = [0; 16];
    rand::fill(&mut id).expect("the system has a source of randomness");
    sqlx::query(CONFIRM)
        .bind(id.as_slice())
        .bind(seq)
        .execute(connection)
        .await?;
    Ok(())
}

fn unreadable(trouble: Trouble) -> ReadError {
    match trouble {
        Trouble::Passing(why) => ReadError::Unavailable(why),
        Trouble::Taken => ReadError::Unavailable("a key is taken".to_owned()),
        Trouble::Lasting(why) => ReadError::Damaged(why),
    }
}

#[cfg(test)]
mod tests;
