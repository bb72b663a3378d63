//! The journal position that an answer rests on: told with every answer, and taken back with a later read.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue},
    response::Response,
};

use crate::node::Node;

pub const HEADER: HeaderName = HeaderName::from_static("paytone-position");

/// Adds the position to an answer.
pub fn stamp(mut response: Response, node: &Node, position: u64) -> Response {
    if let Ok(value) = HeaderValue::from_str(&node.ids.encode("pos", position)) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

/// The position that a request wants to be reached before it is answered; one that is not ours asks for nothing.
pub fn asked(headers: &HeaderMap, node: &Node) -> Option<u64> {
    let text = headers.get(HEADER)?.to_str().ok()?;
    node.ids.decode("pos", text)
}
