//! Waits for a look back and shows how far it got.

use std::time::Duration;

use hyper::Method;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::{Failure, client::Client, show};

const BETWEEN: Duration = Duration::from_millis(100);

/// Begins it, follows it to its end, and answers what it found. Ctrl-C ends it on the server too.
pub async fn run(client: &Client, asked: &Value) -> Result<Value, Failure> {
    let begun = client.post("/look-backs", asked).await?;
    follow(client, &begun).await
}

/// Follows one that was begun.
pub async fn follow(client: &Client, begun: &Value) -> Result<Value, Failure> {
    tokio::select! {
        outcome = wait(client, begun) => outcome,
        _ = tokio::signal::ctrl_c() => {
            client.ask(Method::DELETE, &path(begun)?, None).await?;
            Err(Failure::new("stopped"))
        }
    }
}

fn path(begun: &Value) -> Result<String, Failure> {
    Ok(format!("/look-backs/{}", show::word(begun, "id")?))
}

/// Follows one to its end, which comes even if nobody waits for it any more.
pub async fn wait(client: &Client, begun: &Value) -> Result<Value, Failure> {
    let path = path(begun)?;
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("replaying {wide_bar} {pos}/{len} rows, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    loop {
        let seen = client.get(&path).await?;
        if seen["state"] == "done" {
            bar.finish_and_clear();
            return Ok(seen["answer"].clone());
        }
        bar.set_length(show::count(&seen, "rows_in_all")?);
        bar.set_position(show::count(&seen, "rows")?);
        tokio::time::sleep(BETWEEN).await;
    }
}
