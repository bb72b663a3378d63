//! Keys from keys: a card's from the issuer's (EMV Book 2 A1.4), a transaction's from the card's (A1.3).

use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

use super::{
    cipher::{Aes, Cipher, TripleDes},
    key::{Algorithm, Key},
    version::CardKey,
};

/// Why no key can be derived.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DerivationError {
    #[error("a card number has 1 to 19 digits")]
    CardNumber,
    #[error("a card's sequence number has two digits")]
    SequenceNumber,
    #[error("this way of deriving is for the other cipher")]
    Algorithm,
}

/// The key of card `number` with sequence number `sequence` (00 if it has none), from the issuer's.
pub fn card_key(
    issuer: &Key,
    option: CardKey,
    number: &str,
    sequence: u8,
) -> Result<Key, DerivationError> {
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || !(1..=19).contains(&number.len()) {
        return Err(DerivationError::CardNumber);
    }
    if sequence > 99 {
        return Err(DerivationError::SequenceNumber);
    }
    let both = Zeroizing::new(format!("{number}{sequence:02}"));
    match (issuer.prepare(), option) {
        (Cipher::TripleDes(cipher), CardKey::A) => Ok(option_a(&cipher, &both)),
        (Cipher::TripleDes(cipher), CardKey::B) if number.len() <= 16 => {
            Ok(option_a(&cipher, &both))
        }
        (Cipher::TripleDes(cipher), CardKey::B) => Ok(option_b(&cipher, &both)),
        (Cipher::Aes(cipher), CardKey::C) => Ok(option_c(&cipher, issuer.reveal().len(), &both)),
        _ => Err(DerivationError::Algorithm),
    }
}

/// A1.4.1: the last 16 digits.
fn option_a(cipher: &TripleDes, both: &str) -> Key {
    let last = &both[both.len().saturating_sub(16)..];
    two_halves(cipher, packed(last))
}

/// A1.4.2: sixteen decimal digits of a hash; for want of those, of its letters.
fn option_b(cipher: &TripleDes, both: &str) -> Key {
    let even = Zeroizing::new(if both.len() % 2 == 1 {
        format!("0{both}")
    } else {
        both.to_owned()
    });
    let bytes: Zeroizing<Vec<u8>> = Zeroizing::new(
        even.as_bytes()
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[high, low]| (high & 15) << 4 | low & 15)
            .collect(),
    );
    let hash = Sha1::digest(&*bytes);
    let halves = || hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = halves().filter(|half| *half < 10);
    let letters = halves().filter(|half| *half >= 10).map(|half| half - 10);
    let mut y = [0; 8];
    for (at, digit) in digits.chain(letters).take(16).enumerate() {
        y[at / 2] |= if at % 2 == 0 { digit << 4 } else { digit };
    }
    two_halves(cipher, y)
}

/// A1.4.3: for AES, of as many bytes as the issuer's key.
fn option_c(cipher: &Aes, length: usize, both: &str) -> Key {
    let mut y = [0; 16];
    let padded = format!("{both:0>32}");
    for (byte, pair) in y.iter_mut().zip(padded.as_bytes().as_chunks::<2>().0) {
        *byte = (pair[0] & 15) << 4 | pair[1] & 15;
    }
    let mut key = Zeroizing::new([0; 32]);
    let mut first = y;
    cipher.encrypt(&mut first);
    let mut second = y.map(|byte| !byte);
    cipher.encrypt(&mut second);
    key[..16].copy_from_slice(&first);
    key[16..].copy_from_slice(&second);
    Key::derived(Algorithm::Aes, &key[..length])
}

/// `y` encrypted, then its complement; with odd parity.
fn two_halves(cipher: &TripleDes, y: [u8; 8]) -> Key {
    let mut left = y;
    cipher.encrypt(&mut left);
    let mut right = y.map(|byte| !byte);
    cipher.encrypt(&mut right);
    Key::derived(Algorithm::TripleDes, &*joined(left, right))
}

fn joined(left: [u8; 8], right: [u8; 8]) -> Zeroizing<[u8; 16]> {
    let mut key = Zeroizing::new([0; 16]);
    key[..8].copy_from_slice(&left);
    key[8..].copy_from_slice(&right);
    for byte in key.iter_mut() {
        // Odd parity in the last bit, which DES ignores and key checks do not.
        *byte ^= u8::from(byte.count_ones() % 2 == 0);
    }
    key
}

/// The last sixteen digits of `digits`, two to a byte, zeros before them.
fn packed(digits: &str) -> [u8; 8] {
    let mut bytes = [0; 8];
    for (at, digit) in digits.bytes().rev().take(16).enumerate() {
        let half = digit & 15;
        bytes[7 - at / 2] |= if at % 2 == 0 { half } else { half << 4 };
    }
    bytes
}

/// A1.3.1 for triple DES: `diversifier` encrypted twice, its third byte F0 and 0F.
pub(super) fn session_of_triple_des(card: &TripleDes, diversifier: [u8; 8]) -> Cipher {
    Cipher::TripleDes(TripleDes::new(&session_bytes(card, diversifier)))
}

fn session_bytes(card: &TripleDes, diversifier: [u8; 8]) -> Zeroizing<[u8; 16]> {
    let [mut left, mut right] = [diversifier; 2];
    left[2] = 0xF0;
    right[2] = 0x0F;
    card.encrypt(&mut left);
    card.encrypt(&mut right);
    joined(left, right)
}

/// A1.3.1 for AES: of 16 bytes one block; of more, two as above.
pub(super) fn session_of_aes(card: &Aes, diversifier: [u8; 8]) -> Cipher {
    aes_session_key(card, diversifier).prepare()
}

fn aes_session_key(card: &Aes, diversifier: [u8; 8]) -> Key {
    let mut first = [0; 16];
    first[..8].copy_from_slice(&diversifier);
    let mut second = first;
    let length = match card {
        Aes::Of128(_) => 16,
        Aes::Of192(_) => 24,
        Aes::Of256(_) => 32,
    };
    if length > 16 {
        first[2] = 0xF0;
        second[2] = 0x0F;
    }
    card.encrypt(&mut first);
    card.encrypt(&mut second);
    let mut key = Zeroizing::new([0; 32]);
    key[..16].copy_from_slice(&first);
    key[16..].copy_from_slice(&second);
    Key::derived(Algorithm::Aes, &key[..length])
}

/// A transaction's key as bytes, for whoever wants its check value.
pub fn session_key(card: &Key, diversifier: [u8; 8]) -> Key {
    match card.prepare() {
        Cipher::TripleDes(cipher) => {
            Key::derived(Algorithm::TripleDes, &*session_bytes(&cipher, diversifier))
        }
        Cipher::Aes(cipher) => aes_session_key(&cipher, diversifier),
    }
}
