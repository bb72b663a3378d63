//! Rows as PostgreSQL's `COPY … WITH (FORMAT binary)` takes them.
//!
//! ```text
//!   signature, flags, 0 ─▶ per row: number of fields, per field: length (−1: null), bytes ─▶ −1
//! ```
//! Source: <https://www.postgresql.org/docs/current/sql-copy.html>. Whole numbers are BIGINT, words are TEXT.

use super::rows::Row;

const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: i16 = -1;
const NULL: i32 = -1;

/// What a column can hold.
pub trait Field {
    fn put(&self, out: &mut Vec<u8>);
}

impl Field for i64 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&8_i32.to_be_bytes());
        out.extend_from_slice(&self.to_be_bytes());
    }
}

impl Field for str {
    fn put(&self, out: &mut Vec<u8>) {
        let length = i32::try_from(self.len()).expect("words of our own");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(self.as_bytes());
    }
}

impl Field for String {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_str().put(out);
    }
}

impl<T: Field> Field for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.put(out),
            None => out.extend_from_slice(&NULL.to_be_bytes()),
        }
    }
}

/// All of it.
pub fn copied<R: Row>(rows: &[R]) -> Vec<u8> {
    let fields = i16::try_from(R::COLUMNS.len()).expect("a table of ours");
    let mut out = Vec::with_capacity(HEADER.len() + rows.len() * R::COLUMNS.len() * 16);
    out.extend_from_slice(HEADER);
    for row in rows {
        out.extend_from_slice(&fields.to_be_bytes());
        row.copy(&mut out);
    }
    out.extend_from_slice(&TRAILER.to_be_bytes());
    out
}
