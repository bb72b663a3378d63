//! The worker that takes rows out of the journal by policy, on a journal of some days ago.

use std::{sync::Arc, time::Duration};

use paytone::{config::Store, stores::Stores, workers::trimming};
use paytone_domain::time::{BusinessDate, DAY};
use paytone_engine::Batch;
use paytone_journal::{Journal as _, JournalReader, Row, SqliteJournal, verify_chain};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::{
    NOBODY,
    support::{Ask, PATIENCE, TestNode},
};

const DAYS_AGO: i32 = 5;

async fn all(reader: &mut impl JournalReader) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let after = rows.last().map_or(0, |row| row.seq);
        let read = reader.read(after, 1_000, 1 << 24).await.expect("rows");
        if read.is_empty() {
            return rows;
        }
        rows.extend(read);
    }
}

/// Writes the journal of a node that stopped again, as if it had all been some days ago. Says how many rows there are.
async fn age(folder: &TempDir) -> u64 {
    let data = folder.path().join("data");
    let path = data.join("journal.sqlite");
    let mut reader = SqliteJournal::reader(&path).await.expect("a journal");
    let rows = all(&mut reader).await;
    drop(reader);
    // What was made of the journal is made again.
    std::fs::remove_dir_all(&data).expect("removed");
    std::fs::create_dir_all(&data).expect("made");
    let mut journal = SqliteJournal::open(&path).await.expect("a journal");
    let mut tip = None;
    for row in rows {
        let mut batch = Batch::decode(&row.body).expect("a batch");
        batch.moment.now = batch.moment.now.plus(-i64::from(DAYS_AGO) * DAY);
        batch.moment.date = BusinessDate(batch.moment.date.0 - DAYS_AGO);
        let aged = Row::seal(tip, row.epoch, row.batch_id, batch.encode());
        journal.append(&aged).await.expect("it fits");
        tip = Some(aged.tip());
    }
    tip.map_or(0, |tip| tip.seq)
}

#[tokio::test(flavor = "multi_thread")]
async fn by_policy_the_worker_takes_out_what_is_older_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    paytone_journal::Keyring::create(folder.path().join("keyring.toml")).expect("a keyring");
    let test = TestNode::start_in(folder, Store::default(), |_| {}).await;
    let shop = test.merchant("Bookshop", 5942).await;
    for _ in 0..20 {
        test.ask(&shop, Ask::of(NOBODY, 100)).await;
    }
    let folder = test.stop().await;
    let old = age(&folder).await;
    assert!(old > 20);

    let keep = |config: &mut paytone::config::Config| config.journal.keep_days = 2;
    let test = TestNode::start_in(folder, Store::default(), keep).await;
    let shop = test.merchant("Taxis", 4121).await;
    for _ in 0..20 {
        test.ask(&shop, Ask::of(NOBODY, 100)).await;
    }
    let node = &test.node;
    node.snapshots
        .make(&node.config, |_, _| {})
        .await
        .expect("a snapshot");
    let (stop, stopping) = watch::channel(false);
    let often = Duration::from_millis(10);
    let worker = trimming::run_after(Duration::ZERO, often, Arc::clone(node), stopping);
    let worker = tokio::spawn(worker);
    let path = node.config.journal();
    let mut bare = SqliteJournal::reader(&path).await.expect("a journal");
    let gone = async {
        loop {
            let rows = bare.read(0, 1, 1).await.expect("a row");
            let first = rows.first().map_or(0, |row| row.seq);
            if first > old {
                return first;
            }
            tokio::task::yield_now().await;
        }
    };
    let first = tokio::time::timeout(PATIENCE, gone).await;
    assert_eq!(first.expect("rows leave in time"), old + 1);
    stop.send_replace(true);
    worker.await.expect("it ends");
    // Whoever reads has all of it, and today's rows are in the journal as they were.
    let stores = Stores::of(&node.config).expect("files");
    let mut reader = stores.journal_reader().await.expect("a reader");
    let rows = all(&mut reader).await;
    assert_eq!(reader.trimmed(), old);
    assert_eq!(rows.first().map(|row| row.seq), Some(1));
    let end = verify_chain(rows).expect("one chain");
    assert_eq!(end, bare.last().await.expect("the end"));
    assert!(end.is_some_and(|tip| tip.seq > old + 20));
}
