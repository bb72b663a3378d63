//! Ids shown to the outside: `pay_` and 26 characters that reveal neither order nor volume.
//!
//! ```text
//!   kind (4) ‖ zeros (4) ‖ id (8) ──AES-128, one block──▶ 16 bytes ──base32──▶ pay_7q5x…
//! ```
//!
//! **Invariant:** one id has exactly one spelling, and a spelling of another kind, with a changed character or made up
//! is refused: 64 of the 128 bits must come out as expected. **Not here:** rights. Knowing an id allows nothing.

use std::fmt;

use aes::Aes128;
use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aws_lc_rs::hmac;

/// RFC 4648 base32 in lowercase: without 0, 1, 8 and 9, which look like letters.
const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const NO_DIGIT: u8 = 0xFF;
const VALUES: [u8; 256] = values();
const TEXT_LENGTH: usize = 26;
/// A kind's letters take five bits each of the 32 there are.
const KIND_LETTERS: usize = 6;

/// The codec, with its key schedule.
#[derive(Clone)]
pub struct PublicIds {
    cipher: Aes128,
}

impl PublicIds {
    /// A codec whose permutation follows from `secret`.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        let mac = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, secret),
            b"paytone public ids v1\0",
        );
        let mut key = Array::from([0; 16]);
        key.copy_from_slice(&mac.as_ref()[..16]);
        Self {
            cipher: Aes128::new(&key),
        }
    }

    /// The spelling of `id`: the kind, an underscore, 26 characters.
    ///
    /// # Panics
    /// When `kind` is not one to six lowercase letters: kinds are written in the code, never received.
    #[must_use]
    pub fn encode(&self, kind: &'static str, id: u64) -> String {
        let mut block = Array::from(block_of(kind_tag(kind), id));
        self.cipher.encrypt_block(&mut block);
        let bits = u128::from_be_bytes(block.into());
        let digits: [u8; TEXT_LENGTH] =
            std::array::from_fn(|position| DIGITS[digit_at(bits, position)]);
        let digits = str::from_utf8(&digits).expect("digits are ASCII");
        let mut text = String::with_capacity(kind.len() + 1 + TEXT_LENGTH);
        text.push_str(kind);
        text.push('_');
        text.push_str(digits);
        text
    }

    /// The id that `text` spells, if it is of this kind and was made with this key.
    ///
    /// # Panics
    /// As [`Self::encode`].
    #[must_use]
    pub fn decode(&self, kind: &'static str, text: &str) -> Option<u64> {
        let tag = kind_tag(kind);
        let digits = text.strip_prefix(kind)?.strip_prefix('_')?.as_bytes();
        if digits.len() != TEXT_LENGTH {
            return None;
        }
        let (last, others) = digits.split_last()?;
        let mut bits = 0_u128;
        for digit in others {
            bits = bits << 5 | u128::from(value_of(*digit)?);
        }
        // 26 digits hold 130 bits; the last two are always zero.
        let last = value_of(*last)?;
        if last & 0b11 != 0 {
            return None;
        }
        bits = bits << 3 | u128::from(last >> 2);
        let mut block = Array::from(bits.to_be_bytes());
        self.cipher.decrypt_block(&mut block);
        let plain = u128::from_be_bytes(block.into());
        (plain >> 64 == u128::from(tag) << 32).then_some(plain as u64)
    }
}

impl fmt::Debug for PublicIds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PublicIds(secret)")
    }
}

/// Different kinds have different tags.
fn kind_tag(kind: &str) -> u32 {
    assert!(
        (1..=KIND_LETTERS).contains(&kind.len()),
        "a kind has one to six letters: {kind}"
    );
    kind.bytes().fold(0, |tag, letter| {
        assert!(
            letter.is_ascii_lowercase(),
            "a kind is in lowercase letters: {kind}"
        );
        tag << 5 | u32::from(letter - b'a' + 1)
    })
}

fn block_of(tag: u32, id: u64) -> [u8; 16] {
    (u128::from(tag) << 96 | u128::from(id)).to_be_bytes()
}

/// The five bits at a position counted from the left; two zero bits follow the last.
fn digit_at(bits: u128, position: usize) -> usize {
    let shifted = match position {
        0..25 => bits >> (123 - 5 * position),
        _ => bits << 2,
    };
    (shifted & 0b11111) as usize
}

fn value_of(digit: u8) -> Option<u8> {
    let value = VALUES[usize::from(digit)];
    (value != NO_DIGIT).then_some(value)
}

const fn values() -> [u8; 256] {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < DIGITS.len() {
        values[DIGITS[value] as usize] = value as u8;
        value += 1;
    }
    values
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids() -> PublicIds {
        PublicIds::new(&[5; 32])
    }

    #[test]
    fn the_spelling_of_a_known_id_never_changes() {
        assert_eq!(ids().encode("pay", 1), "pay_ng64bzpnz37bdpet4cxa52cpxe");
        assert_eq!(ids().encode("mer", 1), "mer_o2k7pkaaa2weke6aalcmteetnm");
    }

    #[test]
    fn the_digits_are_those_of_rfc_4648() {
        let mut upper = data_encoding::BASE32_NOPAD
            .encode(&0x0123_4567_89AB_CDEF_0123_4567_89AB_CDEF_u128.to_be_bytes());
        upper.make_ascii_lowercase();
        let ours: String = (0..TEXT_LENGTH)
            .map(|position| digit_at(0x0123_4567_89AB_CDEF_0123_4567_89AB_CDEF, position))
            .map(|digit| char::from(DIGITS[digit]))
            .collect();
        assert_eq!(ours, upper);
    }

    #[test]
    fn another_kind_key_or_case_is_refused() {
        let ids = ids();
        let text = ids.encode("pay", 7);
        assert_eq!(ids.decode("pay", &text), Some(7));
        assert_eq!(ids.decode("ref", &text), None);
        assert_eq!(ids.decode("ref", &text.replace("pay", "ref")), None);
        assert_eq!(PublicIds::new(&[6; 32]).decode("pay", &text), None);
        assert_eq!(ids.decode("pay", &text.to_uppercase()), None);
        assert_eq!(
            ids.decode(
                "pay",
                &format!("pay_{}", text["pay_".len()..].to_uppercase())
            ),
            None
        );
    }

    #[test]
    fn any_changed_character_is_refused() {
        let ids = ids();
        let text = ids.encode("pay", 7);
        for at in 0..text.len() {
            for replacement in DIGITS.iter().chain(b"_0189A \xC3") {
                let mut changed = text.clone().into_bytes();
                if changed[at] == *replacement {
                    continue;
                }
                changed[at] = *replacement;
                let changed = String::from_utf8_lossy(&changed);
                assert_eq!(ids.decode("pay", &changed), None, "{changed}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "lowercase")]
    fn a_kind_that_is_no_word_is_a_bug() {
        let _ = ids().encode("Pay", 1);
    }

    proptest! {
        #[test]
        fn every_id_comes_back(id: u64) {
            let ids = ids();
            prop_assert_eq!(ids.decode("evt", &ids.encode("evt", id)), Some(id));
        }

        #[test]
        fn whatever_comes_is_refused_without_a_fault(text in "(pay_)?\\PC{0,40}") {
            prop_assert_eq!(ids().decode("pay", &text), None);
        }
    }
}
