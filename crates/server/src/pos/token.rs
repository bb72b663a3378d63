//! Numbers for tokens: drawn within the operator's range, found again by a keyed hash.

use paytone_domain::ids::{Sealed, SubscriberId, TokenHash};
use paytone_domain::token::NewToken;
use paytone_journal::{Keyring, subject_keys::SubjectKeyError};
use paytone_wire::emv::derivation;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{
    edge::text::{self, Place},
    node::Node,
};

/// Digits of a token's number.
const DIGITS: usize = 16;
/// Tokens are good for so many years.
const YEARS: i16 = 5;

/// By which a token is found.
pub fn hash(keyring: &Keyring, number: &str) -> TokenHash {
    let hash = keyring.derived_value("token number", number.as_bytes());
    TokenHash(*hash.first_chunk().expect("32 bytes have a first 16"))
}

/// Why there is no number to give.
#[derive(Debug, thiserror::Error)]
pub enum DrawError {
    #[error("no range of numbers is set (`till.range`): 6 to 12 digits")]
    NoRange,
    #[error("there is no issuer key: `paytone till key add`")]
    NoKey,
    #[error("the subscriber is not known")]
    NoSubscriber,
    #[error(transparent)]
    Subject(#[from] SubjectKeyError),
}

/// A drawn number with what a phone needs to pay by it.
pub struct Drawn {
    pub new: NewToken,
    number: Zeroizing<String>,
    key: paytone_wire::emv::Key,
    key_index: u8,
    version: &'static str,
}

impl Drawn {
    /// For whoever puts it into the phone; shown once.
    pub fn personalisation(&self) -> Value {
        json!({
            "number": *self.number,
            "expires": format!("{:04}", self.new.expires),
            "sequence": 1,
            "key": data_encoding::HEXUPPER.encode(self.key.reveal()),
            "key_check_value": data_encoding::HEXUPPER.encode(&self.key.check_value()),
            "key_index": self.key_index,
            "version": self.version,
        })
    }
}

/// Makes a number of `secret` for a subscriber and derives its card key: of the same secret, the same ones.
pub async fn draw(
    node: &Node,
    subscriber: SubscriberId,
    secret: [u8; 32],
) -> Result<Drawn, DrawError> {
    let range = &node.config.till.range;
    let fits = (6..=12).contains(&range.len()) && range.bytes().all(|digit| digit.is_ascii_digit());
    if !fits {
        return Err(DrawError::NoRange);
    }
    let issuer = node.tills.keys.newest().ok_or(DrawError::NoKey)?;
    let number = number(range, secret);
    let subject = node.directory.subject(subscriber);
    let subject = subject.ok_or(DrawError::NoSubscriber)?;
    let sealing = node.subjects.get(subject).await?;
    let key = derivation::card_key(&issuer.key, issuer.version.card_key, &number, 1);
    let key = key.map_err(|_| DrawError::NoKey)?;
    let today = crate::edge::time::now();
    let year = jiff::Timestamp::from_millisecond(today.0)
        .unwrap_or_default()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .year()
        + YEARS;
    let expires = u16::try_from(year % 100 * 100 + 12).unwrap_or_default();
    let sealed: Sealed = text::seal(&sealing, subject, Place::TokenNumber, &number);
    Ok(Drawn {
        new: NewToken {
            hash: hash(&node.keyring, &number),
            number: sealed,
            expires,
        },
        number,
        key,
        key_index: issuer.index,
        version: issuer.version.name,
    })
}

/// Range, random digits, check digit (ISO/IEC 7812-1 annex B).
fn number(range: &str, secret: [u8; 32]) -> Zeroizing<String> {
    let mut number = Zeroizing::new(String::with_capacity(DIGITS));
    number.push_str(range);
    // Ten divides 2^128 closely enough that no digit is likelier by anything that could be told.
    let [high, _] = secret.as_chunks::<16>().0 else {
        unreachable!("32 bytes are twice 16")
    };
    let mut rest = u128::from_be_bytes(*high);
    while number.len() < DIGITS - 1 {
        number.push(char::from(b'0' + (rest % 10) as u8));
        rest /= 10;
    }
    let check = check_digit(&number);
    number.push(check);
    number
}

fn check_digit(digits: &str) -> char {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let digit = u32::from(digit - b'0') * if at % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    char::from(b'0' + ((10 - sum % 10) % 10) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::random;

    #[test]
    fn a_number_has_sixteen_digits_of_the_range_and_the_right_last_one() {
        for _ in 0..100 {
            let secret = [random(), random()].concat();
            let number = number("88880012", secret.try_into().expect("32 bytes"));
            let card = paytone_wire::till::Card::new(&number).expect("a card number");
            assert!(number.len() == DIGITS && number.starts_with("88880012"));
            assert!(card.check_digit_is_right(), "{card:?}");
        }
        assert_eq!(check_digit("411111111111111"), '1');
    }
}
