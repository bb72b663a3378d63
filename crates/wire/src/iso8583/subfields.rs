//! Fields that hold more than one value: 55 (chip data) and, in most networks, 48.

use super::{
    codec::Codec,
    dialect::Structure,
    error::{Error, Label, Path, Problem},
    message::Message,
};
use crate::tlv::{self, Objects, Tag};

/// What a subfield is called.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Key {
    Tag(Tag),
    Label(Label),
}

impl Codec {
    /// The subfields of field `field`: none if the message has no such field, an error if the dialect does not divide it.
    pub fn subfields<'m>(
        &self,
        message: &'m Message,
        field: u8,
    ) -> Result<Vec<(Key, &'m [u8])>, Error> {
        let structure = self
            .structure(field)
            .ok_or(Error::field(field, Problem::Structure))?;
        read(structure, field, message.get(field).unwrap_or_default())
    }

    /// The value of field `field` that has these subfields, in this order.
    pub fn joined(&self, field: u8, subfields: &[(Key, &[u8])]) -> Result<Vec<u8>, Error> {
        let structure = self
            .structure(field)
            .ok_or(Error::field(field, Problem::Structure))?;
        write(structure, field, subfields)
    }
}

/// Reads `value`, that of field `field`.
pub fn read(structure: Structure, field: u8, value: &[u8]) -> Result<Vec<(Key, &[u8])>, Error> {
    match structure {
        Structure::Ber => Objects::of(value)
            .map(|object| match object {
                Ok((tag, value)) => Ok((Key::Tag(tag), value)),
                Err(error) => Err(match error.tag() {
                    Some(tag) => Error::new(Path::Object(field, tag), Problem::EndsEarly),
                    None => Error::field(field, Problem::Structure),
                }),
            })
            .collect(),
        Structure::Labelled { label, length } => {
            let mut subfields = Vec::new();
            let mut rest = value;
            while !rest.is_empty() {
                let (key, value, after) = labelled(label, length, field, rest)?;
                subfields.push((key, value));
                rest = after;
            }
            Ok(subfields)
        }
    }
}

/// Writes what [`read`] reads.
pub fn write(
    structure: Structure,
    field: u8,
    subfields: &[(Key, &[u8])],
) -> Result<Vec<u8>, Error> {
    let mut to = Vec::new();
    for (key, value) in subfields {
        match (structure, key) {
            (Structure::Ber, Key::Tag(tag)) if tag.is_well_formed() => {
                tlv::put(&mut to, *tag, value);
            }
            (Structure::Labelled { label, length }, Key::Label(key)) => {
                let wrong = |problem| Error::new(Path::Subfield(field, *key), problem);
                let name = key.to_string();
                if name.len() != usize::from(label) {
                    return Err(wrong(Problem::Structure));
                }
                let places = usize::from(length);
                let digits = format!("{:0places$}", value.len());
                if digits.len() > places {
                    return Err(wrong(Problem::TooLong));
                }
                to.extend_from_slice(name.as_bytes());
                to.extend_from_slice(digits.as_bytes());
                to.extend_from_slice(value);
            }
            _ => return Err(Error::field(field, Problem::Structure)),
        }
    }
    Ok(to)
}

fn labelled(label: u8, length: u8, field: u8, bytes: &[u8]) -> Result<(Key, &[u8], &[u8]), Error> {
    let (name, rest) = bytes
        .split_at_checked(usize::from(label))
        .ok_or(Error::field(field, Problem::Structure))?;
    if !name.iter().all(u8::is_ascii_graphic) {
        return Err(Error::field(field, Problem::Structure));
    }
    let name = Label::new(name);
    let wrong = |problem| Error::new(Path::Subfield(field, name), problem);
    let (digits, rest) = rest
        .split_at_checked(usize::from(length))
        .ok_or(wrong(Problem::EndsEarly))?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(wrong(Problem::LengthForm));
    }
    let length = digits
        .iter()
        .fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
    let (value, rest) = rest
        .split_at_checked(length)
        .ok_or(wrong(Problem::EndsEarly))?;
    Ok((Key::Label(name), value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iso8583::{MessageType, dialects};

    #[test]
    fn subfields_are_read_as_they_are_written_and_errors_name_the_subfield() {
        let codec = Codec::new(&dialects::ASCII_1987).expect("a codec");
        let label = |name: &str| Key::Label(Label::new(name.as_bytes()));
        let subfields = [
            (label("20"), &b"S"[..]),
            (label("92"), b"123"),
            (label("99"), b""),
        ];
        let joined = codec.joined(48, &subfields).expect("a value");
        assert_eq!(joined, b"2001S92031239900");
        let mut message = Message::new(MessageType::new(100));
        message.set(48, &joined);
        assert_eq!(codec.subfields(&message, 48), Ok(subfields.to_vec()));
        assert_eq!(codec.subfields(&message, 55), Ok(Vec::new()));

        let error = |value: &str| {
            let mut message = Message::new(MessageType::new(100));
            message.set(48, value);
            let error = codec.subfields(&message, 48).expect_err("refused");
            error.to_string()
        };
        assert_eq!(error("2001S9203"), "48.92: ends_early");
        assert_eq!(error("2001S92x3123"), "48.92: length_form");
        assert_eq!(error("2001S9"), "48: structure");
        message.set(55, [0x9F, 0x26, 8, 1]);
        let error = codec.subfields(&message, 55).expect_err("refused");
        assert_eq!(error.to_string(), "55.9F26: ends_early");
        assert!(codec.subfields(&message, 60).is_err());
    }
}
