//! Block ciphers made ready, and the two message authentication codes EMV makes with them.
//!
//! The primitives are RustCrypto's `des`, `aes` and `cmac`; triple DES and ISO/IEC 9797-1 algorithm 3 are put together from single DES
//! here, because the MAC uses both.

use std::{fmt, hint::black_box, sync::LazyLock};

use aes::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use cmac::{Cmac, Mac};
use des::Des;

use super::{
    key::{Algorithm, Key},
    version::Padding,
};

/// A key with its rounds worked out.
#[derive(Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "a transaction's key lives for microseconds, on the stack"
)]
pub enum Cipher {
    TripleDes(TripleDes),
    Aes(Aes),
}

/// Two-key triple DES.
#[derive(Clone)]
pub struct TripleDes {
    left: Des,
    right: Des,
}

#[derive(Clone)]
pub enum Aes {
    Of128(aes::Aes128),
    Of192(aes::Aes192),
    Of256(aes::Aes256),
}

/// The rounds of a key of zeros, which those of a real one are overwritten with.
static NOTHING: LazyLock<Des> = LazyLock::new(|| Des::new(&[0; 8].into()));

impl Drop for TripleDes {
    fn drop(&mut self) {
        self.left.clone_from(&NOTHING);
        self.right.clone_from(&NOTHING);
        // Seen from outside, so that the two lines above are not left out.
        black_box(&*self);
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::TripleDes(_) => "Cipher(TripleDes)",
            Self::Aes(_) => "Cipher(Aes)",
        })
    }
}

impl TripleDes {
    pub fn new(key: &[u8; 16]) -> Self {
        let [mut left, mut right] = [[0; 8]; 2];
        left.copy_from_slice(&key[..8]);
        right.copy_from_slice(&key[8..]);
        let cipher = Self {
            left: Des::new(&left.into()),
            right: Des::new(&right.into()),
        };
        zeroize::Zeroize::zeroize(&mut left);
        zeroize::Zeroize::zeroize(&mut right);
        cipher
    }

    pub fn encrypt(&self, bytes: &mut [u8; 8]) {
        let mut block = Block::<Des>::from(*bytes);
        self.left.encrypt_block(&mut block);
        self.right.decrypt_block(&mut block);
        self.left.encrypt_block(&mut block);
        *bytes = block.into();
    }

    pub fn decrypt(&self, bytes: &mut [u8; 8]) {
        let mut block = Block::<Des>::from(*bytes);
        self.left.decrypt_block(&mut block);
        self.right.encrypt_block(&mut block);
        self.left.decrypt_block(&mut block);
        *bytes = block.into();
    }

    /// ISO/IEC 9797-1 algorithm 3 over `data` padded as `padding` says (EMV Book 2 A1.2.1).
    fn mac(&self, data: &[u8], padding: Padding) -> [u8; 8] {
        let mut block = Block::<Des>::default();
        let mut add = |part: &[u8; 8]| {
            for (byte, more) in block.iter_mut().zip(part) {
                *byte ^= more;
            }
            self.left.encrypt_block(&mut block);
        };
        let (parts, rest) = data.as_chunks::<8>();
        parts.iter().for_each(&mut add);
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        match padding {
            Padding::EightyThenZeros => {
                last[rest.len()] = 0x80;
                add(&last);
            }
            Padding::Zeros if !rest.is_empty() || data.is_empty() => add(&last),
            Padding::Zeros => {}
        }
        self.right.decrypt_block(&mut block);
        self.left.encrypt_block(&mut block);
        block.into()
    }
}

impl Aes {
    pub fn encrypt(&self, bytes: &mut [u8; 16]) {
        let mut block = Block::<aes::Aes128>::from(*bytes);
        match self {
            Self::Of128(cipher) => cipher.encrypt_block(&mut block),
            Self::Of192(cipher) => cipher.encrypt_block(&mut block),
            Self::Of256(cipher) => cipher.encrypt_block(&mut block),
        }
        *bytes = block.into();
    }

    pub fn decrypt(&self, bytes: &mut [u8; 16]) {
        let mut block = Block::<aes::Aes128>::from(*bytes);
        match self {
            Self::Of128(cipher) => cipher.decrypt_block(&mut block),
            Self::Of192(cipher) => cipher.decrypt_block(&mut block),
            Self::Of256(cipher) => cipher.decrypt_block(&mut block),
        }
        *bytes = block.into();
    }

    /// CMAC, of which EMV takes the first bytes (Book 2 A1.2.2). It pads by itself.
    fn mac(&self, data: &[u8]) -> [u8; 16] {
        fn of<C: cmac::block_api::CmacCipher + Clone>(cipher: &C, data: &[u8]) -> [u8; 16]
        where
            Cmac<C>: Mac,
        {
            use cmac::digest::InnerInit;
            let mut mac = <Cmac<C> as InnerInit>::inner_init(cipher.clone());
            Mac::update(&mut mac, data);
            let bytes = mac.finalize().into_bytes();
            let mut whole = [0; 16];
            whole.copy_from_slice(&bytes);
            whole
        }
        match self {
            Self::Of128(cipher) => of(cipher, data),
            Self::Of192(cipher) => of(cipher, data),
            Self::Of256(cipher) => of(cipher, data),
        }
    }
}

impl Cipher {
    pub(super) fn new(key: &Key) -> Self {
        let bytes = key.reveal();
        match (key.algorithm(), bytes.len()) {
            (Algorithm::TripleDes, _) => {
                let mut both = zeroize::Zeroizing::new([0; 16]);
                both.copy_from_slice(bytes);
                Self::TripleDes(TripleDes::new(&both))
            }
            (Algorithm::Aes, 16) => Self::Aes(Aes::Of128(new(bytes))),
            (Algorithm::Aes, 24) => Self::Aes(Aes::Of192(new(bytes))),
            (Algorithm::Aes, _) => Self::Aes(Aes::Of256(new(bytes))),
        }
    }

    /// The first eight bytes of a MAC over `data`. `padding` is for triple DES.
    pub fn mac(&self, data: &[u8], padding: Padding) -> [u8; 8] {
        match self {
            Self::TripleDes(cipher) => cipher.mac(data, padding),
            Self::Aes(cipher) => {
                let mac = cipher.mac(data);
                let mut first = [0; 8];
                first.copy_from_slice(&mac[..8]);
                first
            }
        }
    }

    /// One block of triple DES; of AES the first half of a block whose second half is zeros.
    pub(super) fn encrypt_8(&self, bytes: &mut [u8; 8]) {
        match self {
            Self::TripleDes(cipher) => cipher.encrypt(bytes),
            Self::Aes(cipher) => {
                let mut block = [0; 16];
                block[..8].copy_from_slice(bytes);
                cipher.encrypt(&mut block);
                bytes.copy_from_slice(&block[..8]);
            }
        }
    }
}

fn new<C: KeyInit>(key: &[u8]) -> C {
    // A `Key` has a length of its cipher.
    C::new_from_slice(key).expect("a key of the right length")
}
