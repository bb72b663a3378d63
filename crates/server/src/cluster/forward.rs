//! Which requests a node answers itself, and how it sends the others on to the one that leads.
//!
//! ```text
//!   reads ──▶ wait for Paytone-Position ──▶ own state ── it would have to decide ─┐
//!   writes ─────────────────────────────────────────────────────────────────────┴─▶ leader, with the same bytes
//! ```
//! What an answer that was sent on rests on, this node has read before it gives the answer back: so its own next reads show it.
//! A leader that loses its lead meanwhile is not waited for; the client asks again with the same key.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use paytone_engine::Standing;

use super::{Cluster, Peer};
use crate::{
    admin::AtTheMachine,
    edge::{
        position,
        problem::{NotLeading, Problem},
    },
    node::Node,
};

/// How a request reached the node that sends it on; heard from nodes alone.
pub const VIA: HeaderName = HeaderName::from_static("paytone-via");
pub const SOCKET: &str = "socket";
const HTTP: &str = "http";

/// How long a read waits for the position it names.
const READ_PATIENCE: Duration = Duration::from_secs(3);
/// How long an answer is held back until this node has read what it rests on.
const ECHO_PATIENCE: Duration = Duration::from_secs(1);

/// Concern one connection alone, or would name another sender.
const NOT_SENT_ON: &[&str] = &[
    "connection",
    "expect",
    "keep-alive",
    "paytone-via",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Marks requests that another node sent on.
#[derive(Clone, Copy, Debug)]
pub struct FromPeer;

/// Answers here or sends on.
pub async fn route(State(node): State<Arc<Node>>, request: Request, next: Next) -> Response {
    let Some(cluster) = &node.cluster else {
        return next.run(request).await;
    };
    if request.extensions().get::<FromPeer>().is_some() {
        return next.run(request).await;
    }
    if is_read(request.method()) {
        if let Err(problem) = wait_for(&node, request.headers()).await {
            return problem.into_response();
        }
        let copy = copy_of(&request);
        let response = next.run(request).await;
        if response.extensions().get::<NotLeading>().is_none() {
            return response;
        }
        return send_on(&node, cluster, copy).await;
    }
    if *node.engine.standing().borrow() == Standing::Leads {
        return next.run(request).await;
    }
    send_on(&node, cluster, request).await
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Reads have no body.
fn copy_of(request: &Request) -> Request {
    let mut copy = Request::new(Body::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    if request.extensions().get::<AtTheMachine>().is_some() {
        copy.extensions_mut().insert(AtTheMachine);
    }
    copy
}

/// A read that presents a position waits until this node is there.
async fn wait_for(node: &Node, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(asked) = position::asked(headers, node) else {
        return Ok(());
    };
    if reached(node, asked, READ_PATIENCE).await {
        return Ok(());
    }
    Err(Problem {
        retry_after_s: Some(1),
        ..Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "position_not_reached",
            "this node has not read that position yet; try again",
        )
    })
}

/// Whether this node reads up to `position` in time.
pub async fn reached(node: &Node, position: u64, patience: Duration) -> bool {
    let mut seen = node.engine.position();
    if *seen.borrow() >= position {
        return true;
    }
    node.engine.hurry();
    let reached = seen.wait_for(|now| *now >= position);
    matches!(tokio::time::timeout(patience, reached).await, Ok(Ok(_)))
}

async fn send_on(node: &Node, cluster: &Cluster, request: Request) -> Response {
    let mut standing = node.engine.standing();
    let now = standing.borrow_and_update().clone();
    let Standing::Follows(Some(leader)) = &now else {
        return nobody_leads().into_response();
    };
    let Some(peer) = cluster.peers.get(&**leader) else {
        return nobody_leads().into_response();
    };
    let patience = Duration::from_secs(node.config.limits.request_seconds);
    let answer = tokio::select! {
        answer = tokio::time::timeout(patience, exchange(node, peer, request)) => answer.ok().flatten(),
        // It hangs, or is gone: what became of the request is told by asking again.
        _ = standing.wait_for(|standing| *standing != now) => None,
    };
    answer.unwrap_or_else(|| unknown().into_response())
}

/// `None` if no whole head of an answer came.
async fn exchange(node: &Node, peer: &Peer, request: Request) -> Option<Response> {
    let (mut head, body) = request.into_parts();
    let path = head.uri.path_and_query()?.as_str();
    head.uri = format!("https://{}{path}", peer.address)
        .parse::<Uri>()
        .ok()?;
    let via = if head.extensions.get::<AtTheMachine>().is_some() {
        SOCKET
    } else {
        HTTP
    };
    for name in NOT_SENT_ON {
        head.headers.remove(*name);
    }
    head.headers.insert(VIA, HeaderValue::from_static(via));
    head.extensions.clear();
    if !head.headers.contains_key(header::HOST) {
        let host = HeaderValue::from_str(&peer.address).ok()?;
        head.headers.insert(header::HOST, host);
    }
    let answer = match peer.client.request(Request::from_parts(head, body)).await {
        Ok(answer) => answer,
        Err(error) => {
            // The client is told; while a leader is gone there are as many as requests.
            tracing::debug!(%error, "a request could not be sent on");
            return None;
        }
    };
    let (mut head, body) = answer.into_parts();
    for name in NOT_SENT_ON {
        head.headers.remove(*name);
    }
    if let Some(position) = position::asked(&head.headers, node) {
        // If it takes too long, the client still has the position to ask with.
        reached(node, position, ECHO_PATIENCE).await;
    }
    Some(Response::from_parts(head, Body::new(body)))
}

fn nobody_leads() -> Problem {
    Problem {
        retry_after_s: Some(1),
        ..Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "no_leader",
            "no node leads at the moment; nothing was done; try again",
        )
    }
}

fn unknown() -> Problem {
    Problem {
        retry_after_s: Some(1),
        ..Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "leader_lost",
            "the node that leads did not answer; try again with the same key",
        )
    }
}
