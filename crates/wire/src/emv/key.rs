//! Keys as bytes: what is stored, derived and loaded.

use std::fmt;

use data_encoding::HEXUPPER;
use zeroize::Zeroizing;

use super::cipher::Cipher;

/// Which block cipher a key is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Algorithm {
    /// Two-key triple DES, 16 bytes.
    TripleDes,
    /// 16, 24 or 32 bytes.
    Aes,
}

/// A key of the cipher it is for. Wiped when it goes; printing shows its check value.
#[derive(Clone)]
pub struct Key {
    algorithm: Algorithm,
    bytes: Zeroizing<Vec<u8>>,
}

/// Bytes that are no key of that cipher.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyError {
    #[error("a key of {0} bytes is none of this cipher")]
    Length(usize),
}

impl Key {
    pub fn new(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        let fits = match algorithm {
            Algorithm::TripleDes => bytes.len() == 16,
            Algorithm::Aes => matches!(bytes.len(), 16 | 24 | 32),
        };
        if !fits {
            return Err(KeyError::Length(bytes.len()));
        }
        Ok(Self::derived(algorithm, bytes))
    }

    /// A key that a derivation gave, of the right length by construction.
    pub(super) fn derived(algorithm: Algorithm, bytes: &[u8]) -> Self {
        Self {
            algorithm,
            bytes: Zeroizing::new(bytes.to_vec()),
        }
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key itself, to be sealed and stored.
    pub fn reveal(&self) -> &[u8] {
        &self.bytes
    }

    /// Triple DES with both halves the same is single DES: good for published vectors, and for nothing else.
    pub fn is_single_des(&self) -> bool {
        self.algorithm == Algorithm::TripleDes && same_halves(&self.bytes)
    }

    /// Ready to encrypt with.
    pub fn prepare(&self) -> Cipher {
        Cipher::new(self)
    }

    /// Three bytes that tell one key from another and nothing else: of triple DES the first of an encrypted block of zeros, of AES
    /// those of a CMAC of one (ANSI X9.24-1).
    pub fn check_value(&self) -> [u8; 3] {
        let cipher = self.prepare();
        match self.algorithm {
            Algorithm::TripleDes => {
                let mut block = [0; 8];
                cipher.encrypt_8(&mut block);
                [block[0], block[1], block[2]]
            }
            Algorithm::Aes => {
                let mac = cipher.mac(&[0; 16], super::version::Padding::Zeros);
                [mac[0], mac[1], mac[2]]
            }
        }
    }
}

/// Parity bits aside.
fn same_halves(bytes: &[u8]) -> bool {
    let (left, right) = bytes.split_at(bytes.len() / 2);
    left.iter().zip(right).all(|(a, b)| a & 0xFE == b & 0xFE)
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let check_value = HEXUPPER.encode(&self.check_value());
        write!(out, "Key({:?}, check value {check_value})", self.algorithm)
    }
}
