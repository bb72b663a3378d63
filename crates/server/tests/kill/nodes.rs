//! Three nodes on one PostgreSQL: the leader is killed, hung and restarted under load, then each is restarted in turn, and clients talk
//! to any of them.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use parking_lot::Mutex;
use private_postgres::Cluster;
use tokio::sync::watch;

use crate::{
    OPENING, World, at_work,
    audit::{Audit, Mark},
    book::Book,
    clients::Bench,
    dice::Dice,
    finished, number_from,
    process::{Place, Server, Settings},
    wire::Wire,
};

pub const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];
const ROUNDS: u64 = 3;
/// Answers between two faults.
const ANSWERS: u64 = 60;

/// What is done to the node that leads.
const FAULTS: [&str; 3] = ["is killed", "hangs", "is restarted"];

pub fn places() -> Vec<Place> {
    // Held until all are known, so that no two are the same.
    let held: Vec<TcpListener> = (0..2 * NAMES.len())
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("a port"))
        .collect();
    let address = |place: usize| held[place].local_addr().expect("an address");
    let among_nodes = |place: usize| address(NAMES.len() + place);
    let others = |place: usize| (0..NAMES.len()).filter(move |other| *other != place);
    (0..NAMES.len())
        .map(|place| Place {
            name: NAMES[place].to_owned(),
            listen: address(place),
            among_nodes: among_nodes(place),
            peers: others(place)
                .map(|other| (NAMES[other].to_owned(), among_nodes(other)))
                .collect(),
        })
        .collect()
}

/// The node that named itself last in the journal.
async fn leader(cluster: &Cluster, store_url: &str) -> usize {
    let database = store_url.rsplit('/').next().expect("a database");
    let last = |name: &str| {
        format!(
            "coalesce((SELECT max(seq) FROM paytone.journal WHERE position('{name}'::bytea IN body) > 0), 0)"
        )
    };
    let columns = NAMES.map(last).join(", ");
    loop {
        let found =
            tokio::task::block_in_place(|| cluster.sql(database, &format!("SELECT {columns}")));
        let seen: Vec<u64> = found
            .split('|')
            .map(|text| text.parse().expect("a position"))
            .collect();
        let (place, at) = seen
            .iter()
            .enumerate()
            .max_by_key(|(_, at)| **at)
            .expect("three nodes");
        if *at > 0 {
            return place;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_three_nodes_nothing_answered_is_lost_when_the_leader_is_killed_hangs_or_restarts() {
    let drawn = u64::from_be_bytes(*paytone::node::random().first_chunk().expect("16 bytes"));
    let seed = number_from("SEED").unwrap_or(drawn);
    let rounds = number_from("ROUNDS").unwrap_or(ROUNDS);
    println!("SEED={seed} ROUNDS={rounds}");
    let mut dice = Dice::new(seed);
    let cluster = Cluster::start();
    let mut world = World::make(Some(&cluster)).await;
    let folder = world.folder.path().to_owned();
    let names = NAMES.map(str::to_owned);
    paytone::cluster::certificates::make(&folder.join("tls"), &names).expect("certificates");
    let places = places();
    let settings: Vec<Settings> = places
        .iter()
        .map(|place| Settings::write_member(&folder, &world.origin, &world.store_url, place))
        .collect();
    let mut servers: Vec<Option<Server>> = Vec::new();
    for settings in &settings {
        servers.push(Some(settings.start()));
    }
    for server in servers.iter_mut().flatten() {
        server.address().await;
    }
    let all: Vec<SocketAddr> = places.iter().map(|place| place.listen).collect();
    let (answers, mut answered) = watch::channel(0_u64);
    let book: Arc<Mutex<Book>> = Arc::default();
    let bench = Bench {
        wire: Wire::among(all.clone()),
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
    enough(ANSWERS).await;
    for round in 0..rounds {
        let fault = FAULTS[usize::try_from(round).expect("few") % FAULTS.len()];
        let led = leader(&cluster, &world.store_url).await;
        let others: Vec<SocketAddr> = all.iter().copied().filter(|at| *at != all[led]).collect();
        // A request that was answered before is answered again the same way, by whoever leads.
        let again = book
            .lock()
            .kept
            .first()
            .expect("somebody was answered")
            .clone();
        let began = Instant::now();
        let server = servers[led].take().expect("it runs");
        let hung = match fault {
            "is killed" => {
                server.kill().await;
                None
            }
            "hangs" => {
                server.signal("STOP").await;
                Some(server)
            }
            _ => {
                server.end().await;
                None
            }
        };
        let told = bench
            .wire
            .only(others)
            .ask(&again.call)
            .await
            .expect("others live");
        println!(
            "{} {fault}: another node answers a write after {} ms",
            NAMES[led],
            began.elapsed().as_millis()
        );
        assert_eq!(told.bytes, again.told.bytes);
        enough(ANSWERS / 2).await;
        let mut server = match hung {
            Some(server) => {
                server.signal("CONT").await;
                server
            }
            None => settings[led].start(),
        };
        if fault != "hangs" {
            server.address().await;
        }
        servers[led] = Some(server);
        enough(ANSWERS).await;
    }
    // As for a new release: one after the other, under load, and clients only ever ask again under their keys.
    for (place, settings) in settings.iter().enumerate() {
        servers[place].take().expect("it runs").end().await;
        enough(ANSWERS / 2).await;
        let mut server = settings.start();
        server.address().await;
        servers[place] = Some(server);
        enough(ANSWERS / 2).await;
    }
    bench.closing.store(true, Ordering::Relaxed);
    let payers = finished(payers, merchants).await;
    // Whoever reads with this answer's position sees all that was answered before.
    let kept = book
        .lock()
        .kept
        .last()
        .expect("somebody was answered")
        .clone();
    bench.wire.ask(&kept.call).await.expect("nodes live");
    let whole = Audit {
        wire: &bench.wire,
        book: &book,
        keys: &world.keys,
    };
    whole.whole(&payers, OPENING).await;
    for node in all {
        let of_node = Audit {
            wire: &bench.wire.only(vec![node]),
            ..whole
        };
        of_node.recent(Mark::default(), &mut dice).await;
    }
    println!("{} answers, all kept", *bench.answers.borrow());
    for server in servers.into_iter().flatten() {
        server.end().await;
    }
    settings[0].verify().await;
}
