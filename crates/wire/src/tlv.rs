//! BER-TLV as chips use it: EMV Book 3 Annex B, ISO/IEC 7816-4 section 5.2.2.
//!
//! Tags have one to four bytes, lengths are definite; bytes `00` between data objects mean nothing and are skipped (Annex B1). A
//! constructed object's value is read by reading it again: nothing here recurses, so nesting costs no stack.
//!
//! **Not here:** what a tag means.

use std::fmt;

/// A tag, as the number its bytes make: `9F26` is `0x9F26`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u32);

impl Tag {
    /// Whether its value is data objects again.
    pub fn is_constructed(self) -> bool {
        let bytes = self.0.to_be_bytes();
        bytes.iter().find(|byte| **byte != 0).copied().unwrap_or(0) & 0x20 != 0
    }

    /// Whether its bytes say where they end, as Annex B1 has it.
    pub fn is_well_formed(self) -> bool {
        let mut bytes = Vec::with_capacity(4);
        self.write(&mut bytes);
        matches!(read_tag(&bytes), Ok((tag, [])) if tag == self) && self.0 != 0
    }

    fn write(self, to: &mut Vec<u8>) {
        let bytes = self.0.to_be_bytes();
        let from = bytes.iter().position(|byte| *byte != 0).unwrap_or(3);
        to.extend_from_slice(&bytes[from..]);
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = match self.0 {
            0..=0xFF => 2,
            0x100..=0xFFFF => 4,
            0x1_0000..=0xFF_FFFF => 6,
            _ => 8,
        };
        write!(out, "{:0digits$X}", self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// Why bytes are no data objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlvError {
    #[error("a tag ends early")]
    TagEndsEarly,
    #[error("a tag of more than four bytes")]
    TagTooLong,
    #[error("{0} has no length")]
    LengthEndsEarly(Tag),
    #[error("the length of {0} is of a form that is not allowed")]
    LengthForm(Tag),
    #[error("the value of {0} ends early")]
    ValueEndsEarly(Tag),
}

impl TlvError {
    /// The object that is wrong, once its tag is known.
    pub fn tag(self) -> Option<Tag> {
        match self {
            Self::TagEndsEarly | Self::TagTooLong => None,
            Self::LengthEndsEarly(tag) | Self::LengthForm(tag) | Self::ValueEndsEarly(tag) => {
                Some(tag)
            }
        }
    }
}

/// The data objects of `bytes`, one after the other. Ends after an error.
#[derive(Clone)]
pub struct Objects<'a> {
    rest: &'a [u8],
}

impl<'a> Objects<'a> {
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Objects<'a> {
    type Item = Result<(Tag, &'a [u8]), TlvError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let [0, rest @ ..] = self.rest {
            self.rest = rest;
        }
        if self.rest.is_empty() {
            return None;
        }
        let read = read_object(self.rest);
        self.rest = match read {
            Ok((_, _, rest)) => rest,
            Err(_) => &[],
        };
        Some(read.map(|(tag, value, _)| (tag, value)))
    }
}

/// The value of the first object with `tag`, if all before it can be read.
pub fn find(bytes: &[u8], tag: Tag) -> Option<&[u8]> {
    Objects::of(bytes)
        .map_while(Result::ok)
        .find(|(found, _)| *found == tag)
        .map(|(_, value)| value)
}

/// Adds one object to `to`, its length in as few bytes as it takes.
pub fn put(to: &mut Vec<u8>, tag: Tag, value: &[u8]) {
    tag.write(to);
    let length = value.len();
    match length {
        0..=0x7F => to.push(length as u8),
        0x80..=0xFF => to.extend_from_slice(&[0x81, length as u8]),
        0x100..=0xFFFF => to.extend_from_slice(&[0x82, (length >> 8) as u8, length as u8]),
        _ => {
            to.push(0x84);
            to.extend_from_slice(&(length as u32).to_be_bytes());
        }
    }
    to.extend_from_slice(value);
}

fn read_object(bytes: &[u8]) -> Result<(Tag, &[u8], &[u8]), TlvError> {
    let (tag, rest) = read_tag(bytes)?;
    let (length, rest) = read_length(tag, rest)?;
    if length > rest.len() {
        return Err(TlvError::ValueEndsEarly(tag));
    }
    let (value, rest) = rest.split_at(length);
    Ok((tag, value, rest))
}

fn read_tag(bytes: &[u8]) -> Result<(Tag, &[u8]), TlvError> {
    let (first, mut rest) = bytes.split_first().ok_or(TlvError::TagEndsEarly)?;
    let mut tag = u32::from(*first);
    if first & 0x1F == 0x1F {
        for more in 1.. {
            if more == 4 {
                return Err(TlvError::TagTooLong);
            }
            let (next, after) = rest.split_first().ok_or(TlvError::TagEndsEarly)?;
            rest = after;
            tag = tag << 8 | u32::from(*next);
            if next & 0x80 == 0 {
                break;
            }
        }
    }
    Ok((Tag(tag), rest))
}

fn read_length(tag: Tag, bytes: &[u8]) -> Result<(usize, &[u8]), TlvError> {
    let (first, rest) = bytes.split_first().ok_or(TlvError::LengthEndsEarly(tag))?;
    match *first {
        short @ 0..=0x7F => Ok((usize::from(short), rest)),
        long @ 0x81..=0x84 => {
            let count = usize::from(long & 0x7F);
            if rest.len() < count {
                return Err(TlvError::LengthEndsEarly(tag));
            }
            let (length, rest) = rest.split_at(count);
            let length = length
                .iter()
                .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
            // What does not fit into memory ends early anyway.
            Ok((usize::try_from(length).unwrap_or(usize::MAX), rest))
        }
        _ => Err(TlvError::LengthForm(tag)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_tag_says_itself_where_it_ends() {
        assert!(Tag(0x9F26).is_well_formed());
        assert!(Tag(0x95).is_well_formed());
        assert!(Tag(0xDF8101).is_well_formed());
        assert!(!Tag(0x9F).is_well_formed());
        assert!(!Tag(0x9526).is_well_formed());
        assert!(!Tag(0).is_well_formed());
        assert!(Tag(0x70).is_constructed() && Tag(0xBF0C).is_constructed());
        assert!(!Tag(0x9F26).is_constructed());
        assert_eq!(Tag(0x9F26).to_string(), "9F26");
        assert_eq!(Tag(0x5).to_string(), "05");
    }

    #[test]
    fn what_ends_early_names_its_tag() {
        let error = |bytes: &[u8]| Objects::of(bytes).find_map(Result::err);
        assert_eq!(error(&[0x9F]), Some(TlvError::TagEndsEarly));
        assert_eq!(
            error(&[0x9F, 0x81, 0x81, 0x81, 0]),
            Some(TlvError::TagTooLong)
        );
        assert_eq!(error(&[0x95]), Some(TlvError::LengthEndsEarly(Tag(0x95))));
        assert_eq!(
            error(&[0x95, 0x81]),
            Some(TlvError::LengthEndsEarly(Tag(0x95)))
        );
        assert_eq!(
            error(&[0x95, 0x80, 0, 0]),
            Some(TlvError::LengthForm(Tag(0x95)))
        );
        assert_eq!(
            error(&[0x9C, 1, 0, 0x95, 5, 0]),
            Some(TlvError::ValueEndsEarly(Tag(0x95)))
        );
        assert_eq!(
            error(&[0x95, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]),
            Some(TlvError::ValueEndsEarly(Tag(0x95)))
        );
        assert_eq!(error(&[0, 0, 0x9C, 1, 0, 0]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut seen = 0;
            for (tag, value) in Objects::of(&bytes).flatten() {
                prop_assert!(tag.is_well_formed());
                seen += value.len();
            }
            prop_assert!(seen <= bytes.len());
        }

        #[test]
        fn what_is_put_is_found(
            values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 1..5)
        ) {
            let tags = [0x82, 0x9F26, 0xDF8101, 0x9F10, 0x95];
            let mut bytes = Vec::new();
            for (tag, value) in tags.iter().zip(&values) {
                put(&mut bytes, Tag(*tag), value);
            }
            for (tag, value) in tags.iter().zip(&values) {
                prop_assert_eq!(find(&bytes, Tag(*tag)), Some(value.as_slice()));
            }
        }
    }
}
