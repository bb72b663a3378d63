//! What a chip and its terminal say in field 55, as plain values.

use std::fmt;

use super::results::{CvmResults, Tvr};
use crate::tlv::{self, Objects, Tag, TlvError};

/// Tags of field 55 (Book 3 Annex A).
pub mod tags {
    use crate::tlv::Tag;

    pub const INTERCHANGE_PROFILE: Tag = Tag(0x82);
    pub const ISSUER_AUTHENTICATION: Tag = Tag(0x91);
    pub const TVR: Tag = Tag(0x95);
    pub const DATE: Tag = Tag(0x9A);
    pub const KIND: Tag = Tag(0x9C);
    pub const CURRENCY: Tag = Tag(0x5F2A);
    pub const SEQUENCE_NUMBER: Tag = Tag(0x5F34);
    pub const AMOUNT: Tag = Tag(0x9F02);
    pub const OTHER_AMOUNT: Tag = Tag(0x9F03);
    pub const ISSUER_DATA: Tag = Tag(0x9F10);
    pub const COUNTRY: Tag = Tag(0x9F1A);
    pub const CRYPTOGRAM: Tag = Tag(0x9F26);
    pub const CRYPTOGRAM_KIND: Tag = Tag(0x9F27);
    pub const CVM_RESULTS: Tag = Tag(0x9F34);
    pub const COUNTER: Tag = Tag(0x9F36);
    pub const UNPREDICTABLE: Tag = Tag(0x9F37);
    pub const QUALIFIERS: Tag = Tag(0x9F6C);
}

/// The longest issuer application data there are (Book 3 Annex A).
const ISSUER_DATA_MOST: usize = 32;

/// Which cryptogram the chip gave, from its cryptogram information data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CryptogramKind {
    /// AAC: the card declined.
    Declined,
    /// TC: the card approved offline.
    Approved,
    /// ARQC: it asks its issuer.
    Online,
    Reserved,
}

/// Chip data of one transaction.
#[derive(Clone, PartialEq, Eq)]
pub struct ChipData {
    /// In the currency's minor unit, twelve packed digits.
    pub amount: [u8; 6],
    /// Cash back; zeros if there is none.
    pub other_amount: [u8; 6],
    pub country: [u8; 2],
    pub tvr: Tvr,
    pub currency: [u8; 2],
    /// YYMMDD, packed.
    pub date: [u8; 3],
    /// What kind of transaction: 00 is a purchase, 20 a refund.
    pub kind: u8,
    pub unpredictable: [u8; 4],
    pub interchange_profile: [u8; 2],
    /// ATC.
    pub counter: u16,
    pub issuer_data: Vec<u8>,
    pub cryptogram: [u8; 8],
    /// Cryptogram information data, if they came along.
    pub information: Option<u8>,
    pub cvm_results: Option<CvmResultsBytes>,
    pub qualifiers: Option<[u8; 2]>,
    /// The card's sequence number, packed.
    pub sequence_number: Option<u8>,
}

/// Three bytes: see [`CvmResults`].
pub type CvmResultsBytes = [u8; 3];

/// Chip data that no cryptogram can be checked over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChipDataError {
    #[error(transparent)]
    Unreadable(#[from] TlvError),
    #[error("{0} is missing")]
    Missing(Tag),
    #[error("{0} is not as long as it must be")]
    Length(Tag),
    #[error("{0} comes twice")]
    Twice(Tag),
}

impl ChipDataError {
    /// The object that is wrong, if it is one.
    pub fn tag(self) -> Option<Tag> {
        match self {
            Self::Unreadable(error) => error.tag(),
            Self::Missing(tag) | Self::Length(tag) | Self::Twice(tag) => Some(tag),
        }
    }
}

impl ChipData {
    /// Reads field 55. Objects it does not know are passed over.
    pub fn parse(bytes: &[u8]) -> Result<Self, ChipDataError> {
        let mut found = Found::default();
        for object in Objects::of(bytes) {
            let (tag, value) = object?;
            if let Some(slot) = found.slot(tag)
                && slot.replace(value).is_some()
            {
                return Err(ChipDataError::Twice(tag));
            }
        }
        let needed = |tag, value: Option<_>| value.ok_or(ChipDataError::Missing(tag));
        let issuer_data = needed(tags::ISSUER_DATA, found.issuer_data)?;
        if issuer_data.len() > ISSUER_DATA_MOST {
            return Err(ChipDataError::Length(tags::ISSUER_DATA));
        }
        Ok(Self {
            amount: array(tags::AMOUNT, needed(tags::AMOUNT, found.amount)?)?,
            other_amount: optional(tags::OTHER_AMOUNT, found.other_amount)?.unwrap_or_default(),
            country: array(tags::COUNTRY, needed(tags::COUNTRY, found.country)?)?,
            tvr: Tvr(array(tags::TVR, needed(tags::TVR, found.tvr)?)?),
            currency: array(tags::CURRENCY, needed(tags::CURRENCY, found.currency)?)?,
            date: array(tags::DATE, needed(tags::DATE, found.date)?)?,
            kind: array::<1>(tags::KIND, needed(tags::KIND, found.kind)?)?[0],
            unpredictable: array(
                tags::UNPREDICTABLE,
                needed(tags::UNPREDICTABLE, found.unpredictable)?,
            )?,
            interchange_profile: array(
                tags::INTERCHANGE_PROFILE,
                needed(tags::INTERCHANGE_PROFILE, found.interchange_profile)?,
            )?,
            counter: u16::from_be_bytes(array(
                tags::COUNTER,
                needed(tags::COUNTER, found.counter)?,
            )?),
            issuer_data: issuer_data.to_vec(),
            cryptogram: array(
                tags::CRYPTOGRAM,
                needed(tags::CRYPTOGRAM, found.cryptogram)?,
            )?,
            information: optional::<1>(tags::CRYPTOGRAM_KIND, found.information)?
                .map(|bytes| bytes[0]),
            cvm_results: optional(tags::CVM_RESULTS, found.cvm_results)?,
            qualifiers: optional(tags::QUALIFIERS, found.qualifiers)?,
            sequence_number: optional::<1>(tags::SEQUENCE_NUMBER, found.sequence_number)?
                .map(|bytes| bytes[0]),
        })
    }

    /// Field 55 as a terminal writes it.
    pub fn write(&self) -> Vec<u8> {
        let mut to = Vec::with_capacity(160);
        let counter = self.counter.to_be_bytes();
        tlv::put(&mut to, tags::CRYPTOGRAM, &self.cryptogram);
        if let Some(information) = self.information {
            tlv::put(&mut to, tags::CRYPTOGRAM_KIND, &[information]);
        }
        tlv::put(&mut to, tags::ISSUER_DATA, &self.issuer_data);
        tlv::put(&mut to, tags::UNPREDICTABLE, &self.unpredictable);
        tlv::put(&mut to, tags::COUNTER, &counter);
        tlv::put(&mut to, tags::TVR, &self.tvr.0);
        tlv::put(&mut to, tags::DATE, &self.date);
        tlv::put(&mut to, tags::KIND, &[self.kind]);
        tlv::put(&mut to, tags::AMOUNT, &self.amount);
        tlv::put(&mut to, tags::CURRENCY, &self.currency);
        tlv::put(
            &mut to,
            tags::INTERCHANGE_PROFILE,
            &self.interchange_profile,
        );
        tlv::put(&mut to, tags::COUNTRY, &self.country);
        tlv::put(&mut to, tags::OTHER_AMOUNT, &self.other_amount);
        if let Some(results) = &self.cvm_results {
            tlv::put(&mut to, tags::CVM_RESULTS, results);
        }
        if let Some(qualifiers) = &self.qualifiers {
            tlv::put(&mut to, tags::QUALIFIERS, qualifiers);
        }
        if let Some(sequence_number) = self.sequence_number {
            tlv::put(&mut to, tags::SEQUENCE_NUMBER, &[sequence_number]);
        }
        to
    }

    pub fn cryptogram_kind(&self) -> Option<CryptogramKind> {
        self.information.map(|information| match information >> 6 {
            0 => CryptogramKind::Declined,
            1 => CryptogramKind::Approved,
            2 => CryptogramKind::Online,
            _ => CryptogramKind::Reserved,
        })
    }

    /// How the holder was verified, as the terminal says it. No cryptogram signs this: what the card itself knows is in
    /// [`super::issuer_data::IssuerData::holder`].
    pub fn holder_verification(&self) -> Option<CvmResults> {
        self.cvm_results.map(CvmResults::parse)
    }
}

impl fmt::Debug for ChipData {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counter, kind, .. } = self;
        write!(out, "ChipData(counter {counter}, kind {kind:02X})")
    }
}

#[derive(Default)]
struct Found<'a> {
    amount: Option<&'a [u8]>,
    other_amount: Option<&'a [u8]>,
    country: Option<&'a [u8]>,
    tvr: Option<&'a [u8]>,
    currency: Option<&'a [u8]>,
    date: Option<&'a [u8]>,
    kind: Option<&'a [u8]>,
    unpredictable: Option<&'a [u8]>,
    interchange_profile: Option<&'a [u8]>,
    counter: Option<&'a [u8]>,
    issuer_data: Option<&'a [u8]>,
    cryptogram: Option<&'a [u8]>,
    information: Option<&'a [u8]>,
    cvm_results: Option<&'a [u8]>,
    qualifiers: Option<&'a [u8]>,
    sequence_number: Option<&'a [u8]>,
}

impl<'a> Found<'a> {
    fn slot(&mut self, tag: Tag) -> Option<&mut Option<&'a [u8]>> {
        Some(match tag {
            tags::AMOUNT => &mut self.amount,
            tags::OTHER_AMOUNT => &mut self.other_amount,
            tags::COUNTRY => &mut self.country,
            tags::TVR => &mut self.tvr,
            tags::CURRENCY => &mut self.currency,
            tags::DATE => &mut self.date,
            tags::KIND => &mut self.kind,
            tags::UNPREDICTABLE => &mut self.unpredictable,
            tags::INTERCHANGE_PROFILE => &mut self.interchange_profile,
            tags::COUNTER => &mut self.counter,
            tags::ISSUER_DATA => &mut self.issuer_data,
            tags::CRYPTOGRAM => &mut self.cryptogram,
            tags::CRYPTOGRAM_KIND => &mut self.information,
            tags::CVM_RESULTS => &mut self.cvm_results,
            tags::QUALIFIERS => &mut self.qualifiers,
            tags::SEQUENCE_NUMBER => &mut self.sequence_number,
            _ => return None,
        })
    }
}

fn array<const N: usize>(tag: Tag, value: &[u8]) -> Result<[u8; N], ChipDataError> {
    value.try_into().map_err(|_| ChipDataError::Length(tag))
}

fn optional<const N: usize>(
    tag: Tag,
    value: Option<&[u8]>,
) -> Result<Option<[u8; N]>, ChipDataError> {
    value.map(|value| array(tag, value)).transpose()
}
