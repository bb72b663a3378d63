//! Steps of payments, and what staff did.

use paytone_domain::{
    Actor,
    ids::PaymentId,
    subscriber::{PhoneEvent, PromptRef},
};
use serde_json::{Value, json};

use super::{At, Tables, column};
use crate::views::rows::{OperatorActionRow, RejectedRow, TimelineRow};

impl Tables {
    /// One step of a payment. Numbers in `detail` are inner ids and amounts; facts that are not there are left out.
    pub(super) fn step(&mut self, at: &At<'_>, payment: PaymentId, what: &str, detail: &Value) {
        let (actor, actor_id) = actor_name(at.actor);
        self.timeline.push(TimelineRow {
            payment: column(payment.0),
            n: at.n,
            at: at.now,
            what: what.to_owned(),
            actor: actor.to_owned(),
            actor_id: actor_id.map(column),
            cause: column(at.cause),
            detail: without_nulls(detail),
        });
    }

    /// What a member of staff, or the person at the machine, did.
    pub(super) fn action(
        &mut self,
        at: &At<'_>,
        what: &str,
        subscriber: Option<u64>,
        merchant: Option<u64>,
        object: Option<u64>,
    ) {
        let (actor, id) = actor_name(at.actor);
        let operator = match at.actor {
            Actor::Operator(_) => id.map(column),
            _ => None,
        };
        self.actions.push(OperatorActionRow {
            n: at.n,
            at: at.now,
            actor: actor.to_owned(),
            operator,
            what: what.to_owned(),
            subscriber: subscriber.map(column),
            merchant: merchant.map(column),
            object: object.map(column),
        });
    }

    pub(super) fn phone(&mut self, at: &At<'_>, event: &PhoneEvent) {
        let PhoneEvent::ApprovalRejected {
            subscriber,
            prompt,
            device,
            why,
        } = event
        else {
            return;
        };
        let (kind, object) = match prompt {
            PromptRef::Payment(id) => ("payment", id.0),
            PromptRef::Mandate(id) => ("mandate", id.0),
            PromptRef::Device(id) => ("device", id.0),
        };
        self.rejected.push(RejectedRow {
            n: at.n,
            at: at.now,
            subscriber: column(subscriber.0),
            device: column(device.0),
            prompt: kind.to_owned(),
            object: column(object),
            why: why.code().to_owned(),
        });
        if let PromptRef::Payment(id) = prompt {
            let detail = json!({"device": device.0, "why": why.code()});
            self.step(at, *id, "approval_rejected", &detail);
        }
    }
}

fn actor_name(actor: Actor) -> (&'static str, Option<u64>) {
    match actor {
        Actor::System => ("system", None),
        Actor::Operator(id) => ("operator", Some(id.0)),
        Actor::Client(_, key) => ("client", Some(key.0)),
        Actor::Device(id) => ("device", Some(id.0)),
        Actor::Connector => ("connector", None),
        Actor::Enrolling => ("enrolling", None),
        Actor::Console => ("console", None),
    }
}

fn without_nulls(detail: &Value) -> String {
    match detail {
        Value::Object(facts) if facts.values().any(Value::is_null) => {
            let mut facts = facts.clone();
            facts.retain(|_, fact| !fact.is_null());
            Value::Object(facts).to_string()
        }
        Value::Null => "{}".to_owned(),
        other => other.to_string(),
    }
}
