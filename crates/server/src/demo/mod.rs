//! The demo: a small believable world on an embedded store.

use std::{net::SocketAddr, path::PathBuf};

use crate::cli::Failure;

/// `paytone demo`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the demo keeps its stores and its keyring
    #[arg(long, value_name = "DIR", default_value = ".paytone/demo")]
    pub data: PathBuf,
    /// Where it listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8400")]
    pub listen: SocketAddr,
}

/// Runs until it is stopped.
pub async fn run(args: Args) -> Result<(), Failure> {
    let _ = args;
    Err(Failure::new("the demo world is not in this build"))
}
