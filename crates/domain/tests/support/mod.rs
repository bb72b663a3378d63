//! What scenarios are written with: a world, its invariants, and tables of commands with their outcomes.

pub mod invariants;
pub mod script;
pub mod setup;
pub mod show;
pub mod words;
pub mod world;

use script::Script;

/// Runs a table, `command | outcome` a row, in a fresh world and compares every outcome.
///
/// Empty lines and lines that begin with `#` are for the reader.
#[track_caller]
pub fn check(table: &str) {
    check_in(&mut Script::default(), table);
}

/// As [`check`], in a world that is already there.
#[track_caller]
pub fn check_in(script: &mut Script, table: &str) {
    let mut expected = Vec::new();
    let mut found = Vec::new();
    for row in table.lines().map(str::trim).filter(|row| !row.is_empty()) {
        if row.starts_with('#') {
            continue;
        }
        let (command, outcome) = row.split_once('|').unwrap_or((row, ""));
        let (command, outcome) = (command.trim(), outcome.trim());
        let came = script.run(command);
        expected.push(format!("{command:44} | {outcome}"));
        found.push(format!("{command:44} | {came}"));
    }
    assert!(
        expected == found,
        "\nexpected:\n{}\n\nfound:\n{}\n",
        expected.join("\n"),
        marked(&expected, &found)
    );
}

/// The rows found, with those that differ marked.
fn marked(expected: &[String], found: &[String]) -> String {
    let rows = expected.iter().zip(found).map(|(expected, found)| {
        let mark = if expected == found { "  " } else { "> " };
        format!("{mark}{found}")
    });
    rows.collect::<Vec<_>>().join("\n")
}
