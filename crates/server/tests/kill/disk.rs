//! A disk that fills up and a disk that fails under the journal: the real server stops and says why, and what it answered until then
//! is in the books.
//!
//! A library in front of the C library plays the disk (`disk_fault.c`). One that fails loses what is written from then on as well as
//! saying so: an answer that left all the same would be missing afterwards.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    OPENING, World, at_work,
    audit::Audit,
    book::Book,
    clients::Bench,
    dice::Dice,
    finished, number_from,
    process::Settings,
    wire::{Life, Wire},
};

/// Answers before the disk goes wrong, and after the next start.
const ANSWERS: u64 = 150;
/// For a process that has nothing left to do but to end.
const PATIENCE: Duration = Duration::from_secs(60);

struct Disk {
    library: PathBuf,
    /// Once it is there the disk is as said.
    since: PathBuf,
    fault: &'static str,
    /// Which files are on it.
    files: String,
}

impl Disk {
    fn make(folder: &Path, fault: &'static str, files: String) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kill/disk_fault.c");
        let library = folder.join("disk_fault.so");
        // It builds SQLite, so it is there.
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .status();
        assert!(built.expect("a C compiler").success());
        Self {
            library,
            since: folder.join("disk-goes-wrong"),
            fault,
            files,
        }
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let path = |path: &Path| path.display().to_string();
        vec![
            ("LD_PRELOAD", path(&self.library)),
            ("PAYTONE_DISK", self.files.clone()),
            ("PAYTONE_DISK_FAULT", self.fault.to_owned()),
            ("PAYTONE_DISK_SINCE", path(&self.since)),
        ]
    }

    fn goes_wrong(&self) {
        std::fs::write(&self.since, "").expect("another disk has room");
    }
}

/// Serves until the disk goes wrong, is started again on a good one, and holds what was told against the books.
async fn survives(fault: &'static str, files: impl Fn(&Path) -> String, says: &str) {
    let drawn = u64::from_be_bytes(*paytone::node::random().first_chunk().expect("16 bytes"));
    let seed = number_from("SEED").unwrap_or(drawn);
    println!("SEED={seed} {fault}");
    let mut dice = Dice::new(seed);
    let mut world = World::make(None).await;
    let folder = world.folder.path().to_owned();
    let settings = Settings::write(&folder, &world.origin, &world.store_url);
    let disk = Disk::make(&folder, fault, files(&folder));
    let (lives, life) = watch::channel(Life::default());
    let (answers, mut answered) = watch::channel(0_u64);
    let book: Arc<Mutex<Book>> = Arc::default();
    let bench = Bench {
        wire: Wire::new(life),
        book: Arc::clone(&book),
        answers: Arc::new(answers),
        closing: Arc::new(AtomicBool::new(false)),
        drawn: Arc::new(AtomicU64::new(0)),
    };
    let (payers, merchants) = at_work(&mut world, &bench, &mut dice);
    let mut enough = async |more: u64| {
        let until = *answered.borrow_and_update() + more;
        let enough = answered.wait_for(|count| *count >= until);
        drop(
            tokio::time::timeout(PATIENCE, enough)
                .await
                .expect("clients are answered"),
        );
    };

    let told = folder.join("stderr.txt");
    let mut server = settings.start_telling(&disk.environment(), &told);
    let address = Some(server.address().await);
    lives.send_replace(Life { number: 1, address });
    enough(1 + dice.below(ANSWERS)).await;
    disk.goes_wrong();
    let ended = tokio::time::timeout(PATIENCE, server.ended()).await;
    let status = ended.expect("a server without a journal ends");
    let told = std::fs::read_to_string(told).expect("what it said");
    assert_eq!(status.code(), Some(1), "{told}");
    let last = told.lines().last().unwrap_or_default();
    assert!(
        last.contains("the journal failed") && last.contains(says),
        "{told}"
    );
    lives.send_modify(|life| life.address = None);
    settings.verify().await;

    let mut server = settings.start();
    let address = Some(server.address().await);
    lives.send_replace(Life { number: 2, address });
    enough(ANSWERS).await;
    bench.closing.store(true, Ordering::Relaxed);
    let payers = finished(payers, merchants).await;
    let audit = Audit {
        wire: &bench.wire,
        book: &book,
        keys: &world.keys,
    };
    audit.whole(&payers, OPENING).await;
    println!("{} answers, all kept", *bench.answers.borrow());
    server.end().await;
    settings.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_the_server_and_takes_nothing_that_was_answered() {
    let everything = |folder: &Path| folder.join("data").display().to_string();
    survives("full", everything, "disk is full").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_of_the_journal_stops_the_server_and_takes_nothing_that_was_answered() {
    let journal = |folder: &Path| folder.join("data/journal").display().to_string();
    survives("sync", journal, "disk I/O error").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_on_which_every_sync_fails_stops_the_server_too() {
    let everything = |folder: &Path| folder.join("data").display().to_string();
    survives("sync", everything, "disk I/O error").await;
}
