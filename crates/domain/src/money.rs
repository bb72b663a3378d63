//! Money: integer minor units, checked.
//!
//! **Invariant:** an [`Amount`] is never negative and never above [`Amount::MAX`], so that a sum of a million of them
//! still fits 64 bits. **Not here:** decimals and text, which belong to the edge; floats, which belong nowhere near.

use minicbor::{Decode, Encode};

/// ISO 4217 alphabetic code and the number of its minor digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Currency {
    #[n(0)]
    code: u32,
    #[n(1)]
    digits: u8,
}

impl Currency {
    /// `code` is three capital letters; `digits` at most four, as in ISO 4217.
    pub fn new(code: &str, digits: u8) -> Option<Self> {
        let bytes = code.as_bytes();
        if bytes.len() != 3 || !bytes.iter().all(u8::is_ascii_uppercase) || digits > 4 {
            return None;
        }
        Some(Self {
            code: u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]),
            digits,
        })
    }

    pub fn code(self) -> String {
        self.code.to_be_bytes()[1..]
            .iter()
            .map(|b| char::from(*b))
            .collect()
    }

    pub fn digits(self) -> u8 {
        self.digits
    }
}

/// An amount in minor units of the operator's currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode)]
#[cbor(transparent)]
pub struct Amount(#[n(0)] i64);

impl<'b, C> Decode<'b, C> for Amount {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::new(d.i64()?).ok_or_else(|| minicbor::decode::Error::message("amount out of range"))
    }
}

impl Amount {
    pub const ZERO: Self = Self(0);
    /// 10^12 minor units: more than any one payment, far less than 64 bits hold.
    pub const MAX: Self = Self(1_000_000_000_000);

    pub const fn new(minor: i64) -> Option<Self> {
        if minor < 0 || minor > Self::MAX.0 {
            None
        } else {
            Some(Self(minor))
        }
    }

    /// Cuts to the range; for sums and differences that are capped anyway.
    pub const fn clamped(minor: i64) -> Self {
        if minor < 0 {
            Self::ZERO
        } else if minor > Self::MAX.0 {
            Self::MAX
        } else {
            Self(minor)
        }
    }

    pub const fn minor(self) -> i64 {
        self.0
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    pub const fn plus(self, other: Self) -> Self {
        Self::clamped(self.0 + other.0)
    }

    /// What is left, never below zero.
    pub const fn minus(self, other: Self) -> Self {
        Self::clamped(self.0 - other.0)
    }

    pub fn sum(amounts: impl IntoIterator<Item = Self>) -> Self {
        amounts.into_iter().fold(Self::ZERO, Self::plus)
    }

    /// As much of it as `part` is of `whole`, rounded half up; all of it if they are the same.
    pub fn share(self, part: Self, whole: Self) -> Self {
        let whole = i128::from(whole.0).max(1);
        let product = i128::from(self.0) * i128::from(part.0) + whole / 2;
        Self::clamped(i64::try_from(product / whole).unwrap_or(i64::MAX))
    }

    /// `basis_points` ten-thousandths of this amount, half up.
    pub fn basis_points(self, basis_points: u32) -> Self {
        let product = i128::from(self.0) * i128::from(basis_points) + 5_000;
        Self::clamped(i64::try_from(product / 10_000).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_a_floor_and_a_ceiling() {
        assert_eq!(Amount::new(-1), None);
        assert!(Amount::new(0).is_some());
        assert!(Amount::new(Amount::MAX.minor()).is_some());
        assert_eq!(Amount::new(Amount::MAX.minor() + 1), None);
    }

    #[test]
    fn a_share_is_rounded_half_up() {
        for (minor, basis_points, share) in [
            (10_000, 60, 60),
            (99, 50, 0),
            (100, 50, 1),
            (12_345, 100, 123),
            (1, 5_000, 1),
        ] {
            assert_eq!(
                Amount::clamped(minor).basis_points(basis_points).minor(),
                share,
                "{minor} × {basis_points} bp"
            );
        }
    }

    #[test]
    fn a_currency_is_three_capitals() {
        assert_eq!(
            Currency::new("CNY", 2).map(Currency::code).as_deref(),
            Some("CNY")
        );
        for bad in ["cny", "CN", "CNYX", "C1Y", ""] {
            assert_eq!(Currency::new(bad, 2), None, "{bad}");
        }
    }
}
