//! What the stand-in bank says, as status and JSON.
//!
//! To an order a refusal is 422; to a question about it, 200: the question was answered.

use serde_json::{Value, json};

use super::core::Fate;
use super::operation::{Operation, Progress};

pub(super) fn answer(status: u16, body: Value) -> Fate {
    Fate::Answer {
        status,
        body,
        after_ms: 0,
    }
}

pub(super) fn malformed(field: &str) -> Fate {
    answer(400, json!({"status": "malformed", "field": field}))
}

pub(super) fn unavailable(reference: &str) -> Fate {
    answer(
        503,
        json!({"status": "unavailable", "reference": reference}),
    )
}

pub(super) fn not_found(reference: &str) -> Fate {
    answer(404, json!({"status": "not_found", "reference": reference}))
}

pub(super) fn order_answer(operation: &Operation) -> Fate {
    match &operation.progress {
        Progress::Refused { reason } => answer(422, refused(operation, reason)),
        Progress::Done { .. } | Progress::Pending { .. } => status_answer(operation),
    }
}

pub(super) fn status_answer(operation: &Operation) -> Fate {
    match &operation.progress {
        Progress::Refused { reason } => answer(200, refused(operation, reason)),
        Progress::Pending { .. } => answer(
            202,
            json!({"status": "pending", "reference": operation.reference}),
        ),
        Progress::Done { bank_reference } => answer(
            200,
            json!({
                "status": "done",
                "reference": operation.reference,
                "bank_reference": bank_reference,
                "amount_minor": operation.amount_minor,
                "currency": operation.currency,
            }),
        ),
    }
}

pub(super) fn refused(operation: &Operation, reason: &str) -> Value {
    json!({"status": "refused", "reference": operation.reference, "reason": reason})
}
