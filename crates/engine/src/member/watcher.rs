//! The thread that reads the journal for a node that follows.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender},
    },
    time::Duration,
};

use paytone_journal::{ChainVerifier, JournalReader, ReadError, Row, Snapshots, Tip};

use super::Seen;
use crate::{
    Core,
    driver::Input,
    lead::Board,
    leadership::{Glance, Uptime, glance},
    replay::newest,
};

const ROWS: usize = 1_024;
const BYTES: usize = 8 << 20;
/// After a failure.
const PAUSE: Duration = Duration::from_millis(200);
/// How often a question that a report rests on is asked.
const TRIES: u32 = 25;

/// What was found after a position.
pub(crate) struct Looked {
    pub began: Uptime,
    pub found: Result<Found, ReadError>,
}

pub(crate) enum Found {
    Nothing,
    Rows(Vec<Row>),
    /// The journal ends before the position, or has another row there.
    Less,
}

type Reloaded = Result<Option<Core>, String>;

pub(super) enum Job {
    /// What comes after.
    Look(Option<Tip>),
    /// The state as of a row; `None` if the row is not there.
    Reload(Option<Tip>, SyncSender<Reloaded>),
    /// Whether a row is there; `None` if that cannot be found out.
    Holds(Tip, SyncSender<Option<bool>>),
    /// Where it ends; `None` if that cannot be found out.
    End(SyncSender<Option<u64>>),
}

pub(super) fn work<R: JournalReader>(
    mut reader: R,
    snapshots: Option<Snapshots>,
    jobs: &Receiver<Job>,
    looked: &SyncSender<Input>,
    board: &Arc<Board>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime for reading");
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Look(tip) => {
                let began = board.clock.now();
                let found = runtime.block_on(look(&mut reader, tip));
                if found.is_err() {
                    std::thread::sleep(PAUSE);
                }
                if looked.send(Input::Looked(Looked { began, found })).is_err() {
                    return;
                }
            }
            Job::Reload(tip, reply) => {
                let core = insist(&mut || {
                    runtime.block_on(state_at(&mut reader, snapshots.as_ref(), tip))
                });
                // The engine may have been told to stop meanwhile.
                let _ = reply.send(core);
            }
            Job::Holds(tip, reply) => {
                let held = insist(&mut || runtime.block_on(holds(&mut reader, tip)));
                let _ = reply.send(held.ok());
            }
            Job::End(reply) => {
                let end = runtime.block_on(reader.last());
                let _ = reply.send(end.ok().map(seq));
            }
        }
    }
}

fn insist<T>(ask: &mut impl FnMut() -> Result<T, Trouble>) -> Result<T, String> {
    let mut tries = 0;
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(Trouble::Passing(why)) if tries < TRIES => {
                tracing::warn!(%why, "the journal cannot be read now");
                tries += 1;
                std::thread::sleep(PAUSE);
            }
            Err(Trouble::Passing(why) | Trouble::Lasting(why)) => return Err(why),
        }
    }
}

enum Trouble {
    Passing(String),
    Lasting(String),
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(why) => Self::Passing(why),
            error => Self::Lasting(error.to_string()),
        }
    }
}

async fn look<R: JournalReader>(reader: &mut R, tip: Option<Tip>) -> Result<Found, ReadError> {
    let end = reader.last().await?;
    Ok(match glance(tip, end) {
        Glance::Same => Found::Nothing,
        Glance::More => Found::Rows(reader.read(seq(tip), ROWS, BYTES).await?),
        Glance::Less => Found::Less,
    })
}

fn seq(tip: Option<Tip>) -> u64 {
    tip.map_or(0, |tip| tip.seq)
}

async fn holds<R: JournalReader>(reader: &mut R, tip: Tip) -> Result<bool, Trouble> {
    let rows = reader.read(tip.seq - 1, 1, 1).await?;
    Ok(rows.first().is_some_and(|row| row.hash == tip.hash))
}

/// By the newest snapshot at or before it that fits, and the rows after that.
async fn state_at<R: JournalReader>(
    reader: &mut R,
    snapshots: Option<&Snapshots>,
    tip: Option<Tip>,
) -> Result<Option<Core>, Trouble> {
    let end = seq(tip);
    let begun = match snapshots {
        Some(snapshots) => newest(reader, snapshots, |header| header.seq <= end, |_| {}).await?,
        None => None,
    };
    let mut core = begun.unwrap_or_default();
    let mut chain = ChainVerifier::after(core.tip());
    while seq(core.tip()) < end {
        let rows = reader.read(seq(core.tip()), ROWS, BYTES).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        for row in rows.into_iter().filter(|row| row.seq <= end) {
            let lasting = |why: String| Trouble::Lasting(why);
            chain
                .accept(&row)
                .map_err(|error| lasting(error.to_string()))?;
            core.apply(&row)
                .map_err(|error| lasting(format!("batch {}: {error}", row.seq)))?;
        }
    }
    let same = core.tip().map(|tip| tip.hash) == tip.map(|tip| tip.hash);
    Ok(same.then_some(core))
}

/// What a person needs to decide about a journal that lacks rows.
pub(super) fn report(tip: Option<Tip>, end: Option<u64>, missing: &[Seen]) -> String {
    let mut report = match tip {
        Some(tip) => format!(
            "the journal went back: this node has taken in row {} with hash {}, and the journal lacks it.",
            tip.seq, tip.hash
        ),
        None => "the journal went back".to_owned(),
    };
    if let Some(end) = end {
        let _ = write!(report, " It ends at row {end} now.");
    }
    if let (Some(first), Some(last)) = (missing.first(), missing.last()) {
        let _ = write!(
            report,
            " Missing are rows {} to {}{}:",
            first.tip.seq,
            last.tip.seq,
            if missing.len() == super::REMEMBERED {
                ", and perhaps earlier ones"
            } else {
                ""
            }
        );
        for seen in missing {
            let _ = write!(
                report,
                "\n  row {} of {} ms since 1970: {} items, epoch {}, hash {}",
                seen.tip.seq, seen.at.0, seen.items, seen.tip.epoch, seen.tip.hash
            );
        }
    }
    report
}
