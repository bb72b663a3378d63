//! The merchant's stores, and what their terminals took.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::client::Client;
use crate::{
    edge::{json, position::stamp, problem::Problem},
    node::Node,
    pos::{StoreShown, stores_of},
};

#[derive(Debug, Serialize, ToSchema)]
pub struct StoreList {
    pub data: Vec<StoreShown>,
}

/// List stores
///
/// With each terminal's limit and the totals of its shift, of this one and of the one before.
#[utoipa::path(
    get, path = "/v1/stores", tag = "merchant", operation_id = "list_stores",
    responses((status = 200, description = "All of them, oldest first", body = StoreList)),
)]
pub async fn list(State(node): State<Arc<Node>>, client: Client) -> Result<Response, Problem> {
    let (data, position) = stores_of(&node, client.merchant).await?;
    let response = json::answer(StatusCode::OK, &StoreList { data });
    Ok(stamp(response, &node, position))
}
