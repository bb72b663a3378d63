//! Message types: four digits that say version, class, function and origin (ISO 8583:1987 clause 4.1, :1993 clause 4.1).

use std::fmt;

/// A message type indicator, such as 0200.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageType(u16);

/// The second digit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageClass {
    Authorization,
    Financial,
    FileAction,
    Reversal,
    Reconciliation,
    Administrative,
    Fee,
    NetworkManagement,
    Other(u8),
}

impl MessageType {
    /// `number` in decimal has the four digits: `MessageType::new(200)` is 0200.
    pub const fn new(number: u16) -> Self {
        assert!(number < 10_000, "four digits");
        Self(number)
    }

    pub fn parse(digits: &[u8]) -> Option<Self> {
        if digits.len() != 4 || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = digits
            .iter()
            .fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        Some(Self(number))
    }

    pub fn digits(self) -> [u8; 4] {
        [1000, 100, 10, 1].map(|place| b'0' + (self.0 / place % 10) as u8)
    }

    /// 0 for 1987, 1 for 1993, 2 for 2003.
    pub fn version(self) -> u8 {
        (self.0 / 1000) as u8
    }

    pub fn class(self) -> MessageClass {
        match (self.0 / 100 % 10) as u8 {
            1 => MessageClass::Authorization,
            2 => MessageClass::Financial,
            3 => MessageClass::FileAction,
            4 => MessageClass::Reversal,
            5 => MessageClass::Reconciliation,
            6 => MessageClass::Administrative,
            7 => MessageClass::Fee,
            8 => MessageClass::NetworkManagement,
            other => MessageClass::Other(other),
        }
    }

    fn function(self) -> u16 {
        self.0 / 10 % 10
    }

    /// Something that wants an answer before anything happened.
    pub fn is_request(self) -> bool {
        self.function() == 0
    }

    /// Something that tells what has already happened.
    pub fn is_advice(self) -> bool {
        self.function() == 2
    }

    pub fn is_response(self) -> bool {
        matches!(self.function(), 1 | 3 | 5)
    }

    /// Sent again because no answer came: 0201, 0221, 0421.
    pub fn is_repeat(self) -> bool {
        self.0 % 2 == 1
    }

    /// The type this one repeats; itself if it is no repeat.
    pub fn original(self) -> Self {
        Self(self.0 - self.0 % 2)
    }

    /// The type of the answer, which is that of the original's: 0200 and 0201 give 0210. Responses and notifications have none.
    pub fn response(self) -> Option<Self> {
        matches!(self.function(), 0 | 2).then(|| Self(self.original().0 + 10))
    }

    /// The same with the first digit of another version.
    pub fn of_version(self, digit: u8) -> Self {
        Self(self.0 % 1000 + u16::from(digit % 10) * 1000)
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:04}", self.0)
    }
}

impl fmt::Debug for MessageType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_advices_have_an_answer_and_repeats_that_of_their_original() {
        let answer = |number| {
            MessageType::new(number)
                .response()
                .map(|response| response.to_string())
        };
        for (asked, answered) in [
            (100, "0110"),
            (101, "0110"),
            (120, "0130"),
            (200, "0210"),
            (201, "0210"),
            (220, "0230"),
            (221, "0230"),
            (400, "0410"),
            (420, "0430"),
            (421, "0430"),
            (500, "0510"),
            (800, "0810"),
            (1100, "1110"),
            (1421, "1430"),
            (202, "0212"),
        ] {
            assert_eq!(answer(asked).as_deref(), Some(answered), "{asked}");
        }
        for none in [110, 130, 210, 240, 810, 1142] {
            assert_eq!(answer(none), None, "{none}");
        }
    }

    #[test]
    fn four_digits_and_nothing_else_are_a_message_type() {
        let mti = MessageType::parse(b"0421").expect("a type");
        assert!(mti.is_repeat() && mti.is_advice() && !mti.is_request() && !mti.is_response());
        assert_eq!(mti.class(), MessageClass::Reversal);
        assert_eq!(mti.original(), MessageType::new(420));
        assert_eq!(mti.of_version(1).to_string(), "1421");
        assert_eq!(&mti.digits(), b"0421");
        for bad in [&b"042"[..], b"04210", b"04x1", b""] {
            assert_eq!(MessageType::parse(bad), None);
        }
    }
}
