//! Times as RFC 3339 text.

use jiff::fmt::temporal::DateTimePrinter;
use paytone_domain::time::Timestamp;

use super::problem::Problem;

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// `2026-11-23T06:15:32.120Z`
pub fn show(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(instant) => PRINTER.timestamp_to_string(&instant),
        Err(_) => String::new(),
    }
}

pub fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}

/// Reads `2026-11-23T06:15:32Z`, or with another offset.
pub fn read(field: &str, text: &str) -> Result<Timestamp, Problem> {
    match text.parse::<jiff::Timestamp>() {
        Ok(instant) => Ok(Timestamp(instant.as_millisecond())),
        Err(_) => Err(Problem::unprocessable(
            "invalid_time",
            format!(
                "{field} is a moment such as 2026-11-23T06:15:32Z or 2026-11-23T14:15:32+08:00"
            ),
        )
        .field(field)),
    }
}
