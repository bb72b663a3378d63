//! Counters that start again with every business day, month or hour.

use minicbor::{Decode, Encode};

use crate::{
    money::Amount,
    time::{BusinessDate, HOUR, Moment, Month},
};

/// Amounts added up over a business day and a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Spent {
    #[n(0)]
    date: BusinessDate,
    #[n(1)]
    month: Month,
    #[n(2)]
    day_amount: Amount,
    #[n(3)]
    month_amount: Amount,
}

impl Spent {
    pub const NOTHING: Self = Self {
        date: BusinessDate(0),
        month: Month(0),
        day_amount: Amount::ZERO,
        month_amount: Amount::ZERO,
    };

    /// With these sums at `moment`.
    pub fn of(moment: &Moment, day_amount: Amount, month_amount: Amount) -> Self {
        Self {
            date: moment.date,
            month: moment.month,
            day_amount,
            month_amount,
        }
    }

    pub fn today(&self, moment: &Moment) -> Amount {
        if self.date == moment.date {
            self.day_amount
        } else {
            Amount::ZERO
        }
    }

    pub fn this_month(&self, moment: &Moment) -> Amount {
        if self.month == moment.month {
            self.month_amount
        } else {
            Amount::ZERO
        }
    }

    pub fn add(&mut self, moment: &Moment, amount: Amount) {
        *self = Self {
            date: moment.date,
            month: moment.month,
            day_amount: self.today(moment).plus(amount),
            month_amount: self.this_month(moment).plus(amount),
        };
    }

    /// Takes back what was added on `date`, as far as that day and month are still being counted.
    pub fn take_back(&mut self, date: BusinessDate, amount: Amount) {
        if self.date == date {
            self.day_amount = self.day_amount.minus(amount);
        }
        if self.month == date.month() {
            self.month_amount = self.month_amount.minus(amount);
        }
    }
}

/// Something counted per business day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Daily {
    #[n(0)]
    date: BusinessDate,
    #[n(1)]
    count: u32,
}

impl Daily {
    pub const NOTHING: Self = Self {
        date: BusinessDate(0),
        count: 0,
    };

    /// With this count on the day of `moment`.
    pub fn of(moment: &Moment, count: u32) -> Self {
        Self {
            date: moment.date,
            count,
        }
    }

    pub fn used(&self, moment: &Moment) -> u32 {
        if self.date == moment.date {
            self.count
        } else {
            0
        }
    }

    pub fn add(&mut self, moment: &Moment, count: u32) {
        *self = Self {
            date: moment.date,
            count: self.used(moment).saturating_add(count),
        };
    }
}

/// Something counted per hour of engine time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Hourly {
    #[n(0)]
    hour: i64,
    #[n(1)]
    count: u32,
}

impl Hourly {
    /// With this count in the hour of `moment`.
    pub fn of(moment: &Moment, count: u32) -> Self {
        Self {
            hour: moment.now.0.div_euclid(HOUR),
            count,
        }
    }

    pub fn in_this_hour(&self, moment: &Moment) -> u32 {
        if self.hour == moment.now.0.div_euclid(HOUR) {
            self.count
        } else {
            0
        }
    }

    pub fn add(&mut self, moment: &Moment) {
        *self = Self {
            hour: moment.now.0.div_euclid(HOUR),
            count: self.in_this_hour(moment).saturating_add(1),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn on(date: i32) -> Moment {
        let date = BusinessDate(date);
        Moment {
            now: Timestamp(i64::from(date.0) * crate::time::DAY),
            date,
            month: date.month(),
        }
    }

    #[test]
    fn a_new_day_starts_from_nothing_and_the_month_goes_on() {
        let mut spent = Spent::default();
        spent.add(&on(20_000), Amount::clamped(5));
        spent.add(&on(20_001), Amount::clamped(7));
        assert_eq!(spent.today(&on(20_001)).minor(), 7);
        assert_eq!(spent.this_month(&on(20_001)).minor(), 12);
        assert_eq!(spent.today(&on(20_002)).minor(), 0);
        assert_eq!(spent.this_month(&on(20_060)).minor(), 0);
    }

    #[test]
    fn what_was_spent_on_another_day_is_taken_back_from_the_month_alone() {
        let mut spent = Spent::default();
        spent.add(&on(20_000), Amount::clamped(5));
        spent.add(&on(20_001), Amount::clamped(7));
        spent.take_back(BusinessDate(20_000), Amount::clamped(5));
        assert_eq!(
            (
                spent.today(&on(20_001)).minor(),
                spent.this_month(&on(20_001)).minor()
            ),
            (7, 7)
        );
    }
}
