//! `paytone bench start`: how long a start takes, from a snapshot and without one.
//!
//! ```text
//!   lines, money, devices, mandates ──▶ journal on disk ─▶ replayed whole ─▶ snapshot ─▶ loaded
//!   charges under mandates ───────────▶ rows after it ──────────────────────▶ loaded and replayed
//! ```
//! Every start is a fresh state in the same process, from files that the kernel may hold in memory. **Not here:** the rest of a
//! node's start: views, deliveries, the directory of names.

mod world;

use std::{
    fmt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use paytone_engine::{
    ReplayError,
    replay::{Progress, Restart, restart},
    snapshot::{self, MakeError},
};
use paytone_journal::{AppendError, OpenError, Snapshots, SqliteJournal};
use serde::Serialize;

use super::load::resident_bytes;
use world::World;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// People with a line, and money
    #[arg(long, default_value_t = 1_000_000)]
    subscribers: u64,
    /// Nobody has money but those who are charged: what a subscriber takes who never pays
    #[arg(long)]
    idle: bool,
    /// Charges under a mandate after the snapshot
    #[arg(long, default_value_t = 200_000)]
    payments: u64,
    /// Subscribers with a device and a mandate, who are charged
    #[arg(long, default_value_t = 10_000)]
    payers: u64,
    /// Journal and snapshot go into a new folder in here, on the disk to measure
    #[arg(long, value_name = "DIR", default_value = ".")]
    data: PathBuf,
    /// One JSON object instead of words
    #[arg(long)]
    json: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot make a folder: {0}")]
    Folder(#[from] std::io::Error),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Make(#[from] MakeError),
    #[error("{step} was answered {answer}")]
    Unexpected { step: &'static str, answer: String },
    #[error("the start did not begin with the snapshot")]
    NotUsed,
}

/// What was measured. Names and units are what `--json` shows.
#[derive(Debug, Serialize)]
struct Report {
    subscribers: u64,
    /// Lines, money, devices and mandates, replayed without a snapshot.
    opening_events: u64,
    opening_events_per_s: u64,
    snapshot_bytes: u64,
    snapshot_write_s: f64,
    /// Until the engine could begin: read, checked, digest compared.
    start_s: f64,
    /// Resident memory of the process after it, with nothing else in it.
    start_rss_mib: u64,
    /// Charges after the snapshot.
    tail_payments: u64,
    tail_events: u64,
    /// Loading and replaying.
    tail_start_s: f64,
    tail_events_per_s: u64,
}

pub async fn run(args: Args) -> Result<(), StartError> {
    let folder = args
        .data
        .join(format!("paytone-bench-start-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let report = measure(&args, &folder).await;
    std::fs::remove_dir_all(&folder)?;
    let report = report?;
    if args.json {
        println!("{}", serde_json::json!(report));
    } else {
        println!("{report}");
    }
    Ok(())
}

/// One start: what it made, how long it took, and how long of that it replayed.
async fn timed(
    journal: &mut SqliteJournal,
    snapshots: Option<&Snapshots>,
) -> Result<(Restart, Duration, Duration), StartError> {
    let begun = Instant::now();
    let mut replaying = None;
    let restart = restart(journal, snapshots, |progress| {
        if matches!(progress, Progress::Replaying { .. }) {
            replaying.get_or_insert_with(Instant::now);
        }
    })
    .await?;
    let replayed = replaying.map_or(Duration::ZERO, |since: Instant| since.elapsed());
    Ok((restart, begun.elapsed(), replayed))
}

fn per_s(count: u64, took: Duration) -> u64 {
    let micros = took.as_micros().max(1);
    u64::try_from(u128::from(count) * 1_000_000 / micros).unwrap_or(u64::MAX)
}

async fn measure(args: &Args, folder: &Path) -> Result<Report, StartError> {
    let mut journal = SqliteJournal::open(&folder.join("journal.sqlite")).await?;
    let snapshots = Snapshots::folder(folder.join("snapshots"));
    let with_money = if args.idle {
        args.payers
    } else {
        args.subscribers
    };
    let world = World::open(&mut journal, args.subscribers, args.payers, with_money).await?;
    // Only what a start makes is in memory while it is measured.
    let charges = world.into_charges();
    let (opening, took, _) = timed(&mut journal, None).await?;
    let (opening_events, opening_took) = (opening.events, took);
    let begun = Instant::now();
    let listed = snapshot::write(opening.core, &snapshots).await?;
    let snapshot_write_s = begun.elapsed().as_secs_f64();
    let (first, start_took, _) = timed(&mut journal, Some(&snapshots)).await?;
    let start_rss_mib = resident_bytes() >> 20;
    if first.snapshot != Some(listed.seq) || first.rows != 0 {
        return Err(StartError::NotUsed);
    }
    world::charge(first.core, &mut journal, &charges, args.payments).await?;
    let (tail, tail_took, replayed) = timed(&mut journal, Some(&snapshots)).await?;
    if tail.snapshot != Some(listed.seq) {
        return Err(StartError::NotUsed);
    }
    Ok(Report {
        subscribers: args.subscribers,
        opening_events,
        opening_events_per_s: per_s(opening_events, opening_took),
        snapshot_bytes: listed.bytes,
        snapshot_write_s,
        start_s: start_took.as_secs_f64(),
        start_rss_mib,
        tail_payments: args.payments,
        tail_events: tail.events,
        tail_start_s: tail_took.as_secs_f64(),
        tail_events_per_s: per_s(tail.events, replayed),
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} subscribers", self.subscribers)?;
        writeln!(
            f,
            "  without a snapshot   {} events replayed, {} events/s",
            self.opening_events, self.opening_events_per_s
        )?;
        writeln!(
            f,
            "  snapshot             {} MB written in {:.2} s",
            self.snapshot_bytes / 1_000_000,
            self.snapshot_write_s
        )?;
        writeln!(
            f,
            "  start from it        {:.2} s, {} MiB resident",
            self.start_s, self.start_rss_mib
        )?;
        write!(
            f,
            "  with {} payments after it   {:.2} s; {} events replayed, {} events/s",
            self.tail_payments, self.tail_start_s, self.tail_events, self.tail_events_per_s
        )
    }
}
