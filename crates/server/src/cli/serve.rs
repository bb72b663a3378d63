//! `paytone serve`

use std::{path::PathBuf, sync::Arc};

use super::{Failure, say};
use paytone_engine::StopReason;

use crate::{
    cluster,
    config::Config,
    service::{Ended, Service},
    telemetry,
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
    let mut config = match &args.config {
        Some(path) => Config::read(path).map_err(Failure::new)?,
        None => Config::default(),
    };
    config.telemetry.log_json |= args.log_json;
    let telemetry = telemetry::start("info", &config.telemetry).map_err(Failure::new)?;
    let mut service = Service::start(config, false).await.map_err(Failure::new)?;
    say(&places(&service));
    let ended = service.wait().await;
    if let Ended::Engine(StopReason::WentBack(report)) = &ended {
        let kept = cluster::keep_report(&service.node.config, report);
        kept.map_err(|error| {
            Failure::new(format_args!(
                "{report}\nthis could not be written down: {error}"
            ))
        })?;
    }
    if let Ended::Engine(StopReason::Differs(report)) = &ended {
        differs(&mut service, report).await;
    }
    service.stop().await;
    // The last traces are sent by this runtime, so another thread waits for it.
    drop(tokio::task::spawn_blocking(move || telemetry.stop()).await);
    match ended {
        Ended::Signal => Ok(()),
        Ended::Engine(StopReason::WentBack(report)) => Err(Failure::new(report)),
        Ended::Engine(reason) => Err(Failure::new(why(&reason))),
    }
}

/// Where everything is, a line each.
fn places(service: &Service) -> String {
    let mut lines = vec![format!("paytone serves http://{}", service.address)];
    if let Some(cluster) = &service.node.cluster {
        lines.push(format!("node {} of {}", cluster.name, cluster.size()));
    }
    let socket = service.node.config.admin_socket();
    lines.push(format!("admin socket {}", socket.display()));
    if let Some(address) = service.metrics_address() {
        lines.push(format!("metrics http://{address}/metrics"));
    }
    for (link, address) in service.links() {
        lines.push(format!("tills {link} {address}"));
    }
    lines.join("\n") + "\n"
}

/// The node decides and answers nothing more, and says why for as long as it is let: whoever watches it must see that.
async fn differs(service: &mut Service, report: &str) {
    let node = Arc::clone(&service.node);
    if let Err(error) = cluster::keep_difference(&node.config, report) {
        tracing::error!(%error, "this could not be written down: {report}");
    }
    if let Some(cluster) = &node.cluster {
        // It stops once.
        let _ = cluster.differs.set(report.to_owned());
    }
    service.asked_to_stop().await;
}

/// For whoever is to put it right.
fn why(reason: &StopReason) -> String {
    match reason {
        StopReason::Asked => "the engine was asked to stop".to_owned(),
        StopReason::LostLead(why) => format!("another process writes this journal: {why}"),
        StopReason::WentBack(report) | StopReason::Differs(report) => report.clone(),
        StopReason::JournalBroken(why) => format!(
            "the journal failed, and nothing more is answered: {why}. What was answered is in it. Put the disk or the database right, \
             then start the node again"
        ),
        StopReason::Panicked => {
            "the engine found a mistake of its own and stopped; what is in the journal is sound"
                .to_owned()
        }
    }
}
