//! The event stream.

use std::time::{Duration, Instant};

use paytone::edge::ids::Public;
use paytone_domain::operator::Operation;
use serde_json::json;

use crate::{
    ALICE, BOB, PIN,
    support::{Ask, Events, Phone, Shop, TestNode, code_of},
};

async fn scene() -> (TestNode, Shop, Phone) {
    let test = TestNode::start().await;
    let shop = test.merchant("Bookshop", 5942).await;
    let alice = test.line(ALICE).await;
    test.give_cash(alice, 50_000).await;
    let phone = Phone::enrol(&test, ALICE, PIN).await;
    (test, shop, phone)
}

#[tokio::test]
async fn a_prompt_is_there_within_a_second_and_the_same_as_when_fetched() {
    let (test, shop, phone) = scene().await;
    let mut events = phone.events(&test).await;
    events.next_of("ping").await;
    let asked = Instant::now();
    let payment = test.ask(&shop, Ask::of(ALICE, 12_800)).await;
    let prompt = events.next_of("prompt").await;
    assert!(
        asked.elapsed() < Duration::from_secs(1),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(prompt, phone.prompt(&test, payment.id).await);
    let answer = phone.approve(&test, &prompt, &code_of(&payment), PIN).await;
    answer.expect(200);
    let id = payment.id.show(&test.node.ids);
    let closed = events.next_of("prompt_closed").await;
    assert_eq!(closed, json!({"id": id, "status": "captured"}));
    let item = events.next_of("payment").await;
    assert_eq!(
        (&item["id"], &item["status"]),
        (&json!(id), &json!("captured"))
    );
    let history = phone.get(&test, "/history?limit=1").await.expect(200);
    assert_eq!(history.body["items"][0], item);
}

#[tokio::test]
async fn what_ends_a_prompt_closes_it_on_every_phone() {
    let (test, shop, phone) = scene().await;
    let second = Phone::enrol(&test, ALICE, PIN).await;
    let asked = phone.prompts(&test).await;
    phone
        .approve_device(&test, &asked[0], PIN)
        .await
        .expect(200);
    let mut here = phone.events(&test).await;
    let mut there = second.events(&test).await;
    let payment = test.ask(&shop, Ask::of(ALICE, 12_800)).await;
    let prompt = here.next_of("prompt").await;
    assert_eq!(prompt["this_device"], phone.device.as_str());
    assert_eq!(
        there.next_of("prompt").await["this_device"],
        second.device.as_str()
    );
    test.cancel(&shop, payment.id).await;
    for events in [&mut here, &mut there] {
        assert_eq!(events.next_of("prompt_closed").await["status"], "cancelled");
    }
    test.ask(&shop, Ask::of(ALICE, 100)).await;
    let prompt = here.next_of("prompt").await;
    there.next_of("prompt").await;
    phone.refuse(&test, &prompt, false).await.expect(200);
    assert_eq!(there.next_of("prompt_closed").await["status"], "refused");
}

#[tokio::test]
async fn a_deadline_closes_a_prompt() {
    let (test, shop, phone) = scene().await;
    let mut events = phone.events(&test).await;
    let ask = Ask {
        expires_in_seconds: Some(1),
        ..Ask::of(ALICE, 100)
    };
    test.ask(&shop, ask).await;
    events.next_of("prompt").await;
    assert_eq!(events.next_of("prompt_closed").await["status"], "expired");
}

#[tokio::test]
async fn mandates_and_their_charges_are_told() {
    let (test, shop, phone) = scene().await;
    let mut events = phone.events(&test).await;
    let mandate = test.ask_mandate(&shop, ALICE, 5_000).await;
    let prompt = events.next_of("prompt").await;
    assert_eq!(prompt["kind"], "mandate");
    let code = format!("{:02}", mandate.match_code);
    phone.approve(&test, &prompt, &code, PIN).await.expect(200);
    assert_eq!(events.next_of("prompt_closed").await["status"], "active");
    events.next_of("me").await;
    test.charge(&shop, mandate.id, Ask::of(ALICE, 3_000)).await;
    let item = events.next_of("payment").await;
    assert_eq!(item["mandate"], mandate.id.show(&test.node.ids));
    assert_eq!(item["status"], "captured");
}

#[tokio::test]
async fn what_changes_the_account_is_told() {
    let (test, shop, phone) = scene().await;
    let alice = test.line(ALICE).await;
    let mut events = phone.events(&test).await;
    test.give_cash(alice, 100).await;
    events.next_of("me").await;
    let sources = json!({"order": ["bank", "bill", "balance", "grant"]});
    phone
        .send(&test, hyper::Method::PUT, "/sources", Some(&sources))
        .await
        .expect(200);
    events.next_of("me").await;
    let payment = test.ask(&shop, Ask::of(ALICE, 100)).await;
    let prompt = events.next_of("prompt").await;
    phone
        .approve(&test, &prompt, &code_of(&payment), crate::WRONG_PIN)
        .await
        .refused(422, "wrong_pin");
    events.next_of("me").await;
    test.operate(Operation::UnlockPin(alice)).await;
    events.next_of("me").await;
}

#[tokio::test]
async fn a_device_that_waits_hears_of_itself_alone() {
    let (test, shop, phone) = scene().await;
    let mut here = phone.events(&test).await;
    let second = Phone::enrol(&test, ALICE, PIN).await;
    let added = here.next_of("device").await;
    assert_eq!(
        (&added["id"], &added["this"]),
        (&json!(second.device), &json!(false))
    );
    let prompt = here.next_of("prompt").await;
    assert_eq!(prompt["kind"], "device");

    let mut there = second.events(&test).await;
    assert_eq!(there.next().await.expect("a ping").0, "ping");
    test.ask(&shop, Ask::of(ALICE, 100)).await;
    here.next_of("prompt").await;
    phone.approve_device(&test, &prompt, PIN).await.expect(200);
    // Nothing of the payment came before this.
    let (kind, device) = there.next().await.expect("news");
    assert_eq!(kind, "device");
    assert_eq!(
        (&device["this"], &device["status"]),
        (&json!(true), &json!("active"))
    );
    let closed = here.next_of("prompt_closed").await;
    assert_eq!(closed, json!({"id": second.device, "status": "active"}));
    // From now on it hears everything.
    test.ask(&shop, Ask::of(ALICE, 200)).await;
    assert_eq!(there.next_of("prompt").await["amount"], "2.00");
}

#[tokio::test]
async fn a_removed_device_hears_so_and_its_stream_ends() {
    let (test, _, phone) = scene().await;
    let second = Phone::enrol(&test, ALICE, PIN).await;
    let mut there = second.events(&test).await;
    phone.stop_device(&test, &second.device).await.expect(200);
    let device = there.next_of("device").await;
    assert_eq!(
        (&device["this"], &device["status"]),
        (&json!(true), &json!("removed"))
    );
    assert!(there.next().await.is_none());
    assert_eq!(second.open_events(&test).await.status(), 401);
}

#[tokio::test]
async fn nobody_hears_of_somebody_elses_payments() {
    let (test, shop, phone) = scene().await;
    test.line(BOB).await;
    let bob = Phone::enrol(&test, BOB, PIN).await;
    let mut events = bob.events(&test).await;
    events.next_of("ping").await;
    let payment = test.ask(&shop, Ask::of(ALICE, 100)).await;
    let prompt = phone.prompt(&test, payment.id).await;
    phone
        .approve(&test, &prompt, &code_of(&payment), PIN)
        .await
        .expect(200);
    let own = test.ask(&shop, Ask::of(BOB, 100)).await;
    let (kind, prompt) = events.next().await.expect("news");
    assert_eq!(
        (kind.as_str(), &prompt["id"]),
        ("prompt", &json!(own.id.show(&test.node.ids)))
    );
}

#[tokio::test]
async fn the_newest_streams_of_a_device_stay_open() {
    let (test, shop, phone) = scene().await;
    let mut oldest = phone.events(&test).await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(phone.events(&test).await);
    }
    oldest.next_of("ping").await;
    assert!(oldest.next().await.is_none());
    test.ask(&shop, Ask::of(ALICE, 100)).await;
    for events in &mut others {
        events.next_of("prompt").await;
    }
}

#[tokio::test]
async fn streams_are_bounded_in_all() {
    let test = TestNode::start_with(|config| config.limits.streams = 2).await;
    for number in [ALICE, BOB] {
        test.line(number).await;
    }
    let alice = Phone::enrol(&test, ALICE, PIN).await;
    let bob = Phone::enrol(&test, BOB, PIN).await;
    let first = alice.events(&test).await;
    let _second = bob.events(&test).await;
    assert_eq!(bob.open_events(&test).await.status(), 503);
    drop(first);
    // Its end is noticed with the next thing that is written to it.
    let alice_id = test.line(ALICE).await;
    let room = async {
        loop {
            test.give_cash(alice_id, 1).await;
            let response = bob.open_events(&test).await;
            if response.status() == 200 {
                return Events::of(response);
            }
        }
    };
    let patience = crate::support::PATIENCE;
    let opened = tokio::time::timeout(patience, room).await;
    opened.expect("there is room again").next_of("ping").await;
}

#[tokio::test]
async fn a_node_that_stops_ends_its_streams() {
    let (test, shop, phone) = scene().await;
    let mut events = phone.events(&test).await;
    events.next_of("ping").await;
    let payment = test.ask(&shop, Ask::of(ALICE, 100)).await;
    events.next_of("prompt").await;
    let began = Instant::now();
    let test = test.restart().await;
    assert!(events.next().await.is_none());
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    phone.events(&test).await.next_of("ping").await;
    phone.prompt(&test, payment.id).await;
}
