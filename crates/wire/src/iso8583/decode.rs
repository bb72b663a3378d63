//! Bytes to a message: type, bitmaps, fields in order, and not a byte left.

use super::{
    codec::{Codec, Rule},
    dialect::{Counts, Digits, Fill, Lengths, Octets},
    error::{Error, Path, Problem},
    field::{Class, Length},
    message::Message,
    message_type::MessageType,
};

/// What could be read of a message before it went wrong: enough to answer that its format is wrong, and where.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Unreadable {
    pub error: Error,
    /// The fields before the error, if there was a message type.
    pub before: Option<Message>,
}

impl Codec {
    /// Reads one whole message.
    pub fn decode(&self, bytes: &[u8]) -> Result<Message, Error> {
        self.decode_far(bytes)
            .map_err(|unreadable| unreadable.error)
    }

    /// As [`Self::decode`], and an error brings what was readable.
    pub fn decode_far(&self, bytes: &[u8]) -> Result<Message, Box<Unreadable>> {
        let mut reader = Reader { codec: self, bytes };
        let nothing = |error| {
            Box::new(Unreadable {
                error,
                before: None,
            })
        };
        let message_type = reader.message_type().map_err(nothing)?;
        // Packed digits become twice as many characters.
        let mut message = Message::with_room(message_type, bytes.len() * 2);
        match reader.fields(&mut message) {
            Ok(()) => Ok(message),
            Err(error) => Err(Box::new(Unreadable {
                error,
                before: Some(message),
            })),
        }
    }
}

struct Reader<'a> {
    codec: &'a Codec,
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn message_type(&mut self) -> Result<MessageType, Error> {
        let wrong = |problem| Error::new(Path::MessageType, problem);
        let mut digits = Vec::with_capacity(4);
        match self.codec.dialect().message_type {
            Digits::Characters => {
                let bytes = self.take(4).ok_or(wrong(Problem::EndsEarly))?;
                self.characters(bytes, &mut digits);
            }
            Digits::Packed(fill) => {
                let bytes = self.take(2).ok_or(wrong(Problem::EndsEarly))?;
                unpack(bytes, 4, fill, Class::Numeric, &mut digits).map_err(wrong)?;
            }
        }
        MessageType::parse(&digits).ok_or(wrong(Problem::Characters))
    }

    fn fields(&mut self, message: &mut Message) -> Result<(), Error> {
        let mut bitmaps = [0_u64; 3];
        let mut count = 1;
        bitmaps[0] = self.bitmap(1)?;
        if has(bitmaps[0], 1) {
            bitmaps[1] = self.bitmap(2)?;
            count = 2;
            if self.codec.dialect().third_bitmap && has(bitmaps[1], 1) {
                bitmaps[2] = self.bitmap(3)?;
                count = 3;
            }
        }
        message.bitmaps = count;
        for (block, bitmap) in bitmaps.into_iter().enumerate() {
            for bit in 1..=64_u8 {
                // Bit 1 says that another bitmap follows, where one can.
                let continues =
                    bit == 1 && (block == 0 || block == 1 && self.codec.dialect().third_bitmap);
                if has(bitmap, bit) && !continues {
                    self.field(block as u8 * 64 + bit, message)?;
                }
            }
        }
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(Error::new(Path::End, Problem::TrailingBytes))
        }
    }

    fn bitmap(&mut self, which: u8) -> Result<u64, Error> {
        let wrong = |problem| Error::new(Path::Bitmap(which), problem);
        let mut bitmap = Vec::with_capacity(8);
        match self.codec.dialect().bitmap {
            Octets::Raw => {
                let bytes = self.take(8).ok_or(wrong(Problem::EndsEarly))?;
                bitmap.extend_from_slice(bytes);
            }
            Octets::Hex => {
                let bytes = self.take(16).ok_or(wrong(Problem::EndsEarly))?;
                self.hex(bytes, &mut bitmap).map_err(wrong)?;
            }
        }
        Ok(bitmap
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    fn field(&mut self, number: u8, message: &mut Message) -> Result<(), Error> {
        let wrong = |problem| Error::field(number, problem);
        let rule = *self
            .codec
            .rule(number)
            .ok_or(wrong(Problem::NotInDialect))?;
        let bytes = self.field_bytes(&rule).map_err(wrong)?;
        let value = message
            .set_with(number, |to| self.value(&rule, bytes, to))
            .map_err(wrong)?;
        if rule.class.allows(value) {
            Ok(())
        } else {
            message.remove(number);
            Err(wrong(Problem::Characters))
        }
    }

    /// The bytes of a field's value, and how many units of it they are.
    fn field_bytes(&mut self, rule: &Rule) -> Result<(&'a [u8], usize), Problem> {
        let units = match rule.length {
            Length::Fixed(length) if rule.is_hex() => usize::from(length) * 2,
            Length::Fixed(length) => usize::from(length),
            Length::Upto { most, .. } => {
                let units = self.length(rule)?;
                if units > rule.most_units(most) {
                    return Err(Problem::TooLong);
                }
                match rule.packed() {
                    Some(_) if rule.counts == Counts::Bytes => units * 2,
                    _ => units,
                }
            }
        };
        let bytes = match rule.packed() {
            // The sign of a packed amount is a character all the same.
            Some(_) if rule.class == Class::Signed => 1 + units.saturating_sub(1).div_ceil(2),
            Some(_) => units.div_ceil(2),
            None => units,
        };
        Ok((self.take(bytes).ok_or(Problem::EndsEarly)?, units))
    }

    fn length(&mut self, rule: &Rule) -> Result<usize, Problem> {
        let bytes = self
            .take(usize::from(rule.length_bytes))
            .ok_or(Problem::EndsEarly)?;
        bytes.iter().try_fold(0, |sum: usize, byte| {
            let (places, digit) = match rule.lengths {
                Lengths::Binary => (256, usize::from(*byte)),
                Lengths::Packed if byte >> 4 <= 9 && byte & 15 <= 9 => {
                    (100, usize::from(byte >> 4) * 10 + usize::from(byte & 15))
                }
                Lengths::Characters => {
                    let character = self.codec.charset().read(*byte);
                    if !character.is_ascii_digit() {
                        return Err(Problem::LengthForm);
                    }
                    (10, usize::from(character - b'0'))
                }
                Lengths::Packed => return Err(Problem::LengthForm),
            };
            Ok(sum * places + digit)
        })
    }

    fn value(
        &self,
        rule: &Rule,
        (bytes, units): (&[u8], usize),
        to: &mut Vec<u8>,
    ) -> Result<(), Problem> {
        match (rule.class, rule.packed()) {
            (Class::Binary, _) if rule.is_hex() => return self.hex(bytes, to),
            (Class::Binary, _) => to.extend_from_slice(bytes),
            (Class::Signed, Some(fill)) => {
                let (sign, digits) = bytes.split_at(bytes.len().min(1));
                self.characters(sign, to);
                let count = units.saturating_sub(1);
                return unpack(digits, count, fill, Class::Numeric, to);
            }
            (class, Some(fill)) => {
                let variable = matches!(rule.length, Length::Upto { .. });
                let filled = variable
                    && rule.counts == Counts::Bytes
                    && fill == Fill::FAfter
                    && bytes.last().is_some_and(|byte| byte & 15 == 15);
                return unpack(bytes, units - usize::from(filled), fill, class, to);
            }
            (_, None) => self.characters(bytes, to),
        }
        Ok(())
    }

    fn characters(&self, bytes: &[u8], to: &mut Vec<u8>) {
        let charset = self.codec.charset();
        to.extend(bytes.iter().map(|byte| charset.read(*byte)));
    }

    fn hex(&self, bytes: &[u8], to: &mut Vec<u8>) -> Result<(), Problem> {
        let charset = self.codec.charset();
        let digit = |byte: &u8| {
            let character = char::from(charset.read(*byte));
            character
                .to_digit(16)
                .map(|digit| digit as u8)
                .ok_or(Problem::Characters)
        };
        let (pairs, left) = bytes.as_chunks::<2>();
        for [high, low] in pairs {
            to.push(digit(high)? << 4 | digit(low)?);
        }
        // Half a byte is none.
        if left.is_empty() {
            Ok(())
        } else {
            Err(Problem::WrongLength)
        }
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }
}

/// Bit `bit` of a bitmap, counted from 1 as the standard does.
fn has(bitmap: u64, bit: u8) -> bool {
    bitmap >> (64 - bit) & 1 == 1
}

/// `count` packed digits as characters.
fn unpack(
    bytes: &[u8],
    count: usize,
    fill: Fill,
    class: Class,
    to: &mut Vec<u8>,
) -> Result<(), Problem> {
    let mut half_bytes = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let odd = count % 2 == 1;
    if odd && fill == Fill::ZeroBefore && half_bytes.next() != Some(0) {
        return Err(Problem::Padding);
    }
    for half in half_bytes.by_ref().take(count) {
        to.push(match half {
            digit @ 0..=9 => b'0' + digit,
            13 if class == Class::Track => b'=',
            _ => return Err(Problem::Characters),
        });
    }
    match (odd, fill) {
        (true, Fill::ZeroAfter) if half_bytes.next() != Some(0) => Err(Problem::Padding),
        (true, Fill::FAfter) if half_bytes.next() != Some(15) => Err(Problem::Padding),
        _ => Ok(()),
    }
}

impl Rule {
    pub(super) fn is_hex(&self) -> bool {
        self.class == Class::Binary && self.octets == Octets::Hex
    }

    /// How its digits are filled up, if they are packed.
    pub(super) fn packed(&self) -> Option<Fill> {
        match (self.class, self.digits) {
            (Class::Numeric | Class::Track | Class::Signed, Digits::Packed(fill)) => Some(fill),
            _ => None,
        }
    }

    /// The longest that the length before it may say.
    pub(super) fn most_units(&self, most: u16) -> usize {
        let most = usize::from(most);
        match self.packed() {
            _ if self.is_hex() => most * 2,
            Some(_) if self.counts == Counts::Bytes => most.div_ceil(2),
            _ => most,
        }
    }
}
