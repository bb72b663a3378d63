//! Everything that is not acceptable has an error of its own that names the field, and changes nothing.

use hyper::Method;
use serde_json::{Value, json};

use crate::{
    ALICE,
    client::{Scene, fresh, payment_of},
    support::TestNode,
};

/// What a scene without payments has in its journal.
async fn position(test: &TestNode) -> u64 {
    let read = test.node.engine.read(|_, _| ()).await;
    read.expect("the engine runs").position
}

#[tokio::test]
async fn every_wrong_body_is_refused_by_the_name_of_its_field() {
    let scene = Scene::new().await;
    let before = position(&scene.test).await;
    let with = |more: Value| payment_of(ALICE, "128.00", more);
    let cases = [
        (
            with(json!({"amount": 128.5})),
            400,
            "invalid_field",
            "amount",
        ),
        (with(json!({"amount": 128})), 400, "invalid_field", "amount"),
        (
            with(json!({"amount": "-1.00"})),
            422,
            "invalid_amount",
            "amount",
        ),
        (
            with(json!({"amount": "1e3"})),
            422,
            "invalid_amount",
            "amount",
        ),
        (
            with(json!({"amount": "0.00"})),
            422,
            "amount_not_positive",
            "amount",
        ),
        (
            with(json!({"amount": "1.005"})),
            422,
            "too_many_decimals",
            "amount",
        ),
        (
            with(json!({"amount": "10000000000.01"})),
            422,
            "amount_too_large",
            "amount",
        ),
        (
            with(json!({"currency": "USD"})),
            422,
            "currency_not_enabled",
            "currency",
        ),
        (
            with(json!({"colour": "red"})),
            400,
            "unknown_field",
            "colour",
        ),
        (
            with(json!({"payer": {"phone_number": ALICE, "name": "A"}})),
            400,
            "unknown_field",
            "payer.name",
        ),
        (with(json!({"payer": ALICE})), 400, "invalid_field", "payer"),
        (
            with(json!({"payer": {}})),
            400,
            "missing_field",
            "payer.phone_number",
        ),
        (
            with(json!({"payer": {"phone_number": "12"}})),
            422,
            "invalid_phone_number",
            "payer.phone_number",
        ),
        (
            with(json!({"payer": null})),
            422,
            "payer_or_mandate",
            "payer",
        ),
        (
            with(json!({"mandate": "man_x"})),
            422,
            "payer_or_mandate",
            "payer",
        ),
        (
            with(json!({"payer": null, "mandate": "man_x"})),
            422,
            "mandate_not_found",
            "mandate",
        ),
        (with(json!({"for": "friend"})), 400, "invalid_field", "for"),
        (
            with(json!({"asker_name": "Lin"})),
            422,
            "not_for_self",
            "asker_name",
        ),
        (
            with(json!({"for": "other", "asker_name": "L".repeat(41)})),
            422,
            "text_too_long",
            "asker_name",
        ),
        (
            with(json!({"description": ""})),
            422,
            "text_blank",
            "description",
        ),
        (
            with(json!({"description": "x".repeat(141)})),
            422,
            "text_too_long",
            "description",
        ),
        (
            with(json!({"description": "a\u{202e}b"})),
            422,
            "text_not_plain",
            "description",
        ),
        (
            with(json!({"reference": "x".repeat(65)})),
            422,
            "text_too_long",
            "reference",
        ),
        (
            with(json!({"expires_in": 29})),
            422,
            "invalid_expires_in",
            "expires_in",
        ),
        (
            with(json!({"expires_in": 901})),
            422,
            "invalid_expires_in",
            "expires_in",
        ),
        (
            with(json!({"expires_in": 60.5})),
            400,
            "invalid_field",
            "expires_in",
        ),
        (
            with(json!({"capture": "later"})),
            400,
            "invalid_field",
            "capture",
        ),
        (
            json!({"payer": {"phone_number": ALICE}, "description": "x"}),
            400,
            "missing_field",
            "amount",
        ),
    ];
    for (body, status, code, field) in cases {
        let answer = scene
            .post("/v1/payments", &body)
            .await
            .refused(status, code);
        assert_eq!(answer.body["field"], field, "{body}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.body["type"], format!("/problems/{code}"));
        assert_eq!(answer.body["status"], status);
    }
    let number = payment_of(ALICE, "1.00", json!({"amount": 128.5}));
    let answer = scene.post("/v1/payments", &number).await;
    let detail = answer.body["detail"].as_str().expect("text");
    assert!(detail.contains("not a JSON number"), "{detail}");
    assert_eq!(position(&scene.test).await, before, "nothing was decided");
}

#[tokio::test]
async fn what_is_no_json_or_not_sent_as_such_is_told_apart() {
    let scene = Scene::new().await;
    let json = ("content-type", "application/json");
    let good = payment_of(ALICE, "1.00", json!({})).to_string();
    let large = payment_of(ALICE, "1.00", json!({"reference": "x".repeat(70_000)})).to_string();
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let cases: [(Headers<'_>, String, u16, &str); 7] = [
        (&[json], "{".to_owned(), 400, "malformed_json"),
        (&[json], String::new(), 400, "malformed_json"),
        (&[json], format!("{good} x"), 400, "malformed_json"),
        (&[json], "[]".to_owned(), 400, "invalid_field"),
        (&[], good.clone(), 415, "unsupported_media_type"),
        (
            &[("content-type", "text/plain")],
            good,
            415,
            "unsupported_media_type",
        ),
        (&[json], large, 413, "body_too_large"),
    ];
    for (headers, body, status, code) in cases {
        let key = fresh();
        let mut headers = headers.to_vec();
        headers.push(("idempotency-key", &key));
        let start: String = body.chars().take(30).collect();
        let token = Some(scene.shop.key.as_str());
        let answer = scene
            .test
            .send_bytes(
                Method::POST,
                "/v1/payments",
                token,
                &headers,
                body.into_bytes(),
            )
            .await;
        assert_eq!((answer.status, answer.code()), (status, code), "{start}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_not_let_in_before_anything_is_read() {
    let scene = Scene::new().await;
    let other = format!("sk_{}", "A".repeat(43));
    for key in [None, Some(""), Some("nothing"), Some(other.as_str())] {
        let headers = [("idempotency-key", "k")];
        let body = json!({"not": "looked at"});
        let path = "/v1/payments";
        let answer = scene
            .test
            .send(Method::POST, path, key, &headers, Some(&body))
            .await;
        let answer = answer.refused(401, "unauthorized");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
}

#[tokio::test]
async fn an_idempotency_key_is_1_to_64_visible_characters() {
    let scene = Scene::new().await;
    let body = payment_of(ALICE, "1.00", json!({}));
    let missing = scene
        .test
        .post("/v1/payments", Some(&scene.shop.key), &body)
        .await;
    missing.refused(400, "idempotency_key_missing");
    let (longest, too_long) = ("k".repeat(64), "k".repeat(65));
    scene
        .post_as("/v1/payments", &longest, &body)
        .await
        .expect(201);
    for key in ["", too_long.as_str(), "a b"] {
        let answer = scene.post_as("/v1/payments", key, &body).await;
        let answer = answer.refused(400, "idempotency_key_invalid");
        assert_eq!(answer.body["field"], "Idempotency-Key");
    }
}

#[tokio::test]
async fn another_merchants_payment_refund_and_mandate_are_not_there() {
    let scene = Scene::new().await;
    let payment = scene.paid("10.00", json!({})).await;
    let id = payment["id"].as_str().expect("an id");
    let refund = scene
        .post(
            &format!("/v1/payments/{id}/refunds"),
            &json!({"amount": "1.00"}),
        )
        .await;
    let refund = refund.expect(201).body["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let other = scene.test.merchant("Elsewhere", 5411).await;
    for path in [
        format!("/v1/payments/{id}"),
        format!("/v1/payments/{id}/refunds"),
        format!("/v1/refunds/{refund}"),
        "/v1/payments/pay_nothing".to_owned(),
        "/v1/mandates/man_nothing".to_owned(),
        "/v1/nothing".to_owned(),
    ] {
        scene
            .test
            .get(&path, Some(&other.key))
            .await
            .refused(404, "not_found");
    }
    for action in ["cancel", "capture", "refunds"] {
        let path = format!("/v1/payments/{id}/{action}");
        let key = fresh();
        let headers = [("idempotency-key", key.as_str())];
        let answer = scene
            .test
            .send(Method::POST, &path, Some(&other.key), &headers, None)
            .await;
        answer.refused(404, "not_found");
    }
    let wrong = scene
        .test
        .send(Method::PUT, "/v1/payments", Some(&other.key), &[], None)
        .await;
    wrong.refused(405, "method_not_allowed");
}

#[tokio::test]
async fn wrong_parameters_are_refused_by_name() {
    let scene = Scene::new().await;
    let payment = scene.ask("10.00", json!({})).await;
    let one = format!("/v1/payments/{}", payment["id"].as_str().expect("an id"));
    for (path, status, code, field) in [
        (format!("{one}?wait=31"), 422, "invalid_parameter", "wait"),
        (format!("{one}?wait=soon"), 422, "invalid_parameter", "wait"),
        (
            format!("{one}?status=paid"),
            422,
            "invalid_status",
            "status",
        ),
        (
            format!("{one}?colour=red"),
            400,
            "unknown_parameter",
            "colour",
        ),
        (
            "/v1/payments?limit=0".to_owned(),
            422,
            "invalid_parameter",
            "limit",
        ),
        (
            "/v1/payments?limit=101".to_owned(),
            422,
            "invalid_parameter",
            "limit",
        ),
        (
            "/v1/payments?cursor=x".to_owned(),
            422,
            "invalid_cursor",
            "cursor",
        ),
        (
            "/v1/events?cursor=pay_x".to_owned(),
            422,
            "invalid_cursor",
            "cursor",
        ),
        (
            "/v1/events?limit=5&limit=6".to_owned(),
            400,
            "repeated_parameter",
            "limit",
        ),
    ] {
        let answer = scene.get(&path).await.refused(status, code);
        assert_eq!(answer.body["field"], field, "{path}");
    }
}
