//! Snapshots as files in a folder, each named for its journal position.
//!
//! ```text
//!   00000000000000012345.snapshot        whole
//!   00000000000000012345.part            being written, or left by a crash
//!   00000000000000012345.set-aside       of no use, for a person
//! ```
//! **Invariant:** a file gets its name after its bytes are synced, and the folder is synced after that.

use std::{
    fs,
    io::{BufReader, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    Listed, SnapshotsError,
    page::{HEAD, length},
};

/// A sync of everything at once would hold up those of the journal on the same disk.
const SYNC_EVERY: u64 = 16 << 20;
const WHOLE: &str = "snapshot";
const PART: &str = "part";
const ASIDE: &str = "set-aside";

#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> SnapshotsError + '_ {
    move |error| SnapshotsError::Unavailable(format!("{}: {error}", path.display()))
}

impl Folder {
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    fn file(&self, seq: u64, kind: &str) -> PathBuf {
        self.path.join(format!("{seq:020}.{kind}"))
    }

    fn of_kind(&self, kind: &str) -> Result<Vec<(u64, PathBuf)>, SnapshotsError> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(&self.path)(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed(&self.path))?.path();
            let is_kind = path.extension().is_some_and(|found| found == kind);
            let seq = path
                .file_stem()
                .and_then(|stem| stem.to_str()?.parse().ok());
            if let (true, Some(seq)) = (is_kind, seq) {
                found.push((seq, path));
            }
        }
        Ok(found)
    }

    pub fn list(&self) -> Result<Vec<Listed>, SnapshotsError> {
        let whole = self.of_kind(WHOLE)?.into_iter();
        let listed = whole.map(|(seq, path)| {
            let bytes = fs::metadata(&path).map_err(failed(&path))?.len();
            let name = path.display().to_string();
            Ok(Listed { seq, bytes, name })
        });
        listed.collect()
    }

    pub fn begin(&self, seq: u64) -> Result<File, SnapshotsError> {
        fs::create_dir_all(&self.path).map_err(failed(&self.path))?;
        // Only one process has the data folder, and it makes one at a time.
        for (_, left) in self.of_kind(PART)? {
            fs::remove_file(&left).map_err(failed(&left))?;
        }
        let part = self.file(seq, PART);
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part);
        Ok(File {
            file: file.map_err(failed(&part))?,
            part,
            whole: self.file(seq, WHOLE),
            folder: self.clone(),
            unsynced: 0,
        })
    }

    pub fn open(&self, listed: &Listed) -> Result<Reading, SnapshotsError> {
        let path = self.file(listed.seq, WHOLE);
        let file = fs::File::open(&path).map_err(failed(&path))?;
        Ok(Reading {
            file: BufReader::with_capacity(1 << 20, file),
            path,
        })
    }

    pub fn set_aside(&self, listed: &Listed) -> Result<(), SnapshotsError> {
        // One is enough to look at.
        for (_, older) in self.of_kind(ASIDE)? {
            fs::remove_file(&older).map_err(failed(&older))?;
        }
        let path = self.file(listed.seq, WHOLE);
        fs::rename(&path, self.file(listed.seq, ASIDE)).map_err(failed(&path))?;
        self.sync()
    }

    pub fn remove(&self, listed: &Listed) -> Result<(), SnapshotsError> {
        let path = self.file(listed.seq, WHOLE);
        fs::remove_file(&path).map_err(failed(&path))
    }

    fn sync(&self) -> Result<(), SnapshotsError> {
        let folder = fs::File::open(&self.path).map_err(failed(&self.path))?;
        folder.sync_all().map_err(failed(&self.path))
    }
}

/// One that is being written.
#[derive(Debug)]
pub struct File {
    file: fs::File,
    part: PathBuf,
    whole: PathBuf,
    folder: Folder,
    unsynced: u64,
}

impl File {
    pub fn write(&mut self, page: &[u8]) -> Result<(), SnapshotsError> {
        self.file.write_all(page).map_err(failed(&self.part))?;
        self.unsynced += page.len() as u64;
        if self.unsynced >= SYNC_EVERY {
            self.file.sync_data().map_err(failed(&self.part))?;
            self.unsynced = 0;
        }
        Ok(())
    }

    pub fn finish(self) -> Result<String, SnapshotsError> {
        self.file.sync_all().map_err(failed(&self.part))?;
        fs::rename(&self.part, &self.whole).map_err(failed(&self.part))?;
        self.folder.sync()?;
        Ok(self.whole.display().to_string())
    }
}

impl Drop for File {
    /// What was not finished takes no room. Once it is, there is nothing of that name.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.part);
    }
}

/// One that is being read.
#[derive(Debug)]
pub struct Reading {
    file: BufReader<fs::File>,
    path: PathBuf,
}

impl Reading {
    /// `None` where nothing more is.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, SnapshotsError> {
        let mut head = [0; HEAD];
        let mut got = 0;
        while got < HEAD {
            match self.file.read(&mut head[got..]) {
                Ok(0) if got == 0 => return Ok(None),
                Ok(0) => return Err(SnapshotsError::Damaged("it is cut off".to_owned())),
                Ok(more) => got += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(&self.path)(error)),
            }
        }
        let length = length(&head)?;
        let mut stored = Vec::with_capacity(HEAD + length);
        stored.extend_from_slice(&head);
        let limit = length as u64;
        let read = (&mut self.file).take(limit).read_to_end(&mut stored);
        if read.map_err(failed(&self.path))? != length {
            return Err(SnapshotsError::Damaged("it is cut off".to_owned()));
        }
        Ok(Some(stored))
    }
}
