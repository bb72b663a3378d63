//! Engine time, business dates, and the calendar that turns one into the other.
//!
//! **Not here:** a clock. Time comes in with every command.

use jiff::{ToSpan, tz::TimeZone};
use minicbor::{Decode, Encode};

pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Timestamp(#[n(0)] pub i64);

impl Timestamp {
    pub const fn plus(self, milliseconds: i64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds from `earlier` to this; negative if it is later.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Days since 1970-01-01 in the operator's calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct BusinessDate(#[n(0)] pub i32);

impl BusinessDate {
    /// Year × 12 + month, counted from zero: what a monthly limit counts by.
    pub fn month(self) -> Month {
        let date = self.civil();
        Month(i32::from(date.year()) * 12 + i32::from(date.month()) - 1)
    }

    pub fn civil(self) -> jiff::civil::Date {
        let epoch = jiff::civil::date(1970, 1, 1);
        epoch.checked_add(i64::from(self.0).days()).unwrap_or(epoch)
    }

    pub fn from_civil(date: jiff::civil::Date) -> Self {
        let epoch = jiff::civil::date(1970, 1, 1);
        Self(date.since(epoch).map(|span| span.get_days()).unwrap_or(0))
    }
}

/// A calendar month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Month(#[n(0)] pub i32);

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:04}-{:02}",
            self.0.div_euclid(12),
            self.0.rem_euclid(12) + 1
        )
    }
}

/// When something was decided: one per batch, recorded with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Moment {
    #[n(0)]
    pub now: Timestamp,
    #[n(1)]
    pub date: BusinessDate,
    #[n(2)]
    pub month: Month,
}

/// Turns engine time into business dates. A day begins at the cut-off hour in the operator's zone.
#[derive(Clone, Debug)]
pub struct Calendar {
    name: String,
    zone: TimeZone,
    cut_off_minutes: u16,
    known: Option<(Timestamp, Timestamp, Moment)>,
}

impl Calendar {
    /// `None` if there is no such IANA zone or the cut-off is not within a day.
    pub fn new(zone: &str, cut_off_minutes: u16) -> Option<Self> {
        let name = zone.to_owned();
        let zone = TimeZone::get(zone).ok()?;
        (cut_off_minutes < 24 * 60).then_some(Self {
            name,
            zone,
            cut_off_minutes,
            known: None,
        })
    }

    /// Whether it was made of these.
    pub fn is_of(&self, zone: &str, cut_off_minutes: u16) -> bool {
        self.name == zone && self.cut_off_minutes == cut_off_minutes
    }

    pub fn moment(&mut self, now: Timestamp) -> Moment {
        if let Some((from, until, moment)) = self.known
            && from <= now
            && now < until
        {
            return Moment { now, ..moment };
        }
        let instant =
            jiff::Timestamp::from_millisecond(now.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let shifted = instant
            .to_zoned(self.zone.clone())
            .datetime()
            .saturating_sub(i64::from(self.cut_off_minutes).minutes());
        let date = BusinessDate::from_civil(shifted.date());
        let moment = Moment {
            now,
            date,
            month: date.month(),
        };
        // Known for the rest of this minute only: zones shift at whole minutes.
        let from = Timestamp(now.0 - now.0.rem_euclid(MINUTE));
        self.known = Some((from, from.plus(MINUTE), moment));
        moment
    }

    /// The last instant of a date: when something that ends on it ends.
    pub fn end_of(&self, date: BusinessDate) -> Timestamp {
        let next = date.civil().saturating_add(1.day()).at(0, 0, 0, 0);
        let start = next.saturating_add(i64::from(self.cut_off_minutes).minutes());
        start
            .to_zoned(self.zone.clone())
            .map(|zoned| Timestamp(zoned.timestamp().as_millisecond() - 1))
            .unwrap_or(Timestamp(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(
            text.parse::<jiff::Timestamp>()
                .expect("a time")
                .as_millisecond(),
        )
    }

    #[test]
    fn a_business_day_begins_at_the_cut_off_in_the_operators_zone() {
        let mut calendar = Calendar::new("Asia/Shanghai", 30).expect("a zone");
        for (instant, date) in [
            ("2026-11-22T16:29:59Z", "2026-11-22"),
            ("2026-11-22T16:30:00Z", "2026-11-23"),
            ("2026-11-23T16:29:59Z", "2026-11-23"),
        ] {
            assert_eq!(
                calendar.moment(at(instant)).date.civil().to_string(),
                date,
                "{instant}"
            );
        }
    }

    #[test]
    fn a_date_ends_where_the_next_begins() {
        let mut calendar = Calendar::new("Europe/Oslo", 0).expect("a zone");
        let date = calendar.moment(at("2026-10-25T12:00:00Z")).date;
        let end = calendar.end_of(date);
        assert_eq!(calendar.moment(end).date, date);
        assert_eq!(calendar.moment(end.plus(1)).date, BusinessDate(date.0 + 1));
    }

    #[test]
    fn a_month_is_shown_as_year_and_month() {
        assert_eq!(
            BusinessDate::from_civil(jiff::civil::date(2026, 11, 23))
                .month()
                .to_string(),
            "2026-11"
        );
    }
}
