//! How answers are printed.

use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use serde_json::Value;

/// Prints `value` as JSON if that was asked for; else says that it was not.
pub fn as_json(wanted: bool, value: &Value) -> bool {
    if wanted {
        println!("{value:#}");
    }
    wanted
}

/// One row per line under headings.
pub fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(headings);
    for row in rows {
        table.add_row(row);
    }
    println!("{table}");
}

/// Text, or nothing for null.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    }
}

/// Name and value per line; what is null is left out.
pub fn facts(facts: &[(&str, &Value)]) {
    for (name, value) in facts {
        if !value.is_null() {
            println!("{name:<18} {}", text(value));
        }
    }
}

/// What came of an operation, in a sentence.
pub fn outcome(json: bool, answer: &Value, what: &str) {
    if as_json(json, answer) {
        return;
    }
    match answer["outcome"].as_str() {
        Some("proposed") => {
            let proposal = text(&answer["proposal"]);
            println!("{what}: waits for a second person (paytone approve {proposal})");
        }
        Some("unchanged") => println!("{what}: already so"),
        Some("rejected") => println!("{what}: rejected"),
        _ => println!("{what}: done"),
    }
}
