//! Issuer application data (tag 9F10): which key and version, what the card has decided, and whether it knows its holder.
//!
//! ```text
//!   Visa format 0/1/3   06 · key index · version · results 4 · …
//!   Visa format 2       1F · version · key index · results 5 · …           (32 bytes)
//!   CCD (Book 3 C7)     0F · A5, A6 · key index · results 5 · counters 8 · 0F · issuer's own 15
//!   M/Chip              key index · version · results 6 · DAC or IDN 2 · counters 8 · …
//! ```

/// Whose arrangement of bytes it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    Visa,
    CommonCore,
    MChip,
}

/// Bytes that are no issuer application data of a known arrangement.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("issuer application data of an unknown arrangement")]
pub struct UnknownLayout;

/// What the issuer application data say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IssuerData<'a> {
    pub layout: Layout,
    pub key_index: u8,
    /// As the network counts: 0x0A of Visa, 5 of CCD, 0x10 of M/Chip.
    pub cryptogram_version: u8,
    /// Card verification results.
    pub results: &'a [u8],
    /// The counters that some versions sign.
    pub counters: &'a [u8],
    /// All of it, length byte included.
    pub whole: &'a [u8],
}

/// Which cryptogram a card gave at one of its two chances.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// AAC.
    Declined,
    /// TC.
    Approved,
    /// ARQC.
    Online,
    NotAsked,
}

impl<'a> IssuerData<'a> {
    pub fn parse(whole: &'a [u8]) -> Result<Self, UnknownLayout> {
        match whole {
            [0x0F, identifier, key_index, rest @ ..]
                if whole.len() == 32 && identifier >> 4 == 0xA && whole[16] == 0x0F =>
            {
                Ok(Self {
                    layout: Layout::CommonCore,
                    key_index: *key_index,
                    cryptogram_version: identifier & 15,
                    results: &rest[..5],
                    counters: &rest[5..13],
                    whole,
                })
            }
            [0x1F, version, key_index, rest @ ..] if whole.len() == 32 => Ok(Self {
                layout: Layout::Visa,
                key_index: *key_index,
                cryptogram_version: *version,
                results: &rest[..5],
                counters: &[],
                whole,
            }),
            [0x06, key_index, version, rest @ ..] if rest.len() >= 4 => Ok(Self {
                layout: Layout::Visa,
                key_index: *key_index,
                cryptogram_version: *version,
                results: &rest[..4],
                counters: &[],
                whole,
            }),
            [key_index, version, rest @ ..] if matches!(whole.len(), 18 | 20 | 26 | 28) => {
                Ok(Self {
                    layout: Layout::MChip,
                    key_index: *key_index,
                    cryptogram_version: *version,
                    results: &rest[..6],
                    counters: &rest[8..16],
                    whole,
                })
            }
            _ => Err(UnknownLayout),
        }
    }

    /// What the card gave at the first GENERATE AC.
    pub fn first_decision(&self) -> Decision {
        Decision::of(self.decisions() >> 4)
    }

    /// And at the second.
    pub fn second_decision(&self) -> Decision {
        Decision::of(self.decisions() >> 6)
    }

    /// What the card says of its holder. Every version signs the bytes that this is read from: those that sign least, Visa's 17, the one
    /// byte it is in.
    pub fn holder(&self) -> Holder {
        let at = |byte: usize, bit: u8| self.results[byte - 1] >> (bit - 1) & 1 == 1;
        let (performed, failed) = match self.layout {
            // Formats 0, 1 and 3: an offline PIN was verified, and that failed. Format 2: the phone verified its holder; bit 2 is
            // reserved (VCPS 2.2 appendix M).
            Layout::Visa => (at(2, 3), at(2, 2)),
            // Offline PIN verification performed; and not successful (Book 3 C7.3, table CCD 10 in 4.4).
            Layout::CommonCore => (at(2, 4), at(2, 3)),
            // Performed and successful are told apart: successful alone is nothing (M/Chip Requirements, appendix B).
            Layout::MChip => (at(1, 3) && at(1, 1), at(4, 5)),
        };
        match (performed, failed) {
            (_, true) => Holder::Failed,
            (true, false) => Holder::Verified,
            (false, false) => Holder::NotAsked,
        }
    }

    /// The card takes no more PINs, or has blocked itself for it.
    pub fn pin_tries_exceeded(&self) -> bool {
        match self.layout {
            Layout::Visa => self.results[2] & 0x42 != 0,
            Layout::CommonCore => self.results[1] & 0x02 != 0,
            Layout::MChip => self.results[3] & 0x08 != 0,
        }
    }

    /// It believes the terminal to take a PIN for right that it has not seen.
    pub fn terminal_errs_about_pin(&self) -> bool {
        self.layout == Layout::MChip && self.results[3] & 0x01 != 0
    }

    /// The byte of the results whose upper half is the two decisions: of Visa the second, of the others the first.
    fn decisions(&self) -> u8 {
        match self.layout {
            Layout::Visa => self.results[1],
            Layout::CommonCore | Layout::MChip => self.results[0],
        }
    }
}

/// Whether a card or phone knows its holder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    NotAsked,
    /// By a PIN, a finger or whatever else unlocks it.
    Verified,
    Failed,
}

impl Decision {
    fn of(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Declined,
            1 => Self::Approved,
            2 => Self::Online,
            _ => Self::NotAsked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_known_where_the_results_say_so_and_not_where_they_say_it_failed() {
        let with = |layout: Layout, changes: &[(usize, u8)]| {
            let (mut whole, first) = match layout {
                Layout::Visa => (vec![6, 1, 0x12, 3, 0xA0, 0, 0], 3),
                Layout::CommonCore => (vec![0; 32], 3),
                Layout::MChip => (vec![0; 18], 2),
            };
            match layout {
                Layout::Visa => {}
                Layout::CommonCore => {
                    whole[..4].copy_from_slice(&[0x0F, 0xA5, 1, 0xA0]);
                    whole[16] = 0x0F;
                }
                Layout::MChip => whole[..3].copy_from_slice(&[1, 0x10, 0xA0]),
            }
            for (byte, bits) in changes {
                whole[first + byte - 1] |= bits;
            }
            let data = IssuerData::parse(&whole).expect("known");
            assert_eq!(data.first_decision(), Decision::Online, "{layout:?}");
            (data.holder(), data.pin_tries_exceeded())
        };
        use Holder::{Failed, NotAsked, Verified};
        use Layout::{CommonCore, MChip, Visa};
        for (layout, changes, holder, exceeded) in [
            (Visa, &[][..], NotAsked, false),
            (Visa, &[(2, 0x04)], Verified, false),
            (Visa, &[(2, 0x06)], Failed, false),
            (Visa, &[(3, 0x40)], NotAsked, true),
            (Visa, &[(3, 0x02)], NotAsked, true),
            (CommonCore, &[], NotAsked, false),
            (CommonCore, &[(2, 0x08)], Verified, false),
            (CommonCore, &[(2, 0x0C)], Failed, false),
            (CommonCore, &[(2, 0x02)], NotAsked, true),
            (MChip, &[], NotAsked, false),
            (MChip, &[(1, 0x05)], Verified, false),
            (MChip, &[(1, 0x04)], NotAsked, false),
            (MChip, &[(1, 0x01)], NotAsked, false),
            (MChip, &[(1, 0x04), (4, 0x10)], Failed, false),
            (MChip, &[(4, 0x08)], NotAsked, true),
        ] {
            let found = with(layout, changes);
            assert_eq!(found, (holder, exceeded), "{layout:?} {changes:?}");
        }
        // Format 2 of Visa has a byte of its own before.
        let mut whole = [0; 32];
        whole[..5].copy_from_slice(&[0x1F, 0x22, 1, 0, 0xA4]);
        let data = IssuerData::parse(&whole).expect("known");
        assert_eq!(
            (data.first_decision(), data.holder()),
            (Decision::Online, Verified)
        );
    }

    #[test]
    fn each_network_arranges_it_its_own_way() {
        let visa = IssuerData::parse(&[0x06, 1, 0x0A, 0x03, 0xA0, 0x80, 0]).expect("Visa");
        assert_eq!((visa.layout, visa.cryptogram_version), (Layout::Visa, 10));
        assert_eq!(visa.results, [3, 0xA0, 0x80, 0]);
        assert_eq!(visa.first_decision(), Decision::Online);
        assert_eq!(visa.second_decision(), Decision::Online);

        let mut whole = [0; 32];
        whole[..4].copy_from_slice(&[0x1F, 0x22, 7, 0xAA]);
        let visa = IssuerData::parse(&whole).expect("Visa, format 2");
        assert_eq!((visa.cryptogram_version, visa.key_index), (0x22, 7));

        whole[..4].copy_from_slice(&[0x0F, 0xA5, 9, 0xE0]);
        whole[16] = 0x0F;
        let ccd = IssuerData::parse(&whole).expect("CCD");
        assert_eq!(
            (ccd.layout, ccd.cryptogram_version),
            (Layout::CommonCore, 5)
        );
        assert_eq!((ccd.results.len(), ccd.counters.len()), (5, 8));
        assert_eq!(ccd.first_decision(), Decision::Online);
        assert_eq!(ccd.second_decision(), Decision::NotAsked);

        let mchip: Vec<u8> = (0..18).map(|at| if at == 1 { 0x10 } else { at }).collect();
        let mchip = IssuerData::parse(&mchip).expect("M/Chip");
        assert_eq!(
            (mchip.layout, mchip.cryptogram_version),
            (Layout::MChip, 0x10)
        );
        assert_eq!(mchip.results, [2, 3, 4, 5, 6, 7]);
        assert_eq!(mchip.counters, [10, 11, 12, 13, 14, 15, 16, 17]);
    }

    #[test]
    fn any_other_length_is_unknown() {
        for length in 0..=40 {
            for first in [0x06, 0x0F, 0x1F, 0] {
                let mut whole = vec![0; length];
                if let Some(byte) = whole.first_mut() {
                    *byte = first;
                }
                let known = IssuerData::parse(&whole).is_ok();
                let expected = first == 0x06 && length >= 7
                    || first == 0x1F && length == 32
                    || matches!(length, 18 | 20 | 26 | 28);
                assert_eq!(known, expected, "{first:02X} and {length} bytes");
            }
        }
    }
}
