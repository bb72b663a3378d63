//! Trims the journal on demand. It is begun, watched and fetched like a look back.

use std::sync::Arc;

use axum::{Router, extract::State, http::StatusCode, response::Response, routing::post};
use paytone_domain::operator::{OperatorRefusal, Role};
use paytone_engine::trimming::TrimError as Rows;
use serde::Deserialize;
use serde_json::json;

use super::{look_back, operation, session::SignedIn};
use crate::{
    edge::{json::Body, problem::Problem, time},
    node::Node,
    trimming::{self, TrimError},
    workers::oldest_kept,
};

pub fn router() -> Router<Arc<Node>> {
    Router::new().route("/admin/api/journal/trims", post(begin))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// What was decided before this moment leaves; what the settings say if it is left out.
    before: Option<String>,
}

async fn begin(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Body { value, .. }: Body<Asked>,
) -> Result<Response, Problem> {
    if operator.role != Role::Admin {
        return Err(operation::problem(OperatorRefusal::NotAllowed));
    }
    let before = match &value.before {
        Some(before) => time::read("before", before)?,
        None => oldest_kept(&node).await.ok_or_else(|| {
            let why = "journal.keep_days is not set: name a moment";
            Problem::unprocessable("before_missing", why).field("before")
        })?,
    };
    look_back::run(&node, operator, move |node, _, progress| async move {
        let told = move |row, rows_in_all| progress.set(row, rows_in_all);
        let trimmed = trimming::trim(&node, before, told).await;
        let trimmed = trimmed.map_err(|error| problem(&error))?;
        Ok(json!({
            "exported": trimmed.exported,
            "files": trimmed.files,
            "removed": trimmed.removed,
            "through": trimmed.through,
            "held_by": trimmed.held_by,
        }))
    })
}

fn problem(error: &TrimError) -> Problem {
    let status = match error {
        TrimError::Busy
        | TrimError::NotLeading
        | TrimError::NoSnapshot
        | TrimError::Rows(Rows::Foreign(_)) => StatusCode::CONFLICT,
        TrimError::Rows(Rows::Export(_) | Rows::Batch { .. } | Rows::Read(_))
        | TrimError::Read(_)
        | TrimError::Open(_)
        | TrimError::Snapshots(_)
        | TrimError::Archive(_)
        | TrimError::Database(_)
        | TrimError::Past(_) => {
            tracing::error!(%error, "the journal is not trimmed");
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    Problem::new(status, error.code(), error.to_string())
}
