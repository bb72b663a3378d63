//! The demo's till: a terminal on a real link, and the tokens of the demo's phones to hold to it.
//!
//! ```text
//!   POST /till/api/taps ──▶ Player ── ISO 8583 over TCP ──▶ the node's link, as any terminal
//! ```
//! **Invariant:** the browser says whose phone, how much and whether it was unlocked; chip data, keys and messages stay here.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use paytone_domain::{
    Actor, Command,
    ids::{SubscriberId, TerminalId},
    money::Amount,
    operator::{Done, Operation},
    subscriber::SubscriberStatus,
};
use paytone_wire::{
    iso8583::Message,
    till::{Code, terminal::Heard},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{sync::Mutex, time::Instant};
use tower_http::limit::RequestBodyLimitLayer;

use super::{
    DemoError,
    fill::{Staff, holder},
    people::{MERCHANTS, MORNING_MART, SUBSCRIBERS},
    world_file::WorldFile,
};
use crate::{
    edge::{
        amount,
        json::Body,
        problem::Problem,
        text::{self, Place},
        time,
    },
    node::Node,
    pos::{
        player::{PhoneFile, PlayError, Player},
        terminal_key, token,
    },
};

pub const RANGE: &str = "88880012";
const ACCEPTOR: &str = "MORNINGMART01";
const TERMINAL: &str = "TILL0001";
const STORE: &str = "早安便利 静安寺店 Morning Mart, Jing’an Temple";
const PER_PAYMENT: i64 = 100_000;
const BODY_BYTES: usize = 4 << 10;
/// Taps that can still be taken back.
const KEPT: usize = 50;

/// The till, open once the world is filled.
#[derive(Default)]
pub struct Till(OnceLock<Open>);

struct Open {
    node: Arc<Node>,
    link: SocketAddr,
    phones: Mutex<BTreeMap<String, PhoneFile>>,
    /// What was paid, newest last.
    paid: Mutex<VecDeque<(String, Message)>>,
}

impl Till {
    pub fn open(&self, node: &Arc<Node>, link: SocketAddr, world: &WorldFile) {
        let open = Open {
            node: Arc::clone(node),
            link,
            phones: Mutex::new(world.tokens.clone()),
            paid: Mutex::default(),
        };
        // Opened twice it stays as it was.
        let _ = self.0.set(open);
    }

    fn get(&self) -> Result<&Open, Problem> {
        self.0.get().ok_or_else(|| Problem {
            retry_after_s: Some(2),
            ..Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "till_closed",
                "the till opens in a moment; try again",
            )
        })
    }
}

/// The store with its terminal, and a token in each demo phone, as far as they are not there.
pub async fn fill(node: &Node, world: &mut WorldFile, staff: Staff) -> Result<(), DemoError> {
    // A world of an earlier release knows no tills yet, and this node is the only one.
    let level = paytone_domain::LEVEL;
    let activate = Command::ActivateLevel { level };
    node.submit(Actor::System, activate).await?;
    let key = terminal_key(ACCEPTOR, TERMINAL);
    let merchant = super::fill::merchant_id(MORNING_MART);
    let read = node.engine.read(move |state, _| {
        let stores = state.terminals.stores();
        let store = stores
            .filter(|one| one.acceptor == ACCEPTOR)
            .map(|one| one.id)
            .next();
        (store, state.terminals.find(&key).map(|one| one.id))
    });
    let (store, terminal): (_, Option<TerminalId>) = read.await?.answer;
    let store = match store {
        Some(store) => store,
        None => {
            let failed = |error: &dyn std::fmt::Display| DemoError::World(error.to_string());
            let card = node.directory.merchant(merchant, &node.subjects).await;
            let card = card.map_err(|error| failed(&error))?;
            let card = card.ok_or_else(|| failed(&MERCHANTS[MORNING_MART].name))?;
            let add = Operation::AddStore {
                merchant,
                acceptor: ACCEPTOR.to_owned(),
                name: text::seal(&card.key, card.subject, Place::StoreName, STORE),
            };
            match staff.operate(node, add).await? {
                Done::StoreAdded(store) => store,
                other => return Err(DemoError::unexpected("add_store", &other)),
            }
        }
    };
    if terminal.is_none() {
        let add = Operation::AddTerminal {
            store,
            key,
            code: TERMINAL.to_owned(),
            limit: Amount::clamped(PER_PAYMENT),
        };
        staff.operate(node, add).await?;
    }
    for person in &SUBSCRIBERS {
        let Some((subscriber, _)) = holder(node, person.number).await? else {
            continue;
        };
        let read = node.engine.read(move |state, _| {
            let known = state.subscribers.get(subscriber);
            known.is_some_and(|known| known.status == SubscriberStatus::Active)
        });
        if read.await?.answer && !world.tokens.contains_key(person.number) {
            let phone = issue(node, staff, subscriber).await?;
            world.tokens.insert(person.number.to_owned(), phone);
            let saved = world.save();
            saved.map_err(|error| DemoError::World(error.to_string()))?;
        }
    }
    Ok(())
}

async fn issue(
    node: &Node,
    staff: Staff,
    subscriber: SubscriberId,
) -> Result<PhoneFile, DemoError> {
    let failed = |error: &dyn std::fmt::Display| DemoError::World(error.to_string());
    let drawn = token::draw(node, subscriber, paytone_journal::random()).await;
    let drawn = drawn.map_err(|error| failed(&error))?;
    let issue = Operation::IssueToken {
        subscriber,
        new: drawn.new.clone(),
    };
    staff.operate(node, issue).await?;
    serde_json::from_value(drawn.personalisation()).map_err(|error| failed(&error))
}

pub fn router(till: Arc<Till>) -> Router {
    Router::new()
        .route("/till/api/till", get(show))
        .route("/till/api/taps", post(tap))
        .route("/till/api/scans", post(scan))
        .route("/till/api/reversals", post(reverse))
        .layer(RequestBodyLimitLayer::new(BODY_BYTES))
        .with_state(till)
}

async fn show(State(till): State<Arc<Till>>) -> Result<Response, Problem> {
    let open = till.get()?;
    let node = &open.node;
    let phones: Vec<Value> = SUBSCRIBERS
        .iter()
        .map(|person| {
            json!({
                "name": person.name,
                "number": person.number,
                "url": super::front::phone_address("", person),
            })
        })
        .collect();
    let limit = node.engine.read(|state, _| state.rules.tap_limit());
    let limit = limit.await?.answer;
    let told = json!({
        "store": STORE,
        "terminal": TERMINAL,
        "acceptor": ACCEPTOR,
        "link": open.link.to_string(),
        "currency": node.currency().code(),
        "tap_limit": amount::show(limit, node.currency()),
        "phones": phones,
    });
    Ok(Json(told).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tap {
    /// Whose phone.
    number: String,
    amount: String,
    /// It was unlocked for this.
    #[serde(default)]
    verified: bool,
}

async fn tap(
    State(till): State<Arc<Till>>,
    Body { value, .. }: Body<Tap>,
) -> Result<Response, Problem> {
    let open = till.get()?;
    let currency = open.node.currency();
    let amount = amount::read("amount", &value.amount, currency)?;
    let unknown = || Problem::unprocessable("unknown_phone", "no phone here has this number");
    let (file, mut phone) = {
        let mut phones = open.phones.lock().await;
        let file = phones.get_mut(&value.number).ok_or_else(unknown)?;
        let hash = token::hash(&open.node.keyring, &file.number);
        // The card goes on counting where the issuer saw it last, whatever happened to this page.
        let read = open.node.engine.read(move |state, _| {
            let token = state.tokens.find(&hash);
            token.map_or(0, |token| token.window.highest)
        });
        file.counter = file.counter.max(read.await?.answer);
        let phone = file.phone().map_err(|error| played(&error))?;
        file.counter += 1;
        (file.clone(), phone)
    };
    let began = Instant::now();
    let mut player = connect(open).await?;
    let minor = amount.minor().unsigned_abs();
    let bought = player.purchase(&file, &mut phone, minor, value.verified);
    let (message, chip) = bought.map_err(|error| played(&error))?;
    let heard = player.exchange(&message).await;
    let heard = heard.map_err(|error| played(&error))?;
    let is_issuer = heard
        .issuer_authentication
        .as_ref()
        .is_some_and(|authentication| phone.keys.verify_answer(&chip, authentication) == Ok(true));
    let mut told = answered(open, &heard, message, amount, began).await;
    told["card"] = last_digits(&file.number).into();
    told["issuer_verified"] = is_issuer.into();
    Ok(Json(told).into_response())
}

/// What the page shows of an answer; what was approved can be taken back.
async fn answered(
    open: &Open,
    heard: &Heard,
    message: Message,
    amount: Amount,
    began: Instant,
) -> Value {
    let currency = open.node.currency();
    let id = format!("{:06}", heard.trace);
    if is_approval(heard) {
        let mut paid = open.paid.lock().await;
        if paid.len() == KEPT {
            paid.pop_front();
        }
        paid.push_back((id.clone(), message));
    }
    let mut told = told(heard);
    told["id"] = id.into();
    told["amount"] = amount::show(amount, currency).into();
    told["currency"] = currency.code().into();
    told["took_ms"] = u64::try_from(began.elapsed().as_millis())
        .unwrap_or(u64::MAX)
        .into();
    told["at"] = time::show(time::now()).into();
    told
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scan {
    /// As the phone shows it, perhaps in groups.
    code: String,
    amount: String,
}

/// What a scanner at the till reads off the phone's screen.
async fn scan(
    State(till): State<Arc<Till>>,
    Body { value, .. }: Body<Scan>,
) -> Result<Response, Problem> {
    let open = till.get()?;
    let amount = amount::read("amount", &value.amount, open.node.currency())?;
    let code: String = value.code.split_whitespace().collect();
    if code.is_empty() || code.len() > 99 || !code.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Problem::unprocessable("invalid_code", "a code has digits only").field("code"));
    }
    let began = Instant::now();
    let mut player = connect(open).await?;
    let message = player.scan(&code, amount.minor().unsigned_abs());
    let heard = player.exchange(&message).await;
    let heard = heard.map_err(|error| played(&error))?;
    let told = answered(open, &heard, message, amount, began).await;
    Ok(Json(told).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reverse {
    id: String,
}

async fn reverse(
    State(till): State<Arc<Till>>,
    Body { value, .. }: Body<Reverse>,
) -> Result<Response, Problem> {
    let open = till.get()?;
    let message = {
        let paid = open.paid.lock().await;
        let found = paid.iter().find(|(id, _)| *id == value.id);
        found.map(|(_, message)| message.clone())
    };
    let message = message.ok_or_else(Problem::not_found)?;
    let mut player = connect(open).await?;
    let reversal = player.at_the_moment(|terminal, now| terminal.reversal(&message, now));
    let heard = player.exchange(&reversal).await;
    Ok(Json(told(&heard.map_err(|error| played(&error))?)).into_response())
}

async fn connect(open: &Open) -> Result<Player, Problem> {
    let player = Player::connect(open.link, "1987-ascii", ACCEPTOR, TERMINAL).await;
    player.map_err(|error| played(&error))
}

fn is_approval(heard: &Heard) -> bool {
    heard.code.is_some_and(Code::is_approval)
}

fn told(heard: &Heard) -> Value {
    json!({
        "approved": is_approval(heard),
        "code": heard.code.map_or("", |code| code.text(heard.message_type)),
        "approval": heard.approval,
        "trace": format!("{:06}", heard.trace),
    })
}

fn last_digits(number: &str) -> String {
    let from = number.len().saturating_sub(4);
    format!("•••• {}", &number[from..])
}

fn played(error: &PlayError) -> Problem {
    tracing::warn!(%error, "the demo's till");
    Problem::new(StatusCode::BAD_GATEWAY, "till_offline", error.to_string())
}
