//! `paytone merchant`

use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};

use super::{
    Failure,
    client::{Client, Reach, segment},
    show,
};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Add a merchant
    Add {
        /// The name people see
        name: String,
        /// Merchant category code (ISO 18245), such as 5411
        #[arg(long)]
        category: u16,
        #[command(flatten)]
        limits: Limits,
        #[command(flatten)]
        plan: Plan,
    },
    /// Make a client key; its secret is shown once and works after a second person approved
    Key {
        /// Id or exact name
        merchant: String,
        /// What the key is for
        #[arg(long, default_value = "shop")]
        label: String,
    },
    /// Revoke a client key
    RevokeKey { merchant: String, key: String },
    /// Set what the merchant pays per payment
    Plan {
        merchant: String,
        #[command(flatten)]
        plan: Plan,
    },
    /// Set what the merchant may take
    Limits {
        merchant: String,
        #[command(flatten)]
        limits: Limits,
    },
    /// Stop a merchant at once
    Block { merchant: String },
    /// Let a merchant take payments again
    Unblock { merchant: String },
    /// All merchants
    List,
    /// One merchant with its keys
    Show { merchant: String },
}

#[derive(clap::Args, Debug)]
// A command is called as its arguments are, and two groups of one name are refused.
#[group(skip)]
pub struct Limits {
    /// Most for one payment
    #[arg(long, value_name = "AMOUNT", default_value = "50000.00")]
    per_payment: String,
    /// Most per business day
    #[arg(long, value_name = "AMOUNT", default_value = "1000000.00")]
    per_day: String,
}

#[derive(clap::Args, Debug)]
// A command is called as its arguments are, and two groups of one name are refused.
#[group(skip)]
pub struct Plan {
    /// Share of the captured amount, in ten-thousandths
    #[arg(long, default_value_t = 60)]
    fee_basis_points: u32,
    /// Fixed part of the fee
    #[arg(long, value_name = "AMOUNT", default_value = "0.00")]
    fee_fixed: String,
    /// Tax on the fee, in ten-thousandths
    #[arg(long, default_value_t = 600)]
    tax_basis_points: u32,
}

impl Limits {
    fn body(&self) -> Value {
        json!({"per_payment": self.per_payment, "per_day": self.per_day})
    }
}

impl Plan {
    fn body(&self) -> Value {
        json!({
            "fee_basis_points": self.fee_basis_points,
            "fee_fixed": self.fee_fixed,
            "tax_basis_points": self.tax_basis_points,
        })
    }
}

/// The path of the merchant with this id or, if only one has it, this name.
async fn path_of(client: &Client, merchant: &str) -> Result<String, Failure> {
    if merchant.starts_with("mer_") {
        return Ok(format!("/merchants/{}", segment(merchant)));
    }
    let answer = client.get("/merchants").await?;
    let rows = show::list(&answer, "data")?;
    let mut named = rows
        .iter()
        .filter(|row| row["name"].as_str() == Some(merchant));
    match (named.next(), named.next()) {
        (Some(one), None) => Ok(format!("/merchants/{}", show::text(&one["id"]))),
        (Some(_), Some(_)) => Err(Failure::new(format_args!(
            "several merchants are called {merchant}; use the id"
        ))),
        _ => Err(Failure::new(format_args!(
            "no merchant is called {merchant}"
        ))),
    }
}

pub async fn run(reach: &Reach, command: Command) -> Result<(), Failure> {
    let client = reach.client()?;
    let json = reach.json;
    match command {
        Command::Add {
            name,
            category,
            limits,
            plan,
        } => {
            let body = json!({
                "name": name, "category": category, "limits": limits.body(), "plan": plan.body(),
            });
            let answer = client.post("/merchants", &body).await?;
            let id = show::text(&answer["merchant"]);
            show::outcome(json, &answer, &format!("merchant {name} {id}"))?;
        }
        Command::Key { merchant, label } => {
            let path = path_of(&client, &merchant).await? + "/keys";
            let answer = client.post(&path, &json!({"label": label})).await?;
            show::outcome(json, &answer, &format!("key “{label}” of {merchant}"))?;
            if !json {
                println!("{}", show::word(&answer, "secret")?);
                println!("This secret is shown only now.");
            }
        }
        Command::RevokeKey { merchant, key } => {
            let path = path_of(&client, &merchant).await?;
            let path = format!("{path}/keys/{}/revoke", segment(&key));
            let answer = client.post(&path, &json!({})).await?;
            show::outcome(json, &answer, &format!("key {key} revoked"))?;
        }
        Command::Plan { merchant, plan } => {
            let path = path_of(&client, &merchant).await? + "/plan";
            let answer = client.ask(Method::PUT, &path, Some(&plan.body())).await?;
            show::outcome(json, &answer, &format!("price plan of {merchant}"))?;
        }
        Command::Limits { merchant, limits } => {
            let path = path_of(&client, &merchant).await? + "/limits";
            let answer = client.ask(Method::PUT, &path, Some(&limits.body())).await?;
            show::outcome(json, &answer, &format!("limits of {merchant}"))?;
        }
        Command::Block { merchant } => {
            let path = path_of(&client, &merchant).await? + "/block";
            let answer = client.post(&path, &json!({})).await?;
            show::outcome(json, &answer, &format!("{merchant} blocked"))?;
        }
        Command::Unblock { merchant } => {
            let path = path_of(&client, &merchant).await? + "/unblock";
            let answer = client.post(&path, &json!({})).await?;
            show::outcome(json, &answer, &format!("{merchant} unblocked"))?;
        }
        Command::List => list(json, &client.get("/merchants").await?)?,
        Command::Show { merchant } => {
            let path = path_of(&client, &merchant).await?;
            one(json, &client.get(&path).await?)?;
        }
    }
    Ok(())
}

fn list(json: bool, answer: &Value) -> Result<(), Failure> {
    if show::as_json(json, answer) {
        return Ok(());
    }
    let rows = show::list(answer, "data")?;
    show::table(
        &["name", "category", "status", "price plan", "id"],
        rows.iter().map(|row| {
            ["name", "category_code", "status", "plan", "id"]
                .map(|column| show::text(&row[column]))
                .to_vec()
        }),
    );
    Ok(())
}

fn one(json: bool, merchant: &Value) -> Result<(), Failure> {
    if show::as_json(json, merchant) {
        return Ok(());
    }
    show::facts(&[
        ("name", &merchant["name"]),
        ("id", &merchant["id"]),
        ("status", &merchant["status"]),
        ("category", &merchant["category_code"]),
        ("price plan", &merchant["plan"]),
        ("plan version", &merchant["plan_version"]),
        ("per payment", &merchant["limits"]["per_payment"]),
        ("per day", &merchant["limits"]["per_day"]),
        ("webhook endpoints", &merchant["webhook_endpoints"]),
    ]);
    let keys = show::list(merchant, "keys")?;
    if !keys.is_empty() {
        show::table(
            &["key", "label", "revoked"],
            keys.iter().map(|key| {
                ["id", "label", "revoked"]
                    .map(|column| show::text(&key[column]))
                    .to_vec()
            }),
        );
    }
    Ok(())
}
