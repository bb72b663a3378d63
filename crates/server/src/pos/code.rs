//! What field 39 says of each outcome: one table for tills, whatever the dialect.

use paytone_domain::{
    payment::Status,
    risk::Veto,
    till::{TillAnswer, TillRefusal},
};
use paytone_wire::till::Code;

pub fn of_answer(answer: TillAnswer) -> Code {
    match answer {
        TillAnswer::Approved(_) | TillAnswer::Undone | TillAnswer::Closed { agrees: true } => {
            Code::Approved
        }
        TillAnswer::Closed { agrees: false } => Code::ReconciliationDiffers,
        TillAnswer::Declined(_, veto) => of_veto(veto),
        TillAnswer::Ended(_, status) => of_status(status),
        TillAnswer::Refused(refusal) => of_refusal(refusal),
        // Both are looked at again before anything is said.
        TillAnswer::Waits(_) | TillAnswer::Archived(_) | TillAnswer::LookUp => {
            Code::IssuerUnavailable
        }
    }
}

fn of_status(status: Status) -> Code {
    match status {
        // Nobody answered on the phone: with the phone unlocked it needs no prompt.
        Status::Expired => Code::VerificationNeeded,
        Status::Authorized | Status::Captured => Code::Approved,
        Status::AwaitingApproval | Status::Funding => Code::IssuerUnavailable,
        Status::Declined | Status::Refused | Status::Cancelled | Status::Failed => Code::Declined,
    }
}

fn of_veto(veto: Veto) -> Code {
    match veto {
        Veto::InsufficientFunds => Code::NotEnoughMoney,
        Veto::MerchantBlocked => Code::UnknownMerchant,
        Veto::PaymentLimit
        | Veto::DailyLimit
        | Veto::MonthlyLimit
        | Veto::OtherPersonLimit
        | Veto::ReducedLimit
        | Veto::MerchantPaymentLimit
        | Veto::MerchantDailyLimit
        | Veto::MandatePaymentLimit
        | Veto::MandateMonthlyLimit => Code::AboveAmountLimit,
        Veto::PinLocked => Code::PinTriesExceeded,
        Veto::PayerTooManyPrompts
        | Veto::AttentionSpent
        | Veto::MerchantTooManyPrompts
        | Veto::MerchantTooManyOpen
        | Veto::MerchantWrongCodes => Code::TooOften,
        // Without a phone to ask, the card has to be verified where it is.
        Veto::NoDevice => Code::VerificationNeeded,
        Veto::RecentSimChange | Veto::RecentDeviceChange | Veto::NumberTooYoung => Code::Restricted,
        Veto::MerchantBlockedByPayer
        | Veto::UnknownNumber
        | Veto::LineNotActive
        | Veto::SubscriberBlocked
        | Veto::MandateNotActive
        | Veto::MandateSuspended
        | Veto::MandateEnded
        | Veto::RecoveryNoMandates => Code::Declined,
    }
}

fn of_refusal(refusal: TillRefusal) -> Code {
    match refusal {
        TillRefusal::UnknownTerminal | TillRefusal::TerminalBlocked => Code::NotAllowedForTerminal,
        TillRefusal::TerminalLimit => Code::AboveAmountLimit,
        TillRefusal::UnknownToken => Code::UnknownCard,
        TillRefusal::TokenSuspended => Code::Restricted,
        TillRefusal::TokenEnded => Code::LostCard,
        TillRefusal::TokenExpired => Code::Expired,
        TillRefusal::WrongCryptogram => Code::WrongCryptogram,
        TillRefusal::CounterRefused => Code::SecurityViolation,
        TillRefusal::ChipDeclined => Code::Declined,
        TillRefusal::ChipDiffers => Code::SuspectedFraud,
        TillRefusal::NotByChip => Code::NotAllowedForCard,
        TillRefusal::OriginalNotFound => Code::OriginalNotFound,
        TillRefusal::WrongStatus => Code::InvalidTransaction,
        TillRefusal::MoreThanAuthorized => Code::InvalidAmount,
        TillRefusal::Undone => Code::Declined,
        // Whether it is nobody's or only wrong is not told.
        TillRefusal::WrongCode => Code::UnknownCard,
        TillRefusal::CodeExpired | TillRefusal::PhoneNotSeen => Code::Expired,
        TillRefusal::CodeUsed => Code::SecurityViolation,
        TillRefusal::TooManyWrongCodes => Code::PinTriesExceeded,
        TillRefusal::NotYet | TillRefusal::Busy => Code::IssuerUnavailable,
    }
}

/// What people at the till may read: nothing of the payer.
pub fn remark(answer: TillAnswer) -> Option<&'static str> {
    match answer {
        TillAnswer::Refused(refusal) => Some(refusal.code()),
        _ => None,
    }
}
