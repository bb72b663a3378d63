//! The rows of a journal in order, some at a time, each with its chain checked and its batch decoded.
//!
//! **Not here:** what is made of them; a start, which reads ahead on another thread ([`mod@crate::replay`]).

use paytone_journal::{ChainVerifier, JournalReader, Row, Tip};

use crate::{Batch, replay::ReplayError};

const ROWS: usize = 1_024;
const BYTES: usize = 8 << 20;

/// A way through a journal.
#[derive(Debug)]
pub struct Walk {
    /// Begins with the first row that is met where nothing is known of the one before.
    chain: Option<ChainVerifier>,
    after: u64,
    end: u64,
}

impl Walk {
    /// The rows after `tip`, which somebody has taken in, up to `end`.
    #[must_use]
    pub fn after(tip: Option<Tip>, end: u64) -> Self {
        Self {
            chain: Some(ChainVerifier::after(tip)),
            after: tip.map_or(0, |tip| tip.seq),
            end,
        }
    }

    /// The rows after a position, up to `end`.
    #[must_use]
    pub fn from(after: u64, end: u64) -> Self {
        Self {
            chain: (after == 0).then(ChainVerifier::new),
            after,
            end,
        }
    }

    /// The last row that was given.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.after
    }

    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The next ones; none once all were given.
    pub async fn next(
        &mut self,
        journal: &mut impl JournalReader,
    ) -> Result<Vec<(Row, Batch)>, ReplayError> {
        if self.after >= self.end {
            return Ok(Vec::new());
        }
        let rows = journal.read(self.after, ROWS, BYTES).await?;
        let mut next = Vec::with_capacity(rows.len());
        for row in rows.into_iter().take_while(|row| row.seq <= self.end) {
            let chain = self.chain.get_or_insert_with(|| {
                ChainVerifier::after(Some(Tip {
                    seq: row.seq - 1,
                    epoch: 0,
                    hash: row.previous_hash,
                }))
            });
            chain.accept(&row)?;
            let batch = Batch::decode(&row.body).map_err(|error| ReplayError::Batch {
                seq: row.seq,
                error,
            })?;
            self.after = row.seq;
            next.push((row, batch));
        }
        Ok(next)
    }
}
