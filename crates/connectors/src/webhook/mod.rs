//! Signed messages to merchants, by the Standard Webhooks convention.
//!
//! ```text
//!   url ─ policy ─▶ resolve ─▶ public? ─▶ connect ─▶ peer public? ─▶ TLS ─▶ POST ─▶ 2xx Sent
//!                                                                               else SendError
//! ```
//! **Invariant:** bytes go only to an address that [`address::reach`] allows, checked on the socket
//! that carries them; nothing an endpoint answers sends Paytone anywhere else.
//!
//! **Not here:** the delivery log, the queue, retries (only their [`schedule`]); proxies; redirects.

pub mod address;
pub mod schedule;
mod sender;
pub mod signature;

use std::fmt;
use std::time::Duration;

pub use sender::Sender;
use signature::Secret;

/// What the operator allows, and how long an endpoint may take.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Loopback and private networks too: the demo, tests, an operator's own systems. Never
    /// link-local or translated addresses.
    pub allow_private: bool,
    pub allow_http: bool,
    /// Ports other than 443 and 8443 (with `allow_http` also 80 and 8080).
    pub allow_any_port: bool,
    /// From resolving the name to the last byte of the answer.
    pub timeout: Duration,
    /// For connecting to one address.
    pub connect_timeout: Duration,
    /// DER certificates trusted beside the public ones, such as an operator's own authority.
    pub extra_roots: Vec<Vec<u8>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allow_private: false,
            allow_http: false,
            allow_any_port: false,
            timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(5),
            extra_roots: Vec::new(),
        }
    }
}

impl Settings {
    /// What the demo and tests use: any port on this machine, without TLS.
    pub fn permissive() -> Self {
        Self {
            allow_private: true,
            allow_http: true,
            allow_any_port: true,
            ..Self::default()
        }
    }
}

/// One attempt to deliver one message.
#[derive(Clone)]
pub struct Delivery {
    pub url: String,
    /// Stays the same over all attempts; receivers drop what they have seen.
    pub id: String,
    /// Of this attempt.
    pub timestamp_s: i64,
    /// JSON.
    pub body: Vec<u8>,
    /// At least one; two while they are exchanged.
    pub secrets: Vec<Secret>,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("id", &self.id)
            .field("timestamp_s", &self.timestamp_s)
            .field("body_bytes", &self.body.len())
            .field("secrets", &self.secrets.len())
            .finish_non_exhaustive()
    }
}

/// The endpoint took the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub status: u16,
    pub took_ms: u64,
    /// The beginning of the answer, printable, for the delivery log.
    pub answer_excerpt: String,
}

/// The message was not taken, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct SendError {
    pub code: SendFault,
    /// For people.
    pub detail: String,
    /// Whether another attempt could end otherwise without somebody changing the endpoint.
    pub retry: bool,
    /// What the endpoint answered, if it did.
    pub status: Option<u16>,
    pub answer_excerpt: String,
    pub took_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendFault {
    /// No secret, or an id that a header cannot carry.
    DeliveryInvalid,
    UrlInvalid,
    SchemeNotAllowed,
    CredentialsInUrl,
    PortNotAllowed,
    /// Every address of the host is private, special or otherwise not allowed.
    AddressNotPublic,
    NameNotResolved,
    ConnectFailed,
    TlsFailed,
    TimedOut,
    /// The connection ended, or what came was no HTTP.
    AnswerBroken,
    RedirectNotFollowed,
    /// 410: the endpoint asks for no more messages.
    Gone,
    StatusNotSuccess,
}

impl SendFault {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeliveryInvalid => "delivery_invalid",
            Self::UrlInvalid => "url_invalid",
            Self::SchemeNotAllowed => "scheme_not_allowed",
            Self::CredentialsInUrl => "credentials_in_url",
            Self::PortNotAllowed => "port_not_allowed",
            Self::AddressNotPublic => "address_not_public",
            Self::NameNotResolved => "name_not_resolved",
            Self::ConnectFailed => "connect_failed",
            Self::TlsFailed => "tls_failed",
            Self::TimedOut => "timed_out",
            Self::AnswerBroken => "answer_broken",
            Self::RedirectNotFollowed => "redirect_not_followed",
            Self::Gone => "gone",
            Self::StatusNotSuccess => "status_not_success",
        }
    }

    /// Faults of the message or the URL itself stay until somebody changes them. A name may
    /// resolve otherwise tomorrow; an address written into the URL is refused as such.
    fn is_worth_a_retry(self) -> bool {
        match self {
            Self::DeliveryInvalid
            | Self::UrlInvalid
            | Self::SchemeNotAllowed
            | Self::CredentialsInUrl
            | Self::PortNotAllowed
            | Self::Gone => false,
            Self::AddressNotPublic
            | Self::NameNotResolved
            | Self::ConnectFailed
            | Self::TlsFailed
            | Self::TimedOut
            | Self::AnswerBroken
            | Self::RedirectNotFollowed
            | Self::StatusNotSuccess => true,
        }
    }
}

impl SendError {
    fn new(code: SendFault, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            retry: code.is_worth_a_retry(),
            status: None,
            answer_excerpt: String::new(),
            took_ms: 0,
        }
    }
}
