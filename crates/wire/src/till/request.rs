//! What a till asks, whatever the dialect.

use std::fmt;

use zeroize::Zeroizing;

use super::card::Card;
use crate::{
    emv::ChipData,
    iso8583::{Message, MessageType, Original, message_type::MessageClass},
};

/// What kind of message it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Kind {
    /// 0100: may this be paid? The money is held.
    Authorization,
    /// 0120: somebody else has answered such a question meanwhile.
    AuthorizationAdvice,
    /// 0200: it is being paid, or given back: see [`Request::transaction`].
    Purchase,
    /// 0220: it has been.
    PurchaseAdvice,
    /// 0400
    Reversal,
    /// 0420: the till has already treated it as undone.
    ReversalAdvice,
    /// 0500, 0520: the till's totals.
    Reconciliation,
    /// 0800: signing on and off, echo.
    NetworkManagement,
}

impl Kind {
    /// `None` for responses, notifications, and classes that no till uses.
    pub fn of(message_type: MessageType) -> Option<Self> {
        let advice = match (message_type.is_request(), message_type.is_advice()) {
            (true, _) => false,
            (_, true) => true,
            _ => return None,
        };
        Some(match (message_type.class(), advice) {
            (MessageClass::Authorization, false) => Self::Authorization,
            (MessageClass::Authorization, true) => Self::AuthorizationAdvice,
            (MessageClass::Financial, false) => Self::Purchase,
            (MessageClass::Financial, true) => Self::PurchaseAdvice,
            (MessageClass::Reversal, false) => Self::Reversal,
            (MessageClass::Reversal, true) => Self::ReversalAdvice,
            (MessageClass::Reconciliation, _) => Self::Reconciliation,
            (MessageClass::NetworkManagement, _) => Self::NetworkManagement,
            _ => return None,
        })
    }

    /// Whether money is asked for now, so that card and chip must be whole.
    pub fn asks_for_money(self) -> bool {
        matches!(self, Self::Authorization | Self::Purchase)
    }
}

/// How the card was read: field 22.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry {
    Unknown,
    Manual,
    Stripe,
    /// A bar or QR code.
    Code,
    Chip,
    ContactlessChip,
    ContactlessStripe,
    /// The stripe, because the chip could not be read.
    Fallback,
    Online,
    Other,
}

/// The first two digits of field 3: what is to happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transaction {
    /// 00
    Purchase,
    /// 01
    Cash,
    /// 09
    PurchaseWithCash,
    /// 20
    Refund,
    /// 31
    Balance,
    Other(u8),
}

/// What tells one message from all others of a link, and a repeat from something new.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Identity {
    /// Of the original, if it is a repeat.
    pub message_type: MessageType,
    pub acquirer: String,
    pub merchant: String,
    pub terminal: String,
    pub trace: u32,
    /// The till's own date: MMDD of field 13 in 1987, YYMMDD of field 12 in 1993; that of field 7 if there is none.
    pub date: String,
}

/// How many, and how much in minor units.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Total {
    pub count: u64,
    pub amount: u64,
}

/// A till's totals in a reconciliation (fields 74 to 77, 86 to 89 and 97).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    pub credits: Total,
    pub credit_reversals: Total,
    pub debits: Total,
    pub debit_reversals: Total,
    /// What the till is owed; below zero if it owes.
    pub net: Option<i64>,
}

/// One request of a till.
#[derive(Clone)]
pub struct Request {
    pub kind: Kind,
    /// Sent again: the first answer is wanted again.
    pub repeat: bool,
    pub transaction: Transaction,
    /// In the currency's minor unit.
    pub amount: Option<u64>,
    /// As the dialect writes it: three digits, or letters.
    pub currency: Option<String>,
    pub card: Option<Card>,
    /// A one-time payment code instead of a card: subfield `PC` of field 48.
    pub payment_code: Option<String>,
    pub entry: Entry,
    /// Field 55 of what asks for money.
    pub chip: Option<ChipData>,
    /// Field 52, still encrypted.
    pub pin_block: Option<Zeroizing<Vec<u8>>>,
    pub identity: Identity,
    /// Field 7: MMDDhhmmss.
    pub transmitted: String,
    /// The till's own time: MMDDhhmmss of fields 13 and 12, or field 12 of 1993, YYMMDDhhmmss.
    pub local: String,
    /// Field 37.
    pub reference: Option<String>,
    /// Field 43: name and place of the store.
    pub place: Option<String>,
    /// What a reversal undoes.
    pub original: Option<Original>,
    /// Fields 38 and 39 of an advice: what the other host or the chip answered.
    pub approval: Option<String>,
    pub answered: Option<String>,
    pub totals: Option<Totals>,
    pub(super) message: Message,
    pub(super) header: Vec<u8>,
}

impl Request {
    /// As it came.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Whether `earlier` is what this reversal undoes: the same terminal, trace number, kind of message and moment.
    pub fn undoes(&self, earlier: &Self) -> bool {
        let Some(original) = &self.original else {
            return false;
        };
        let of = Original::elements_of(&earlier.message);
        let (mine, its) = (&self.identity, &earlier.identity);
        (&mine.terminal, &mine.merchant) == (&its.terminal, &its.merchant)
            && original.message_type.original() == its.message_type
            && original.trace == of.trace
            && original.when == of.when
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Request({:?}, {})", self.kind, self.message)
    }
}
