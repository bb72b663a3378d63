//! `paytone replay`

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{Failure, client::Reach, look_back, rules, show};

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Rules as `paytone rules show` prints them, only those that differ if you like; besides, `[price_plan]` for every
    /// merchant and `[price_plans.mer_…]` for single ones (fee_basis_points, fee_fixed, tax_basis_points)
    #[arg(long, value_name = "FILE")]
    rules: PathBuf,
    /// First business date, or a moment
    #[arg(long, value_name = "TIME")]
    from: String,
    /// Last business date, or the moment before which the period ends
    #[arg(long, value_name = "TIME")]
    to: String,
}

pub async fn run(reach: &Reach, args: Args) -> Result<(), Failure> {
    let place = args.rules.display();
    let text =
        std::fs::read_to_string(&args.rules).map_err(|error| Failure::doing(&place, error))?;
    let asked =
        asked(&text, &args.from, &args.to).map_err(|error| Failure::doing(&place, error))?;
    let client = reach.client()?;
    let begun = client.post("/replays", &asked).await?;
    let report = look_back::follow(&client, &begun).await?;
    if !show::as_json(reach.json, &report) {
        print(&report)?;
    }
    Ok(())
}

fn asked(text: &str, from: &str, to: &str) -> Result<Value, Failure> {
    let mut file: toml::Table = toml::from_str(text).map_err(Failure::new)?;
    let mut asked = json!({"from": from, "to": to});
    for plans in ["price_plan", "price_plans"] {
        if let Some(plan) = file.remove(plans) {
            asked[plans] = serde_json::to_value(plan).map_err(Failure::new)?;
        }
    }
    let mut changes = Map::new();
    rules::flatten("", &file, &mut changes)?;
    asked["rules"] = changes.into();
    Ok(asked)
}

fn print(report: &Value) -> Result<(), Failure> {
    let currency = show::text(&report["currency"]);
    println!(
        "{} to {}: {} requests and {} approvals decided again",
        show::text(&report["from"]),
        show::text(&report["until"]),
        report["requests"],
        report["approvals"],
    );
    if report["same"] == true {
        println!("Everything would have been as it was.");
        return Ok(());
    }
    for (name, words) in [
        ("stopped", "would have been vetoed"),
        ("paid", "would have been paid"),
        (
            "asked",
            "would have been asked of the payer, whose answer nobody knows",
        ),
    ] {
        let rows = show::list(report, name)?;
        if rows.is_empty() {
            continue;
        }
        println!("\nPayments that {words}:");
        show::table(
            &["reason", "payments", &currency],
            rows.iter().map(|row| {
                ["reason", "payments", "amount"]
                    .map(|column| show::text(&row[column]))
                    .to_vec()
            }),
        );
    }
    let other = show::list(report, "other_reason")?;
    if !other.is_empty() {
        println!("\nVetoed either way, by another reason:");
        show::table(
            &["was", "would be", "payments", &currency],
            other.iter().map(|row| {
                ["was", "would_be", "payments", "amount"]
                    .map(|column| show::text(&row[column]))
                    .to_vec()
            }),
        );
    }
    println!();
    let line = |name: String, both: &Value| {
        let figures = ["captures", "captured", "fee", "tax"];
        ["recorded", "replayed"].map(|which| {
            let mut row = vec![name.clone(), which.to_owned()];
            row.extend(figures.map(|figure| show::text(&both[which][figure])));
            row
        })
    };
    let merchants = show::list(report, "merchants")?;
    let rows = merchants
        .iter()
        .flat_map(|merchant| line(show::text(&merchant["name"]), merchant))
        .chain(line("all".to_owned(), report));
    show::table(
        &["merchant", "", "captures", "captured", "fee", "tax"],
        rows,
    );
    println!("Not known: what payers and merchants would have done otherwise.");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_and_price_plans_of_one_file_are_told_apart() {
        let text = "payment_limit = \"100.00\"\n[four_eyes]\nrules = false\n[price_plan]\nfee_basis_points = 50\n";
        let asked = asked(text, "2026-11-01", "2026-11-30").expect("it reads");
        assert_eq!(
            asked,
            json!({
                "from": "2026-11-01", "to": "2026-11-30",
                "rules": {"payment_limit": "100.00", "four_eyes.rules": false},
                "price_plan": {"fee_basis_points": 50},
            })
        );
    }
}
