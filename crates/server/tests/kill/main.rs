//! `kill -9` at any moment loses nothing answered and does nothing twice, of the server and of its PostgreSQL.
//!
//! ```text
//!   world ──▶ serve ──▶ clients at work ──▶ SIGKILL ──▶ verify ──▶ serve ──▶ audit ──▶ clients go on ──▶ …
//! ```
//! Merchants and payers talk to the real binary, which is killed again and again. They send what was not answered once more
//! with the same idempotency key. After each restart everything they were told is held against what the server says, and
//! at the end every balance, list and feed. `KILLS=200 cargo test -p paytone --test kill` goes on for longer, `SEED=…`
//! makes the same choices again (which thread comes first is not among them).

mod audit;
mod book;
mod clients;
mod dice;
mod disk;
mod nodes;
mod operations;
mod process;
#[path = "../support/mod.rs"]
mod support;
mod trimming;
mod wire;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use parking_lot::Mutex;
use paytone_domain::{
    money::Amount,
    operator::{Operation, Role},
};
use private_postgres::Cluster;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use crate::{
    audit::{Audit, Mark},
    book::Book,
    clients::{Bench, Merchant, Payer},
    dice::Dice,
    process::Settings,
    support::{Phone, TestNode},
    wire::{Life, Over, Wire},
};

const KILLS: u64 = 10;
const KILLS_IN_POSTGRES: u64 = 4;
/// Most answers between two kills.
const ANSWERS: u64 = 400;
const CLIENTS_PER_SHOP: usize = 3;
/// Who trims journals.
const OPERATOR: &str = "ann";
const PIN: &str = "284617";
/// What each payer has at first, in minor units.
const OPENING: i64 = 100_000_000;
const NUMBERS: [&str; 4] = [
    "+8613800138001",
    "+8613800138002",
    "+8613800138003",
    "+8613800138004",
];

/// What exists before the first kill.
struct World {
    folder: tempfile::TempDir,
    store_url: String,
    origin: String,
    keys: Vec<String>,
    phones: Vec<Phone>,
    /// Per shop, per payer.
    mandates: Vec<Vec<String>>,
}

impl World {
    async fn make(cluster: Option<&Cluster>) -> Self {
        let test = match cluster {
            None => TestNode::start().await,
            Some(cluster) => TestNode::start_on(cluster).await,
        };
        test.rules(|rules| {
            // Clients here ask far more than people do.
            rules.payer_open_prompts = 100_000;
            rules.attention_per_day = 1_000_000;
            rules.merchant_prompts_per_hour = 1_000_000;
            rules.merchant_open = 1_000_000;
            rules.merchant_wrong_codes_per_day = 1_000_000;
            rules.payment_limit = Amount::clamped(OPENING);
            rules.daily_limit = Amount::clamped(OPENING);
            rules.monthly_limit = Amount::clamped(OPENING);
        })
        .await;
        let password = paytone::admin::password::seal(&test.node.keyring, process::PASSWORD);
        test.operate(Operation::AddOperator {
            name: OPERATOR.to_owned(),
            role: Role::Admin,
            password: password.expect("a password"),
        })
        .await;
        let mut shops = Vec::new();
        for name in ["Bookshop", "Taxis"] {
            shops.push(test.merchant(name, 5942).await);
        }
        let mut phones = Vec::new();
        for number in NUMBERS {
            let subscriber = test.line(number).await;
            test.give_cash(subscriber, OPENING).await;
            phones.push(Phone::enrol(&test, number, PIN).await);
        }
        let mut mandates = Vec::new();
        for shop in &shops {
            let mut of_shop = Vec::new();
            for (number, phone) in NUMBERS.iter().zip(&phones) {
                of_shop.push(mandate(&test, shop, number, phone).await);
            }
            mandates.push(of_shop);
        }
        let origin = test.origin.clone();
        let store_url = test.store_url().to_owned();
        let keys = shops.into_iter().map(|shop| shop.key).collect();
        let folder = test.stop().await;
        Self {
            folder,
            store_url,
            origin,
            keys,
            phones,
            mandates,
        }
    }
}

/// `man_…` of a mandate that the payer signed.
async fn mandate(test: &TestNode, shop: &support::Shop, number: &str, phone: &Phone) -> String {
    use paytone::edge::ids::Public;
    let asked = test.ask_mandate(shop, number, OPENING / 10).await;
    let prompt = phone.prompt(test, asked.id).await;
    let code = format!("{:02}", asked.match_code);
    phone.approve(test, &prompt, &code, PIN).await.expect(200);
    asked.id.show(&test.node.ids)
}

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_kills_at_any_moment_and_nothing_is_done_twice() {
    survive(number_from("KILLS").unwrap_or(KILLS), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_postgresql_it_survives_kills_of_the_server_and_of_the_database() {
    // One of its own: it is killed too.
    let cluster = Cluster::start();
    survive(
        number_from("KILLS").unwrap_or(KILLS_IN_POSTGRES),
        Some(&cluster),
    )
    .await;
}

/// Payers at work, by their places.
type Payers = JoinSet<(usize, Result<Payer, Over>)>;

/// Everybody begins to work.
fn at_work(
    world: &mut World,
    bench: &Bench,
    dice: &mut Dice,
) -> (Payers, JoinSet<Result<(), Over>>) {
    let mut payers = JoinSet::new();
    let mut ask = Vec::new();
    for (place, phone) in world.phones.drain(..).enumerate() {
        let (sender, asked) = mpsc::unbounded_channel();
        ask.push(sender);
        let payer = Payer {
            bench: bench.clone(),
            phone,
            origin: world.origin.clone(),
            pin: PIN.to_owned(),
            asked,
            dice: Dice::new(dice.next()),
        };
        payers.spawn(async move { (place, payer.work().await) });
    }
    let mut merchants = JoinSet::new();
    for (shop, key) in world.keys.iter().enumerate() {
        for _ in 0..CLIENTS_PER_SHOP {
            let numbers = NUMBERS.iter().map(|number| (*number).to_owned());
            let merchant = Merchant {
                bench: bench.clone(),
                shop,
                key: key.clone(),
                payers: numbers.zip(world.mandates[shop].iter().cloned()).collect(),
                ask: ask.clone(),
                dice: Dice::new(dice.next()),
            };
            merchants.spawn(merchant.work());
        }
    }
    (payers, merchants)
}

/// Waits until everybody has finished what was begun; gives back the payers in order.
async fn finished(mut payers: Payers, mut merchants: JoinSet<Result<(), Over>>) -> Vec<Payer> {
    while let Some(ended) = merchants.join_next().await {
        ended
            .expect("no client failed")
            .expect("a server that lives");
    }
    let mut phones = Vec::new();
    while let Some(ended) = payers.join_next().await {
        let (place, payer) = ended.expect("no phone failed");
        phones.push((place, payer.expect("a server that lives")));
    }
    phones.sort_by_key(|(place, _)| *place);
    phones.into_iter().map(|(_, payer)| payer).collect()
}

async fn survive(kills: u64, cluster: Option<&Cluster>) {
    let drawn = u64::from_be_bytes(*paytone::node::random().first_chunk().expect("16 bytes"));
    let seed = number_from("SEED").unwrap_or(drawn);
    println!("SEED={seed} KILLS={kills}");
    let mut dice = Dice::new(seed);

    let mut world = World::make(cluster).await;
    let settings = Settings::write(world.folder.path(), &world.origin, &world.store_url);
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

    let (payers, mut merchants) = at_work(&mut world, &bench, &mut dice);

    let mut mark = Mark::default();
    for number in 1..=u32::try_from(kills).expect("not that many") {
        let mut server = settings.start();
        // Some lives end before anybody is served: while the journal is being read, or right after.
        if dice.below(6) == 0 {
            if dice.below(2) == 0 {
                server.address().await;
            }
            server.kill().await;
            settings.verify().await;
            continue;
        }
        let address = server.address().await;
        let wire = Wire::to(address);
        let audit = Audit {
            wire: &wire,
            book: &book,
            keys: &world.keys,
        };
        mark = audit.recent(mark, &mut dice).await;
        let until = *answered.borrow_and_update() + 1 + dice.below(ANSWERS);
        lives.send_replace(Life {
            number,
            address: Some(address),
        });
        if let Some(cluster) = cluster
            && dice.below(2) == 0
        {
            // The server lives on and gets its answers later.
            tokio::task::block_in_place(|| {
                cluster.crash();
                cluster.restart();
            });
        }
        tokio::select! {
            enough = answered.wait_for(|count| *count >= until) => drop(enough.expect("clients count")),
            Some(ended) = merchants.join_next() => panic!("a client gave up: {ended:?}"),
        }
        server.kill().await;
        lives.send_modify(|life| life.address = None);
        settings.verify().await;
    }

    let mut server = settings.start();
    let address = server.address().await;
    bench.closing.store(true, Ordering::Relaxed);
    lives.send_replace(Life {
        number: u32::MAX,
        address: Some(address),
    });
    let payers = finished(payers, merchants).await;
    let audit = Audit {
        wire: &bench.wire,
        book: &book,
        keys: &world.keys,
    };
    audit.whole(&payers, OPENING).await;
    let (payments, requests) = {
        let book = book.lock();
        (book.payments.len(), book.kept.len())
    };
    println!(
        "{payments} payments, {requests} requests, {} answers",
        *answered.borrow()
    );
    assert!(payments > 0, "clients were at work");
    server.kill().await;
    settings.verify().await;
}
