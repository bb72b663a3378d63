//! Times as RFC 3339 text.

use paytone_domain::time::Timestamp;

/// `2026-11-23T06:15:32.120Z`
pub fn show(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(instant) => format!("{instant:.3}"),
        Err(_) => String::new(),
    }
}

pub fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}
