//! Checks that rows form one unbroken chain.
//!
//! ```text
//!   start ──accept(row 1)──▶ tip 1 ──accept(row 2)──▶ tip 2 ──▶ …
//!              │
//!              └──▶ ChainError: which row, and what about it does not fit
//! ```
//!
//! **Invariant:** what was accepted is exactly what was sealed, in order, none missing, none added. That the *end* is
//! the true end cannot be seen from the rows: compare the tip with one kept elsewhere.

use crate::row::{Hash, Row, Tip};

/// The first row that does not fit, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {seq}: {misfit}")]
pub struct ChainError {
    /// The position the row claims.
    pub seq: u64,
    /// What does not fit.
    pub misfit: Misfit,
}

/// What about a row does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Rows are missing, doubled or out of order.
    #[error("position {expected} was due")]
    Position {
        /// The position that was due.
        expected: u64,
    },
    /// It was chained to another row.
    #[error("it is chained to {found}, and the row before it has {expected}")]
    PreviousHash {
        /// The hash of the row before.
        expected: Hash,
        /// The hash it names.
        found: Hash,
    },
    /// A leadership that had ended wrote it.
    #[error("its epoch {found} is older than {before} of the row before it")]
    Epoch {
        /// The epoch of the row before.
        before: u64,
        /// The epoch it names.
        found: u64,
    },
    /// It was changed after it was sealed.
    #[error("its content does not have the hash it carries")]
    Content,
}

impl ChainError {
    /// A stable name for logs and reports.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self.misfit {
            Misfit::Position { .. } => "chain_position",
            Misfit::PreviousHash { .. } => "chain_previous_hash",
            Misfit::Epoch { .. } => "chain_epoch",
            Misfit::Content => "chain_content",
        }
    }
}

/// Takes rows one at a time and remembers nothing but the end of the chain.
#[derive(Debug, Clone, Default)]
pub struct ChainVerifier {
    tip: Option<Tip>,
}

impl ChainVerifier {
    /// Starts before the first row.
    #[must_use]
    pub const fn new() -> Self {
        Self { tip: None }
    }

    /// Starts after a row that is already trusted, such as the last one under a snapshot.
    #[must_use]
    pub const fn after(tip: Option<Tip>) -> Self {
        Self { tip }
    }

    /// The end of what was accepted.
    #[must_use]
    pub const fn tip(&self) -> Option<Tip> {
        self.tip
    }

    /// Accepts the next row, or says what about it does not fit; a refused row changes nothing.
    pub fn accept(&mut self, row: &Row) -> Result<(), ChainError> {
        match misfit(self.tip, row) {
            Some(misfit) => Err(ChainError {
                seq: row.seq,
                misfit,
            }),
            None => {
                self.tip = Some(row.tip());
                Ok(())
            }
        }
    }
}

/// Checks a whole chain from its first row and returns its end.
pub fn verify_chain(rows: impl IntoIterator<Item = Row>) -> Result<Option<Tip>, ChainError> {
    let mut verifier = ChainVerifier::new();
    for row in rows {
        verifier.accept(&row)?;
    }
    Ok(verifier.tip())
}

fn misfit(tip: Option<Tip>, row: &Row) -> Option<Misfit> {
    let (last_seq, before, expected_hash) =
        tip.map_or((0, 0, Hash::GENESIS), |tip| (tip.seq, tip.epoch, tip.hash));
    let expected = last_seq + 1;
    if row.seq != expected {
        return Some(Misfit::Position { expected });
    }
    if row.previous_hash != expected_hash {
        return Some(Misfit::PreviousHash {
            expected: expected_hash,
            found: row.previous_hash,
        });
    }
    if row.epoch < before {
        return Some(Misfit::Epoch {
            before,
            found: row.epoch,
        });
    }
    (!row.hash_fits()).then_some(Misfit::Content)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Spoil = fn(&mut Vec<Row>);

    fn chain(bodies: &[Vec<u8>]) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for body in bodies {
            let previous = rows.last().map(Row::tip);
            rows.push(Row::seal(previous, 1, [rows.len() as u8; 16], body.clone()));
        }
        rows
    }

    fn four() -> Vec<Row> {
        chain(&[b"a".to_vec(), b"b".to_vec(), b"c".to_vec(), b"d".to_vec()])
    }

    #[test]
    fn an_untouched_chain_gives_its_end() {
        let rows = four();
        let end = rows[3].tip();
        assert_eq!(verify_chain(rows), Ok(Some(end)));
        assert_eq!(verify_chain([]), Ok(None));
    }

    #[test]
    fn each_misfit_is_told_with_its_row() {
        let spoiled: [(Spoil, u64, &str); 6] = [
            (|rows| drop(rows.remove(1)), 3, "chain_position"),
            (|rows| rows.swap(1, 2), 3, "chain_position"),
            (|rows| rows[2].body[0] ^= 1, 3, "chain_content"),
            (
                |rows| rows[1] = Row::seal(Some(rows[0].tip()), 1, [9; 16], b"b".to_vec()),
                3,
                "chain_previous_hash",
            ),
            (
                |rows| rows[3] = Row::seal(Some(rows[2].tip()), 0, [9; 16], b"d".to_vec()),
                4,
                "chain_epoch",
            ),
            (
                |rows| rows[0].previous_hash = Hash::from_bytes([1; 32]),
                1,
                "chain_previous_hash",
            ),
        ];
        for (spoil, seq, code) in spoiled {
            let mut rows = four();
            spoil(&mut rows);
            let error = verify_chain(rows).expect_err(code);
            assert_eq!((error.seq, error.code()), (seq, code), "{error}");
        }
    }

    #[test]
    fn a_verifier_goes_on_after_a_trusted_row() {
        let rows = four();
        let mut verifier = ChainVerifier::after(Some(rows[1].tip()));
        assert!(verifier.accept(&rows[1]).is_err());
        verifier.accept(&rows[2]).expect("the next row");
        assert_eq!(verifier.tip(), Some(rows[2].tip()));
    }

    proptest! {
        #[test]
        fn a_single_changed_bit_is_always_found(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 1..8),
            row in any::<prop::sample::Index>(),
            byte in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            let mut rows = chain(&bodies);
            let row = row.index(rows.len());
            let byte = byte.index(rows[row].body.len());
            rows[row].body[byte] ^= 1 << bit;
            let error = verify_chain(rows).expect_err("a changed bit");
            prop_assert_eq!((error.seq, error.misfit), (row as u64 + 1, Misfit::Content));
        }
    }
}
