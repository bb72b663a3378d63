//! Deliveries and their log, in an SQLite file of their own, with the number of the last event taken in.
//!
//! **Invariant:** deliveries and that number change in one transaction, so that an event makes each of its deliveries once.
//! What was sent is not kept: ids and times, and the beginning of what the endpoint answered.

use std::{path::Path, time::Duration};

use paytone_connectors::webhook::{SendError, Sent};
use paytone_domain::{
    ids::{EndpointId, MerchantId},
    time::{DAY, Timestamp},
};
use sqlx::{
    FromRow, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::courier::{Due, Next};
use crate::views::EventNumber;

/// How long what is over stays in the log.
const KEPT: i64 = 30 * DAY;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS progress (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        event_number BIGINT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS deliveries (
        id INTEGER PRIMARY KEY,
        endpoint BIGINT NOT NULL,
        merchant BIGINT NOT NULL,
        event_number BIGINT NOT NULL,
        kind TEXT NOT NULL,
        created_at BIGINT NOT NULL,
        state TEXT NOT NULL,
        attempts BIGINT NOT NULL,
        tries BIGINT NOT NULL,
        next_at BIGINT NOT NULL,
        UNIQUE (endpoint, event_number)
    );
    CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (endpoint, next_at, id) WHERE state = 'pending';
    CREATE INDEX IF NOT EXISTS deliveries_age ON deliveries (created_at);
    CREATE TABLE IF NOT EXISTS attempts (
        delivery BIGINT NOT NULL,
        attempt BIGINT NOT NULL,
        at BIGINT NOT NULL,
        status BIGINT,
        error TEXT,
        took_ms BIGINT NOT NULL,
        answer TEXT NOT NULL,
        PRIMARY KEY (delivery, attempt)
    );
";

/// One event on its way to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct DeliveryRow {
    pub id: i64,
    pub endpoint: i64,
    pub merchant: i64,
    pub event_number: i64,
    pub kind: String,
    pub created_at: i64,
    /// `pending`, `delivered` or `failed`.
    pub state: String,
    /// In all.
    pub attempts: i64,
    /// Since it was last asked for.
    pub tries: i64,
    /// When it is tried next, while it is pending.
    pub next_at: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct AttemptRow {
    pub delivery: i64,
    pub attempt: i64,
    pub at: i64,
    pub status: Option<i64>,
    pub error: Option<String>,
    pub took_ms: i64,
    pub answer: String,
}

/// A delivery to be made.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    pub endpoint: EndpointId,
    pub merchant: MerchantId,
    pub event: EventNumber,
    pub kind: &'a str,
}

pub struct Store {
    pool: SqlitePool,
}

impl Store {
    pub async fn open(path: &Path, begin_after: EventNumber) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What a power cut forgets is sent again.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options)
            .await?;
        sqlx::raw_sql(SCHEMA).execute(&pool).await?;
        sqlx::query(
            "INSERT INTO progress (id, event_number) VALUES (1, $1) ON CONFLICT DO NOTHING",
        )
        .bind(begin_after.0.cast_signed())
        .execute(&pool)
        .await?;
        Ok(Self { pool })
    }

    /// The last event that was taken in.
    pub async fn progress(&self) -> Result<EventNumber, sqlx::Error> {
        let number: i64 = sqlx::query_scalar("SELECT event_number FROM progress")
            .fetch_one(&self.pool)
            .await?;
        Ok(EventNumber(number.cast_unsigned()))
    }

    /// Takes events in up to a number.
    pub async fn add(
        &self,
        new: &[New<'_>],
        up_to: EventNumber,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        for delivery in new {
            sqlx::query(
                "INSERT INTO deliveries (endpoint, merchant, event_number, kind, created_at, state, attempts, tries, next_at)
                 VALUES ($1, $2, $3, $4, $5, 'pending', 0, 0, $5) ON CONFLICT DO NOTHING",
            )
            .bind(delivery.endpoint.0.cast_signed())
            .bind(delivery.merchant.0.cast_signed())
            .bind(delivery.event.0.cast_signed())
            .bind(delivery.kind)
            .bind(now.0)
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query("UPDATE progress SET event_number = $1")
            .bind(up_to.0.cast_signed())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    /// Which endpoints have something waiting, and from when on.
    pub async fn waiting(&self) -> Result<Vec<(EndpointId, Timestamp)>, sqlx::Error> {
        let rows: Vec<(i64, i64)> =
            sqlx::query_as("SELECT endpoint, MIN(next_at) FROM deliveries WHERE state = 'pending' GROUP BY endpoint")
                .fetch_all(&self.pool)
                .await?;
        let waiting =
            |(endpoint, at): (i64, i64)| (EndpointId(endpoint.cast_unsigned()), Timestamp(at));
        Ok(rows.into_iter().map(waiting).collect())
    }

    /// The deliveries of an endpoint that wait longest: those that are due, and when the first of the others will be.
    pub async fn due(
        &self,
        endpoint: EndpointId,
        most: usize,
        now: Timestamp,
    ) -> Result<(Vec<DeliveryRow>, Option<Timestamp>), sqlx::Error> {
        let mut rows: Vec<DeliveryRow> = sqlx::query_as(
            "SELECT * FROM deliveries WHERE endpoint = $1 AND state = 'pending' ORDER BY next_at, id LIMIT $2",
        )
        .bind(endpoint.0.cast_signed())
        .bind(i64::try_from(most + 1).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await?;
        let due = rows
            .iter()
            .take_while(|row| row.next_at <= now.0)
            .count()
            .min(most);
        let next = rows.get(due).map(|row| Timestamp(row.next_at));
        rows.truncate(due);
        Ok((rows, next))
    }

    /// Writes an attempt down, and what becomes of the delivery.
    pub async fn record(
        &self,
        delivery: &DeliveryRow,
        outcome: &Result<Sent, SendError>,
        next: Next,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let (status, error, took_ms, answer) = match outcome {
            Ok(sent) => (
                Some(i64::from(sent.status)),
                None,
                sent.took_ms,
                sent.answer_excerpt.as_str(),
            ),
            Err(error) => (
                error.status.map(i64::from),
                Some(error.to_string()),
                error.took_ms,
                error.answer_excerpt.as_str(),
            ),
        };
        let (state, next_at) = match next {
            Next::Delivered => ("delivered", now),
            Next::GivenUp => ("failed", now),
            Next::Again(at) => ("pending", at),
        };
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO attempts (delivery, attempt, at, status, error, took_ms, answer)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        )
        .bind(delivery.id)
        .bind(delivery.attempts + 1)
        .bind(now.0)
        .bind(status)
        .bind(error)
        .bind(i64::try_from(took_ms).unwrap_or(i64::MAX))
        .bind(answer)
        .execute(&mut *transaction)
        .await?;
        sqlx::query("UPDATE deliveries SET state = $2, next_at = $3, attempts = attempts + 1, tries = tries + 1 WHERE id = $1")
            .bind(delivery.id)
            .bind(state)
            .bind(next_at.0)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    /// Not tried this time, for a reason of ours.
    pub async fn postpone(&self, delivery: i64, until: Timestamp) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE deliveries SET next_at = $2 WHERE id = $1 AND state = 'pending'")
            .bind(delivery)
            .bind(until.0)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Everything of an endpoint that is gone.
    pub async fn forget(&self, endpoint: EndpointId) -> Result<(), sqlx::Error> {
        let endpoint = endpoint.0.cast_signed();
        let mut transaction = self.pool.begin().await?;
        sqlx::query("DELETE FROM attempts WHERE delivery IN (SELECT id FROM deliveries WHERE endpoint = $1)")
            .bind(endpoint)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM deliveries WHERE endpoint = $1")
            .bind(endpoint)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    /// An endpoint's deliveries before `before`, newest first.
    pub async fn of_endpoint(
        &self,
        endpoint: EndpointId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, sqlx::Error> {
        sqlx::query_as(
            "SELECT * FROM deliveries WHERE endpoint = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        )
        .bind(endpoint.0.cast_signed())
        .bind(before.unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
    }

    pub async fn attempts(&self, delivery: i64) -> Result<Vec<AttemptRow>, sqlx::Error> {
        sqlx::query_as("SELECT * FROM attempts WHERE delivery = $1 ORDER BY attempt")
            .bind(delivery)
            .fetch_all(&self.pool)
            .await
    }

    /// Sends one again from the beginning of the schedule; `None` if the endpoint has no such delivery.
    pub async fn redeliver(
        &self,
        endpoint: EndpointId,
        delivery: i64,
        now: Timestamp,
    ) -> Result<Option<DeliveryRow>, sqlx::Error> {
        sqlx::query_as(
            "UPDATE deliveries SET state = 'pending', tries = 0, next_at = $3 WHERE id = $1 AND endpoint = $2 RETURNING *",
        )
        .bind(delivery)
        .bind(endpoint.0.cast_signed())
        .bind(now.0)
        .fetch_optional(&self.pool)
        .await
    }

    /// Takes what is long over out of the log.
    pub async fn trim(&self, now: Timestamp) -> Result<(), sqlx::Error> {
        let before = now.plus(-KEPT).0;
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "DELETE FROM attempts WHERE delivery IN
             (SELECT id FROM deliveries WHERE created_at < $1 AND state <> 'pending')",
        )
        .bind(before)
        .execute(&mut *transaction)
        .await?;
        sqlx::query("DELETE FROM deliveries WHERE created_at < $1 AND state <> 'pending'")
            .bind(before)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }
}

impl DeliveryRow {
    pub fn due(&self) -> Due {
        Due {
            delivery: self.id,
            at: Timestamp(self.next_at),
        }
    }
}
