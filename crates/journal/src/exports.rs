//! Rows that were written out of the journal into files, so that it can be trimmed and they can still be read.
//!
//! ```text
//!   00000000000000000001-00000000000000012345.rows        whole
//!   00000000000000012346.part                             being written, or left by a crash
//!
//!   "paytone journal rows v1\n" │ row │ row │ …
//!   row: length u32 │ seq u64 │ epoch u64 │ batch id │ previous hash │ hash │ body          numbers are little endian
//! ```
//! **Invariants:** a file gets its name after its bytes are synced, and the folder is synced after that. Rows carry the chain they were
//! in, so nothing in a file can be changed, left out or added unseen. **Not here:** which rows, and when they leave the journal.

use std::{
    fs,
    io::{self, BufReader, BufWriter, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use crate::{
    chain::{ChainError, ChainVerifier},
    row::{Hash, Row, Tip},
    store::ReadError,
};

const MAGIC: &[u8] = b"paytone journal rows v1\n";
const WHOLE: &str = "rows";
const PART: &str = "part";
/// Before a body.
const HEAD: usize = 4 + 8 + 8 + 16 + 32 + 32;
/// Longest body that is read; those that are written are far shorter.
const LONGEST: usize = 1 << 30;

/// Why rows are not exported, or an export is not what it must be.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("{path}: {why}")]
    File { path: PathBuf, why: String },
    #[error("{path}: {why}: this export is damaged")]
    Damaged { path: PathBuf, why: String },
    #[error("{path}: {error}: this export is damaged")]
    Chain { path: PathBuf, error: ChainError },
}

/// A whole file: the rows from `first` to `last`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub first: u64,
    pub last: u64,
    pub path: PathBuf,
}

/// The folder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Exports {
    folder: PathBuf,
}

fn failed(path: &Path) -> impl Fn(io::Error) -> ExportError + '_ {
    move |error| ExportError::File {
        path: path.to_owned(),
        why: error.to_string(),
    }
}

impl Exports {
    /// In a folder, which is made with the first file.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self {
            folder: path.into(),
        }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder
    }

    fn named(&self, kind: &str) -> Result<Vec<PathBuf>, ExportError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(&self.folder)(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed(&self.folder))?.path();
            if path.extension().is_some_and(|extension| extension == kind) {
                found.push(path);
            }
        }
        Ok(found)
    }

    /// Those that are whole, in the order of their rows.
    pub fn list(&self) -> Result<Vec<Segment>, ExportError> {
        let named = |path: PathBuf| {
            let (first, last) = path.file_stem()?.to_str()?.split_once('-')?;
            Some(Segment {
                first: first.parse().ok()?,
                last: last.parse().ok()?,
                path,
            })
        };
        let mut segments: Vec<_> = self.named(WHOLE)?.into_iter().filter_map(named).collect();
        segments.sort_unstable_by_key(|segment| (segment.first, segment.last));
        Ok(segments)
    }

    /// Begins a file with the row `first`. What is not finished is no export; what a crash left goes.
    pub fn begin(&self, first: u64) -> Result<Writing, ExportError> {
        fs::create_dir_all(&self.folder).map_err(failed(&self.folder))?;
        for left in self.named(PART)? {
            fs::remove_file(&left).map_err(failed(&left))?;
        }
        let part = self.folder.join(format!("{first:020}.{PART}"));
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .map_err(failed(&part))?;
        let mut file = BufWriter::with_capacity(1 << 20, file);
        file.write_all(MAGIC).map_err(failed(&part))?;
        Ok(Writing {
            exports: self.clone(),
            file,
            part,
            first,
            next: first,
            bytes: 0,
        })
    }
}

/// A file that is being written.
#[derive(Debug)]
pub struct Writing {
    exports: Exports,
    file: BufWriter<fs::File>,
    part: PathBuf,
    first: u64,
    next: u64,
    bytes: u64,
}

impl Writing {
    /// The row after the last.
    pub fn put(&mut self, row: &Row) -> Result<(), ExportError> {
        let length = u32::try_from(row.body.len()).ok();
        let length = length.filter(|_| row.seq == self.next && row.body.len() <= LONGEST);
        let length = length.ok_or_else(|| ExportError::Damaged {
            path: self.part.clone(),
            why: format!("row {} does not fit after row {}", row.seq, self.next - 1),
        })?;
        let mut head = Vec::with_capacity(HEAD);
        head.extend_from_slice(&length.to_le_bytes());
        head.extend_from_slice(&row.seq.to_le_bytes());
        head.extend_from_slice(&row.epoch.to_le_bytes());
        head.extend_from_slice(&row.batch_id);
        head.extend_from_slice(row.previous_hash.as_bytes());
        head.extend_from_slice(row.hash.as_bytes());
        self.file.write_all(&head).map_err(failed(&self.part))?;
        self.file.write_all(&row.body).map_err(failed(&self.part))?;
        self.next += 1;
        self.bytes += (HEAD + row.body.len()) as u64;
        Ok(())
    }

    /// How many bytes of rows it has.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes it durable. One without rows leaves nothing.
    pub fn finish(mut self) -> Result<Option<Segment>, ExportError> {
        if self.next == self.first {
            return fs::remove_file(&self.part)
                .map(|()| None)
                .map_err(failed(&self.part));
        }
        self.file.flush().map_err(failed(&self.part))?;
        self.file.get_ref().sync_all().map_err(failed(&self.part))?;
        let last = self.next - 1;
        let name = format!("{:020}-{last:020}.{WHOLE}", self.first);
        let path = self.exports.folder.join(name);
        fs::rename(&self.part, &path).map_err(failed(&self.part))?;
        let folder = &self.exports.folder;
        let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(failed(folder))?;
        Ok(Some(Segment {
            first: self.first,
            last,
            path,
        }))
    }
}

impl Segment {
    /// Reads all of it and checks that its rows are one chain. Gives its end: if that is of a journal, so are all rows before it.
    pub fn check(&self) -> Result<Tip, ExportError> {
        let mut chain = ChainVerifier::new();
        let mut open = Open::of(self)?;
        while let Some(row) = open.next()? {
            if row.seq == self.first && row.seq > 1 {
                chain = ChainVerifier::after(Some(Tip {
                    seq: row.seq - 1,
                    epoch: 0,
                    hash: row.previous_hash,
                }));
            }
            chain.accept(&row).map_err(|error| ExportError::Chain {
                path: self.path.clone(),
                error,
            })?;
        }
        chain
            .tip()
            .filter(|tip| tip.seq == self.last)
            .ok_or_else(|| open.damaged("it is cut off"))
    }
}

/// A file that is being read.
#[derive(Debug)]
struct Open {
    segment: Segment,
    file: BufReader<fs::File>,
    next: u64,
}

impl Open {
    fn of(segment: &Segment) -> Result<Self, ExportError> {
        let path = &segment.path;
        let file = fs::File::open(path).map_err(failed(path))?;
        let mut open = Self {
            segment: segment.clone(),
            file: BufReader::with_capacity(1 << 20, file),
            next: segment.first,
        };
        let mut magic = vec![0; MAGIC.len()];
        open.fill(&mut magic)?;
        if magic == MAGIC {
            Ok(open)
        } else {
            Err(open.damaged("it is something else"))
        }
    }

    fn damaged(&self, why: &str) -> ExportError {
        ExportError::Damaged {
            path: self.segment.path.clone(),
            why: why.to_owned(),
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), ExportError> {
        let read = self.file.read_exact(bytes);
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("it is cut off"),
            _ => failed(&self.segment.path)(error),
        })
    }

    fn head(&mut self) -> Result<(usize, [u8; HEAD]), ExportError> {
        let mut head = [0; HEAD];
        self.fill(&mut head)?;
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        let length = usize::try_from(length).ok();
        let length = length.filter(|length| *length <= LONGEST);
        length
            .map(|length| (length, head))
            .ok_or_else(|| self.damaged("a row is too long"))
    }

    /// Goes past rows up to `seq`.
    fn skip_to(&mut self, seq: u64) -> Result<(), ExportError> {
        while self.next < seq {
            let (length, _) = self.head()?;
            let length = i64::try_from(length).unwrap_or(i64::MAX);
            let skipped = self.file.seek_relative(length);
            skipped.map_err(failed(&self.segment.path))?;
            self.next += 1;
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Row>, ExportError> {
        if self.next > self.segment.last {
            return Ok(None);
        }
        let (length, head) = self.head()?;
        let mut body = Vec::new();
        let limit = u64::try_from(length).unwrap_or(u64::MAX);
        let read = (&mut self.file).take(limit).read_to_end(&mut body);
        if read.map_err(failed(&self.segment.path))? != length {
            return Err(self.damaged("it is cut off"));
        }
        let (_, rest) = head.split_at(4);
        let mut rest = rest;
        let row = Row {
            seq: u64::from_le_bytes(part(&mut rest)),
            epoch: u64::from_le_bytes(part(&mut rest)),
            batch_id: part(&mut rest),
            previous_hash: Hash::from_bytes(part(&mut rest)),
            hash: Hash::from_bytes(part(&mut rest)),
            body,
        };
        if row.seq != self.next {
            return Err(self.damaged("a row is at another's place"));
        }
        self.next += 1;
        Ok(Some(row))
    }
}

/// The next bytes of a head, which is as long as its parts.
fn part<const LENGTH: usize>(head: &mut &[u8]) -> [u8; LENGTH] {
    let (part, rest) = head.split_first_chunk().expect("a head has all parts");
    *head = rest;
    *part
}

/// Reads exported rows as a journal's reader does.
#[derive(Debug)]
pub struct ExportReader {
    exports: Exports,
    open: Option<Open>,
}

impl ExportReader {
    #[must_use]
    pub fn of(exports: Exports) -> Self {
        Self {
            exports,
            open: None,
        }
    }

    /// The rows after `after_seq` of those that the journal lacks, which end with `trimmed`.
    pub fn read(
        &mut self,
        after_seq: u64,
        trimmed: u64,
        limit_rows: usize,
        limit_bytes: usize,
    ) -> Result<Vec<Row>, ReadError> {
        let mut rows: Vec<Row> = Vec::new();
        let mut bytes = 0_usize;
        while rows.len() < limit_rows && bytes < limit_bytes {
            let wanted = rows.last().map_or(after_seq, |row| row.seq) + 1;
            if wanted > trimmed {
                break;
            }
            if !self.stands_at(wanted)? {
                if rows.is_empty() {
                    return Err(self.missing(wanted, trimmed)?);
                }
                break;
            }
            let next = match &mut self.open {
                Some(open) => open.next()?,
                None => None,
            };
            let Some(row) = next else { break };
            bytes = bytes.saturating_add(row.body.len());
            rows.push(row);
        }
        Ok(rows)
    }

    /// Whether a file stands open at the row `wanted`.
    fn stands_at(&mut self, wanted: u64) -> Result<bool, ReadError> {
        let has = |segment: &Segment| (segment.first..=segment.last).contains(&wanted);
        if let Some(open) = self.open.as_mut().filter(|open| has(&open.segment))
            && open.next <= wanted
        {
            open.skip_to(wanted)?;
            return Ok(true);
        }
        self.open = None;
        let Some(segment) = self.exports.list()?.into_iter().find(has) else {
            return Ok(false);
        };
        let mut open = Open::of(&segment)?;
        open.skip_to(wanted)?;
        self.open = Some(open);
        Ok(true)
    }

    fn missing(&self, wanted: u64, trimmed: u64) -> Result<ReadError, ExportError> {
        let segments = self.exports.list()?;
        let later = segments.iter().map(|segment| segment.first);
        let next = later.filter(|first| *first > wanted).min();
        Ok(ReadError::Trimmed {
            from: wanted,
            through: next.map_or(trimmed, |next| next - 1),
            folder: self.exports.folder.display().to_string(),
        })
    }
}

impl From<ExportError> for ReadError {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::File { .. } => Self::Unavailable(error.to_string()),
            ExportError::Damaged { .. } | ExportError::Chain { .. } => {
                Self::Damaged(error.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: u64) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for number in 0..count {
            let tip = rows.last().map(Row::tip);
            let body = vec![7; usize::try_from(number % 5 * 11).unwrap_or(0)];
            rows.push(Row::seal(tip, 1, u128::from(number).to_be_bytes(), body));
        }
        rows
    }

    fn export(exports: &Exports, rows: &[Row]) -> Segment {
        let mut writing = exports.begin(rows[0].seq).expect("begun");
        for row in rows {
            writing.put(row).expect("put");
        }
        writing.finish().expect("synced").expect("it has rows")
    }

    fn exported() -> (tempfile::TempDir, Exports, Vec<Row>) {
        let folder = tempfile::tempdir().expect("a folder");
        let exports = Exports::folder(folder.path().join("exports"));
        let rows = rows(30);
        export(&exports, &rows[..12]);
        export(&exports, &rows[12..20]);
        (folder, exports, rows)
    }

    #[test]
    fn what_was_put_is_read_from_any_row_on() {
        let (_folder, exports, rows) = exported();
        let [first, second] = &exports.list().expect("a list")[..] else {
            panic!("two files");
        };
        assert_eq!(first.check().expect("sound"), rows[11].tip());
        assert_eq!(second.check().expect("sound"), rows[19].tip());
        let mut reader = ExportReader::of(exports);
        for (after, limit) in [
            (0, 100),
            (3, 2),
            (11, 5),
            (12, 100),
            (5, 100),
            (19, 1),
            (2, 1),
        ] {
            let read = reader.read(after, 20, limit, 1 << 20).expect("rows");
            let from = usize::try_from(after).expect("few");
            assert_eq!(read, rows[from..20.min(from + limit)]);
        }
        // Never more than the journal lacks, and at least one.
        assert_eq!(reader.read(8, 10, 9, 1 << 20).expect("rows"), rows[8..10]);
        assert_eq!(reader.read(8, 10, 9, 1).expect("rows"), rows[8..9]);
    }

    #[test]
    fn a_file_that_is_gone_is_told_with_the_rows_that_are_missing() {
        let (_folder, exports, _) = exported();
        let first = exports.list().expect("a list").remove(0);
        fs::remove_file(first.path).expect("removed");
        let mut reader = ExportReader::of(exports.clone());
        let missing = |reader: &mut ExportReader, after| match reader.read(after, 25, 9, 1 << 20) {
            Err(ReadError::Trimmed { from, through, .. }) => (from, through),
            other => panic!("{other:?}"),
        };
        assert_eq!(missing(&mut reader, 0), (1, 12));
        assert_eq!(missing(&mut reader, 20), (21, 25));
        assert_eq!(reader.read(12, 25, 99, 1 << 20).expect("rows").len(), 8);
    }

    #[test]
    fn a_changed_or_cut_file_is_found_and_a_half_one_is_none() {
        let (_folder, exports, rows) = exported();
        let segment = exports.list().expect("a list").remove(0);
        let good = fs::read(&segment.path).expect("it reads");
        for place in (0..good.len()).step_by(7) {
            let mut bad = good.clone();
            bad[place] ^= 1;
            fs::write(&segment.path, &bad).expect("written");
            assert!(segment.check().is_err(), "byte {place}");
            fs::write(&segment.path, &good[..place]).expect("written");
            assert!(segment.check().is_err(), "cut at {place}");
        }
        fs::write(&segment.path, &good).expect("written");
        assert!(segment.check().is_ok());
        let mut half = exports.begin(21).expect("begun");
        half.put(&rows[20]).expect("put");
        assert!(half.put(&rows[22]).is_err(), "a row is left out");
        drop(half);
        assert_eq!(exports.list().expect("a list").len(), 2);
        // The next one takes its place.
        export(&exports, &rows[20..]);
        assert_eq!(exports.list().expect("a list").len(), 3);
        assert!(exports.named(PART).expect("a list").is_empty());
        let empty = exports.begin(31).expect("begun").finish();
        assert_eq!(empty.expect("nothing"), None);
    }
}
