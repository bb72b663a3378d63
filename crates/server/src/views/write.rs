//! Writes many rows with one statement, and reads back those that are not in memory.
//!
//! SQLite takes rows, a placeholder per value. PostgreSQL takes columns, an array each, and where rows are only added and are
//! many, a stream of them.
//!
//! **Invariant:** statements come in few sizes, so that each is prepared once. SQLite looks a placeholder's number up slowly,
//! hence the plain ones here.

use std::{fmt::Write as _, sync::Arc};

use rustc_hash::{FxHashMap, FxHashSet};
use sqlx::{AssertSqlSafe, PgConnection, SqliteConnection};

use super::{
    copied::copied,
    rows::{Kept, Merge, Row, Statement},
};
use crate::database::{Session, in_time};

/// Rows per statement, largest first.
const SIZES: [usize; 4] = [512, 64, 8, 1];
/// Rows per statement in PostgreSQL, at most.
const COLUMN_ROWS: usize = 8_192;
/// From so many on rows are streamed, which takes another round trip.
const STREAMED_ROWS: usize = 32;
/// Ids per statement that reads rows back.
const IDS: usize = 64;

/// Texts of statements, made once.
#[derive(Default)]
pub struct Statements {
    writing: FxHashMap<(&'static str, usize), Arc<str>>,
    reading: FxHashMap<&'static str, Arc<str>>,
}

impl Statements {
    pub async fn write<R: Row>(
        &mut self,
        session: &mut Session,
        rows: &[R],
    ) -> Result<(), sqlx::Error> {
        match session {
            Session::Sqlite(connection) => self.write_rows(connection, rows).await,
            Session::Postgres(connection) => self.write_columns(connection, rows).await,
        }
    }

    async fn write_rows<R: Row>(
        &mut self,
        connection: &mut SqliteConnection,
        rows: &[R],
    ) -> Result<(), sqlx::Error> {
        let mut rest = rows;
        let mut next = self.bound(&mut rest);
        while let Some(statement) = next {
            // The next one is put together while the database's own thread carries this one out.
            let (done, following) = tokio::join!(
                biased;
                statement.execute(&mut *connection),
                async { self.bound(&mut rest) },
            );
            done?;
            next = following;
        }
        Ok(())
    }

    /// A statement that writes as many of these as one does, which are taken off.
    fn bound<R: Row>(&mut self, rest: &mut &[R]) -> Option<Statement> {
        let size = SIZES.into_iter().find(|size| *size <= rest.len())?;
        let (now, later) = rest.split_at(size);
        *rest = later;
        let text = self
            .writing
            .entry((R::TABLE, size))
            .or_insert_with(|| writing::<R>(size).into());
        let statement = sqlx::query(AssertSqlSafe(Arc::clone(text)));
        Some(
            now.iter()
                .fold(statement, |statement, row| row.bind(statement)),
        )
    }

    async fn write_columns<R: Row>(
        &mut self,
        connection: &mut PgConnection,
        rows: &[R],
    ) -> Result<(), sqlx::Error> {
        if matches!(R::MERGE, Merge::Append) && rows.len() >= STREAMED_ROWS {
            return in_time(stream(connection, rows)).await;
        }
        for some in rows.chunks(COLUMN_ROWS) {
            let text = self
                .writing
                .entry((R::TABLE, 0))
                .or_insert_with(|| writing_columns::<R>().into());
            let statement = sqlx::query(AssertSqlSafe(Arc::clone(text)));
            let some: Vec<&R> = some.iter().collect();
            in_time(R::bind_columns(&some, statement).execute(&mut *connection)).await?;
        }
        Ok(())
    }

    async fn read<R: Kept>(
        &mut self,
        session: &mut Session,
        ids: &[i64],
    ) -> Result<Vec<R>, sqlx::Error> {
        let (connection, text) = match session {
            Session::Sqlite(connection) => {
                let text = self.reading.entry(R::TABLE);
                (connection, text.or_insert_with(|| reading::<R>().into()))
            }
            Session::Postgres(connection) => {
                let text = select::<R>("= ANY($1)");
                let statement = sqlx::query_as::<_, R>(AssertSqlSafe(text)).bind(ids);
                return in_time(statement.fetch_all(connection)).await;
            }
        };
        let mut rows = Vec::with_capacity(ids.len());
        for some in ids.chunks(IDS) {
            let mut statement = sqlx::query_as::<_, R>(AssertSqlSafe(Arc::clone(text)));
            // One size of statement for any number of ids: the last one fills it up.
            for place in 0..IDS {
                statement = statement.bind(some[place.min(some.len() - 1)]);
            }
            rows.extend(statement.fetch_all(&mut *connection).await?);
        }
        Ok(rows)
    }
}

async fn stream<R: Row>(connection: &mut PgConnection, rows: &[R]) -> Result<(), sqlx::Error> {
    let text = format!(
        "COPY {} ({}) FROM STDIN WITH (FORMAT binary)",
        R::TABLE,
        R::COLUMNS.join(", ")
    );
    let mut stream = connection.copy_in_raw(&text).await?;
    stream.send(copied(rows)).await?;
    stream.finish().await?;
    Ok(())
}

fn writing<R: Row>(rows: usize) -> String {
    let values = format!("({})", vec!["?"; R::COLUMNS.len()].join(", "));
    let values = vec![values; rows].join(", ");
    inserting::<R>(&format!("VALUES {values}"))
}

fn writing_columns<R: Row>() -> String {
    let columns: Vec<_> = (1..=R::COLUMNS.len()).map(|n| format!("${n}")).collect();
    // The alias keeps the word after it from being taken for a join's.
    inserting::<R>(&format!(
        "SELECT * FROM UNNEST({}) AS given",
        columns.join(", ")
    ))
}

fn inserting<R: Row>(what: &str) -> String {
    let columns = R::COLUMNS.join(", ");
    let mut text = format!("INSERT INTO {} ({columns}) {what}", R::TABLE);
    let (keys, changes): (usize, fn(&str) -> String) = match R::MERGE {
        Merge::Append => return text,
        Merge::Replace => (1, |column| format!("{column} = excluded.{column}")),
        Merge::Add { keys } => (keys, |column| {
            format!("{column} = {}.{column} + excluded.{column}", R::TABLE)
        }),
    };
    let (keys, others) = R::COLUMNS.split_at(keys);
    let changes: Vec<_> = others.iter().map(|column| changes(column)).collect();
    let _ = write!(
        text,
        " ON CONFLICT ({}) DO UPDATE SET {}",
        keys.join(", "),
        changes.join(", ")
    );
    text
}

fn reading<R: Kept>() -> String {
    select::<R>(&format!("IN ({})", vec!["?"; IDS].join(", ")))
}

fn select<R: Kept>(which: &str) -> String {
    format!(
        "SELECT {} FROM {} WHERE {} {which}",
        R::COLUMNS.join(", "),
        R::TABLE,
        R::COLUMNS[0],
    )
}

/// Rows of one table that are in memory, and which of them changed.
pub struct Shelf<R> {
    rows: FxHashMap<i64, R>,
    changed: FxHashSet<i64>,
    wanted: FxHashSet<i64>,
    /// Come into being in this go: there is nothing to read yet.
    born: FxHashSet<i64>,
}

impl<R> Default for Shelf<R> {
    fn default() -> Self {
        Self {
            rows: FxHashMap::default(),
            changed: FxHashSet::default(),
            wanted: FxHashSet::default(),
            born: FxHashSet::default(),
        }
    }
}

impl<R: Kept> Shelf<R> {
    /// The row will be needed.
    pub fn want(&mut self, id: u64) {
        let id = id.cast_signed();
        if !self.rows.contains_key(&id) && !self.born.contains(&id) {
            self.wanted.insert(id);
        }
    }

    /// The row will be made, so that later ones of the same go need not look for it.
    pub fn expect(&mut self, id: u64) {
        self.born.insert(id.cast_signed());
    }

    pub fn add(&mut self, row: R) {
        let id = row.id();
        self.changed.insert(id);
        self.rows.insert(id, row);
    }

    pub fn get(&self, id: u64) -> Option<&R> {
        self.rows.get(&id.cast_signed())
    }

    /// The row, which will be written again.
    pub fn change(&mut self, id: u64) -> Option<&mut R> {
        let row = self.rows.get_mut(&id.cast_signed())?;
        self.changed.insert(id.cast_signed());
        Some(row)
    }

    /// Reads what is wanted and not in memory. Rows that come into being in the same go are not there yet.
    pub async fn load(
        &mut self,
        session: &mut Session,
        statements: &mut Statements,
    ) -> Result<(), sqlx::Error> {
        self.born.clear();
        if self.wanted.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = self.wanted.drain().collect();
        for row in statements.read::<R>(session, &ids).await? {
            self.rows.insert(row.id(), row);
        }
        Ok(())
    }

    pub async fn write(
        &mut self,
        session: &mut Session,
        statements: &mut Statements,
    ) -> Result<(), sqlx::Error> {
        let mut ids: Vec<_> = self.changed.drain().collect();
        // In the order of the table, so that its pages are touched once.
        ids.sort_unstable();
        let rows: Vec<_> = ids.iter().filter_map(|id| self.rows.get(id)).collect();
        statements.write(session, &rows).await
    }

    /// Lets go of all once there are more than `most`: what is needed again is read again.
    pub fn trim(&mut self, most: usize) {
        if self.rows.len() > most {
            self.rows.retain(|id, _| self.changed.contains(id));
        }
    }
}
