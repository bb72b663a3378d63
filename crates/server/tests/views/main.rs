//! Views and verify, over journals of worlds that follow from a seed.

#[path = "../../../engine/tests/golden/scenario/mod.rs"]
mod scenario;

mod equal;
mod feed;
mod lists;
mod postgres;
mod proofs;
mod verify;

use std::path::Path;

use paytone::{
    config::{Config, Store},
    stores::Stores,
    views::{Views, follow},
};
use paytone_journal::{EitherJournal, Journal, PublicIds, Row};
use private_postgres::Cluster;
use scenario::Scenario;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::watch;

/// A node's folder.
struct Place {
    folder: tempfile::TempDir,
    config: Config,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config {
            data: folder.path().to_owned(),
            ..Config::default()
        };
        Self { folder, config }
    }

    /// With its stores in a database of their own.
    fn in_postgres() -> Self {
        let mut place = Self::new();
        place.config.store = Store {
            url: Cluster::shared().database(),
            ..Store::default()
        };
        place
    }

    fn stores(&self) -> Stores {
        Stores::of(&self.config).expect("stores")
    }

    /// Adds rows to the journal.
    async fn append(&self, rows: &[Row]) {
        let mut journal = self.stores().journal().await.expect("a journal");
        for row in rows {
            journal.append(row).await.expect("a row that fits");
        }
        if let EitherJournal::Sqlite(journal) = journal {
            journal.close().await.expect("closed");
        }
    }

    /// A place whose journal and views show all of `scenario`.
    async fn of(scenario: &Scenario) -> Self {
        Self::new().showing(scenario).await
    }

    /// Itself, with all of `scenario` in journal and views.
    async fn showing(self, scenario: &Scenario) -> Self {
        self.append(scenario.rows()).await;
        self.follow(scenario).await.stop();
        self
    }

    /// Views that follow the journal and show all of it.
    async fn follow(&self, scenario: &Scenario) -> Followed {
        let end = scenario.rows().len() as u64;
        let (durable, seen) = watch::channel(end);
        let ids = PublicIds::new(&[1; 32]);
        let (views, thread) = follow::start(self.stores(), ids, seen)
            .await
            .expect("views")
            .into_parts();
        let patience = std::time::Duration::from_secs(60);
        assert!(views.reached(end, patience).await, "the views got there");
        Followed {
            views,
            durable,
            thread,
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

struct Followed {
    views: Views,
    durable: watch::Sender<u64>,
    thread: std::thread::JoinHandle<()>,
}

impl Followed {
    fn stop(self) {
        drop(self.durable);
        self.thread.join().expect("the follower ended");
    }
}

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path))
        .await
        .expect("a database")
}

fn lived(seed: u64) -> Scenario {
    let mut scenario = Scenario::begin(seed);
    scenario.seals_days = false;
    scenario.live(700);
    scenario
}
