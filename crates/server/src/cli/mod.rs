//! The command line, one file per command.
//!
//! What works on a running server goes through its admin API: by the local socket, or by `--server URL`.

mod config;
mod demo;
mod failure;
mod keyring;
mod serve;
mod stand_in_bank;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

pub use failure::Failure;

/// A phone number is a payment account.
#[derive(Parser, Debug)]
#[command(name = "paytone", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Start everything with a small believable world to try
    Demo(crate::demo::Args),
    /// Run a node
    Serve(serve::Args),
    /// Print every setting of a node with a comment and its default
    Config,
    /// The secrets outside every database
    Keyring(keyring::Args),
    /// Run a bank that delays, refuses, loses answers and succeeds late on demand
    StandInBank(crate::workers::stand_in_bank::Args),
}

/// Runs one command. Exit code 1: it failed; 2: it was called wrongly.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("paytone: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.text.is_empty() {
                eprintln!("paytone: {failure}");
            }
            ExitCode::from(failure.exit)
        }
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Config => config::run(),
        Command::Keyring(args) => keyring::run(args),
        Command::StandInBank(args) => stand_in_bank::run(args).await,
    }
}

/// Logs go to standard error, as `RUST_LOG` says.
fn log(default: &str, json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Somebody may have set one up already: a test.
    let _ = if json {
        builder.json().try_init()
    } else {
        builder.try_init()
    };
}
