//! `paytone rules`

use std::path::Path;

use clap::Subcommand;
use hyper::Method;
use serde_json::{Map, Value, json};

use super::{Failure, client::Reach, show};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Every limit and veto in force, as TOML
    Show,
    /// Change rules: from a file as `show` prints it, or as key=value
    Set {
        /// A TOML file, or `key=value` such as `payment_limit=3000.00`
        #[arg(required = true, value_name = "FILE|KEY=VALUE")]
        changes: Vec<String>,
    },
}

pub async fn run(reach: &Reach, command: Command) -> Result<(), Failure> {
    let client = reach.client()?;
    match command {
        Command::Show => {
            let answer = client.get("/rules").await?;
            if !show::as_json(reach.json, &answer) {
                print!("{}", document(&answer));
            }
        }
        Command::Set { changes } => {
            let mut rules = Map::new();
            for change in &changes {
                if let Some((name, value)) = change.split_once('=')
                    && !Path::new(change).exists()
                {
                    rules.insert(name.trim().to_owned(), value.trim().into());
                } else {
                    rules.extend(read(Path::new(change))?);
                }
            }
            let body = json!({"rules": rules});
            let answer = client.ask(Method::PUT, "/rules", Some(&body)).await?;
            show::outcome(reach.json, &answer, "rules")?;
        }
    }
    Ok(())
}

/// The rules as a file that `set` takes.
fn document(answer: &Value) -> String {
    let mut text = format!("# Version {}\n", show::text(&answer["version"]));
    let mut table = String::new();
    for rule in answer["rules"].as_array().into_iter().flatten() {
        let code = show::text(&rule["code"]);
        let (inside, name) = code.split_once('.').unwrap_or(("", &code));
        if inside != table {
            table = inside.to_owned();
            text.push_str(&format!("\n[{table}]\n"));
        }
        text.push_str(&format!("{name} = {}\n", rule["value"]));
    }
    text
}

/// Rules of a file by their full names.
fn read(path: &Path) -> Result<Map<String, Value>, Failure> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Failure::doing(path.display(), error))?;
    let file: toml::Table =
        toml::from_str(&text).map_err(|error| Failure::doing(path.display(), error))?;
    let mut rules = Map::new();
    flatten("", &file, &mut rules)?;
    Ok(rules)
}

/// Rules by their full names, out of nested tables.
pub(super) fn flatten(
    above: &str,
    table: &toml::Table,
    rules: &mut Map<String, Value>,
) -> Result<(), Failure> {
    for (name, value) in table {
        let path = format!("{above}{name}");
        let value = match value {
            toml::Value::Table(inner) => {
                flatten(&format!("{path}."), inner, rules)?;
                continue;
            }
            toml::Value::String(text) => Value::from(text.clone()),
            toml::Value::Integer(number) => Value::from(*number),
            toml::Value::Boolean(on) => Value::from(*on),
            toml::Value::Float(_) => {
                return Err(Failure::new(format_args!(
                    "{path}: amounts are decimal numbers in quotes, such as \"128.00\""
                )));
            }
            toml::Value::Datetime(_) | toml::Value::Array(_) => {
                return Err(Failure::new(format_args!(
                    "{path}: no rule has such a value"
                )));
            }
        };
        rules.insert(path, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_show_prints_is_what_set_reads() {
        let answer = json!({"version": 3, "rules": [
            {"code": "payment_limit", "value": "5000.00"},
            {"code": "number_age_days", "value": 7},
            {"code": "four_eyes.rules", "value": true},
        ]});
        let file: toml::Table = toml::from_str(&document(&answer)).expect("TOML");
        let mut rules = Map::new();
        flatten("", &file, &mut rules).expect("rules");
        assert_eq!(
            Value::Object(rules),
            json!({"payment_limit": "5000.00", "number_age_days": 7, "four_eyes.rules": true})
        );
    }

    #[test]
    fn an_amount_without_quotes_is_refused_by_name() {
        let file: toml::Table = toml::from_str("payment_limit = 5000.00").expect("TOML");
        let failure = flatten("", &file, &mut Map::new()).expect_err("a float");
        assert!(failure.text.starts_with("payment_limit:"), "{failure}");
    }
}
