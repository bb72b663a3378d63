//! A row as both databases give it back, made into one of ours.

use crate::row::{Hash, Row, Tip};
use crate::store::ReadError;

/// Position, epoch, batch id, previous hash, hash, body.
pub type RawRow = (i64, i64, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>);
/// Position, epoch, hash.
pub type RawTip = (i64, i64, Vec<u8>);

pub fn row_of((seq, epoch, batch_id, previous_hash, hash, body): RawRow) -> Result<Row, ReadError> {
    Ok(Row {
        seq: whole(seq, "position")?,
        epoch: whole(epoch, "epoch")?,
        batch_id: fixed(batch_id, "batch id")?,
        previous_hash: Hash::from_bytes(fixed(previous_hash, "previous hash")?),
        hash: Hash::from_bytes(fixed(hash, "hash")?),
        body,
    })
}

pub fn tip_of((seq, epoch, hash): RawTip) -> Result<Tip, ReadError> {
    Ok(Tip {
        seq: whole(seq, "position")?,
        epoch: whole(epoch, "epoch")?,
        hash: Hash::from_bytes(fixed(hash, "hash")?),
    })
}

fn whole(value: i64, what: &str) -> Result<u64, ReadError> {
    u64::try_from(value).map_err(|_| ReadError::Damaged(format!("a {what} is negative")))
}

fn fixed<const LENGTH: usize>(bytes: Vec<u8>, what: &str) -> Result<[u8; LENGTH], ReadError> {
    let length = bytes.len();
    bytes
        .try_into()
        .map_err(|_| ReadError::Damaged(format!("a {what} has {length} bytes, not {LENGTH}")))
}
