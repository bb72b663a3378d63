//! Old rows leave the journal for files: by policy, or when somebody asks.
//!
//! ```text
//!   rows before a moment ──▶ exports/FIRST-LAST.rows, synced ──▶ read again from the disk: is its end the journal's row? ──▶ taken out
//!        ╰── never those that a start, the views or the archive still begin with
//! ```
//! **Invariants:** a row leaves only after a file that has it was read back, row by row, and ends with the very hash that the journal has
//! there; and only while a sound snapshot of later exists, so that a start needs nothing that left. Cut off anywhere, nothing is lost
//! and the next try goes on. **Not here:** the steps, which are [`paytone_engine::trimming`]'s; reading exports, which every reader of
//! the journal does by itself.

use paytone_domain::time::Timestamp;
use paytone_engine::{
    snapshot::{self, Unfit},
    trimming::{self, Limit},
};
use paytone_journal::{
    EitherReader, OpenError, ReadError, Snapshots,
    exports::Exports,
    snapshots::{Listed, SnapshotsError},
};

use crate::{
    archive::store,
    config::Config,
    derived::StoreError,
    node::Node,
    past::{self, PastError},
    stores::Stores,
};

/// A file is about that long.
const FILE_BYTES: u64 = 64 << 20;

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Trimmed {
    /// Rows that were exported now.
    pub exported: u64,
    pub files: Vec<String>,
    /// Rows that were taken out now.
    pub removed: u64,
    /// The last row that is not in the journal any more; zero for none.
    pub through: u64,
    /// Who still begins with a row that is old enough to go.
    pub held_by: Option<&'static str>,
}

#[derive(Debug, thiserror::Error)]
pub enum TrimError {
    #[error("the journal is being trimmed already")]
    Busy,
    #[error("another node leads: ask that one")]
    NotLeading,
    #[error(
        "there is no sound snapshot, and rows leave only while a start can do without them: `paytone snapshot` makes one"
    )]
    NoSnapshot,
    #[error(transparent)]
    Rows(#[from] trimming::TrimError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Snapshots(#[from] SnapshotsError),
    #[error("the archive cannot be opened: {0}")]
    Archive(#[from] StoreError),
    #[error("the archive cannot be read: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Past(#[from] PastError),
}

impl TrimError {
    /// A stable name for logs and answers.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy => "trim_busy",
            Self::NotLeading => "not_leading",
            Self::NoSnapshot => "no_snapshot",
            Self::Rows(error) => match error {
                trimming::TrimError::Export(_) => "export_failed",
                trimming::TrimError::Foreign(_) => "export_foreign",
                trimming::TrimError::Batch { .. } => "journal_damaged",
                trimming::TrimError::Read(error) => error.code(),
            },
            Self::Read(error) => error.code(),
            Self::Open(error) => error.code(),
            Self::Snapshots(error) => error.code(),
            Self::Archive(_) | Self::Database(_) => "archive_unavailable",
            Self::Past(_) => "trim_failed",
        }
    }
}

/// Exports what was decided before a moment and takes it out. `progress` is told how far in the journal it got, and how far it goes.
pub async fn trim(
    node: &Node,
    before: Timestamp,
    progress: impl Fn(u64, u64) + Send + 'static,
) -> Result<Trimmed, TrimError> {
    let _one = node.trimming.try_lock().map_err(|_| TrimError::Busy)?;
    if !node.engine.may_act() {
        return Err(TrimError::NotLeading);
    }
    let views = node.views.position();
    let run = move |config: Config| async move {
        let trim = Trim::open(&config, views).await;
        Ok(match trim {
            Ok(mut trim) => trim.run(before, progress).await,
            Err(error) => Err(error),
        })
    };
    past::apart(node.config.clone(), run).await?
}

struct Trim {
    stores: Stores,
    journal: EitherReader,
    exports: Exports,
    /// The last row that may leave, and for whose sake no later one.
    most: (u64, &'static str),
}

impl Trim {
    async fn open(config: &Config, views: u64) -> Result<Self, TrimError> {
        let stores = Stores::of(config)?;
        let mut journal = stores.journal_reader().await?;
        let snapshots = stores.snapshots().await?;
        let mut listed = snapshots.list().await?;
        // Older ones are for those who look back, who read exports.
        listed.truncate(config.snapshot.keep);
        if !any_sound(&mut journal, &snapshots, &listed).await? {
            return Err(TrimError::NoSnapshot);
        }
        let mut session = store::open(&stores.archive()).await?;
        let archive = store::progress(&mut session).await?;
        session.close().await?;
        // The row that each of them is at is compared when they begin again, and so stays.
        let oldest = listed.iter().map(|listed| listed.seq).min();
        let holds = [
            (Some(views), "views"),
            (archive.map(|archive| archive.position), "archive"),
            (oldest, "snapshots"),
        ];
        let holds = holds.into_iter();
        let most = holds
            .filter_map(|(at, who)| Some((at?.saturating_sub(1), who)))
            .min_by_key(|(at, _)| *at)
            .ok_or(TrimError::NoSnapshot)?;
        Ok(Self {
            exports: stores.exports(),
            stores,
            journal,
            most,
        })
    }

    async fn run(
        &mut self,
        before: Timestamp,
        progress: impl Fn(u64, u64),
    ) -> Result<Trimmed, TrimError> {
        let (most, who) = self.most;
        let limit = Limit {
            before,
            most,
            file_bytes: FILE_BYTES,
        };
        let seen = |at| progress(at, most);
        let exported = trimming::export(&mut self.journal, &self.exports, limit, seen).await?;
        let (whole, gone) = trimming::exported(&mut self.journal, &self.exports).await?;
        let through = whole.min(most).max(gone);
        let removed = if through > gone {
            let mut trimmer = self.stores.trimmer().await?;
            trimmer.remove(through, |at| progress(at, through)).await?
        } else {
            0
        };
        let files = exported.files.iter();
        Ok(Trimmed {
            exported: exported.rows,
            files: files.map(|file| file.path.display().to_string()).collect(),
            removed,
            through,
            held_by: exported.is_held.then_some(who),
        })
    }
}

/// Whether one of them can be read whole and is of this journal.
async fn any_sound(
    journal: &mut EitherReader,
    snapshots: &Snapshots,
    listed: &[Listed],
) -> Result<bool, TrimError> {
    for listed in listed {
        let Ok(header) = snapshot::header(snapshots, listed).await else {
            continue;
        };
        if snapshot::is_in(&header, journal).await? && is_whole(snapshots, listed).await.is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn is_whole(snapshots: &Snapshots, listed: &Listed) -> Result<(), Unfit> {
    let mut pages = snapshots.open(listed).await?;
    while let Some(page) = pages.next().await? {
        page.check()?;
    }
    Ok(())
}
