//! One page as it is stored: its length, its place, a checksum, its bytes.
//!
//! ```text
//!   length u32 │ place u32 │ last u8 │ SHA-256(domain ‖ seq ‖ place ‖ last ‖ bytes) │ bytes
//! ```
//! Numbers are little endian. **Invariant:** a page of another snapshot, at another place or with another byte does not pass.

use aws_lc_rs::digest::{Context, SHA256};

use super::SnapshotsError;

const DOMAIN: &[u8] = b"paytone snapshot page v1\0";
/// What stands before the bytes.
pub const HEAD: usize = 4 + 4 + 1 + 32;
/// Longest page that is read; those that are written are far shorter.
pub const LONGEST: usize = 64 << 20;

/// A page that was read, whose bytes are still to be checked.
#[derive(Debug)]
pub struct Page {
    seq: u64,
    stored: Vec<u8>,
}

/// `None` if it is too long.
pub fn seal(seq: u64, place: u32, is_last: bool, bytes: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(bytes.len()).ok()?;
    if bytes.len() > LONGEST {
        return None;
    }
    let mut page = Vec::with_capacity(HEAD + bytes.len());
    page.extend_from_slice(&length.to_le_bytes());
    page.extend_from_slice(&place.to_le_bytes());
    page.push(u8::from(is_last));
    let sum = checksum(seq, &page[4..9], bytes);
    page.extend_from_slice(&sum);
    page.extend_from_slice(bytes);
    Some(page)
}

/// How many bytes follow a head.
pub fn length(head: &[u8; HEAD]) -> Result<usize, SnapshotsError> {
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    usize::try_from(length)
        .ok()
        .filter(|length| *length <= LONGEST)
        .ok_or_else(|| SnapshotsError::Damaged("a page is too long".to_owned()))
}

fn checksum(seq: u64, place_and_last: &[u8], bytes: &[u8]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(DOMAIN);
    context.update(&seq.to_be_bytes());
    context.update(place_and_last);
    context.update(bytes);
    let mut sum = [0; 32];
    sum.copy_from_slice(context.finish().as_ref());
    sum
}

impl Page {
    /// What was stored as the page at `place`.
    pub(super) fn of(seq: u64, place: u32, stored: Vec<u8>) -> Result<Self, SnapshotsError> {
        let damaged = |why: &str| SnapshotsError::Damaged(format!("page {place}: {why}"));
        let head: &[u8; HEAD] = stored
            .first_chunk()
            .ok_or_else(|| damaged("it is too short"))?;
        if length(head)? != stored.len() - HEAD {
            return Err(damaged("it has another length"));
        }
        if head[4..8] != place.to_le_bytes() {
            return Err(damaged("it belongs to another place"));
        }
        Ok(Self { seq, stored })
    }

    pub(super) fn is_last(&self) -> bool {
        self.stored[8] != 0
    }

    /// How much room it takes.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.stored.len() as u64
    }

    /// Its bytes, if they are those that were put.
    pub fn check(&self) -> Result<&[u8], SnapshotsError> {
        let (head, bytes) = self.stored.split_at(HEAD);
        if checksum(self.seq, &head[4..9], bytes) == head[9..HEAD] {
            Ok(bytes)
        } else {
            Err(SnapshotsError::Damaged(
                "a checksum does not fit".to_owned(),
            ))
        }
    }
}
