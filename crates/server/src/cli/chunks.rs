//! Cuts a CSV file into chunks of whole rows, each with the file's header.
//!
//! **Invariant:** a chunk never ends inside a quoted field. In CSV a row ends at a line break with an even number of quotes
//! before it, since a quote within a field is written twice.

use std::io::{self, Read};

use axum::body::Bytes;

/// Rows per chunk: large enough for one sync to carry many, small enough that payments in between do not wait long.
const ROWS: usize = 4_000;
const BLOCK: usize = 1 << 20;

/// Whole rows of a file.
pub struct Chunk {
    pub number: u64,
    /// The file's line of the first row.
    pub first_line: u64,
    /// Header and rows.
    pub bytes: Bytes,
    /// How much of the file it is.
    pub size: u64,
    header: usize,
}

pub struct Chunks<R> {
    source: R,
    header: Vec<u8>,
    buffer: Vec<u8>,
    ended: bool,
    next_number: u64,
    next_line: u64,
}

impl<R: Read> Chunks<R> {
    /// Reads the header.
    pub fn of(source: R) -> io::Result<Self> {
        let mut chunks = Self {
            source,
            header: Vec::new(),
            buffer: Vec::new(),
            ended: false,
            next_number: 0,
            next_line: 1,
        };
        let (mut header, lines) = chunks.cut(1)?;
        if let Some(text) = header.strip_prefix("\u{feff}".as_bytes()) {
            header = text.to_vec();
        }
        if header.is_empty() {
            let why = "the file is empty; it begins with a line of column names";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        if !header.ends_with(b"\n") {
            header.push(b'\n');
        }
        chunks.header = header;
        chunks.next_line += lines;
        Ok(chunks)
    }

    pub fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        let (rows, lines) = self.cut(ROWS)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let chunk = Chunk {
            number: self.next_number,
            first_line: self.next_line,
            size: rows.len() as u64,
            header: self.header.len(),
            bytes: [self.header.as_slice(), &rows].concat().into(),
        };
        self.next_number += 1;
        self.next_line += lines;
        Ok(Some(chunk))
    }

    /// Takes up to `rows` whole rows out of the file, and says how many lines they are.
    fn cut(&mut self, rows: usize) -> io::Result<(Vec<u8>, u64)> {
        let (mut seen, mut lines, mut scanned, mut end) = (0, 0, 0, 0);
        let mut inside_quotes = false;
        loop {
            while scanned < self.buffer.len() {
                let byte = self.buffer[scanned];
                scanned += 1;
                match byte {
                    b'"' => inside_quotes = !inside_quotes,
                    b'\n' => {
                        lines += 1;
                        if !inside_quotes {
                            seen += 1;
                            end = scanned;
                            if seen == rows {
                                return Ok((self.take(end), lines));
                            }
                        }
                    }
                    _ => {}
                }
            }
            if self.ended {
                let rest = self.buffer.len();
                // A last row need not end with a line break.
                lines += u64::from(rest > end);
                return Ok((self.take(rest), lines));
            }
            self.fill()?;
        }
    }

    fn take(&mut self, end: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(end);
        std::mem::replace(&mut self.buffer, rest)
    }

    fn fill(&mut self) -> io::Result<()> {
        let filled = self.buffer.len();
        self.buffer.resize(filled + BLOCK, 0);
        let read = loop {
            match self.source.read(&mut self.buffer[filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.buffer.truncate(filled + read);
        self.ended = read == 0;
        Ok(())
    }
}

impl Chunk {
    /// The row that begins at this line of the file, as it stands there.
    pub fn row_at(&self, line: u64) -> Option<String> {
        let mut here = self.first_line;
        let mut inside_quotes = false;
        let mut begin = self.header;
        for (place, byte) in self.bytes.iter().enumerate().skip(self.header) {
            match byte {
                b'"' => inside_quotes = !inside_quotes,
                b'\n' if inside_quotes => here += 1,
                b'\n' => {
                    if here >= line {
                        return Some(self.text(begin, place));
                    }
                    here += 1;
                    begin = place + 1;
                }
                _ => {}
            }
        }
        (begin < self.bytes.len()).then(|| self.text(begin, self.bytes.len()))
    }

    fn text(&self, begin: usize, end: usize) -> String {
        String::from_utf8_lossy(&self.bytes[begin..end])
            .trim_end()
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_hold_whole_rows_with_the_header_and_their_line() {
        let mut file = "a,b\n".to_owned();
        for row in 0..ROWS {
            file += &format!("{row},\"x\"\"\ny\"\n");
        }
        file += "last,z";
        let mut chunks = Chunks::of(file.as_bytes()).expect("a header");
        let first = chunks.next_chunk().expect("reads").expect("a chunk");
        assert_eq!((first.number, first.first_line), (0, 2));
        assert!(first.bytes.starts_with(b"a,b\n0,\"x\"\"\ny\"\n1,"));
        assert_eq!(first.row_at(4).as_deref(), Some("1,\"x\"\"\ny\""));
        let last = chunks.next_chunk().expect("reads").expect("a chunk");
        let line = 2 + 2 * ROWS as u64;
        assert_eq!((last.number, last.first_line), (1, line));
        assert_eq!(&*last.bytes, b"a,b\nlast,z");
        assert_eq!(last.row_at(line).as_deref(), Some("last,z"));
        assert!(chunks.next_chunk().expect("reads").is_none());
        assert_eq!(first.size + last.size + 4, file.len() as u64);
    }

    #[test]
    fn an_empty_file_is_refused_and_a_byte_order_mark_is_not_part_of_a_name() {
        assert!(Chunks::of(&b""[..]).is_err());
        let mut chunks = Chunks::of("\u{feff}a\n1\n".as_bytes()).expect("a header");
        let chunk = chunks.next_chunk().expect("reads").expect("a chunk");
        assert_eq!(&*chunk.bytes, b"a\n1\n");
    }
}
