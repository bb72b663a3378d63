//! Witnesses: where sealed days are kept outside the operator's databases.
//!
//! **Invariant:** a witness's file is only ever added to, a line for each day, and what it has is never sent again. **Not here:** what
//! a line means.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    path::Path,
};

use paytone_domain::sealed_day::SealedDay;
use serde_json::Value;

use super::day::line;

/// The lines of a witness's file; none if there is no file yet.
pub fn lines(path: &Path) -> io::Result<Vec<String>> {
    match File::open(path) {
        Ok(file) => BufReader::new(file).lines().collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Adds the days that the file lacks, and makes them durable.
pub fn add(path: &Path, days: &[SealedDay]) -> io::Result<usize> {
    let kept = lines(path)?;
    let missing: Vec<_> = days
        .iter()
        .map(line)
        .filter(|line| !kept.contains(line))
        .collect();
    if missing.is_empty() {
        return Ok(0);
    }
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    for line in &missing {
        file.write_all(format!("{line}\n").as_bytes())?;
    }
    file.sync_all()?;
    Ok(missing.len())
}

/// What differs between a witness's lines and the days that were worked out anew.
pub fn differences(lines: &[String], days: &[SealedDay]) -> Vec<String> {
    let mut differences = Vec::new();
    let known: Vec<String> = days.iter().map(line).collect();
    for line in lines.iter().filter(|line| !line.trim().is_empty()) {
        if !known.contains(line) {
            let statement = serde_json::from_str::<Value>(line)
                .ok()
                .and_then(|line| line["statement"].as_str().map(str::to_owned));
            let date = statement
                .as_deref()
                .and_then(|statement| statement.lines().nth(1))
                .unwrap_or("a line that cannot be read")
                .to_owned();
            differences.push(format!("the witness has {date} otherwise than the journal"));
        }
    }
    // The last one may be on its way.
    for (day, line) in days.iter().zip(&known).rev().skip(1) {
        if !lines.contains(line) {
            differences.push(format!("the witness lacks {}", day.date.civil()));
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use paytone_domain::time::BusinessDate;
    use paytone_journal::Keyring;

    use super::*;
    use crate::proof::day::Day;

    #[test]
    fn a_file_gets_each_day_once_and_tells_what_was_changed() {
        let keys = Keyring::derived_for_simulation(1).day_key();
        let mut days: Vec<SealedDay> = Vec::new();
        for date in 100..103 {
            let day = Day::new(BusinessDate(date)).seal(&keys, days.last());
            days.push(day);
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("witness");
        assert_eq!(add(&path, &days[..2]).expect("it writes"), 2);
        assert_eq!(add(&path, &days).expect("it writes"), 1);
        assert_eq!(add(&path, &days).expect("it writes"), 0);
        let kept = lines(&path).expect("it reads");
        assert_eq!(kept.len(), 3);
        assert!(differences(&kept, &days).is_empty());
        assert!(differences(&kept[..2], &days).is_empty());
        assert_eq!(differences(&kept[..1], &days).len(), 1);
        let mut other = days.clone();
        other[1].entries += 1;
        assert_eq!(differences(&kept, &other).len(), 2);
    }
}
