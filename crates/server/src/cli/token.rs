//! `paytone token`

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    Failure,
    client::{Reach, segment},
    show,
};
use crate::pos::player::PhoneFile;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Issue a token for a number; what the phone needs is shown once
    Issue {
        /// Number or id
        who: String,
        #[command(flatten)]
        to: To,
    },
    /// A subscriber's tokens
    List {
        /// Number or id
        who: String,
    },
    /// Stop a token at once
    Suspend { token: String },
    /// Let a suspended token pay again
    Resume { token: String },
    /// End a token and issue another one for the same subscriber
    Replace {
        token: String,
        #[command(flatten)]
        to: To,
    },
    /// End a token for good
    End { token: String },
}

#[derive(clap::Args, Debug)]
pub struct To {
    /// Where what the phone needs is written, readable by you alone; printed if left out
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub async fn run(reach: &Reach, command: Command) -> Result<(), Failure> {
    let client = reach.client()?;
    let json = reach.json;
    let (path, to) = match command {
        Command::List { who } => {
            let path = format!("/subscribers/{}/tokens", segment(&who));
            return list(json, &client.get(&path).await?);
        }
        Command::Issue { who, to } => (format!("/subscribers/{}/tokens", segment(&who)), Some(to)),
        Command::Replace { token, to } => {
            (format!("/tokens/{}/replace", segment(&token)), Some(to))
        }
        Command::Suspend { token } => (format!("/tokens/{}/suspend", segment(&token)), None),
        Command::Resume { token } => (format!("/tokens/{}/resume", segment(&token)), None),
        Command::End { token } => (format!("/tokens/{}/end", segment(&token)), None),
    };
    let mut answer = client.post(&path, &json!({})).await?;
    let Some(to) = to else {
        show::outcome(json, &answer, "done")?;
        return Ok(());
    };
    if let Some(path) = &to.file {
        let phone: PhoneFile = serde_json::from_value(answer["phone"].take())
            .map_err(|error| Failure::doing("reading what the phone needs", error))?;
        phone.write(path).map_err(Failure::new)?;
        if let Some(members) = answer.as_object_mut() {
            members.remove("phone");
        }
    }
    let id = show::text(&answer["token"]);
    show::outcome(json, &answer, &format!("token {id}"))?;
    match &to.file {
        Some(path) => println!("what the phone needs is in {}", path.display()),
        None if !json => println!("{}", answer["phone"]),
        None => {}
    }
    Ok(())
}

fn list(json: bool, answer: &Value) -> Result<(), Failure> {
    if show::as_json(json, answer) {
        return Ok(());
    }
    let rows = show::list(answer, "data")?;
    show::table(
        &[
            "token",
            "status",
            "why",
            "expires",
            "taps counted to",
            "issued",
        ],
        rows.iter().map(|token| {
            ["id", "status", "why", "expires", "counter", "issued_at"]
                .map(|column| show::text(&token[column]))
                .to_vec()
        }),
    );
    Ok(())
}
