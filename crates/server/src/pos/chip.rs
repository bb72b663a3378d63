//! What the chip's data say, by rules: the cryptogram first, then what terminal and card found.

use paytone_domain::till::{Chip, TillRefusal};
use paytone_wire::{
    emv::{
        CardKeys, ChipData, IssuerAnswer,
        chip_data::CryptogramKind,
        issuer_data::{Decision, Holder, IssuerData},
        results::Outcome,
        version,
    },
    till::{Entry, Request},
};

use super::keys::IssuerKeys;

/// A right cryptogram, with what the answer to it needs.
pub struct Verified<'a> {
    pub chip: Chip,
    keys: CardKeys,
    data: &'a ChipData,
}

/// Verifies what `request` carries. Everything but a chip is refused, the stripe after a failed chip too.
pub fn verify<'a>(
    request: &'a Request,
    issuer: &IssuerKeys,
    currency: &str,
) -> Result<Verified<'a>, TillRefusal> {
    if !matches!(request.entry, Entry::Chip | Entry::ContactlessChip) {
        return Err(TillRefusal::NotByChip);
    }
    let (Some(data), Some(card)) = (&request.chip, &request.card) else {
        return Err(TillRefusal::NotByChip);
    };
    let wrong = TillRefusal::WrongCryptogram;
    let issuer_data = IssuerData::parse(&data.issuer_data).map_err(|_| wrong)?;
    let version = version::Version::of(&issuer_data).ok_or(wrong)?;
    let key = issuer.find(issuer_data.key_index, version).ok_or(wrong)?;
    let sequence = card.sequence.or(data.sequence_number).unwrap_or(0);
    let keys = CardKeys::derive(version, &key.key, card.number(), sequence).map_err(|_| wrong)?;
    match keys.verify(data) {
        Ok(true) => {}
        Ok(false) | Err(_) => return Err(wrong),
    }
    // What was signed is what is asked for.
    let signed = (decimal(&data.amount), decimal(&data.currency), data.kind);
    let asked = (request.amount, currency.parse().ok(), 0);
    if (signed.0, signed.1, signed.2) != asked {
        return Err(TillRefusal::ChipDiffers);
    }
    look_at_terminal(data)?;
    look_at_card(data, &issuer_data)?;
    Ok(Verified {
        chip: Chip {
            counter: data.counter,
            // What the terminal says of it (CVM results, transaction qualifiers) is signed by nobody.
            verified: issuer_data.holder() == Holder::Verified,
        },
        keys,
        data,
    })
}

/// What the terminal found: its verification results, and how it says that the holder was verified.
fn look_at_terminal(data: &ChipData) -> Result<(), TillRefusal> {
    let tvr = data.tvr;
    if tvr.expired() {
        return Err(TillRefusal::TokenExpired);
    }
    let is_false = tvr.static_authentication_failed()
        || tvr.dynamic_authentication_failed()
        || tvr.combined_authentication_failed()
        || tvr.on_exception_file();
    let may_not = tvr.not_yet_effective() || tvr.service_not_allowed();
    let is_somebody_else = tvr.holder_verification_failed()
        || tvr.pin_tries_exceeded()
        || data
            .holder_verification()
            .is_some_and(|results| results.outcome == Outcome::Failed);
    // An issuer's answer cannot have failed before there is one.
    let answered = tvr.issuer_authentication_failed();
    if is_false || may_not || is_somebody_else || answered {
        return Err(TillRefusal::ChipDeclined);
    }
    Ok(())
}

/// What the card itself says. What it tells of transactions before this one (not completed, issuer not proven) refuses nothing: a phone
/// leaves the reader before the answer comes.
fn look_at_card(data: &ChipData, issuer_data: &IssuerData) -> Result<(), TillRefusal> {
    // What information data say is signed by nobody; the results are.
    let asks = issuer_data.first_decision() == Decision::Online
        && matches!(data.cryptogram_kind(), None | Some(CryptogramKind::Online));
    let is_somebody_else = issuer_data.holder() == Holder::Failed
        || issuer_data.pin_tries_exceeded()
        || issuer_data.terminal_errs_about_pin();
    if !asks || is_somebody_else {
        return Err(TillRefusal::ChipDeclined);
    }
    Ok(())
}

impl Verified<'_> {
    /// The value of tag 91.
    pub fn answer(&self, approved: bool) -> Option<Vec<u8>> {
        // "Issuer approves online transaction" is bit 8 of the second byte of the card status update (Book 3 Annex C9).
        let answer = match (self.keys.version().answer, approved) {
            (version::Answer::Method2, true) => IssuerAnswer::Status([0, 0x80, 0, 0]),
            (version::Answer::Method2, false) => IssuerAnswer::Status([0; 4]),
            (_, true) => IssuerAnswer::Code(*b"00"),
            (_, false) => IssuerAnswer::Code(*b"05"),
        };
        self.keys.answer(self.data, answer).ok()
    }
}

/// Packed digits as a number; `None` if one of them is none.
fn decimal(bytes: &[u8]) -> Option<u64> {
    bytes.iter().try_fold(0_u64, |sum, byte| {
        let (high, low) = (u64::from(byte >> 4), u64::from(byte & 15));
        (high < 10 && low < 10).then(|| sum * 100 + high * 10 + low)
    })
}
