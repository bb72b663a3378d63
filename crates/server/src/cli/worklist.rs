//! `paytone worklist`, `paytone approve`, `paytone reject`, `paytone effect`

use clap::Subcommand;
use serde_json::json;

use super::{
    Failure,
    client::{Reach, segment},
    show,
};

pub async fn list(reach: &Reach) -> Result<(), Failure> {
    let answer = reach.client()?.get("/worklist").await?;
    if show::as_json(reach.json, &answer) {
        return Ok(());
    }
    let rows = show::list(&answer, "data")?;
    if rows.is_empty() {
        println!("Nothing waits for a person.");
        return Ok(());
    }
    show::table(
        &["id", "since", "what"],
        rows.iter().map(|row| {
            ["id", "at", "detail"]
                .map(|column| show::text(&row[column]))
                .to_vec()
        }),
    );
    Ok(())
}

/// Approves or rejects a proposal.
pub async fn decide(reach: &Reach, proposal: &str, approve: bool) -> Result<(), Failure> {
    let verb = if approve { "approve" } else { "reject" };
    let path = format!("/proposals/{}/{verb}", segment(proposal));
    let answer = reach.client()?.post(&path, &json!({})).await?;
    show::outcome(reach.json, &answer, proposal)?;
    Ok(())
}

#[derive(Subcommand, Debug)]
pub enum Effect {
    /// Try once more to give the money back
    Repeat { effect: String },
    /// Put the money on the payer's balance instead
    ToBalance { effect: String },
}

pub async fn effect(reach: &Reach, command: Effect) -> Result<(), Failure> {
    let (effect, action) = match command {
        Effect::Repeat { effect } => (effect, "repeat"),
        Effect::ToBalance { effect } => (effect, "to-balance"),
    };
    let path = format!("/effects/{}/{action}", segment(&effect));
    let answer = reach.client()?.post(&path, &json!({})).await?;
    show::outcome(reach.json, &answer, &format!("{effect} {action}"))?;
    Ok(())
}
