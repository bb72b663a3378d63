//! Mandates: signed once, charged without a prompt, and told at once when not.

use paytone_domain::time::{DAY, HOUR};
use serde_json::{Value, json};

use crate::{
    ALICE, NOBODY,
    client::{Scene, text},
    support::{TestLine, world::now},
};

fn terms(number: &str, more: Value) -> Value {
    let mut body = json!({
        "payer": {"phone_number": number},
        "max_per_payment": "50.00",
        "max_per_month": "120.00",
        "ends_on": "2099-12-31",
        "description": "A box of books every month",
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}

async fn active(scene: &Scene) -> Value {
    let body = terms(ALICE, json!({"reference": "box"}));
    let mandate = scene.post("/v1/mandates", &body).await.expect(201).body;
    assert_eq!(mandate["status"], "awaiting_approval");
    scene.approve_mandate(&mandate).await.expect(200);
    let path = format!(
        "/v1/mandates/{}?wait=9&status=awaiting_approval",
        text(&mandate, "id")
    );
    let mandate = scene.get(&path).await.expect(200).body;
    assert_eq!(mandate["status"], "active");
    mandate
}

async fn charge(scene: &Scene, mandate: &Value, amount: &str) -> Value {
    let body = json!({"amount": amount, "mandate": mandate["id"], "description": "November"});
    scene.post("/v1/payments", &body).await.expect(201).body
}

#[tokio::test]
async fn a_mandate_is_charged_at_once_within_what_was_signed() {
    let scene = Scene::new().await;
    let mandate = active(&scene).await;
    for (name, value) in [
        ("object", "mandate"),
        ("max_per_payment", "50.00"),
        ("max_per_month", "120.00"),
        ("currency", "CNY"),
        ("ends_on", "2099-12-31"),
        ("description", "A box of books every month"),
        ("reference", "box"),
    ] {
        assert_eq!(mandate[name], value, "{name}");
    }
    let paid = charge(&scene, &mandate, "50.00").await;
    assert_eq!(paid["status"], "captured");
    assert_eq!(paid["mandate"], mandate["id"]);
    assert_eq!(paid["match_code"], Value::Null);
    let code = |payment: &Value| text(&payment["decline"], "code").to_owned();
    let over = charge(&scene, &mandate, "50.01").await;
    assert_eq!(
        (text(&over, "status"), code(&over).as_str()),
        ("declined", "mandate_payment_limit")
    );
    charge(&scene, &mandate, "50.00").await;
    assert_eq!(
        code(&charge(&scene, &mandate, "20.01").await),
        "mandate_monthly_limit"
    );
    assert_eq!(
        charge(&scene, &mandate, "20.00").await["status"],
        "captured"
    );
    let manual =
        json!({"amount": "1.00", "mandate": mandate["id"], "description": "x", "for": "self"});
    let wrong = scene
        .post("/v1/payments", &manual)
        .await
        .refused(422, "not_with_mandate");
    assert_eq!(wrong.body["field"], "for");
}

#[tokio::test]
async fn a_sim_change_suspends_and_an_end_ends_it() {
    let scene = Scene::new().await;
    let mandate = active(&scene).await;
    let changed = now().plus(-HOUR);
    let line = TestLine {
        sim_changed: Some(changed),
        activated: now().plus(-730 * DAY),
        ..TestLine::of(ALICE)
    };
    scene.test.import(&line).await;
    let path = format!("/v1/mandates/{}", text(&mandate, "id"));
    let shown = scene.get(&path).await.expect(200);
    assert_eq!(shown.body["status"], "suspended");
    let payment = charge(&scene, &mandate, "1.00").await;
    assert_eq!(
        payment["decline"]["code"]
            .as_str()
            .map(|code| code.is_empty()),
        Some(false)
    );
    assert_eq!(payment["status"], "declined");
    let end = format!("{path}/end");
    assert_eq!(
        scene.post(&end, &json!({})).await.expect(200).body["status"],
        "ended"
    );
    let again = scene.post(&end, &json!({})).await.expect(200);
    assert_eq!(again.body["status"], "ended");
    let payment = charge(&scene, &mandate, "1.00").await;
    assert_eq!(payment["decline"]["code"], "mandate_ended");
    let path = format!("/v1/payments/{}", text(&payment, "id"));
    let feed = scene.feed(&scene.get(&path).await).await;
    let kinds: Vec<_> = feed.iter().map(|event| text(event, "type")).collect();
    assert_eq!(
        kinds,
        [
            "mandate.active",
            "mandate.suspended",
            "payment.declined",
            "mandate.ended",
            "payment.declined",
        ]
    );
    assert_eq!(feed[0]["data"]["status"], "active", "as it stood then");
}

#[tokio::test]
async fn wrong_terms_are_refused_by_name() {
    let scene = Scene::new().await;
    for (more, status, code, field) in [
        (
            json!({"max_per_payment": "120.01"}),
            422,
            "limits_contradict",
            "max_per_payment",
        ),
        (
            json!({"max_per_month": 120}),
            400,
            "invalid_field",
            "max_per_month",
        ),
        (
            json!({"ends_on": "2020-01-01"}),
            422,
            "ends_in_the_past",
            "ends_on",
        ),
        (
            json!({"ends_on": "2099-02-30"}),
            422,
            "invalid_date",
            "ends_on",
        ),
        (
            json!({"ends_on": "31.12.2099"}),
            422,
            "invalid_date",
            "ends_on",
        ),
        (
            json!({"currency": "EUR"}),
            422,
            "currency_not_enabled",
            "currency",
        ),
        (json!({"amount": "1.00"}), 400, "unknown_field", "amount"),
    ] {
        let body = terms(ALICE, more);
        let answer = scene
            .post("/v1/mandates", &body)
            .await
            .refused(status, code);
        assert_eq!(answer.body["field"], field, "{body}");
    }
}

#[tokio::test]
async fn a_mandate_of_nobodys_number_waits_and_can_be_cancelled_and_charges_tell_nothing() {
    let scene = Scene::new().await;
    for number in [ALICE, NOBODY] {
        let mandate = scene
            .post("/v1/mandates", &terms(number, json!({})))
            .await
            .expect(201)
            .body;
        let payment = charge(&scene, &mandate, "1.00").await;
        assert_eq!(payment["decline"]["code"], "mandate_not_active", "{number}");
        let end = format!("/v1/mandates/{}/end", text(&mandate, "id"));
        assert_eq!(
            scene.post(&end, &json!({})).await.expect(200).body["status"],
            "cancelled"
        );
        let payment = charge(&scene, &mandate, "1.00").await;
        assert_eq!(payment["decline"]["code"], "mandate_not_active", "{number}");
    }
}
