//! The overview: the business day in numbers, and its picture.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use paytone_domain::{ids::MerchantId, time::BusinessDate};
use serde_json::{Map, Value, json};

use super::{
    chart::{self, Language, Theme},
    payments,
    session::SignedIn,
};
use crate::{
    edge::{amount, ids::Public as _, json, problem::Problem, query::Parameters},
    node::Node,
    views::{Overview, overview::TopMerchant},
};

pub fn router() -> Router<Arc<Node>> {
    Router::new()
        .route("/admin/api/overview", get(show))
        .route("/admin/api/overview/chart.svg", get(picture))
}

async fn today(node: &Arc<Node>, headers: &HeaderMap) -> Result<(BusinessDate, Overview), Problem> {
    super::wait_for_views(node, headers).await?;
    let date = node.engine.read(|_, moment| moment.date).await?.answer;
    let overview = node.views.overview(date).await;
    Ok((date, overview.map_err(super::views_problem)?))
}

async fn show(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (date, overview) = today(&node, &headers).await?;
    let currency = node.currency();
    let money = |minor| amount::show_signed(minor, currency);
    let by_hour: Vec<_> = overview
        .by_hour
        .iter()
        .map(|hour| {
            json!({
                "hour": format!("{:02}:00", hour.hour),
                "captured": hour.captured,
                "other": hour.other,
                "amount": money(hour.amount),
            })
        })
        .collect();
    let mut top = Vec::with_capacity(overview.top_merchants.len());
    for row in &overview.top_merchants {
        top.push(top_merchant(&node, row).await?);
    }
    Ok(json::answer(
        StatusCode::OK,
        &json!({
            "currency": currency.code(),
            "business_date": date.civil().to_string(),
            "today": {
                "payments": overview.payments,
                "captured": overview.captured,
                "captured_amount": money(overview.captured_amount),
                "by_status": counted(&overview.by_status),
                "declined_by_reason": counted(&overview.declined_by_reason),
            },
            "by_hour": by_hour,
            "subscribers": overview.subscribers,
            "merchants": overview.merchants,
            "devices": overview.devices,
            "worklist_open": overview.worklist_open,
            "journal": {"seq": overview.journal.seq, "bytes": overview.journal.bytes},
            "latest": payments::shown(&node, &operator, &overview.latest).await?,
            "top_merchants": top,
        }),
    ))
}

async fn top_merchant(node: &Node, row: &TopMerchant) -> Result<Value, Problem> {
    let id: MerchantId = row.merchant;
    let card = node
        .directory
        .merchant(id, &node.subjects)
        .await
        .map_err(super::key_problem)?;
    Ok(json!({
        "id": id.show(&node.ids),
        "name": card.map(|card| card.name.to_string()),
        "amount": amount::show_signed(row.amount, node.currency()),
        "payments": row.payments,
    }))
}

fn counted(counts: &[(String, u64)]) -> Value {
    let members = counts
        .iter()
        .map(|(name, count)| (name.clone(), Value::from(*count)));
    Value::Object(members.collect::<Map<_, _>>())
}

async fn picture(
    State(node): State<Arc<Node>>,
    _: SignedIn,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut asked = Parameters::of(&uri)?;
    let theme = match asked.take("theme").as_deref() {
        None | Some("light") => Theme::Light,
        Some("dark") => Theme::Dark,
        Some(_) => return Err(wrong("theme", "light or dark")),
    };
    let language = match asked.take("language").as_deref() {
        None | Some("en") => Language::English,
        Some("zh") => Language::Chinese,
        Some(_) => return Err(wrong("language", "en or zh")),
    };
    asked.finish()?;
    let (_, overview) = today(&node, &headers).await?;
    let svg = chart::draw(&overview.by_hour, theme, language);
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((StatusCode::OK, headers, svg).into_response())
}

fn wrong(field: &str, choices: &str) -> Problem {
    Problem::unprocessable("invalid_parameter", format!("{field} is {choices}")).field(field)
}
