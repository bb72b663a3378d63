//! A row of the journal: one batch, chained by hash to the batch before it.
//!
//! ```text
//!   GENESIS ◀── row 1 ◀── row 2 ◀── row 3
//!               hash = SHA-256(domain ‖ seq ‖ epoch ‖ batch id ‖ previous hash ‖ body)
//! ```
//!
//! **Invariant:** every field except the body has a fixed length and the body comes last, so no two different rows
//! give the same input to the hash. **Not here:** what the body says.

use std::fmt;

use aws_lc_rs::digest;

/// Separates this hash from every other use of SHA-256, and one version of the layout from the next.
const HASH_DOMAIN: &[u8] = b"paytone journal row v1\0";

/// The SHA-256 of a row, or [`Hash::GENESIS`] before the first one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What the first row carries as its previous hash.
    pub const GENESIS: Self = Self([0; 32]);

    /// A hash read from where it was kept.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    /// Lowercase hexadecimal, all 64 digits.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Hash({self})")
    }
}

/// One batch as it stands in the journal.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// Position, counted from 1 without gaps.
    pub seq: u64,
    /// Which leadership wrote it; never less than the row before.
    pub epoch: u64,
    /// Chosen by the writer; tells its batch from another writer's with the same body.
    pub batch_id: [u8; 16],
    /// The hash of row `seq − 1`.
    pub previous_hash: Hash,
    /// The hash of this row.
    pub hash: Hash,
    /// The batch, opaque here.
    pub body: Vec<u8>,
}

impl Row {
    /// Makes the row that follows `previous` (`None`: the first of a journal) and computes its hash.
    #[must_use]
    pub fn seal(previous: Option<Tip>, epoch: u64, batch_id: [u8; 16], body: Vec<u8>) -> Self {
        let seq = previous.map_or(1, |tip| tip.seq + 1);
        let previous_hash = previous.map_or(Hash::GENESIS, |tip| tip.hash);
        let hash = hash_of(seq, epoch, &batch_id, previous_hash, &body);
        Self {
            seq,
            epoch,
            batch_id,
            previous_hash,
            hash,
            body,
        }
    }

    /// Whether `hash` is the hash of the other fields.
    #[must_use]
    pub fn hash_fits(&self) -> bool {
        self.hash
            == hash_of(
                self.seq,
                self.epoch,
                &self.batch_id,
                self.previous_hash,
                &self.body,
            )
    }

    /// The end of the chain when this row is the last.
    #[must_use]
    pub const fn tip(&self) -> Tip {
        Tip {
            seq: self.seq,
            epoch: self.epoch,
            hash: self.hash,
        }
    }
}

impl fmt::Debug for Row {
    /// The body is shown by its length: batches are large and are read by those who can decode them.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Row")
            .field("seq", &self.seq)
            .field("epoch", &self.epoch)
            .field("hash", &self.hash)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The end of a chain: all that is needed to seal or check the next row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// Position of the last row.
    pub seq: u64,
    /// Its epoch.
    pub epoch: u64,
    /// Its hash.
    pub hash: Hash,
}

fn hash_of(seq: u64, epoch: u64, batch_id: &[u8; 16], previous_hash: Hash, body: &[u8]) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(HASH_DOMAIN);
    context.update(&seq.to_be_bytes());
    context.update(&epoch.to_be_bytes());
    context.update(batch_id);
    context.update(previous_hash.as_bytes());
    context.update(body);
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    Hash(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_known_row_never_changes() {
        let first = Row::seal(None, 1, [7; 16], b"first".to_vec());
        let second = Row::seal(Some(first.tip()), 1, [8; 16], b"second".to_vec());
        assert_eq!(
            first.hash.to_string(),
            "2da38fa8006426968ce7d1022703e8e3f253ea1bca1b3de6c312734a0b95ad41"
        );
        assert_eq!(
            second.hash.to_string(),
            "fd5457fec24a252301de2c44ec090732f45bc3d5986a56392cc2dba939d3148d"
        );
        assert_eq!((second.seq, second.previous_hash), (2, first.hash));
    }

    #[test]
    fn every_field_is_under_the_hash() {
        let row = Row::seal(None, 1, [7; 16], b"body".to_vec());
        assert!(row.hash_fits());
        let changed: [fn(&mut Row); 5] = [
            |row| row.seq += 1,
            |row| row.epoch += 1,
            |row| row.batch_id[0] ^= 1,
            |row| row.previous_hash = Hash([1; 32]),
            |row| row.body[0] ^= 1,
        ];
        for change in changed {
            let mut other = row.clone();
            change(&mut other);
            assert!(!other.hash_fits(), "{other:?}");
        }
    }

    #[test]
    fn debug_shows_no_body() {
        let shown = format!("{:?}", Row::seal(None, 1, [7; 16], b"ABCD".to_vec()));
        assert!(
            shown.contains("body_bytes: 4") && !shown.contains("65"),
            "{shown}"
        );
    }
}
