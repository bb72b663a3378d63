//! `paytone cluster`

use std::path::PathBuf;

use clap::Subcommand;

use super::{Failure, client::Reach, show};
use crate::cluster::{
    certificates,
    status::{ClusterStatus, Part},
};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// How each node is: its part, how far it has read, its release, how often its state was compared with the leader's
    Status(Reach),
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

pub async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Status(reach) => status(&reach).await?,
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

async fn status(reach: &Reach) -> Result<(), Failure> {
    let answer = reach.client()?.get("/cluster").await?;
    if show::as_json(reach.json, &answer) {
        return Ok(());
    }
    let status: ClusterStatus = serde_json::from_value(answer)
        .map_err(|error| Failure::doing("the server is of another release", error))?;
    let newest = status.nodes.iter().map(|node| node.position).max();
    let headings = [
        "node",
        "part",
        "epoch",
        "position",
        "behind",
        "release",
        "level",
        "compared",
        "not ready",
    ];
    let rows = status.nodes.iter().map(|node| {
        let part = match (node.part, &node.leader) {
            (Part::Leads, _) => "leads".to_owned(),
            (Part::Follows, Some(leader)) => format!("follows {leader}"),
            (Part::Follows, None) => "follows nobody".to_owned(),
            (Part::Stopped, _) => "stopped".to_owned(),
            (Part::Away, _) => "does not answer".to_owned(),
        };
        if node.part == Part::Away {
            return vec![node.node.clone(), part];
        }
        let behind = newest.unwrap_or_default().saturating_sub(node.position);
        let compared = match node.compared {
            0 => "not yet".to_owned(),
            times => format!("{times} times, last at {}", node.compared_at),
        };
        let reasons = node.not_ready.iter();
        let reasons: Vec<_> = reasons
            .map(|reason| format!("{}: {}", reason.part, reason.why))
            .collect();
        vec![
            node.node.clone(),
            part,
            node.epoch.to_string(),
            node.position.to_string(),
            behind.to_string(),
            node.version.clone(),
            node.level.to_string(),
            compared,
            reasons.join("; "),
        ]
    });
    show::table(&headings, rows);
    Ok(())
}
