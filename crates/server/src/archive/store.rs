//! The database of the archive: a file, or a schema of PostgreSQL.
//!
//! **Invariant:** what was committed survives a power cut: evictions rest on it. Of two copies of one thing the later stays,
//! whoever writes last.

use paytone_domain::{archive::Closed, idempotency::OldAnswer, time::Timestamp};
use sqlx::AssertSqlSafe;

use super::answers::{self, Run};
use crate::{
    database::{Built, Pool, Session},
    derived::{Derived, StoreError},
    stores::Place,
};

/// Where the tables are in PostgreSQL.
pub const POSTGRES_SCHEMA: &str = "paytone_archive";

pub const TABLES: Derived = Derived {
    // "PTA1".
    application_id: 0x5054_4131,
    version: 1,
    tables: include_str!("schema.sql"),
    schema: POSTGRES_SCHEMA,
    name: "archive",
    // What is evicted is in no other place but the journal.
    is_synced: true,
};

/// Rows of one statement.
const ROWS: usize = 128;

/// How far an archive goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// A position of the journal that it is of, and the hash of the row there: nothing in it is of later.
    pub position: u64,
    pub hash: Vec<u8>,
    /// The number of the eviction that it is complete to, or one that was prepared.
    pub evictions: u64,
    /// What was over by then is here.
    pub until: Timestamp,
}

/// Opens it for writing, and makes it when there is none or when it is of another form.
pub async fn open(place: &Place) -> Result<Session, StoreError> {
    let mut session = match place {
        Place::File(path) => Session::Sqlite(TABLES.open_file(path).await?),
        Place::Postgres(store) => Session::Postgres(TABLES.open_postgres(store, false).await?),
    };
    add_tables(&mut session).await?;
    Ok(session)
}

/// Makes what an earlier release did not have. Nodes of that release, which share the archive while they are rolled, do not
/// notice.
async fn add_tables(session: &mut Session) -> Result<(), sqlx::Error> {
    let latest = "SELECT count(*) FROM answer_runs WHERE id < 0";
    if session.ask(latest).one::<(i64,)>().await.is_ok() {
        return Ok(());
    }
    for statement in TABLES.statements(matches!(session, Session::Postgres(_))) {
        session.ask(AssertSqlSafe(statement)).run().await?;
    }
    Ok(())
}

/// Connections that only read.
pub fn readers(place: &Place) -> Pool {
    TABLES.readers(place)
}

pub async fn progress(session: &mut Session) -> Result<Option<Progress>, sqlx::Error> {
    let asking = session.ask("SELECT position, hash, evictions, until FROM progress WHERE id = 1");
    let found: Option<(i64, Vec<u8>, i64, i64)> = asking.first().await?;
    Ok(found.map(|(position, hash, evictions, until)| Progress {
        position: position.cast_unsigned(),
        hash,
        evictions: evictions.cast_unsigned(),
        until: Timestamp(until),
    }))
}

/// What leaves memory together.
#[derive(Default)]
pub struct Leaving {
    pub payments: Vec<Closed>,
    pub answers: Vec<OldAnswer>,
    /// Answers given before then no longer count.
    pub forget_before: Timestamp,
}

/// Writes copies and how far they go, together and for good. Of each thing the latest copy stays, and so does the farthest
/// progress: another node may have written meanwhile. Says which run the answers are in.
pub async fn write(
    session: &mut Session,
    leaving: &Leaving,
    progress: &Progress,
) -> Result<Run, sqlx::Error> {
    session.begin().await?;
    let written = write_all(session, leaving, progress).await;
    match written {
        Ok(run) => session.commit().await.map(|()| run),
        Err(error) => {
            // A session that is lost has nothing to undo.
            let _ = session.roll_back().await;
            Err(error)
        }
    }
}

async fn write_all(
    session: &mut Session,
    leaving: &Leaving,
    progress: &Progress,
) -> Result<Run, sqlx::Error> {
    let copies = &leaving.payments;
    for some in copies.chunks(ROWS) {
        let mut writing = Built::new("INSERT INTO payments (id, changed_at, body) VALUES ");
        for (place, copy) in some.iter().enumerate() {
            writing
                .text(if place == 0 { "(" } else { ", (" })
                .value(copy.payment.id.0.cast_signed())
                .text(", ")
                .value(copy.payment.changed_at.0)
                .text(", ")
                .value(copy.encode())
                .text(")");
        }
        writing.text(
            " ON CONFLICT (id) DO UPDATE SET changed_at = excluded.changed_at, body = excluded.body
             WHERE payments.changed_at < excluded.changed_at",
        );
        writing.ask_in(session).run().await?;
    }
    let refunds = copies.iter().flat_map(|copy| &copy.refunds);
    let refunds: Vec<_> = refunds.map(|refund| (refund.id, refund.payment)).collect();
    for some in refunds.chunks(ROWS) {
        let mut writing = Built::new("INSERT INTO refunds (id, payment) VALUES ");
        for (place, (refund, payment)) in some.iter().enumerate() {
            writing
                .text(if place == 0 { "(" } else { ", (" })
                .value(refund.0.cast_signed())
                .text(", ")
                .value(payment.0.cast_signed())
                .text(")");
        }
        writing.text(" ON CONFLICT (id) DO NOTHING");
        writing.ask_in(session).run().await?;
    }
    let run = answers::write(session, &leaving.answers).await?;
    answers::forget(session, leaving.forget_before).await?;
    session
        .ask(
            "INSERT INTO progress (id, position, hash, evictions, until) VALUES (1, $1, $2, $3, $4)
             ON CONFLICT (id) DO UPDATE SET position = excluded.position, hash = excluded.hash,
                 evictions = excluded.evictions, until = excluded.until
             WHERE progress.position < excluded.position",
        )
        .bind(progress.position.cast_signed())
        .bind(progress.hash.clone())
        .bind(progress.evictions.cast_signed())
        .bind(progress.until.0)
        .run()
        .await?;
    Ok(run)
}

/// Empties it; readers keep it open.
pub async fn clear(session: &mut Session) -> Result<(), sqlx::Error> {
    session.begin().await?;
    for text in [
        "DELETE FROM payments",
        "DELETE FROM refunds",
        "DELETE FROM answers",
        "DELETE FROM answer_runs",
        "DELETE FROM progress",
    ] {
        session.ask(text).run().await?;
    }
    session.commit().await
}
