//! What the bank's answers mean: bytes in, outcome out, no socket.
//!
//! **Invariant:** an answer about another reference, amount or currency than asked decides nothing.

use serde::Deserialize;

use crate::funding::{Outcome, Reference, Status};

const BANK_REFERENCE_CAP: usize = 128;

/// What an answer has to repeat to be believed.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub reference: &'a Reference,
    pub amount_minor: i64,
    pub currency: &'a str,
}

impl Asked<'_> {
    pub(super) fn is_sendable(&self) -> bool {
        self.amount_minor > 0
            && self.currency.len() == 3
            && self.currency.bytes().all(|byte| byte.is_ascii_uppercase())
    }
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    reference: Option<String>,
    bank_reference: Option<String>,
    amount_minor: Option<i64>,
    currency: Option<String>,
    reason: Option<String>,
}

/// Reads what the bank said to a collection or a return.
pub fn read_outcome(asked: &Asked<'_>, status: u16, body: &[u8]) -> Outcome {
    let answer = match parse(asked.reference, status, body) {
        Ok(answer) => answer,
        Err(why) => return Outcome::Unknown { why },
    };
    match (status, answer.status.as_str()) {
        (200, "done") => match answer.bank_reference {
            Some(bank_reference)
                if answer.amount_minor == Some(asked.amount_minor)
                    && answer.currency.as_deref() == Some(asked.currency) =>
            {
                Outcome::Done {
                    bank_reference: printable(&bank_reference),
                }
            }
            _ => Outcome::Unknown {
                why: "answer_contradicts_request".to_owned(),
            },
        },
        (422, "refused") => Outcome::Refused {
            reason: reason_code(answer.reason),
        },
        (202, "pending") => Outcome::Unknown {
            why: "pending".to_owned(),
        },
        (409, "reference_reused") => Outcome::Unknown {
            why: "reference_reused".to_owned(),
        },
        _ => Outcome::Unknown {
            why: format!("http_{status}"),
        },
    }
}

/// Reads what the bank said about an operation.
pub fn read_status(reference: &Reference, status: u16, body: &[u8]) -> Status {
    let answer = match parse(reference, status, body) {
        Ok(answer) => answer,
        Err(why) => return Status::Unknown { why },
    };
    match (status, answer.status.as_str()) {
        (200, "done") => match (answer.bank_reference, answer.amount_minor, answer.currency) {
            (Some(bank_reference), Some(amount_minor), Some(currency)) => Status::Done {
                bank_reference: printable(&bank_reference),
                amount_minor,
                currency,
            },
            _ => Status::Unknown {
                why: "answer_incomplete".to_owned(),
            },
        },
        (200, "refused") => Status::Refused {
            reason: reason_code(answer.reason),
        },
        (202, "pending") => Status::Unknown {
            why: "pending".to_owned(),
        },
        (404, "not_found") => Status::NotFound,
        _ => Status::Unknown {
            why: format!("http_{status}"),
        },
    }
}

/// An answer about another reference is somebody else's.
fn parse(reference: &Reference, status: u16, body: &[u8]) -> Result<Answer, String> {
    let answer: Answer = serde_json::from_slice(body).map_err(|_| match status {
        200..=299 => "answer_not_understood".to_owned(),
        _ => format!("http_{status}"),
    })?;
    match &answer.reference {
        Some(echoed) if echoed == reference.as_str() => Ok(answer),
        _ if (500..=599).contains(&status) => Err(format!("http_{status}")),
        _ => Err("answer_about_another_reference".to_owned()),
    }
}

/// A reason goes into the journal and to people, so it has to be a code and nothing else.
fn reason_code(reason: Option<String>) -> String {
    match reason {
        Some(code)
            if (1..=64).contains(&code.len())
                && code
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') =>
        {
            code
        }
        _ => "refused_by_bank".to_owned(),
    }
}

/// People search the bank's statement for this; control characters and novels are cut.
fn printable(bank_reference: &str) -> String {
    bank_reference
        .chars()
        .filter(|c| !c.is_control())
        .take(BANK_REFERENCE_CAP)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16, body: &str) -> String {
        let reference = Reference::new("leg-1").unwrap();
        let asked = Asked {
            reference: &reference,
            amount_minor: 500,
            currency: "EUR",
        };
        match read_outcome(&asked, status, body.as_bytes()) {
            Outcome::Done { bank_reference } => format!("done {bank_reference}"),
            Outcome::Refused { reason } => format!("refused {reason}"),
            Outcome::Unknown { why } => format!("unknown {why}"),
        }
    }

    #[test]
    fn only_an_answer_that_agrees_with_the_request_is_believed() {
        let done = r#"{"status":"done","reference":"leg-1","bank_reference":"B7","amount_minor":500,"currency":"EUR"}"#;
        assert_eq!(outcome(200, done), "done B7");
        for (status, body, expected) in [
            (201, done, "unknown http_201"),
            (500, done, "unknown http_500"),
            (200, "", "unknown answer_not_understood"),
            (200, "<html>", "unknown answer_not_understood"),
            (
                200,
                r#"{"status":"done"}"#,
                "unknown answer_about_another_reference",
            ),
            (
                200,
                &done.replace("leg-1", "leg-2"),
                "unknown answer_about_another_reference",
            ),
            (
                200,
                &done.replace("500", "501"),
                "unknown answer_contradicts_request",
            ),
            (
                200,
                &done.replace("EUR", "USD"),
                "unknown answer_contradicts_request",
            ),
            (
                200,
                &done.replace("bank_", "our_"),
                "unknown answer_contradicts_request",
            ),
            (302, "", "unknown http_302"),
            (404, "<html>", "unknown http_404"),
            (503, r#"{"status":"unavailable"}"#, "unknown http_503"),
            (
                200,
                r#"{"status":"refused","reference":"leg-1"}"#,
                "unknown http_200",
            ),
            (
                202,
                r#"{"status":"pending","reference":"leg-1"}"#,
                "unknown pending",
            ),
            (
                409,
                r#"{"status":"reference_reused","reference":"leg-1"}"#,
                "unknown reference_reused",
            ),
            (
                422,
                r#"{"status":"refused","reference":"leg-1","reason":"account_closed"}"#,
                "refused account_closed",
            ),
            (
                422,
                r#"{"status":"refused","reference":"leg-1","reason":"Sorry, Ann!"}"#,
                "refused refused_by_bank",
            ),
            (
                422,
                r#"{"status":"refused","reference":"leg-2","reason":"x"}"#,
                "unknown answer_about_another_reference",
            ),
        ] {
            assert_eq!(outcome(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn not_found_needs_the_banks_own_words() {
        let reference = Reference::new("leg-1").unwrap();
        let said = br#"{"status":"not_found","reference":"leg-1"}"#;
        assert_eq!(read_status(&reference, 404, said), Status::NotFound);
        assert_eq!(
            read_status(&reference, 404, b"not found"),
            Status::Unknown {
                why: "http_404".into()
            }
        );
        assert_eq!(
            read_status(&reference, 404, br#"{"status":"not_found"}"#),
            Status::Unknown {
                why: "answer_about_another_reference".into()
            }
        );
    }
}
