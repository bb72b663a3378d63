//! The admin API: operators' pages and the command line.

use std::sync::Arc;

use axum::Router;

use crate::node::Node;

pub fn router() -> Router<Arc<Node>> {
    Router::new()
}
