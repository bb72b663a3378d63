//! What a device signed, as the edge found it.

use minicbor::{Decode, Encode};

use crate::{
    archive::Gone,
    ids::{DeviceId, PinValue, Sealed, Signature},
    state::State,
    subscriber::{PinCheck, Subscriber, check_pin, is_active_device_of},
};

/// Verified outside the engine's thread; what it means is decided here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum SignatureCheck {
    /// Signed by the named device's key, and the facts are those that were shown.
    #[n(0)]
    Valid,
    #[n(1)]
    BadSignature,
    /// Well signed, but not what was asked.
    #[n(2)]
    FactsDiffer,
}

/// The signed document, kept as evidence: exactly the bytes that were signed, sealed under the payer's key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Evidence {
    #[n(0)]
    pub document: Sealed,
    #[n(1)]
    pub signature: Signature,
}

/// Why an approval did not count. Recorded, and told to the phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ApprovalRefusal {
    /// No such prompt for this device's owner.
    #[n(0)]
    NotFound,
    #[n(1)]
    DeviceNotActive,
    #[n(2)]
    AlreadyDecided,
    #[n(3)]
    TooLate,
    #[n(4)]
    BadSignature,
    #[n(5)]
    FactsDiffer,
    #[n(6)]
    WrongPin(#[n(0)] u8),
    #[n(7)]
    PinLocked,
    /// Ended the payment.
    #[n(8)]
    WrongCode,
    #[n(9)]
    Vetoed(#[n(0)] crate::risk::Veto),
    /// The prompt stays open: the payer may add money or change the order of sources.
    #[n(10)]
    InsufficientFunds,
    /// It is in the archive: to be recalled first. Nobody is told.
    #[n(11)]
    Archived(#[n(0)] Gone),
}

impl ApprovalRefusal {
    pub fn code(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::DeviceNotActive => "device_not_active",
            Self::AlreadyDecided => "already_decided",
            Self::TooLate => "too_late",
            Self::BadSignature => "bad_signature",
            Self::FactsDiffer => "facts_differ",
            Self::WrongPin(_) => "wrong_pin",
            Self::PinLocked => "pin_locked",
            Self::WrongCode => "wrong_code",
            Self::Vetoed(_) => "vetoed",
            Self::InsufficientFunds => "insufficient_funds",
            Self::Archived(_) => "archived",
        }
    }
}

/// An approval as it came, before anybody asks what it is of.
#[derive(Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub device: DeviceId,
    pub check: SignatureCheck,
    pub pin: &'a PinValue,
}

impl Attempt<'_> {
    /// Everything about the approval itself: an active device, something that still waits, a good signature, the right PIN.
    pub fn refusal(
        &self,
        state: &State,
        payer: &Subscriber,
        waits: Result<(), ApprovalRefusal>,
    ) -> Option<ApprovalRefusal> {
        if !is_active_device_of(state, self.device, payer.id) {
            return Some(ApprovalRefusal::DeviceNotActive);
        }
        waits.and_then(|()| self.signed(state, payer)).err()
    }

    /// The signature, and only if it is good the PIN, whose tries are few.
    pub fn signed(&self, state: &State, payer: &Subscriber) -> Result<(), ApprovalRefusal> {
        match self.check {
            SignatureCheck::BadSignature => Err(ApprovalRefusal::BadSignature),
            SignatureCheck::FactsDiffer => Err(ApprovalRefusal::FactsDiffer),
            SignatureCheck::Valid => pin(state, payer, self.pin),
        }
    }
}

pub(crate) fn pin(
    state: &State,
    payer: &Subscriber,
    pin: &PinValue,
) -> Result<(), ApprovalRefusal> {
    match check_pin(payer, &state.rules, pin) {
        PinCheck::Passed => Ok(()),
        PinCheck::Wrong(left) => Err(ApprovalRefusal::WrongPin(left)),
        PinCheck::Locked => Err(ApprovalRefusal::PinLocked),
    }
}

/// Whose device it is, whatever its status.
pub(crate) fn owner(state: &State, device: DeviceId) -> Result<&Subscriber, ApprovalRefusal> {
    let device = state.devices.get(&device);
    device
        .and_then(|device| state.subscribers.get(device.subscriber))
        .ok_or(ApprovalRefusal::NotFound)
}

/// Three two-digit codes, one of which the merchant shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MatchCodes {
    #[cbor(n(0), with = "minicbor::bytes")]
    codes: [u8; 3],
    #[n(1)]
    right: u8,
}

impl MatchCodes {
    /// Three different codes from 10 to 99 out of eight random bytes.
    pub fn draw(entropy: u64) -> Self {
        let mut rest = entropy;
        let mut draw = |count: u64| {
            let drawn = rest % count;
            rest /= count;
            u8::try_from(drawn).expect("a remainder below 90 fits a byte")
        };
        let mut codes = [10 + draw(90), 10 + draw(89), 10 + draw(88)];
        // Each later draw skips the codes drawn before it.
        if codes[1] >= codes[0] {
            codes[1] += 1;
        }
        let (low, high) = (codes[0].min(codes[1]), codes[0].max(codes[1]));
        if codes[2] >= low {
            codes[2] += 1;
        }
        if codes[2] >= high {
            codes[2] += 1;
        }
        Self {
            codes,
            right: draw(3),
        }
    }

    /// As the phone shows them.
    pub fn choices(&self) -> [u8; 3] {
        self.codes
    }

    /// As the checkout shows it.
    pub fn shown(&self) -> u8 {
        self.codes[usize::from(self.right) % 3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn three_codes_are_different_and_have_two_digits(entropy: u64) {
            let codes = MatchCodes::draw(entropy);
            let [a, b, c] = codes.choices();
            assert!(a != b && b != c && a != c);
            assert!([a, b, c].iter().all(|code| (10..=99).contains(code)));
            assert!([a, b, c].contains(&codes.shown()));
        }
    }
}
