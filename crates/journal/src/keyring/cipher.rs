//! AES-256-GCM under keys that rotate.
//!
//! ```text
//!   key id (4) ‖ nonce (12) ‖ ciphertext ‖ tag (16)
//! ```
//!
//! **Invariant:** purpose, key id and the caller's context are authenticated, so nothing sealed for one place opens in
//! another. Nonces are random: far below 2³² seals under one key, which a million persons and merchants stay.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::Keyring;
use crate::randomness::random;

const KEY_ID_BYTES: usize = 4;
const TAG_BYTES: usize = 16;

/// Why sealed bytes could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenSealedError {
    /// This keyring has no key of that id: it was rotated elsewhere, or belongs to another installation.
    #[error("the keyring has no key {0}")]
    UnknownKey(u32),
    /// Changed, cut short, or sealed for another place.
    #[error("the sealed bytes are damaged")]
    Damaged,
}

impl OpenSealedError {
    /// A stable name for logs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownKey(_) => "seal_unknown_key",
            Self::Damaged => "seal_damaged",
        }
    }
}

impl Keyring {
    /// Seals `plain` so that it opens only with the same `context` (what it belongs to, such as a merchant's id).
    #[must_use]
    pub fn seal(&self, plain: &[u8], context: &[u8]) -> Vec<u8> {
        self.seal.seal(plain, context)
    }

    /// Opens what [`Self::seal`] made, with any key of the ring.
    pub fn open(
        &self,
        sealed: &[u8],
        context: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenSealedError> {
        self.seal.open(sealed, context)
    }
}

/// The keys of one name, oldest first.
pub struct CipherKeys {
    domain: &'static [u8],
    keys: Vec<(u32, LessSafeKey)>,
}

impl CipherKeys {
    /// `domain` separates what these keys seal from everything else.
    pub fn new<'a>(
        domain: &'static [u8],
        secrets: impl Iterator<Item = (u32, &'a [u8; 32])>,
    ) -> Self {
        Self {
            domain,
            keys: secrets.map(|(id, secret)| (id, cipher(secret))).collect(),
        }
    }

    /// Seals under the newest key.
    pub fn seal(&self, plain: &[u8], context: &[u8]) -> Vec<u8> {
        let (id, key) = self
            .keys
            .last()
            .expect("a keyring has at least one key of every name");
        let mut sealed = id.to_be_bytes().to_vec();
        seal_into(key, &self.authenticated(*id, context), plain, &mut sealed);
        sealed
    }

    /// Opens with whichever key sealed it.
    pub fn open(
        &self,
        sealed: &[u8],
        context: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenSealedError> {
        let (id, rest) = sealed
            .split_first_chunk::<KEY_ID_BYTES>()
            .ok_or(OpenSealedError::Damaged)?;
        let id = u32::from_be_bytes(*id);
        let (_, key) = self
            .keys
            .iter()
            .find(|(known, _)| *known == id)
            .ok_or(OpenSealedError::UnknownKey(id))?;
        open_from(key, &self.authenticated(id, context), rest).ok_or(OpenSealedError::Damaged)
    }

    /// The id of the key that seals.
    pub fn newest_id(&self) -> u32 {
        self.keys.last().map_or(0, |(id, _)| *id)
    }

    fn authenticated(&self, id: u32, context: &[u8]) -> Vec<u8> {
        [self.domain, &id.to_be_bytes(), context].concat()
    }
}

/// A key ready for use.
pub fn cipher(secret: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, secret).expect("AES-256 takes 32 bytes"))
}

/// Appends nonce, ciphertext and tag to `out`.
pub fn seal_into(key: &LessSafeKey, authenticated: &[u8], plain: &[u8], out: &mut Vec<u8>) {
    let nonce: [u8; NONCE_LEN] = random();
    out.reserve_exact(NONCE_LEN + plain.len() + TAG_BYTES);
    out.extend_from_slice(&nonce);
    let start = out.len();
    out.extend_from_slice(plain);
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(authenticated),
            out.get_mut(start..).unwrap_or_default(),
        )
        .expect("a text is far shorter than AES-GCM's limit of 64 GiB");
    out.extend_from_slice(tag.as_ref());
}

/// Opens nonce, ciphertext and tag; `None` when they do not belong together.
pub fn open_from(
    key: &LessSafeKey,
    authenticated: &[u8],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut plain = Zeroizing::new(rest.to_vec());
    let length = key
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(authenticated),
            &mut plain,
        )
        .ok()?
        .len();
    plain.truncate(length);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(ids: &[u32]) -> CipherKeys {
        let secrets: Vec<[u8; 32]> = ids.iter().map(|id| [*id as u8; 32]).collect();
        CipherKeys::new(b"test\0", ids.iter().copied().zip(&secrets))
    }

    #[test]
    fn the_newest_key_seals_and_all_open() {
        let old = ring(&[1]);
        let rotated = ring(&[1, 2]);
        let before = old.seal(b"secret", b"merchant 7");
        let after = rotated.seal(b"secret", b"merchant 7");
        assert_eq!(
            rotated
                .open(&before, b"merchant 7")
                .expect("old key")
                .as_slice(),
            b"secret"
        );
        assert_eq!(
            rotated
                .open(&after, b"merchant 7")
                .expect("new key")
                .as_slice(),
            b"secret"
        );
        assert_eq!(
            old.open(&after, b"merchant 7"),
            Err(OpenSealedError::UnknownKey(2))
        );
    }

    #[test]
    fn what_is_sealed_for_one_place_opens_in_no_other() {
        let keys = ring(&[1]);
        let sealed = keys.seal(b"secret", b"merchant 7");
        assert_eq!(
            keys.open(&sealed, b"merchant 8"),
            Err(OpenSealedError::Damaged)
        );
        let elsewhere = CipherKeys::new(b"other\0", [(1, &[1; 32])].into_iter());
        assert_eq!(
            elsewhere.open(&sealed, b"merchant 7"),
            Err(OpenSealedError::Damaged)
        );
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        let keys = ring(&[1]);
        let sealed = keys.seal(b"secret", b"");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(keys.open(&changed, b"").is_err(), "byte {at}");
            assert!(keys.open(&sealed[..at], b"").is_err(), "cut at {at}");
        }
    }

    #[test]
    fn sealing_twice_gives_different_bytes() {
        let keys = ring(&[1]);
        assert_ne!(keys.seal(b"secret", b""), keys.seal(b"secret", b""));
    }
}
