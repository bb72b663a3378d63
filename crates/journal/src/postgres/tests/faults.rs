//! The server killed, frozen, cut off; answers lost; commits that no standby confirms.

use std::thread;

use private_postgres::Wire;

use super::*;

/// A server of its own, for tests that stop it.
fn apart() -> (Cluster, PostgresStore) {
    let cluster = Cluster::start();
    let url = cluster.database();
    let store = PostgresStore::parse(&url).expect("a URL");
    (cluster, store)
}

/// From now on it waits no longer than this; what went before had all the time that a busy machine needs.
fn hurry(journal: &mut PostgresJournal, limit: Duration) {
    let store = journal.reader.store.clone();
    journal.reader.store = store.with_statement_timeout(limit);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_again_and_again_keeps_every_acknowledged_row_once() {
    const CRASHES: usize = 4;
    let (cluster, store) = apart();
    let mut journal = PostgresJournal::open(&store).await.expect("opened");
    let killing = thread::spawn(move || {
        for _ in 0..CRASHES {
            cluster.crash();
            cluster.restart();
        }
        cluster
    });
    let mut rows = Vec::new();
    let mut unknown = 0;
    while !killing.is_finished() {
        let row = next(&rows);
        let known = append_until_known(&mut journal, &row).await;
        unknown += known.unwrap_or_else(|error| panic!("row {}: {error}", row.seq));
        rows.push(row);
    }
    let _cluster = killing.join().expect("it comes back each time");
    println!("{} rows, {unknown} unknown", rows.len());
    assert!(unknown > 0, "some appends met a server that was down");
    assert_eq!(all(&store).await, rows);
}

#[tokio::test]
async fn an_append_whose_answer_is_lost_is_unknown_and_its_repeat_finds_it() {
    let cluster = Cluster::shared();
    let name = name_of(&cluster.database()).to_owned();
    let wire = Wire::to(cluster.socket());
    let store = PostgresStore::parse(&wire.url(&name)).expect("a URL");
    let mut journal = PostgresJournal::open(&store).await.expect("opened");
    let mut rows = Vec::new();
    for _ in 0..10 {
        // The statement is prepared now, so that the next answer is the one to the commit.
        let warm = next(&rows);
        journal.append(&warm).await.expect("appended");
        rows.push(warm);
        let row = next(&rows);
        wire.cut_next_answer();
        let lost = journal.append(&row).await.expect_err("no answer");
        assert_eq!(lost.code(), "journal_unknown", "{lost}");
        rows.push(row.clone());
        assert_eq!(all(&store).await, rows, "it got in all the same");
        assert_eq!(journal.append(&row).await, Ok(()));
        assert_eq!(all(&store).await, rows, "and only once");
    }
    assert_eq!(wire.answers_cut(), 10);
}

#[tokio::test]
async fn connections_that_break_at_any_step_lose_and_repeat_nothing() {
    let cluster = Cluster::shared();
    let name = name_of(&cluster.database()).to_owned();
    let wire = Wire::to(cluster.socket());
    let store = PostgresStore::parse(&wire.url(&name)).expect("a URL");
    let mut journal = PostgresJournal::open(&store).await.expect("opened");
    let mut rows = Vec::new();
    let mut unknown = 0;
    for step in 0..40 {
        let row = next(&rows);
        // Also while connecting and preparing: the answers to the repeats are cut as well.
        for _ in 0..step % 7 {
            wire.cut_next_answer();
            unknown += u32::from(journal.append(&row).await.is_err());
        }
        let known = append_until_known(&mut journal, &row).await;
        unknown += known.expect("a repeat is no conflict");
        rows.push(row);
    }
    println!("{unknown} unknown, {} answers cut", wire.answers_cut());
    assert!(unknown > 30);
    assert_eq!(all(&store).await, rows);
}

#[tokio::test]
async fn an_append_that_arrives_after_its_repeat_changes_nothing() {
    let cluster = Cluster::shared();
    let name = name_of(&cluster.database()).to_owned();
    let slow = Wire::to(cluster.socket());
    let parse = |url: &str| PostgresStore::parse(url).expect("a URL");
    let store = parse(&slow.url(&name));
    let mut journal = PostgresJournal::open(&store).await.expect("opened");
    let mut rows = vec![next(&[])];
    journal.append(&rows[0]).await.expect("appended");
    let row = next(&rows);
    hurry(&mut journal, Duration::from_millis(500));
    slow.hold();
    let unknown = journal.append(&row).await.expect_err("it is on the wire");
    assert_eq!(unknown.code(), "journal_unknown");
    drop(journal);
    // By another way, the repeat and one more row.
    let direct = parse(&cluster.url(&name, "postgres"));
    let mut journal = PostgresJournal::open(&direct).await.expect("opened");
    assert_eq!(all(&direct).await, rows, "it has not arrived");
    rows.push(row.clone());
    journal.append(&row).await.expect("the repeat");
    let after = next(&rows);
    journal.append(&after).await.expect("appended");
    rows.push(after);
    slow.let_go();
    let arrived = async {
        let duplicates = |log: String| log.matches("journal_pkey").count();
        while duplicates(cluster.log()) == 0 {
            tokio::task::yield_now().await;
        }
    };
    let arrived = tokio::time::timeout(PATIENCE, arrived).await;
    arrived.expect("the late one arrives and is refused");
    assert_eq!(all(&direct).await, rows);
}

#[tokio::test]
async fn a_server_that_stands_still_makes_appends_unknown_until_it_goes_on() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let store = PostgresStore::parse(&url).expect("a URL");
    let mut journal = PostgresJournal::open(&store).await.expect("opened");
    let mut rows = vec![next(&[])];
    journal.append(&rows[0]).await.expect("appended");
    hurry(&mut journal, Duration::from_millis(300));
    for _ in 0..3 {
        let row = next(&rows);
        let paused = cluster.pause(name_of(&url));
        let unknown = journal.append(&row).await.expect_err("it stands still");
        assert_eq!(unknown.code(), "journal_unknown", "{unknown}");
        drop(paused);
        append_until_known(&mut journal, &row).await.expect("known");
        rows.push(row);
    }
    assert_eq!(all(&store).await, rows);
}

#[tokio::test]
async fn a_commit_that_no_standby_confirms_is_never_taken_for_done() {
    let (cluster, store) = apart();
    let limit = Duration::from_millis(400);
    let mut journal = PostgresJournal::open(&store).await.expect("opened");
    let mut rows = vec![next(&[])];
    journal.append(&rows[0]).await.expect("appended");
    hurry(&mut journal, limit);
    let standbys = |names: &str| {
        cluster.sql(
            "postgres",
            &format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"),
        );
        cluster.sql("postgres", "SELECT pg_reload_conf()");
        let set = || cluster.sql("postgres", "SHOW synchronous_standby_names");
        while set() != names {}
    };
    standbys("nobody");
    let row = next(&rows);
    for _ in 0..3 {
        let unknown = journal.append(&row).await.expect_err("nobody confirms it");
        assert_eq!(unknown.code(), "journal_unknown", "{unknown}");
    }
    // After a crash the row is there to see, and still on one machine only.
    cluster.crash();
    cluster.restart();
    let mut seen = all(&store).await;
    assert_eq!(seen.pop(), Some(row.clone()));
    for _ in 0..2 {
        let unknown = journal.append(&row).await.expect_err("nobody confirms it");
        assert_eq!(unknown.code(), "journal_unknown", "{unknown}");
    }
    let opened = PostgresJournal::open(&store.clone().with_statement_timeout(limit)).await;
    assert_eq!(
        opened.expect_err("nor what was there before").code(),
        "store_failed"
    );
    standbys("");
    append_until_known(&mut journal, &row).await.expect("known");
    rows.push(row);
    assert_eq!(all(&store).await, rows);
}

#[tokio::test]
async fn another_journal_at_the_same_address_stops_the_writer_for_good() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let store = PostgresStore::parse(&url).expect("a URL");
    let mut journal = PostgresJournal::open(&store).await.expect("opened");
    let row = next(&[]);
    journal.append(&row).await.expect("appended");
    cluster.sql(name_of(&url), "DROP SCHEMA paytone CASCADE");
    drop(PostgresJournal::open(&store).await.expect("made again"));
    cluster.sql(
        "postgres",
        &format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
            name_of(&url)
        ),
    );
    let broken = append_until_known(&mut journal, &next(&[row])).await;
    let broken = broken.expect_err("it is another one");
    assert_eq!(broken.code(), "journal_broken", "{broken}");
    assert_eq!(journal.append(&next(&[])).await, Err(broken));
}

#[tokio::test]
async fn a_standby_that_takes_no_writes_is_waited_out() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let store = PostgresStore::parse(&url).expect("a URL");
    let mut journal = PostgresJournal::open(&store).await.expect("opened");
    let name = name_of(&url);
    cluster.sql(
        name,
        &format!("ALTER DATABASE {name} SET default_transaction_read_only = on"),
    );
    let end =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    cluster.sql("postgres", &end);
    let row = next(&[]);
    for _ in 0..3 {
        let unknown = journal.append(&row).await.expect_err("read only");
        assert_eq!(unknown.code(), "journal_unknown", "{unknown}");
    }
    // Each try makes a connection of its own: the next one may reach the new leader.
    cluster.sql(
        "postgres",
        &format!("ALTER DATABASE {name} RESET default_transaction_read_only"),
    );
    assert_eq!(journal.append(&row).await, Ok(()));
    assert_eq!(all(&store).await, [row]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_to_a_synchronous_standby_keeps_every_acknowledged_row_once() {
    const ROWS_BEFORE: usize = 40;
    let primary = Cluster::start();
    let name = name_of(&primary.database()).to_owned();
    let wire = Wire::to(primary.socket());
    let store = PostgresStore::parse(&wire.url(&name)).expect("a URL");
    let standby = primary.standby();
    primary.sql(
        "postgres",
        "ALTER SYSTEM SET synchronous_standby_names = '*'",
    );
    primary.sql("postgres", "SELECT pg_reload_conf()");
    let set = || primary.sql("postgres", "SHOW synchronous_standby_names");
    while set() != "*" {}
    let strict = store.clone().requiring_standby(true);
    let mut journal = PostgresJournal::open(&strict).await.expect("opened");
    let mut rows = Vec::new();
    for _ in 0..ROWS_BEFORE {
        let row = next(&rows);
        append_until_known(&mut journal, &row).await.expect("known");
        rows.push(row);
    }
    // The machine goes while rows are being appended, and what leads to the primary leads to the other one.
    let failing = thread::spawn({
        let wire = wire.clone();
        move || {
            primary.crash();
            standby.promote();
            wire.lead_to(standby.socket());
            standby
        }
    });
    let mut unknown = 0;
    while !failing.is_finished() {
        let row = next(&rows);
        match journal.append(&row).await {
            Ok(()) => rows.push(row),
            Err(AppendError::Unknown(_)) => unknown += 1,
            Err(error) => panic!("row {}: {error}", row.seq),
        }
        tokio::task::yield_now().await;
    }
    let new_primary = failing.join().expect("it takes over");
    println!("{} rows, {unknown} unknown", rows.len());
    assert!(unknown > 0, "some appends met no server");
    // It has no standby of its own: nothing is acknowledged by one machine alone.
    let row = next(&rows);
    let alone = journal.append(&row).await.expect_err("no standby");
    assert!(
        alone
            .to_string()
            .contains("synchronous_standby_names is empty"),
        "{alone}"
    );
    let _second = new_primary.standby();
    new_primary.sql(
        "postgres",
        "ALTER SYSTEM SET synchronous_standby_names = '*'",
    );
    new_primary.sql("postgres", "SELECT pg_reload_conf()");
    append_until_known(&mut journal, &row).await.expect("known");
    rows.push(row);
    assert_eq!(all(&store).await, rows);
}
