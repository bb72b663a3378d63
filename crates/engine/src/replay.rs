//! Start-up: the state that the journal's rows make.

use paytone_journal::{ChainError, ChainVerifier, JournalReader, ReadError};

use crate::{Batch, Core, batch::BatchError};

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

/// Reads every row, checks the chain, and applies it. `seen` is shown each batch with its position, for progress and for
/// whoever derives something else from it.
pub async fn replay(
    journal: &mut impl JournalReader,
    mut seen: impl FnMut(u64, &Batch),
) -> Result<Core, ReplayError> {
    let mut core = Core::new();
    let mut chain = ChainVerifier::default();
    let mut after = 0;
    loop {
        let rows = journal.read(after, ROWS, BYTES).await?;
        if rows.is_empty() {
            return Ok(core);
        }
        for row in rows {
            chain.accept(&row)?;
            let batch = core.apply(&row).map_err(|error| ReplayError::Batch {
                seq: row.seq,
                error,
            })?;
            seen(row.seq, &batch);
            after = row.seq;
        }
    }
}
