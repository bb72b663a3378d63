//! The demo: a small believable world on an embedded store.
//!
//! ```text
//!   stand-in bank (its own process) ◀── node ──▶ webhooks ──▶ shop backend ──▶ /v1
//!         data/stand-in-bank.jsonl      data/*.sqlite            data/shop-orders.jsonl
//! ```
//! Everything is the real thing: the same node, APIs, signatures and books as in production. What only the demo has is the
//! `screen` channel for one-time codes, plain HTTP, and passwords printed for whoever starts it.
//!
//! **Invariant:** it can be stopped at any moment and goes on where it was; what has been made is not made again.

mod fill;
mod front;
pub mod http;
mod orders;
mod people;
pub mod phone;
mod shop;
mod story;
mod till;
mod world_file;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use paytone_connectors::webhook::signature::Secret;
use paytone_journal::Keyring;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    cli::{Failure, say},
    config::{self, Bank, Config, Store, Webhooks},
    node::{Node, random},
    pages,
    pos::{IssuerKeys, KeyFileError},
    service::{Ended, Service, ServiceError},
    workers::stand_in_bank::{StandInBank, StandInBankError},
};
use front::Front;
use http::{Http, NoAnswer};
use people::{LANTERN_BOOKS, SUBSCRIBERS};
use phone::{ok, text};
use shop::Shop;
use till::Till;
use world_file::{Webhook, WorldFile};

pub use orders::{Order, Orders};

const ISSUER_KEYS: &str = "issuer-keys.toml";

/// `paytone demo`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the demo keeps its stores and its keyring
    #[arg(long, value_name = "DIR", default_value = ".paytone/demo")]
    pub data: PathBuf,
    /// Where it listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8400")]
    pub listen: SocketAddr,
    /// A PostgreSQL database for the stores instead, `postgresql://…`; give it each time
    #[arg(long, value_name = "URL", value_parser = Store::at)]
    pub store: Option<Store>,
}

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("{path}: {why}")]
    Folder { path: PathBuf, why: std::io::Error },
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    #[error(transparent)]
    Keyring(#[from] paytone_journal::keyring::KeyringError),
    #[error(transparent)]
    IssuerKeys(#[from] KeyFileError),
    #[error(transparent)]
    Bank(#[from] StandInBankError),
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error(transparent)]
    Engine(#[from] paytone_engine::EngineError),
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// Filling met what it did not expect.
    #[error("the demo's world: {0}")]
    World(String),
}

impl DemoError {
    fn unexpected(step: &str, answer: &impl std::fmt::Debug) -> Self {
        Self::World(format!("{step} was answered {answer:?}"))
    }
}

/// Runs until it is stopped.
pub async fn run(args: Args) -> Result<(), Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::doing("finding this program's own file", error))?;
    say(&format!("Paytone demo in {}\n", args.data.display()));
    let progress = |part: &str| say(&format!("  {part} …\n"));
    let mut demo = Demo::start(&args, &program, &progress)
        .await
        .map_err(Failure::new)?;
    say(&demo.addresses());
    say("\nCtrl-C stops it; starting it again goes on where it was.\n");
    let ended = demo.service.wait().await;
    say("\nstopping …\n");
    demo.stop().await;
    match ended {
        Ended::Signal => Ok(()),
        Ended::Engine(reason) => Err(Failure::new(format_args!("the engine stopped: {reason:?}"))),
    }
}

/// A running demo.
pub struct Demo {
    service: Service,
    bank: StandInBank,
    world: WorldFile,
    origin: String,
    orders: Orders,
}

impl Demo {
    /// Starts everything and fills the world, as far as that has not been done. `program` is the file of `paytone`, which
    /// the stand-in bank is started from.
    pub async fn start(
        args: &Args,
        program: &Path,
        progress: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<Self, DemoError> {
        let data = args.data.as_path();
        let folder = |why| DemoError::Folder {
            path: data.to_owned(),
            why,
        };
        std::fs::create_dir_all(data).map_err(folder)?;
        // The listener comes first: a second demo on the same address changes nothing.
        let listener = TcpListener::bind(args.listen)
            .await
            .map_err(|error| DemoError::Listen(args.listen, error))?;
        let address = listener
            .local_addr()
            .map_err(|error| DemoError::Listen(args.listen, error))?;
        let origin = format!("http://{}", reachable(address));
        let keyring = data.join("keyring.toml");
        if !keyring.exists() {
            Keyring::create(&keyring)?;
        }
        let books = data.join("stand-in-bank.jsonl");
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let token_file = data.join("stand-in-bank.token");
        let token = world_file::bank_token(&token_file).map_err(folder)?;
        let bank = StandInBank::start(program, anywhere, &books, &token_file).await?;
        open_accounts(&bank, &token).await?;
        let orders = Orders::open(&data.join("shop-orders.jsonl")).map_err(folder)?;
        let shop = Arc::new(Shop::new(&origin, orders.clone()));
        let front = Arc::new(Front::default());
        let till = Arc::new(Till::default());
        let besides = pages::demo_router()
            .merge(shop::router(Arc::clone(&shop)))
            .merge(front::router(Arc::clone(&front)))
            .merge(till::router(Arc::clone(&till)));
        issuer_key(data, &keyring)?;
        let config = Config {
            store: args.store.clone().unwrap_or_default(),
            ..config(data, keyring, address, &origin, &bank, token_file)
        };
        let service = Service::start_on(listener, config, true, besides).await?;
        // Read once the stores are locked: no other demo is filling the same folder.
        let mut world = WorldFile::open(data).map_err(folder)?;
        make(&service.node, &mut world, &origin, progress).await?;
        let webhook = endpoint(&mut world, &origin).await?;
        shop.open(world.client_keys[LANTERN_BOOKS].clone(), webhook);
        if let Some((_, link)) = service.links().first() {
            till.open(&service.node, *link, &world);
        }
        front.open(&world, &origin);
        Ok(Self {
            service,
            bank,
            world,
            origin,
            orders,
        })
    }

    /// Where it is, such as `http://127.0.0.1:8400`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub fn node(&self) -> &Arc<Node> {
        &self.service.node
    }

    /// What the shop knows of its orders.
    pub fn orders(&self) -> &Orders {
        &self.orders
    }

    /// Where the stand-in bank is.
    pub fn bank(&self) -> String {
        self.bank.url()
    }

    /// What to open, for whoever started it.
    pub fn addresses(&self) -> String {
        let origin = &self.origin;
        let mut lines = vec![
            String::new(),
            format!("  Start here   {origin}/"),
            format!("  Shop         {origin}/shop"),
            format!("  Till         {origin}/till"),
            format!("  Operator     {origin}/operator/"),
        ];
        for operator in &self.world.operators {
            lines.push(format!(
                "                 sign in as {}, password {}",
                operator.name, operator.password
            ));
        }
        lines.push(format!("  API          {origin}/reference/"));
        lines.push(format!(
            "                 the shop's key {}",
            self.world.client_keys[LANTERN_BOOKS]
        ));
        lines.push("  Phones".to_owned());
        for person in &SUBSCRIBERS {
            lines.push(format!(
                "    {}  {}",
                front::phone_address(origin, person),
                person.name
            ));
        }
        lines.join("\n") + "\n"
    }

    /// Stops in the order of what rests on what.
    pub async fn stop(self) {
        self.service.stop().await;
        self.bank.stop().await;
    }
}

/// Listening everywhere, it is reached here.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => {
            SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()))
        }
        IpAddr::V6(ip) if ip.is_unspecified() => {
            SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, address.port()))
        }
        _ => address,
    }
}

/// How else a browser on this machine may spell the way to a demo that listens on it.
fn also_spelled(address: SocketAddr) -> Vec<String> {
    if reachable(address).ip().is_loopback() {
        vec![format!("http://localhost:{}", address.port())]
    } else {
        Vec::new()
    }
}

fn config(
    data: &Path,
    keyring: PathBuf,
    listen: SocketAddr,
    origin: &str,
    bank: &StandInBank,
    token_file: PathBuf,
) -> Config {
    Config {
        data: data.to_owned(),
        keyring,
        listen,
        origin: origin.to_owned(),
        also_origins: also_spelled(listen),
        code_channels: vec!["screen".to_owned()],
        till: config::Till {
            range: till::RANGE.to_owned(),
            key_file: data.join(ISSUER_KEYS),
            links: vec![config::TillLink::new(
                "demo",
                SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            )],
            ..config::Till::default()
        },
        webhooks: Webhooks {
            allow_private: true,
            allow_http: true,
        },
        bank: Some(Bank {
            url: bank.url(),
            token_variable: None,
            token_file: Some(token_file),
            timeout_seconds: 5,
            allow_http: true,
        }),
        ..Config::default()
    }
}

/// The issuer's key, drawn at the first start.
fn issuer_key(data: &Path, keyring: &Path) -> Result<(), DemoError> {
    let path = data.join(ISSUER_KEYS);
    if !path.exists() {
        let keyring = Keyring::load(keyring)?;
        IssuerKeys::add(&path, &keyring, 1, "visa-18", &random())?;
    }
    Ok(())
}

/// Opens the accounts that the bank does not have; setting one again would give its money back.
async fn open_accounts(bank: &StandInBank, token: &str) -> Result<(), DemoError> {
    let http = Http::new(bank.url());
    let statement = ok(http.get("/statement").token(token).send().await?)?;
    for person in &SUBSCRIBERS {
        let (Some(account), Some(balance_minor)) = (fill::bank_account(person), person.bank_minor)
        else {
            continue;
        };
        if statement["accounts"][&account].is_null() {
            let open = json!({"balance_minor": balance_minor, "currency": "CNY"});
            ok(http
                .put(format!("/accounts/{account}"), open)
                .token(token)
                .send()
                .await?)?;
        }
    }
    Ok(())
}

/// Fills the world at the first start; later ones bring the network's news only.
async fn make(
    node: &Node,
    world: &mut WorldFile,
    origin: &str,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), DemoError> {
    if world.story_told {
        fill::refresh_lines(node, world).await?;
        let staff = fill::Staff::of(node, world).await?;
        return till::fill(node, world, staff).await;
    }
    let staff = fill::fill(node, world, progress).await?;
    story::tell(node, world, staff, origin, progress).await?;
    world.story_told = true;
    let saved = world.save();
    saved.map_err(|error| DemoError::World(error.to_string()))?;
    till::fill(node, world, staff).await
}

/// The shop's endpoint at the present address, with its secret.
async fn endpoint(world: &mut WorldFile, origin: &str) -> Result<Option<Secret>, DemoError> {
    let url = format!("{origin}/shop/api/webhooks");
    let known = world.webhook.clone();
    if known.as_ref().is_none_or(|known| known.url != url) {
        let http = Http::new(origin);
        let key = world.client_keys[LANTERN_BOOKS].clone();
        if let Some(known) = known {
            let path = format!("/v1/webhook_endpoints/{}", known.id);
            http.delete(path).token(&key).send().await?;
        }
        let add: Value = json!({"url": url});
        let made = ok(http
            .post("/v1/webhook_endpoints", add)
            .token(&key)
            .send()
            .await?)?;
        world.webhook = Some(Webhook {
            id: text(&made, "id")?.to_owned(),
            secret: text(&made, "secret")?.to_owned(),
            url,
        });
        let saved = world.save();
        saved.map_err(|error| DemoError::World(error.to_string()))?;
    }
    let secret = world.webhook.as_ref().map(|known| &known.secret);
    secret
        .map(|secret| Secret::parse(secret))
        .transpose()
        .map_err(|error| DemoError::World(error.to_string()))
}
