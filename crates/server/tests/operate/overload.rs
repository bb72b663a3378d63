//! Too much at once: who is turned away, how, and who is not.

use std::{sync::Arc, task::Poll};

use hyper::Method;
use paytone::metrics::Reading;
use paytone_engine::EngineError;
use serde_json::{Value, json};
use tokio::{sync::Notify, task::JoinSet};

use crate::{
    ALICE, PIN,
    support::{Answer, Phone, Shop, TestNode},
};

async fn pay(test: &TestNode, shop: &Shop, key: &str) -> Answer {
    let body = json!({
        "amount": "1.00",
        "payer": {"phone_number": ALICE},
        "description": "A book",
    });
    let headers = [("idempotency-key", key)];
    test.send(
        Method::POST,
        "/v1/payments",
        Some(&shop.key),
        &headers,
        Some(&body),
    )
    .await
}

fn turned_away(reading: &Reading, by: &str) -> u64 {
    let counts = reading.http.turned_away.iter();
    counts
        .filter(|count| count.name == by)
        .map(|count| count.count)
        .sum()
}

/// The engine's thread, held up until it is let go on.
struct HeldUp(std::sync::mpsc::Sender<()>);

impl HeldUp {
    async fn begin(test: &TestNode) -> Self {
        let (go_on, held) = std::sync::mpsc::channel::<()>();
        let begun = Arc::new(Notify::new());
        let told = Arc::clone(&begun);
        let engine = test.node.engine.clone();
        tokio::spawn(async move {
            let read = engine.read(move |_, _| {
                told.notify_one();
                // Whoever held it up is gone: it goes on.
                let _ = held.recv();
            });
            read.await.map(|_| ())
        });
        begun.notified().await;
        Self(go_on)
    }

    fn end(self) {
        // It waits for this.
        self.0.send(()).expect("the engine is held up");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_greedy_merchant_is_told_429_and_the_others_are_served() {
    let test = TestNode::start_with(|config| {
        config.limits.queue = 64;
        config.limits.per_client_in_flight = 8;
    })
    .await;
    let (greedy, modest) = (
        test.merchant("Greedy", 5942).await,
        test.merchant("Modest", 5942).await,
    );
    test.line(ALICE).await;
    let test = Arc::new(test);
    // While the engine is held up, all that the greedy one may have is taken.
    let held = HeldUp::begin(&test).await;
    let mut flood = JoinSet::new();
    for number in 0..200 {
        let (test, shop) = (Arc::clone(&test), greedy.clone());
        flood.spawn(async move { pay(&test, &shop, &format!("greedy-{number}")).await });
    }
    let mut answers = Vec::new();
    // Those who are one too many are told while the engine stands still.
    while answers.len() < 192 {
        answers.push(
            flood
                .join_next()
                .await
                .expect("an answer")
                .expect("no panic"),
        );
    }
    for answer in &answers {
        assert_eq!((answer.status, answer.code()), (429, "too_many_requests"));
        assert_eq!(answer.headers["retry-after"], "1");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    let modest_pays = {
        let test = Arc::clone(&test);
        tokio::spawn(async move { pay(&test, &modest, "modest-1").await })
    };
    held.end();
    modest_pays.await.expect("no panic").expect(201);
    // What was accepted got its answer.
    while let Some(answer) = flood.join_next().await {
        answer.expect("no panic").expect(201);
    }
    let reading = Reading::of(&test.node).await;
    assert_eq!(turned_away(&reading, "client"), 192);
    assert_eq!(turned_away(&reading, "engine"), 0);
    // The flood is over, and so is its share.
    pay(&test, &greedy, "greedy-late").await.expect(201);
    // One who was turned away did nothing: the same key pays now.
    pay(&test, &greedy, "greedy-199").await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_told_503_at_once_and_what_was_accepted_is_finished() {
    let test = TestNode::start_with(|config| config.limits.queue = 4).await;
    let shop = test.merchant("Bookshop", 5942).await;
    test.line(ALICE).await;
    let test = Arc::new(test);
    let held = HeldUp::begin(&test).await;
    let mut accepted = Vec::new();
    loop {
        let engine = test.node.engine.clone();
        let mut read = Box::pin(async move { engine.read(|_, _| ()).await.map(|_| ()) });
        match futures_util::poll!(read.as_mut()) {
            Poll::Pending => accepted.push(read),
            Poll::Ready(Err(EngineError::Overloaded)) => break,
            Poll::Ready(answer) => panic!("answered by a thread that is held up: {answer:?}"),
        }
    }
    assert_eq!(accepted.len(), 4);
    let answer = pay(&test, &shop, "one-too-many").await;
    let answer = answer.refused(503, "overloaded");
    assert_eq!(answer.headers["retry-after"], "1");
    let id = answer.headers["x-request-id"].to_str().expect("text");
    assert!(id.len() == 8 && u32::from_str_radix(id, 16).is_ok(), "{id}");
    held.end();
    for read in accepted {
        read.await.expect("what was accepted is answered");
    }
    pay(&test, &shop, "one-too-many").await.expect(201);
    assert_eq!(turned_away(&Reading::of(&test.node).await, "engine"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_polls_that_wait_leave_room_for_payments_and_have_a_limit_of_their_own() {
    let test = TestNode::start_with(|config| {
        config.limits.per_client_in_flight = 2;
        config.limits.per_client_waiting = 3;
    })
    .await;
    let shop = test.merchant("Bookshop", 5942).await;
    test.line(ALICE).await;
    let payment = pay(&test, &shop, "asked").await.expect(201);
    let id = payment.body["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/payments/{id}?wait=30");
    let test = Arc::new(test);
    let mut polls = JoinSet::new();
    for _ in 0..3 {
        // One after the other: on their way to wait they take from the other limit.
        let waiting = polls.len() as u64 + 1;
        let (test_of, path, key) = (Arc::clone(&test), path.clone(), shop.key.clone());
        polls.spawn(async move { test_of.get(&path, Some(&key)).await });
        while test.node.shares.clients.waiting() < waiting {
            tokio::task::yield_now().await;
        }
    }
    test.get(&path, Some(&shop.key))
        .await
        .refused(429, "too_many_requests");
    let headers = [("idempotency-key", "taken-back")];
    let cancel = format!("/v1/payments/{id}/cancel");
    let nothing = Value::Object(serde_json::Map::new());
    test.send(
        Method::POST,
        &cancel,
        Some(&shop.key),
        &headers,
        Some(&nothing),
    )
    .await
    .expect(200);
    while let Some(answer) = polls.join_next().await {
        assert_eq!(
            answer.expect("no panic").expect(200).body["status"],
            "cancelled"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_phone_may_not_take_what_is_for_all() {
    let test = TestNode::start_with(|config| config.limits.per_device_in_flight = 2).await;
    test.line(ALICE).await;
    let phone = Phone::enrol(&test, ALICE, PIN).await;
    let test = Arc::new(test);
    let held = HeldUp::begin(&test).await;
    let mut asked = JoinSet::new();
    for _ in 0..6 {
        let (test, token) = (Arc::clone(&test), phone.token.clone());
        asked.spawn(async move { test.get("/phone/api/prompts", Some(&token)).await });
    }
    for _ in 0..4 {
        let answer = asked
            .join_next()
            .await
            .expect("an answer")
            .expect("no panic");
        answer.refused(429, "too_many_requests");
    }
    held.end();
    while let Some(answer) = asked.join_next().await {
        answer.expect("no panic").expect(200);
    }
    // An open stream takes no part of it.
    let _events = phone.events(&test).await;
    let _more = phone.events(&test).await;
    test.get("/phone/api/prompts", Some(&phone.token))
        .await
        .expect(200);
}
