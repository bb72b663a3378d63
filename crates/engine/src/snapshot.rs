//! Snapshots: the state at a row of the journal, written beside the engine and loaded by the next start.
//!
//! ```text
//!   make:  newest snapshot + tail ──▶ a Core of its own ──▶ header │ chunk │ chunk │ …
//!   load:  header ─▶ is that row in the journal? ─▶ chunks, read on several threads ─▶ State ─▶ digest ─▶ Core
//! ```
//! **Invariants:** what was loaded has the digest it was written with, and the row it was made at is in the journal with that
//! very hash. The running engine does nothing for it. **Not here:** when one is made, where pages are kept.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
};

use minicbor::{Decode, Encode};
use paytone_domain::{
    LEVEL, State,
    ids::KeyringFingerprint,
    stored::{Chunk, Restoring, StoredError},
    time::{BusinessDate, Moment},
};
use paytone_journal::{
    Hash, JournalReader, ReadError, Snapshots, Tip,
    snapshots::{Listed, Page, SnapshotsError},
};

use crate::{
    Core, digest,
    replay::{ReplayError, Restart, restart},
};

/// The form of a header and of what follows it. A release reads this one and no later one.
const FORMAT: u32 = 1;
/// How long a chunk is, about.
const CHUNK_BYTES: usize = 1 << 20;
/// Threads that read chunks, at most.
const READERS: usize = 4;
/// Chunks that wait for each of them.
const WAITING: usize = 4;
/// Below this a thread would take longer to start than to read.
const WORTH_THREADS: u64 = 4 << 20;

/// What stands before the state.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Header {
    #[n(0)]
    format: u32,
    /// Of the journal's events.
    #[n(1)]
    level: u32,
    #[n(2)]
    pub keyring: Option<KeyringFingerprint>,
    #[n(3)]
    pub seq: u64,
    #[cbor(n(4), with = "minicbor::bytes")]
    hash: [u8; 32],
    #[n(5)]
    epoch: u64,
    /// Engine time of that row.
    #[n(6)]
    pub moment: Moment,
    #[cbor(n(7), with = "minicbor::bytes")]
    pub digest: [u8; 32],
}

/// Why a snapshot is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A later release wrote it.
    #[error(
        "it is of format {format} and level {level}, and this release knows {FORMAT} and {LEVEL}"
    )]
    Later { format: u32, level: u32 },
    #[error("its header cannot be read: {0}")]
    Header(String),
    #[error(transparent)]
    Store(#[from] SnapshotsError),
    #[error("{0}")]
    State(#[from] StoredError),
    /// The journal ends before it, or is another one.
    #[error("row {0} of the journal is not the row that it was made at")]
    NotInJournal(u64),
    #[error("its keyring is not the one that its state names")]
    Keyring,
    #[error("what was loaded has another digest")]
    Digest,
}

impl Unfit {
    /// A stable name for logs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Later { .. } => "snapshot_later",
            Self::Header(_) => "snapshot_header",
            Self::Store(error) => error.code(),
            Self::State(error) => error.code(),
            Self::NotInJournal(_) => "snapshot_not_in_journal",
            Self::Keyring => "snapshot_keyring",
            Self::Digest => "snapshot_digest",
        }
    }

    /// Whether it will be of no use to anybody at any time.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        !matches!(
            self,
            Self::Later { .. } | Self::Store(SnapshotsError::Unavailable(_) | SnapshotsError::Busy)
        )
    }
}

impl Header {
    fn of(state: &State, tip: Tip, moment: Moment) -> Self {
        Self {
            format: FORMAT,
            level: state.level(),
            keyring: keyring(state),
            seq: tip.seq,
            hash: *tip.hash.as_bytes(),
            epoch: tip.epoch,
            moment,
            digest: digest(state),
        }
    }

    fn read(bytes: &[u8]) -> Result<Self, Unfit> {
        let wrong = |error: minicbor::decode::Error| Unfit::Header(error.to_string());
        let mut d = minicbor::Decoder::new(bytes);
        let fields = d.array().map_err(wrong)?;
        let format = d.u32().map_err(wrong)?;
        if fields.is_none() || format == 0 {
            return Err(Unfit::Header("it is not a header".to_owned()));
        }
        if format > FORMAT {
            return Err(Unfit::Later { format, level: 0 });
        }
        let header: Self = minicbor::decode(bytes).map_err(wrong)?;
        if header.level > LEVEL {
            let level = header.level;
            return Err(Unfit::Later { format, level });
        }
        Ok(header)
    }

    /// The row that it was made at.
    #[must_use]
    pub fn tip(&self) -> Tip {
        Tip {
            seq: self.seq,
            hash: Hash::from_bytes(self.hash),
            epoch: self.epoch,
        }
    }
}

fn keyring(state: &State) -> Option<KeyringFingerprint> {
    state.settings.as_ref().map(|settings| settings.keyring)
}

/// What a snapshot says of itself.
pub async fn header(snapshots: &Snapshots, listed: &Listed) -> Result<Header, Unfit> {
    let mut pages = snapshots.open(listed).await?;
    let first = pages.next().await?;
    let first = first.ok_or_else(|| Unfit::Header("it is empty".to_owned()))?;
    Header::read(first.check()?)
}

/// Whether the row it was made at is in this journal.
pub async fn is_in(header: &Header, journal: &mut impl JournalReader) -> Result<bool, ReadError> {
    let Some(before) = header.seq.checked_sub(1) else {
        return Ok(false);
    };
    let rows = journal.read(before, 1, 1).await?;
    Ok(rows
        .first()
        .is_some_and(|row| row.tip() == header.tip() && row.hash_fits()))
}

/// Loads one and checks its digest. `seen` is told how many of its bytes were read.
pub async fn load(
    snapshots: &Snapshots,
    listed: &Listed,
    mut seen: impl FnMut(u64),
) -> Result<Core, Unfit> {
    let mut pages = snapshots.open(listed).await?;
    let first = pages.next().await?;
    let first = first.ok_or_else(|| Unfit::Header("it is empty".to_owned()))?;
    let header = Header::read(first.check()?)?;
    let mut restoring = Restoring::of(listed.bytes);
    let mut read = first.stored_bytes();
    let mut readers = Readers::start(listed.bytes);
    while let Some(page) = pages.next().await? {
        read += page.stored_bytes();
        if let Some(chunk) = readers.give(page) {
            restoring.take(chunk?)?;
        }
        seen(read);
    }
    while let Some(chunk) = readers.rest() {
        restoring.take(chunk?)?;
    }
    let state = restoring.finish()?;
    if keyring(&state) != header.keyring {
        return Err(Unfit::Keyring);
    }
    if digest(&state) != header.digest {
        return Err(Unfit::Digest);
    }
    Ok(Core::restored(state, header.tip(), header.moment))
}

type ReadChunk = Result<Chunk, Unfit>;

fn read(page: &Page) -> ReadChunk {
    Ok(Chunk::read(page.check()?)?)
}

/// Threads that check and read pages; what they read comes back in the order of the pages.
struct Readers {
    threads: Vec<(SyncSender<Page>, Receiver<ReadChunk>)>,
    /// Which thread has which page, oldest first.
    given: VecDeque<usize>,
    next: usize,
}

impl Readers {
    fn start(bytes: u64) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let count = if bytes < WORTH_THREADS {
            0
        } else {
            cores.min(READERS)
        };
        let threads = (0..count).filter_map(|_| {
            let (pages, to_read) = sync_channel::<Page>(WAITING);
            let (chunks, done) = sync_channel(WAITING);
            let work = move || {
                for page in to_read {
                    if chunks.send(read(&page)).is_err() {
                        return;
                    }
                }
            };
            let started = std::thread::Builder::new().name("chunks".to_owned());
            started.spawn(work).ok()?;
            Some((pages, done))
        });
        Self {
            threads: threads.collect(),
            given: VecDeque::new(),
            next: 0,
        }
    }

    /// Gives one more page, and gives back the oldest that is read if enough are under way.
    fn give(&mut self, page: Page) -> Option<ReadChunk> {
        if self.threads.is_empty() {
            return Some(read(&page));
        }
        let oldest = if self.given.len() == self.threads.len() * WAITING {
            self.rest()
        } else {
            None
        };
        self.next = (self.next + 1) % self.threads.len();
        let (pages, _) = &self.threads[self.next];
        if pages.send(page).is_ok() {
            self.given.push_back(self.next);
            oldest
        } else {
            Some(Err(gone()))
        }
    }

    /// The oldest that is under way.
    fn rest(&mut self) -> Option<ReadChunk> {
        let thread = self.given.pop_front()?;
        let (_, chunks) = &self.threads[thread];
        Some(chunks.recv().unwrap_or_else(|_| Err(gone())))
    }
}

fn gone() -> Unfit {
    Unfit::Store(SnapshotsError::Unavailable(
        "a thread that read it is gone".to_owned(),
    ))
}

/// Why none was made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Store(#[from] SnapshotsError),
    #[error("there is nothing in the journal yet")]
    Empty,
    #[error("the thread that writes it is gone")]
    Gone,
}

impl MakeError {
    /// A stable name for logs and answers.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Replay(_) => "journal_unavailable",
            Self::Store(error) => error.code(),
            Self::Empty => "journal_empty",
            Self::Gone => "snapshot_failed",
        }
    }
}

/// One that was made, or was there already.
#[derive(Clone, Debug)]
pub struct Made {
    pub listed: Listed,
    pub is_new: bool,
    /// Rows and events between the one before and this one.
    pub rows: u64,
    pub events: u64,
}

/// Which snapshots stay when there is a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// So many of the newest, for starts.
    pub newest: usize,
    /// And the last of each of so many business dates, the newest one's first, for those who look back.
    pub days: u32,
}

/// A start that finds the newest damaged has another one.
impl Default for Keep {
    fn default() -> Self {
        Self { newest: 2, days: 0 }
    }
}

impl Keep {
    /// Drops the others.
    async fn apply(self, snapshots: &Snapshots) -> Result<(), SnapshotsError> {
        let listed = snapshots.list().await?;
        if listed.len() <= self.newest {
            return Ok(());
        }
        let mut wanted: BTreeSet<u64> = listed
            .iter()
            .take(self.newest)
            .map(|listed| listed.seq)
            .collect();
        let mut of_date: BTreeSet<BusinessDate> = BTreeSet::new();
        let mut first: Option<BusinessDate> = None;
        let looked_at = if self.days == 0 { 0 } else { listed.len() };
        for listed in &listed[..looked_at] {
            let date = match header(snapshots, listed).await {
                Ok(header) => header.moment.date,
                Err(Unfit::Store(error @ SnapshotsError::Unavailable(_))) => return Err(error),
                // Of no use to anybody who looks back.
                Err(_) => continue,
            };
            let back = i64::from(first.get_or_insert(date).0) - i64::from(date.0);
            // The list begins with the newest, so the first that is met of a date is its last.
            if back < i64::from(self.days) && of_date.insert(date) {
                wanted.insert(listed.seq);
            }
        }
        snapshots
            .keep_only(|listed| wanted.contains(&listed.seq))
            .await
    }
}

/// Makes one at the end of the journal, from the newest there is and what came after it.
pub async fn make(
    journal: &mut impl JournalReader,
    snapshots: &Snapshots,
    seen: impl FnMut(crate::replay::Progress),
) -> Result<Made, MakeError> {
    make_keeping(journal, snapshots, Keep::default(), seen).await
}

/// The same, with a say in which of the others stay.
pub async fn make_keeping(
    journal: &mut impl JournalReader,
    snapshots: &Snapshots,
    keep: Keep,
    seen: impl FnMut(crate::replay::Progress),
) -> Result<Made, MakeError> {
    let end = journal.last().await.map_err(ReplayError::from)?;
    let newest = snapshots.list().await?.into_iter().next();
    if let (Some(listed), Some(end)) = (&newest, end)
        && listed.seq == end.seq
        && header(snapshots, listed)
            .await
            .is_ok_and(|header| header.tip() == end)
    {
        return Ok(Made {
            listed: listed.clone(),
            is_new: false,
            rows: 0,
            events: 0,
        });
    }
    let Restart {
        core, rows, events, ..
    } = restart(journal, Some(snapshots), seen).await?;
    let listed = write_keeping(core, snapshots, keep).await?;
    Ok(Made {
        listed,
        is_new: true,
        rows,
        events,
    })
}

/// Writes what `core` holds, which is all durable.
pub async fn write(core: Core, snapshots: &Snapshots) -> Result<Listed, MakeError> {
    write_keeping(core, snapshots, Keep::default()).await
}

async fn write_keeping(core: Core, snapshots: &Snapshots, keep: Keep) -> Result<Listed, MakeError> {
    let tip = core.tip().ok_or(MakeError::Empty)?;
    let mut writing = snapshots.begin(tip.seq).await?;
    let (pages, to_write) = sync_channel::<Vec<u8>>(WAITING);
    // One thread says what the state is while this one sees to it that it is kept.
    let thread: JoinHandle<bool> = std::thread::Builder::new()
        .name("snapshot".to_owned())
        .spawn(move || {
            let header = Header::of(core.state(), tip, *core.moment());
            let header = minicbor::to_vec(header).expect("writing to memory does not fail");
            let send = |page: &[u8]| pages.send(page.to_vec());
            send(&header)
                .and_then(|()| core.state().write(CHUNK_BYTES, send))
                .is_ok()
        })
        .map_err(|_| MakeError::Gone)?;
    for page in to_write {
        writing.put(&page).await?;
    }
    match thread.join() {
        Ok(true) => {
            let listed = writing.finish().await?;
            keep.apply(snapshots).await?;
            Ok(listed)
        }
        Ok(false) | Err(_) => Err(MakeError::Gone),
    }
}
