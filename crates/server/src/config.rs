//! Settings of this node. Rules, limits and price plans are not here: they are journaled commands.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

mod document;

pub use document::document;

use serde::{Deserialize, Serialize};

/// `paytone.toml`. Every setting has a default; `paytone config` prints them all with comments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the stores are.
    pub data: PathBuf,
    /// The keyring's file, outside every database.
    pub keyring: PathBuf,
    pub listen: SocketAddr,
    /// The origin that phones see, such as `https://pay.example`; part of what they sign.
    pub origin: String,
    /// Other spellings of the same address that count as the origin. The demo alone has any: no file can set them.
    #[serde(skip)]
    pub also_origins: Vec<String>,
    /// Country of numbers typed without a country code (ISO 3166 alpha-2).
    pub home_country: String,
    /// How one-time codes reach a phone, first usable one first.
    pub code_channels: Vec<String>,
    pub store: Store,
    pub archive: Archive,
    pub cluster: Cluster,
    pub snapshot: Snapshot,
    pub journal: Journal,
    pub limits: Limits,
    pub telemetry: Telemetry,
    pub webhooks: Webhooks,
    pub till: Till,
    pub bank: Option<Bank>,
    pub witness: Witness,
    /// Settled once, when the journal begins.
    pub begin: Begin,
}

/// Where journal, subject keys, views and deliveries are.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// `postgresql://…`; empty for SQLite files in `data`. It may carry a password.
    pub url: String,
    /// A file with the URL, instead.
    pub url_file: PathBuf,
    /// Several nodes share it: every commit must be on a standby before it is answered.
    pub ha: bool,
    /// Lets the server run without a synchronous standby all the same.
    pub allow_without_standby: bool,
}

impl Store {
    /// A database by its URL; whether that is one is seen when it is opened.
    pub fn at(url: &str) -> Result<Self, std::convert::Infallible> {
        Ok(Self {
            url: url.to_owned(),
            ..Self::default()
        })
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = if self.url.is_empty() { "" } else { "(secret)" };
        formatter
            .debug_struct("Store")
            .field("url", &url)
            .field("url_file", &self.url_file)
            .field("ha", &self.ha)
            .field("allow_without_standby", &self.allow_without_standby)
            .finish()
    }
}

/// What is over leaves memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Archive {
    /// How long it stays in memory.
    pub after_seconds: u32,
    /// How long the answer to an idempotency key stays in memory.
    pub keys_after_seconds: u32,
}

impl Default for Archive {
    fn default() -> Self {
        Self {
            after_seconds: 600,
            keys_after_seconds: 900,
        }
    }
}

/// This node among several on one PostgreSQL journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    /// Empty for a node on its own.
    pub name: String,
    /// Where other nodes reach this one, by TLS with certificates on both sides.
    pub listen: SocketAddr,
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub authority: PathBuf,
    pub take_over_ms: u32,
    /// The others: name and `host:port`.
    pub peers: BTreeMap<String, String>,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            name: String::new(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8401)),
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            authority: PathBuf::new(),
            take_over_ms: 1_500,
            peers: BTreeMap::new(),
        }
    }
}

/// When the state is written down, so that the next start need not replay the whole journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Snapshot {
    /// Zero for never.
    pub every_events: u64,
    /// Zero for never. Nothing is written while nothing happens.
    pub every_minutes: u64,
    /// So many of the newest stay.
    pub keep: usize,
    /// And the last one of each of so many business dates.
    pub keep_days: u32,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            every_events: 1_000_000,
            every_minutes: 60,
            keep: 2,
            keep_days: 7,
        }
    }
}

/// When old rows leave the journal for files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Journal {
    /// Business dates that stay whole; zero for all, always.
    pub keep_days: u32,
    /// Empty for `exports` in the data folder.
    pub exports: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    pub connections: usize,
    pub body_bytes: usize,
    pub header_bytes: usize,
    pub header_seconds: u64,
    pub request_seconds: u64,
    /// Event streams in all.
    pub streams: usize,
    /// Longest replay of the past for one question.
    pub look_back_seconds: u64,
    /// Commands and reads that may wait for the engine.
    pub queue: usize,
    /// Memory taken at the start, in MiB.
    pub reserve_mib: usize,
    /// Requests of one merchant's key under way at once, long polls that wait apart.
    pub per_client_in_flight: u32,
    /// Long polls of one merchant's key that wait at once.
    pub per_client_waiting: u32,
    /// Requests of one phone under way at once, its event streams apart.
    pub per_device_in_flight: u32,
}

/// How the node tells how it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// `address:port` for `/metrics`; empty for none.
    pub metrics_listen: String,
    /// How long the views may have been behind before the node is not ready.
    pub views_behind_seconds: u64,
    /// One JSON object per line of the log.
    pub log_json: bool,
    /// Where traces go, such as `http://127.0.0.1:4318`; empty for nowhere.
    pub otlp_endpoint: String,
    /// Requests of a thousand that are traced.
    pub traces_per_thousand: u16,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            metrics_listen: String::new(),
            views_behind_seconds: 300,
            log_json: false,
            otlp_endpoint: String::new(),
            traces_per_thousand: 1_000,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhooks {
    /// Lets webhooks go to private addresses.
    pub allow_private: bool,
    /// Lets webhooks go without TLS.
    pub allow_http: bool,
}

/// Tokens that this node issues, and where tills connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Till {
    /// Digits that the numbers of tokens begin with; empty for none.
    pub range: String,
    /// Two to four digits that payment codes begin with; empty for none.
    pub code_prefix: String,
    /// The issuer's keys, sealed under the keyring.
    pub key_file: PathBuf,
    /// ISO 4217 number of the currency.
    pub currency_number: String,
    /// Connections of one link.
    pub connections: usize,
    /// Of those, from one address.
    pub connections_per_address: usize,
    /// Requests of one connection under way at once.
    pub in_flight: usize,
    /// After so long without a message the other side is asked whether it is there.
    pub idle_seconds: u64,
    pub links: Vec<TillLink>,
}

impl Default for Till {
    fn default() -> Self {
        Self {
            range: String::new(),
            code_prefix: "28".to_owned(),
            key_file: PathBuf::from("paytone-issuer-keys.toml"),
            currency_number: "156".to_owned(),
            connections: 10_000,
            connections_per_address: 2_000,
            in_flight: 256,
            idle_seconds: 120,
            links: Vec::new(),
        }
    }
}

/// One place where an acquirer or terminals connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TillLink {
    pub name: String,
    pub listen: SocketAddr,
    #[serde(default = "plain")]
    pub dialect: String,
    #[serde(default = "two")]
    pub length: String,
    #[serde(default)]
    pub length_counts_itself: bool,
    #[serde(default)]
    pub header: String,
    #[serde(default)]
    pub sign_on_first: bool,
    /// Card acceptors whose terminals may use it; all if there is none.
    #[serde(default)]
    pub acceptors: Vec<String>,
    /// How long its terminals wait for an answer.
    #[serde(default = "thirty")]
    pub answer_seconds: u32,
    #[serde(default)]
    pub certificate: PathBuf,
    #[serde(default)]
    pub key: PathBuf,
    #[serde(default)]
    pub authority: PathBuf,
}

impl TillLink {
    /// In the plainest dialect.
    pub fn new(name: &str, listen: SocketAddr) -> Self {
        Self {
            name: name.to_owned(),
            listen,
            dialect: plain(),
            length: two(),
            length_counts_itself: false,
            header: String::new(),
            sign_on_first: false,
            acceptors: Vec::new(),
            answer_seconds: thirty(),
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            authority: PathBuf::new(),
        }
    }
}

fn plain() -> String {
    "1987-ascii".to_owned()
}

fn two() -> String {
    "two".to_owned()
}

fn thirty() -> u32 {
    30
}

/// Who keeps sealed days outside the operator's databases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Witness {
    pub file: PathBuf,
    pub url: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bank {
    pub url: String,
    /// Read from the environment variable of this name.
    #[serde(default)]
    pub token_variable: Option<String>,
    /// Or from this file.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    #[serde(default = "ten")]
    pub timeout_seconds: u64,
    #[serde(default)]
    pub allow_http: bool,
}

fn ten() -> u64 {
    10
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Begin {
    /// ISO 4217.
    pub currency: String,
    pub currency_digits: u8,
    /// IANA time zone of business days.
    pub zone: String,
    /// Minutes after midnight at which a business day begins.
    pub cut_off_minutes: u16,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("paytone-data"),
            keyring: PathBuf::from("paytone-keyring.toml"),
            listen: SocketAddr::from(([127, 0, 0, 1], 8400)),
            origin: "http://127.0.0.1:8400".to_owned(),
            also_origins: Vec::new(),
            home_country: "CN".to_owned(),
            code_channels: Vec::new(),
            store: Store::default(),
            archive: Archive::default(),
            cluster: Cluster::default(),
            snapshot: Snapshot::default(),
            journal: Journal::default(),
            limits: Limits::default(),
            telemetry: Telemetry::default(),
            webhooks: Webhooks::default(),
            till: Till::default(),
            bank: None,
            witness: Witness::default(),
            begin: Begin::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            body_bytes: 64 << 10,
            header_bytes: 16 << 10,
            header_seconds: 10,
            request_seconds: 45,
            streams: 100_000,
            look_back_seconds: 600,
            queue: 32_768,
            reserve_mib: 0,
            per_client_in_flight: 1_024,
            per_client_waiting: 2_048,
            per_device_in_flight: 16,
        }
    }
}

impl Default for Begin {
    fn default() -> Self {
        Self {
            currency: "CNY".to_owned(),
            currency_digits: 2,
            zone: "Asia/Shanghai".to_owned(),
            cut_off_minutes: 0,
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}: {why}")]
    Read { path: PathBuf, why: String },
    #[error("{path}: {why}")]
    Wrong { path: PathBuf, why: String },
}

impl Config {
    /// Every origin that a phone may have signed with.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.origin)
            .chain(&self.also_origins)
            .map(String::as_str)
    }

    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Read {
            path: path.to_owned(),
            why: error.to_string(),
        })?;
        toml::from_str(&text).map_err(|error| ConfigError::Wrong {
            path: path.to_owned(),
            why: error.to_string(),
        })
    }

    pub fn journal(&self) -> PathBuf {
        self.data.join("journal.sqlite")
    }

    pub fn exports(&self) -> PathBuf {
        if self.journal.exports.as_os_str().is_empty() {
            self.data.join("exports")
        } else {
            self.journal.exports.clone()
        }
    }

    pub fn snapshots(&self) -> PathBuf {
        self.data.join("snapshots")
    }

    pub fn subject_keys(&self) -> PathBuf {
        self.data.join("subject-keys.sqlite")
    }

    pub fn views(&self) -> PathBuf {
        self.data.join("views.sqlite")
    }

    pub fn archive(&self) -> PathBuf {
        self.data.join("archive.sqlite")
    }

    pub fn deliveries(&self) -> PathBuf {
        self.data.join("deliveries.sqlite")
    }

    /// The admin API's local socket.
    pub fn admin_socket(&self) -> PathBuf {
        self.data.join("admin.sock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_a_store_is_not_shown() {
        let text = "[store]\nurl = \"postgresql://paytone:s3cret@db/books\"\n";
        let config: Config = toml::from_str(text).expect("it parses");
        assert!(config.store.url.contains("s3cret"));
        assert!(!format!("{config:?}").contains("s3cret"));
    }
}
