//! PINs as they come in: six digits, and not one of those that everybody tries first.

use paytone_domain::ids::{PinValue, SubscriberId};
use paytone_journal::Keyring;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::edge::problem::Problem;

const LENGTH: usize = 6;

/// What was typed. Its `Debug` says nothing.
#[derive(Clone)]
pub struct TypedPin(Zeroizing<String>);

impl<'de> Deserialize<'de> for TypedPin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|typed| Self(Zeroizing::new(typed)))
    }
}

impl std::fmt::Debug for TypedPin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TypedPin(***)")
    }
}

impl TypedPin {
    /// The value to check it by. What is not six digits uses up no try.
    pub fn value(&self, keyring: &Keyring, subscriber: SubscriberId) -> Result<PinValue, Problem> {
        if self.0.len() != LENGTH || !self.0.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(Problem::unprocessable("invalid_pin", "a PIN has six digits").field("pin"));
        }
        Ok(PinValue(keyring.pin_value(subscriber.0, &self.0)))
    }

    /// Whether it is one that a thief tries first; asked only where a PIN is chosen.
    pub fn is_weak(&self) -> bool {
        let digits = self.0.as_bytes();
        let steps = |by: u8| {
            digits
                .windows(2)
                .all(|pair| (pair[0] - b'0' + by) % 10 == pair[1] - b'0')
        };
        let repeats = |length: usize| {
            digits
                .iter()
                .zip(digits.iter().skip(length))
                .all(|(first, next)| first == next)
        };
        let doubles = digits.chunks(2).all(|pair| pair.first() == pair.last());
        steps(1) || steps(9) || (1..=3).any(repeats) || doubles
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_repetitions_and_doubles_are_weak() {
        for (pin, weak) in [
            ("000000", true),
            ("123456", true),
            ("890123", true),
            ("654321", true),
            ("210987", true),
            ("121212", true),
            ("123123", true),
            ("112233", true),
            ("123457", false),
            ("121213", false),
            ("112234", false),
            ("284617", false),
        ] {
            let pin_typed = TypedPin(Zeroizing::new(pin.to_owned()));
            assert_eq!(pin_typed.is_weak(), weak, "{pin}");
        }
    }

    #[test]
    fn only_six_digits_are_a_pin_and_debug_hides_them() {
        let keyring = Keyring::derived_for_simulation(1);
        for (pin, accepted) in [
            ("284617", true),
            ("28461", false),
            ("2846170", false),
            ("28461a", false),
            ("28461７", false),
            ("", false),
        ] {
            let typed = TypedPin(Zeroizing::new(pin.to_owned()));
            assert_eq!(
                typed.value(&keyring, SubscriberId(1)).is_ok(),
                accepted,
                "{pin}"
            );
            assert_eq!(format!("{typed:?}"), "TypedPin(***)");
        }
    }
}
