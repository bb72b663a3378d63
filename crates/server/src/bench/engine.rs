//! `paytone bench engine`: the engine alone, in process, on a journal that is really on disk.
//!
//! One run per batch limit, all on one world and one journal: charges under a mandate go through the driver's own queue, many
//! under way at a time, and each is answered once it is durable. Then the journal is replayed: it must make the same state.
//!
//! **Not here:** HTTP, sealing, views. `paytone bench http` has them.

pub(super) mod load;
mod report;
pub(super) mod world;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use paytone_engine::{Core, Options, ReplayError, Running, StopReason, digest, replay, start};
use paytone_journal::{OpenError, SqliteJournal};

use self::{
    load::LoadError,
    report::{Report, Run},
    world::{Maker, World, WorldError},
};
use crate::node::random;

/// Batch limits of the runs beside the one that was asked for.
const LIMITS: [usize; 3] = [1_000, 100, 1];

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Everybody with a line and money.
    #[arg(long, default_value_t = 1_000_000)]
    pub subscribers: u64,
    /// The first of them gets 30 % of the payments.
    #[arg(long, default_value_t = 1_000)]
    pub merchants: u64,
    /// Subscribers with a device and a mandate: those who pay.
    #[arg(long, default_value_t = 250_000)]
    pub payers: u64,
    /// Most payments of one batch; the engine's own limit unless given.
    #[arg(long)]
    pub batch: Option<usize>,
    /// Payments under way at a time.
    #[arg(long, default_value_t = 4_096)]
    pub in_flight: usize,
    /// MiB of memory taken before payments are measured, as `limits.reserve_mib` does.
    #[arg(long, default_value_t = 4_096)]
    pub reserve_mib: usize,
    /// Seconds per run.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// Leaves the runs with batches limited to 1,000, 100 and 1 out.
    #[arg(long)]
    pub only: bool,
    /// Where the journal is made; a new folder in it is used and removed.
    #[arg(long, default_value = ".")]
    pub data: PathBuf,
    /// One JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    World(#[from] WorldError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("the engine stopped: {0:?}")]
    Stopped(StopReason),
    #[error("the journal makes another state than the engine had")]
    OtherState,
}

/// Runs the loads and prints what they did; fails if a payment was not captured or the journal does not make the same state.
pub async fn run(args: Args) -> Result<(), BenchError> {
    let folder = args
        .data
        .join(format!(".paytone-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let outcome = in_folder(&args, &folder.join("journal.db")).await;
    std::fs::remove_dir_all(&folder)?;
    let report = outcome?;
    if args.json {
        println!("{}", report.json());
    } else {
        println!("{report}");
    }
    Ok(())
}

async fn in_folder(args: &Args, path: &Path) -> Result<Report, BenchError> {
    let most = args.batch.unwrap_or(usize::MAX);
    let running = open(Core::new(), path, most).await?;
    let begun = Instant::now();
    let (world, bytes_per_subscriber) = make(args, &running).await?;
    eprintln!(
        "{} subscribers, {} merchants and {} payers in {:.1} s",
        args.subscribers,
        args.merchants,
        args.payers,
        begun.elapsed().as_secs_f64()
    );
    crate::memory::reserve(args.reserve_mib);
    let world = Arc::new(world);
    let mut core = close(running).await?;
    let mut runs = Vec::new();
    let limits = LIMITS.into_iter().filter(|_| !args.only);
    for limit in std::iter::once(most).chain(limits) {
        let before = bytes(path).await?;
        let running = open(core, path, limit).await?;
        let load = load::Load {
            engine: running.engine.clone(),
            world: Arc::clone(&world),
            // What waits is what a few batches take, so that latency tells of the engine and not of the queue.
            in_flight: args.in_flight.min(limit.saturating_mul(4).max(16)),
            seconds: args.seconds,
        };
        let measured = load.run().await?;
        core = close(running).await?;
        let grown = bytes(path).await?.saturating_sub(before);
        runs.push(Run::of(limit, &measured, grown));
    }
    let live = digest(core.state());
    drop(core);
    let begun = Instant::now();
    let mut journal = SqliteJournal::reader(path).await?;
    let mut events = 0_u64;
    let replayed = replay(&mut journal, |_, batch| {
        let items = batch.items.iter();
        events += items.map(|item| item.events.len() as u64).sum::<u64>();
    });
    let replayed = replayed.await?;
    let took = begun.elapsed();
    if digest(replayed.state()) != live {
        return Err(BenchError::OtherState);
    }
    Ok(Report {
        runs,
        bytes_per_subscriber,
        replayed_events: events,
        replay: took,
    })
}

/// The world, and what one subscriber without a device takes of memory.
async fn make(args: &Args, running: &Running) -> Result<(World, u64), BenchError> {
    let mut maker = Maker::begin(&running.engine, args).await?;
    let before = super::load::resident_bytes();
    maker.add_lines().await?;
    maker.add_balances().await?;
    let grown = super::load::resident_bytes().saturating_sub(before);
    let bytes_per_subscriber = grown / args.subscribers.max(1);
    Ok((maker.add_mandates().await?, bytes_per_subscriber))
}

/// What the journal takes of the disk, once nothing of it is left in SQLite's log.
async fn bytes(path: &Path) -> Result<u64, BenchError> {
    let closed = SqliteJournal::open(path).await?.close().await;
    closed.map_err(std::io::Error::other)?;
    Ok(std::fs::metadata(path)?.len())
}

async fn open(core: Core, path: &Path, limit: usize) -> Result<Running, BenchError> {
    let journal = SqliteJournal::open(path).await?;
    let defaults = Options::default();
    let batch_items = match limit {
        usize::MAX => defaults.batch_items,
        limit => limit,
    };
    let options = Options {
        batch_items,
        ..defaults
    };
    Ok(start(core, journal, options, random, |_| ())?)
}

/// Stops the engine and gets its state back.
async fn close(running: Running) -> Result<Core, BenchError> {
    running.engine.stop();
    let (stopped, thread) = running.into_parts();
    let reason = stopped.await.unwrap_or(StopReason::Panicked);
    let core = tokio::task::spawn_blocking(move || thread.join()).await;
    match (reason, core) {
        (StopReason::Asked, Ok(Ok(Some(core)))) => Ok(core),
        (reason, _) => Err(BenchError::Stopped(reason)),
    }
}
