//! `paytone serve`

use std::path::PathBuf;

use super::Failure;
use paytone_engine::StopReason;

use crate::{
    cluster,
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
    if let Some(cluster) = &service.node.cluster {
        println!("node {} of {}", cluster.name, cluster.size());
    }
    println!(
        "admin socket {}",
        service.node.config.admin_socket().display()
    );
    let ended = service.wait().await;
    if let Ended::Engine(StopReason::WentBack(report)) = &ended {
        let kept = cluster::keep_report(&service.node.config, report);
        kept.map_err(|error| {
            Failure::new(format_args!(
                "{report}\nthis could not be written down: {error}"
            ))
        })?;
    }
    service.stop().await;
    match ended {
        Ended::Signal => Ok(()),
        Ended::Engine(StopReason::WentBack(report)) => Err(Failure::new(report)),
        Ended::Engine(reason) => Err(Failure::new(format_args!("the engine stopped: {reason:?}"))),
    }
}
