//! What the demo's front door shows: the shop, the phones, the operator's sign-in.

use std::sync::{Arc, OnceLock};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::{Value, json};

use super::{
    people::{DemoSubscriber, SUBSCRIBERS},
    world_file::WorldFile,
};
use crate::edge::problem::Problem;

/// The world as far as visitors are told, once it is there.
#[derive(Default)]
pub struct Front(OnceLock<Value>);

impl Front {
    pub fn open(&self, world: &WorldFile, origin: &str) {
        let operator = |operator: &super::world_file::Operator| {
            json!({
                "url": "/operator/",
                "name": operator.name,
                "password": operator.password,
            })
        };
        let phones: Vec<Value> = SUBSCRIBERS
            .iter()
            .map(|person| {
                json!({
                    "name": person.name,
                    "number": person.number,
                    "note": person.note,
                    "url": phone_address("", person),
                })
            })
            .collect();
        let told = json!({
            "shop": "/shop",
            "till": "/till",
            "origin": origin,
            "phones": phones,
            "operator": world.operators.first().map(operator),
            "operators": world.operators.iter().map(operator).collect::<Vec<_>>(),
            "pin_note": "choose",
        });
        // Opened twice it stays as it was.
        let _ = self.0.set(told);
    }
}

/// A phone's own page.
pub fn phone_address(origin: &str, person: &DemoSubscriber) -> String {
    format!(
        "{origin}/phone/?number={}",
        person.number.replace('+', "%2B")
    )
}

pub fn router(front: Arc<Front>) -> Router {
    Router::new()
        .route("/demo/api/world", get(world))
        .with_state(front)
}

async fn world(State(front): State<Arc<Front>>) -> Response {
    match front.0.get() {
        Some(told) => Json(told).into_response(),
        None => Problem {
            retry_after_s: Some(2),
            ..Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "filling",
                "the demo's world is being filled; try again in a moment",
            )
        }
        .into_response(),
    }
}
