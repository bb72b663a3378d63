//! History: lines, pages, one in full, and what is nobody's to see.

use paytone::edge::ids::Public;
use paytone_domain::{grant::Scope, ids::PaymentId};
use serde_json::{Value, json};

use crate::{
    ALICE, BOB, PIN, WRONG_PIN,
    support::{Ask, Phone, Shop, TestNode, code_of},
};

async fn scene() -> (TestNode, Shop, Phone) {
    let test = TestNode::start().await;
    let shop = test.merchant("Bookshop", 5942).await;
    let alice = test.line(ALICE).await;
    test.give_cash(alice, 50_000).await;
    test.give_grant(alice, 3_000, "Welcome", Scope::default())
        .await;
    let phone = Phone::enrol(&test, ALICE, PIN).await;
    (test, shop, phone)
}

async fn pay(test: &TestNode, shop: &Shop, phone: &Phone, minor: i64) -> PaymentId {
    let payment = test.ask(shop, Ask::of(ALICE, minor)).await;
    let prompt = phone.prompt(test, payment.id).await;
    let answer = phone.approve(test, &prompt, &code_of(&payment), PIN).await;
    answer.expect(200);
    payment.id
}

async fn items(test: &TestNode, phone: &Phone) -> Vec<Value> {
    let answer = phone.get(test, "/history").await.expect(200);
    answer.body["items"].as_array().expect("a list").clone()
}

/// When the one grant ends, as the account says.
async fn grant_ends(test: &TestNode, phone: &Phone) -> String {
    let me = phone.get(test, "/me").await.expect(200).body;
    let ends = me["grants"][0]["expires_at"].as_str();
    ends.expect("a grant that ends").to_owned()
}

async fn detail(test: &TestNode, phone: &Phone, id: &str) -> Value {
    let answer = phone.get(test, &format!("/history/{id}")).await;
    answer.expect(200).body
}

#[tokio::test]
async fn payments_refunds_and_credits_are_told_newest_first() {
    let (test, shop, phone) = scene().await;
    let id = pay(&test, &shop, &phone, 12_800).await;
    test.refund(&shop, id, Some(10_800)).await;
    let items = items(&test, &phone).await;
    let told: Vec<_> = items
        .iter()
        .map(|item| {
            let text = |name: &str| item[name].as_str().expect(name);
            (text("kind"), text("amount"), text("status"))
        })
        .collect();
    let expected = [
        ("refund", "108.00", "completed"),
        ("payment", "128.00", "captured"),
        ("credit", "30.00", "completed"),
        ("credit", "500.00", "completed"),
    ];
    assert_eq!(told, expected);
    assert_eq!(items[1]["refunded_amount"], "108.00");
    assert_eq!(items[1]["merchant"]["name"], "Bookshop");
    assert_eq!(items[1]["purpose"], "Two novels");
    let ends = grant_ends(&test, &phone).await;
    let legs = json!([
        {"source": "grant", "label": "Welcome", "expires_at": ends, "amount": "30.00"},
        {"source": "balance", "label": null, "expires_at": null, "amount": "98.00"},
    ]);
    assert_eq!(items[1]["legs"], legs);
    // Newest spent first: the balance gets all of its part back before the grant does.
    let legs = json!([
        {"source": "balance", "label": null, "expires_at": null, "amount": "98.00"},
        {"source": "grant", "label": "Welcome", "expires_at": ends, "amount": "10.00"},
    ]);
    assert_eq!(items[0]["legs"], legs);
    assert_eq!(items[2]["purpose"], "Welcome");
    assert_eq!(items[2]["legs"][0]["expires_at"], ends);
    assert_eq!(items[3]["legs"][0]["expires_at"], Value::Null);
}

#[tokio::test]
async fn a_second_refund_goes_on_where_the_first_one_ended() {
    let (test, shop, phone) = scene().await;
    let id = pay(&test, &shop, &phone, 12_800).await;
    test.refund(&shop, id, Some(9_000)).await;
    test.refund(&shop, id, None).await;
    let items = items(&test, &phone).await;
    let ends = grant_ends(&test, &phone).await;
    let legs = json!([
        {"source": "balance", "label": null, "expires_at": null, "amount": "8.00"},
        {"source": "grant", "label": "Welcome", "expires_at": ends, "amount": "30.00"},
    ]);
    assert_eq!(items[0]["legs"], legs);
    let refund = items[0]["id"].as_str().expect("an id");
    assert_eq!(detail(&test, &phone, refund).await["amount"], "38.00");
}

#[tokio::test]
async fn one_in_full_tells_its_steps() {
    let (test, shop, phone) = scene().await;
    let payment = test.ask(&shop, Ask::of(ALICE, 12_800)).await;
    let prompt = phone.prompt(&test, payment.id).await;
    let code = code_of(&payment);
    phone
        .approve(&test, &prompt, &code, WRONG_PIN)
        .await
        .refused(422, "wrong_pin");
    phone.approve(&test, &prompt, &code, PIN).await.expect(200);
    test.refund(&shop, payment.id, None).await;
    let shown = detail(&test, &phone, &payment.id.show(&test.node.ids)).await;
    let steps = shown["timeline"].as_array().expect("steps");
    let what: Vec<_> = steps
        .iter()
        .filter_map(|step| step["what"].as_str())
        .collect();
    let expected = [
        "requested",
        "wrong_pin",
        "approved",
        "authorized",
        "captured",
        "refunded",
    ];
    assert_eq!(what, expected);
    assert_eq!(
        (&shown["status"], &shown["kind"]),
        (&json!("captured"), &json!("payment"))
    );
}

#[tokio::test]
async fn pages_follow_one_another_without_gaps() {
    let (test, shop, phone) = scene().await;
    for minor in 1..=5 {
        pay(&test, &shop, &phone, minor * 100).await;
    }
    let all: Vec<_> = items(&test, &phone).await;
    assert_eq!(all.len(), 7);
    let (mut paged, mut path) = (Vec::new(), "/history?limit=3".to_owned());
    loop {
        let page = phone.get(&test, &path).await.expect(200).body;
        paged.extend(page["items"].as_array().expect("a list").clone());
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/history?limit=3&cursor={cursor}");
    }
    assert_eq!(paged, all);
    for (query, status, code) in [
        ("limit=0", 422, "invalid_parameter"),
        ("limit=101", 422, "invalid_parameter"),
        ("cursor=7", 422, "invalid_cursor"),
        ("page=2", 400, "unknown_parameter"),
    ] {
        let answer = phone.get(&test, &format!("/history?{query}")).await;
        answer.refused(status, code);
    }
}

#[tokio::test]
async fn what_was_vetoed_unseen_is_not_in_the_history() {
    let (test, shop, phone) = scene().await;
    let first = test.ask(&shop, Ask::of(ALICE, 100)).await;
    let prompt = phone.prompt(&test, first.id).await;
    phone.refuse(&test, &prompt, true).await.expect(200);
    let unseen = test.ask(&shop, Ask::of(ALICE, 200)).await;
    let items = items(&test, &phone).await;
    let payments: Vec<_> = items
        .iter()
        .filter(|item| item["kind"] == "payment")
        .collect();
    assert_eq!(payments.len(), 1);
    assert_eq!(payments[0]["status"], "refused");
    let path = format!("/history/{}", unseen.id.show(&test.node.ids));
    phone.get(&test, &path).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_veto_at_the_approval_was_told_and_is_shown() {
    let (test, shop, phone) = scene().await;
    let payment = test.ask(&shop, Ask::of(ALICE, 12_800)).await;
    let prompt = phone.prompt(&test, payment.id).await;
    let limit = paytone_domain::money::Amount::new(10_000).expect("an amount");
    test.rules(|rules| rules.payment_limit = limit).await;
    let answer = phone.approve(&test, &prompt, &code_of(&payment), PIN).await;
    answer.refused(403, "vetoed");
    let shown = detail(&test, &phone, &payment.id.show(&test.node.ids)).await;
    assert_eq!(shown["status"], "declined");
    assert_eq!(items(&test, &phone).await[0]["status"], "declined");
}

#[tokio::test]
async fn a_history_is_its_owners_alone() {
    let (test, shop, phone) = scene().await;
    let id = pay(&test, &shop, &phone, 12_800).await;
    let refund = test.refund(&shop, id, None).await;
    test.line(BOB).await;
    let bob = Phone::enrol(&test, BOB, PIN).await;
    assert!(items(&test, &bob).await.is_empty());
    let mut ids = vec![id.show(&test.node.ids), refund.id.show(&test.node.ids)];
    for item in items(&test, &phone).await {
        let id = item["id"].as_str().expect("an id");
        assert_eq!(detail(&test, &phone, id).await["id"], id);
        ids.push(id.to_owned());
    }
    for id in ids {
        let answer = bob.get(&test, &format!("/history/{id}")).await;
        answer.refused(404, "not_found");
    }
    let answer = phone.get(&test, "/history/pay_made_up").await;
    answer.refused(404, "not_found");
}
