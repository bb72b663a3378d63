//! `paytone bench`

use super::Failure;

#[derive(clap::Subcommand, Debug)]
pub enum Args {
    /// Payments over real HTTP on loopback, next to a do-nothing endpoint of the same server
    Http(crate::bench::Args),
    /// Taps over one ISO 8583 link, cryptograms verified
    Till(crate::bench::till::Args),
    /// A start: a snapshot loaded, the rows after it replayed
    Start(crate::bench::start::Args),
    /// Payments through the engine alone, in process, with a journal on disk
    Engine(crate::bench::engine::Args),
    /// The engine and its archive, the longer the journal gets
    History(crate::bench::history::Args),
}

pub async fn run(args: Args) -> Result<(), Failure> {
    super::log("warn", false);
    match args {
        Args::Http(args) => crate::bench::run(args).await.map_err(Failure::new),
        Args::Till(args) => crate::bench::till::run(args).await.map_err(Failure::new),
        Args::Start(args) => crate::bench::start::run(args).await.map_err(Failure::new),
        Args::Engine(args) => crate::bench::engine::run(args).await.map_err(Failure::new),
        Args::History(args) => crate::bench::history::run(args).await.map_err(Failure::new),
    }
}
