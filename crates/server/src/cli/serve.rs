//! `paytone serve`

use std::path::PathBuf;

use super::Failure;
use crate::{
    config::Config,
    service::{Ended, Service},
};

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Settings of this node; without it every setting has its default
    #[arg(long, value_name = "FILE", env = "PAYTONE_CONFIG")]
    config: Option<PathBuf>,
    /// Log one JSON object per line
    #[arg(long)]
    log_json: bool,
}

pub async fn run(args: Args) -> Result<(), Failure> {
    super::log("info", args.log_json);
    let config = match &args.config {
        Some(path) => Config::read(path).map_err(Failure::new)?,
        None => Config::default(),
    };
    let mut service = Service::start(config, false).await.map_err(Failure::new)?;
    println!("paytone serves http://{}", service.address);
    println!(
        "admin socket {}",
        service.node.config.admin_socket().display()
    );
    let ended = service.wait().await;
    service.stop().await;
    match ended {
        Ended::Signal => Ok(()),
        Ended::Engine(reason) => Err(Failure::new(format_args!("the engine stopped: {reason:?}"))),
    }
}
