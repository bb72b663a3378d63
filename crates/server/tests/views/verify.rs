//! Verify finds what was tampered with, and names it.

use paytone::verify::{self, Report};
use paytone_domain::{Event, payment::PaymentEvent};
use sqlx::AssertSqlSafe;

use crate::{Place, connect, lived, scenario::Scenario};

async fn verified(place: &Place) -> Report {
    verify::run(&place.config, None, |_, _| {})
        .await
        .expect("a report")
}

/// Changes the journal as somebody with the file in their hands could.
async fn tamper(place: &Place, change: &str) {
    let mut journal = connect(&place.config.journal()).await;
    let text = format!(
        "DROP TRIGGER journal_refuses_update; DROP TRIGGER journal_refuses_delete;
         DROP TRIGGER journal_refuses_replace; {change}"
    );
    sqlx::raw_sql(AssertSqlSafe(text))
        .execute(&mut journal)
        .await
        .expect("changed");
}

fn codes(report: &Report) -> Vec<&'static str> {
    let mut codes: Vec<_> = report
        .differences
        .iter()
        .map(|difference| difference.code)
        .collect();
    codes.dedup();
    codes
}

#[tokio::test]
async fn untouched_books_of_any_world_verify() {
    for seed in 20..24 {
        let scenario = lived(seed);
        let place = Place::of(&scenario).await;
        let report = verified(&place).await;
        assert!(report.ok(), "seed {seed}\n{report}");
        assert_eq!(report.rows, scenario.rows().len() as u64);
        assert_eq!(report.views_position, Some(report.rows));
        let digest = paytone_engine::digest(scenario.state());
        assert_eq!(report.digest.expect("a digest").as_bytes(), &digest);
        assert!(report.to_string().contains("Nothing differs."), "{report}");
        assert!(report.to_string().lines().count() < 60, "one page");
    }
}

#[tokio::test]
async fn views_that_are_behind_are_compared_where_they_are() {
    let mut scenario = lived(25);
    let place = Place::of(&scenario).await;
    let then = scenario.rows().len();
    scenario.live(50);
    place.append(&scenario.rows()[then..]).await;
    let report = verified(&place).await;
    assert!(report.ok(), "{report}");
    assert_eq!(report.views_position, Some(then as u64));
}

#[tokio::test]
async fn a_journal_without_views_verifies() {
    let scenario = Scenario::begin(26);
    let place = Place::new();
    place.append(scenario.rows()).await;
    let report = verified(&place).await;
    assert!(report.ok() && report.views_position.is_none(), "{report}");
}

#[tokio::test]
async fn a_changed_byte_in_a_row_is_found_and_the_row_named() {
    let scenario = lived(27);
    let place = Place::of(&scenario).await;
    tamper(
        &place,
        "UPDATE journal SET body = CAST(substr(body, 1, length(body) - 1) || x'00' AS BLOB) WHERE seq = 30;",
    )
    .await;
    let report = verified(&place).await;
    assert_eq!(codes(&report), ["chain_content"], "{report}");
    assert!(report.differences[0].what.contains("row 30"), "{report}");
    assert!(report.to_string().contains("BROKEN at row 30"), "{report}");
}

#[tokio::test]
async fn a_removed_row_is_found_and_named() {
    let scenario = lived(28);
    let place = Place::of(&scenario).await;
    tamper(&place, "DELETE FROM journal WHERE seq = 17;").await;
    let report = verified(&place).await;
    assert_eq!(codes(&report), ["chain_position"], "{report}");
    assert!(report.differences[0].what.contains("17"), "{report}");
}

#[tokio::test]
async fn rows_cut_off_at_the_end_are_found_by_the_views() {
    let scenario = lived(29);
    let place = Place::of(&scenario).await;
    let last = scenario.rows().len();
    tamper(&place, &format!("DELETE FROM journal WHERE seq = {last};")).await;
    let report = verified(&place).await;
    assert_eq!(codes(&report), ["views"], "{report}");
}

#[tokio::test]
async fn a_changed_balance_in_the_views_is_found_and_the_account_named() {
    let scenario = lived(30);
    let place = Place::of(&scenario).await;
    let mut views = connect(&place.config.views()).await;
    sqlx::raw_sql(
        "UPDATE balances SET posted = posted + 1 WHERE account = 'subscriber_cash' AND owner = 3",
    )
    .execute(&mut views)
    .await
    .expect("changed");
    let report = verified(&place).await;
    assert_eq!(codes(&report), ["view_balance"], "{report}");
    assert!(
        report.differences[0].what.starts_with("subscriber_cash 3:"),
        "{report}"
    );
}

#[tokio::test]
async fn a_forged_row_with_a_right_hash_is_found_by_its_events() {
    // Somebody who can compute hashes repeats a capture: the chain is whole, the books are not.
    let scenario = lived(31);
    let place = Place::new();
    let mut rows = scenario.rows().to_vec();
    let captures = |row: &paytone_journal::Row| {
        let batch = paytone_engine::Batch::decode(&row.body).expect("a batch");
        let mut events = batch.steps();
        events.any(|event| matches!(&*event, Event::Payment(PaymentEvent::Captured { .. })))
    };
    let captured = rows.iter().rfind(|row| captures(row));
    let body = captured.expect("a capture").body.clone();
    let tip = rows.last().map(paytone_journal::Row::tip);
    rows.push(paytone_journal::Row::seal(tip, 1, [9; 16], body));
    place.append(&rows).await;
    let report = verified(&place).await;
    assert!(!report.ok(), "{report}");
}
