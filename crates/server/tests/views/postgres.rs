//! Views and verify in PostgreSQL: the same tables, the same answers.

use std::collections::BTreeMap;

use paytone::{
    verify,
    views::{self, Filter, Views, follow::Writer},
};
use paytone_domain::{
    ids::{MerchantId, PaymentId, SubscriberId},
    payment::Status,
    time::BusinessDate,
};
use private_postgres::Cluster;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::{Place, connect, lived, scenario::Scenario};

type Dump = BTreeMap<String, Vec<String>>;

async fn connect_postgres(place: &Place) -> PgConnection {
    let mut connection = PgConnection::connect(&place.config.store.url)
        .await
        .expect("a database");
    sqlx::query("SET search_path = paytone_views")
        .execute(&mut connection)
        .await
        .expect("set");
    connection
}

/// Every column of every table of the views.
async fn columns(connection: &mut PgConnection) -> BTreeMap<String, Vec<String>> {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT table_name::TEXT, column_name::TEXT FROM information_schema.columns
         WHERE table_schema = 'paytone_views' AND table_name <> 'stores' ORDER BY 1, ordinal_position",
    )
    .fetch_all(connection)
    .await
    .expect("columns");
    let mut tables = BTreeMap::<_, Vec<String>>::new();
    for (table, column) in columns {
        tables.entry(table).or_default().push(column);
    }
    tables
}

/// Words that both databases understand: each row of a table as one text.
fn rows_of(table: &str, columns: &[String]) -> String {
    let texts: Vec<_> = columns
        .iter()
        // Which bytes a hash has is said by its length, in both.
        .map(|column| match column.as_str() {
            "hash" => "CAST(length(hash) AS TEXT)".to_owned(),
            column => format!("coalesce(CAST({column} AS TEXT), 'NULL')"),
        })
        .collect();
    let still = match table {
        // Counters that went up and down again say nothing.
        "daily" => " WHERE payments <> 0 OR amount <> 0",
        "balances" => " WHERE posted <> 0 OR held <> 0",
        _ => "",
    };
    format!("SELECT {} FROM {table}{still}", texts.join(" || ',' || "))
}

async fn dump(place: &Place) -> Dump {
    let mut connection = connect_postgres(place).await;
    let mut dump = Dump::new();
    for (table, columns) in columns(&mut connection).await {
        let text = AssertSqlSafe(rows_of(&table, &columns));
        let rows = sqlx::query_scalar(text).fetch_all(&mut connection);
        let mut rows: Vec<String> = rows.await.expect("rows");
        rows.sort_unstable();
        dump.insert(table, rows);
    }
    dump
}

/// The same tables of a file.
async fn dump_file(like: &Place, place: &Place) -> Dump {
    let tables = columns(&mut connect_postgres(like).await).await;
    let mut connection: SqliteConnection = connect(&place.config.views()).await;
    let mut dump = Dump::new();
    for (table, columns) in tables {
        let text = AssertSqlSafe(rows_of(&table, &columns));
        let rows = sqlx::query_scalar(text).fetch_all(&mut connection);
        let mut rows: Vec<String> = rows.await.expect("rows");
        rows.sort_unstable();
        dump.insert(table, rows);
    }
    dump
}

#[tokio::test]
async fn the_tables_of_any_world_are_those_of_a_file() {
    for seed in 40..42 {
        let scenario = lived(seed);
        let place = Place::in_postgres().showing(&scenario).await;
        let file = Place::of(&scenario).await;
        let (shown, expected) = (dump(&place).await, dump_file(&place, &file).await);
        assert!(shown["payments"].len() > 10 && shown["legs"].len() > 10);
        for (table, rows) in &expected {
            assert_eq!(&shown[table], rows, "seed {seed}: {table}");
        }
    }
}

#[tokio::test]
async fn they_are_the_same_with_restarts_with_two_writers_and_made_again() {
    let scenario = lived(43);
    let at_once = dump(&Place::in_postgres().showing(&scenario).await).await;
    let place = Place::in_postgres();
    let mut other = None;
    for rows in scenario.rows().chunks(60) {
        place.append(&rows[..1]).await;
        // A new writer each time, as after a restart; the one before it is another node's that goes on too.
        let mut writer = Writer::open(&place.stores()).await.expect("views");
        assert!(writer.step().await.expect("a step"));
        for row in &rows[1..] {
            place.append(std::slice::from_ref(row)).await;
            if let Some(other) = &mut other {
                let (one, another) = tokio::join!(writer.step(), Writer::step(other));
                assert!(one.expect("a step") && another.expect("a step"));
            }
        }
        while writer.step().await.expect("a step") {}
        assert_eq!(writer.position(), rows.last().expect("a row").seq);
        other = Some(writer);
    }
    assert_eq!(dump(&place).await, at_once);

    let mut other = other.expect("a writer");
    let reached = views::rebuild(&place.config, |_, _| {})
        .await
        .expect("made again");
    assert_eq!(reached, scenario.rows().len() as u64);
    assert_eq!(dump(&place).await, at_once);
    assert!(!other.step().await.expect("a step"), "there is nothing new");
}

#[tokio::test]
async fn views_of_another_journal_or_another_form_are_dropped_and_made_again() {
    let (one, other) = (lived(44), lived(45));
    let expected = dump(&Place::in_postgres().showing(&other).await).await;
    let place = Place::in_postgres().showing(&one).await;
    let url = place.config.store.url.clone();
    let (_, name) = url.rsplit_once('/').expect("a path");
    let cluster = Cluster::shared();
    cluster.sql(name, "DROP SCHEMA paytone CASCADE");
    let place = place.showing(&other).await;
    assert_eq!(dump(&place).await, expected);

    cluster.sql(
        name,
        "UPDATE paytone_views.stores SET version = 0; DROP TABLE paytone_views.legs CASCADE",
    );
    place.follow(&other).await.stop();
    assert_eq!(dump(&place).await, expected);
}

/// Everything that can be asked, as text.
async fn asked(scenario: &Scenario, views: &Views) -> Vec<String> {
    let mut said = Vec::new();
    let mut say = |what: &str, answer: String| said.push(format!("{what}: {answer}"));
    let state = scenario.state();
    for merchant in (1..=state.merchants.len() as u64).map(MerchantId) {
        for status in [None, Some(Status::Captured), Some(Status::Expired)] {
            let filter = Filter {
                status,
                ..Filter::default()
            };
            let newest = views
                .payments_of(merchant, filter, None, 7)
                .await
                .expect("payments");
            let before = newest.last().map(|id| id.0);
            let older = views
                .payments_of(merchant, filter, before, 7)
                .await
                .expect("payments");
            say("payments", format!("{newest:?} {older:?}"));
        }
        let filter = Filter {
            reference_hash: Some(1),
            ..Filter::default()
        };
        let found = views
            .payments_of(merchant, filter, None, 7)
            .await
            .expect("payments");
        say("by reference", format!("{found:?}"));
        let events = views.events_after(merchant, 0, 9).await.expect("events");
        if let Some(event) = events.last() {
            let found = views.event(merchant, event.n).await.expect("an event");
            say("event", format!("{found:?}"));
        }
        say("events", format!("{events:?}"));
    }
    for subscriber in (1..=state.subscribers.len() as u64).map(SubscriberId) {
        let history = views
            .history_of(subscriber, None, 20)
            .await
            .expect("history");
        if let Some(item) = history.first() {
            let found = views.history_at(subscriber, item.n).await.expect("an item");
            say("history item", format!("{found:?}"));
        }
        say("history", format!("{history:?}"));
        let rejected = views.rejected_of(subscriber, 5).await.expect("rejected");
        say("rejected", format!("{rejected:?}"));
        let latest = views.latest_payments(Some(subscriber), Some(Status::Captured), None, 5);
        say("latest", format!("{:?}", latest.await.expect("payments")));
    }
    for payment in (1..=state.payments.len().min(40) as u64).map(PaymentId) {
        let row = views.payment(payment).await.expect("a payment");
        let refunds = views.refunds_of(payment).await.expect("refunds");
        let timeline = views.timeline_of(payment).await.expect("a timeline");
        say("payment", format!("{row:?} {refunds:?} {timeline:?}"));
    }
    let worklist = views.worklist(10).await.expect("a worklist");
    say("worklist", format!("{worklist:?}"));
    let actions = views.actions(None, 50).await.expect("actions");
    say("actions", format!("{actions:?}"));
    let latest = views
        .latest_payments(None, None, None, 50)
        .await
        .expect("payments");
    let dates: Vec<i64> = latest.iter().map(|row| row.date).collect();
    let date = dates.first().copied().unwrap_or_default();
    let date = BusinessDate(date.try_into().expect("a date"));
    let mut overview = views.overview(date).await.expect("an overview");
    // Databases differ in how much room they take.
    assert!(overview.journal.bytes > 0);
    overview.journal.bytes = 0;
    overview.top_merchants.sort_by_key(|top| top.merchant);
    say("overview", format!("{overview:?}"));
    said
}

#[tokio::test]
async fn whatever_is_asked_both_answer_the_same() {
    let scenario = lived(46);
    let (file, database) = (Place::new(), Place::in_postgres());
    let mut answers = Vec::new();
    for place in [&file, &database] {
        place.append(scenario.rows()).await;
        let followed = place.follow(&scenario).await;
        answers.push(asked(&scenario, &followed.views).await);
        followed.stop();
    }
    let in_database = answers.pop().expect("two");
    let in_file = answers.pop().expect("two");
    assert!(in_file.len() > 60, "{} questions", in_file.len());
    for (one, other) in in_file.iter().zip(&in_database) {
        assert_eq!(one, other);
    }
    assert_eq!(in_file.len(), in_database.len());
}

#[tokio::test]
async fn verify_reads_it_and_finds_what_was_changed() {
    let scenario = lived(47);
    let place = Place::in_postgres();
    place.append(scenario.rows()).await;
    let verified = async || {
        verify::run(&place.config, None, |_, _| {})
            .await
            .expect("a report")
    };
    let report = verified().await;
    assert!(report.ok() && report.views_position.is_none(), "{report}");
    place.follow(&scenario).await.stop();
    let report = verified().await;
    assert!(report.ok(), "{report}");
    assert_eq!(report.views_position, Some(scenario.rows().len() as u64));

    let (_, name) = place.config.store.url.rsplit_once('/').expect("a path");
    let cluster = Cluster::shared();
    cluster.sql(
        name,
        "UPDATE paytone_views.balances SET posted = posted + 1 WHERE account = 'fee_income'",
    );
    let report = verified().await;
    let found = report.differences.first().expect("a difference");
    assert_eq!(found.code, "view_balance", "{report}");
    cluster.sql(
        name,
        "UPDATE paytone.journal SET body = body || '\\x00' WHERE seq = 30",
    );
    let report = verified().await;
    let found = report.differences.first().expect("a difference");
    assert_eq!(found.code, "chain_content", "{report}");
}
