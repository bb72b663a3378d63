//! Proves that the books are complete and untouched: what `paytone verify` prints.
//!
//! ```text
//!   journal ─┬─ chain: every row has the hash it carries and follows the one before
//!            ├─ replay ─▶ state ─▶ balances, holds, payments, digest
//!            └─ entries, straight from the events ─▶ balances again, in a second way
//!   archive ── a sample of what left memory, compared with what is there
//!   views ──── balances at their position, compared with the journal's there
//! ```
//!
//! **Invariant:** it only reads, also beside a running server; nothing is held to be true because it was so before. **Not
//! here:** repair. What differs is named, and a person decides.

mod archived;
pub mod books;
mod report;
mod snapshots;
mod views;

use std::panic::{AssertUnwindSafe, catch_unwind};

use paytone_domain::ids::KeyringFingerprint;
use paytone_engine::{Batch, Core};
use paytone_journal::{ChainVerifier, Hash, JournalReader, Keyring, OpenError, ReadError};

pub use report::{Difference, Report};

use crate::{
    config::Config,
    proof::{check::Check, witness},
    stores::Stores,
};
use archived::Archived;
use books::Books;

const ROWS: usize = 1_024;
const BYTES: usize = 16 << 20;

/// The journal cannot be read at all, so that nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Checks everything. `keyring`: whether it fits this journal is checked too; `progress` is told how far it got and how far it
/// goes.
pub async fn run(
    config: &Config,
    keyring: Option<&Keyring>,
    mut progress: impl FnMut(u64, u64),
) -> Result<Report, VerifyError> {
    let stores = Stores::of(config)?;
    let mut journal = stores.journal_reader().await?;
    let mut report = Report::default();
    // Before the journal's end is looked at: views and snapshots never show more than the journal has.
    let mut views = views::Seen::open(&stores.views(), &mut report).await;
    let mut snapshots = snapshots::Seen::open(&stores, &mut report).await;
    let end = journal.last().await?.map_or(0, |tip| tip.seq);
    let mut chain = ChainVerifier::new();
    let mut core = Core::new();
    let mut books = Books::default();
    let mut archived = Archived::default();
    let mut after = 0;
    let mut half_applied = false;
    let mut days = Check::default();
    // What a running server adds meanwhile is left for the next time.
    'rows: while after < end {
        let rows = journal.read(after, ROWS, BYTES).await?;
        if rows.is_empty() {
            break;
        }
        for row in rows.into_iter().take_while(|row| row.seq <= end) {
            if let Err(error) = chain.accept(&row) {
                report.differs(error.code(), error.to_string());
                report.broken_at = Some(row.seq);
                break 'rows;
            }
            report.rows += 1;
            report.body_bytes += row.body.len() as u64;
            let batch = match Batch::decode(&row.body) {
                Ok(batch) => batch,
                Err(error) => {
                    report.differs("batch", format!("row {}: {error}", row.seq));
                    report.broken_at = Some(row.seq);
                    break 'rows;
                }
            };
            archived.take(core.state(), &batch, &mut report);
            // An event that does not fit the state is a bug's or a forger's: it is reported, not a crash.
            if catch_unwind(AssertUnwindSafe(|| core.apply(&row))).is_err() {
                half_applied = true;
                report.differs(
                    "replay",
                    format!("row {}: an event does not fit the state before it", row.seq),
                );
                report.broken_at = Some(row.seq);
                break 'rows;
            }
            report.items += batch.items.len() as u64;
            books.take(row.seq, &batch, &mut report);
            for what in days.take(keyring, row.seq, &batch) {
                report.differs("sealed_day", what);
            }
            after = row.seq;
            snapshots.at(&row, core.state(), &mut report);
            if let Some(seen) = &mut views {
                seen.at(&row, &books, &mut report);
            }
        }
        progress(after, end);
    }
    report.exported = journal.trimmed();
    report.sealed_days = days.sealed.len() as u64;
    witnessed(config, &days, &mut report);
    report.tip = chain.tip().map(|tip| tip.hash);
    if let (Some(seen), None) = (&views, report.broken_at) {
        seen.end(after, &mut report);
    }
    if let (Some(keyring), Some(settings)) = (keyring, &core.state().settings)
        && settings.keyring != KeyringFingerprint(keyring.fingerprint())
    {
        report.differs(
            "keyring",
            "the keyring does not fit this journal".to_owned(),
        );
    }
    if half_applied {
        return Ok(report);
    }
    books.compare(core.state(), &archived, &mut report);
    archived
        .compare(&stores.archive(), &core, &mut report)
        .await;
    snapshots.end(&mut report).await;
    report.digest = Some(Hash::from_bytes(paytone_engine::digest(core.state())));
    Ok(report)
}

/// Holds the witness's file against what the journal says.
fn witnessed(config: &Config, days: &Check, report: &mut Report) {
    let file = &config.witness.file;
    if file.as_os_str().is_empty() {
        return;
    }
    match witness::lines(file) {
        Ok(lines) => {
            report.witnessed = Some(lines.len() as u64);
            for what in witness::differences(&lines, &days.sealed) {
                report.differs("witness", what);
            }
        }
        Err(error) => report.differs("witness", format!("{}: {error}", file.display())),
    }
}
