//! `paytone cluster`

use std::path::PathBuf;

use clap::Subcommand;

use super::Failure;
use crate::cluster::certificates;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make an authority and a certificate per node, for those who have no authority of their own
    Certificates {
        /// Folder to write to: `authority.pem`, and `NAME.pem` and `NAME.key` for each node
        #[arg(long, value_name = "FOLDER", default_value = "paytone-cluster")]
        out: PathBuf,
        /// The nodes' names, as in `cluster.name`
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
}

pub fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Certificates { out, names } => {
            certificates::make(&out, &names).map_err(Failure::new)?;
            println!(
                "certificates for {} are in {}",
                names.join(", "),
                out.display()
            );
            println!("Give each node its own key, its own certificate and authority.pem.");
        }
    }
    Ok(())
}
