//! Several nodes on one PostgreSQL journal: what one knows of the others, and how it speaks to them.
//!
//! ```text
//!   client ──▶ any node: reads ──▶ its own state, as of Paytone-Position
//!                        writes ──mTLS──▶ the node that leads ──▶ journal ──▶ all follow
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`tls`] | who may speak to a node: certificates of one authority, with a node's name |
//! | [`forward`] | which requests are sent on, and how |
//! | [`listen`] | where they arrive |
//! | [`erasures`] | what each node forgets by itself |
//! | [`level`] | which events the others can read |
//! | [`status`] | how each node is |
//! | [`certificates`] | an authority and certificates for a quick start |
//!
//! **Invariant:** a request is sent on once at most, and only by a node that proved its name. **Not here:** who leads, which is
//! the engine's.

pub mod certificates;
pub mod erasures;
pub mod forward;
pub mod level;
mod listen;
pub mod status;
mod tls;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use axum::body::Body;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use paytone_engine::{Member, leadership};
use paytone_journal::Snapshots;

pub use listen::Listening;

use crate::config::Config;

/// Shorter ones would mistake a busy database for a leader that is gone.
const TAKE_OVER_MS: std::ops::RangeInclusive<u32> = 200..=3_600_000;

/// What a node was told when the journal lacked what it had taken in. While it is there the node does not start.
const REPORT: &str = "journal-went-back.txt";

/// What a node found to differ between its state and the leader's.
const DIFFERENCE: &str = "state-differs.txt";

/// Why this node cannot be one of several.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("setting cluster.{setting}: {why}")]
    Setting { setting: &'static str, why: String },
    #[error("cannot read {path}: {why}")]
    File { path: PathBuf, why: String },
    #[error("cannot listen for other nodes on {place}: {why}")]
    Listen { place: String, why: String },
    #[error(
        "the journal went back when this node ran last; read {0}, decide what the journal is to be, and remove the file"
    )]
    WentBack(PathBuf),
}

/// This node among the others.
#[derive(Debug)]
pub struct Cluster {
    pub name: String,
    member: Member,
    /// What this node found to differ between its state and the leader's, before it stopped.
    pub differs: OnceLock<String>,
    listen: std::net::SocketAddr,
    accept: Arc<rustls::ServerConfig>,
    peers: BTreeMap<String, Peer>,
}

/// Another node.
#[derive(Debug)]
struct Peer {
    /// `host:port`
    address: String,
    client: Client<HttpsConnector<HttpConnector>, Body>,
}

impl Cluster {
    /// As the settings say; `None` for a node on its own.
    pub fn open(config: &Config) -> Result<Option<Arc<Self>>, ClusterError> {
        let settings = &config.cluster;
        if settings.name.is_empty() {
            return Ok(None);
        }
        let wrong = |setting, why: &str| ClusterError::Setting {
            setting,
            why: why.to_owned(),
        };
        let report = config.data.join(REPORT);
        if report.exists() {
            return Err(ClusterError::WentBack(report));
        }
        if config.store.url.is_empty() && config.store.url_file.as_os_str().is_empty() {
            return Err(wrong("name", "several nodes need PostgreSQL: see [store]"));
        }
        if !TAKE_OVER_MS.contains(&settings.take_over_ms) {
            return Err(wrong("take_over_ms", "between 200 and 3600000"));
        }
        if settings.peers.contains_key(&settings.name) {
            return Err(wrong("peers", "the node itself is none of its peers"));
        }
        let files = tls::Files::read(settings)?;
        let accept = files.accept(settings.peers.keys())?;
        let mut peers = BTreeMap::new();
        for (name, address) in &settings.peers {
            let client = files.client(name)?;
            let address = address.clone();
            peers.insert(name.clone(), Peer { address, client });
        }
        let earlier = settings.peers.keys().filter(|name| **name < settings.name);
        let member = Member {
            node: settings.name.clone(),
            leadership: leadership::Options {
                take_over_ms: i64::from(settings.take_over_ms),
                rank: u32::try_from(earlier.count()).unwrap_or(u32::MAX),
            },
            snapshots: None,
        };
        Ok(Some(Arc::new(Self {
            name: settings.name.clone(),
            member,
            differs: OnceLock::new(),
            listen: settings.listen,
            accept,
            peers,
        })))
    }

    /// All nodes, this one included.
    pub fn size(&self) -> usize {
        self.peers.len() + 1
    }

    /// This node among them; `snapshots` are those of the journal.
    pub fn member(&self, snapshots: Option<Snapshots>) -> Member {
        Member {
            snapshots,
            ..self.member.clone()
        }
    }
}

/// Keeps what differed where a person finds it; the next start makes the state anew, and goes on.
pub fn keep_difference(config: &Config, report: &str) -> std::io::Result<()> {
    std::fs::write(config.data.join(DIFFERENCE), format!("{report}\n"))
}

/// Keeps what a journal lacks where the next start finds it.
pub fn keep_report(config: &Config, report: &str) -> std::io::Result<()> {
    std::fs::write(config.data.join(REPORT), format!("{report}\n"))
}
