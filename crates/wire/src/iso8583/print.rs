//! What a message looks like in a log: types, numbers, and nothing that somebody could pay with.
//!
//! ```text
//! 0200 2=411111******1111 3=000000 4=000000001000 11=123456 35=<37> 55=<9F26 9F27 95> 60=<12>
//! ```
//! The version's table says what may be shown. A dialect can add fields and change them, and none of that makes one printable.

use std::fmt::{self, Write};

use super::{field::Shown, message::Message};
use crate::tlv::Objects;

impl fmt::Display for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.message_type)?;
        for (field, value) in self.fields() {
            write!(out, " {field}=")?;
            match self.shown(field) {
                Shown::Whole => characters(out, value)?,
                Shown::AccountNumber => account_number(out, value)?,
                Shown::Length if field == 55 => tags(out, value)?,
                Shown::Length => write!(out, "<{}>", value.len())?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Message({self})")
    }
}

fn characters(out: &mut fmt::Formatter<'_>, value: &[u8]) -> fmt::Result {
    if value.iter().all(|byte| (0x20..0x7F).contains(byte)) {
        value
            .iter()
            .try_for_each(|byte| out.write_char(char::from(*byte)))
    } else {
        value.iter().try_for_each(|byte| write!(out, "{byte:02X}"))
    }
}

/// Six and four digits of at least thirteen, as card networks allow; of a shorter one nothing.
pub(crate) fn account_number(out: &mut fmt::Formatter<'_>, value: &[u8]) -> fmt::Result {
    if value.len() < 13 {
        return write!(out, "<{}>", value.len());
    }
    let (first, rest) = value.split_at(6);
    let (middle, last) = rest.split_at(rest.len() - 4);
    characters(out, first)?;
    middle.iter().try_for_each(|_| out.write_char('*'))?;
    characters(out, last)
}

/// Which data objects there are, not what they say.
fn tags(out: &mut fmt::Formatter<'_>, value: &[u8]) -> fmt::Result {
    let objects: Result<Vec<_>, _> = Objects::of(value).collect();
    match objects {
        Ok(objects) if !objects.is_empty() => {
            let tags: Vec<String> = objects.iter().map(|(tag, _)| tag.to_string()).collect();
            write!(out, "<{}>", tags.join(" "))
        }
        _ => write!(out, "<{}>", value.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iso8583::MessageType;

    #[test]
    fn nothing_that_pays_is_printed() {
        for version in [0, 1] {
            let mut message = Message::new(MessageType::new(200).of_version(version));
            message
                .set(2, "4111111111111111")
                .set(3, "000000")
                .set(14, "3012")
                .set(35, "4111111111111111=30121010000000000000")
                .set(36, "4111111111111111=3012")
                .set(45, "B4111111111111111^DOE/J^3012")
                .set(48, "9203123")
                .set(52, [0xAB; 8])
                .set(55, [0x9F, 0x26, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0x95, 1, 0xCD])
                .set(120, "4111111111111111");
            let printed = format!("{message} {message:?}");
            for secret in ["1111111111", "3012", "ABAB", "0102", "CD", "DOE", "9203123"] {
                assert!(!printed.contains(secret), "{secret} in {printed}");
            }
            assert!(printed.contains("2=411111******1111 3=000000"), "{printed}");
            assert!(printed.contains("55=<9F26 95>"), "{printed}");
        }
    }

    #[test]
    fn a_short_account_number_is_not_printed_at_all() {
        let mut message = Message::new(MessageType::new(100));
        message.set(2, "123456789012");
        assert_eq!(message.to_string(), "0100 2=<12>");
    }
}
