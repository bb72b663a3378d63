//! What is found of messages that have left the engine's memory.

use paytone_domain::{
    Event,
    ids::{MessageKey, PaymentId},
    till::{Did, Earlier, TillEvent},
};
use paytone_wire::{iso8583::MessageType, till::Code};
use tokio::time::timeout;

use crate::{Scene, support::PATIENCE};

/// The names of the messages that were decided, in order, and the position they are durable at.
async fn names(
    batches: &mut tokio::sync::broadcast::Receiver<std::sync::Arc<paytone_engine::Durable>>,
    count: usize,
) -> (Vec<[MessageKey; 2]>, u64) {
    let mut found = Vec::new();
    loop {
        let durable = batches.recv().await.expect("the engine runs");
        let events = durable.batch.items.iter().flat_map(|item| &item.events);
        found.extend(events.filter_map(|event| match event {
            Event::Till(TillEvent::Decided { key, original, .. }) => Some([*key, *original]),
            _ => None,
        }));
        if found.len() >= count {
            return (found, durable.seq);
        }
    }
}

#[tokio::test]
async fn purchases_and_refunds_are_found_by_what_names_them_and_refusals_are_not() {
    let mut scene = Scene::open().await;
    let mut batches = scene.test.node.engine.follow();
    let mut player = scene.player().await;
    let bought = player.purchase(&scene.file, &mut scene.card, 2_000, false);
    let (paid, _) = bought.expect("chip data");
    let heard = player.exchange(&paid).await.expect("an answer");
    assert_eq!(heard.code, Some(Code::Approved));
    for (minor, code) in [
        ("000000000500", Code::Approved),
        ("000000009999", Code::InvalidAmount),
    ] {
        let mut refund = player.at_the_moment(|terminal, now| terminal.reversal(&paid, now));
        refund.message_type = MessageType::new(200);
        refund.set(3, "200000").set(4, minor);
        let heard = player.exchange(&refund).await.expect("an answer");
        assert_eq!(heard.code, Some(code));
    }

    let all = timeout(PATIENCE, names(&mut batches, 3));
    let (names, position) = all.await.expect("three messages");
    let views = &scene.test.node.views;
    assert!(views.reached(position, PATIENCE).await);
    let payment = PaymentId(1);
    let looked = |same, original| Earlier::Looked { same, original };
    let found = async |[key, original]: [MessageKey; 2]| {
        let found = views.till_messages(key, original).await;
        found.expect("the views can be read")
    };
    let paid = looked(Some(payment), Some(Did::Pay(payment)));
    assert_eq!(found(names[0]).await, paid);
    let refunded = looked(Some(payment), Some(Did::Refund(payment)));
    assert_eq!(found(names[1]).await, refunded);
    assert_eq!(found(names[2]).await, looked(None, None));
    scene.close().await;
}
