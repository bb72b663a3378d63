//! Old rows leave a journal for files: in which steps, and how far they may.
//!
//! ```text
//!   export ──▶ files, synced ──▶ exported: read back, chain whole, its end the journal's row? ──▶ whoever calls takes rows out, oldest first
//! ```
//! **Invariant:** cut off between any two of these steps, or within one, every row is in the journal or in a sound file, and the next
//! try goes on. **Not here:** which rows a start, the views or the archive still need, and the taking out.

use paytone_domain::time::Timestamp;
use paytone_journal::{
    JournalReader, ReadError, Row, WithExports,
    exports::{ExportError, Exports, Segment},
};

use crate::{Batch, BatchError};

const ROWS: usize = 1_024;
const BYTES: usize = 8 << 20;

#[derive(Debug, thiserror::Error)]
pub enum TrimError {
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error("{0}: it is not of this journal; nothing was taken out")]
    Foreign(String),
    #[error("batch {seq}: {error}")]
    Batch { seq: u64, error: BatchError },
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Which rows may leave.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Those decided before then.
    pub before: Timestamp,
    /// None after this one.
    pub most: u64,
    /// A file is about that long.
    pub file_bytes: u64,
}

/// What was written out.
#[derive(Clone, Debug, Default)]
pub struct Exported {
    pub rows: u64,
    pub files: Vec<Segment>,
    /// Whether a row that is old enough stays for the limit's sake.
    pub is_held: bool,
}

/// The last row that left before.
async fn gone<R: JournalReader>(journal: &mut WithExports<R>) -> Result<u64, TrimError> {
    match journal.read(0, 1, 1).await {
        Ok(_) | Err(ReadError::Trimmed { .. }) => Ok(journal.trimmed()),
        Err(error) => Err(error.into()),
    }
}

/// The files of rows that have not all left.
fn waiting(exports: &Exports, gone: u64) -> Result<Vec<Segment>, ExportError> {
    let mut segments = exports.list()?;
    segments.retain(|segment| segment.last > gone);
    Ok(segments)
}

/// Writes rows that are in no file yet into files. `progress` is told how far it got.
pub async fn export<R: JournalReader>(
    journal: &mut WithExports<R>,
    exports: &Exports,
    limit: Limit,
    progress: impl Fn(u64),
) -> Result<Exported, TrimError> {
    let gone = gone(journal).await?;
    let earlier = waiting(exports, gone)?;
    let mut after = earlier.last().map_or(gone, |segment| segment.last);
    let mut exported = Exported::default();
    let mut writing = exports.begin(after + 1)?;
    'rows: loop {
        let rows = journal.read(after, ROWS, BYTES).await?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let batch = Batch::decode(&row.body).map_err(|error| TrimError::Batch {
                seq: row.seq,
                error,
            })?;
            if batch.moment.now >= limit.before {
                break 'rows;
            }
            if row.seq > limit.most {
                exported.is_held = true;
                break 'rows;
            }
            writing.put(&row)?;
            after = row.seq;
            exported.rows += 1;
            if writing.bytes() >= limit.file_bytes {
                exported.files.extend(writing.finish()?);
                writing = exports.begin(after + 1)?;
            }
        }
        progress(after);
    }
    exported.files.extend(writing.finish()?);
    Ok(exported)
}

/// Up to which row files have all that is to leave, and up to which they have left already. Every file of the first is read
/// back, those of an earlier try as well.
pub async fn exported<R: JournalReader>(
    journal: &mut WithExports<R>,
    exports: &Exports,
) -> Result<(u64, u64), TrimError> {
    let gone = gone(journal).await?;
    let mut next = gone + 1;
    for segment in waiting(exports, gone)? {
        let foreign = || TrimError::Foreign(segment.path.display().to_string());
        if segment.first > next {
            return Err(foreign());
        }
        let end = segment.check()?;
        let row = row(journal, segment.last).await?;
        if row.is_none_or(|row| row.tip() != end) {
            return Err(foreign());
        }
        next = segment.last + 1;
    }
    Ok((next - 1, gone))
}

async fn row<R: JournalReader>(
    journal: &mut WithExports<R>,
    seq: u64,
) -> Result<Option<Row>, ReadError> {
    let mut rows = journal.read(seq - 1, 1, 1).await?;
    Ok(rows.pop().filter(Row::hash_fits))
}
