//! The card or token that pays, from field 2 or from track 2 (ISO/IEC 7813).

use std::fmt;

use zeroize::Zeroizing;

/// A card number and what came with it. Wiped when it goes; printing shows six and four digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Card {
    number: Zeroizing<String>,
    /// YYMM.
    pub expires: Option<String>,
    /// Field 23: tells cards of one number apart.
    pub sequence: Option<u8>,
    /// The three digits of track 2 that say where a card is good and how; 2 or 6 first: it has a chip.
    pub service: Option<String>,
}

impl Card {
    /// `number` of 8 to 19 digits.
    pub fn new(number: &str) -> Option<Self> {
        let good = (8..=19).contains(&number.len()) && number.bytes().all(|d| d.is_ascii_digit());
        good.then(|| Self {
            number: Zeroizing::new(number.to_owned()),
            expires: None,
            sequence: None,
            service: None,
        })
    }

    /// Number, separator, YYMM, service code, and what the issuer likes.
    pub fn of_track_2(track: &str) -> Option<Self> {
        let (number, rest) = track.split_once(['=', 'D'])?;
        let mut card = Self::new(number)?;
        // A separator in place of a date or a code says that there is none.
        let (expires, rest) = match rest.strip_prefix(['=', 'D']) {
            Some(rest) => (None, rest),
            None => {
                let (expires, rest) = rest.split_at_checked(4)?;
                (Some(expires), rest)
            }
        };
        let service = match rest.strip_prefix(['=', 'D']) {
            Some(_) => None,
            None => rest.get(..3),
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !expires.is_none_or(digits) || !service.is_none_or(digits) {
            return None;
        }
        card.expires = expires.map(str::to_owned);
        card.service = service.map(str::to_owned);
        Some(card)
    }

    /// The whole number, to find the token by.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// Whether the last digit is the one that ISO/IEC 7812-1 annex B asks for.
    pub fn check_digit_is_right(&self) -> bool {
        let sum: u32 = self
            .number
            .bytes()
            .rev()
            .enumerate()
            .map(|(at, digit)| {
                let digit = u32::from(digit - b'0') * if at % 2 == 0 { 1 } else { 2 };
                digit / 10 + digit % 10
            })
            .sum();
        sum.is_multiple_of(10)
    }
}

impl fmt::Debug for Card {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Card(")?;
        crate::iso8583::account_number(out, self.number.as_bytes())?;
        out.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn track_2_has_number_date_and_service_code_or_says_that_it_has_none() {
        let card = Card::of_track_2("4111111111111111=30122010000000000").expect("a card");
        assert_eq!(card.number(), "4111111111111111");
        assert_eq!(card.expires.as_deref(), Some("3012"));
        assert_eq!(card.service.as_deref(), Some("201"));
        let card = Card::of_track_2("4111111111111111D==").expect("a card");
        assert_eq!((card.expires, card.service), (None, None));
        for bad in [
            "4111111111111111",
            "41=3012201",
            "4111111111111111=30",
            "=3012",
            "411111111111111x=3012",
        ] {
            assert_eq!(Card::of_track_2(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_number_is_checked_by_its_last_digit_and_not_printed() {
        let card = Card::new("4111111111111111").expect("a card");
        assert!(card.check_digit_is_right());
        assert_eq!(format!("{card:?}"), "Card(411111******1111)");
        assert!(
            !Card::new("4111111111111112")
                .expect("a card")
                .check_digit_is_right()
        );
        assert_eq!(Card::new("1234567"), None);
        assert_eq!(Card::new("12345678901234567890"), None);
    }
}
