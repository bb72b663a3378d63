//! How answers are printed.
//!
//! **Invariant:** what an answer lacks that it should have is an error, never an empty line: then the server is of another release,
//! and what it did is not known from here.

use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use serde_json::Value;

use super::Failure;

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

/// The list that an answer has under this name.
pub fn list<'a>(answer: &'a Value, name: &str) -> Result<&'a [Value], Failure> {
    let list = answer[name].as_array().map(Vec::as_slice);
    list.ok_or_else(|| lacks(name))
}

/// The text that an answer has under this name.
pub fn word<'a>(answer: &'a Value, name: &str) -> Result<&'a str, Failure> {
    answer[name].as_str().ok_or_else(|| lacks(name))
}

/// The count that an answer has under this name.
pub fn count(answer: &Value, name: &str) -> Result<u64, Failure> {
    answer[name].as_u64().ok_or_else(|| lacks(name))
}

fn lacks(name: &str) -> Failure {
    Failure::new(format_args!(
        "the server's answer has no {name}: is it of another release than this program?"
    ))
}

/// What came of an operation, in a sentence.
pub fn outcome(json: bool, answer: &Value, what: &str) -> Result<(), Failure> {
    let outcome = word(answer, "outcome")?;
    if as_json(json, answer) {
        return Ok(());
    }
    match outcome {
        "proposed" => {
            let proposal = word(answer, "proposal")?;
            println!("{what}: waits for a second person (paytone approve {proposal})");
        }
        "unchanged" => println!("{what}: already so"),
        "rejected" => println!("{what}: rejected"),
        "done" => println!("{what}: done"),
        other => println!("{what}: {other}"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_answer_lacks_is_an_error() {
        let answer = json!({"data": [1], "id": "x", "rows": 3, "none": null});
        assert_eq!(list(&answer, "data").map(<[Value]>::len).ok(), Some(1));
        assert_eq!(word(&answer, "id").ok(), Some("x"));
        assert_eq!(count(&answer, "rows").ok(), Some(3));
        for name in ["none", "nothing"] {
            for failure in [
                list(&answer, name).err(),
                word(&answer, name).err(),
                count(&answer, name).err(),
            ] {
                assert!(failure.is_some_and(|failure| failure.text.contains(name)));
            }
        }
        assert!(outcome(false, &json!({}), "it").is_err());
        assert!(outcome(false, &json!({"outcome": "proposed"}), "it").is_err());
        assert!(outcome(false, &json!({"outcome": "done"}), "it").is_ok());
    }
}
