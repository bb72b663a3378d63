//! Cryptogram versions as a table: what a network's "CVN" stands for.
//!
//! | version | card key | transaction key | signed of the issuer application data | filled up with | answer |
//! |---|---|---|---|---|---|
//! | Visa 10 | A | the card's | card verification results | `00` | method 1, card's key |
//! | Visa 17 | A | the card's | its fifth byte; four objects in all | `00` | method 1, card's key |
//! | Visa 18, 22 | B | common | all | `80` | method 2 |
//! | CCD 5 | B | common | all | `80` | method 2 |
//! | CCD 6 | C (AES) | common | all | CMAC | method 2 |
//! | M/Chip 10, 11 | A | M/Chip | card verification results; 11 also counters | `80` | method 1, card's key |
//! | M/Chip 14, 15 | A | common | card verification results; 15 also counters | `80` | method 1, transaction's key |

use super::{
    issuer_data::{IssuerData, Layout},
    key::Algorithm,
};

/// How a card's key comes from the issuer's (Book 2 A1.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CardKey {
    A,
    B,
    /// AES.
    C,
}

/// How a transaction's key comes from the card's (Book 2 A1.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Session {
    /// It is the card's.
    Card,
    /// Diversified by the counter: EMV's common method.
    Common,
    /// By counter and unpredictable number: M/Chip's own.
    MChip,
}

/// Which objects are signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signed {
    /// The ten objects of Book 2 8.1.1 and the card verification results.
    Results,
    /// Those and the counters after them.
    ResultsAndCounters,
    /// The ten objects and the whole issuer application data.
    All,
    /// Amount, unpredictable number, counter and the fifth byte of the issuer application data.
    Few,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Padding {
    /// ISO/IEC 9797-1 method 1.
    Zeros,
    /// Method 2.
    EightyThenZeros,
}

/// How the issuer proves itself (Book 2 8.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// With the card's key.
    Method1CardKey,
    /// With the transaction's key.
    Method1,
    Method2,
}

/// One row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version {
    pub name: &'static str,
    pub layout: Layout,
    /// As the issuer application data names it.
    pub number: u8,
    pub algorithm: Algorithm,
    pub card_key: CardKey,
    pub session: Session,
    pub signed: Signed,
    pub padding: Padding,
    pub answer: Answer,
}

pub const VISA_10: Version = Version {
    name: "visa-10",
    layout: Layout::Visa,
    number: 0x0A,
    algorithm: Algorithm::TripleDes,
    card_key: CardKey::A,
    session: Session::Card,
    signed: Signed::Results,
    padding: Padding::Zeros,
    answer: Answer::Method1CardKey,
};

pub const VISA_17: Version = Version {
    name: "visa-17",
    number: 0x11,
    signed: Signed::Few,
    ..VISA_10
};

pub const VISA_18: Version = Version {
    name: "visa-18",
    number: 0x12,
    card_key: CardKey::B,
    session: Session::Common,
    signed: Signed::All,
    padding: Padding::EightyThenZeros,
    answer: Answer::Method2,
    ..VISA_10
};

pub const VISA_22: Version = Version {
    name: "visa-22",
    number: 0x22,
    ..VISA_18
};

pub const CCD_5: Version = Version {
    name: "ccd-5",
    layout: Layout::CommonCore,
    number: 5,
    ..VISA_18
};

pub const CCD_6: Version = Version {
    name: "ccd-6",
    number: 6,
    algorithm: Algorithm::Aes,
    card_key: CardKey::C,
    ..CCD_5
};

pub const MCHIP_10: Version = Version {
    name: "mchip-10",
    layout: Layout::MChip,
    number: 0x10,
    session: Session::MChip,
    padding: Padding::EightyThenZeros,
    ..VISA_10
};

pub const MCHIP_11: Version = Version {
    name: "mchip-11",
    number: 0x11,
    signed: Signed::ResultsAndCounters,
    ..MCHIP_10
};

pub const MCHIP_14: Version = Version {
    name: "mchip-14",
    number: 0x14,
    session: Session::Common,
    answer: Answer::Method1,
    ..MCHIP_10
};

pub const MCHIP_15: Version = Version {
    name: "mchip-15",
    number: 0x15,
    signed: Signed::ResultsAndCounters,
    ..MCHIP_14
};

pub const ALL: &[Version] = &[
    VISA_10, VISA_17, VISA_18, VISA_22, CCD_5, CCD_6, MCHIP_10, MCHIP_11, MCHIP_14, MCHIP_15,
];

impl Version {
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|version| version.name == name)
    }

    /// The one that `data` says it is.
    pub fn of(data: &IssuerData) -> Option<&'static Self> {
        ALL.iter().find(|version| {
            version.layout == data.layout && version.number == data.cryptogram_version
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_has_a_name_and_a_number_of_its_own() {
        for version in ALL {
            assert_eq!(Version::named(version.name), Some(version));
            let same = ALL
                .iter()
                .filter(|other| (other.layout, other.number) == (version.layout, version.number));
            assert_eq!(same.count(), 1, "{}", version.name);
        }
    }
}
