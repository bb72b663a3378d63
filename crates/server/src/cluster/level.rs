//! Which events the other nodes can read.
//!
//! **Not here:** when a level is activated, which is [`crate::workers`]' affair.

use std::time::Duration;

use axum::{Router, body::Body, extract::Request, routing::get};
use http_body_util::{BodyExt as _, Limited};
use paytone_domain::LEVEL;

use super::{Cluster, Peer};

const PATH: &str = "/cluster/level";
const PATIENCE: Duration = Duration::from_secs(3);
/// A number is no longer.
const LONGEST: usize = 16;

/// What peers alone may ask: the newest level that this release knows.
pub fn route() -> Router {
    Router::new().route(PATH, get(|| async { LEVEL.to_string() }))
}

impl Cluster {
    /// Whether every other node is there and knows `level`. One that is away may know less.
    pub async fn all_know(&self, level: u32) -> bool {
        for peer in self.peers.values() {
            let asked = tokio::time::timeout(PATIENCE, ask(peer)).await;
            if asked.ok().flatten().is_none_or(|known| known < level) {
                return false;
            }
        }
        true
    }
}

/// `None` if it does not answer, or is of a release that did not know levels yet.
async fn ask(peer: &Peer) -> Option<u32> {
    let request = Request::get(format!("https://{}{PATH}", peer.address)).body(Body::empty());
    let answer = peer.client.request(request.ok()?).await.ok()?;
    if !answer.status().is_success() {
        return None;
    }
    let body = Limited::new(answer.into_body(), LONGEST).collect().await;
    std::str::from_utf8(&body.ok()?.to_bytes())
        .ok()?
        .parse()
        .ok()
}
