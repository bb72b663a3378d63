//! Prompts and their answers.

use paytone::edge::text::Place;
use paytone_domain::payment::Status;
use serde_json::{Value, json};

use crate::{
    ALICE, BOB, PIN, WRONG_PIN,
    support::{Ask, Phone, Shop, TestNode, code_of},
};

/// A node, a bookshop, and Alice with 500 yuan and a phone.
async fn scene() -> (TestNode, Shop, Phone) {
    let test = TestNode::start().await;
    let shop = test.merchant("Bookshop", 5942).await;
    let alice = test.line(ALICE).await;
    test.give_cash(alice, 50_000).await;
    let phone = Phone::enrol(&test, ALICE, PIN).await;
    (test, shop, phone)
}

async fn status_of(test: &TestNode, id: paytone_domain::ids::PaymentId) -> Status {
    let read = test
        .node
        .engine
        .read(move |state, _| state.payments[&id].status);
    read.await.expect("the engine runs").answer
}

#[tokio::test]
async fn a_merchants_name_that_cannot_be_read_is_never_shown_as_none() {
    let (test, shop, phone) = scene().await;
    test.ask(&shop, Ask::of(ALICE, 12_800)).await;
    phone.get(&test, "/prompts").await.expect(200);
    let other = test.merchant_sealed(Place::Refund, "Other", 5942).await;
    test.ask(&other, Ask::of(ALICE, 100)).await;
    phone.get(&test, "/prompts").await.refused(500, "internal");
}

#[tokio::test]
async fn a_prompt_says_who_how_much_what_for_and_until_when() {
    let (test, shop, phone) = scene().await;
    let payment = test.ask(&shop, Ask::of(ALICE, 12_800)).await;
    let prompt = phone.prompt(&test, payment.id).await;
    for (name, value) in [
        ("kind", json!("payment")),
        ("amount", json!("128.00")),
        ("currency", json!("CNY")),
        ("purpose", json!("Two novels")),
        ("for", json!("self")),
        ("asker_name", Value::Null),
        ("mandate", Value::Null),
        ("device", Value::Null),
        ("this_device", json!(phone.device)),
    ] {
        assert_eq!(prompt[name], value, "{name}");
    }
    assert_eq!(prompt["merchant"]["name"], "Bookshop");
    assert_eq!(prompt["merchant"]["category"], "books");
    let codes = prompt["codes"].as_array().expect("codes");
    assert_eq!(codes.len(), 3);
    assert!(codes.contains(&json!(code_of(&payment))));
}

#[tokio::test]
async fn the_right_code_and_pin_pay() {
    let (test, shop, phone) = scene().await;
    let payment = test.ask(&shop, Ask::of(ALICE, 12_800)).await;
    let prompt = phone.prompt(&test, payment.id).await;
    let answer = phone.approve(&test, &prompt, &code_of(&payment), PIN).await;
    assert_eq!(answer.expect(200).body, json!({"status": "captured"}));
    assert!(phone.prompts(&test).await.is_empty());
    // The same approval once more pays nothing.
    let again = phone.approve(&test, &prompt, &code_of(&payment), PIN).await;
    again.refused(409, "already_decided");
}

#[tokio::test]
async fn somebody_elses_request_tells_who_asks() {
    let (test, shop, phone) = scene().await;
    let asker_name = Some("Bob".to_owned());
    let ask = Ask {
        asker_name,
        ..Ask::of(ALICE, 5_000)
    };
    let payment = test.ask(&shop, ask).await;
    let prompt = phone.prompt(&test, payment.id).await;
    assert_eq!(
        (&prompt["for"], &prompt["asker_name"]),
        (&json!("other"), &json!("Bob"))
    );
    let answer = phone.approve(&test, &prompt, &code_of(&payment), PIN).await;
    assert_eq!(answer.expect(200).body["status"], "captured");
}

#[tokio::test]
async fn a_wrong_code_ends_the_payment() {
    let (test, shop, phone) = scene().await;
    let payment = test.ask(&shop, Ask::of(ALICE, 12_800)).await;
    let prompt = phone.prompt(&test, payment.id).await;
    let codes = prompt["codes"].as_array().expect("codes");
    let mut codes = codes.iter().filter_map(Value::as_str);
    let wrong = codes.find(|code| *code != code_of(&payment));
    let answer = phone
        .approve(&test, &prompt, wrong.expect("two others"), PIN)
        .await;
    answer.refused(409, "wrong_code");
    assert_eq!(status_of(&test, payment.id).await, Status::Refused);
    let answer = phone.approve(&test, &prompt, &code_of(&payment), PIN).await;
    answer.refused(409, "already_decided");
}

#[tokio::test]
async fn a_wrong_pin_leaves_the_prompt_until_the_pin_is_locked() {
    let (test, shop, phone) = scene().await;
    let payment = test.ask(&shop, Ask::of(ALICE, 12_800)).await;
    let prompt = phone.prompt(&test, payment.id).await;
    let code = code_of(&payment);
    // What is no PIN at all uses up no try.
    phone
        .approve(&test, &prompt, &code, "28461")
        .await
        .refused(422, "invalid_pin");
    for tries_left in (0..=4).rev() {
        let answer = phone.approve(&test, &prompt, &code, WRONG_PIN).await;
        let answer = answer.refused(422, "wrong_pin");
        assert_eq!(answer.body["tries_left"], tries_left);
    }
    phone
        .approve(&test, &prompt, &code, PIN)
        .await
        .refused(423, "pin_locked");
    assert_eq!(status_of(&test, payment.id).await, Status::AwaitingApproval);
}

#[tokio::test]
async fn every_fact_of_the_document_counts() {
    let (test, shop, phone) = scene().await;
    let payment = test.ask(&shop, Ask::of(ALICE, 12_800)).await;
    let prompt = phone.prompt(&test, payment.id).await;
    let document = phone.document(&test, &prompt, Some(&code_of(&payment)));
    for (name, other) in [
        ("type", json!("paytone.other")),
        ("version", json!(2)),
        ("action", json!("approve_mandate")),
        ("id", json!("pay_aaaaaaaaaaaaaaaaaaaaaaaaaa")),
        ("merchant", json!("mer_aaaaaaaaaaaaaaaaaaaaaaaaaa")),
        ("merchant_name", json!("Bookshop ")),
        ("amount", json!("128.0")),
        ("currency", json!("USD")),
        ("purpose", json!("One novel")),
        ("for", json!("other")),
        ("asker_name", json!("Bob")),
        (
            "mandate",
            json!({"max_per_payment": "1.00", "max_per_month": "1.00", "ends_on": "2030-01-01"}),
        ),
        ("payer", json!("sub_aaaaaaaaaaaaaaaaaaaaaaaaaa")),
        ("device", json!("dev_aaaaaaaaaaaaaaaaaaaaaaaaaa")),
        ("deadline", Value::Null),
        ("origin", json!("https://evil.example")),
        ("match_code", Value::Null),
        ("match_code", json!("4x")),
    ] {
        let mut differs = document.clone();
        differs[name] = other;
        let answer = phone
            .send_approval(&test, &prompt, &differs.to_string(), PIN)
            .await;
        assert_eq!(
            (answer.status, answer.code()),
            (422, "facts_differ"),
            "{name}"
        );
    }
    let mut more = document.clone();
    more["note"] = json!("hello");
    let twice = document
        .to_string()
        .replacen('{', "{\"amount\":\"1.00\",", 1);
    for not_a_document in [more.to_string(), twice, "[]".to_owned(), String::new()] {
        let answer = phone
            .send_approval(&test, &prompt, &not_a_document, PIN)
            .await;
        answer.refused(422, "invalid_document");
    }
    // Nothing of all that answered the prompt.
    let answer = phone
        .send_approval(&test, &prompt, &document.to_string(), PIN)
        .await;
    assert_eq!(answer.expect(200).body["status"], "captured");
}

#[tokio::test]
async fn a_signature_must_be_this_devices_over_these_very_bytes() {
    let (test, shop, phone) = scene().await;
    test.line(BOB).await;
    let bob = Phone::enrol(&test, BOB, PIN).await;
    let payment = test.ask(&shop, Ask::of(ALICE, 12_800)).await;
    let prompt = phone.prompt(&test, payment.id).await;
    let document = phone
        .document(&test, &prompt, Some(&code_of(&payment)))
        .to_string();
    let spaced = document.replacen(':', ": ", 1);
    for signature in [
        phone.sign(&document),
        phone.sign(&format!("paytone.approval.v1\n{spaced}")),
        bob.sign(&format!("paytone.approval.v1\n{document}")),
    ] {
        let answer = phone
            .send_signed(&test, &prompt, &document, &signature, PIN)
            .await;
        answer.refused(422, "bad_signature");
    }
    for signature in ["", "AAAA", "not base64url"] {
        let answer = phone
            .send_signed(&test, &prompt, &document, signature, PIN)
            .await;
        answer.refused(422, "invalid_signature");
    }
    // Another payer finds no such prompt.
    bob.send_approval(&test, &prompt, &document, PIN)
        .await
        .refused(404, "not_found");
    bob.refuse(&test, &prompt, false)
        .await
        .refused(404, "not_found");
    assert_eq!(status_of(&test, payment.id).await, Status::AwaitingApproval);
}

#[tokio::test]
async fn a_removed_device_approves_nothing() {
    let (test, shop, phone) = scene().await;
    let second = Phone::enrol(&test, ALICE, PIN).await;
    let asked = phone.prompts(&test).await;
    phone
        .approve_device(&test, &asked[0], PIN)
        .await
        .expect(200);
    let payment = test.ask(&shop, Ask::of(ALICE, 12_800)).await;
    let prompt = second.prompt(&test, payment.id).await;
    phone.stop_device(&test, &second.device).await.expect(200);
    let answer = second
        .approve(&test, &prompt, &code_of(&payment), PIN)
        .await;
    answer.refused(401, "unauthorized");
    let prompt = phone.prompt(&test, payment.id).await;
    let answer = phone.approve(&test, &prompt, &code_of(&payment), PIN).await;
    assert_eq!(answer.expect(200).body["status"], "captured");
}

#[tokio::test]
async fn what_is_refused_is_over_and_the_merchant_may_ask_again() {
    let (test, shop, phone) = scene().await;
    let payment = test.ask(&shop, Ask::of(ALICE, 12_800)).await;
    let prompt = phone.prompt(&test, payment.id).await;
    let answer = phone.refuse(&test, &prompt, false).await.expect(200);
    assert_eq!(answer.body, json!({"status": "refused"}));
    phone
        .refuse(&test, &prompt, false)
        .await
        .refused(409, "already_decided");
    let payment = test.ask(&shop, Ask::of(ALICE, 12_800)).await;
    phone.prompt(&test, payment.id).await;
}

#[tokio::test]
async fn a_reported_merchant_reaches_this_payer_no_more() {
    let (test, shop, phone) = scene().await;
    let payment = test.ask(&shop, Ask::of(ALICE, 12_800)).await;
    let prompt = phone.prompt(&test, payment.id).await;
    phone.refuse(&test, &prompt, true).await.expect(200);
    let unseen = test.ask(&shop, Ask::of(ALICE, 12_800)).await;
    // The merchant sees a prompt that waits, as ever.
    assert_eq!(unseen.now.status, Status::AwaitingApproval);
    assert!(phone.prompts(&test).await.is_empty());
    let mut prompt = prompt.clone();
    prompt["id"] = json!(paytone::edge::ids::Public::show(unseen.id, &test.node.ids));
    let answer = phone.approve(&test, &prompt, &code_of(&unseen), PIN).await;
    answer.refused(404, "not_found");
}

#[tokio::test]
async fn too_little_money_leaves_the_prompt_open() {
    let (test, shop, phone) = scene().await;
    let payment = test.ask(&shop, Ask::of(ALICE, 50_001)).await;
    let prompt = phone.prompt(&test, payment.id).await;
    let answer = phone.approve(&test, &prompt, &code_of(&payment), PIN).await;
    answer.refused(402, "insufficient_funds");
    let alice = test.line(ALICE).await;
    test.give_cash(alice, 1).await;
    let answer = phone.approve(&test, &prompt, &code_of(&payment), PIN).await;
    assert_eq!(answer.expect(200).body["status"], "captured");
}

#[tokio::test]
async fn after_the_deadline_it_is_too_late() {
    let (test, shop, phone) = scene().await;
    let ask = Ask {
        expires_in_seconds: Some(1),
        ..Ask::of(ALICE, 12_800)
    };
    let payment = test.ask(&shop, ask).await;
    let prompt = phone.prompt(&test, payment.id).await;
    let expired = async {
        while status_of(&test, payment.id).await != Status::Expired {
            tokio::task::yield_now().await;
        }
    };
    let patience = crate::support::PATIENCE;
    tokio::time::timeout(patience, expired)
        .await
        .expect("it expires");
    assert!(phone.prompts(&test).await.is_empty());
    let answer = phone.approve(&test, &prompt, &code_of(&payment), PIN).await;
    answer.refused(409, "too_late");
    phone
        .refuse(&test, &prompt, false)
        .await
        .refused(409, "too_late");
}

#[tokio::test]
async fn a_rule_that_says_no_to_an_approval_gives_its_reason() {
    let (test, shop, phone) = scene().await;
    let payment = test.ask(&shop, Ask::of(ALICE, 12_800)).await;
    let prompt = phone.prompt(&test, payment.id).await;
    let limit = paytone_domain::money::Amount::new(10_000).expect("an amount");
    test.rules(|rules| rules.payment_limit = limit).await;
    let answer = phone.approve(&test, &prompt, &code_of(&payment), PIN).await;
    let answer = answer.refused(403, "vetoed");
    assert_eq!(answer.body["reason"], "payment_limit");
    // Its merchant is told nothing.
    assert_eq!(status_of(&test, payment.id).await, Status::AwaitingApproval);
}

#[tokio::test]
async fn prompts_are_there_again_after_a_restart() {
    let (test, shop, phone) = scene().await;
    let payment = test.ask(&shop, Ask::of(ALICE, 12_800)).await;
    let test = test.restart().await;
    let prompt = phone.prompt(&test, payment.id).await;
    let answer = phone.approve(&test, &prompt, &code_of(&payment), PIN).await;
    assert_eq!(answer.expect(200).body["status"], "captured");
}
