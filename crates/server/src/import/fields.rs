//! Fields that both kinds of files have: times, yes and no, texts.

use jiff::{civil::Date, tz::TimeZone};
use paytone_domain::time::Timestamp;
use rustc_hash::FxHashMap;

use super::Rejected;

/// Reads times: RFC 3339, or a date, which begins at midnight in the operator's zone.
pub struct Times {
    zone: TimeZone,
    known: FxHashMap<Box<str>, Timestamp>,
}

impl Times {
    pub fn new(zone: TimeZone) -> Self {
        Self {
            zone,
            known: FxHashMap::default(),
        }
    }

    pub fn read(&mut self, text: &str) -> Option<Timestamp> {
        if text.len() != 10 {
            let instant: jiff::Timestamp = text.parse().ok()?;
            return Some(Timestamp(instant.as_millisecond()));
        }
        if let Some(known) = self.known.get(text) {
            return Some(*known);
        }
        let date: Date = text.parse().ok()?;
        let zoned = date.to_zoned(self.zone.clone()).ok()?;
        let at = Timestamp(zoned.timestamp().as_millisecond());
        self.known.insert(text.into(), at);
        Some(at)
    }
}

/// Empty is no.
pub fn yes_or_no(text: &str) -> Option<bool> {
    match text {
        "yes" | "true" | "1" => Some(true),
        "" | "no" | "false" | "0" => Some(false),
        _ => None,
    }
}

/// A text of at most `most` characters without control characters.
pub fn words<'a>(
    text: &'a str,
    line: u64,
    column: &'static str,
    most: usize,
) -> Result<&'a str, Rejected> {
    if text.chars().any(char::is_control) {
        return Err(
            Rejected::new(line, "control_characters", "has control characters").column(column),
        );
    }
    if text.chars().count() > most {
        return Err(
            Rejected::new(line, "too_long", format!("longer than {most} characters"))
                .column(column),
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_begins_at_midnight_in_the_operators_zone() {
        let mut times = Times::new(TimeZone::get("Asia/Shanghai").expect("a zone"));
        for (text, at) in [
            ("2026-11-23", Some("2026-11-22T16:00:00Z")),
            ("2026-11-23T10:00:00+08:00", Some("2026-11-23T02:00:00Z")),
            ("2026-11-23T02:00:00Z", Some("2026-11-23T02:00:00Z")),
            ("2026-02-30", None),
            ("23.11.2026", None),
            ("yesterday", None),
        ] {
            let expected = at.map(|at| {
                let instant: jiff::Timestamp = at.parse().expect("a time");
                Timestamp(instant.as_millisecond())
            });
            assert_eq!(times.read(text), expected, "{text}");
        }
    }
}
