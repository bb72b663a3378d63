//! Lists, history, timeline and overview.

use paytone::views::{Filter, HistoryKind};
use paytone_domain::{
    ids::{MerchantId, PaymentId, SubscriberId},
    payment::Status,
    time::BusinessDate,
};

use crate::{Place, lived};

#[tokio::test]
async fn a_merchants_payments_come_newest_first_page_by_page() {
    let scenario = lived(6);
    let place = Place::of(&scenario).await;
    let followed = place.follow(&scenario).await;
    let merchant = MerchantId(2);
    let mut kept: Vec<PaymentId> = scenario
        .state()
        .payments
        .values()
        .filter(|payment| payment.merchant == merchant)
        .map(|payment| payment.id)
        .collect();
    kept.sort_by(|a, b| b.cmp(a));
    let mut listed = Vec::new();
    let mut before = None;
    loop {
        let page = followed
            .views
            .payments_of(merchant, Filter::default(), before, 9)
            .await;
        let page = page.expect("a page");
        let Some(last) = page.last() else { break };
        before = Some(last.0);
        listed.extend(page);
    }
    assert_eq!(listed, kept);
    for status in Status::ALL {
        let filter = Filter {
            status: Some(status),
            reference_hash: None,
        };
        let listed = followed
            .views
            .payments_of(merchant, filter, None, 1_000)
            .await
            .expect("a list");
        let of_status = kept
            .iter()
            .filter(|id| scenario.state().payments[id].status == status);
        assert_eq!(
            listed,
            of_status.copied().collect::<Vec<_>>(),
            "{}",
            status.name()
        );
    }
    followed.stop();
}

#[tokio::test]
async fn a_history_shows_what_reached_the_payer_or_moved_money_and_nothing_else() {
    let scenario = lived(7);
    let place = Place::of(&scenario).await;
    let followed = place.follow(&scenario).await;
    for subscriber in (1..=12).map(SubscriberId) {
        let history = followed
            .views
            .history_of(subscriber, None, 1_000)
            .await
            .expect("a history");
        assert!(history.windows(2).all(|pair| pair[0].n > pair[1].n));
        let mut paid: i64 = 0;
        for item in &history {
            let payment = item.payment.as_ref();
            match item.kind {
                HistoryKind::Payment(id) => {
                    let payment = payment.expect("a payment");
                    assert_eq!(
                        (payment.id.cast_unsigned(), payment.payer),
                        (id.0, Some(subscriber.0.cast_signed()))
                    );
                    assert!(payment.decline.is_none());
                    assert!(payment.prompted == 1 || payment.mandate.is_some());
                    paid += payment.captured;
                }
                HistoryKind::Refund(_) => {
                    assert!(payment.is_some() && item.refund.is_some() && item.minor > 0)
                }
                HistoryKind::Grant(_) | HistoryKind::Cash => assert!(item.minor > 0),
                HistoryKind::Adjustment => assert_ne!(item.minor, 0),
                HistoryKind::PaidToBalance(_) => assert!(payment.is_some() && item.minor > 0),
            }
            let again = followed
                .views
                .history_at(subscriber, item.n)
                .await
                .expect("read");
            assert_eq!(again.as_ref(), Some(item));
            assert_eq!(
                followed
                    .views
                    .history_at(SubscriberId(99), item.n)
                    .await
                    .expect("read"),
                None
            );
        }
        let captured = scenario.state().payments.values();
        let captured: i64 = captured
            .filter(|payment| payment.payer == Some(subscriber))
            .map(|payment| payment.captured.minor())
            .sum();
        assert_eq!(paid, captured, "subscriber {}", subscriber.0);
    }
    followed.stop();
}

#[tokio::test]
async fn a_timeline_tells_every_step_with_its_actor() {
    let scenario = lived(9);
    let place = Place::of(&scenario).await;
    let followed = place.follow(&scenario).await;
    let refunded = scenario
        .state()
        .payments
        .values()
        .filter(|payment| !payment.refunded.is_zero() && payment.codes.is_some())
        .min_by_key(|payment| payment.id)
        .expect("a refunded payment");
    let steps = followed
        .views
        .timeline_of(refunded.id)
        .await
        .expect("a timeline");
    let names: Vec<_> = steps.iter().map(|step| step.what.as_str()).collect();
    assert_eq!(names[0], "requested");
    for step in ["approved", "authorized", "captured", "refunded"] {
        assert!(names.contains(&step), "{step} in {names:?}");
    }
    assert_eq!(steps[0].actor, "client");
    assert!(
        steps[0]
            .actor_id
            .as_ref()
            .is_some_and(|id| id.starts_with("key_"))
    );
    let approved = steps
        .iter()
        .find(|step| step.what == "approved")
        .expect("approved");
    assert_eq!(approved.actor, "device");
    assert!(
        approved.detail["device"]
            .as_str()
            .is_some_and(|id| id.starts_with("dev_"))
    );
    assert!(
        steps
            .windows(2)
            .all(|pair| pair[0].n < pair[1].n && pair[0].at <= pair[1].at)
    );
    followed.stop();
}

#[tokio::test]
async fn the_overview_of_all_days_adds_up_to_the_state() {
    let scenario = lived(10);
    let place = Place::of(&scenario).await;
    let followed = place.follow(&scenario).await;
    let payments = &scenario.state().payments;
    let (mut asked, mut captured, mut amount, mut merchants) = (0, 0, 0, 0);
    let mut by_status = std::collections::BTreeMap::new();
    // The world begins on 2026-11-23.
    for date in 20_780..20_900 {
        let overview = followed
            .views
            .overview(BusinessDate(date))
            .await
            .expect("an overview");
        asked += overview.payments;
        captured += overview.captured;
        amount += overview.captured_amount;
        merchants += overview
            .top_merchants
            .iter()
            .map(|top| top.amount)
            .sum::<i64>();
        let by_hour: u64 = overview
            .by_hour
            .iter()
            .map(|hour| hour.captured + hour.other)
            .sum();
        assert_eq!((overview.by_hour.len(), by_hour), (24, overview.payments));
        for (status, count) in overview.by_status {
            *by_status.entry(status).or_insert(0) += count;
        }
    }
    let kept_amount: i64 = payments
        .values()
        .map(|payment| payment.captured.minor())
        .sum();
    let kept_captured = payments
        .values()
        .filter(|payment| payment.captured_on.is_some())
        .count() as u64;
    assert_eq!(
        (asked, captured, amount, merchants),
        (
            payments.len() as u64,
            kept_captured,
            kept_amount,
            kept_amount
        )
    );
    for status in Status::ALL {
        let kept = payments
            .values()
            .filter(|payment| payment.internal_status() == status)
            .count() as u64;
        assert_eq!(
            by_status.get(status.name()).copied().unwrap_or(0),
            kept,
            "{}",
            status.name()
        );
    }
    followed.stop();
}
