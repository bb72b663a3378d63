//! The form of a merchant-presented code: id, length and value in characters, and the checksum at the end.

use std::fmt;

/// Objects in the order they come.
pub type Objects = Vec<(u8, String)>;

/// What is wrong with a code, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QrError {
    /// The object, and the object within it.
    pub id: Option<u8>,
    pub within: Option<u8>,
    pub problem: QrProblem,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QrProblem {
    /// Not the id, length and value that objects are.
    Form,
    EndsEarly,
    Missing,
    Twice,
    TooLong,
    /// A value of another kind than the object has.
    Value,
    Checksum,
    /// Not a version this code knows.
    Version,
}

impl QrProblem {
    /// Stable, for logs and counters.
    pub fn code(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::EndsEarly => "ends_early",
            Self::Missing => "missing",
            Self::Twice => "twice",
            Self::TooLong => "too_long",
            Self::Value => "value",
            Self::Checksum => "checksum",
            Self::Version => "version",
        }
    }
}

impl QrError {
    pub(super) fn at(id: u8, problem: QrProblem) -> Self {
        Self {
            id: Some(id),
            within: None,
            problem,
        }
    }
}

impl fmt::Display for QrError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.id, self.within) {
            (Some(id), Some(within)) => write!(out, "{id:02}.{within:02}: ")?,
            (Some(id), None) => write!(out, "{id:02}: ")?,
            _ => {}
        }
        out.write_str(self.problem.code())
    }
}

impl std::error::Error for QrError {}

/// Objects that were read, to be taken one by one.
pub(super) struct Taken(pub(super) Objects);

impl Taken {
    pub(super) fn take(&mut self, id: u8) -> Result<Option<String>, QrError> {
        let Some(at) = self.0.iter().position(|(found, _)| *found == id) else {
            return Ok(None);
        };
        let (_, value) = self.0.remove(at);
        if self.0.iter().any(|(found, _)| *found == id) {
            return Err(QrError::at(id, QrProblem::Twice));
        }
        Ok(Some(value))
    }

    pub(super) fn needed(&mut self, id: u8) -> Result<String, QrError> {
        self.take(id)?.ok_or(QrError::at(id, QrProblem::Missing))
    }
}

pub(super) fn template(id: u8, value: &str) -> Result<Objects, QrError> {
    read(value).map_err(|error| within(id, error))
}

pub(super) fn within(id: u8, error: QrError) -> QrError {
    QrError {
        id: Some(id),
        within: error.id,
        problem: error.problem,
    }
}

pub(super) fn read(text: &str) -> Result<Objects, QrError> {
    let mut objects = Objects::new();
    let mut rest = text;
    let form = QrError {
        id: None,
        within: None,
        problem: QrProblem::Form,
    };
    while !rest.is_empty() {
        let (id, after) = two_digits(rest).ok_or(form)?;
        let (length, after) = two_digits(after).ok_or(QrError::at(id, QrProblem::Form))?;
        if length == 0 {
            return Err(QrError::at(id, QrProblem::Form));
        }
        // The length counts characters, and a character may be several bytes.
        let mut ends = after.char_indices().map(|(at, _)| at);
        let end = match ends.nth(usize::from(length)) {
            Some(end) => end,
            None if after.chars().count() == usize::from(length) => after.len(),
            None => return Err(QrError::at(id, QrProblem::EndsEarly)),
        };
        let (value, after) = after.split_at(end);
        objects.push((id, value.to_owned()));
        rest = after;
    }
    Ok(objects)
}

fn two_digits(text: &str) -> Option<(u8, &str)> {
    let (digits, rest) = text.split_at_checked(2)?;
    let both = digits.bytes().all(|byte| byte.is_ascii_digit());
    both.then(|| digits.parse().ok().map(|number| (number, rest)))?
}

pub(super) fn put(to: &mut String, id: u8, value: &str) -> Result<(), QrError> {
    let length = value.chars().count();
    match length {
        0 => Err(QrError::at(id, QrProblem::Value)),
        1..=99 if id <= 99 => {
            to.push_str(&format!("{id:02}{length:02}{value}"));
            Ok(())
        }
        _ => Err(QrError::at(id, QrProblem::TooLong)),
    }
}

pub(super) fn put_some(to: &mut String, id: u8, value: Option<&str>) -> Result<(), QrError> {
    value.map_or(Ok(()), |value| put(to, id, value))
}

pub(super) fn put_all(to: &mut String, template: u8, objects: &Objects) -> Result<(), QrError> {
    for (id, value) in objects {
        put(to, *id, value).map_err(|error| within(template, error))?;
    }
    Ok(())
}

/// The last object is the checksum over all before it, its own id and length included.
pub(super) fn check_checksum(text: &str) -> Result<(), QrError> {
    let wrong = QrError::at(63, QrProblem::Checksum);
    let at = text.len().checked_sub(4).ok_or(wrong)?;
    let (before, digits) = text.split_at_checked(at).ok_or(wrong)?;
    if !before.ends_with("6304") {
        return Err(QrError::at(63, QrProblem::Missing));
    }
    // Capitals, but scanners and generators have been seen to differ.
    let right = format!("{:04X}", checksum(before.as_bytes()));
    if right.eq_ignore_ascii_case(digits) {
        Ok(())
    } else {
        Err(wrong)
    }
}

/// CRC of ISO/IEC 13239: polynomial 1021, starting from FFFF.
pub(super) fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte) << 8, |sum, _| {
            if sum & 0x8000 == 0 {
                sum << 1
            } else {
                sum << 1 ^ 0x1021
            }
        })
    })
}
