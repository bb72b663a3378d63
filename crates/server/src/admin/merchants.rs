//! Merchants: added, given keys, plans and limits, blocked.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
    routing::{get, post, put},
};
use paytone_domain::{
    ids::{ClientKeyId, MerchantId},
    merchant::{Merchant, MerchantLimits, PricePlan},
    money::{Amount, Currency},
    operator::Operation,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{operation, session::SignedIn, words};
use crate::{
    edge::{
        amount, category, client_key,
        ids::Public,
        json::{self, Body},
        problem::Problem,
        text::{self, Place},
    },
    node::Node,
};

pub fn router() -> Router<Arc<Node>> {
    let one = "/admin/api/merchants/{id}";
    Router::new()
        .route("/admin/api/merchants", get(list).post(add))
        .route(one, get(show))
        .route(&format!("{one}/keys"), post(add_key))
        .route(&format!("{one}/keys/{{key}}/revoke"), post(revoke_key))
        .route(&format!("{one}/plan"), put(set_plan))
        .route(&format!("{one}/limits"), put(set_limits))
        .route(&format!("{one}/block"), post(block))
        .route(&format!("{one}/unblock"), post(unblock))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMerchant {
    name: String,
    /// Merchant category code (ISO 18245).
    category: u16,
    limits: Limits,
    plan: Plan,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    per_payment: String,
    per_day: String,
}

impl Limits {
    fn read(&self, above: &str, currency: Currency) -> Result<MerchantLimits, Problem> {
        Ok(MerchantLimits {
            payment: amount::read(&format!("{above}per_payment"), &self.per_payment, currency)?,
            daily: amount::read(&format!("{above}per_day"), &self.per_day, currency)?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    /// Share of the captured amount, in ten-thousandths.
    fee_basis_points: u32,
    #[serde(default)]
    fee_fixed: Option<String>,
    /// Tax on the fee, in ten-thousandths.
    #[serde(default)]
    tax_basis_points: u32,
}

impl Plan {
    pub(super) fn read(&self, above: &str, currency: Currency) -> Result<PricePlan, Problem> {
        for (name, share) in [
            ("fee_basis_points", self.fee_basis_points),
            ("tax_basis_points", self.tax_basis_points),
        ] {
            if share > 10_000 {
                let field = format!("{above}{name}");
                return Err(Problem::unprocessable(
                    "invalid_share",
                    format!("{field} is at most 10000 ten-thousandths"),
                )
                .field(field));
            }
        }
        let fixed = self.fee_fixed.as_deref().unwrap_or("0");
        let fee_fixed = if fixed.bytes().all(|byte| matches!(byte, b'0' | b'.')) {
            Amount::ZERO
        } else {
            amount::read(&format!("{above}fee_fixed"), fixed, currency)?
        };
        Ok(PricePlan {
            version: 1,
            fee_basis_points: self.fee_basis_points,
            fee_fixed,
            tax_basis_points: self.tax_basis_points,
        })
    }
}

/// `0.60 % + 0.10`, as people read a plan.
pub fn plan_words(plan: &PricePlan, currency: Currency) -> String {
    let share = |basis_points: u32| format!("{}.{:02} %", basis_points / 100, basis_points % 100);
    let mut words = share(plan.fee_basis_points);
    if !plan.fee_fixed.is_zero() {
        words += &format!(" + {}", amount::show(plan.fee_fixed, currency));
    }
    if plan.tax_basis_points > 0 {
        words += &format!(", {} tax", share(plan.tax_basis_points));
    }
    words
}

async fn add(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Body { value, bytes }: Body<NewMerchant>,
) -> Result<Response, Problem> {
    words::check("name", &value.name, 1, 60)?;
    let limits = value.limits.read("limits.", node.currency())?;
    let plan = value.plan.read("plan.", node.currency())?;
    let subject = super::new_subject();
    node.subjects
        .create_many(&[subject])
        .await
        .map_err(super::key_problem)?;
    let key = node
        .subjects
        .get(subject)
        .await
        .map_err(super::key_problem)?;
    let operation = Operation::AddMerchant {
        subject,
        name: text::seal(&key, subject, Place::MerchantName, &value.name),
        category: value.category,
        limits,
        plan,
    };
    operation::done(&node, operator.asks(&node, &bytes), operation).await
}

/// What is shown of a merchant.
async fn card(node: &Arc<Node>, merchant: &Merchant) -> Result<Value, Problem> {
    let currency = node.currency();
    let known = node
        .directory
        .merchant(merchant.id, &node.subjects)
        .await
        .map_err(super::key_problem)?;
    let name = known.map_or_else(String::new, |card| card.name.to_string());
    let keys: Vec<_> = merchant
        .keys
        .iter()
        .map(
            |key| json!({"id": key.id.show(&node.ids), "label": key.label, "revoked": key.revoked}),
        )
        .collect();
    Ok(json!({
        "id": merchant.id.show(&node.ids),
        "name": name,
        "category": category::name(merchant.category),
        "category_code": merchant.category,
        "status": if merchant.blocked { "blocked" } else { "active" },
        "plan": plan_words(&merchant.plan, currency),
        "plan_version": merchant.plan.version,
        "limits": {
            "per_payment": amount::show(merchant.limits.payment, currency),
            "per_day": amount::show(merchant.limits.daily, currency),
        },
        "currency": currency.code(),
        "keys": keys,
        "webhook_endpoints": merchant.endpoints.len(),
    }))
}

async fn list(State(node): State<Arc<Node>>, _: SignedIn) -> Result<Response, Problem> {
    let merchants = node
        .engine
        .read(|state, _| state.merchants.iter().cloned().collect::<Vec<_>>())
        .await?
        .answer;
    let mut data = Vec::with_capacity(merchants.len());
    for merchant in &merchants {
        data.push(card(&node, merchant).await?);
    }
    Ok(json::answer(StatusCode::OK, &json!({"data": data})))
}

async fn show(
    State(node): State<Arc<Node>>,
    _: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = read_id::<MerchantId>(&node, &id)?;
    let merchant = node
        .engine
        .read(move |state, _| state.merchants.get(id).cloned())
        .await?
        .answer
        .ok_or_else(Problem::not_found)?;
    Ok(json::answer(StatusCode::OK, &card(&node, &merchant).await?))
}

fn read_id<I: Public>(node: &Node, text: &str) -> Result<I, Problem> {
    I::read(&node.ids, text).ok_or_else(Problem::not_found)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    label: String,
}

/// The secret is made here and told once, or again when the same is asked under the same idempotency key; the journal has its
/// hash. It works once a second person approved.
async fn add_key(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(id): Path<String>,
    Body { value, bytes }: Body<NewKey>,
) -> Result<Response, Problem> {
    let merchant = read_id(&node, &id)?;
    words::check("label", &value.label, 1, 40)?;
    let asker = operator.asks(&node, &bytes);
    let secret = client_key::of(asker.secret(&node.keyring));
    let hash = client_key::hash(&secret).ok_or_else(Problem::not_found)?;
    let operation = Operation::AddClientKey {
        merchant,
        hash,
        label: value.label,
    };
    Ok(operation::perform(&node, asker, operation)
        .await?
        .with("secret", secret)
        .answer(&node))
}

async fn revoke_key(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path((id, key)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let operation = Operation::RevokeClientKey {
        merchant: read_id(&node, &id)?,
        key: read_id::<ClientKeyId>(&node, &key)?,
    };
    operation::done(&node, operator.asks(&node, &[]), operation).await
}

async fn set_plan(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(id): Path<String>,
    Body { value, bytes }: Body<Plan>,
) -> Result<Response, Problem> {
    let operation = Operation::SetPlan {
        merchant: read_id(&node, &id)?,
        plan: value.read("", node.currency())?,
    };
    operation::done(&node, operator.asks(&node, &bytes), operation).await
}

async fn set_limits(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(id): Path<String>,
    Body { value, bytes }: Body<Limits>,
) -> Result<Response, Problem> {
    let operation = Operation::SetMerchantLimits {
        merchant: read_id(&node, &id)?,
        limits: value.read("", node.currency())?,
    };
    operation::done(&node, operator.asks(&node, &bytes), operation).await
}

async fn block(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let operation = Operation::BlockMerchant(read_id(&node, &id)?);
    operation::done(&node, operator.asks(&node, &[]), operation).await
}

async fn unblock(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let operation = Operation::UnblockMerchant(read_id(&node, &id)?);
    operation::done(&node, operator.asks(&node, &[]), operation).await
}
