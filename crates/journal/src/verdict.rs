//! What an append is worth, given what the journal holds: one judgement for every implementation.

use crate::row::{Hash, Row, Tip};
use crate::store::AppendError;

/// What is to be done with an offered row.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It follows the last row.
    Fits,
    /// This very row is already there: a repeat.
    AlreadyThere,
    /// It cannot be appended.
    Refused(AppendError),
}

/// Judges `row` by the hash of the row that has its position and by the row before that position.
pub fn judge(row: &Row, held: Option<Hash>, before: Option<Tip>) -> Verdict {
    if let Some(held) = held {
        if held == row.hash {
            return Verdict::AlreadyThere;
        }
        return Verdict::Refused(AppendError::Conflict {
            seq: row.seq,
            held,
            offered: row.hash,
        });
    }
    let broken =
        |why: String| Verdict::Refused(AppendError::Broken(format!("row {}: {why}", row.seq)));
    let (expected_hash, least_epoch) = match (row.seq, before) {
        (0, _) => return broken("positions count from 1".to_owned()),
        (1, _) => (Hash::GENESIS, 0),
        (_, None) => return broken("the row before it is not there".to_owned()),
        (_, Some(tip)) => (tip.hash, tip.epoch),
    };
    if row.previous_hash != expected_hash {
        return broken(format!(
            "it is chained to {}, and the row before it has {expected_hash}",
            row.previous_hash
        ));
    }
    if row.epoch < least_epoch {
        return broken(format!(
            "its epoch {} is older than {least_epoch} of the row before it",
            row.epoch
        ));
    }
    Verdict::Fits
}
