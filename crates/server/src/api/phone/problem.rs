//! Refusals of the domain as problems that a phone understands.

use axum::http::StatusCode;
use paytone_domain::{
    approval::ApprovalRefusal,
    subscriber::{DeviceRefusal, EnrolmentRefusal, PhoneRefusal},
};

use crate::edge::problem::Problem;

pub fn device_not_active() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "device_not_active",
        "this phone may not act for its number yet",
    )
}

fn wrong_pin(tries_left: u8) -> Problem {
    Problem::unprocessable("wrong_pin", "that is not the PIN").with("tries_left", tries_left)
}

fn pin_locked() -> Problem {
    Problem::new(
        StatusCode::LOCKED,
        "pin_locked",
        "too many wrong PINs; the operator unlocks it after a check of who you are",
    )
}

impl From<ApprovalRefusal> for Problem {
    fn from(refusal: ApprovalRefusal) -> Self {
        let conflict = |detail: &str| Self::new(StatusCode::CONFLICT, refusal.code(), detail);
        match refusal {
            ApprovalRefusal::NotFound => Self::not_found(),
            // Whoever asks the engine has tried to recall it.
            ApprovalRefusal::Archived(_) => Self {
                retry_after_s: Some(1),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    refusal.code(),
                    "this is being fetched from the archive; nothing was done; try again",
                )
            },
            ApprovalRefusal::DeviceNotActive => device_not_active(),
            ApprovalRefusal::AlreadyDecided => conflict("this was answered before"),
            ApprovalRefusal::TooLate => conflict("its deadline has passed"),
            ApprovalRefusal::BadSignature => Self::unprocessable(
                refusal.code(),
                "the signature is not this phone's over this document",
            )
            .field("signature"),
            ApprovalRefusal::FactsDiffer => {
                Self::unprocessable(refusal.code(), "the document does not say what was asked")
                    .field("document")
            }
            ApprovalRefusal::WrongPin(tries_left) => wrong_pin(tries_left),
            ApprovalRefusal::PinLocked => pin_locked(),
            ApprovalRefusal::WrongCode => {
                conflict("that is not the code the merchant shows; the request is over")
            }
            ApprovalRefusal::Vetoed(veto) => Self::new(
                StatusCode::FORBIDDEN,
                refusal.code(),
                "a rule does not allow it",
            )
            .with("reason", veto.code()),
            ApprovalRefusal::InsufficientFunds => Self::new(
                StatusCode::PAYMENT_REQUIRED,
                refusal.code(),
                "the sources do not hold enough; the request stays open",
            ),
        }
    }
}

impl From<DeviceRefusal> for Problem {
    fn from(refusal: DeviceRefusal) -> Self {
        match refusal {
            DeviceRefusal::NotFound => Self::not_found(),
            DeviceRefusal::DeviceNotActive => device_not_active(),
            DeviceRefusal::Approval(refusal) => refusal.into(),
        }
    }
}

impl From<EnrolmentRefusal> for Problem {
    fn from(refusal: EnrolmentRefusal) -> Self {
        match refusal {
            EnrolmentRefusal::Expired => Self::new(
                StatusCode::GONE,
                "enrolment_expired",
                "this code is no longer good; ask for another",
            ),
            EnrolmentRefusal::WrongCode { tries_left } => {
                Self::unprocessable("wrong_code", "that is not the code")
                    .with("tries_left", tries_left)
            }
            EnrolmentRefusal::CodeFirst => Self::new(
                StatusCode::CONFLICT,
                "code_first",
                "the one-time code comes first",
            ),
            EnrolmentRefusal::WrongPin { tries_left } => wrong_pin(tries_left),
            EnrolmentRefusal::PinLocked => pin_locked(),
            EnrolmentRefusal::TooMany => Self {
                retry_after_s: Some(30),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "overloaded",
                    "too many are enrolling; try again soon",
                )
            },
        }
    }
}

impl From<PhoneRefusal> for Problem {
    fn from(refusal: PhoneRefusal) -> Self {
        match refusal {
            PhoneRefusal::DeviceNotActive => device_not_active(),
            PhoneRefusal::NotAnOrder => {
                Self::unprocessable("not_an_order", "order must name each source exactly once")
                    .field("order")
            }
        }
    }
}
