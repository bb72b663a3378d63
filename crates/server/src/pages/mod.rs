//! The pages people use, embedded in the binary.

use std::sync::Arc;

use axum::Router;

use crate::node::Node;

pub fn router() -> Router<Arc<Node>> {
    Router::new()
}
