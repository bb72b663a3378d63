//! Proofs of single payments, for those who were given them to check.

use std::sync::Arc;

use axum::{Router, extract::State, http::StatusCode, response::Response, routing::post};
use paytone_domain::{ids::PaymentId, time::Calendar};
use serde::Deserialize;
use serde_json::json;

use super::{look_back, session::SignedIn};
use crate::{
    edge::{ids::Public as _, json::Body, problem::Problem},
    node::Node,
    past,
    proof::show,
};

pub fn router() -> Router<Arc<Node>> {
    Router::new().route("/admin/api/proofs", post(begin))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    payment: String,
}

async fn begin(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Body { value, .. }: Body<Asked>,
) -> Result<Response, Problem> {
    let id = PaymentId::read(&node.ids, &value.payment).ok_or_else(Problem::not_found)?;
    let found = node
        .look(move |known, _| {
            let state = known.state;
            let payment = known.payment(id)?.clone();
            let refunds = payment.refunds.iter().filter_map(|id| known.refund(*id));
            let times: Vec<_> = refunds.map(|refund| refund.created_at).collect();
            Some((
                payment,
                times,
                state.sealed_days.clone(),
                state.settings.clone(),
            ))
        })
        .await?
        .answer;
    let (payment, refunded, sealed, settings) = found.ok_or_else(Problem::not_found)?;
    let mut calendar = settings
        .and_then(|settings| Calendar::new(&settings.zone, settings.cut_off_minutes))
        .ok_or_else(|| Problem::internal("a journal without a calendar"))?;
    let mut dates: Vec<_> = payment
        .captured_on
        .into_iter()
        .chain(refunded.into_iter().map(|at| calendar.moment(at).date))
        .collect();
    dates.sort_unstable();
    dates.dedup();
    if dates.is_empty() {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "nothing_posted",
            "no money moved for this payment, so that the books have no entry of it",
        ));
    }
    let days = show::of_dates(&sealed, &dates);
    if days.is_empty() {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "not_sealed_yet",
            "the business date of this payment is not sealed yet; that happens after it is over",
        ));
    }
    look_back::run(&node, operator, move |node, _, progress| async move {
        let reader = Arc::clone(&node);
        let run = move |config| async move {
            show::proofs(&config, &reader.keyring, id, &days, &progress).await
        };
        let proofs = past::apart(node.config.clone(), run)
            .await
            .map_err(look_back::past_problem)?;
        Ok(json!({"payment": value.payment, "proofs": proofs}))
    })
}
