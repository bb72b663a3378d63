//! The tables say what the engine's state says, whichever way they came to be.

use std::collections::BTreeMap;

use paytone::views::{self, follow::Writer, rows::PaymentRow, rows::Row as _};
use paytone_domain::{funding::EffectState, ledger::AccountKind};
use sqlx::{AssertSqlSafe, Column, Row as _, SqliteConnection};

use crate::{Place, connect, lived, scenario::Scenario};

const TABLES: [&str; 18] = [
    "settings",
    "payments",
    "refunds",
    "mandates",
    "effects",
    "devices",
    "subscribers",
    "merchants",
    "proposals",
    "entries",
    "legs",
    "balances",
    "daily",
    "timeline",
    "merchant_events",
    "history",
    "operator_actions",
    "approvals_rejected",
];

/// Every row of every table as text.
async fn dump(connection: &mut SqliteConnection) -> BTreeMap<&'static str, Vec<String>> {
    let mut tables = BTreeMap::new();
    for table in TABLES {
        let columns: Vec<String> =
            sqlx::query(AssertSqlSafe(format!("SELECT * FROM {table} LIMIT 1")))
                .fetch_optional(&mut *connection)
                .await
                .expect("a row")
                .map(|row| {
                    let columns = row.columns().iter();
                    columns
                        .map(|column| format!("quote({})", column.name()))
                        .collect()
                })
                .unwrap_or_default();
        if columns.is_empty() {
            tables.insert(table, Vec::new());
            continue;
        }
        let text = format!(
            "SELECT {} FROM {table} ORDER BY 1",
            columns.join(" || ',' || ")
        );
        let rows = sqlx::query_scalar(AssertSqlSafe(text)).fetch_all(&mut *connection);
        tables.insert(table, rows.await.expect("rows"));
    }
    tables
}

async fn dump_of(place: &Place) -> BTreeMap<&'static str, Vec<String>> {
    let mut connection = connect(&place.config.views()).await;
    // Counters that went up and down again say nothing.
    sqlx::raw_sql(
        "DELETE FROM daily WHERE payments = 0 AND amount = 0;
         DELETE FROM balances WHERE posted = 0 AND held = 0;",
    )
    .execute(&mut connection)
    .await
    .expect("cleared");
    dump(&mut connection).await
}

#[tokio::test]
async fn views_of_any_world_show_the_engines_state() {
    for seed in 0..4 {
        let scenario = lived(seed);
        let place = Place::of(&scenario).await;
        let mut views = connect(&place.config.views()).await;
        balances(&scenario, &mut views, seed).await;
        payments(&scenario, &mut views, seed).await;
        others(&scenario, &mut views, seed).await;
    }
}

async fn balances(scenario: &Scenario, views: &mut SqliteConnection, seed: u64) {
    let rows: Vec<(String, i64, i64, i64)> = sqlx::query_as(
        "SELECT account, owner, posted, held FROM balances WHERE posted <> 0 OR held <> 0",
    )
    .fetch_all(&mut *views)
    .await
    .expect("balances");
    let shown: BTreeMap<_, _> = rows
        .into_iter()
        .map(|(account, owner, posted, held)| ((account, owner), (posted, held)))
        .collect();
    let book = scenario.state().book.iter();
    let kept: BTreeMap<_, _> = book
        .filter(|(_, balance)| (balance.posted, balance.held) != (0, 0))
        .map(|(account, balance)| {
            let owner = account.owner().unwrap_or(0).cast_signed();
            let key = (account.kind().name().to_owned(), owner);
            (key, (balance.posted, balance.held))
        })
        .collect();
    assert_eq!(shown, kept, "seed {seed}");
    assert!(
        kept.keys()
            .any(|(kind, _)| kind == AccountKind::FeeIncome.name())
    );
}

async fn payments(scenario: &Scenario, views: &mut SqliteConnection, seed: u64) {
    let text = format!("SELECT {} FROM payments", PaymentRow::COLUMNS.join(", "));
    let rows: Vec<PaymentRow> = sqlx::query_as(AssertSqlSafe(text))
        .fetch_all(views)
        .await
        .expect("payments");
    let payments = &scenario.state().payments;
    assert_eq!(rows.len(), payments.len(), "seed {seed}");
    for row in rows {
        let id = paytone_domain::ids::PaymentId(row.id.cast_unsigned());
        let payment = payments.get(&id).expect("a payment of the state");
        let shown = (
            (
                row.merchant,
                row.payer,
                row.amount,
                row.deadline,
                row.created_at,
            ),
            (row.status.as_str(), row.internal_status.as_str()),
            (row.veto.as_deref(), row.decline.as_deref()),
            (row.captured, row.refunded, row.fee, row.tax),
            (row.capture_deadline, row.mandate),
        );
        let kept = (
            (
                payment.merchant.0.cast_signed(),
                payment.payer.map(|payer| payer.0.cast_signed()),
                payment.amount.minor(),
                payment.deadline.0,
                payment.created_at.0,
            ),
            (payment.status.name(), payment.internal_status().name()),
            (
                payment.veto.map(|veto| veto.code()),
                payment.decline.map(|veto| veto.code()),
            ),
            (
                payment.captured.minor(),
                payment.refunded.minor(),
                payment.fee.minor(),
                payment.tax.minor(),
            ),
            (
                payment.capture_deadline.map(|at| at.0),
                payment.mandate.map(|mandate| mandate.0.cast_signed()),
            ),
        );
        assert_eq!(shown, kept, "seed {seed}, payment {}", row.id);
        let parts: Vec<_> = row
            .funding
            .0
            .iter()
            .map(|part| (part.amount, part.captured, part.refunded))
            .collect();
        let legs: Vec<_> = payment
            .legs
            .iter()
            .map(|leg| {
                (
                    leg.amount.minor(),
                    leg.captured.minor(),
                    leg.refunded.minor(),
                )
            })
            .collect();
        assert_eq!(parts, legs, "seed {seed}, payment {}", row.id);
    }
}

async fn others(scenario: &Scenario, views: &mut SqliteConnection, seed: u64) {
    let state = scenario.state();
    let shown: Vec<(i64, String)> = sqlx::query_as("SELECT id, status FROM refunds ORDER BY id")
        .fetch_all(&mut *views)
        .await
        .expect("refunds");
    let mut kept: Vec<_> = state
        .refunds
        .values()
        .map(|refund| (refund.id.0.cast_signed(), refund.status.name().to_owned()))
        .collect();
    kept.sort();
    assert_eq!(shown, kept, "seed {seed}");

    let shown: Vec<(i64, String, Option<String>)> =
        sqlx::query_as("SELECT id, status, veto FROM mandates ORDER BY id")
            .fetch_all(&mut *views)
            .await
            .expect("mandates");
    let mut kept: Vec<_> = state
        .mandates
        .values()
        .map(|mandate| {
            let veto = mandate.veto.map(|veto| veto.code().to_owned());
            (
                mandate.id.0.cast_signed(),
                mandate.status.name().to_owned(),
                veto,
            )
        })
        .collect();
    kept.sort();
    assert_eq!(shown, kept, "seed {seed}");

    let shown: Vec<(i64, String, i64)> = sqlx::query_as(
        "SELECT id, state, attempts FROM effects
         WHERE state IN ('wanted', 'attempted', 'unknown', 'stuck') ORDER BY id",
    )
    .fetch_all(&mut *views)
    .await
    .expect("effects");
    let mut kept: Vec<_> = state
        .effects
        .values()
        .map(|effect| {
            let name = match effect.state {
                EffectState::Wanted => "wanted",
                EffectState::Attempted => "attempted",
                EffectState::Unknown => "unknown",
                EffectState::Stuck => "stuck",
            };
            (
                effect.id.0.cast_signed(),
                name.to_owned(),
                i64::from(effect.attempts),
            )
        })
        .collect();
    kept.sort();
    assert_eq!(shown, kept, "seed {seed}");

    let counted: (i64, i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM subscribers), (SELECT count(*) FROM merchants WHERE blocked = 1),
                (SELECT count(*) FROM devices WHERE status = 'active'),
                (SELECT coalesce(sum(payments), 0) FROM daily WHERE what = 'status')",
    )
    .fetch_one(views)
    .await
    .expect("counts");
    let active = paytone_domain::subscriber::DeviceStatus::Active;
    let kept = (
        state.subscribers.len() as i64,
        state
            .merchants
            .iter()
            .filter(|merchant| merchant.blocked)
            .count() as i64,
        state
            .devices
            .values()
            .filter(|device| device.status == active)
            .count() as i64,
        state.payments.len() as i64,
    );
    assert_eq!(counted, kept, "seed {seed}");
}

#[tokio::test]
async fn views_made_at_once_row_by_row_with_restarts_and_again_are_the_same() {
    let scenario = lived(11);
    let at_once = Place::of(&scenario).await;
    let expected = dump_of(&at_once).await;

    let row_by_row = Place::new();
    for rows in scenario.rows().chunks(40) {
        // A new writer each time: as after a restart in the middle.
        row_by_row.append(&rows[..1]).await;
        let mut writer = Writer::open(&row_by_row.stores()).await.expect("views");
        assert!(writer.step().await.expect("a step"));
        row_by_row.append(&rows[1..]).await;
        while writer.step().await.expect("a step") {}
        assert_eq!(writer.position(), rows.last().expect("a row").seq);
        writer.close().await.expect("closed");
    }
    assert_eq!(dump_of(&row_by_row).await, expected);

    let mut told = Vec::new();
    let reached = views::rebuild(&row_by_row.config, |now, end| told.push((now, end)))
        .await
        .expect("made again");
    let end = scenario.rows().len() as u64;
    assert_eq!(reached, end);
    assert_eq!(told.last(), Some(&(end, end)));
    assert_eq!(dump_of(&row_by_row).await, expected);
}

#[tokio::test]
async fn views_of_another_journal_are_dropped_and_made_again() {
    let (one, other) = (lived(1), lived(2));
    let place = Place::of(&one).await;
    let expected = dump_of(&Place::of(&other).await).await;
    for file in std::fs::read_dir(place.path()).expect("a folder") {
        let file = file.expect("a file").path();
        if file.to_string_lossy().contains("journal") {
            std::fs::remove_file(file).expect("removed");
        }
    }
    place.append(other.rows()).await;
    place.follow(&other).await.stop();
    assert_eq!(dump_of(&place).await, expected);
}

#[tokio::test]
async fn a_file_that_is_no_views_is_replaced() {
    let scenario = Scenario::begin(3);
    let place = Place::new();
    place.append(scenario.rows()).await;
    std::fs::write(place.config.views(), b"not a database").expect("written");
    place.follow(&scenario).await.stop();
    assert!(!dump_of(&place).await["subscribers"].is_empty());
}
