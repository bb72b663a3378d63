//! `paytone payment`

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    Failure,
    client::{Reach, segment},
    look_back, show,
};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// One payment: its inner state, its whole timeline, and who caused each step
    Show {
        id: String,
        /// As it was at a moment such as 2026-11-23T06:15:32Z, replayed from the journal
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// The latest payments
    List {
        /// Only those that really ended like this, such as captured or declined
        #[arg(long)]
        status: Option<String>,
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
}

pub async fn run(reach: &Reach, command: Command) -> Result<(), Failure> {
    let client = reach.client()?;
    match command {
        Command::Show { id, at } => {
            let payment = match at {
                None => client.get(&format!("/payments/{}", segment(&id))).await?,
                Some(at) => look_back::run(&client, &json!({"payment": id, "at": at})).await?,
            };
            print(reach.json, &payment)?;
        }
        Command::List { status, limit } => {
            let mut path = format!("/payments?limit={limit}");
            if let Some(status) = status {
                path += &format!("&status={}", segment(&status));
            }
            let answer = client.get(&path).await?;
            if !show::as_json(reach.json, &answer) {
                table(show::list(&answer, "data")?);
            }
        }
    }
    Ok(())
}

/// Payments, a line each.
pub fn table(payments: &[Value]) {
    if payments.is_empty() {
        return;
    }
    show::table(
        &[
            "payment", "asked", "merchant", "payer", "amount", "status", "reason",
        ],
        payments.iter().map(|row| {
            vec![
                show::text(&row["id"]),
                show::text(&row["created_at"]),
                show::text(&row["merchant"]["name"]),
                show::text(&row["payer"]),
                format!(
                    "{} {}",
                    show::text(&row["amount"]),
                    show::text(&row["currency"])
                ),
                show::text(&row["status"]),
                show::text(&row["reason"]),
            ]
        }),
    );
}

fn print(json: bool, payment: &Value) -> Result<(), Failure> {
    if show::as_json(json, payment) {
        return Ok(());
    }
    show::facts(&[
        ("as of", &payment["as_of"]["at"]),
        ("id", &payment["id"]),
        ("status", &payment["status"]),
        ("merchant sees", &payment["projected_status"]),
        ("reason", &payment["reason"]),
        ("merchant", &payment["merchant"]["name"]),
        ("payer", &payment["payer"]),
        ("amount", &payment["amount"]),
        ("currency", &payment["currency"]),
        ("captured", &payment["captured_amount"]),
        ("refunded", &payment["refunded_amount"]),
        ("fee", &payment["fee"]["amount"]),
        ("tax on the fee", &payment["fee"]["tax"]),
        ("description", &payment["description"]),
        ("reference", &payment["reference"]),
        ("for", &payment["for"]),
        ("asked by", &payment["asker_name"]),
        ("mandate", &payment["mandate"]),
        ("asked at", &payment["created_at"]),
        ("deadline", &payment["deadline"]),
    ]);
    let legs = show::list(payment, "legs")?;
    if !legs.is_empty() {
        show::table(
            &["source", "label", "amount", "state"],
            legs.iter().map(|leg| {
                ["source", "label", "amount", "state"]
                    .map(|column| show::text(&leg[column]))
                    .to_vec()
            }),
        );
    }
    show::table(
        &["at", "what", "by", "detail"],
        show::list(payment, "timeline")?.iter().map(|step| {
            ["at", "what", "actor", "detail"]
                .map(|column| show::text(&step[column]))
                .to_vec()
        }),
    );
    Ok(())
}
