//! The command line, one file per command.
//!
//! What works on a running server goes through its admin API: by the local socket, or by `--server URL`.

mod archive;
mod backup;
mod bench;
mod chunks;
mod client;
mod cluster;
mod config;
mod demo;
mod failure;
mod import;
mod journal;
mod keyring;
mod look_back;
mod merchant;
mod operator;
mod payment;
mod proof;
mod replay;
mod rules;
mod serve;
mod show;
mod snapshot;
mod stand_in_bank;
mod store;
mod subscriber;
mod till;
mod token;
mod top;
mod verify;
mod views;
mod worklist;

use std::{io::Write as _, process::ExitCode};

use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

pub use failure::Failure;

use crate::telemetry::logs;

/// To whoever started a server. That nobody reads it any more does not end the server.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

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
    /// Measure this machine, with durability on
    #[command(subcommand)]
    Bench(bench::Args),
    /// Print every setting of a node with a comment and its default
    Config,
    /// Several nodes on one journal
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// Where a node's stores are, when that is PostgreSQL
    #[command(subcommand)]
    Store(store::Command),
    /// The secrets outside every database
    Keyring(keyring::Args),
    /// Run a bank that delays, refuses, loses answers and succeeds late on demand
    StandInBank(crate::workers::stand_in_bank::Args),
    /// Watch the running node: payments, times, queue, views, webhooks, memory
    Top(On<top::Args>),
    /// Open a session; its token is kept for the next commands
    SignIn(On<operator::SignIn>),
    /// Forget the session's token
    SignOut(client::Reach),
    /// Users of the operator
    Operator(Of<operator::Command>),
    /// Who is paid
    Merchant(Of<merchant::Command>),
    /// Card numbers of the operator's own range, in subscribers' phones
    Token(Of<token::Command>),
    /// Stores, terminals and the issuer's keys; and a terminal and a phone to play with
    Till(Of<till::Command>),
    /// The people behind the numbers
    Subscriber(Of<subscriber::Command>),
    /// Bring in lines and balances from files
    Import(Of<import::Command>),
    /// Payments
    Payment(Of<payment::Command>),
    /// Limits and vetoes, journaled and versioned
    Rules(Of<rules::Command>),
    /// What a period would have been under other limits, vetoes or fees, from the journal
    Replay(On<replay::Args>),
    /// What anybody can check a payment's entries by, as JSON
    Proof(On<proof::Args>),
    /// What waits for a person
    Worklist(client::Reach),
    /// Approve what somebody else proposed
    Approve(On<Proposal>),
    /// Reject what somebody proposed, or take it back
    Reject(On<Proposal>),
    /// Put money on a subscriber's balance or take it away, with a reason and a second person
    Adjust(On<subscriber::Adjust>),
    /// Replay the journal, check its chain, make every balance again in a second way, and compare
    Verify(client::Reach),
    /// Copy journal and subject keys beside a running server, and check the copy
    Backup(On<backup::BackUp>),
    /// Bring a backup back, whole or to a moment, and verify it; who was erased stays erased
    Restore(On<backup::Restore>),
    /// Write the state down beside the running engine, so that the next start is short
    Snapshot(client::Reach),
    /// Rows of the journal that are old
    Journal(Of<journal::Command>),
    /// SQL tables derived from the journal
    Views(Of<views::Command>),
    /// Payments that have left the engine's memory
    Archive(Of<archive::Command>),
    /// Money that the outside world would not take back
    Effect(Of<worklist::Effect>),
}

/// A command with arguments that goes to a running server.
#[derive(clap::Args, Debug)]
struct On<A: clap::Args> {
    #[command(flatten)]
    reach: client::Reach,
    #[command(flatten)]
    args: A,
}

/// A command with commands of its own that go to a running server.
#[derive(clap::Args, Debug)]
struct Of<C: Subcommand> {
    #[command(flatten)]
    reach: client::Reach,
    #[command(subcommand)]
    command: C,
}

#[derive(clap::Args, Debug)]
struct Proposal {
    /// As `paytone worklist` shows it
    proposal: String,
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
        Command::Bench(args) => bench::run(args).await,
        Command::Config => config::run(),
        Command::Cluster(command) => cluster::run(command).await,
        Command::Store(command) => store::run(command),
        Command::Keyring(args) => keyring::run(args),
        Command::StandInBank(args) => stand_in_bank::run(args).await,
        Command::Top(on) => top::run(&on.reach, on.args).await,
        Command::SignIn(on) => operator::sign_in(&on.reach, on.args).await,
        Command::SignOut(reach) => operator::sign_out(&reach).await,
        Command::Operator(of) => operator::run(&of.reach, of.command).await,
        Command::Merchant(of) => merchant::run(&of.reach, of.command).await,
        Command::Token(of) => token::run(&of.reach, of.command).await,
        Command::Till(of) => till::run(&of.reach, of.command).await,
        Command::Subscriber(of) => subscriber::run(&of.reach, of.command).await,
        Command::Import(of) => import::run(&of.reach, of.command).await,
        Command::Payment(of) => payment::run(&of.reach, of.command).await,
        Command::Rules(of) => rules::run(&of.reach, of.command).await,
        Command::Replay(on) => replay::run(&on.reach, on.args).await,
        Command::Proof(on) => proof::run(&on.reach, on.args).await,
        Command::Worklist(reach) => worklist::list(&reach).await,
        Command::Approve(on) => worklist::decide(&on.reach, &on.args.proposal, true).await,
        Command::Reject(on) => worklist::decide(&on.reach, &on.args.proposal, false).await,
        Command::Adjust(on) => subscriber::adjust(&on.reach, on.args).await,
        Command::Verify(reach) => verify::run(&reach).await,
        Command::Backup(on) => backup::back_up(&on.reach, on.args).await,
        Command::Restore(on) => backup::restore(&on.reach, on.args).await,
        Command::Snapshot(reach) => snapshot::run(&reach).await,
        Command::Journal(of) => journal::run(&of.reach, of.command).await,
        Command::Views(of) => views::run(&of.reach, of.command).await,
        Command::Archive(of) => archive::run(&of.reach, of.command).await,
        Command::Effect(of) => worklist::effect(&of.reach, of.command).await,
    }
}

/// How far the rows of a journal have been gone through.
fn rows_bar() -> ProgressBar {
    ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{wide_bar} {pos}/{len} rows, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}

/// Logs go to standard error, as `RUST_LOG` says.
fn log(default: &str, json: bool) {
    use tracing_subscriber::{Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};
    let lines = logs::layer(json).with_filter(logs::filter(default));
    // Somebody may have set one up already: a test.
    let _ = tracing_subscriber::registry().with(lines).try_init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn every_command_has_arguments_that_do_not_stand_in_each_others_way() {
        Cli::command().debug_assert();
    }
}
