//! A copy of a journal in a file of its own, whatever store it comes from.
//!
//! **Invariant:** every row that is read is checked against the chain, and what is in the file once this is done is synced. The
//! original may go on growing meanwhile. **Not here:** what a row means; other stores' tables.

use std::path::Path;

use sqlx::Connection as _;

use crate::{
    chain::{ChainError, ChainVerifier},
    row::{Row, Tip},
    sqlite,
    store::{JournalReader, OpenError, ReadError},
};

const ROWS: usize = 1_024;
const BYTES: usize = 8 << 20;

/// Why there is no copy. What was written of it is of no use.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// Disk full and the like.
    #[error("the copy cannot be written: {0}")]
    Write(String),
}

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    Keep,
    /// Only checked, like all that follow.
    Leave,
}

/// The ends of what was read and of what was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    pub read: Option<Tip>,
    pub kept: Option<Tip>,
}

/// Copies the rows up to position `through` into a new file at `to`; `take` sees each of them in order.
pub async fn copy(
    from: &mut impl JournalReader,
    through: u64,
    to: &Path,
    mut take: impl FnMut(&Row) -> Take,
) -> Result<Copied, CopyError> {
    let failed = |error: sqlx::Error| CopyError::Write(error.to_string());
    let mut file = sqlite::FORMAT.open_or_create(to).await?;
    let mut chain = ChainVerifier::new();
    let (mut kept, mut after, mut keeping) = (None, 0, true);
    while after < through {
        let rows = from.read(after, ROWS, BYTES).await?;
        if rows.is_empty() {
            break;
        }
        let mut transaction = file.begin().await.map_err(failed)?;
        for row in rows.into_iter().take_while(|row| row.seq <= through) {
            chain.accept(&row)?;
            after = row.seq;
            keeping = take(&row) == Take::Keep && keeping;
            if keeping {
                let (seq, epoch) = (row.seq.cast_signed(), row.epoch.cast_signed());
                let done = sqlite::insert(&mut transaction, seq, epoch, &row)
                    .await
                    .map_err(failed)?;
                if done.rows_affected() != 1 {
                    return Err(CopyError::Write("a row does not fit the copy".to_owned()));
                }
                kept = Some(row.tip());
            }
        }
        transaction.commit().await.map_err(failed)?;
    }
    // The log goes into the file, so that one file is all there is.
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut file)
        .await
        .map_err(failed)?;
    file.close().await.map_err(failed)?;
    Ok(Copied {
        read: chain.tip(),
        kept,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{memory::MemoryJournal, sqlite::SqliteJournal, store::Journal as _};

    fn rows(count: u8) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for number in 0..count {
            let tip = rows.last().map(Row::tip);
            rows.push(Row::seal(tip, 1, [number; 16], vec![number; 9]));
        }
        rows
    }

    #[tokio::test]
    async fn what_is_kept_is_a_journal_and_what_is_left_is_checked_all_the_same() {
        let mut original = MemoryJournal::default();
        let rows = rows(9);
        for row in &rows {
            original.append(row).await.expect("it fits");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("copy.sqlite");
        let mut seen = 0;
        let copied = copy(&mut original, 8, &path, |row| {
            seen += 1;
            if row.seq <= 5 {
                Take::Keep
            } else {
                Take::Leave
            }
        })
        .await
        .expect("a copy");
        assert_eq!(
            (copied.read, copied.kept),
            (Some(rows[7].tip()), Some(rows[4].tip()))
        );
        assert_eq!(seen, 8);
        let mut reader = SqliteJournal::reader(&path).await.expect("a journal");
        assert_eq!(reader.read(0, 100, 1 << 20).await.expect("rows"), rows[..5]);
        // It goes on from there.
        let mut journal = SqliteJournal::open(&path).await.expect("a journal");
        journal.append(&rows[5]).await.expect("it fits");
    }
}
