//! Looks back: a payment or a subscriber as of another moment, or a period under other rules.
//!
//! One is begun, watched and fetched, since replaying a long journal takes longer than a request may.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use paytone_domain::{
    ids::{NumberHash, PaymentId, SubscriberId},
    payment::Payment,
    time::Timestamp,
};
use paytone_journal::ReadError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{operation, payments, session::SignedIn, subscribers};
use crate::{
    archive::Known,
    edge::{
        ids::Public as _,
        json::{self, Body},
        number::PhoneNumber,
        problem::Problem,
        time,
    },
    node::Node,
    past::{self, Begins, PastError, Progress, Reached, Seen, Then},
};

/// From the newest snapshot; from the first row where that does not tell.
const BEGINS: [Begins; 2] = [Begins::AtSnapshot, Begins::AtFirstRow];
/// How long the views are waited for.
const VIEWS: Duration = Duration::from_secs(2);

pub fn router() -> Router<Arc<Node>> {
    Router::new()
        .route("/admin/api/look-backs", post(begin))
        .route("/admin/api/look-backs/{id}", get(seen).delete(stop))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// The payment with this id …
    payment: Option<String>,
    /// … or the subscriber of this number or id …
    subscriber: Option<String>,
    /// … as of this moment.
    at: String,
}

#[derive(Clone, Copy)]
enum What {
    Payment(PaymentId),
    Subscriber(SubscriberId),
    /// Whoever held this number then.
    Holder(NumberHash),
}

async fn begin(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Body { value, .. }: Body<Asked>,
) -> Result<Response, Problem> {
    let at = time::read("at", &value.at)?;
    if at > time::now() {
        return Err(
            Problem::unprocessable("in_the_future", "at is a moment of the past").field("at"),
        );
    }
    let what = match (&value.payment, &value.subscriber) {
        (Some(id), None) => {
            What::Payment(PaymentId::read(&node.ids, id).ok_or_else(Problem::not_found)?)
        }
        (None, Some(_)) if !operator.sees_people() => {
            return Err(operation::problem(
                paytone_domain::operator::OperatorRefusal::NotAllowed,
            ));
        }
        (None, Some(who)) if who.starts_with("sub_") => {
            What::Subscriber(SubscriberId::read(&node.ids, who).ok_or_else(Problem::not_found)?)
        }
        (None, Some(number)) => {
            let number = PhoneNumber::read("subscriber", number, &node.config.home_country)?;
            What::Holder(NumberHash(node.keyring.number_hash(number.e164())))
        }
        _ => {
            return Err(Problem::bad_request(
                "one_of_two",
                "name either a payment or a subscriber",
            ));
        }
    };
    run(
        &node,
        operator,
        move |node, operator, progress| async move {
            match what {
                What::Payment(id) => payment(&node, &operator, id, at, progress).await,
                What::Subscriber(_) | What::Holder(_) => {
                    subscriber(&node, &operator, what, at, progress).await
                }
            }
        },
    )
}

/// Begins it and answers under which id it is found.
pub(super) fn run<F>(
    node: &Arc<Node>,
    operator: SignedIn,
    work: impl FnOnce(Arc<Node>, SignedIn, Arc<Progress>) -> F,
) -> Result<Response, Problem>
where
    F: Future<Output = Result<Value, Problem>> + Send + 'static,
{
    let limit = Duration::from_secs(node.config.limits.look_back_seconds);
    let (id, progress) = node.look_backs.begin(operator.id, limit)?;
    let work = work(Arc::clone(node), operator, progress);
    let node = Arc::clone(node);
    tokio::spawn(async move {
        let outcome = work.await;
        node.look_backs.end(id, outcome);
    });
    Ok(json::answer(
        StatusCode::ACCEPTED,
        &json!({"id": id.to_string(), "state": "running"}),
    ))
}

async fn seen(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(id): Path<u64>,
) -> Result<Response, Problem> {
    let seen = node
        .look_backs
        .seen(operator.id, id)
        .ok_or_else(Problem::not_found)?;
    let shown = match seen {
        Seen::Running { rows, rows_in_all } => {
            json!({"state": "running", "rows": rows, "rows_in_all": rows_in_all})
        }
        Seen::Done(answer) => json!({"state": "done", "answer": answer?}),
    };
    Ok(json::answer(StatusCode::OK, &shown))
}

async fn stop(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(id): Path<u64>,
) -> Result<StatusCode, Problem> {
    if node.look_backs.stop(operator.id, id) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found())
    }
}

pub(super) fn past_problem(error: PastError) -> Problem {
    match error {
        PastError::Stopped => Problem::new(StatusCode::CONFLICT, "stopped", error.to_string()),
        PastError::TooLong => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "look_back_too_long",
            error.to_string(),
        ),
        PastError::Read(ReadError::Trimmed { .. }) => {
            Problem::new(StatusCode::CONFLICT, "journal_trimmed", error.to_string())
        }
        PastError::Open(_)
        | PastError::Read(_)
        | PastError::Chain(_)
        | PastError::Batch { .. }
        | PastError::Thread(_) => {
            tracing::error!(%error, "a look back failed");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "journal_unavailable",
                "the journal cannot be replayed now; the log says why",
            )
        }
    }
}

fn as_of(mut shown: Value, at: Timestamp, reached: Reached) -> Value {
    shown["as_of"] = json!({
        "at": time::show(at),
        "row": reached.row,
        "snapshot": reached.snapshot,
        "last_change": (reached.row > 0).then(|| time::show(reached.time)),
    });
    shown
}

fn not_then() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not_then",
        "there was nothing of that name at that moment",
    )
}

async fn payment(
    node: &Arc<Node>,
    operator: &SignedIn,
    id: PaymentId,
    at: Timestamp,
    progress: Arc<Progress>,
) -> Result<Value, Problem> {
    let mut found = None;
    for begins in BEGINS {
        let keep = move |payment: &Payment| payment.id == id;
        let then = past::state_at(&node.config, at, begins, Arc::clone(&progress), keep);
        let mut then = then.await.map_err(past_problem)?;
        let look = |known: &Known<'_>| payments::take(known, id);
        if let Some(seen) = then.look(&node.archive, look).await? {
            found = seen.map(|seen| (seen, then.reached));
            break;
        }
    }
    let (seen, reached) = found.ok_or_else(not_then)?;
    let shown = payments::told(node, operator, &seen, Some(at)).await?;
    Ok(as_of(shown, at, reached))
}

async fn subscriber(
    node: &Arc<Node>,
    operator: &SignedIn,
    what: What,
    at: Timestamp,
    progress: Arc<Progress>,
) -> Result<Value, Problem> {
    let mut found = None;
    for begins in BEGINS {
        // Whose number it was is known only at the end.
        let keep = move |payment: &Payment| match what {
            What::Subscriber(id) => payment.payer == Some(id),
            What::Holder(_) | What::Payment(_) => payment.payer.is_some(),
        };
        let then = past::state_at(&node.config, at, begins, Arc::clone(&progress), keep);
        let mut then = then.await.map_err(past_problem)?;
        let id = match what {
            What::Subscriber(id) => Some(id),
            What::Holder(number) => then.state().holder(&number).map(|found| found.id),
            What::Payment(_) => None,
        };
        // What was spent counts by the day that was asked about.
        let moment = then.moment();
        let seen = id.and_then(|id| Some((id, subscribers::take(then.state(), &moment, id)?)));
        let Some((id, seen)) = seen else { break };
        if let Some(latest) = latest(node, &mut then, id).await? {
            found = Some((id, seen, latest, then.reached));
            break;
        }
    }
    let (id, seen, latest, reached) = found.ok_or_else(not_then)?;
    operation::note_read(node, operator.actor(), id).await?;
    let mut shown = subscribers::told(node, &seen).await?;
    let mut rows = Vec::with_capacity(latest.len());
    for payment in &latest {
        rows.push(payments::row_of(node, payment).await?);
    }
    shown["payments"] = rows.into();
    Ok(as_of(shown, at, reached))
}

/// The payments of then that today's list of theirs shows; `None` where they take a replay from the first row.
async fn latest(
    node: &Arc<Node>,
    then: &mut Then,
    id: SubscriberId,
) -> Result<Option<Vec<Payment>>, Problem> {
    if !node.views.reached(then.reached.row, VIEWS).await {
        if then.reached.snapshot > 0 {
            return Ok(None);
        }
        let look = |known: &Known<'_>| payments::take_latest_of(known, id);
        return Ok(then.look(&node.archive, look).await?);
    }
    let [next_payment, ..] = then.state().next_numbers();
    let ids = payments::latest_ids_of(node, id, PaymentId(next_payment)).await?;
    let look = |known: &Known<'_>| -> Vec<Payment> {
        let payments = ids.iter().filter_map(|id| known.payment(*id));
        payments.cloned().collect()
    };
    Ok(then.look(&node.archive, look).await?)
}
