//! `paytone top`

use std::{io::Write as _, time::Duration};

use super::{
    Failure,
    client::{Client, Reach},
};
use crate::{
    metrics::Reading,
    top::{History, screen, text},
};

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Print one frame as text and exit
    #[arg(long)]
    once: bool,
    /// Seconds from one look to the next
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=60))]
    interval: u64,
}

async fn look(client: &Client) -> Result<Reading, Failure> {
    let value = client.get("/status").await?;
    serde_json::from_value(value)
        .map_err(|error| Failure::doing("the server is of another release", error))
}

pub async fn run(reach: &Reach, args: Args) -> Result<(), Failure> {
    let client = reach.client()?;
    let pause = Duration::from_secs(args.interval);
    let mut history = History::default();
    history.take(look(&client).await?);
    if args.once || reach.json {
        loop {
            // What happens in a second is known after two looks.
            tokio::time::sleep(pause).await;
            history.take(look(&client).await?);
            let Some(view) = history.view() else { continue };
            let shown = if reach.json {
                format!("{}\n", view.json())
            } else {
                text(&view)
            };
            // A closed pipe, as of `head`, is not a fault.
            if std::io::stdout().write_all(shown.as_bytes()).is_err() {
                return Ok(());
            }
            if args.once {
                return Ok(());
            }
        }
    }
    let mut screen =
        screen::Screen::open().map_err(|error| Failure::doing("no terminal", error))?;
    loop {
        screen
            .draw(&history)
            .map_err(|error| Failure::doing("the terminal", error))?;
        if screen.quits_within(pause).await {
            return Ok(());
        }
        match look(&client).await {
            Ok(reading) => history.take(reading),
            // It may be on its way back: a restart.
            Err(failure) => history.lost(failure.to_string()),
        }
    }
}
