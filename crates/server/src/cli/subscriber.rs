//! `paytone subscriber`, `paytone adjust`

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    Failure,
    client::{Reach, segment},
    look_back, show,
};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Look at a subscriber; it is recorded who looked
    Show {
        /// Number or id
        who: String,
        /// As it was at a moment such as 2026-11-23T06:15:32Z, replayed from the journal; a number is whoever held it then
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// Stop a subscriber's payments at once
    Block { who: String },
    /// Let a subscriber pay again
    Unblock { who: String },
    /// Give all PIN tries back
    UnlockPin { who: String },
    /// After a check of identity: no PIN and no phones, as before the first enrolment
    ResetPhone { who: String },
    /// Make name and number unreadable for ever; the books stay
    Erase { who: String },
}

pub async fn run(reach: &Reach, command: Command) -> Result<(), Failure> {
    let client = reach.client()?;
    let (who, action, what) = match command {
        Command::Show { who, at } => {
            let person = match at {
                None => {
                    let path = format!("/subscribers/{}", segment(&who));
                    client.get(&path).await?
                }
                Some(at) => look_back::run(&client, &json!({"subscriber": who, "at": at})).await?,
            };
            return print(reach.json, &person);
        }
        Command::Block { who } => (who, "block", "subscriber blocked"),
        Command::Unblock { who } => (who, "unblock", "subscriber unblocked"),
        Command::UnlockPin { who } => (who, "unlock-pin", "PIN unlocked"),
        Command::ResetPhone { who } => (who, "reset-phone", "phone reset"),
        Command::Erase { who } => (who, "erase", "subscriber erased"),
    };
    let path = format!("/subscribers/{}/{action}", segment(&who));
    let answer = client.post(&path, &json!({})).await?;
    show::outcome(reach.json, &answer, what)?;
    Ok(())
}

fn print(json: bool, person: &Value) -> Result<(), Failure> {
    if show::as_json(json, person) {
        return Ok(());
    }
    show::facts(&[
        ("as of", &person["as_of"]["at"]),
        ("id", &person["id"]),
        ("status", &person["status"]),
        ("number", &person["number"]),
        ("name", &person["name"]),
        ("birth date", &person["birth_date"]),
        ("line", &person["line"]["status"]),
        ("contract", &person["line"]["plan"]),
        ("activated", &person["line"]["activated_on"]),
        ("SIM changed", &person["line"]["sim_changed_on"]),
        ("device changed", &person["line"]["device_changed_on"]),
        ("known as of", &person["line"]["known_at"]),
        ("currency", &person["currency"]),
        ("available", &person["balance"]["available"]),
        ("held", &person["balance"]["held"]),
        ("unclaimed", &person["unclaimed"]),
        ("bill used", &person["bill"]["used"]),
        ("bill limit", &person["bill"]["limit"]),
        ("bank account", &person["bank"]),
        ("PIN set", &person["pin"]["set"]),
        ("PIN locked", &person["pin"]["locked"]),
        ("PIN tries left", &person["pin"]["tries_left"]),
    ]);
    let grants = show::list(person, "grants")?;
    if !grants.is_empty() {
        show::table(
            &["grant", "available", "held", "expires"],
            grants.iter().map(|grant| {
                ["label", "available", "held", "expires_at"]
                    .map(|column| show::text(&grant[column]))
                    .to_vec()
            }),
        );
    }
    let devices = show::list(person, "devices")?;
    if !devices.is_empty() {
        show::table(
            &["device", "status", "since", "id"],
            devices.iter().map(|device| {
                ["label", "status", "created_at", "id"]
                    .map(|column| show::text(&device[column]))
                    .to_vec()
            }),
        );
    }
    super::payment::table(show::list(person, "payments")?);
    Ok(())
}

#[derive(clap::Args, Debug)]
pub struct Adjust {
    /// Number or id
    who: String,
    /// Decimal amount; a minus takes away
    #[arg(allow_negative_numbers = true)]
    amount: String,
    /// Why, kept with the entry
    #[arg(long)]
    reason: String,
}

pub async fn adjust(reach: &Reach, args: Adjust) -> Result<(), Failure> {
    let path = format!("/subscribers/{}/adjust", segment(&args.who));
    let body = json!({"amount": args.amount, "reason": args.reason});
    let answer = reach.client()?.post(&path, &body).await?;
    show::outcome(reach.json, &answer, &format!("adjusted by {}", args.amount))?;
    Ok(())
}
