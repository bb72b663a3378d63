//! A PostgreSQL database of ours: how it is reached, what it must be set to, whose tables are in it.
//!
//! ```text
//!   URL ──parse──▶ PostgresStore ──connect──▶ session with time limits ──check──▶ durable enough? ours? this version?
//! ```
//!
//! **Invariant:** the password is in no message, no log line and no `Debug`. Errors are told apart by SQLSTATE, never by their
//! text. A database in which our tables are somebody else's is refused before anything in it changes. **Not here:** locks,
//! triggers, notifications: plain statements only, so that whatever speaks PostgreSQL can carry it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use aws_lc_rs::rand;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tokio::time::timeout;

use crate::store::OpenError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// What a URL may carry behind its question mark. Others would be passed over in silence, with what they say in a log.
const PARAMETERS: &[&str] = &[
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];
/// How often tables are looked for again that another node is making at the same time.
const MAKING_TRIES: usize = 8;

/// Where a PostgreSQL database is and how much it must promise.
#[derive(Clone)]
pub struct PostgresStore {
    options: PgConnectOptions,
    statement_timeout: Duration,
    standby: bool,
}

/// Tables of one kind, marked with their version in the table `stores` of their schema.
#[derive(Debug)]
pub struct Layout<'a> {
    /// The schema that they are in.
    pub schema: &'static str,
    /// Its name among the marks.
    pub name: &'static str,
    /// Grows when the tables change.
    pub version: i64,
    /// Makes the tables, a statement each.
    pub create: &'a [&'a str],
    /// Makes them quicker where the engine knows how; a refusal changes nothing else.
    pub tune: &'a [&'a str],
    /// What a role needs on them that did not make them.
    pub grants: &'a [&'a str],
}

impl Layout<'_> {
    fn make_schema(&self) -> String {
        format!("CREATE SCHEMA IF NOT EXISTS {}", self.schema)
    }

    fn make_marks(&self) -> String {
        format!(
            "CREATE TABLE IF NOT EXISTS {}.stores \
             (name TEXT PRIMARY KEY, version BIGINT NOT NULL, id BYTEA NOT NULL)",
            self.schema
        )
    }

    /// Marks the tables as ours.
    fn mark(&self) -> String {
        let mut id = [0; 16];
        rand::fill(&mut id).expect("the system has a source of randomness");
        let id = data_encoding::HEXLOWER.encode(&id);
        format!(
            "INSERT INTO {}.stores (name, version, id) VALUES ('{}', {}, '\\x{id}')",
            self.schema, self.name, self.version
        )
    }
}

impl PostgresStore {
    /// Reads `postgresql://user:password@host:port/database?sslmode=verify-full`. What it leaves out comes from the usual
    /// environment variables and the password file.
    pub fn parse(url: &str) -> Result<Self, OpenError> {
        let wrong = |why: String| OpenError::Unfit {
            path: "the store's URL".to_owned(),
            why,
        };
        if !is_postgres(url) {
            return Err(wrong("it does not begin with postgresql://".to_owned()));
        }
        let parameters = url.split_once('?').map_or("", |(_, rest)| rest);
        for parameter in parameters.split('&').filter(|text| !text.is_empty()) {
            let name = parameter.split('=').next().unwrap_or_default();
            if !PARAMETERS.contains(&name) {
                return Err(wrong(format!("it has no parameter {name:?}")));
            }
        }
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| wrong(error.to_string()))?
            .disable_statement_logging();
        let options = match options.get_application_name() {
            Some(_) => options,
            None => options.application_name("paytone"),
        };
        Ok(Self {
            options,
            statement_timeout: STATEMENT_TIMEOUT,
            standby: false,
        })
    }

    /// Whether a commit must wait for a standby: refuses a server that names none.
    #[must_use]
    pub fn requiring_standby(self, standby: bool) -> Self {
        Self { standby, ..self }
    }

    /// How long any statement may take before its outcome counts as unknown.
    #[must_use]
    pub fn with_statement_timeout(self, statement_timeout: Duration) -> Self {
        Self {
            statement_timeout,
            ..self
        }
    }

    pub(crate) const fn statement_timeout(&self) -> Duration {
        self.statement_timeout
    }

    /// A connection of our own, in the given schema.
    pub async fn connect(&self, schema: &'static str) -> Result<PgConnection, sqlx::Error> {
        let connecting = async {
            let mut connection = self.options.connect().await?;
            self.begin_session(&mut connection, schema).await?;
            Ok(connection)
        };
        in_time(CONNECT_TIMEOUT, connecting).await
    }

    /// Connections for whoever needs one for a moment, in the given schema. None is opened before it is needed.
    pub fn pool(&self, schema: &'static str, connections: u32) -> PgPool {
        let store = self.clone();
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(self.statement_timeout)
            .after_connect(move |connection, _| {
                let store = store.clone();
                Box::pin(async move { store.begin_session(connection, schema).await })
            })
            .connect_lazy_with(self.options.clone())
    }

    /// The server ends by itself what nobody waits for any more.
    async fn begin_session(
        &self,
        connection: &mut PgConnection,
        schema: &'static str,
    ) -> Result<(), sqlx::Error> {
        let limit_ms = self.statement_timeout.as_millis();
        let settings = format!(
            "SET search_path = {schema}; SET statement_timeout = {limit_ms}; \
             SET idle_in_transaction_session_timeout = {limit_ms}"
        );
        connection
            .execute(sqlx::raw_sql(AssertSqlSafe(settings)))
            .await?;
        Ok(())
    }

    /// Refuses a server whose answers are not durable.
    pub(crate) async fn check_settings(
        &self,
        connection: &mut PgConnection,
    ) -> Result<(), OpenError> {
        // Where the engine has no such setting there is nothing to be wrong about it.
        let settings: [Option<String>; 4] = sqlx::query_as(
            "SELECT current_setting('server_encoding', true), current_setting('fsync', true),
                    current_setting('synchronous_commit', true), current_setting('synchronous_standby_names', true)",
        )
        .fetch_one(connection)
        .await
        .map(|(encoding, fsync, commit, standbys)| [encoding, fsync, commit, standbys])
        .map_err(|error| self.failed(&error))?;
        let [encoding, fsync, commit, standbys] = settings.each_ref().map(Option::as_deref);
        if let Some(encoding) = encoding
            && !matches!(encoding, "UTF8" | "UTF-8")
        {
            return Err(self.unfit(format!("server_encoding is {encoding}, not UTF8")));
        }
        if fsync == Some("off") {
            return Err(
                self.unfit("fsync is off: a power cut would lose what was answered".to_owned())
            );
        }
        if let Some(commit @ ("off" | "local" | "remote_write")) = commit {
            return Err(self.unfit(format!(
                "synchronous_commit is {commit}; it must be on or remote_apply, or a failure would lose what was answered"
            )));
        }
        if self.standby && standbys.is_none_or(|names| names.trim().is_empty()) {
            return Err(self.unfit(
                "synchronous_standby_names is empty: no standby confirms a commit. Name one, or set \
                 store.allow_without_standby = true where the engine replicates in another way"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Finds the tables of a layout, and makes them where they may be made and are not there. Gives back which ones they are:
    /// an id drawn when they were made.
    pub async fn find(
        &self,
        connection: &mut PgConnection,
        layout: &Layout<'_>,
        make: bool,
    ) -> Result<[u8; 16], OpenError> {
        let mut refused = String::new();
        for _ in 0..MAKING_TRIES {
            if let Some((version, id)) = self.mark(connection, layout.schema, layout.name).await? {
                if version != layout.version {
                    return Err(self.unfit(format!(
                        "its tables {} have format {version}, not {}",
                        layout.name, layout.version
                    )));
                }
                return id.try_into().map_err(|_| {
                    self.unfit(format!("the mark of its {} is damaged", layout.name))
                });
            }
            if !make {
                return Err(OpenError::Missing(format!("{} in {self}", layout.name)));
            }
            match self.make(connection, layout).await {
                Ok(()) => {}
                Err(error) if is_made_by_another(&error) => refused = error.to_string(),
                Err(error) => return Err(self.failed(&error)),
            }
        }
        Err(self.unfit(format!(
            "tables of that name are there and are not {}: {refused}",
            layout.name
        )))
    }

    /// Makes the tables of a layout where they are not there. Gives back which ones they are.
    pub async fn prepare(&self, layout: &Layout<'_>) -> Result<[u8; 16], OpenError> {
        let connection = self.connect(layout.schema).await;
        let mut connection = connection.map_err(|error| self.failed(&error))?;
        let id = self.find(&mut connection, layout, true).await?;
        // A server that does not want to hear it has nothing to lose by it.
        let _ = connection.close().await;
        Ok(id)
    }

    /// Which version of a layout is there, if any.
    pub async fn version(
        &self,
        connection: &mut PgConnection,
        layout: &Layout<'_>,
    ) -> Result<Option<i64>, OpenError> {
        let mark = self.mark(connection, layout.schema, layout.name).await?;
        Ok(mark.map(|(version, _)| version))
    }

    async fn mark(
        &self,
        connection: &mut PgConnection,
        schema: &'static str,
        name: &'static str,
    ) -> Result<Option<(i64, Vec<u8>)>, OpenError> {
        let text = format!("SELECT version, id FROM {schema}.stores WHERE name = $1");
        let found = sqlx::query_as(AssertSqlSafe(text))
            .bind(name)
            .fetch_optional(connection)
            .await;
        match found {
            Err(error) if matches!(sqlstate(&error).as_deref(), Some("42P01" | "3F000")) => {
                Ok(None)
            }
            found => found.map_err(|error| self.failed(&error)),
        }
    }

    async fn make(
        &self,
        connection: &mut PgConnection,
        layout: &Layout<'_>,
    ) -> Result<(), sqlx::Error> {
        let mut making = connection.begin().await?;
        // Whoever owns a schema need not be one who may make them.
        let there: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_namespace WHERE nspname = $1")
            .bind(layout.schema)
            .fetch_one(&mut *making)
            .await?;
        if there == 0 {
            making
                .execute(sqlx::raw_sql(AssertSqlSafe(layout.make_schema())))
                .await?;
        }
        making
            .execute(sqlx::raw_sql(AssertSqlSafe(layout.make_marks())))
            .await?;
        for statement in layout.create {
            making
                .execute(sqlx::raw_sql(AssertSqlSafe(*statement)))
                .await?;
        }
        making
            .execute(sqlx::raw_sql(AssertSqlSafe(layout.mark())))
            .await?;
        making.commit().await?;
        for statement in layout.tune {
            // Only speed rests on it.
            let _ = connection
                .execute(sqlx::raw_sql(AssertSqlSafe(*statement)))
                .await;
        }
        Ok(())
    }

    pub(crate) fn failed(&self, error: &sqlx::Error) -> OpenError {
        OpenError::Failed {
            path: self.to_string(),
            why: error.to_string(),
        }
    }

    pub(crate) fn unfit(&self, why: String) -> OpenError {
        OpenError::Unfit {
            path: self.to_string(),
            why,
        }
    }
}

impl fmt::Display for PostgresStore {
    /// Without the password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "postgresql://{}@", self.options.get_username())?;
        match self.options.get_socket() {
            Some(socket) => write!(formatter, "{}", socket.display())?,
            None => write!(
                formatter,
                "{}:{}",
                self.options.get_host(),
                self.options.get_port()
            )?,
        }
        write!(
            formatter,
            "/{}",
            self.options.get_database().unwrap_or_default()
        )
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PostgresStore({self})")
    }
}

/// Whether a setting means PostgreSQL.
#[must_use]
pub fn is_postgres(url: &str) -> bool {
    url.starts_with("postgresql://") || url.starts_with("postgres://")
}

/// Makes the journal, the table of keys and the snapshots' tables, lets `role` do with them what a node does, and gives it schemas of its own for
/// what it makes itself. For who makes tables as another role; to be run once, by the owner of the database.
#[must_use]
pub fn script(own_schemas: &[&str], role: &str) -> String {
    let quoted = format!("\"{}\"", role.replace('"', "\"\""));
    let layouts = [
        crate::postgres::LAYOUT,
        crate::subject_keys::postgres::LAYOUT,
        crate::snapshots::postgres::LAYOUT,
    ];
    let mut lines = Vec::new();
    for layout in &layouts {
        lines.push(layout.make_schema());
        lines.push(layout.make_marks());
        let made = layout.create.iter().chain(layout.tune);
        lines.extend(made.map(|line| (*line).to_owned()));
        lines.push(layout.mark());
        lines.push(format!(
            "GRANT USAGE ON SCHEMA {} TO {quoted}",
            layout.schema
        ));
        lines.push(format!(
            "GRANT SELECT ON {}.stores TO {quoted}",
            layout.schema
        ));
        let grants = layout.grants.iter();
        lines.extend(grants.map(|grant| format!("GRANT {grant} TO {quoted}")));
    }
    for schema in own_schemas {
        lines.push(format!("CREATE SCHEMA {schema} AUTHORIZATION {quoted}"));
    }
    lines.iter().map(|line| format!("{line};\n")).collect()
}

/// What a failed statement means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The key is taken. Nothing was changed.
    Taken,
    /// Lost connection, no room, a standby, a restart, a clash with another transaction: whether anything was changed is
    /// unknown, and another try on another connection may succeed.
    Passing(String),
    /// Trying again is of no use.
    Lasting(String),
}

pub(crate) fn trouble_of(error: &sqlx::Error) -> Trouble {
    let text = error.to_string();
    let Some(state) = sqlstate(error) else {
        return match error {
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::TypeNotFound { .. }
            | sqlx::Error::Encode(_)
            | sqlx::Error::Configuration(_) => Trouble::Lasting(text),
            _ => Trouble::Passing(text),
        };
    };
    // <https://www.postgresql.org/docs/current/errcodes-appendix.html>: the first two characters are the class.
    match state.as_str() {
        "23505" => Trouble::Taken,
        // Damaged data or index.
        "XX001" | "XX002" => Trouble::Lasting(text),
        // Values, constraints, names, rights: what we say and what is there do not fit.
        state if ["22", "23", "42", "3F"].contains(&state.get(..2).unwrap_or_default()) => {
            Trouble::Lasting(text)
        }
        _ => Trouble::Passing(text),
    }
}

/// A statement that another node's making of the same tables stands against.
fn is_made_by_another(error: &sqlx::Error) -> bool {
    // Key taken, table or schema is there, clash, and a catalogue row changed at the same time.
    matches!(
        sqlstate(error).as_deref(),
        Some("23505" | "42P07" | "42P06" | "40001" | "40P01" | "XX000")
    )
}

pub(crate) fn sqlstate(error: &sqlx::Error) -> Option<String> {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .map(std::borrow::Cow::into_owned)
}

/// A statement that is not answered in time has failed as a lost connection has.
pub(crate) async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    timeout(limit, work).await.unwrap_or_else(|_| {
        let why = format!("no answer within {} ms", limit.as_millis());
        Err(sqlx::Error::Io(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            why,
        )))
    })
}
