//! The dialects Paytone speaks. One more is one more constant here and in [`ALL`].

use std::borrow::Cow;

use super::{
    charset::Charset,
    dialect::{
        Change, Dialect, Digits, Exception, Fill, Lengths, Octets, Structure,
        Version::{V1987, V1993},
    },
    field::{Class, Length},
};

/// Every dialect, by name for the configuration of a link.
pub const ALL: &[Dialect] = &[
    ASCII_1987,
    HEX_1987,
    BCD_1987,
    BINARY_LENGTHS_1987,
    EBCDIC_1987,
    NODE_1987,
    ASCII_1993,
    BCD_1993,
    EBCDIC_1993,
];

/// The dialect called `name`.
pub fn named(name: &str) -> Option<&'static Dialect> {
    ALL.iter().find(|dialect| dialect.name == name)
}

const CHIP_DATA: Exception = (55, Change::Holds(Structure::Ber));

/// Characters, and bytes where the standard has bytes: the plainest there is.
pub const ASCII_1987: Dialect = Dialect {
    name: Cow::Borrowed("1987-ascii"),
    version: V1987,
    charset: Charset::Ascii,
    message_type: Digits::Characters,
    bitmap: Octets::Raw,
    bitmaps: 1,
    third_bitmap: false,
    digits: Digits::Characters,
    tracks: Digits::Characters,
    lengths: Lengths::Characters,
    octets: Octets::Raw,
    exceptions: Cow::Borrowed(&[CHIP_DATA, (48, LABELLED)]),
};

/// Nothing but characters, bitmaps and chip data in hexadecimal.
pub const HEX_1987: Dialect = Dialect {
    name: Cow::Borrowed("1987-hex"),
    bitmap: Octets::Hex,
    octets: Octets::Hex,
    ..ASCII_1987
};

/// As terminals speak it over scarce lines: digits and lengths two to a byte.
pub const BCD_1987: Dialect = Dialect {
    name: Cow::Borrowed("1987-bcd"),
    message_type: Digits::Packed(Fill::ZeroBefore),
    digits: Digits::Packed(Fill::ZeroBefore),
    tracks: Digits::Packed(Fill::FAfter),
    lengths: Lengths::Packed,
    exceptions: Cow::Borrowed(&[
        CHIP_DATA,
        (2, Change::Digits(Digits::Packed(Fill::FAfter))),
        (48, LABELLED),
        (49, CURRENCY_NUMBER),
        (50, CURRENCY_NUMBER),
        (51, CURRENCY_NUMBER),
    ]),
    ..ASCII_1987
};

/// Packed digits, and lengths as plain numbers; field 48 in the manner of chip data.
pub const BINARY_LENGTHS_1987: Dialect = Dialect {
    name: Cow::Borrowed("1987-binary"),
    lengths: Lengths::Binary,
    exceptions: Cow::Borrowed(&[
        CHIP_DATA,
        (55, Change::LengthBytes(1)),
        (48, Change::Is(Class::Binary, LLL_999)),
        (48, Change::Holds(Structure::Ber)),
        (49, CURRENCY_NUMBER),
        (50, CURRENCY_NUMBER),
        (51, CURRENCY_NUMBER),
    ]),
    ..BCD_1987
};

/// As hosts of the big networks speak it.
pub const EBCDIC_1987: Dialect = Dialect {
    name: Cow::Borrowed("1987-ebcdic"),
    charset: Charset::Ebcdic500,
    ..ASCII_1987
};

/// What the npm package `iso_8583` sends unless told otherwise: always two bitmaps, chip data in hexadecimal, keys of four bytes.
pub const NODE_1987: Dialect = Dialect {
    name: Cow::Borrowed("1987-node"),
    bitmaps: 2,
    exceptions: Cow::Borrowed(&[
        (53, Change::Is(Class::Binary, Length::Fixed(48))),
        (
            55,
            Change::Is(
                Class::Binary,
                Length::Upto {
                    most: 499,
                    digits: 3,
                },
            ),
        ),
        (55, Change::Octets(Octets::Hex)),
        CHIP_DATA,
        (
            58,
            Change::Is(
                Class::Numeric,
                Length::Upto {
                    most: 11,
                    digits: 2,
                },
            ),
        ),
        (40, Change::Is(Class::Numeric, Length::Fixed(3))),
        (49, CURRENCY_NUMBER),
        (51, CURRENCY_NUMBER),
        (64, Change::Is(Class::Binary, Length::Fixed(4))),
        (96, Change::Is(Class::Binary, Length::Fixed(4))),
        (48, LABELLED),
        (127, Change::Absent),
        (128, Change::Is(Class::Binary, Length::Fixed(4))),
    ]),
    ..ASCII_1987
};

pub const ASCII_1993: Dialect = Dialect {
    name: Cow::Borrowed("1993-ascii"),
    version: V1993,
    ..ASCII_1987
};

pub const BCD_1993: Dialect = Dialect {
    name: Cow::Borrowed("1993-bcd"),
    version: V1993,
    ..BCD_1987
};

pub const EBCDIC_1993: Dialect = Dialect {
    name: Cow::Borrowed("1993-ebcdic"),
    version: V1993,
    charset: Charset::Ebcdic037,
    ..ASCII_1987
};

const LABELLED: Change = Change::Holds(Structure::Labelled {
    label: 2,
    length: 2,
});

const LLL_999: Length = Length::Upto {
    most: 999,
    digits: 3,
};

/// Where digits are packed, a currency is its number and never its letters.
const CURRENCY_NUMBER: Change = Change::Is(Class::Numeric, Length::Fixed(3));
