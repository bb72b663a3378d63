//! The server is killed in the middle of trimming its journal, under load: while a file is being written, once it is whole, and while
//! rows are being taken out.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use paytone_journal::{JournalReader as _, SqliteJournal, SqliteReader};
use tokio::{process::Child, sync::watch};

use crate::{
    OPENING, OPERATOR, World, at_work,
    audit::Audit,
    book::Book,
    clients::Bench,
    dice::Dice,
    finished, number_from,
    process::Settings,
    wire::{Life, Wire},
};

/// Trimmings that must have been cut off.
const CUTS: u32 = 6;
/// Answers between two of them.
const ANSWERS: u64 = 120;
/// Lives in which it must have come to that.
const LIVES: u32 = 40;

/// What is waited for before the kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    FileBegun,
    FileWhole,
    RowsGone,
}

const MOMENTS: [Moment; 3] = [Moment::FileBegun, Moment::FileWhole, Moment::RowsGone];

fn files(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder.join("data/exports")) else {
        return Vec::new();
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|found| found == kind))
        .collect();
    paths.sort();
    paths
}

async fn first_row(journal: &mut SqliteReader) -> u64 {
    let rows = journal.read(0, 1, 1).await.expect("it reads");
    rows.first().map_or(0, |row| row.seq)
}

/// Waits for the moment; `false` if the trimming ended before.
async fn comes(
    moment: Moment,
    folder: &Path,
    journal: &mut SqliteReader,
    trim: &mut Child,
    whole: &[PathBuf],
    first: u64,
) -> bool {
    loop {
        let is_there = match moment {
            Moment::FileBegun => !files(folder, "part").is_empty(),
            Moment::FileWhole => files(folder, "rows") != whole,
            Moment::RowsGone => first_row(journal).await > first,
        };
        if is_there {
            return true;
        }
        if trim.try_wait().expect("it can be asked").is_some() {
            return false;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_in_the_middle_of_trimming_take_nothing_and_the_next_one_goes_on() {
    let drawn = u64::from_be_bytes(*paytone::node::random().first_chunk().expect("16 bytes"));
    let seed = number_from("SEED").unwrap_or(drawn);
    println!("SEED={seed}");
    let mut dice = Dice::new(seed);
    let mut world = World::make(None).await;
    let folder = world.folder.path().to_owned();
    let settings = Settings::write(&folder, &world.origin, &world.store_url);
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
        drop(answered.wait_for(|count| *count >= until).await);
    };
    let path = folder.join("data/journal.sqlite");
    let mut cuts = [0_u32; MOMENTS.len()];
    let mut number = 0;
    while cuts.iter().sum::<u32>() < CUTS || cuts.contains(&0) {
        number += 1;
        assert!(number <= LIVES, "it was cut off {cuts:?} times only");
        let mut server = settings.start();
        let address = Some(server.address().await);
        lives.send_replace(Life { number, address });
        if number == 1 {
            settings.run(&["sign-in", OPERATOR, "--json"]).await;
        }
        enough(ANSWERS).await;
        settings.run(&["snapshot", "--json"]).await;
        let now = jiff::Timestamp::now().to_string();
        let mut journal = SqliteJournal::reader(&path).await.expect("a journal");
        let (whole, first) = (files(&folder, "rows"), first_row(&mut journal).await);
        let place = usize::try_from(number).expect("few") % MOMENTS.len();
        let mut trim = settings.begin(&["journal", "trim", "--before", &now, "--json"]);
        let came = comes(
            MOMENTS[place],
            &folder,
            &mut journal,
            &mut trim,
            &whole,
            first,
        )
        .await;
        server.kill().await;
        let told = trim.wait_with_output().await.expect("it ends");
        // It may have had the last word before.
        if came && !told.status.success() {
            cuts[place] += 1;
        }
        lives.send_modify(|life| life.address = None);
        settings.verify().await;
    }
    println!("cut off {cuts:?} times in {number} lives");

    let mut server = settings.start();
    let address = Some(server.address().await);
    lives.send_replace(Life {
        number: number + 1,
        address,
    });
    enough(ANSWERS).await;
    bench.closing.store(true, Ordering::Relaxed);
    let payers = finished(payers, merchants).await;
    let audit = Audit {
        wire: &bench.wire,
        book: &book,
        keys: &world.keys,
    };
    audit.whole(&payers, OPENING).await;
    // And to its end, for once.
    settings.run(&["snapshot", "--json"]).await;
    let now = jiff::Timestamp::now().to_string();
    let trim = ["journal", "trim", "--before", &now, "--json"];
    let done = settings.run(&trim).await;
    assert!(done["through"].as_u64() > Some(0), "{done}");
    assert!(files(&folder, "part").is_empty());
    println!("{} answers, all kept; {done}", *bench.answers.borrow());
    server.end().await;
    settings.verify().await;
}
