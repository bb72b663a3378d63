//! Sealed days worked out again while the journal is replayed, and held against what it and the witness say.

use paytone_domain::{Event, sealed_day::SealedDay};
use paytone_engine::Batch;
use paytone_journal::Keyring;

use super::day::{Day, fault};

/// Follows the journal's rows in order.
#[derive(Default)]
pub struct Check {
    /// Dates not sealed yet.
    open: Vec<Day>,
    /// As the journal has them.
    pub sealed: Vec<SealedDay>,
}

impl Check {
    /// Takes a row in; `keyring` is what salts hang on: without it, entries are not checked. Says what does not hold.
    pub fn take(&mut self, keyring: Option<&Keyring>, row: u64, batch: &Batch) -> Vec<String> {
        let mut faults = Vec::new();
        if let Some(keyring) = keyring {
            let date = batch.moment.date;
            if self.open.last().is_none_or(|day| day.date != date) {
                self.open.push(Day::new(date));
            }
            if let Some(day) = self.open.last_mut() {
                day.take(keyring, row, batch);
            }
        }
        for event in batch.items.iter().flat_map(|item| &item.events) {
            if let Event::DaySealed(sealed) = event {
                self.sealed(keyring, sealed, &mut faults);
            }
        }
        faults
    }

    fn sealed(&mut self, keyring: Option<&Keyring>, sealed: &SealedDay, faults: &mut Vec<String>) {
        let mut wrong = |what: &str| faults.push(format!("{}: {what}", sealed.date.civil()));
        if let Some(what) = fault(sealed) {
            wrong(what);
        }
        if let Some(last) = self.sealed.last()
            && last.head != sealed.previous
        {
            wrong("it does not follow the day sealed before");
        }
        if let Some(keyring) = keyring {
            let day = self.open.iter().find(|day| day.date == sealed.date);
            let again = day.map(|day| day.seal(&keyring.day_key(), self.sealed.last()));
            if again.as_ref() != Some(sealed) {
                wrong("its entries make another root");
            }
            // What was passed over had no entries.
            self.open.retain(|day| {
                let forgotten = day.date < sealed.date && day.roots.leaves() > 0;
                if forgotten {
                    faults.push(format!("{}: it was never sealed", day.date.civil()));
                }
                day.date > sealed.date
            });
        }
        self.sealed.push(sealed.clone());
    }
}
