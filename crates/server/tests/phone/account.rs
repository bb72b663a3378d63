//! What there is to pay with, limits, the order of sources, blocked merchants.

use hyper::Method;
use paytone_domain::{grant::Scope, money::Amount, time::HOUR};
use serde_json::json;

use crate::{
    ALICE, PIN, WRONG_PIN,
    support::{Ask, Phone, TestLine, TestNode, code_of, world::now},
};

#[tokio::test]
async fn the_account_shows_every_source() {
    let test = TestNode::start().await;
    let shop = test.merchant("Bookshop", 5942).await;
    let (alice, _) = test
        .import(&TestLine {
            bill_limit: 30_000,
            bank: Some("6222020000112233".to_owned()),
            ..TestLine::of(ALICE)
        })
        .await;
    test.give_cash(alice, 50_000).await;
    let books = Scope {
        merchants: vec![shop.id],
        categories: vec![5942, 5994],
    };
    test.give_grant(alice, 10_000, "Reading week", books).await;
    let phone = Phone::enrol(&test, ALICE, PIN).await;
    let me = phone.me(&test).await;
    for (name, value) in [
        ("number", json!(ALICE)),
        ("name", json!("Alice Wang")),
        ("currency", json!("CNY")),
        ("balance", json!({"available": "500.00", "held": "0.00"})),
        ("bank", json!({"label": "•••• 2233"})),
        ("sources", json!(["grant", "balance", "bill", "bank"])),
        ("pin", json!({"locked": false, "tries_left": 5})),
        ("blocked_merchants", json!([])),
    ] {
        assert_eq!(me[name], value, "{name}");
    }
    let grant = &me["grants"][0];
    assert_eq!(grant["label"], "Reading week");
    assert_eq!(grant["available"], "100.00");
    let scope = json!({"merchants": ["Bookshop"], "categories": ["books"]});
    assert_eq!(grant["scope"], scope);
    let bill = &me["bill"];
    assert_eq!(
        (&bill["limit"], &bill["used"], &bill["available"]),
        (&json!("300.00"), &json!("0.00"), &json!("300.00"))
    );
    assert_eq!(me["limits"]["per_payment"], "5000.00");
    assert_eq!(me["limits"]["used_today"], "0.00");
    assert_eq!(me["devices"][0]["this"], true);
}

#[tokio::test]
async fn what_was_paid_shows_in_sources_and_limits() {
    let test = TestNode::start().await;
    let shop = test.merchant("Bookshop", 5942).await;
    let (alice, _) = test
        .import(&TestLine {
            bill_limit: 30_000,
            ..TestLine::of(ALICE)
        })
        .await;
    test.give_cash(alice, 5_000).await;
    let phone = Phone::enrol(&test, ALICE, PIN).await;
    let order = json!({"order": ["bill", "balance", "grant", "bank"]});
    let answer = phone
        .send(&test, Method::PUT, "/sources", Some(&order))
        .await;
    answer.expect(200);
    let payment = test.ask(&shop, Ask::of(ALICE, 32_000)).await;
    let prompt = phone.prompt(&test, payment.id).await;
    let answer = phone.approve(&test, &prompt, &code_of(&payment), PIN).await;
    answer.expect(200);
    let me = phone.me(&test).await;
    assert_eq!(me["bill"]["available"], "0.00");
    assert_eq!(me["balance"]["available"], "30.00");
    assert_eq!(me["limits"]["used_this_month"], "320.00");
    assert_eq!(me["sources"], order["order"]);
}

#[tokio::test]
async fn limits_are_shown_as_reduced_while_they_are() {
    let test = TestNode::start().await;
    test.line(ALICE).await;
    let phone = Phone::enrol(&test, ALICE, PIN).await;
    let cut = Amount::new(20_000).expect("an amount");
    test.rules(|rules| {
        rules.line_facts_hours = 0;
        rules.reduced_payment_limit = cut;
    })
    .await;
    let me = phone.me(&test).await;
    assert_eq!(me["limits"]["per_payment"], "200.00");
    assert_eq!(me["limits"]["for_other"], "200.00");
}

#[tokio::test]
async fn an_order_names_each_source_once() {
    let test = TestNode::start().await;
    test.line(ALICE).await;
    let phone = Phone::enrol(&test, ALICE, PIN).await;
    for (order, code) in [
        (json!(["grant", "balance", "bill"]), "not_an_order"),
        (json!(["grant", "grant", "bill", "bank"]), "not_an_order"),
        (
            json!(["grant", "balance", "bill", "bank", "bank"]),
            "not_an_order",
        ),
        (
            json!(["grant", "balance", "bill", "gold"]),
            "unknown_source",
        ),
    ] {
        let body = json!({"order": order});
        let answer = phone
            .send(&test, Method::PUT, "/sources", Some(&body))
            .await;
        let answer = answer.refused(422, code);
        assert_eq!(answer.body["field"], "order");
    }
}

#[tokio::test]
async fn a_blocked_merchant_can_be_unblocked() {
    let test = TestNode::start().await;
    let shop = test.merchant("Bookshop", 5942).await;
    test.line(ALICE).await;
    let phone = Phone::enrol(&test, ALICE, PIN).await;
    let payment = test.ask(&shop, Ask::of(ALICE, 100)).await;
    let prompt = phone.prompt(&test, payment.id).await;
    phone.refuse(&test, &prompt, true).await.expect(200);
    let me = phone.me(&test).await;
    let blocked = &me["blocked_merchants"][0];
    assert_eq!(blocked["name"], "Bookshop");
    let id = blocked["id"].as_str().expect("an id");
    let path = format!("/blocked-merchants/{id}");
    phone
        .send(&test, Method::DELETE, &path, None)
        .await
        .expect(200);
    assert_eq!(phone.me(&test).await["blocked_merchants"], json!([]));
    let payment = test.ask(&shop, Ask::of(ALICE, 100)).await;
    phone.prompt(&test, payment.id).await;
    let nobody = "/blocked-merchants/mer_aaaaaaaaaaaaaaaaaaaaaaaaaa";
    let answer = phone.send(&test, Method::DELETE, nobody, None).await;
    answer.refused(404, "not_found");
}

#[tokio::test]
async fn a_wrong_pin_shows_in_the_tries_that_are_left() {
    let test = TestNode::start().await;
    let shop = test.merchant("Bookshop", 5942).await;
    test.line(ALICE).await;
    let phone = Phone::enrol(&test, ALICE, PIN).await;
    let payment = test.ask(&shop, Ask::of(ALICE, 100)).await;
    let prompt = phone.prompt(&test, payment.id).await;
    phone
        .approve(&test, &prompt, &code_of(&payment), WRONG_PIN)
        .await
        .refused(422, "wrong_pin");
    let me = phone.me(&test).await;
    assert_eq!(me["pin"], json!({"locked": false, "tries_left": 4}));
}

#[tokio::test]
async fn a_recycled_number_leaves_its_old_phones_outside() {
    let test = TestNode::start().await;
    let alice = test.line(ALICE).await;
    test.give_cash(alice, 50_000).await;
    let phone = Phone::enrol(&test, ALICE, PIN).await;
    test.import(&TestLine {
        name: "Carol Li".to_owned(),
        activated: now().plus(-HOUR),
        recycled: true,
        ..TestLine::of(ALICE)
    })
    .await;
    phone.get(&test, "/me").await.refused(401, "unauthorized");
    // The new holder begins with nothing, and chooses a PIN.
    let carol = Phone::enrol(&test, ALICE, "385029").await;
    let me = carol.me(&test).await;
    assert_eq!(
        (&me["name"], &me["balance"]["available"]),
        (&json!("Carol Li"), &json!("0.00"))
    );
    assert_eq!(me["devices"].as_array().map(Vec::len), Some(1));
}
