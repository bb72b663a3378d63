//! What a merchant is told when something is refused.

use axum::http::StatusCode;
use paytone_domain::{
    merchant::ClientRefusal, money::Currency, payment::ClientPaymentRefusal, risk::Veto,
};

use crate::edge::{amount, problem::Problem};

pub fn problem(refusal: ClientPaymentRefusal, currency: Currency) -> Problem {
    let code = refusal.code();
    match refusal {
        ClientPaymentRefusal::NotFound => Problem::not_found(),
        ClientPaymentRefusal::KeyReused => Problem::unprocessable(
            code,
            "this Idempotency-Key came with another request before; use a new one for a new request",
        )
        .field("Idempotency-Key"),
        // Whoever asks the engine has tried to recall it.
        ClientPaymentRefusal::Archived(_) => Problem {
            retry_after_s: Some(1),
            ..Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                code,
                "this is being fetched from the archive; nothing was done; try again",
            )
        },
        ClientPaymentRefusal::Busy => Problem {
            retry_after_s: Some(2),
            ..Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                code,
                "too many payments wait for an answer; nothing was done; try again",
            )
        },
        ClientPaymentRefusal::WrongStatus(status) => Problem::new(
            StatusCode::CONFLICT,
            code,
            format!("this cannot be done to a payment that is {}", status.name()),
        )
        .with("payment_status", status.name()),
        ClientPaymentRefusal::MoreThanAuthorized { authorized } => {
            let most = amount::show(authorized, currency);
            Problem::unprocessable(code, format!("at most {most} can be captured"))
                .field("amount")
                .with("authorized", most)
        }
        ClientPaymentRefusal::MoreThanCaptured { left } => {
            let most = amount::show(left, currency);
            Problem::unprocessable(code, format!("at most {most} can be refunded"))
                .field("amount")
                .with("left", most)
        }
        ClientPaymentRefusal::Declined(veto) => {
            Problem::new(StatusCode::FORBIDDEN, code, reason(veto)).with("reason", veto.code())
        }
        ClientPaymentRefusal::EndsInThePast => {
            Problem::unprocessable(code, "ends_on must not be in the past").field("ends_on")
        }
    }
}

pub fn endpoint_problem(refusal: ClientRefusal) -> Problem {
    match refusal {
        ClientRefusal::NotFound => Problem::not_found(),
        ClientRefusal::TooManyEndpoints => Problem::new(
            StatusCode::CONFLICT,
            "too_many_endpoints",
            "remove an endpoint before adding another one",
        ),
    }
}

/// For people, beside the veto's code. Those on the payer's side are told only for charges under a mandate.
pub fn reason(veto: Veto) -> &'static str {
    match veto {
        Veto::UnknownNumber => "The number has no account.",
        Veto::LineNotActive => "The payer's line is not active.",
        Veto::SubscriberBlocked => "The payer's account is blocked.",
        Veto::MerchantBlockedByPayer => "The payer has blocked this merchant.",
        Veto::MerchantBlocked => "The operator has blocked this merchant.",
        Veto::MerchantPaymentLimit => "The amount is above this merchant's limit per payment.",
        Veto::MerchantDailyLimit => "The amount is above what this merchant may still take today.",
        Veto::MerchantTooManyPrompts => "This merchant has asked too many payers in this hour.",
        Veto::MerchantTooManyOpen => "Too many of this merchant's payments wait for an answer.",
        Veto::MerchantWrongCodes => {
            "Too many wrong match codes or reports against this merchant today."
        }
        Veto::PaymentLimit => "The amount is above the payer's limit per payment.",
        Veto::DailyLimit => "The amount is above what the payer may still spend today.",
        Veto::MonthlyLimit => "The amount is above what the payer may still spend this month.",
        Veto::OtherPersonLimit => "The amount is above the limit for what somebody else asks for.",
        Veto::ReducedLimit => "The payer's limits are reduced for now.",
        Veto::NumberTooYoung => "The payer's number is too young.",
        Veto::RecentSimChange => "The payer's SIM was changed a short time ago.",
        Veto::RecentDeviceChange => "The payer's phone was changed a short time ago.",
        Veto::PayerTooManyPrompts => "Too many requests wait on the payer's phone.",
        Veto::AttentionSpent => "The payer has left too many requests unanswered today.",
        Veto::PinLocked => "The payer's PIN is locked.",
        Veto::NoDevice => "The payer has no phone set up.",
        Veto::MandateNotActive => "The mandate is not active.",
        Veto::MandateSuspended => "The mandate is suspended until the payer resumes it.",
        Veto::MandateEnded => "The mandate has ended.",
        Veto::MandatePaymentLimit => "The amount is above the mandate's limit per payment.",
        Veto::MandateMonthlyLimit => {
            "The amount is above what the mandate still allows this month."
        }
        Veto::RecoveryNoMandates => "The payer cannot give mandates for now.",
        Veto::InsufficientFunds => "The payer's sources do not cover the amount.",
    }
}
