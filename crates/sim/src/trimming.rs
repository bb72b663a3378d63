//! Old rows leave the machine's journal for files, step by step, with crashes in between and files that the disk damages.
//!
//! ```text
//!   Export ─▶ files (or half of one) ─▶ CheckBack ─▶ Remove ─▶ Remove … some rows each ─▶ all rows read, from the first on
//! ```
//! The files, their reading and the steps are those of production. **Not here:** who asks for it; PostgreSQL and SQLite.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use paytone_domain::time::Timestamp;
use paytone_engine::trimming::{self, Limit, TrimError};
use paytone_journal::{MemoryJournal, WithExports, exports::Exports, verify_chain};

use crate::{
    happening::Happening,
    mutation::Mutation,
    process::{journal_violation, now, rows},
    violation::{Check, Checked, require},
    world::World,
};

/// Small, so that there are several.
const FILE_BYTES: u64 = 16 << 10;

/// The folder of exports, which goes with the run.
pub struct Folder(PathBuf);

impl Default for Folder {
    fn default() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("paytone-sim-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A run without exports has made none.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    pub fn exports(&self) -> Exports {
        Exports::folder(&self.0)
    }
}

/// What is done next.
#[derive(Clone, Copy, Debug)]
pub enum Trim {
    Export,
    CheckBack { most: u64 },
    Remove { through: u64, at: u64 },
}

impl World {
    /// The machine's journal, with what left it.
    pub fn reader(&self) -> WithExports<MemoryJournal> {
        WithExports::none(self.journal.reopen()).with_exports(self.folder.exports())
    }

    /// Later, if the process lives on.
    pub fn plan_trim(&mut self, after_ms: i64, trim: Trim) {
        let life = self.life;
        self.queue.push(after_ms, Happening::Trims { life, trim });
    }

    pub fn trims(&mut self, life: u64, trim: Trim) -> Checked {
        if self.process.as_ref().is_none_or(|now| now.life != life) {
            return Ok(());
        }
        match trim {
            Trim::Export => self.exports_rows(),
            Trim::CheckBack { most } => self.checks_back(most),
            Trim::Remove { through, at } => self.removes(through, at),
        }
    }

    fn ends(&mut self) {
        if !self.settling {
            let after = self.random.between(20_000, 240_000);
            self.plan_trim(after, Trim::Export);
        }
    }

    fn exports_rows(&mut self) -> Checked {
        // The row that each of them is at stays.
        let listed = now(self.snapshots.list())
            .ok_or_else(|| journal_violation("a list waits"))?
            .map_err(journal_violation)?;
        let oldest = listed.iter().map(|listed| listed.seq).min();
        let (Some(oldest), Some(_)) = (oldest, self.newest_sound_snapshot()?) else {
            self.ends();
            return Ok(());
        };
        let most = oldest.min(self.follower.seq).saturating_sub(1);
        let age = self.random.between(0, 600_000);
        let limit = Limit {
            before: Timestamp(self.wall().0 - age),
            most,
            file_bytes: FILE_BYTES,
        };
        let exports = self.folder.exports();
        if self.mutation == Some(Mutation::TrimBeforeExported) {
            // They go, and are written out as soon as there is time for it.
            self.trimmed = self.journal.trim(most);
            let after = self.random.between(1, 60_000);
            self.plan_trim(after, Trim::Export);
            return Ok(());
        }
        if self.random.chance(8) {
            self.begins_a_file(&exports)?;
            self.crash("power fails in the middle of an export");
            return Ok(());
        }
        let exported = now(trimming::export(
            &mut self.reader(),
            &exports,
            limit,
            |_| {},
        ));
        let exported = exported.ok_or_else(|| journal_violation("an export waits"))?;
        let exported = exported.map_err(journal_violation)?;
        self.note(|| format!("{} rows exported, none after {most}", exported.rows));
        if let Some(newest) = exported.files.last()
            && self.random.chance(25)
        {
            self.damages(&newest.path)?;
        }
        let after = self.random.between(1, 4_000);
        self.plan_trim(after, Trim::CheckBack { most });
        Ok(())
    }

    /// Half a file, as a crash leaves it.
    fn begins_a_file(&mut self, exports: &Exports) -> Checked {
        let after = exports.list().map_err(journal_violation)?;
        let after = after.last().map_or(self.trimmed, |segment| segment.last);
        let mut writing = exports.begin(after + 1).map_err(journal_violation)?;
        for row in rows(&mut self.reader(), after)?.iter().take(3) {
            writing.put(row).map_err(journal_violation)?;
        }
        Ok(())
    }

    /// The disk wrote something else, or less.
    fn damages(&mut self, path: &std::path::Path) -> Checked {
        let mut bytes = fs::read(path).map_err(journal_violation)?;
        let place = self.random.below(bytes.len());
        if self.random.chance(50) {
            bytes[place] ^= 1;
        } else {
            bytes.truncate(place);
        }
        self.note(|| format!("DISK damages {} at {place}", path.display()));
        self.damaged_exports += 1;
        fs::write(path, bytes).map_err(journal_violation)
    }

    fn checks_back(&mut self, most: u64) -> Checked {
        let exports = self.folder.exports();
        let (whole, gone) = if self.mutation == Some(Mutation::TrustExport) {
            let listed = exports.list().map_err(journal_violation)?;
            let last = listed.last().map_or(0, |segment| segment.last);
            (last, self.trimmed)
        } else {
            match now(trimming::exported(&mut self.reader(), &exports)) {
                Some(Ok(checked)) => checked,
                Some(Err(error @ (TrimError::Export(_) | TrimError::Foreign(_)))) => {
                    self.note(|| format!("nothing leaves: {error}"));
                    return self.clears_up(&exports);
                }
                Some(Err(error)) => return Err(journal_violation(error)),
                None => return Err(journal_violation("a check waits")),
            }
        };
        require(gone == self.trimmed, Check::Journal, || {
            format!(
                "{gone} rows are said to have left, and {} have",
                self.trimmed
            )
        })?;
        let through = whole.min(most);
        if through <= gone {
            self.ends();
            return Ok(());
        }
        let after = self.random.between(1, 1_000);
        self.plan_trim(after, Trim::Remove { through, at: gone });
        Ok(())
    }

    /// A person is told, and takes the files away whose rows are all there still.
    fn clears_up(&mut self, exports: &Exports) -> Checked {
        for segment in exports.list().map_err(journal_violation)? {
            if segment.first > self.trimmed {
                fs::remove_file(&segment.path).map_err(journal_violation)?;
            }
        }
        self.ends();
        Ok(())
    }

    fn removes(&mut self, through: u64, at: u64) -> Checked {
        let some = self.random.below(48) as u64 + 1;
        let at = (at + some).min(through);
        self.trimmed = self.journal.trim(at);
        if self.trimmed < through && self.trimmed == at {
            let after = self.random.between(1, 500);
            self.plan_trim(after, Trim::Remove { through, at });
            return Ok(());
        }
        let trimmed = self.trimmed;
        self.note(|| format!("rows up to {trimmed} have left"));
        self.all_rows_are_there()?;
        self.ends();
        Ok(())
    }

    /// From the first row on there is one chain to the journal's end.
    pub fn all_rows_are_there(&self) -> Checked {
        let mut reader = self.reader();
        let rows = rows(&mut reader, 0)?;
        let last = rows.last().map(paytone_journal::Row::tip);
        let tip = verify_chain(rows).map_err(journal_violation)?;
        let end = now(paytone_journal::JournalReader::last(&mut reader));
        require(tip == last && end == Some(Ok(tip)), Check::Journal, || {
            format!("the rows end with {tip:?}, and the journal with {end:?}")
        })
    }

    /// All rows, from the first on, make the state that was followed.
    pub fn all_rows_make_the_state(&self) -> Checked {
        self.all_rows_are_there()?;
        let replayed = now(paytone_engine::replay(&mut self.reader(), |_, _| {}));
        let core = replayed
            .ok_or_else(|| journal_violation("a replay waits"))?
            .map_err(journal_violation)?;
        let same =
            paytone_engine::digest(core.state()) == paytone_engine::digest(&self.follower.state);
        require(same, Check::Replay, || {
            "exports and journal together make another state".to_owned()
        })
    }
}
