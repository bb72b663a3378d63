//! Where a message is wrong, and how. Never what it said: that may be a card number.

use std::fmt;

use crate::tlv::Tag;

/// A place in a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Path {
    MessageType,
    /// The first, second or third.
    Bitmap(u8),
    Field(u8),
    /// A data object of a field in BER-TLV.
    Object(u8, Tag),
    /// A subfield with a tag in characters.
    Subfield(u8, Label),
    /// What follows the last field.
    End,
}

/// The tag of a subfield, in characters; at most four.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label([u8; 4]);

impl Label {
    /// The first four of `characters`.
    pub fn new(characters: &[u8]) -> Self {
        let mut label = [0; 4];
        let count = characters.len().min(4);
        label[..count].copy_from_slice(&characters[..count]);
        Self(label)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.iter().filter(|byte| **byte != 0) {
            let shown = if byte.is_ascii_graphic() { *byte } else { b'?' };
            write!(out, "{}", char::from(shown))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl Path {
    /// The field it is in, if it is in one.
    pub fn field(self) -> Option<u8> {
        match self {
            Self::Field(field) | Self::Object(field, _) | Self::Subfield(field, _) => Some(field),
            Self::MessageType | Self::Bitmap(_) | Self::End => None,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MessageType => out.write_str("message type"),
            Self::Bitmap(which) => write!(out, "bitmap {which}"),
            Self::Field(field) => write!(out, "{field}"),
            Self::Object(field, tag) => write!(out, "{field}.{tag}"),
            Self::Subfield(field, label) => write!(out, "{field}.{label}"),
            Self::End => out.write_str("end"),
        }
    }
}

/// What is wrong there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Problem {
    /// The bytes end before it does.
    EndsEarly,
    /// A length that is no number.
    LengthForm,
    /// Longer than the dialect allows.
    TooLong,
    /// Of a fixed length, and not of it.
    WrongLength,
    /// Characters that a field of its class cannot have.
    Characters,
    /// What fills up an odd number of digits is not what the dialect fills up with.
    Padding,
    /// The dialect has no such field.
    NotInDialect,
    /// Bytes after the last field.
    TrailingBytes,
    /// No tags, lengths and values.
    Structure,
    /// A field that such a message must have.
    Missing,
    /// A value that makes no sense, or contradicts another field.
    Value,
}

impl Problem {
    /// Stable, for logs and counters.
    pub fn code(self) -> &'static str {
        match self {
            Self::EndsEarly => "ends_early",
            Self::LengthForm => "length_form",
            Self::TooLong => "too_long",
            Self::WrongLength => "wrong_length",
            Self::Characters => "characters",
            Self::Padding => "padding",
            Self::NotInDialect => "not_in_dialect",
            Self::TrailingBytes => "trailing_bytes",
            Self::Structure => "structure",
            Self::Missing => "missing",
            Self::Value => "value",
        }
    }
}

/// A message that cannot be read or written: where and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{path}: {}", .problem.code())]
pub struct Error {
    pub path: Path,
    pub problem: Problem,
}

impl Error {
    pub fn new(path: Path, problem: Problem) -> Self {
        Self { path, problem }
    }

    pub fn field(number: u8, problem: Problem) -> Self {
        Self::new(Path::Field(number), problem)
    }
}
