//! What merchants are told, and what never reaches them.

use std::collections::BTreeMap;

use paytone::views::Filter;
use paytone_domain::{
    Actor, Command,
    idempotency::{Recorded, Repeat},
    ids::{BodyHash, ClientKeyId, MerchantId, NumberHash, PaymentId, RepeatKey, Sealed},
    money::Amount,
    payment::{CaptureMode, PayerRef, PaymentCommand, PaymentRequest, Status, Whose},
    time::SECOND,
};

use crate::{Place, lived, scenario::Scenario};

#[tokio::test]
async fn the_feed_has_every_end_once_in_order_and_the_same_for_all() {
    let scenario = lived(5);
    let place = Place::of(&scenario).await;
    let followed = place.follow(&scenario).await;
    let all = followed
        .views
        .events_from(0, 100_000)
        .await
        .expect("events");
    assert!(all.windows(2).all(|pair| pair[0].n < pair[1].n));

    let mut paged = Vec::new();
    let mut after = 0;
    loop {
        let page = followed.views.events_from(after, 7).await.expect("events");
        let Some(last) = page.last() else { break };
        after = last.n.0;
        paged.extend(page);
    }
    assert_eq!(paged, all);

    for merchant in (1..=3).map(MerchantId) {
        let of_one: Vec<_> = all
            .iter()
            .filter(|event| event.merchant == merchant)
            .cloned()
            .collect();
        let asked = followed
            .views
            .events_after(merchant, 0, 100_000)
            .await
            .expect("events");
        assert_eq!(asked, of_one);
        let one = &of_one[0];
        assert_eq!(
            followed
                .views
                .event(merchant, one.n)
                .await
                .expect("read")
                .as_ref(),
            Some(one)
        );
        assert_eq!(
            followed
                .views
                .event(MerchantId(99), one.n)
                .await
                .expect("read"),
            None
        );
    }

    let mut last_seen = BTreeMap::new();
    for event in &all {
        assert!(event.event_id.starts_with("evt_") && event.event_id.len() == 30);
        if let Recorded::Payment(id, snapshot) = &event.recorded {
            assert_eq!(event.kind, format!("payment.{}", snapshot.status.name()));
            last_seen.insert(*id, *snapshot);
        }
    }
    for payment in scenario.state().payments.values() {
        match payment.status {
            Status::AwaitingApproval | Status::Funding => {
                assert_eq!(last_seen.get(&payment.id), None)
            }
            _ => {
                let told = last_seen.get(&payment.id).expect("an end is told");
                let mut now = payment.snapshot();
                // Refunds are events of their own.
                now.refunded = told.refunded;
                assert_eq!(*told, now, "payment {}", payment.id.0);
            }
        }
    }
    followed.stop();
}

fn request(number: NumberHash, key: u8) -> Command {
    Command::Payment(PaymentCommand::Request(Box::new(PaymentRequest {
        merchant: MerchantId(1),
        payer: PayerRef::Number(number),
        amount: Amount::clamped(1_234),
        whose: Whose::Own,
        capture: CaptureMode::Automatic,
        text: Sealed::default(),
        reference_hash: Some(77),
        expires_in_seconds: None,
        entropy: 5,
        repeat: Repeat::new(RepeatKey([key; 16]), BodyHash([key; 16])),
    })))
}

#[tokio::test]
async fn a_stranger_a_vetoed_payer_and_a_silent_one_look_alike() {
    let mut scenario = Scenario::begin(8);
    scenario.seals_days = false;
    let client = Actor::Client(MerchantId(1), ClientKeyId(1));
    let (stranger, without_phone, silent) = (
        NumberHash([201; 16]),
        NumberHash([12; 16]),
        NumberHash([1; 16]),
    );
    let first = PaymentId(scenario.state().next_numbers()[0]);
    for (number, key) in [(stranger, 240), (without_phone, 241), (silent, 242)] {
        scenario.decide(client, request(number, key));
    }
    scenario.seal();
    let ids: Vec<_> = (first.0..first.0 + 3).map(PaymentId).collect();
    let internal: Vec<_> = ids
        .iter()
        .map(|id| scenario.state().payments[id].internal_status())
        .collect();
    assert_eq!(
        internal,
        [Status::Declined, Status::Declined, Status::AwaitingApproval]
    );

    let place = Place::of(&scenario).await;
    let followed = place.follow(&scenario).await;
    assert_eq!(
        followed
            .views
            .events_after(MerchantId(1), 0, 100)
            .await
            .expect("events"),
        []
    );
    let newest_first: Vec<_> = ids.iter().rev().copied().collect();
    let waiting = Filter {
        status: Some(Status::AwaitingApproval),
        reference_hash: Some(77),
    };
    let listed = followed
        .views
        .payments_of(MerchantId(1), waiting, None, 10)
        .await;
    assert_eq!(listed.expect("a list"), newest_first);
    followed.stop();

    let before = scenario.rows().len();
    scenario.pass(180 * SECOND);
    place.append(&scenario.rows()[before..]).await;
    let followed = place.follow(&scenario).await;
    let told = followed
        .views
        .events_after(MerchantId(1), 0, 100)
        .await
        .expect("events");
    let facts: Vec<_> = told
        .iter()
        .map(|event| match &event.recorded {
            Recorded::Payment(id, snapshot) => (*id, event.kind.as_str(), event.at, *snapshot),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(facts.iter().map(|fact| fact.0).collect::<Vec<_>>(), ids);
    for fact in &facts {
        assert_eq!(
            (fact.1, fact.2, fact.3),
            ("payment.expired", facts[0].2, facts[0].3)
        );
    }
    for (status, found) in [
        (Status::Expired, newest_first),
        (Status::Declined, Vec::new()),
        (Status::AwaitingApproval, Vec::new()),
    ] {
        let filter = Filter {
            status: Some(status),
            reference_hash: None,
        };
        let listed = followed
            .views
            .payments_of(MerchantId(1), filter, None, 10)
            .await;
        assert_eq!(listed.expect("a list"), found, "{}", status.name());
    }
    followed.stop();
}
