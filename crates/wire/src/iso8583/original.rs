//! Which message a reversal is about: field 90 (ISO 8583:1987) or field 56 (ISO 8583:1993).
//!
//! ```text
//!   90: n 42     type 4 · trace 6 · transmitted MMDDhhmmss 10 · acquirer 11 · forwarder 11
//!   56: n ..35   type 4 · trace 6 · local YYMMDDhhmmss 12 · length 2 · acquirer ..11
//! ```

use super::{
    error::{Error, Problem},
    message::Message,
    message_type::MessageType,
};

/// The original data elements.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Original {
    pub message_type: MessageType,
    /// Field 11.
    pub trace: u32,
    pub when: When,
    /// Field 32, without zeros before it; empty if not told.
    pub acquirer: String,
    /// Field 33 likewise, in 1987 only.
    pub forwarder: String,
}

/// When the original was sent, as the version has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum When {
    /// Field 7: MMDDhhmmss.
    Transmitted(String),
    /// Field 12: YYMMDDhhmmss.
    Local(String),
}

impl Original {
    /// The field it is in.
    pub fn field(message_type: MessageType) -> u8 {
        if message_type.version() == 0 { 90 } else { 56 }
    }

    /// What `message` says about its original, if it says anything.
    pub fn of(message: &Message) -> Result<Option<Self>, Error> {
        let field = Self::field(message.message_type);
        let Some(value) = message.get(field) else {
            return Ok(None);
        };
        let read = match field {
            90 => Self::read_1987(value),
            _ => Self::read_1993(value),
        };
        read.map(Some)
            .ok_or(Error::field(field, Problem::Structure))
    }

    /// What a reversal of `message` says.
    pub fn elements_of(message: &Message) -> Self {
        let text = |field| message.text(field).unwrap_or_default().to_owned();
        let number = |field| text(field).trim_start_matches('0').to_owned();
        let when = match message.message_type.version() {
            0 => When::Transmitted(text(7)),
            _ => When::Local(text(12)),
        };
        Self {
            message_type: message.message_type,
            trace: message.number(11).unwrap_or(0) as u32,
            when,
            acquirer: number(32),
            forwarder: number(33),
        }
    }

    /// The value of its field.
    pub fn value(&self) -> String {
        let Self {
            message_type,
            trace,
            acquirer,
            forwarder,
            ..
        } = self;
        match &self.when {
            When::Transmitted(when) => {
                format!("{message_type}{trace:06}{when:0>10}{acquirer:0>11}{forwarder:0>11}")
            }
            When::Local(when) => {
                let length = acquirer.len();
                format!("{message_type}{trace:06}{when:0>12}{length:02}{acquirer}")
            }
        }
    }

    fn read_1987(value: &[u8]) -> Option<Self> {
        let digits = digits(value)?;
        if digits.len() != 42 {
            return None;
        }
        Some(Self {
            message_type: MessageType::parse(&value[..4])?,
            trace: digits[4..10].parse().ok()?,
            when: When::Transmitted(digits[10..20].to_owned()),
            acquirer: digits[20..31].trim_start_matches('0').to_owned(),
            forwarder: digits[31..].trim_start_matches('0').to_owned(),
        })
    }

    fn read_1993(value: &[u8]) -> Option<Self> {
        let digits = digits(value)?;
        if digits.len() < 22 {
            return None;
        }
        // Some leave the acquirer out altogether.
        let acquirer = match digits.get(22..24) {
            Some(length) if length.parse() == Ok(digits.len() - 24) => &digits[24..],
            None if digits.len() == 22 => "",
            _ => return None,
        };
        Some(Self {
            message_type: MessageType::parse(&value[..4])?,
            trace: digits[4..10].parse().ok()?,
            when: When::Local(digits[10..22].to_owned()),
            acquirer: acquirer.trim_start_matches('0').to_owned(),
            forwarder: String::new(),
        })
    }
}

fn digits(value: &[u8]) -> Option<&str> {
    let digits = value.iter().all(u8::is_ascii_digit);
    digits.then(|| str::from_utf8(value).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reversal_names_its_original_in_either_version() {
        let mut sale = Message::new(MessageType::new(200));
        sale.set(7, "1122194643")
            .set(11, "000042")
            .set(32, "012345");
        let original = Original::elements_of(&sale);
        assert_eq!(
            original.value(),
            "020000004211221946430000001234500000000000"
        );
        let mut reversal = Message::new(MessageType::new(420));
        reversal.set(90, original.value());
        assert_eq!(Original::of(&reversal), Ok(Some(original)));

        let mut sale = Message::new(MessageType::new(1200));
        sale.set(12, "261122194643")
            .set(11, "000042")
            .set(32, "12345");
        let original = Original::elements_of(&sale);
        assert_eq!(original.value(), "12000000422611221946430512345");
        let mut reversal = Message::new(MessageType::new(1420));
        reversal.set(56, original.value());
        assert_eq!(Original::of(&reversal), Ok(Some(original)));
        assert_eq!(Original::of(&sale), Ok(None));
    }

    #[test]
    fn original_elements_that_are_none_are_refused() {
        for (number, field, value) in [
            (400, 90, "0200"),
            (400, 90, ""),
            (1400, 56, "120000004226112219464"),
            (1400, 56, "12000000422611221946430612345"),
            (1400, 56, "1200000042261122194643051234567"),
        ] {
            let mut reversal = Message::new(MessageType::new(number));
            reversal.set(field, value);
            let error = Original::of(&reversal).expect_err(value);
            assert_eq!(error.path.field(), Some(field));
        }
    }
}
