//! A merchant cannot tell a stranger's number, a payer that a rule protects, and one who does not answer.

use std::{sync::Arc, time::Instant};

use paytone::edge::ids::Public;
use paytone_domain::{ids::PaymentId, operator::Operation, time::DAY};
use serde_json::{Value, json};

use crate::{
    ALICE, BOB, NOBODY, PIN,
    client::{Scene, fresh, payment_of, text},
    receiver::Receiver,
    support::{Phone, TestLine, TestNode, world::now},
};

/// A number of somebody whose line is too young.
const YOUNG: &str = "+8613600136000";
/// Who is asked, and what they are: none of them may look different.
const ASKED: [(&str, &str); 4] = [
    (ALICE, "silent"),
    (NOBODY, "nobody's"),
    (YOUNG, "vetoed at once"),
    (BOB, "vetoed when approving"),
];

async fn scene() -> (Scene, Phone) {
    let test = TestNode::start_with(|config| {
        config.webhooks.allow_private = true;
        config.webhooks.allow_http = true;
    });
    let scene = Scene::on(test.await).await;
    let test = &scene.test;
    let young = TestLine {
        activated: now().plus(-DAY),
        ..TestLine::of(YOUNG)
    };
    let young = test.import(&young).await.0;
    test.give_cash(young, 50_000).await;
    let bob = test.line(BOB).await;
    test.give_cash(bob, 50_000).await;
    let phone = Phone::enrol(test, BOB, PIN).await;
    (scene, phone)
}

/// Without ids, codes and times, which differ for every payment; the time left to the deadline stays.
fn alike(value: &Value) -> Value {
    let mut value = value.clone();
    let fields = value.as_object_mut().expect("an object");
    let time = |fields: &serde_json::Map<String, Value>, name: &str| {
        fields
            .get(name)
            .and_then(Value::as_str)
            .and_then(|text| text.parse::<jiff::Timestamp>().ok())
    };
    if let (Some(created), Some(deadline)) = (time(fields, "created_at"), time(fields, "deadline"))
    {
        let left = deadline.duration_since(created).as_millis();
        fields.insert(
            "left_ms".to_owned(),
            json!(u64::try_from(left).expect("later")),
        );
    }
    for name in ["id", "match_code", "created_at", "deadline", "timestamp"] {
        if let Some(text) = fields.get_mut(name) {
            *text = json!(text.as_str().map(str::len));
        }
    }
    if let Some(data) = fields.get_mut("data") {
        *data = alike(data);
    }
    value
}

#[track_caller]
fn all_alike<'a>(what: &str, values: impl IntoIterator<Item = &'a Value>) {
    let values: Vec<_> = values.into_iter().map(alike).collect();
    for (value, (_, who)) in values.iter().zip(ASKED) {
        assert_eq!(value, &values[0], "{what}: {who}");
    }
    assert_eq!(values.len(), ASKED.len(), "{what}");
}

#[tokio::test]
async fn from_asking_to_expiry_everything_is_alike() {
    let (scene, phone) = scene().await;
    let test = &scene.test;
    let mut receiver = Receiver::start().await;
    scene
        .post("/v1/webhook_endpoints", &json!({"url": receiver.url}))
        .await
        .expect(201);
    let _worker = paytone::webhooks::spawn(Arc::clone(&test.node));
    test.rules(|rules| rules.prompt_seconds = 12).await;
    let (mut asked, mut again) = (Vec::new(), Vec::new());
    for (number, _) in ASKED {
        let (key, body) = (
            fresh(),
            payment_of(number, "128.00", json!({"reference": "r"})),
        );
        let first = scene.post_as("/v1/payments", &key, &body).await.expect(201);
        let names: Vec<_> = first
            .headers
            .keys()
            .map(|name| name.as_str().to_owned())
            .collect();
        asked.push((first.body, names));
        again.push(
            scene
                .post_as("/v1/payments", &key, &body)
                .await
                .expect(201)
                .body,
        );
    }
    all_alike("asking", asked.iter().map(|(body, _)| body));
    all_alike("asking again", &again);
    assert!(
        asked.iter().all(|(_, names)| *names == asked[0].1),
        "headers"
    );
    let asked: Vec<_> = asked.into_iter().map(|(body, _)| body).collect();
    // Bob says yes, and a rule says no.
    let bob = test.node.engine.read({
        let hash = test.number_hash(BOB);
        move |state, _| state.holder(&hash).map(|holder| holder.id)
    });
    let bob = bob.await.expect("the engine runs").answer.expect("Bob");
    let id = PaymentId::read(&test.node.ids, text(&asked[3], "id")).expect("an id");
    let prompt = phone.prompt(test, id).await;
    test.operate(Operation::BlockSubscriber(bob)).await;
    let code = text(&asked[3], "match_code");
    let vetoed = phone.approve(test, &prompt, code, PIN).await;
    assert_ne!(vetoed.status, 200, "{}", vetoed.body);
    let veto = test
        .node
        .engine
        .read(move |state, _| state.payments[&id].veto)
        .await;
    assert!(veto.expect("the engine runs").answer.is_some());
    let mut looked = Vec::new();
    for payment in &asked {
        looked.push(scene.payment(payment).await);
    }
    all_alike("looking", &looked);
    let path = format!("/v1/payments/{}", text(&asked[0], "id"));
    let last = scene.get(&path).await;
    let waiting = scene
        .get_after("/v1/payments?status=awaiting_approval", &last)
        .await
        .expect(200);
    all_alike(
        "the list of those that wait",
        waiting.body["data"].as_array().expect("a list"),
    );
    // A long poll ends at the deadline and tells nothing before.
    let mut over = Vec::new();
    for payment in &asked {
        let mut now = payment.clone();
        while now["status"] == "awaiting_approval" {
            now = scene.changed(payment).await;
        }
        over.push(now);
    }
    all_alike("after the deadline", &over);
    assert_eq!(over[0]["status"], "expired");
    let last = scene.get(&path).await.expect(200);
    let feed = scene.feed(&last).await;
    assert!(feed.iter().all(|event| event["type"] == "payment.expired"));
    all_alike("the feed", &feed);
    let mut sent = Vec::new();
    for _ in ASKED {
        sent.push(receiver.next().await.json());
    }
    all_alike("webhooks", &sent);
    let expired = scene
        .get("/v1/payments?status=expired&reference=r")
        .await
        .expect(200);
    all_alike(
        "the list of the expired",
        expired.body["data"].as_array().expect("a list"),
    );
    // What cannot be done to an expired payment is refused alike.
    for action in ["cancel", "capture", "refunds"] {
        let mut refused = Vec::new();
        for payment in &asked {
            let path = format!("/v1/payments/{}/{action}", text(payment, "id"));
            refused.push(
                scene
                    .post(&path, &json!({}))
                    .await
                    .refused(409, "wrong_status")
                    .body,
            );
        }
        all_alike(action, &refused);
    }
}

#[tokio::test]
async fn cancelling_is_alike() {
    let (scene, _phone) = scene().await;
    let mut cancelled = Vec::new();
    for (number, _) in ASKED {
        let body = payment_of(number, "128.00", json!({}));
        let payment = scene.post("/v1/payments", &body).await.expect(201).body;
        let path = format!("/v1/payments/{}/cancel", text(&payment, "id"));
        cancelled.push(scene.post(&path, &json!({})).await.expect(200).body);
    }
    all_alike("cancelling", &cancelled);
}

/// How long each kind of number takes to be answered, interleaved so that noise falls on all.
#[tokio::test]
async fn how_long_an_answer_takes_tells_nothing() {
    const ROUNDS: usize = 120;
    let (scene, _phone) = scene().await;
    scene
        .test
        .rules(|rules| {
            rules.payer_open_prompts = 100_000;
            rules.attention_per_day = 100_000;
        })
        .await;
    let mut took = vec![Vec::new(); ASKED.len()];
    for round in 0..ROUNDS + 10 {
        for place in 0..ASKED.len() {
            // Another order each time.
            let place = (place + round) % ASKED.len();
            let body = payment_of(ASKED[place].0, "128.00", json!({}));
            let begun = Instant::now();
            scene.post("/v1/payments", &body).await.expect(201);
            if round >= 10 {
                took[place].push(begun.elapsed().as_secs_f64());
            }
        }
    }
    let quartiles: Vec<_> = took
        .iter_mut()
        .map(|times| {
            times.sort_by(f64::total_cmp);
            (times[ROUNDS / 4], times[ROUNDS / 2])
        })
        .collect();
    for (first, (_, who)) in quartiles.iter().zip(ASKED) {
        let (quarter, median) = (first.0 / quartiles[0].0, first.1 / quartiles[0].1);
        assert!(
            (0.6..1.6).contains(&quarter) && (0.6..1.6).contains(&median),
            "{who}: {quartiles:?}"
        );
    }
}
