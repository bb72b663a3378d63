//! One way to ask two databases: SQL that runs on both, and the few kinds of values that our tables have.
//!
//! ```text
//!   pool.ask("SELECT … WHERE id = $1").bind(7).all::<PaymentRow>()
//! ```
//! **Invariant:** whoever asks does not know which database answers. **Not here:** what differs between them, which is how tables
//! are made and how many rows are written at once.

use std::time::Duration;

use sqlx::{
    AssertSqlSafe, Connection, FromRow, PgConnection, PgPool, Postgres, SqlSafeStr, SqlStr, Sqlite,
    SqliteConnection, SqlitePool, postgres::PgRow, sqlite::SqliteRow,
};
use tokio::time::timeout;

/// Longest wait for an answer over the network.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connections to one of them. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Several statements that happen together or not at all; without [`Self::commit`], not at all.
pub enum Transaction {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

/// One connection, for whoever writes alone.
pub enum Session {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// What a row of either database can be read as.
pub trait Record:
    Send + Unpin + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>
{
}

impl<T> Record for T where
    T: Send + Unpin + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>
{
}

/// A value of a statement.
#[derive(Clone, Debug)]
pub enum Value {
    Whole(Option<i64>),
    Text(Option<String>),
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Whole(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Whole(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

impl Pool {
    pub fn ask(&self, sql: impl SqlSafeStr) -> Question<'_> {
        let whom = match self {
            Self::Sqlite(pool) => Whom::SqlitePool(pool),
            Self::Postgres(pool) => Whom::PgPool(pool),
        };
        Question::new(whom, sql)
    }

    pub async fn begin(&self) -> Result<Transaction, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool) => Transaction::Sqlite(pool.begin().await?),
            Self::Postgres(pool) => Transaction::Postgres(in_time(pool.begin()).await?),
        })
    }
}

impl Transaction {
    pub fn ask(&mut self, sql: impl SqlSafeStr) -> Question<'_> {
        let whom = match self {
            Self::Sqlite(transaction) => Whom::Sqlite(transaction),
            Self::Postgres(transaction) => Whom::Pg(transaction),
        };
        Question::new(whom, sql)
    }

    pub async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => in_time(transaction.commit()).await,
        }
    }
}

impl Session {
    pub fn ask(&mut self, sql: impl SqlSafeStr) -> Question<'_> {
        let whom = match self {
            Self::Sqlite(connection) => Whom::Sqlite(connection),
            Self::Postgres(connection) => Whom::Pg(connection),
        };
        Question::new(whom, sql)
    }

    /// What follows happens together or not at all, until [`Self::commit`]. Whoever fails in between lets go of the session.
    pub async fn begin(&mut self) -> Result<(), sqlx::Error> {
        self.ask("BEGIN").run().await.map(drop)
    }

    pub async fn commit(&mut self) -> Result<(), sqlx::Error> {
        self.ask("COMMIT").run().await.map(drop)
    }

    /// Undoes what was begun.
    pub async fn roll_back(&mut self) -> Result<(), sqlx::Error> {
        self.ask("ROLLBACK").run().await.map(drop)
    }

    pub async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => in_time(connection.close()).await,
        }
    }
}

enum Whom<'c> {
    SqlitePool(&'c SqlitePool),
    Sqlite(&'c mut SqliteConnection),
    PgPool(&'c PgPool),
    Pg(&'c mut PgConnection),
}

/// A statement and its values, `$1` first.
pub struct Question<'c> {
    whom: Whom<'c>,
    sql: SqlStr,
    values: Vec<Value>,
    patience: Duration,
}

/// Binds all values to one of sqlx's statements.
macro_rules! bound {
    ($statement:expr, $values:expr) => {{
        let mut statement = $statement;
        for value in $values {
            statement = match value {
                Value::Whole(value) => statement.bind(value),
                Value::Text(value) => statement.bind(value),
                Value::Bytes(value) => statement.bind(value),
            };
        }
        statement
    }};
}

/// The same for each of those who can be asked.
macro_rules! put {
    ($question:expr, $statement:path, $get:ident) => {{
        let Question {
            whom,
            sql,
            values,
            patience,
        } = $question;
        match whom {
            Whom::SqlitePool(pool) => bound!($statement(sql), values).$get(pool).await,
            Whom::Sqlite(connection) => bound!($statement(sql), values).$get(connection).await,
            Whom::PgPool(pool) => {
                within(patience, bound!($statement(sql), values).$get(pool)).await
            }
            Whom::Pg(connection) => {
                within(patience, bound!($statement(sql), values).$get(connection)).await
            }
        }
    }};
}

impl<'c> Question<'c> {
    fn new(whom: Whom<'c>, sql: impl SqlSafeStr) -> Self {
        Self {
            whom,
            sql: sql.into_sql_str(),
            values: Vec::new(),
            patience: PATIENCE,
        }
    }

    /// For what may take as long as it takes: all of a large table.
    #[must_use]
    pub fn unhurried(mut self) -> Self {
        self.patience = Duration::MAX;
        self
    }

    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    pub async fn all<T: Record>(self) -> Result<Vec<T>, sqlx::Error> {
        put!(self, sqlx::query_as::<_, T>, fetch_all)
    }

    pub async fn first<T: Record>(self) -> Result<Option<T>, sqlx::Error> {
        put!(self, sqlx::query_as::<_, T>, fetch_optional)
    }

    /// The row, which must be there.
    pub async fn one<T: Record>(self) -> Result<T, sqlx::Error> {
        put!(self, sqlx::query_as::<_, T>, fetch_one)
    }

    /// How many rows it touched.
    pub async fn run(self) -> Result<u64, sqlx::Error> {
        let Question {
            whom,
            sql,
            values,
            patience,
        } = self;
        Ok(match whom {
            Whom::SqlitePool(pool) => {
                let done = bound!(sqlx::query(sql), values).execute(pool).await?;
                done.rows_affected()
            }
            Whom::Sqlite(connection) => {
                let done = bound!(sqlx::query(sql), values).execute(connection).await?;
                done.rows_affected()
            }
            Whom::PgPool(pool) => {
                let done = within(patience, bound!(sqlx::query(sql), values).execute(pool)).await?;
                done.rows_affected()
            }
            Whom::Pg(connection) => {
                let done = within(
                    patience,
                    bound!(sqlx::query(sql), values).execute(connection),
                )
                .await?;
                done.rows_affected()
            }
        })
    }
}

/// A statement made piece by piece.
pub struct Built {
    /// Before, between and behind the values.
    pieces: Vec<String>,
    values: Vec<Value>,
}

impl Built {
    pub fn new(sql: &str) -> Self {
        Self {
            pieces: vec![sql.to_owned()],
            values: Vec::new(),
        }
    }

    /// Words of our own, never anything from outside.
    pub fn text(&mut self, sql: &str) -> &mut Self {
        if let Some(last) = self.pieces.last_mut() {
            last.push_str(sql);
        }
        self
    }

    pub fn value(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.pieces.push(String::new());
        self
    }

    pub fn ask(self, pool: &Pool) -> Question<'_> {
        let numbered = matches!(pool, Pool::Postgres(_));
        let mut question = pool.ask(AssertSqlSafe(self.sql(numbered)));
        question.values = self.values;
        question
    }

    pub fn ask_in(self, session: &mut Session) -> Question<'_> {
        let numbered = matches!(session, Session::Postgres(_));
        let mut question = session.ask(AssertSqlSafe(self.sql(numbered)));
        question.values = self.values;
        question
    }

    /// The statement. SQLite takes a placeholder with a number for a name and looks each one up among all: with hundreds of them that costs
    /// more than the rows.
    fn sql(&self, numbered: bool) -> String {
        let mut sql = String::new();
        for (number, piece) in self.pieces.iter().enumerate() {
            match (number, numbered) {
                (0, _) => {}
                (number, true) => sql.push_str(&format!("${number}")),
                (_, false) => sql.push('?'),
            }
            sql.push_str(piece);
        }
        sql
    }
}

/// What is not answered in time has failed as a lost connection has.
pub async fn in_time<T>(
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    within(PATIENCE, work).await
}

async fn within<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    timeout(patience, work)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_plain_for_sqlite_and_numbered_for_postgresql() {
        let mut built = Built::new("INSERT INTO t (a, b) VALUES (");
        built.value(7_i64).text(", ").value(vec![1_u8]).text(")");
        assert_eq!(built.sql(false), "INSERT INTO t (a, b) VALUES (?, ?)");
        assert_eq!(built.sql(true), "INSERT INTO t (a, b) VALUES ($1, $2)");
    }
}
