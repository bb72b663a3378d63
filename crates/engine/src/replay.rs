//! Start-up: the state that the journal's rows make, from the newest snapshot that fits or from the first row.
//!
//! **Invariant:** whatever a start begins with, it ends with the state that all rows make: a snapshot that does not fit is set
//! aside, and the one before it or the whole journal is used. **Not here:** repair.

use std::{
    future::poll_fn,
    pin::pin,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    task::Poll,
};

use paytone_journal::{
    ChainError, ChainVerifier, JournalReader, ReadError, Row, Snapshots, Tip, snapshots::Listed,
};

use crate::{
    Batch, Core,
    batch::BatchError,
    snapshot::{self, Header, Unfit},
};

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("batch {seq}: {error}")]
    Batch { seq: u64, error: BatchError },
}

const ROWS: usize = 1_024;
const BYTES: usize = 16 << 20;

/// How far a start got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Bytes of the snapshot.
    Loading { bytes: u64, of: u64 },
    /// The position that was replayed, where it began and where the journal ends.
    Replaying { from: u64, seq: u64, end: u64 },
}

/// What a start made.
pub struct Restart {
    pub core: Core,
    /// The position of the snapshot it began with.
    pub snapshot: Option<u64>,
    /// What was replayed after it.
    pub rows: u64,
    pub events: u64,
}

/// The state at the journal's end, by the newest of `snapshots` that fits and the rows after it.
pub async fn restart(
    journal: &mut impl JournalReader,
    snapshots: Option<&Snapshots>,
    mut seen: impl FnMut(Progress),
) -> Result<Restart, ReplayError> {
    let end = journal.last().await?.map_or(0, |tip| tip.seq);
    let core = match snapshots {
        Some(snapshots) => newest(journal, snapshots, |_| true, &mut seen).await?,
        None => None,
    };
    let snapshot = core.as_ref().and_then(Core::tip).map(|tip| tip.seq);
    let from = snapshot.unwrap_or(0);
    let (mut rows, mut events) = (0, 0);
    let core = replay_after(core.unwrap_or_default(), journal, |seq, batch| {
        rows += 1;
        let counted = batch.items.iter().map(|item| item.events.len() as u64);
        events += counted.sum::<u64>();
        let end = end.max(seq);
        seen(Progress::Replaying { from, seq, end });
    })
    .await?;
    Ok(Restart {
        core,
        snapshot,
        rows,
        events,
    })
}

/// The newest snapshot that is `wanted` and fits the journal; those that never will are set aside.
pub async fn newest(
    journal: &mut impl JournalReader,
    snapshots: &Snapshots,
    wanted: impl Fn(&Header) -> bool,
    mut seen: impl FnMut(Progress),
) -> Result<Option<Core>, ReadError> {
    let listed = match snapshots.list().await {
        Ok(listed) => listed,
        Err(error) => {
            tracing::warn!(%error, "snapshots cannot be listed; the whole journal is replayed");
            return Ok(None);
        }
    };
    for listed in listed {
        match fitting(journal, snapshots, &listed, &wanted, &mut seen).await? {
            Ok(Some(core)) => return Ok(Some(core)),
            Ok(None) => {}
            Err(unfit) => {
                let (code, name) = (unfit.code(), &listed.name);
                tracing::warn!(code, %name, why = %unfit, "a snapshot is not used");
                if unfit.is_lasting()
                    && let Err(error) = snapshots.set_aside(&listed).await
                {
                    tracing::warn!(%name, %error, "it cannot be set aside");
                }
            }
        }
    }
    Ok(None)
}

async fn fitting(
    journal: &mut impl JournalReader,
    snapshots: &Snapshots,
    listed: &Listed,
    wanted: impl Fn(&Header) -> bool,
    mut seen: impl FnMut(Progress),
) -> Result<Result<Option<Core>, Unfit>, ReadError> {
    let header = match snapshot::header(snapshots, listed).await {
        Ok(header) => header,
        Err(unfit) => return Ok(Err(unfit)),
    };
    if !wanted(&header) {
        return Ok(Ok(None));
    }
    // Before anything large is read: a journal brought back to an earlier moment has other rows.
    if header.seq != listed.seq || !snapshot::is_in(&header, journal).await? {
        return Ok(Err(Unfit::NotInJournal(listed.seq)));
    }
    let of = listed.bytes;
    let told = |bytes: u64| seen(Progress::Loading { bytes, of });
    Ok(snapshot::load(snapshots, listed, told).await.map(Some))
}

/// Reads every row, checks the chain, and applies it. `seen` is shown each batch with its position, for progress and for
/// whoever derives something else from it.
pub async fn replay(
    journal: &mut impl JournalReader,
    seen: impl FnMut(u64, &Batch),
) -> Result<Core, ReplayError> {
    replay_after(Core::new(), journal, seen).await
}

/// The same for the rows after those that `core` has taken in.
pub async fn replay_after(
    mut core: Core,
    journal: &mut impl JournalReader,
    mut seen: impl FnMut(u64, &Batch),
) -> Result<Core, ReplayError> {
    let mut after = core.tip().map_or(0, |tip| tip.seq);
    let mut reader: Option<Reader> = None;
    let mut chain = ChainVerifier::after(core.tip());
    let mut rows = journal.read(after, ROWS, BYTES).await?;
    loop {
        let is_end = rows.is_empty();
        after = rows.last().map_or(after, |row| row.seq);
        // A long journal is read on one thread while another applies what was read before.
        let decoded = match &mut reader {
            Some(reader) => reader.exchange(rows),
            None if rows.len() == ROWS => {
                reader = Reader::start(chain.clone());
                match &mut reader {
                    Some(reader) => reader.exchange(rows),
                    None => Some(decode(&mut chain, rows)),
                }
            }
            None => Some(decode(&mut chain, rows)),
        };
        let decoded = decoded.transpose()?.unwrap_or_default();
        let mut apply = |(tip, batch): (Tip, Batch)| {
            core.take(tip, &batch);
            seen(tip.seq, &batch);
        };
        if is_end {
            decoded.into_iter().for_each(apply);
            return Ok(core);
        }
        let mut reading = pin!(journal.read(after, ROWS, BYTES));
        let mut decoded = decoded.into_iter();
        // The database goes on reading: it stops where nobody takes what it has found.
        let read = poll_fn(|context| {
            let mut read = Poll::Pending;
            for batch in decoded.by_ref() {
                apply(batch);
                if read.is_pending() {
                    read = reading.as_mut().poll(context);
                }
            }
            match read {
                Poll::Pending => reading.as_mut().poll(context),
                ready => ready,
            }
        });
        rows = read.await?;
    }
}

type Decoded = Result<Vec<(Tip, Batch)>, ReplayError>;

fn decode(chain: &mut ChainVerifier, rows: Vec<Row>) -> Decoded {
    let decoded = rows.into_iter().map(|row| {
        chain.accept(&row)?;
        let batch = Batch::decode(&row.body).map_err(|error| ReplayError::Batch {
            seq: row.seq,
            error,
        })?;
        Ok((row.tip(), batch))
    });
    decoded.collect()
}

/// A thread that checks and decodes rows, one read ahead of whoever applies them.
struct Reader {
    rows: SyncSender<Vec<Row>>,
    decoded: Receiver<Decoded>,
    is_under_way: bool,
}

impl Reader {
    fn start(mut chain: ChainVerifier) -> Option<Self> {
        let (rows, to_decode) = sync_channel::<Vec<Row>>(1);
        let (done, decoded) = sync_channel(1);
        let work = move || {
            for rows in to_decode {
                if done.send(decode(&mut chain, rows)).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("decode".to_owned());
        thread.spawn(work).ok()?;
        Some(Self {
            rows,
            decoded,
            is_under_way: false,
        })
    }

    /// Gives it the next rows and takes what became of those before. No rows: nothing more comes.
    fn exchange(&mut self, rows: Vec<Row>) -> Option<Decoded> {
        let gone = || ReadError::Unavailable("the thread that decodes rows is gone".to_owned());
        let is_end = rows.is_empty();
        if !is_end && self.rows.send(rows).is_err() {
            return Some(Err(gone().into()));
        }
        let before = std::mem::replace(&mut self.is_under_way, !is_end);
        let decoded = || self.decoded.recv().unwrap_or_else(|_| Err(gone().into()));
        before.then(decoded)
    }
}
