//! A snapshot on demand. It is begun, watched and fetched like a look back, and takes that one place: each makes a state of its own.

use std::sync::Arc;

use axum::{Router, extract::State, http::StatusCode, response::Response, routing::post};
use paytone_domain::operator::{OperatorRefusal, Role};
use serde_json::json;

use super::{look_back, operation, session::SignedIn};
use crate::{edge::problem::Problem, node::Node, snapshots::SnapshotFailure};

pub fn router() -> Router<Arc<Node>> {
    Router::new().route("/admin/api/snapshots", post(begin))
}

async fn begin(State(node): State<Arc<Node>>, operator: SignedIn) -> Result<Response, Problem> {
    if operator.role != Role::Admin {
        return Err(operation::problem(OperatorRefusal::NotAllowed));
    }
    look_back::run(&node, operator, |node, _, progress| async move {
        let told = move |rows, rows_in_all| progress.set(rows, rows_in_all);
        let made = node.snapshots.make(&node.config, told).await;
        let made = made.map_err(problem)?;
        Ok(json!({
            "position": made.listed.seq,
            "bytes": made.listed.bytes,
            "name": made.listed.name,
            "new": made.is_new,
            "rows": made.rows,
            "events": made.events,
        }))
    })
}

fn problem(failure: SnapshotFailure) -> Problem {
    let status = match failure {
        SnapshotFailure::Busy => StatusCode::CONFLICT,
        SnapshotFailure::Make(_) | SnapshotFailure::Open(_) | SnapshotFailure::Past(_) => {
            tracing::error!(error = %failure, "no snapshot was made");
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    Problem::new(status, failure.code(), failure.to_string())
}
