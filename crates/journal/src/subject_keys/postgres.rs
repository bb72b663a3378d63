//! The table of keys in PostgreSQL, for any number of nodes.
//!
//! A key and its erasure are one row: erasing empties it and leaves it there, so that no other key can take its place,
//! whichever node tries. **Known limit:** what PostgreSQL keeps of the old row until it is vacuumed, in its log and in
//! backups, is wrapped by a master key outside every database, and by that alone.

use sqlx::postgres::{PgConnection, PgPool};

use super::{Found, Made, Wrapped};
use crate::postgres_store::{Layout, PostgresStore, in_time};
use crate::store::OpenError;

/// Nodes look keys up that are not in memory; few at a time.
const CONNECTIONS: u32 = 4;

pub(crate) const LAYOUT: Layout<'static> = Layout {
    schema: "paytone",
    name: "subject_keys",
    version: 1,
    create: &[
        "CREATE TABLE paytone.subject_keys (
            subject BIGINT PRIMARY KEY,
            master_key_id BIGINT NOT NULL,
            wrapped BYTEA,
            erased_at TIMESTAMPTZ
        )",
        "CREATE INDEX subject_keys_erased ON paytone.subject_keys (subject) WHERE wrapped IS NULL",
        "CREATE TABLE paytone.subject_key_changes (
            id BIGINT PRIMARY KEY,
            made_again BIGINT NOT NULL
        )",
        "INSERT INTO paytone.subject_key_changes (id, made_again) VALUES (1, 0)",
    ],
    tune: &[],
    grants: &[
        "SELECT, INSERT, UPDATE ON paytone.subject_keys",
        "SELECT, UPDATE ON paytone.subject_key_changes",
    ],
};

/// In the order of the parameters, of which `$1` is the master key's id.
const INSERT: &str = "
    INSERT INTO subject_keys (subject, master_key_id, wrapped)
    SELECT subject, $1, wrapped FROM UNNEST($2::BIGINT[], $3::BYTEA[]) AS made (subject, wrapped)
    ON CONFLICT (subject) DO NOTHING
    RETURNING subject";
const ERASE: &str = "
    INSERT INTO subject_keys (subject, master_key_id, wrapped, erased_at)
    SELECT subject, 0, NULL, CURRENT_TIMESTAMP FROM UNNEST($1::BIGINT[]) AS gone (subject)
    ON CONFLICT (subject) DO UPDATE
    SET wrapped = NULL, erased_at = COALESCE(subject_keys.erased_at, CURRENT_TIMESTAMP)";

pub struct PostgresTable {
    pool: PgPool,
    store: PostgresStore,
}

impl PostgresTable {
    pub async fn open(store: &PostgresStore) -> Result<Self, OpenError> {
        let mut connection = store.connect("paytone").await;
        let connection = connection.as_mut().map_err(|error| store.failed(error))?;
        store.check_settings(connection).await?;
        store.find(connection, &LAYOUT, true).await?;
        // What is there is now on standbys too.
        touch(connection)
            .await
            .map_err(|error| store.failed(&error))?;
        Ok(Self {
            pool: store.pool("paytone", CONNECTIONS),
            store: store.clone(),
        })
    }

    pub async fn insert(&self, master_key_id: i64, rows: &[Wrapped]) -> Result<Made, sqlx::Error> {
        let subjects: Vec<i64> = rows
            .iter()
            .map(|(subject, _)| subject.cast_signed())
            .collect();
        let wrapped: Vec<&[u8]> = rows.iter().map(|(_, wrapped)| wrapped.as_slice()).collect();
        let inserting = async {
            let mut transaction = self.pool.begin().await?;
            let made: Vec<i64> = sqlx::query_scalar(INSERT)
                .bind(master_key_id)
                .bind(&subjects)
                .bind(&wrapped)
                .fetch_all(&mut *transaction)
                .await?;
            if made.len() < rows.len() {
                // Some were there, perhaps from a try whose answer was lost: a commit after them tells that they are safe.
                touch(&mut transaction).await?;
            }
            transaction.commit().await?;
            Ok(Made {
                count: made.len(),
                certain: made.into_iter().map(i64::cast_unsigned).collect(),
            })
        };
        in_time(self.store.statement_timeout(), inserting).await
    }

    pub async fn find(&self, subject: u64) -> Result<Found, sqlx::Error> {
        let asking = sqlx::query_scalar("SELECT wrapped FROM subject_keys WHERE subject = $1")
            .bind(subject.cast_signed())
            .fetch_optional(&self.pool);
        let found: Option<Option<Vec<u8>>> =
            in_time(self.store.statement_timeout(), asking).await?;
        Ok(match found {
            Some(Some(wrapped)) => Found::Key(wrapped),
            Some(None) => Found::Erased,
            None => Found::Nothing,
        })
    }

    pub async fn erase(&self, subjects: &[u64]) -> Result<(), sqlx::Error> {
        let mut subjects: Vec<i64> = subjects
            .iter()
            .map(|subject| subject.cast_signed())
            .collect();
        // One statement changes no row twice.
        subjects.sort_unstable();
        subjects.dedup();
        let erasing = sqlx::query(ERASE).bind(subjects).execute(&self.pool);
        in_time(self.store.statement_timeout(), erasing).await?;
        Ok(())
    }

    pub async fn erased(&self) -> Result<Vec<i64>, sqlx::Error> {
        let asking = sqlx::query_scalar("SELECT subject FROM subject_keys WHERE wrapped IS NULL")
            .fetch_all(&self.pool);
        in_time(self.store.statement_timeout(), asking).await
    }

    pub async fn close(self) {
        self.pool.close().await;
    }
}

/// Changes something, so that the commit is one that standbys confirm.
async fn touch(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE subject_key_changes SET made_again = made_again + 1 WHERE id = 1")
        .execute(connection)
        .await?;
    Ok(())
}
