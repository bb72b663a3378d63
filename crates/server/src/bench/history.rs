//! `paytone bench history`: what a payment costs, and what memory holds, the longer the journal gets.
//!
//! One world, one journal and one archive on disk. Charges go through the engine's own queue up to each mark, after a look for
//! their key among those that have left memory, as an edge does it; meanwhile what is over leaves for the archive. At a mark
//! everything is counted: what the last payments before it cost, and, once all that may leave has left, what is in memory.
//!
//! **Not here:** HTTP, sealing, views.

mod load;
mod report;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use paytone_domain::time::Timestamp;
use paytone_engine::{
    Core, EngineError, Options, ReplayError, Running, StopReason,
    replay::restart,
    snapshot::{self, MakeError},
    start,
};
use paytone_journal::OpenError;
use tokio::sync::watch;

use self::{
    load::{Load, LoadError},
    report::{Mark, Report},
};
use super::{
    engine::world::{Maker, World, WorldError},
    load::resident_bytes,
};
use crate::{
    archive::{Archive, keys::Keys},
    config::{self, Config},
    node::random,
    stores::Stores,
    workers::archiving::{Archiver, ArchivingError},
};

/// Between two looks of the archiver when there is little to do.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest wait for what may leave memory to have left.
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Payments at which everything is counted, in millions.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 5, 10])]
    pub marks: Vec<u64>,
    /// Everybody with a line and money.
    #[arg(long, default_value_t = 100_000)]
    pub subscribers: u64,
    #[arg(long, default_value_t = 1_000)]
    pub merchants: u64,
    /// Subscribers with a device and a mandate: those who pay.
    #[arg(long, default_value_t = 50_000)]
    pub payers: u64,
    /// How long payments that are over, and answers under keys, stay in memory.
    #[arg(long, default_value_t = 5)]
    pub window_seconds: u32,
    /// The load waits while more payments than that are in memory.
    #[arg(long, default_value_t = 1_500_000)]
    pub in_memory: usize,
    /// Payments before each mark whose cost is told.
    #[arg(long, default_value_t = 500_000)]
    pub stretch: u64,
    /// Payments under way at a time.
    #[arg(long, default_value_t = 8_192)]
    pub in_flight: usize,
    /// Where journal and archive are made; a new folder in it is used and removed.
    #[arg(long, default_value = ".")]
    pub data: PathBuf,
    /// One JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    World(#[from] WorldError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Archiving(#[from] ArchivingError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Snapshot(#[from] MakeError),
    #[error("the engine stopped: {0:?}")]
    Stopped(StopReason),
    #[error("what may leave memory does not: {0} payments are still there")]
    Stays(usize),
    #[error("{made} payments were made, and {found} are in memory and in the archive")]
    Lost { made: u64, found: u64 },
}

/// Makes the history and prints what each mark found; fails if a payment got lost on the way.
pub async fn run(args: Args) -> Result<(), HistoryError> {
    let folder = args
        .data
        .join(format!(".paytone-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let outcome = in_folder(&args, &folder).await;
    std::fs::remove_dir_all(&folder)?;
    let report = outcome?;
    if args.json {
        println!("{}", serde_json::json!(report));
    } else {
        println!("{report}");
    }
    Ok(())
}

async fn in_folder(args: &Args, folder: &Path) -> Result<Report, HistoryError> {
    let config = Config {
        data: folder.to_owned(),
        archive: config::Archive {
            after_seconds: args.window_seconds,
            keys_after_seconds: args.window_seconds,
        },
        ..Config::default()
    };
    let stores = Stores::of(&config)?;
    let running = open(Core::new(), &stores).await?;
    let world = make(args, &running).await?;
    let archive = Archive::of(&stores.archive());
    let keys = Arc::new(Keys::behind(Timestamp::default()));
    let full = Arc::new(AtomicBool::new(false));
    let archiver = Archiver::new(
        running.engine.clone(),
        archive.clone(),
        stores.clone(),
        &config,
    );
    let (stop, stopping) = watch::channel(false);
    let leaving = Leaving {
        archiver,
        keys: Arc::clone(&keys),
        full: Arc::clone(&full),
        most: args.in_memory,
        running: running.engine.clone(),
    };
    let leaving = tokio::spawn(leaving.run(stopping));
    let load = Load {
        engine: running.engine.clone(),
        world: Arc::new(world),
        in_flight: args.in_flight,
        keys: Arc::clone(&keys),
        archive,
        runtime: tokio::runtime::Handle::current(),
        full,
    };
    let mut marks: Vec<Mark> = Vec::new();
    let mut made = 0;
    for mark in &args.marks {
        let until = mark.saturating_mul(1_000_000);
        let stretch = args.stretch.min(until.saturating_sub(made));
        made += load
            .run(until.saturating_sub(made + stretch))
            .await?
            .payments;
        let last = load.run(stretch).await?;
        made += last.payments;
        let busy_bytes = resident_bytes();
        settle(&running).await?;
        let read = running.engine.read(|state, _| {
            let kept = state.payments.len() + state.repeats.len();
            (kept, state.archive.evictions)
        });
        let (kept, evictions) = read.await?.answer;
        let mark = Mark {
            millions: *mark,
            payments_per_s: last.per_s(),
            cpu_us_per_payment: last.cpu_us(),
            p99_ms: last.p99_ms(),
            looked_up_per_million: last.looked_up_per_million(),
            busy_rss_mib: busy_bytes >> 20,
            rss_mib: resident_bytes() >> 20,
            key_filter_mib: keys.bytes() >> 20,
            kept_in_memory: kept as u64,
            evictions,
            journal_mib: size(folder, "journal")? >> 20,
            archive_mib: size(folder, "archive")? >> 20,
        };
        eprintln!("{mark}");
        marks.push(mark);
    }
    let _ = stop.send(true);
    let left = leaving
        .await
        .unwrap_or(Err(HistoryError::Stopped(StopReason::Panicked)))?;
    let core = close(running).await?;
    let found = left + core.state().payments.len() as u64;
    if found != made {
        return Err(HistoryError::Lost { made, found });
    }
    let snapshots = stores.snapshots().await?;
    snapshot::write(core, &snapshots).await?;
    let mut journal = stores.journal_reader().await?;
    let begun = Instant::now();
    restart(&mut journal, Some(&snapshots), |_| {}).await?;
    Ok(Report {
        subscribers: args.subscribers,
        marks,
        start_s: begun.elapsed().as_secs_f64(),
    })
}

/// What moves things out of memory, beside the load.
struct Leaving {
    archiver: Archiver,
    keys: Arc<Keys>,
    full: Arc<AtomicBool>,
    most: usize,
    running: paytone_engine::Engine,
}

impl Leaving {
    /// How many payments left.
    async fn run(mut self, mut stopping: watch::Receiver<bool>) -> Result<u64, HistoryError> {
        let mut payments = 0;
        loop {
            let left = self.archiver.once(&self.keys).await?;
            payments += left.payments;
            let read = self.running.read(|state, _| state.payments.len());
            let held = read.await?.answer;
            self.full.store(held > self.most, Ordering::Relaxed);
            let pause = if left.is_more { Duration::ZERO } else { PAUSE };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stopping.wait_for(|stop| *stop) => return Ok(payments),
            }
        }
    }
}

/// Waits until all that may leave has left.
async fn settle(running: &Running) -> Result<(), HistoryError> {
    let begun = Instant::now();
    loop {
        let read = running
            .engine
            .read(|state, _| state.payments.len() + state.repeats.len());
        let kept = read.await?.answer;
        if kept == 0 {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            return Err(HistoryError::Stays(kept));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn make(args: &Args, running: &Running) -> Result<World, HistoryError> {
    let begun = Instant::now();
    let people = super::engine::Args {
        reserve_mib: 0,
        subscribers: args.subscribers,
        merchants: args.merchants,
        payers: args.payers,
        batch: None,
        in_flight: args.in_flight,
        seconds: 0,
        only: true,
        data: args.data.clone(),
        json: args.json,
    };
    let mut maker = Maker::begin(&running.engine, &people).await?;
    maker.add_lines().await?;
    maker.add_balances().await?;
    let world = maker.add_mandates().await?;
    eprintln!(
        "{} subscribers, {} merchants and {} payers in {:.1} s",
        args.subscribers,
        args.merchants,
        args.payers,
        begun.elapsed().as_secs_f64()
    );
    Ok(world)
}

/// What the files of such a name take of the disk.
fn size(folder: &Path, name: &str) -> Result<u64, HistoryError> {
    let mut bytes = 0;
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with(name) {
            bytes += file.metadata()?.len();
        }
    }
    Ok(bytes)
}

async fn open(core: Core, stores: &Stores) -> Result<Running, HistoryError> {
    let journal = stores.journal().await?;
    Ok(start(core, journal, Options::default(), random, |_| ())?)
}

/// Stops the engine and gets its state back.
async fn close(running: Running) -> Result<Core, HistoryError> {
    running.engine.stop();
    let (stopped, thread) = running.into_parts();
    let reason = stopped.await.unwrap_or(StopReason::Panicked);
    let core = tokio::task::spawn_blocking(move || thread.join()).await;
    match (reason, core) {
        (StopReason::Asked, Ok(Ok(Some(core)))) => Ok(core),
        (reason, _) => Err(HistoryError::Stopped(reason)),
    }
}
