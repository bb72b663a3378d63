//! The merchant's own facts.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::client::Client;
use crate::{
    edge::{amount, category, ids::Public, json, position::stamp, problem::Problem},
    node::Node,
};

/// Who you are here.
#[derive(Debug, Serialize, ToSchema)]
pub struct Merchant {
    pub id: String,
    #[schema(value_type = String, example = "merchant")]
    pub object: &'static str,
    /// As payers see it.
    pub name: String,
    /// Merchant category code (ISO 18245).
    #[schema(example = "5942")]
    pub category_code: String,
    #[schema(value_type = String, example = "books")]
    pub category: &'static str,
    #[schema(example = "CNY")]
    pub currency: String,
    /// Blocked by the operator: every payment is declined.
    pub blocked: bool,
    pub limits: Limits,
    pub price_plan: Plan,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Limits {
    #[schema(example = "5000.00")]
    pub per_payment: String,
    #[schema(example = "100000.00")]
    pub per_day: String,
    /// Captured today, in the operator's calendar.
    #[schema(example = "1280.00")]
    pub used_today: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Plan {
    pub version: u32,
    /// Ten-thousandths of the captured amount.
    #[schema(example = 60)]
    pub fee_basis_points: u32,
    /// Per payment, beside the share.
    #[schema(example = "0.00")]
    pub fee_fixed: String,
    /// Ten-thousandths of the fee.
    #[schema(example = 600)]
    pub tax_basis_points: u32,
}

/// Look at yourself
#[utoipa::path(
    get, path = "/v1/me", tag = "merchant", operation_id = "get_me",
    responses((status = 200, description = "Your own facts", body = Merchant)),
)]
pub async fn get(State(node): State<Arc<Node>>, client: Client) -> Result<Response, Problem> {
    let id = client.merchant;
    let read = node.engine.read(move |state, moment| {
        let merchant = state.merchants.get(id)?;
        let used = merchant.taken.today(moment);
        Some((
            merchant.blocked,
            merchant.limits,
            merchant.plan.clone(),
            used,
        ))
    });
    let answered = read.await?;
    let (blocked, limits, plan, used) = answered.answer.ok_or_else(Problem::not_found)?;
    let card = client.card(&node).await?;
    let currency = node.currency();
    let merchant = Merchant {
        id: id.show(&node.ids),
        object: "merchant",
        name: card.name.to_string(),
        category_code: format!("{:04}", card.category),
        category: category::name(card.category),
        currency: currency.code(),
        blocked,
        limits: Limits {
            per_payment: amount::show(limits.payment, currency),
            per_day: amount::show(limits.daily, currency),
            used_today: amount::show(used, currency),
        },
        price_plan: Plan {
            version: plan.version,
            fee_basis_points: plan.fee_basis_points,
            fee_fixed: amount::show(plan.fee_fixed, currency),
            tax_basis_points: plan.tax_basis_points,
        },
    };
    let response = json::answer(StatusCode::OK, &merchant);
    Ok(stamp(response, &node, answered.position))
}
