//! `paytone proof`

use serde_json::json;

use super::{Failure, client::Reach, look_back};

#[derive(clap::Args, Debug)]
pub struct Args {
    /// The payment whose entries are proven
    payment: String,
}

/// Prints the proofs as JSON, whatever else is asked: it is for a program to check.
pub async fn run(reach: &Reach, args: Args) -> Result<(), Failure> {
    let client = reach.client()?;
    let begun = client
        .post("/proofs", &json!({"payment": args.payment}))
        .await?;
    let proofs = look_back::follow(&client, &begun).await?;
    println!("{proofs:#}");
    Ok(())
}
