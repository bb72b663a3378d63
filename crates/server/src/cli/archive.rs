//! `paytone archive`

use clap::Subcommand;

use super::{Failure, client::Reach, rows_bar};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Empty the archive and make it again from the journal; the server must not be running
    Rebuild,
}

pub async fn run(reach: &Reach, command: Command) -> Result<(), Failure> {
    let config = reach.settings()?;
    match command {
        Command::Rebuild => {
            let bar = rows_bar();
            let copies = crate::archive::rebuild(&config, |done, all| {
                bar.set_length(all);
                bar.set_position(done);
            })
            .await
            .map_err(Failure::new)?;
            bar.finish_and_clear();
            println!("archive rebuilt: {copies} payments");
        }
    }
    Ok(())
}
