//! `kill -9` while taps and reversals are under way: whatever was answered stays so, and nobody pays twice or for what was undone.
//!
//! `KILLS=50` goes on for longer, `SEED=…` makes the same choices again.

use std::{fmt::Write as _, net::SocketAddr, process::Stdio};

use paytone::{
    config::Config,
    node::Node,
    pos::player::{PlayError, Player},
};
use paytone_domain::{ledger::Account, money::Amount};
use paytone_wire::{
    emv::Phone,
    iso8583::Message,
    till::{
        Code,
        terminal::{self, Heard},
    },
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::{
    Scene,
    scene::{ACCEPTOR, TERMINAL},
    support::PATIENCE,
};

const KILLS: u64 = 4;
/// Purchases under way at once: fewer than a card's window of counters.
const AT_ONCE: usize = 20;

/// What the terminal knows of a purchase.
enum Known {
    /// Nothing: it was sent, and no answer came.
    Sent,
    Answered(Heard),
    /// A reversal was sent, and no answer came.
    Reversing(Message),
    Reversed,
}

struct Sale {
    message: Message,
    minor: i64,
    known: Known,
}

/// A die whose throws follow from its seed.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

struct Day {
    sales: Vec<Sale>,
    file: paytone::pos::player::PhoneFile,
    card: Phone,
    dice: Dice,
}

impl Day {
    /// Asks again about everything that is not known, or takes it back.
    async fn settle(&mut self, player: &mut Player) -> Result<(), PlayError> {
        for sale in &mut self.sales {
            if matches!(sale.known, Known::Sent) {
                if self.dice.throw(2) == 0 {
                    let repeat = player.terminal.repeat(&sale.message);
                    sale.known = Known::Answered(player.exchange(&repeat).await?);
                } else {
                    let message = &sale.message;
                    let reversal =
                        player.at_the_moment(|terminal, now| terminal.reversal(message, now));
                    sale.known = Known::Reversing(reversal);
                }
            }
            if let Known::Reversing(reversal) = &sale.known {
                let heard = player.exchange(reversal).await?;
                assert_eq!(
                    heard.code,
                    Some(Code::Approved),
                    "a reversal is always taken"
                );
                sale.known = Known::Reversed;
            }
        }
        Ok(())
    }

    /// Buys and takes back until so many answers came.
    async fn trade(&mut self, player: &mut Player, answers: u64) -> Result<(), PlayError> {
        let mut heard = 0;
        while heard < answers {
            let first = self.sales.len();
            for _ in 0..AT_ONCE {
                let minor = 100 + self.dice.throw(900);
                let (message, _) = player.purchase(&self.file, &mut self.card, minor, false)?;
                self.sales.push(Sale {
                    message: message.clone(),
                    minor: i64::try_from(minor).expect("a small amount"),
                    known: Known::Sent,
                });
                player.send(&message).await?;
            }
            for _ in 0..AT_ONCE {
                let answer = player.receive().await?;
                self.answered(first, &answer);
                heard += 1;
                if heard == answers {
                    return Ok(());
                }
            }
            let chosen = first + self.dice.throw(AT_ONCE as u64) as usize;
            let sale = &mut self.sales[chosen];
            let message = &sale.message;
            let reversal = player.at_the_moment(|terminal, now| terminal.reversal(message, now));
            sale.known = Known::Reversing(reversal.clone());
            let heard = player.exchange(&reversal).await?;
            assert_eq!(
                heard.code,
                Some(Code::Approved),
                "a reversal is always taken"
            );
            sale.known = Known::Reversed;
        }
        Ok(())
    }

    fn answered(&mut self, first: usize, answer: &Message) {
        let heard = terminal::heard(answer).expect("an answer");
        let of_it = |sale: &&mut Sale| sale.message.number(11) == Some(u64::from(heard.trace));
        let sale = self.sales[first..].iter_mut().find(of_it);
        sale.expect("an answer to what was asked").known = Known::Answered(heard);
    }

    /// What the payer has paid for, by what the terminal was told.
    fn paid(&self) -> i64 {
        let paid = self.sales.iter().filter(|sale| match &sale.known {
            Known::Answered(heard) => heard.code == Some(Code::Approved),
            Known::Reversed => false,
            Known::Sent | Known::Reversing(_) => panic!("everything is settled"),
        });
        paid.map(|sale| sale.minor).sum()
    }
}

/// Stops a scene and writes down what `paytone serve` goes on with.
pub async fn settings(scene: Scene) -> (tempfile::TempDir, std::path::PathBuf) {
    let store = scene.test.store_url().to_owned();
    let folder = scene.close().await;
    let settings = folder.path().join("paytone.toml");
    let mut text = String::new();
    for (name, path) in [("data", "data"), ("keyring", "keyring.toml")] {
        writeln!(text, "{name} = {:?}", folder.path().join(path)).expect("text");
    }
    let keys = folder.path().join("issuer-keys.toml");
    writeln!(
        text,
        "listen = \"127.0.0.1:0\"\n[store]\nurl = {store:?}\n[till]\nkey_file = {keys:?}\n\
         [[till.links]]\nname = \"counter\"\nlisten = \"127.0.0.1:0\""
    )
    .expect("text");
    std::fs::write(&settings, &text).expect("settings can be written");
    (folder, settings)
}

/// `paytone serve`, and where its link is.
pub async fn serve(settings: &std::path::Path) -> (Child, SocketAddr) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paytone"));
    command.args(["serve", "--config"]).arg(settings);
    command
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = command.spawn().expect("the server starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let link = timeout(PATIENCE, async {
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(address) = line.strip_prefix("tills counter ") {
                return address.parse().expect("an address");
            }
        }
        panic!("the server ended before its link was open");
    });
    let link = link.await.expect("the link opens in time");
    (child, link)
}

#[tokio::test]
async fn a_storm_of_taps_and_reversals_with_kills_leaves_what_was_answered() {
    let seed = from_environment("SEED").unwrap_or(20_261_123);
    println!("SEED={seed}");
    let scene = Scene::open().await;
    scene
        .test
        .rules(|rules| {
            rules.daily_limit = Amount::clamped(100_000_000);
            rules.monthly_limit = Amount::clamped(100_000_000);
        })
        .await;
    scene.test.give_cash(scene.alice, 50_000_000).await;
    let opening = scene.cash().await;
    let (alice, file, card) = (scene.alice, scene.file.clone(), scene.card.clone());
    let (_folder, settings) = settings(scene).await;
    let mut day = Day {
        sales: Vec::new(),
        file,
        card,
        dice: Dice(seed),
    };
    for _ in 0..from_environment("KILLS").unwrap_or(KILLS) {
        let (mut server, link) = serve(&settings).await;
        let player = Player::connect(link, "1987-ascii", ACCEPTOR, TERMINAL).await;
        let mut player = player.expect("the link takes connections");
        day.settle(&mut player).await.expect("the server runs");
        let answers = 1 + day.dice.throw(150);
        day.trade(&mut player, answers)
            .await
            .expect("the server runs");
        // The rest of what was sent is under way.
        server.kill().await.expect("it is killed");
    }
    let (mut server, link) = serve(&settings).await;
    let player = Player::connect(link, "1987-ascii", ACCEPTOR, TERMINAL).await;
    let mut player = player.expect("the link takes connections");
    day.settle(&mut player).await.expect("the server runs");
    for sale in day.sales.iter().rev().take(200) {
        let repeat = player.terminal.repeat(&sale.message);
        let again = player.exchange(&repeat).await.expect("an answer");
        match &sale.known {
            Known::Answered(heard) => assert!(again == *heard, "{again:?} after {heard:?}"),
            _ => assert_ne!(
                again.code,
                Some(Code::Approved),
                "what was undone stays undone"
            ),
        }
    }
    server.kill().await.expect("it is killed");
    let text = std::fs::read_to_string(&settings).expect("the settings are there");
    let config: Config = toml::from_str(&text).expect("settings");
    let started = Node::start(config, true).await.expect("the node starts");
    let account = Account::SubscriberCash(alice);
    let read = started
        .node
        .engine
        .read(move |state, _| (state.book.available(account).minor(), state.book.total()));
    let (cash, total) = read.await.expect("the engine runs").answer;
    assert_eq!(cash, opening - day.paid());
    assert_eq!(total, 0);
    tokio::task::spawn_blocking(move || started.stop())
        .await
        .expect("it stops");
}
