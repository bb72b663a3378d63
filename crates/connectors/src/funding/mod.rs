//! External money sources, behind one trait.
//!
//! ```text
//!   collect / give_back ──▶ Done | Refused | Unknown
//!                                             │ status
//!                                             ▼
//!                     Done | Refused | NotFound (repeat, same reference) | Unknown (ask later)
//! ```
//! **Invariant:** `Refused` means that nothing moved and nothing will. `NotFound` only means that
//! the bank does not know the reference *yet*: a request may still be on its way, so the leg may be
//! repeated under the same reference but never counted as failed.
//!
//! **Not here:** retries, deadlines of payments, ledger accounts.
//!
//! Adding a source is one file and one line in `SOURCES`.

pub mod bank;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::Promise;

/// Every external source that a node can be configured with.
const SOURCES: &[Source] = &[Source {
    name: bank::NAME,
    open: bank::open,
}];

struct Source {
    name: &'static str,
    open: fn(&Settings) -> Result<Arc<dyn Funding>, OpenError>,
}

/// Where a source is and how to talk to it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For example `https://api.bank.example/v1`; requests append their path to it.
    pub base_url: String,
    /// Sent as `Authorization: Bearer …`.
    pub token: Option<Token>,
    /// For one request, from connecting to the last byte of the answer.
    pub timeout: Duration,
    /// Plain HTTP is for the demo and for tests.
    pub allow_http: bool,
}

impl Settings {
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            token: None,
            timeout: Duration::from_secs(5),
            allow_http: false,
        }
    }
}

/// A credential for a source's API.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// Whether it is this one, told in a time that says nothing of how much of it is right.
    pub(crate) fn is(&self, offered: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.0.as_bytes(), offered).is_ok()
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("no funding source is called {name:?}; there are: {known}")]
    UnknownSource { name: String, known: String },
    #[error("base_url is not usable: {why}")]
    BaseUrl { why: String },
    #[error("token holds characters that a header cannot carry")]
    Token,
}

impl OpenError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownSource { .. } => "funding_unknown_source",
            Self::BaseUrl { .. } => "funding_base_url",
            Self::Token => "funding_token",
        }
    }
}

/// The names a configuration may use.
pub fn names() -> impl Iterator<Item = &'static str> {
    SOURCES.iter().map(|source| source.name)
}

/// Makes the connector called `name`; nothing is sent yet.
pub fn open(name: &str, settings: &Settings) -> Result<Arc<dyn Funding>, OpenError> {
    match SOURCES.iter().find(|source| source.name == name) {
        Some(source) => (source.open)(settings),
        None => Err(OpenError::UnknownSource {
            name: name.to_owned(),
            known: names().collect::<Vec<_>>().join(", "),
        }),
    }
}

/// Names one money effect for good. Derived from the event that wants it, so that whoever repeats
/// the effect repeats the reference: 1 to 64 of `A-Z a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reference is 1 to 64 letters, digits, underscores and hyphens")]
pub struct ReferenceError;

impl Reference {
    pub fn new(text: impl Into<String>) -> Result<Self, ReferenceError> {
        let text = text.into();
        if is_reference(&text) {
            Ok(Self(text))
        } else {
            Err(ReferenceError)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(crate) fn is_reference(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// Takes money from a customer's account at the source.
#[derive(Clone, PartialEq, Eq)]
pub struct Collection {
    pub reference: Reference,
    pub account: String,
    pub amount_minor: i64,
    /// ISO 4217, upper case.
    pub currency: String,
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collection")
            .field("reference", &self.reference)
            .field("account", &"***")
            .field("amount_minor", &self.amount_minor)
            .field("currency", &self.currency)
            .finish()
    }
}

/// Gives all or a part of a collection back, under a reference of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Return {
    pub reference: Reference,
    pub original: Reference,
    pub amount_minor: i64,
    pub currency: String,
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The money moved, once.
    Done { bank_reference: String },
    /// It did not move and will not; `reason` is a stable code.
    Refused { reason: String },
    /// It may have moved. Ask [`Funding::status`] until it is known.
    Unknown { why: String },
}

/// What the source says about a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// What moved is told too, so that the caller can compare it with what it wanted.
    Done {
        bank_reference: String,
        amount_minor: i64,
        currency: String,
    },
    Refused {
        reason: String,
    },
    /// Never seen, or not yet: repeat under the same reference.
    NotFound,
    Unknown {
        why: String,
    },
}

/// One external money source. Each method does one exchange and returns within the source's
/// timeout; dropping the future leaves the outcome unknown.
pub trait Funding: Send + Sync {
    fn name(&self) -> &'static str;
    fn collect<'a>(&'a self, order: &'a Collection) -> Promise<'a, Outcome>;
    fn give_back<'a>(&'a self, order: &'a Return) -> Promise<'a, Outcome>;
    fn status<'a>(&'a self, reference: &'a Reference) -> Promise<'a, Status>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_1_to_64_safe_characters() {
        assert!(Reference::new("").is_err());
        assert!(Reference::new("a").is_ok());
        assert!(Reference::new("A-z_9".repeat(12) + "1234").is_ok());
        assert!(Reference::new("x".repeat(65)).is_err());
        for bad in ["a/b", "a b", "a.b", "é", "a%2e"] {
            assert_eq!(Reference::new(bad), Err(ReferenceError), "{bad}");
        }
    }

    #[test]
    fn an_unlisted_source_is_refused_by_name() {
        let Err(error) = open("barter", &Settings::new("https://bank.example")) else {
            panic!("no such source");
        };
        assert_eq!(error.code(), "funding_unknown_source");
        assert_eq!(
            error.to_string(),
            "no funding source is called \"barter\"; there are: bank"
        );
    }

    #[test]
    fn debug_output_masks_token_and_account() {
        let settings = Settings {
            token: Some(Token::new("s3cret")),
            ..Settings::new("https://bank.example")
        };
        assert!(!format!("{settings:?}").contains("s3cret"));
        let order = Collection {
            reference: Reference::new("leg-1").unwrap(),
            account: "DE0012345".into(),
            amount_minor: 1,
            currency: "EUR".into(),
        };
        assert!(!format!("{order:?}").contains("DE0012345"));
    }
}
