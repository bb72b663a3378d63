//! `POST /phone/api/pass`: what the phone makes one-time payment codes with, also when it is offline afterwards.
//!
//! **Invariant:** the same pass and key until the phone asks for another one or it has ended, so an answer that got lost is asked again.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use data_encoding::BASE64URL_NOPAD;
use paytone_domain::{
    Actor, Answer, Command,
    pass::{OpenPass, PassKey, PassRefusal, STEP},
};
use serde::{Deserialize, Serialize};

use super::session::ActiveDevice;
use crate::{
    edge::{
        amount,
        json::{self, Body},
        position::stamp,
        problem::Problem,
        time,
    },
    node::Node,
    pos::scan,
};

/// An index is taken so rarely that trying more often says that something else is wrong.
const DRAWS: usize = 8;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Another one: codes of this one may have been seen.
    #[serde(default)]
    replace: bool,
}

#[derive(Serialize)]
struct PassShown {
    /// What codes begin with.
    index: String,
    /// The key of HMAC-SHA-256, base64url.
    key: String,
    step_seconds: i64,
    /// Milliseconds since 1970: phones' clocks differ.
    now: i64,
    /// Until when its codes are good if the phone stays offline.
    good_until: String,
    /// Above it the payer is asked.
    limit: String,
    /// The same for all payments while it stays offline.
    offline_limit: String,
    currency: String,
}

pub async fn open(
    State(node): State<Arc<Node>>,
    ActiveDevice(signed_in): ActiveDevice,
    body: Body<Wanted>,
) -> Result<Response, Problem> {
    let device = signed_in.device;
    let mut opened = Err(PassRefusal::IndexTaken);
    for _ in 0..DRAWS {
        let drawn = scan::draw(&node.config.till.code_prefix).ok_or_else(no_codes)?;
        let request = OpenPass {
            device,
            replace: body.value.replace,
            drawn,
        };
        let answered = node
            .submit(Actor::Device(device), Command::OpenPass(request))
            .await?;
        opened = match answered.answer {
            Answer::Pass(opened) => opened,
            _ => return Err(Problem::internal("a pass was answered as something else")),
        };
        if opened != Err(PassRefusal::IndexTaken) {
            break;
        }
    }
    let key = opened.map_err(refused)?;
    show(&node, &signed_in, key).await
}

async fn show(
    node: &Node,
    signed_in: &super::session::SignedIn,
    key: PassKey,
) -> Result<Response, Problem> {
    let device = signed_in.device;
    let read = node.engine.read(move |state, _| {
        let pass = state.passes.get(device);
        let until = pass.map(|pass| pass.good_until(state));
        let rules = &state.rules;
        (until, rules.code_limit(), rules.code_offline_limit())
    });
    let read = read.await?;
    let (until, limit, offline_limit) = read.answer;
    let currency = node.currency();
    let shown = PassShown {
        index: scan::show_index(key),
        key: BASE64URL_NOPAD.encode(&scan::code_key(&node.keyring, key)),
        step_seconds: STEP / 1_000,
        now: time::now().0,
        good_until: time::show(until.ok_or_else(Problem::not_found)?),
        limit: amount::show(limit, currency),
        offline_limit: amount::show(offline_limit, currency),
        currency: currency.code().to_owned(),
    };
    let answer = json::answer(StatusCode::OK, &shown);
    Ok(stamp(answer, node, read.position))
}

fn no_codes() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "no_payment_codes",
        "this operator's phones show no payment codes",
    )
}

fn refused(refusal: PassRefusal) -> Problem {
    match refusal {
        PassRefusal::DeviceNotActive => super::problem::device_not_active(),
        PassRefusal::IndexTaken | PassRefusal::NotYet => Problem {
            retry_after_s: Some(1),
            ..Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "not_yet",
                "payment codes are not there yet; try again",
            )
        },
    }
}
