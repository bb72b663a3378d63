//! Keeps the log's file longer than what is in it.
//!
//! A sync of bytes that make a file longer waits for the file system's own journal as well: on the machine this was measured on 4 ms instead
//! of 0.2. So the file is made longer beforehand, in steps that double, with zeros, as SQLite leaves old frames behind what it
//! writes when the log begins again: whoever reads a log stops at the first frame whose salt or checksum is not the log's
//! (<https://sqlite.org/fileformat2.html#walformat>). It is done between two appends, by the one who appends.
//!
//! **Invariant:** nothing that is in the file is changed, and what fails leaves the file as it was. **Not here:** syncing.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

/// A log that is shorter stays as it is: there is little to come.
const FROM: u64 = 128 << 10;
/// Longest step: so much is written and synced with one append.
const STEP: u64 = 2 << 20;

#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    /// Opened once there is a log.
    file: Option<File>,
    /// What it was made long to; what is longer was made so by appends.
    length: u64,
    /// Beyond this the log begins again before it grows.
    at_most: u64,
}

impl LogFile {
    /// Of the journal at `path`.
    pub fn of(path: &Path, at_most: u64) -> Self {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        Self {
            path: log.into(),
            file: None,
            length: 0,
            at_most,
        }
    }

    /// Makes it longer if appends have come to its end.
    pub fn make_room(&mut self) {
        if self.lengthen().is_err() {
            // Appends go on, as slow as a file is that grows; where the disk is full, they say so themselves.
            self.length = u64::MAX;
        }
    }

    fn lengthen(&mut self) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => match OpenOptions::new().write(true).open(&self.path) {
                Ok(file) => self.file.insert(file),
                // Before the first append.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            },
        };
        let length = file.metadata()?.len();
        if length <= self.length || !(FROM..self.at_most).contains(&length) {
            return Ok(());
        }
        let longer = length + length.min(STEP);
        if let Err(error) = write_zeros(file, length, longer) {
            file.set_len(length)?;
            return Err(error);
        }
        self.length = longer;
        Ok(())
    }
}

fn write_zeros(file: &File, from: u64, to: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    let mut at = from;
    while at < to {
        let part = usize::try_from(to - at).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
        file.write_all_at(&ZEROS[..part], at)?;
        at += part as u64;
    }
    Ok(())
}
