//! The admin API: operators' pages and the command line.
//!
//! It is served over HTTP beside the other APIs and on a local socket that only the owner of the process can open.

mod erasure;
mod socket;

use std::sync::Arc;

use axum::Router;

pub use erasure::erase_again;
pub use socket::Socket;

use crate::node::Node;

pub fn router() -> Router<Arc<Node>> {
    Router::new()
}

/// Marks requests that came by the local socket: from the person at the machine.
#[derive(Clone, Copy, Debug)]
pub struct AtTheMachine;
