//! A payment's life as its merchant sees it.

use std::time::{Duration, Instant};

use paytone_domain::{
    Actor, Answer, Command,
    funding::{EffectCommand, EffectOutcome},
    operator::Operation,
};
use serde_json::{Value, json};

use crate::{
    ALICE, BOB, NOBODY, PIN,
    client::{Scene, payment_of, text},
    support::{Phone, TestLine, TestNode},
};

#[tokio::test]
async fn a_payment_tells_all_that_was_asked_and_what_came_of_it() {
    let scene = Scene::new().await;
    let more = json!({"reference": "order-7", "for": "other", "asker_name": "Lin", "expires_in": 60, "currency": "CNY"});
    let payment = scene.ask("128", more).await;
    assert_eq!(text(&payment, "match_code").len(), 2);
    for (name, value) in [
        ("object", json!("payment")),
        ("status", json!("awaiting_approval")),
        ("amount", json!("128.00")),
        ("currency", json!("CNY")),
        ("captured_amount", json!("0.00")),
        ("refunded_amount", json!("0.00")),
        ("fee", Value::Null),
        ("description", json!("Two novels")),
        ("reference", json!("order-7")),
        ("for", json!("other")),
        ("asker_name", json!("Lin")),
        ("capture", json!("automatic")),
        ("mandate", Value::Null),
        ("capture_deadline", Value::Null),
        ("decline", Value::Null),
    ] {
        assert_eq!(payment[name], value, "{name}");
    }
    let time = |name| {
        text(&payment, name)
            .parse::<jiff::Timestamp>()
            .expect("a time")
    };
    assert_eq!(
        time("deadline")
            .duration_since(time("created_at"))
            .as_secs(),
        60
    );
    scene.approve(&payment).await.expect(200);
    let paid = scene.payment(&payment).await;
    assert_eq!(paid["status"], "captured");
    assert_eq!(paid["captured_amount"], "128.00");
    assert_eq!(paid["fee"], json!({"amount": "0.00", "tax": "0.00"}));
}

#[tokio::test]
async fn any_usual_spelling_reaches_the_number() {
    let scene = Scene::new().await;
    for spelling in [
        "138 0013 8000",
        "0086 138-0013-8000",
        "tel:+86-138-0013-8000",
    ] {
        let body = payment_of(spelling, "1.00", json!({}));
        let payment = scene.post("/v1/payments", &body).await.expect(201).body;
        scene.approve(&payment).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_poll_answers_as_soon_as_the_status_is_another_one() {
    let scene = Scene::new().await;
    let payment = scene.ask("10.00", json!({})).await;
    let begun = Instant::now();
    let (changed, approved) = tokio::join!(scene.changed(&payment), scene.approve(&payment));
    approved.expect(200);
    assert_eq!(changed["status"], "captured");
    assert!(begun.elapsed() < Duration::from_secs(5));
    // It differs from what the caller knows already: at once.
    let begun = Instant::now();
    assert_eq!(scene.changed(&payment).await["status"], "captured");
    assert!(begun.elapsed() < Duration::from_secs(5));
    // Nothing happens: as it is, when the time is over.
    let path = format!("/v1/payments/{}?wait=1", text(&payment, "id"));
    let begun = Instant::now();
    assert_eq!(
        scene.get(&path).await.expect(200).body["status"],
        "captured"
    );
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn refused_expired_cancelled_declined_and_failed_are_told_apart() {
    let scene = Scene::new().await;
    let test = &scene.test;
    // Refused, by the payer and by a wrong code.
    let payment = scene.ask("10.00", json!({})).await;
    let prompts = scene.phone.prompts(test).await;
    scene
        .phone
        .refuse(test, &prompts[0], false)
        .await
        .expect(200);
    assert_eq!(scene.payment(&payment).await["status"], "refused");
    let payment = scene.ask("10.00", json!({})).await;
    let prompt = &scene.phone.prompts(test).await[0];
    let codes = prompt["codes"].as_array().expect("codes");
    let wrong = codes.iter().find(|code| **code != payment["match_code"]);
    let wrong = wrong
        .and_then(Value::as_str)
        .expect("three different codes");
    scene
        .phone
        .approve(test, prompt, wrong, PIN)
        .await
        .refused(409, "wrong_code");
    assert_eq!(scene.payment(&payment).await["status"], "refused");
    // Cancelled, once and again.
    let payment = scene.ask("10.00", json!({})).await;
    let cancel = format!("/v1/payments/{}/cancel", text(&payment, "id"));
    assert_eq!(
        scene.post(&cancel, &json!({})).await.expect(200).body["status"],
        "cancelled"
    );
    assert_eq!(
        scene.post(&cancel, &json!({})).await.expect(200).body["status"],
        "cancelled"
    );
    // Declined at once, for reasons of its own.
    let payment = scene.ask("1000000.01", json!({})).await;
    assert_eq!(payment["status"], "declined");
    assert_eq!(payment["decline"]["code"], "merchant_payment_limit");
    let cancel = format!("/v1/payments/{}/cancel", text(&payment, "id"));
    let over = scene.post(&cancel, &json!({})).await;
    let over = over.refused(409, "wrong_status");
    assert_eq!(over.body["payment_status"], "declined");
    // Expired.
    test.rules(|rules| rules.prompt_seconds = 1).await;
    let payment = scene.ask("10.00", json!({})).await;
    assert_eq!(scene.changed(&payment).await["status"], "expired");
    let capture = format!("/v1/payments/{}/capture", text(&payment, "id"));
    let late = scene
        .post(&capture, &json!({}))
        .await
        .refused(409, "wrong_status");
    assert_eq!(late.body["payment_status"], "expired");
    // Blocked by the operator.
    test.operate(Operation::BlockMerchant(scene.shop.id)).await;
    let payment = scene.ask("10.00", json!({})).await;
    assert_eq!(payment["decline"]["code"], "merchant_blocked");
    assert_eq!(scene.get("/v1/me").await.expect(200).body["blocked"], true);
}

/// Settles the only open effect.
async fn bank_says(test: &TestNode, outcome: EffectOutcome) {
    let read = test
        .node
        .engine
        .read(|state, _| state.effects.keys().copied().collect::<Vec<_>>());
    let effects = read.await.expect("the engine runs").answer;
    let [id] = effects[..] else {
        panic!("one effect: {effects:?}")
    };
    for command in [
        EffectCommand::Attempt { id },
        EffectCommand::Result { id, outcome },
    ] {
        let answer = test
            .decide(Actor::Connector, Command::Effect(command))
            .await;
        assert!(matches!(answer, Answer::Effect(Ok(()))), "{answer:?}");
    }
}

#[tokio::test]
async fn money_from_a_bank_is_funding_until_it_came_or_failed_and_its_refund_is_pending() {
    let scene = Scene::new().await;
    let test = &scene.test;
    let bank = TestLine {
        bank: Some("DE89370400440532013000".to_owned()),
        ..TestLine::of(BOB)
    };
    test.import(&bank).await;
    let phone = Phone::enrol(test, BOB, PIN).await;
    let ask = async || {
        let body = payment_of(BOB, "20.00", json!({}));
        let payment = scene.post("/v1/payments", &body).await.expect(201).body;
        let prompt = &phone.prompts(test).await[0];
        phone
            .approve(test, prompt, text(&payment, "match_code"), PIN)
            .await
            .expect(200);
        assert_eq!(scene.payment(&payment).await["status"], "funding");
        payment
    };
    let failed = ask().await;
    bank_says(test, EffectOutcome::Refused).await;
    assert_eq!(scene.payment(&failed).await["status"], "failed");
    let paid = ask().await;
    bank_says(test, EffectOutcome::Done).await;
    assert_eq!(scene.payment(&paid).await["status"], "captured");
    let path = format!("/v1/payments/{}/refunds", text(&paid, "id"));
    let refund = scene.post(&path, &json!({})).await.expect(201).body;
    assert_eq!(refund["status"], "pending");
    bank_says(test, EffectOutcome::Done).await;
    let path = format!("/v1/refunds/{}", text(&refund, "id"));
    let after = scene.get(&path).await.expect(200);
    assert_eq!(after.body["status"], "completed");
    let feed = scene.feed(&after).await;
    let kinds: Vec<_> = feed.iter().map(|event| text(event, "type")).collect();
    assert_eq!(
        kinds,
        [
            "payment.failed",
            "payment.captured",
            "refund.pending",
            "refund.completed"
        ]
    );
}

#[tokio::test]
async fn an_authorised_payment_is_captured_once_in_full_or_in_part() {
    let scene = Scene::new().await;
    let payment = scene.paid("100.00", json!({"capture": "manual"})).await;
    assert_eq!(payment["status"], "authorized");
    assert!(payment["capture_deadline"].is_string());
    let capture = format!("/v1/payments/{}/capture", text(&payment, "id"));
    let too_much = scene.post(&capture, &json!({"amount": "100.01"})).await;
    let too_much = too_much.refused(422, "more_than_authorized");
    assert_eq!(too_much.body["authorized"], "100.00");
    let captured = scene
        .post(&capture, &json!({"amount": "60.00"}))
        .await
        .expect(200)
        .body;
    assert_eq!(captured["status"], "captured");
    assert_eq!(captured["captured_amount"], "60.00");
    assert_eq!(captured["capture_deadline"], Value::Null);
    scene
        .post(&capture, &json!({}))
        .await
        .refused(409, "wrong_status");
    assert_eq!(
        scene.phone.me(&scene.test).await["balance"]["available"],
        "440.00"
    );
}

#[tokio::test]
async fn refunds_add_up_to_what_was_captured_and_no_more() {
    let scene = Scene::new().await;
    let payment = scene.paid("100.00", json!({})).await;
    let path = format!("/v1/payments/{}/refunds", text(&payment, "id"));
    let first = scene
        .post(&path, &json!({"amount": "30.00", "reason": "Torn"}))
        .await
        .expect(201)
        .body;
    assert_eq!(first["amount"], "30.00");
    assert_eq!(first["reason"], "Torn");
    assert_eq!(first["payment"], payment["id"]);
    assert_eq!(first["status"], "completed");
    let more = scene
        .post(&path, &json!({"amount": "70.01"}))
        .await
        .refused(422, "more_than_captured");
    assert_eq!(more.body["left"], "70.00");
    // Without a body at all: the rest.
    let key = Some(scene.shop.key.as_str());
    let headers = [("idempotency-key", "rest")];
    let rest = scene
        .test
        .send(hyper::Method::POST, &path, key, &headers, None)
        .await
        .expect(201)
        .body;
    assert_eq!(rest["amount"], "70.00");
    assert_eq!(rest["reason"], Value::Null);
    scene
        .post(&path, &json!({}))
        .await
        .refused(422, "more_than_captured");
    let all = scene.get(&path).await.expect(200).body;
    assert_eq!(all["data"], json!([first, rest]));
    assert_eq!(scene.payment(&payment).await["refunded_amount"], "100.00");
    assert_eq!(
        scene.phone.me(&scene.test).await["balance"]["available"],
        "500.00"
    );
}

#[tokio::test]
async fn a_merchant_sees_its_own_facts() {
    let scene = Scene::new().await;
    scene.paid("10.00", json!({})).await;
    let me = scene.get("/v1/me").await.expect(200).body;
    assert_eq!(me["name"], "Bookshop");
    assert_eq!(me["category"], "books");
    assert_eq!(me["category_code"], "5942");
    assert_eq!(me["blocked"], false);
    assert_eq!(me["limits"]["used_today"], "10.00");
}

#[tokio::test]
async fn the_number_is_in_no_answer() {
    let scene = Scene::new().await;
    for number in [ALICE, NOBODY] {
        let body = payment_of(number, "10.00", json!({}));
        let answer = scene.post("/v1/payments", &body).await.expect(201);
        assert!(!answer.body.to_string().contains(&number[4..]));
    }
}
