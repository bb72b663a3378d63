//! A dialect as data: what a network writes how.
//!
//! Starts from a version's table of fields and says how each kind of thing is written; [`Exception`]s say what single fields do
//! otherwise. Nothing here runs: [`Codec::new`](super::Codec::new) checks a dialect once and makes it ready.

use std::borrow::Cow;

use super::{
    charset::Charset,
    field::{Class, Field, Length},
    fields_1987, fields_1993,
};

/// The edition of the standard: its table of fields and the first digit of its message types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    V1987,
    V1993,
}

impl Version {
    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::V1987 => fields_1987::FIELDS,
            Self::V1993 => fields_1993::FIELDS,
        }
    }

    /// The first digit of a message type.
    pub fn digit(self) -> u8 {
        match self {
            Self::V1987 => 0,
            Self::V1993 => 1,
        }
    }
}

/// How digits are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Digits {
    /// One character each.
    Characters,
    /// Two to a byte (BCD), an odd number filled up.
    Packed(Fill),
}

/// What fills up an odd number of packed digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fill {
    ZeroBefore,
    ZeroAfter,
    FAfter,
}

/// How the length before a field is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lengths {
    Characters,
    /// Two digits to a byte; LLL takes two bytes.
    Packed,
    /// A number: one byte for LL, two for more digits.
    Binary,
}

/// How bytes are written: bitmaps and fields of class `b`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Octets {
    Raw,
    /// Two hexadecimal characters each, written in capitals. A length before them counts characters.
    Hex,
}

/// What the length before a field of packed digits counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counts {
    Digits,
    /// So an odd number of digits cannot be told from an even one, but for an `F` at the end.
    Bytes,
}

/// What is in a field that holds more than one value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Structure {
    /// Tags, lengths and values as on chips.
    Ber,
    /// So many characters of tag, so many digits of length, the value; again and again.
    Labelled { label: u8, length: u8 },
}

/// What one field does otherwise than its table and the rest of the dialect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// This network has no such field.
    Absent,
    /// The whole field anew, its length in characters, or bytes for [`Class::Binary`]. Also adds a field that the table lacks.
    Is(Class, Length),
    Digits(Digits),
    Lengths(Lengths),
    /// The length takes so many bytes, whatever its digits would take.
    LengthBytes(u8),
    Octets(Octets),
    Counts(Counts),
    Holds(Structure),
}

/// A [`Change`] of field `field`.
pub type Exception = (u8, Change);

/// What one network speaks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dialect {
    pub name: Cow<'static, str>,
    pub version: Version,
    pub charset: Charset,
    pub message_type: Digits,
    pub bitmap: Octets,
    /// Bitmaps that a message has even if it needs fewer: 1, or 2 where the second is always there.
    pub bitmaps: u8,
    /// Bit 65 says that a third bitmap follows the second, for fields 129 to 192. Otherwise it is a field like others.
    pub third_bitmap: bool,
    /// Fields of class `n`, and the digits of `x+n`.
    pub digits: Digits,
    /// Fields of class `z`.
    pub tracks: Digits,
    pub lengths: Lengths,
    pub octets: Octets,
    pub exceptions: Cow<'static, [Exception]>,
}
