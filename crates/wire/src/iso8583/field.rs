//! What a field of the standard is: class, length, and whether it may be printed.

/// Which characters a field can have (ISO 8583, "attributes of data elements").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// `n`: digits.
    Numeric,
    /// `a`: letters and spaces.
    Alphabetic,
    /// `an`, `anp`: letters, digits and the spaces that fill them up.
    Alphanumeric,
    /// `ans`: anything printable, and what national character sets have above it.
    Text,
    /// `x+n`: C or D, then digits.
    Signed,
    /// `z`: digits and the separator, `=` or `D`.
    Track,
    /// `b`: bytes.
    Binary,
}

impl Class {
    /// Whether `value` is of the class. The dialect's lengths are not looked at.
    pub fn allows(self, value: &[u8]) -> bool {
        let space_or = |good: fn(&u8) -> bool| value.iter().all(|byte| *byte == b' ' || good(byte));
        match self {
            Self::Numeric => value.iter().all(u8::is_ascii_digit),
            Self::Alphabetic => space_or(u8::is_ascii_alphabetic),
            Self::Alphanumeric => space_or(u8::is_ascii_alphanumeric),
            Self::Text => value.iter().all(|byte| *byte >= b' ' && *byte != 0x7F),
            Self::Signed => match value {
                [b'C' | b'D', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
                _ => false,
            },
            Self::Track => value
                .iter()
                .all(|byte| byte.is_ascii_digit() || matches!(byte, b'=' | b'D')),
            Self::Binary => true,
        }
    }
}

/// How long a field is: characters, or bytes for [`Class::Binary`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Length {
    Fixed(u16),
    /// A length of so many digits comes first: LL, LLL.
    Upto {
        most: u16,
        digits: u8,
    },
}

/// What printing shows of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    Whole,
    /// The first six and the last four digits.
    AccountNumber,
    /// How long it is.
    Length,
}

/// One line of a version's table.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub number: u8,
    pub name: &'static str,
    pub class: Class,
    pub length: Length,
    pub shown: Shown,
}

pub(super) const fn fixed(number: u8, class: Class, length: u16, name: &'static str) -> Field {
    Field {
        number,
        name,
        class,
        length: Length::Fixed(length),
        shown: Shown::Whole,
    }
}

pub(super) const fn ll(number: u8, class: Class, most: u16, name: &'static str) -> Field {
    Field {
        number,
        name,
        class,
        length: Length::Upto { most, digits: 2 },
        shown: Shown::Whole,
    }
}

pub(super) const fn lll(number: u8, class: Class, most: u16, name: &'static str) -> Field {
    Field {
        number,
        name,
        class,
        length: Length::Upto { most, digits: 3 },
        shown: Shown::Whole,
    }
}

impl Field {
    /// Never printed but for its length.
    pub(super) const fn hidden(self) -> Self {
        Self {
            shown: Shown::Length,
            ..self
        }
    }

    pub(super) const fn account_number(self) -> Self {
        Self {
            shown: Shown::AccountNumber,
            ..self
        }
    }
}
