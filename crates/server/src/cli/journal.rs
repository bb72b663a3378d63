//! `paytone journal`

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Failure, client::Reach, look_back, show};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Export rows of before a moment into files, check these, and take the rows out
    Trim {
        /// Such as 2026-11-23T06:15:32Z; without it what `journal.keep_days` says
        #[arg(long, value_name = "TIME")]
        before: Option<String>,
    },
}

pub async fn run(reach: &Reach, command: Command) -> Result<(), Failure> {
    let Command::Trim { before } = command;
    let client = reach.client()?;
    let asked = match before {
        Some(before) => json!({"before": before}),
        None => json!({}),
    };
    let begun = client.post("/journal/trims", &asked).await?;
    let done = look_back::wait(&client, &begun).await?;
    if show::as_json(reach.json, &done) {
        return Ok(());
    }
    println!(
        "{} rows exported, {} taken out; the journal begins after row {}",
        done["exported"], done["removed"], done["through"]
    );
    for file in show::list(&done, "files")? {
        println!("{}", show::text(file));
    }
    if let Value::String(who) = &done["held_by"] {
        println!("More is old enough and stays, since it is not behind these yet: {who}");
    }
    Ok(())
}
