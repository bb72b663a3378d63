//! What was found, as one page of text.

use std::{collections::BTreeMap, fmt};

use paytone_domain::money::Currency;
use paytone_journal::Hash;

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// A stable name of the check.
    pub code: &'static str,
    pub what: String,
}

/// Differences shown one by one; more are counted.
const SHOWN: usize = 20;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub currency: Option<Currency>,
    /// Rows of the journal, a batch each, whose hashes fit.
    pub rows: u64,
    pub body_bytes: u64,
    /// Rows that were read from exports, since they are not in the journal any more.
    pub exported: u64,
    /// Commands that did something.
    pub items: u64,
    pub events: u64,
    pub entries: u64,
    pub legs: u64,
    pub accounts: u64,
    pub subscribers: u64,
    pub merchants: u64,
    /// What really became of payments.
    pub payments_by_status: BTreeMap<&'static str, u64>,
    /// Of them, those that have left the engine's memory.
    pub archived: u64,
    /// Copies in the archive that were compared.
    pub archive_checked: u64,
    /// Answers under idempotency keys in the archive that were compared.
    pub answers_checked: u64,
    /// Per kind of account: accounts, posted, held, in minor units.
    pub totals: BTreeMap<&'static str, (u64, i128, i128)>,
    /// Hash of the last row: whoever kept it elsewhere knows that nothing was cut off.
    pub tip: Option<Hash>,
    pub digest: Option<Hash>,
    /// Where the views were compared; `None` if there are none.
    pub views_position: Option<u64>,
    /// Positions of the snapshots that were compared, newest first.
    pub snapshots: Vec<u64>,
    /// Business dates whose roots are signed.
    pub sealed_days: u64,
    /// Of them, what the witness's file has; `None` where no file is set.
    pub witnessed: Option<u64>,
    /// The row from which on nothing could be checked.
    pub broken_at: Option<u64>,
    pub differences: Vec<Difference>,
    /// Those beyond the first ones.
    pub more_differences: u64,
}

impl Report {
    /// Whether everything is as it must be.
    pub fn ok(&self) -> bool {
        self.differences.is_empty()
    }

    pub(super) fn differs(&mut self, code: &'static str, what: String) {
        if self.differences.len() < SHOWN {
            self.differences.push(Difference { code, what });
        } else {
            self.more_differences += 1;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = |hash: Option<Hash>| hash.map_or("none".to_owned(), |hash| hash.to_string());
        let chain = match self.broken_at {
            None => "hash chain unbroken".to_owned(),
            Some(row) => format!("BROKEN at row {row}; nothing after it is checked"),
        };
        writeln!(f, "Paytone journal, verified\n")?;
        writeln!(f, "  rows            {:>16}   {chain}", self.rows)?;
        if self.exported > 0 {
            writeln!(f, "  of exports      {:>16}", self.exported)?;
        }
        writeln!(f, "  bytes           {:>16}", self.body_bytes)?;
        writeln!(f, "  items           {:>16}", self.items)?;
        writeln!(f, "  events          {:>16}", self.events)?;
        writeln!(f, "  subscribers     {:>16}", self.subscribers)?;
        writeln!(f, "  merchants       {:>16}", self.merchants)?;
        writeln!(
            f,
            "  entries         {:>16}   {} legs, each entry sums to zero",
            self.entries, self.legs
        )?;
        writeln!(f, "\nPayments")?;
        for (status, count) in &self.payments_by_status {
            writeln!(f, "  {status:<18}{count:>14}")?;
        }
        let currency = self.currency.map(Currency::code).unwrap_or_default();
        writeln!(
            f,
            "\nAccounts{:>24}{:>20}{:>20}  {currency}",
            "number", "posted", "held"
        )?;
        let mut sum = 0;
        for (kind, (accounts, posted, held)) in &self.totals {
            sum += posted;
            writeln!(
                f,
                "  {kind:<18}{accounts:>12}{:>20}{:>20}",
                self.money(*posted),
                self.money(*held)
            )?;
        }
        writeln!(
            f,
            "  {:<18}{:>12}{:>20}",
            "all",
            self.accounts,
            self.money(sum)
        )?;
        match self.views_position {
            Some(position) => writeln!(f, "\nViews           compared at row {position}")?,
            None => writeln!(f, "\nViews           none")?,
        }
        match self.snapshots.as_slice() {
            [] => writeln!(f, "Snapshots       none")?,
            at => {
                let at: Vec<_> = at.iter().map(u64::to_string).collect();
                writeln!(f, "Snapshots       compared at row {}", at.join(" and "))?;
            }
        }
        writeln!(
            f,
            "Archive         {} payments, {} copies and {} answers compared",
            self.archived, self.archive_checked, self.answers_checked
        )?;
        match self.witnessed {
            Some(witnessed) => writeln!(
                f,
                "Sealed days     {}, the witness has {witnessed}",
                self.sealed_days
            )?,
            None => writeln!(f, "Sealed days     {}, no witness's file", self.sealed_days)?,
        }
        writeln!(f, "Last row        {}", hash(self.tip))?;
        writeln!(f, "State           {}", hash(self.digest))?;
        if self.ok() {
            return writeln!(f, "\nNothing differs.");
        }
        writeln!(f, "\nDIFFERENCES")?;
        for Difference { code, what } in &self.differences {
            writeln!(f, "  [{code}] {what}")?;
        }
        if self.more_differences > 0 {
            writeln!(f, "  and {} more", self.more_differences)?;
        }
        Ok(())
    }
}

impl Report {
    /// Minor units as a decimal.
    fn money(&self, minor: i128) -> String {
        let digits = usize::from(self.currency.map_or(0, Currency::digits));
        if digits == 0 {
            return minor.to_string();
        }
        let scale = 10_i128.pow(u32::try_from(digits).unwrap_or(0));
        let sign = if minor < 0 { "-" } else { "" };
        format!(
            "{sign}{}.{:0digits$}",
            (minor / scale).abs(),
            (minor % scale).abs()
        )
    }
}
