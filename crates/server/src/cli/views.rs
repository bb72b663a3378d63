//! `paytone views`

use clap::Subcommand;

use super::{Failure, client::Reach, rows_bar};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Drop the views and make them again from the journal; the server must not be running
    Rebuild,
}

pub async fn run(reach: &Reach, command: Command) -> Result<(), Failure> {
    let config = reach.settings()?;
    match command {
        Command::Rebuild => {
            let bar = rows_bar();
            let reached = crate::views::rebuild(&config, |done, all| {
                bar.set_length(all);
                bar.set_position(done);
            })
            .await
            .map_err(Failure::new)?;
            bar.finish_and_clear();
            println!("views rebuilt up to position {reached}");
        }
    }
    Ok(())
}
