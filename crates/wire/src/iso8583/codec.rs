//! A dialect made ready: one rule per field, checked once.

use super::{
    charset::Charset,
    dialect::{Change, Counts, Dialect, Digits, Lengths, Octets, Structure},
    field::{Class, Length},
};

/// The highest field there is, with a third bitmap.
pub(super) const HIGHEST: u8 = 192;

/// How one field is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub class: Class,
    pub length: Length,
    pub digits: Digits,
    pub octets: Octets,
    pub counts: Counts,
    pub lengths: Lengths,
    /// Bytes of the length before it; 0 for a field of fixed length.
    pub length_bytes: u8,
    pub holds: Option<Structure>,
}

/// A dialect that contradicts itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DialectError {
    #[error("field {0} is no field that a message can have")]
    NoSuchField(u8),
    #[error("field {0} can be longer than its length can say")]
    LengthTooShort(u8),
    #[error("field {0} has subfields of an impossible form")]
    Structure(u8),
    #[error("a message has one to three bitmaps")]
    Bitmaps,
}

/// Reads and writes messages of one dialect.
#[derive(Clone, Debug)]
pub struct Codec {
    dialect: Dialect,
    rules: Vec<Option<Rule>>,
}

impl Codec {
    pub fn new(dialect: &Dialect) -> Result<Self, DialectError> {
        let most_bitmaps = if dialect.third_bitmap { 3 } else { 2 };
        if !(1..=most_bitmaps).contains(&dialect.bitmaps) {
            return Err(DialectError::Bitmaps);
        }
        let mut rules = vec![None; usize::from(HIGHEST) + 1];
        for field in dialect.version.fields() {
            rules[usize::from(field.number)] = Some(Rule::of(dialect, field.class, field.length));
        }
        for (number, change) in dialect.exceptions.iter() {
            let rule = rules
                .get_mut(usize::from(*number))
                .ok_or(DialectError::NoSuchField(*number))?;
            change.apply(dialect, *number, rule)?;
        }
        for (number, rule) in (0..=HIGHEST).zip(&rules) {
            if let Some(rule) = rule {
                rule.check(number, dialect)?;
            }
        }
        Ok(Self {
            dialect: dialect.clone(),
            rules,
        })
    }

    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// What field `field` is in this dialect, if it has one.
    pub fn field(&self, field: u8) -> Option<(Class, Length)> {
        self.rule(field).map(|rule| (rule.class, rule.length))
    }

    pub(super) fn rule(&self, field: u8) -> Option<&Rule> {
        self.rules.get(usize::from(field))?.as_ref()
    }

    /// How field `field` is divided, if it is.
    pub fn structure(&self, field: u8) -> Option<Structure> {
        self.rule(field)?.holds
    }

    pub(super) fn charset(&self) -> Charset {
        self.dialect.charset
    }
}

impl Rule {
    fn of(dialect: &Dialect, class: Class, length: Length) -> Self {
        let digits = match class {
            Class::Track => dialect.tracks,
            _ => dialect.digits,
        };
        Self {
            class,
            length,
            digits,
            octets: dialect.octets,
            counts: Counts::Digits,
            lengths: dialect.lengths,
            length_bytes: length_bytes(dialect.lengths, length),
            holds: None,
        }
    }

    fn check(&self, number: u8, dialect: &Dialect) -> Result<(), DialectError> {
        let bitmap = number < 2 || dialect.third_bitmap && number == 65;
        if bitmap || number > 128 && !dialect.third_bitmap {
            return Err(DialectError::NoSuchField(number));
        }
        if let Length::Upto { most, .. } = self.length {
            let most = match self.octets {
                Octets::Hex if self.class == Class::Binary => u64::from(most) * 2,
                _ => u64::from(most),
            };
            let bytes = u32::from(self.length_bytes);
            let can_say = match self.lengths {
                Lengths::Characters => 10_u64.checked_pow(bytes),
                Lengths::Packed => 100_u64.checked_pow(bytes),
                Lengths::Binary => 256_u64.checked_pow(bytes),
            };
            if can_say.is_none_or(|can_say| can_say <= most) {
                return Err(DialectError::LengthTooShort(number));
            }
        }
        match self.holds {
            Some(Structure::Labelled { label, length })
                if !(1..=4).contains(&label) || !(1..=4).contains(&length) =>
            {
                Err(DialectError::Structure(number))
            }
            _ => Ok(()),
        }
    }
}

impl Change {
    fn apply(
        self,
        dialect: &Dialect,
        number: u8,
        rule: &mut Option<Rule>,
    ) -> Result<(), DialectError> {
        match self {
            Self::Absent => {
                *rule = None;
                return Ok(());
            }
            Self::Is(class, length) => {
                *rule = Some(Rule::of(dialect, class, length));
                return Ok(());
            }
            _ => {}
        }
        let rule = rule.as_mut().ok_or(DialectError::NoSuchField(number))?;
        match self {
            Self::Absent | Self::Is(..) => {}
            Self::Digits(digits) => rule.digits = digits,
            Self::Lengths(lengths) => {
                rule.lengths = lengths;
                rule.length_bytes = length_bytes(lengths, rule.length);
            }
            Self::LengthBytes(bytes) => rule.length_bytes = bytes,
            Self::Octets(octets) => rule.octets = octets,
            Self::Counts(counts) => rule.counts = counts,
            Self::Holds(structure) => rule.holds = Some(structure),
        }
        Ok(())
    }
}

fn length_bytes(lengths: Lengths, length: Length) -> u8 {
    match (length, lengths) {
        (Length::Fixed(_), _) => 0,
        (Length::Upto { digits, .. }, Lengths::Characters) => digits,
        (Length::Upto { digits, .. }, Lengths::Packed) => digits.div_ceil(2),
        (Length::Upto { digits, .. }, Lengths::Binary) => {
            if digits <= 2 {
                1
            } else {
                2
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::iso8583::dialects;

    #[test]
    fn every_dialect_of_the_list_is_sound_and_found_by_its_name() {
        for dialect in dialects::ALL {
            Codec::new(dialect).unwrap_or_else(|error| panic!("{}: {error}", dialect.name));
            assert_eq!(dialects::named(&dialect.name), Some(dialect));
        }
    }

    #[test]
    fn a_dialect_that_contradicts_itself_is_refused() {
        let with = |exceptions: &'static [super::super::dialect::Exception]| {
            Codec::new(&Dialect {
                exceptions: Cow::Borrowed(exceptions),
                ..dialects::ASCII_1987
            })
            .map(|_| ())
        };
        let upto_300 = Length::Upto {
            most: 300,
            digits: 2,
        };
        assert_eq!(
            Codec::new(&Dialect {
                exceptions: Cow::Owned(vec![(60, Change::Is(Class::Text, upto_300))]),
                ..dialects::ASCII_1987
            })
            .err(),
            Some(DialectError::LengthTooShort(60))
        );
        // 255 bytes are 510 characters: LLL says 999.
        assert_eq!(with(&[(55, Change::Octets(Octets::Hex))]), Ok(()));
        assert_eq!(
            with(&[
                (55, Change::Lengths(Lengths::Binary)),
                (55, Change::LengthBytes(1))
            ]),
            Ok(())
        );
        assert_eq!(
            with(&[
                (55, Change::Lengths(Lengths::Binary)),
                (55, Change::LengthBytes(1)),
                (55, Change::Octets(Octets::Hex))
            ]),
            Err(DialectError::LengthTooShort(55))
        );
        assert_eq!(
            with(&[(130, Change::Is(Class::Text, Length::Fixed(4)))]),
            Err(DialectError::NoSuchField(130))
        );
        assert_eq!(
            with(&[(1, Change::Is(Class::Text, Length::Fixed(4)))]),
            Err(DialectError::NoSuchField(1))
        );
        assert_eq!(
            with(&[(200, Change::Absent)]),
            Err(DialectError::NoSuchField(200))
        );
        assert_eq!(
            with(&[(65, Change::Octets(Octets::Hex))]),
            Err(DialectError::NoSuchField(65))
        );
    }
}
