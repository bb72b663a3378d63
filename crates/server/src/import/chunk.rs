//! Rows of a CSV chunk by column names.

use csv::{ByteRecord, ReaderBuilder};

use super::Rejected;

/// The rows of one chunk.
pub struct Rows<'a> {
    reader: csv::Reader<&'a [u8]>,
    places: Vec<Option<usize>>,
    width: usize,
    /// What is added to the chunk's own line numbers to get the file's.
    shift: u64,
    record: ByteRecord,
}

/// The rows of a chunk, each read or rejected.
pub struct Read<T> {
    pub rows: Vec<T>,
    pub rejected: Vec<Rejected>,
}

/// One row: its fields in the order of the columns that were asked for.
pub struct Record<'a> {
    pub line: u64,
    record: &'a ByteRecord,
    places: &'a [Option<usize>],
}

impl<'a> Rows<'a> {
    /// `columns` are all that there may be, each with whether it must be there; `first_line` is the file's line of the
    /// first row. The error is for the whole chunk.
    pub fn of(
        chunk: &'a [u8],
        first_line: u64,
        columns: &[(&'static str, bool)],
    ) -> Result<Self, String> {
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(chunk);
        let header = reader
            .headers()
            .map_err(|_| "the header is not text".to_owned())?
            .clone();
        let mut places = vec![None; columns.len()];
        for (place, name) in header.iter().enumerate() {
            let name = name.trim();
            let Some(column) = columns.iter().position(|(known, _)| *known == name) else {
                let known: Vec<_> = columns.iter().map(|(known, _)| *known).collect();
                return Err(format!(
                    "there is no column {name:?}; columns are {}",
                    known.join(", ")
                ));
            };
            if places[column].replace(place).is_some() {
                return Err(format!("the column {name} is there twice"));
            }
        }
        for (column, (name, needed)) in columns.iter().enumerate() {
            if *needed && places[column].is_none() {
                return Err(format!("the column {name} is missing"));
            }
        }
        let rows_begin = reader.position().line();
        Ok(Self {
            width: header.len(),
            shift: first_line.saturating_sub(rows_begin),
            reader,
            places,
            record: ByteRecord::new(),
        })
    }

    /// Reads every row; one that cannot be read is rejected, and the rest goes on.
    pub fn read<T>(mut self, mut read: impl FnMut(&Record<'_>) -> Result<T, Rejected>) -> Read<T> {
        let (mut rows, mut rejected) = (Vec::new(), Vec::new());
        while let Some(row) = self.next_row() {
            match row.and_then(|row| read(&row)) {
                Ok(row) => rows.push(row),
                Err(why) => rejected.push(why),
            }
        }
        Read { rows, rejected }
    }

    /// The next row; an error is of this row alone.
    fn next_row(&mut self) -> Option<Result<Record<'_>, Rejected>> {
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => {
                return Some(Err(Rejected::new(self.shift, "not_csv", error.to_string())));
            }
        }
        let line = self.record.position().map_or(0, csv::Position::line) + self.shift;
        if self.record.len() != self.width {
            let reason = format!("{} fields instead of {}", self.record.len(), self.width);
            return Some(Err(Rejected::new(line, "wrong_fields", reason)));
        }
        Some(Ok(Record {
            line,
            record: &self.record,
            places: &self.places,
        }))
    }
}

impl Record<'_> {
    /// A field without spaces around it; empty where there is no such column.
    pub fn text(&self, column: usize, name: &'static str) -> Result<&str, Rejected> {
        let bytes = self.places[column]
            .and_then(|place| self.record.get(place))
            .unwrap_or_default();
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.trim()),
            Err(_) => Err(Rejected::new(self.line, "not_utf8", "not UTF-8 text").column(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[(&str, bool)] = &[("number", true), ("name", false), ("row", false)];

    #[test]
    fn rows_are_read_by_name_with_the_files_line_numbers() {
        let chunk = "name,number\nann,1\n\"two\nlines\",2\nbob\ncay,3\n";
        let mut rows = Rows::of(chunk.as_bytes(), 1_002, COLUMNS).expect("a chunk");
        let mut seen = Vec::new();
        while let Some(row) = rows.next_row() {
            seen.push(match row {
                Ok(row) => format!(
                    "{} {} {} {:?}",
                    row.line,
                    row.text(0, "number").expect("text"),
                    row.text(1, "name").expect("text"),
                    row.text(2, "row").expect("text")
                ),
                Err(rejected) => format!("{} {}", rejected.line, rejected.reason),
            });
        }
        assert_eq!(
            seen,
            [
                "1002 1 ann \"\"",
                "1003 2 two\nlines \"\"",
                "1005 1 fields instead of 2",
                "1006 3 cay \"\"",
            ]
        );
    }

    #[test]
    fn a_header_that_is_not_known_is_refused_by_name() {
        for (header, why) in [
            ("number,colour", "there is no column \"colour\""),
            ("number,number", "the column number is there twice"),
            ("name", "the column number is missing"),
        ] {
            let refused = Rows::of(header.as_bytes(), 2, COLUMNS).err();
            assert!(
                refused.is_some_and(|said| said.starts_with(why)),
                "{header}"
            );
        }
    }
}
