//! A phone that pays, as a terminal's reader sees it: it counts, and signs what the terminal says.
//!
//! For terminal simulators and tests. It computes with the code that verifies; that both are right is shown by `tests/oracles`.

use super::{
    chip_data::ChipData,
    cryptogram::{CardKeys, CryptogramError},
    issuer_data::Layout,
    results::Tvr,
};

/// A token in a phone.
#[derive(Clone, Debug)]
pub struct Phone {
    pub keys: CardKeys,
    /// Which of the issuer's keys its own was derived from.
    pub key_index: u8,
    /// How many payments it has tried.
    pub counter: u16,
    pub sequence_number: Option<u8>,
}

/// What the terminal says when a phone is held to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tap {
    /// In minor units; at most twelve digits of it are signed.
    pub amount: u64,
    /// ISO 4217 and ISO 3166 numbers.
    pub currency: u16,
    pub country: u16,
    /// YYMMDD as a number.
    pub date: u32,
    /// 00 is a purchase, 20 a refund.
    pub kind: u8,
    /// What nobody could know before.
    pub unpredictable: [u8; 4],
    /// Its owner has verified with the phone.
    pub verified: bool,
}

impl Phone {
    /// Counts, and asks its issuer.
    pub fn tap(&mut self, tap: &Tap) -> Result<ChipData, CryptogramError> {
        // A real chip stops for good when its counter is at the end.
        self.counter = self.counter.saturating_add(1);
        let mut data = ChipData {
            amount: packed(tap.amount),
            other_amount: [0; 6],
            country: packed(u64::from(tap.country)),
            tvr: Tvr::default(),
            currency: packed(u64::from(tap.currency)),
            date: packed(u64::from(tap.date)),
            kind: tap.kind,
            unpredictable: tap.unpredictable,
            interchange_profile: [0x19, 0x80],
            counter: self.counter,
            issuer_data: self.issuer_data(tap.verified),
            cryptogram: [0; 8],
            information: Some(0x80),
            // "Verified on the device" or "no verification", successful (EMV Contactless Book C-2).
            cvm_results: Some([if tap.verified { 0x01 } else { 0x1F }, 0, 2]),
            qualifiers: None,
            sequence_number: self.sequence_number,
        };
        data.cryptogram = self.keys.cryptogram(&data)?;
        Ok(data)
    }

    /// In the arrangement of its version, with "asked online" as its decision, and whether it knows its holder.
    fn issuer_data(&self, verified: bool) -> Vec<u8> {
        let if_verified = |bits: u8| if verified { bits } else { 0 };
        let version = self.keys.version();
        match version.layout {
            Layout::Visa if version.number == 0x22 => {
                let mut data = vec![0; 32];
                data[..5].copy_from_slice(&[
                    0x1F,
                    version.number,
                    self.key_index,
                    0,
                    0xA0 | if_verified(0x04),
                ]);
                data
            }
            Layout::Visa => {
                let results = 0xA0 | if_verified(0x04);
                vec![6, self.key_index, version.number, 3, results, 0, 0]
            }
            Layout::CommonCore => {
                let mut data = vec![0; 32];
                data[..4].copy_from_slice(&[0x0F, 0xA0 | version.number, self.key_index, 0xA0]);
                data[4] = if_verified(0x08);
                data[16] = 0x0F;
                data
            }
            Layout::MChip => {
                let mut data = vec![0; 18];
                let results = 0xA0 | if_verified(0x05);
                data[..3].copy_from_slice(&[self.key_index, version.number, results]);
                data
            }
        }
    }
}

/// The last digits of `number`, two to a byte.
fn packed<const N: usize>(number: u64) -> [u8; N] {
    let mut bytes = [0; N];
    let mut rest = number;
    for byte in bytes.iter_mut().rev() {
        *byte = (((rest / 10 % 10) << 4) | (rest % 10)) as u8;
        rest /= 100;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emv::{
        Key,
        chip_data::CryptogramKind,
        issuer_data::{Decision, Holder, IssuerData},
        version,
    };

    #[test]
    fn a_tap_of_every_version_is_read_counted_and_verified() {
        for version in version::ALL {
            let issuer = Key::new(version.algorithm, &(1..=16).collect::<Vec<u8>>());
            let issuer = issuer.expect("a key");
            let keys = CardKeys::derive(version, &issuer, "8888001234567890", 1).expect("keys");
            let mut phone = Phone {
                keys: keys.clone(),
                key_index: 1,
                counter: 41,
                sequence_number: Some(1),
            };
            let tap = Tap {
                amount: 1234,
                currency: 156,
                country: 156,
                date: 261_123,
                kind: 0x20,
                unpredictable: [1, 2, 3, 4],
                verified: true,
            };
            let data = phone.tap(&tap).expect("chip data");
            assert_eq!(data.amount, [0, 0, 0, 0, 0x12, 0x34]);
            assert_eq!(
                (data.currency, data.date),
                ([0x01, 0x56], [0x26, 0x11, 0x23])
            );
            assert_eq!((data.kind, data.counter, phone.counter), (0x20, 42, 42));
            assert_eq!(data.cryptogram_kind(), Some(CryptogramKind::Online));
            let issuer_data = IssuerData::parse(&data.issuer_data).expect("issuer data");
            assert_eq!(version::Version::of(&issuer_data), Some(version));
            assert_eq!(
                issuer_data.first_decision(),
                Decision::Online,
                "{}",
                version.name
            );
            assert_eq!(issuer_data.holder(), Holder::Verified, "{}", version.name);
            let read = ChipData::parse(&data.write()).expect("chip data");
            assert_eq!(keys.verify(&read), Ok(true), "{}", version.name);
            let unverified = phone
                .tap(&Tap {
                    verified: false,
                    ..tap
                })
                .expect("chip data");
            let issuer_data = IssuerData::parse(&unverified.issuer_data).expect("issuer data");
            assert_eq!(issuer_data.holder(), Holder::NotAsked, "{}", version.name);
            // Nobody makes the one out of the other: what says it is signed.
            let claimed = ChipData {
                issuer_data: data.issuer_data.clone(),
                ..unverified
            };
            assert_eq!(keys.verify(&claimed), Ok(false), "{}", version.name);
        }
    }
}
