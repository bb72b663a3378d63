//! The stand-in bank's memory: one JSON line per change.
//!
//! **Invariant:** the lines of a step are synced before its answer leaves. A last line that a crash
//! cut short was never answered and is dropped; a broken line anywhere else stops the bank.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;

use super::operation::Record;

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("the stand-in bank's file: {0}")]
    Io(#[from] io::Error),
    #[error("line {line} of the stand-in bank's file is no record: {why}")]
    Line { line: u64, why: String },
}

impl FileError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "stand_in_bank_file_io",
            Self::Line { .. } => "stand_in_bank_file_line",
        }
    }
}

#[derive(Debug)]
pub(super) struct Lines {
    file: File,
    /// After a failed write memory is ahead of the file, so nothing more is written or answered.
    poisoned: bool,
}

impl Lines {
    /// Opens or makes the file and reads what it holds.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Record>), FileError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let mut records = Vec::new();
        let mut reader = BufReader::new(&mut file);
        let (mut whole, mut line) = (0_u64, 0_u64);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let length = reader.read_until(b'\n', &mut bytes)?;
            if length == 0 || bytes.last() != Some(&b'\n') {
                break;
            }
            line += 1;
            // One line holds a whole step, so that a crash keeps all of it or nothing.
            let step: Vec<Record> =
                serde_json::from_slice(&bytes).map_err(|error| FileError::Line {
                    line,
                    why: error.to_string(),
                })?;
            records.extend(step);
            whole += length as u64;
        }
        file.set_len(whole)?;
        file.seek(SeekFrom::Start(whole))?;
        Ok((
            Self {
                file,
                poisoned: false,
            },
            records,
        ))
    }

    pub(super) fn append(&mut self, records: &[Record]) -> Result<(), FileError> {
        if self.poisoned {
            return Err(io::Error::other("an earlier write failed").into());
        }
        if records.is_empty() {
            return Ok(());
        }
        let mut line = serde_json::to_vec(records).map_err(io::Error::other)?;
        line.push(b'\n');
        self.poisoned = true;
        self.file.write_all(&line)?;
        self.file.sync_data()?;
        self.poisoned = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(account: &str) -> Record {
        Record::Account {
            account: account.into(),
            balance_minor: 5,
            currency: "EUR".into(),
        }
    }

    #[test]
    fn a_line_cut_short_is_dropped_and_what_follows_fits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bank.jsonl");
        let (mut lines, records) = Lines::open(&path).unwrap();
        assert!(records.is_empty());
        lines.append(&[record("a"), record("b")]).unwrap();
        lines.append(&[]).unwrap();
        lines.append(&[record("c")]).unwrap();
        drop(lines);
        let whole = std::fs::metadata(&path).unwrap().len();
        OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(whole - 3)
            .unwrap();

        let (mut lines, records) = Lines::open(&path).unwrap();
        assert_eq!(records, [record("a"), record("b")]);
        lines.append(&[record("d")]).unwrap();
        drop(lines);
        let (_, records) = Lines::open(&path).unwrap();
        assert_eq!(records, [record("a"), record("b"), record("d")]);
    }

    #[test]
    fn a_broken_line_inside_names_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bank.jsonl");
        std::fs::write(&path, "[]\n{oops\n[]\n").unwrap();
        let error = Lines::open(&path).unwrap_err();
        assert_eq!(error.code(), "stand_in_bank_file_line");
        assert!(error.to_string().starts_with("line 2 "), "{error}");
    }
}
