//! How each node is: its part, how far it has read, what it knows.
//!
//! **Not here:** who leads, which is the engine's, and what is measured, which is [`crate::metrics`]'.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    response::Response,
    routing::get,
};
use http_body_util::{BodyExt as _, Limited};
use paytone_domain::LEVEL;
use paytone_engine::Standing;
use serde::{Deserialize, Serialize};

use super::Peer;
use crate::{
    edge::json,
    metrics::{MayLook, NotReady, not_ready},
    node::Node,
};

const PATH: &str = "/cluster/status";
const PATIENCE: Duration = Duration::from_secs(3);
/// Longer than any node says of itself.
const LONGEST: usize = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Leads,
    Follows,
    /// It answers, and its engine has stopped.
    Stopped,
    /// It does not answer.
    Away,
}

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name among the nodes; nothing for a node on its own.
    pub node: String,
    pub part: Part,
    /// Whom it follows.
    pub leader: Option<String>,
    pub version: String,
    /// The newest level of events that its release knows.
    pub level: u32,
    pub epoch: u64,
    /// How far the journal is durable, as this node knows it.
    pub position: u64,
    /// How often its state was compared with the leader's, part by part, and after which position last.
    pub compared: u64,
    pub compared_at: u64,
    pub not_ready: Vec<NotReady>,
}

/// All nodes, as one of them sees them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterStatus {
    pub nodes: Vec<NodeStatus>,
}

impl NodeStatus {
    pub async fn of(node: &Node) -> Self {
        let not_ready = not_ready(node).await;
        let standing = node.engine.standing().borrow().clone();
        let (part, leader) = match standing {
            _ if not_ready.iter().any(NotReady::is_of_a_stopped_engine) => (Part::Stopped, None),
            Standing::Leads => (Part::Leads, None),
            Standing::Follows(leader) => (Part::Follows, leader.map(|name| name.to_string())),
        };
        let (compared, compared_at) = node.engine.compared();
        Self {
            node: node
                .cluster
                .as_ref()
                .map_or_else(String::new, |cluster| cluster.name.clone()),
            part,
            leader,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            level: LEVEL,
            epoch: node.engine.epoch(),
            position: *node.engine.position().borrow(),
            compared,
            compared_at,
            not_ready,
        }
    }

    fn away(name: &str) -> Self {
        Self {
            node: name.to_owned(),
            part: Part::Away,
            leader: None,
            version: String::new(),
            level: 0,
            epoch: 0,
            position: 0,
            compared: 0,
            compared_at: 0,
            not_ready: Vec::new(),
        }
    }
}

/// What peers alone may ask.
pub fn among_nodes(node: Arc<Node>) -> Router {
    let own = async |State(node): State<Arc<Node>>| {
        json::answer(StatusCode::OK, &NodeStatus::of(&node).await)
    };
    Router::new().route(PATH, get(own)).with_state(node)
}

/// Of the admin API: what this node and all others say.
pub fn admin() -> Router<Arc<Node>> {
    Router::new().route("/admin/api/cluster", get(all))
}

async fn all(_: MayLook, State(node): State<Arc<Node>>) -> Response {
    let own = NodeStatus::of(&node);
    let others = async {
        let peers = node.cluster.iter().flat_map(|cluster| &cluster.peers);
        let asked = peers.map(async |(name, peer)| {
            let said = tokio::time::timeout(PATIENCE, ask(peer)).await;
            said.ok()
                .flatten()
                .unwrap_or_else(|| NodeStatus::away(name))
        });
        futures_util::future::join_all(asked).await
    };
    let (own, mut nodes) = tokio::join!(own, others);
    nodes.push(own);
    nodes.sort_by(|one, other| one.node.cmp(&other.node));
    json::answer(StatusCode::OK, &ClusterStatus { nodes })
}

/// `None` if it does not answer, or is of a release that says less.
async fn ask(peer: &Peer) -> Option<NodeStatus> {
    let request = Request::get(format!("https://{}{PATH}", peer.address)).body(Body::empty());
    let answer = peer.client.request(request.ok()?).await.ok()?;
    if !answer.status().is_success() {
        return None;
    }
    let body = Limited::new(answer.into_body(), LONGEST).collect().await;
    serde_json::from_slice(&body.ok()?.to_bytes()).ok()
}
