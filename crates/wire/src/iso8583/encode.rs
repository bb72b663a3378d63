//! A message to bytes.

use super::{
    codec::{Codec, HIGHEST, Rule},
    dialect::{Counts, Digits, Fill, Lengths, Octets},
    error::{Error, Problem},
    field::{Class, Length},
    message::Message,
};

impl Codec {
    /// Writes `message`, or says which field the dialect does not allow.
    pub fn encode(&self, message: &Message) -> Result<Vec<u8>, Error> {
        let mut to = Vec::with_capacity(512);
        self.encode_to(message, &mut to)?;
        Ok(to)
    }

    /// Adds `message` to `to`. After an error `to` is as it was.
    pub fn encode_to(&self, message: &Message, to: &mut Vec<u8>) -> Result<(), Error> {
        let before = to.len();
        let written = self.write(message, to);
        if written.is_err() {
            to.truncate(before);
        }
        written
    }

    fn write(&self, message: &Message, to: &mut Vec<u8>) -> Result<(), Error> {
        self.write_digits(
            &message.message_type.digits(),
            self.dialect().message_type,
            to,
        );
        self.write_bitmaps(message, to)?;
        for (number, value) in message.fields() {
            let wrong = |problem| Error::field(number, problem);
            let rule = self.rule(number).ok_or(wrong(Problem::NotInDialect))?;
            self.write_field(rule, value, to).map_err(wrong)?;
        }
        Ok(())
    }

    fn write_bitmaps(&self, message: &Message, to: &mut Vec<u8>) -> Result<(), Error> {
        let third = self.dialect().third_bitmap;
        let needed = match message.highest() {
            0..=64 => 1,
            65..=128 => 2,
            129..=HIGHEST if third => 3,
            beyond => return Err(Error::field(beyond, Problem::NotInDialect)),
        };
        let most = if third { 3 } else { 2 };
        let came_with = message.bitmaps.min(most);
        let count = usize::from(needed.max(self.dialect().bitmaps).max(came_with));
        let mut bitmaps = [0_u64; 3];
        for (number, _) in message.fields() {
            let bit = number
                .checked_sub(1)
                .ok_or(Error::field(0, Problem::NotInDialect))?;
            bitmaps[usize::from(bit / 64)] |= 1 << (63 - bit % 64);
        }
        for bitmap in &mut bitmaps[..count - 1] {
            *bitmap |= 1 << 63;
        }
        for bitmap in &bitmaps[..count] {
            match self.dialect().bitmap {
                Octets::Raw => to.extend_from_slice(&bitmap.to_be_bytes()),
                Octets::Hex => self.write_hex(&bitmap.to_be_bytes(), to),
            }
        }
        Ok(())
    }

    fn write_field(&self, rule: &Rule, value: &[u8], to: &mut Vec<u8>) -> Result<(), Problem> {
        if !rule.class.allows(value) {
            return Err(Problem::Characters);
        }
        match rule.length {
            Length::Fixed(length) if value.len() != usize::from(length) => {
                return Err(Problem::WrongLength);
            }
            Length::Fixed(_) => {}
            Length::Upto { most, .. } => {
                let units = match rule.packed() {
                    _ if rule.is_hex() => value.len() * 2,
                    Some(_) if rule.counts == Counts::Bytes => value.len().div_ceil(2),
                    _ => value.len(),
                };
                if units > rule.most_units(most) {
                    return Err(Problem::TooLong);
                }
                self.write_length(rule, units, to);
            }
        }
        match (rule.class, rule.packed()) {
            (Class::Binary, _) if rule.is_hex() => self.write_hex(value, to),
            (Class::Binary, _) => to.extend_from_slice(value),
            (Class::Signed, Some(fill)) => {
                let (sign, digits) = value.split_at(1);
                self.write_characters(sign, to);
                pack(digits, fill, to);
            }
            (_, Some(fill)) => pack(value, fill, to),
            (_, None) => self.write_characters(value, to),
        }
        Ok(())
    }

    fn write_length(&self, rule: &Rule, units: usize, to: &mut Vec<u8>) {
        let base: usize = match rule.lengths {
            Lengths::Characters => 10,
            Lengths::Packed => 100,
            Lengths::Binary => 256,
        };
        for place in (0..u32::from(rule.length_bytes)).rev() {
            // The dialect was checked: the longest length fits.
            let digit = (units / base.saturating_pow(place) % base) as u8;
            to.push(match rule.lengths {
                Lengths::Characters => self.charset().write(b'0' + digit),
                Lengths::Packed => ((digit / 10) << 4) | (digit % 10),
                Lengths::Binary => digit,
            });
        }
    }

    fn write_digits(&self, value: &[u8], digits: Digits, to: &mut Vec<u8>) {
        match digits {
            Digits::Characters => self.write_characters(value, to),
            Digits::Packed(fill) => pack(value, fill, to),
        }
    }

    fn write_characters(&self, value: &[u8], to: &mut Vec<u8>) {
        let charset = self.charset();
        to.extend(value.iter().map(|character| charset.write(*character)));
    }

    fn write_hex(&self, value: &[u8], to: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let charset = self.charset();
        for byte in value {
            for half in [byte >> 4, byte & 15] {
                to.push(charset.write(DIGITS[usize::from(half)]));
            }
        }
    }
}

/// Digits and separators two to a byte.
fn pack(value: &[u8], fill: Fill, to: &mut Vec<u8>) {
    let half = |character: u8| match character {
        b'=' | b'D' => 13,
        digit => digit & 15,
    };
    let odd = value.len() % 2 == 1;
    let mut rest = value;
    if odd && fill == Fill::ZeroBefore {
        to.push(half(value[0]));
        rest = &value[1..];
    }
    let (pairs, last) = rest.as_chunks::<2>();
    to.extend(
        pairs
            .iter()
            .map(|[high, low]| half(*high) << 4 | half(*low)),
    );
    if let [last] = last {
        let filled = if fill == Fill::FAfter { 15 } else { 0 };
        to.push(half(*last) << 4 | filled);
    }
}
