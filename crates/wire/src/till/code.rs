//! What field 39 says: two characters in 1987 (response code), three digits in 1993 (action code).

use crate::iso8583::{MessageType, message_type::MessageClass};

/// An answer's meaning, whatever the version writes for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Code {
    Approved,
    /// Less than was asked for.
    PartlyApproved,
    ReferToIssuer,
    UnknownMerchant,
    Declined,
    InvalidTransaction,
    InvalidAmount,
    UnknownCard,
    OriginalNotFound,
    FormatError,
    LostCard,
    StolenCard,
    NotEnoughMoney,
    Expired,
    WrongPin,
    NotAllowedForCard,
    NotAllowedForTerminal,
    SuspectedFraud,
    AboveAmountLimit,
    Restricted,
    SecurityViolation,
    TooOften,
    PinTriesExceeded,
    /// The holder has to verify with the phone, or to put in the card.
    VerificationNeeded,
    WrongCryptogram,
    IssuerUnavailable,
    Duplicate,
    ReconciliationDiffers,
    Malfunction,
}

use Code::*;

/// Meaning, 1987, 1993.
const TABLE: &[(Code, &str, &str)] = &[
    (Approved, "00", "000"),
    (PartlyApproved, "10", "002"),
    (ReferToIssuer, "01", "107"),
    (UnknownMerchant, "03", "109"),
    (Declined, "05", "100"),
    (InvalidTransaction, "12", "902"),
    (InvalidAmount, "13", "110"),
    (UnknownCard, "14", "111"),
    (OriginalNotFound, "25", "914"),
    (FormatError, "30", "904"),
    (LostCard, "41", "208"),
    (StolenCard, "43", "209"),
    (NotEnoughMoney, "51", "116"),
    (Expired, "54", "101"),
    (WrongPin, "55", "117"),
    (NotAllowedForCard, "57", "119"),
    (NotAllowedForTerminal, "58", "120"),
    (SuspectedFraud, "59", "102"),
    (AboveAmountLimit, "61", "121"),
    (Restricted, "62", "104"),
    (SecurityViolation, "63", "122"),
    (TooOften, "65", "123"),
    (PinTriesExceeded, "75", "106"),
    (VerificationNeeded, "1A", "108"),
    (WrongCryptogram, "82", "125"),
    (IssuerUnavailable, "91", "912"),
    (Duplicate, "94", "913"),
    (ReconciliationDiffers, "95", "501"),
    (Malfunction, "96", "909"),
];

impl Code {
    /// In the order of their declaration.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        TABLE.iter().map(|(code, _, _)| *code)
    }

    /// The value of field 39 in an answer of `message_type`.
    pub fn text(self, message_type: MessageType) -> &'static str {
        if message_type.version() == 0 {
            return self.row().1;
        }
        // 1993 says "approved" otherwise to each class.
        match (self, message_type.class()) {
            (Approved, MessageClass::Reversal) => "400",
            (Approved, MessageClass::Reconciliation) => "500",
            (Approved, MessageClass::NetworkManagement) => "800",
            _ => self.row().2,
        }
    }

    /// The meaning of field 39 in a message of `message_type`: what an advice says that somebody else answered, or what a host said.
    pub fn of(text: &str, message_type: MessageType) -> Option<Self> {
        let found = TABLE
            .iter()
            .find(|(code, _, _)| code.text(message_type) == text);
        // Some say 000 whatever the class.
        let approved = message_type.version() > 0 && text == "000";
        found
            .map(|(code, _, _)| *code)
            .or_else(|| approved.then_some(Approved))
    }

    pub fn is_approval(self) -> bool {
        matches!(self, Approved | PartlyApproved)
    }

    fn row(self) -> &'static (Self, &'static str, &'static str) {
        // A test sees that each has a row.
        TABLE
            .iter()
            .find(|(code, _, _)| *code == self)
            .unwrap_or(&TABLE[TABLE.len() - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_meaning_has_one_value_in_either_version_and_is_read_as_itself() {
        for (at, (code, short, long)) in TABLE.iter().enumerate() {
            assert_eq!(
                (*code as usize, code.row().0),
                (at, *code),
                "the rows are in order"
            );
            assert_eq!((short.len(), long.len()), (2, 3));
            for number in [110, 210, 410, 510, 810, 1110, 1410, 1510, 1810] {
                let message_type = MessageType::new(number);
                let read = Code::of(code.text(message_type), message_type);
                assert_eq!(read, Some(*code), "{code:?} in {message_type}");
            }
        }
        assert_eq!(TABLE.len(), Malfunction as usize + 1);
        assert_eq!(Code::of("99", MessageType::new(110)), None);
    }
}
