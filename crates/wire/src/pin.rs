//! PIN blocks: ISO 9564-1 formats 0 (triple DES) and 4 (AES).
//!
//! ```text
//!   0:  0 L P P P P … F   ⊕   0 0 0 0 + the twelve digits of the card number before its check digit      ──▶ 3DES
//!   4:  4 L P P P P … A + eight random bytes ──▶ AES ──▶ ⊕ M + card number ──▶ AES
//! ```
//! **Invariant:** a PIN is wiped when it goes, never printed, and compared in constant time.
//!
//! **Not here:** what the right PIN is, how many tries there are, randomness (format 4 is given its eight bytes).

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::emv::{cipher::Cipher, key::Key};

/// Four to twelve digits.
#[derive(Clone)]
pub struct Pin(Zeroizing<Vec<u8>>);

/// What cannot be opened or made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PinError {
    #[error("a PIN has four to twelve digits")]
    Pin,
    #[error("the card number has too few or too many digits for this format")]
    CardNumber,
    #[error("the key is for another format")]
    Key,
    #[error("the block is not as long as its format has it")]
    Length,
    /// Another key, another card number, another format, or damage: a block does not say which.
    #[error("the block does not open")]
    Block,
}

impl PinError {
    /// Stable, for logs and counters.
    pub fn code(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::CardNumber => "card_number",
            Self::Key => "key",
            Self::Length => "length",
            Self::Block => "block",
        }
    }
}

impl Pin {
    pub fn new(digits: &str) -> Result<Self, PinError> {
        let good = (4..=12).contains(&digits.len()) && digits.bytes().all(|d| d.is_ascii_digit());
        if good {
            Ok(Self(Zeroizing::new(digits.as_bytes().to_vec())))
        } else {
            Err(PinError::Pin)
        }
    }

    /// Whether it is `other`, without telling by its time how much of it is.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(&other.0).into()
    }

    /// The digits, to be hashed or sealed.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// Control, length, digits, `fill`: sixteen digits as eight bytes.
    fn field(&self, control: u8, fill: u8) -> Zeroizing<[u8; 8]> {
        let mut halves = Zeroizing::new([fill; 16]);
        halves[0] = control;
        halves[1] = self.0.len() as u8;
        for (half, digit) in halves[2..].iter_mut().zip(self.0.iter()) {
            *half = digit & 15;
        }
        let mut field = Zeroizing::new([0; 8]);
        for (byte, pair) in field.iter_mut().zip(halves.as_chunks::<2>().0) {
            *byte = pair[0] << 4 | pair[1];
        }
        field
    }

    /// What [`Self::field`] made, or the error that it is not that.
    fn of_field(field: &[u8; 8], control: u8, fill: u8) -> Result<Self, PinError> {
        let length = usize::from(field[0] & 15);
        if field[0] >> 4 != control || !(4..=12).contains(&length) {
            return Err(PinError::Block);
        }
        let halves = field.iter().flat_map(|byte| [byte >> 4, byte & 15]).skip(2);
        let mut digits = Zeroizing::new(Vec::with_capacity(12));
        for (at, half) in halves.enumerate() {
            if at < length && half < 10 {
                digits.push(b'0' + half);
            } else if at < length || half != fill {
                return Err(PinError::Block);
            }
        }
        Ok(Self(digits))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Pin(****)")
    }
}

/// Makes a block of format 0 under a triple DES key.
pub fn seal_0(key: &Key, pin: &Pin, card_number: &str) -> Result<[u8; 8], PinError> {
    let Cipher::TripleDes(cipher) = key.prepare() else {
        return Err(PinError::Key);
    };
    let mut block = pin.field(0, 0xF);
    mix(&mut block, number_0(card_number)?);
    cipher.encrypt(&mut block);
    Ok(*block)
}

/// Opens a block of format 0.
pub fn open_0(key: &Key, block: &[u8], card_number: &str) -> Result<Pin, PinError> {
    let Cipher::TripleDes(cipher) = key.prepare() else {
        return Err(PinError::Key);
    };
    let block: [u8; 8] = block.try_into().map_err(|_| PinError::Length)?;
    let mut field = Zeroizing::new(block);
    cipher.decrypt(&mut field);
    mix(&mut field, number_0(card_number)?);
    Pin::of_field(&field, 0, 0xF)
}

/// Makes a block of format 4 under an AES key. `random` must be eight bytes that nobody can guess.
pub fn seal_4(
    key: &Key,
    pin: &Pin,
    card_number: &str,
    random: [u8; 8],
) -> Result<[u8; 16], PinError> {
    let Cipher::Aes(cipher) = key.prepare() else {
        return Err(PinError::Key);
    };
    let number = number_4(card_number)?;
    let mut block = Zeroizing::new([0; 16]);
    block[..8].copy_from_slice(&*pin.field(4, 0xA));
    block[8..].copy_from_slice(&random);
    cipher.encrypt(&mut block);
    mix(&mut block, number);
    cipher.encrypt(&mut block);
    Ok(*block)
}

/// Opens a block of format 4.
pub fn open_4(key: &Key, block: &[u8], card_number: &str) -> Result<Pin, PinError> {
    let Cipher::Aes(cipher) = key.prepare() else {
        return Err(PinError::Key);
    };
    let block: [u8; 16] = block.try_into().map_err(|_| PinError::Length)?;
    let mut both = Zeroizing::new(block);
    cipher.decrypt(&mut both);
    mix(&mut both, number_4(card_number)?);
    cipher.decrypt(&mut both);
    let mut field = Zeroizing::new([0; 8]);
    field.copy_from_slice(&both[..8]);
    Pin::of_field(&field, 4, 0xA)
}

fn mix<const N: usize>(block: &mut [u8; N], with: [u8; N]) {
    for (byte, more) in block.iter_mut().zip(with) {
        *byte ^= more;
    }
}

/// Twelve digits before the check digit, four zeros before them (ISO 9564-1 clause 9.3.1).
fn number_0(card_number: &str) -> Result<[u8; 8], PinError> {
    let digits = digits(card_number)?;
    if digits.len() < 13 {
        return Err(PinError::CardNumber);
    }
    let twelve = &digits[digits.len() - 13..digits.len() - 1];
    let mut bytes = [0; 8];
    for (byte, pair) in bytes[2..].iter_mut().zip(twelve.as_chunks::<2>().0) {
        *byte = (pair[0] & 15) << 4 | pair[1] & 15;
    }
    Ok(bytes)
}

/// How many digits more than twelve, the digits, zeros (clause 9.4.2). A shorter number gets zeros before it.
fn number_4(card_number: &str) -> Result<[u8; 16], PinError> {
    let digits = digits(card_number)?;
    let more = digits.len().saturating_sub(12);
    let mut halves = [0; 32];
    halves[0] = more as u8;
    let from = 1 + 12_usize.saturating_sub(digits.len());
    for (half, digit) in halves[from..].iter_mut().zip(digits) {
        *half = digit & 15;
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(halves.as_chunks::<2>().0) {
        *byte = pair[0] << 4 | pair[1];
    }
    Ok(bytes)
}

fn digits(card_number: &str) -> Result<&[u8], PinError> {
    let digits = card_number.as_bytes();
    if (1..=19).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) {
        Ok(digits)
    } else {
        Err(PinError::CardNumber)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emv::key::Algorithm;

    fn key(algorithm: Algorithm) -> Key {
        let bytes: Vec<u8> = (1..=16).collect();
        Key::new(algorithm, &bytes).expect("a key")
    }

    #[test]
    fn a_block_opens_only_with_the_card_it_was_made_for() {
        let pin = Pin::new("123456").expect("a PIN");
        let (number, other) = ("8888001234567894", "8888001234567704");
        let des = key(Algorithm::TripleDes);
        let block = seal_0(&des, &pin, number).expect("a block");
        assert!(open_0(&des, &block, number).is_ok_and(|opened| opened.matches(&pin)));
        assert!(!open_0(&des, &block, other).is_ok_and(|opened| opened.matches(&pin)));
        let aes = key(Algorithm::Aes);
        let block = seal_4(&aes, &pin, number, [7; 8]).expect("a block");
        assert!(open_4(&aes, &block, number).is_ok_and(|opened| opened.matches(&pin)));
        assert_eq!(open_4(&aes, &block, other).err(), Some(PinError::Block));
        assert_ne!(seal_4(&aes, &pin, number, [8; 8]), Ok(block));
    }

    #[test]
    fn what_is_no_pin_and_no_block_is_refused() {
        for bad in ["123", "1234567890123", "12a4", ""] {
            assert_eq!(Pin::new(bad).err(), Some(PinError::Pin), "{bad}");
        }
        let (des, aes) = (key(Algorithm::TripleDes), key(Algorithm::Aes));
        let pin = Pin::new("0000").expect("a PIN");
        assert_eq!(format!("{pin:?}"), "Pin(****)");
        assert_eq!(
            seal_0(&aes, &pin, "8888001234567894").err(),
            Some(PinError::Key)
        );
        assert_eq!(
            seal_4(&des, &pin, "8888001234567894", [0; 8]).err(),
            Some(PinError::Key)
        );
        assert_eq!(
            seal_0(&des, &pin, "123456789012").err(),
            Some(PinError::CardNumber)
        );
        assert_eq!(
            open_0(&des, &[0; 7], "8888001234567894").err(),
            Some(PinError::Length)
        );
        assert_eq!(
            open_4(&aes, &[0; 8], "8888001234567894").err(),
            Some(PinError::Length)
        );
        assert!(!Pin::new("12345").expect("a PIN").matches(&pin));
    }
}
