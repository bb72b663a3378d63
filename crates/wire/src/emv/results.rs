//! What the terminal saw: terminal verification results (tag 95, Book 3 Annex C5), how the holder was verified (tag 9F34, Book 4
//! Annex A4), card transaction qualifiers (tag 9F6C, EMV Contactless Book C-3).

/// Terminal verification results.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tvr(pub [u8; 5]);

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $byte:literal . $bit:literal;)*) => {
        $($(#[$doc])*
        pub fn $name(self) -> bool {
            self.0[$byte - 1] >> ($bit - 1) & 1 == 1
        })*
    };
}

impl Tvr {
    // Byte and bit as the standard counts them, from 1, bit 8 the highest.
    flags! {
        offline_authentication_not_performed = 1 . 8;
        static_authentication_failed = 1 . 7;
        chip_data_missing = 1 . 6;
        on_exception_file = 1 . 5;
        dynamic_authentication_failed = 1 . 4;
        combined_authentication_failed = 1 . 3;
        versions_differ = 2 . 8;
        expired = 2 . 7;
        not_yet_effective = 2 . 6;
        service_not_allowed = 2 . 5;
        new_card = 2 . 4;
        holder_verification_failed = 3 . 8;
        unknown_verification_method = 3 . 7;
        pin_tries_exceeded = 3 . 6;
        pin_pad_missing_or_broken = 3 . 5;
        pin_not_entered = 3 . 4;
        pin_entered_online = 3 . 3;
        above_floor_limit = 4 . 8;
        lower_offline_limit_exceeded = 4 . 7;
        upper_offline_limit_exceeded = 4 . 6;
        selected_at_random = 4 . 5;
        merchant_forced_online = 4 . 4;
        issuer_authentication_failed = 5 . 7;
        script_failed_before_final = 5 . 6;
        script_failed_after_final = 5 . 5;
    }
}

/// How the holder was verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    Failed,
    /// Of a phone: verified on the phone itself (010002, EMV Contactless Book C-2). Of a plastic card: a PIN the card checked.
    DeviceOrOfflinePin,
    OnlinePin,
    OfflinePinAndSignature,
    EncipheredOfflinePin,
    EncipheredOfflinePinAndSignature,
    Signature,
    None,
    NotPerformed,
    Other(u8),
}

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A signature, or a PIN that only the issuer can check.
    Unknown,
    Failed,
    Successful,
    Other(u8),
}

/// CVM results.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CvmResults {
    pub method: Method,
    /// The condition under which the method was chosen (Book 3 Table 44).
    pub condition: u8,
    pub outcome: Outcome,
}

impl CvmResults {
    pub fn parse(bytes: [u8; 3]) -> Self {
        // Bit 7 says what happens when the method fails; bit 8 is reserved.
        let method = match bytes[0] & 0x3F {
            _ if bytes[0] == 0x3F => Method::NotPerformed,
            0x00 => Method::Failed,
            0x01 => Method::DeviceOrOfflinePin,
            0x02 => Method::OnlinePin,
            0x03 => Method::OfflinePinAndSignature,
            0x04 => Method::EncipheredOfflinePin,
            0x05 => Method::EncipheredOfflinePinAndSignature,
            0x1E => Method::Signature,
            0x1F => Method::None,
            other => Method::Other(other),
        };
        let outcome = match bytes[2] {
            0 => Outcome::Unknown,
            1 => Outcome::Failed,
            2 => Outcome::Successful,
            other => Outcome::Other(other),
        };
        Self {
            method,
            condition: bytes[1],
            outcome,
        }
    }

    /// The phone verified its holder, as a phone reports it.
    pub fn verified_on_device(self) -> bool {
        self.method == Method::DeviceOrOfflinePin && self.outcome == Outcome::Successful
    }

    /// There is a PIN block to check.
    pub fn pin_is_online(self) -> bool {
        self.method == Method::OnlinePin
    }
}

/// Card transaction qualifiers: what a contactless card or phone asks of the terminal and tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ctq(pub [u8; 2]);

impl Ctq {
    flags! {
        online_pin_required = 1 . 8;
        signature_required = 1 . 7;
        /// The phone verified its holder.
        verified_on_device = 2 . 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_has_its_name() {
        let tvr = Tvr([0x80, 0x40, 0x84, 0x80, 0x40]);
        assert!(tvr.offline_authentication_not_performed() && tvr.expired());
        assert!(tvr.holder_verification_failed() && tvr.pin_entered_online());
        assert!(tvr.above_floor_limit() && tvr.issuer_authentication_failed());
        assert!(!tvr.static_authentication_failed() && !tvr.pin_tries_exceeded());
        assert!(Ctq([0, 0x80]).verified_on_device() && !Ctq([0x80, 0]).verified_on_device());
    }

    #[test]
    fn a_phone_that_verified_its_holder_says_010002() {
        assert!(CvmResults::parse([0x01, 0, 2]).verified_on_device());
        assert!(!CvmResults::parse([0x01, 0, 1]).verified_on_device());
        assert!(!CvmResults::parse([0x1F, 0, 2]).verified_on_device());
        assert!(CvmResults::parse([0x42, 3, 0]).pin_is_online());
        assert_eq!(CvmResults::parse([0x3F, 0, 0]).method, Method::NotPerformed);
        assert_eq!(CvmResults::parse([0x5E, 3, 0]).method, Method::Signature);
    }
}
