//! `paytone bench http`. One piece: the loads differ in a few lines each, and are compared with each other.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, http::StatusCode, response::IntoResponse, routing::post};
use paytone_journal::Keyring;
use serde_json::Value;

use super::{
    load::{Connection, Measured, Tally, add_up, cpu_time, request},
    report::{Line, table},
    world::{PIN, Payer, World, WorldError, sign},
};
use crate::{
    config::{Config, Limits, Store},
    edge::ids::Public as _,
    http::{router, serve},
    node::{Node, StartError},
};

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Seconds per run.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 128)]
    pub connections: usize,
    /// Subscribers with a device and a mandate.
    #[arg(long, default_value_t = 512)]
    pub payers: usize,
    #[arg(long, default_value_t = 16)]
    pub merchants: usize,
    /// MiB of memory taken before anything is measured, as `limits.reserve_mib` does.
    #[arg(long, default_value_t = 512)]
    pub reserve_mib: usize,
    /// Where the stores are made; a new folder in it is used and removed.
    #[arg(long, default_value = ".")]
    pub data: PathBuf,
    /// An empty PostgreSQL database for the stores instead, `postgresql://…`; what is made in it stays
    #[arg(long, value_name = "URL", value_parser = Store::at)]
    pub store: Option<Store>,
    /// Lets the views follow during the loads, on the same two hands; otherwise they take all of it in afterwards, measured apart.
    #[arg(long)]
    pub views: bool,
    /// One JSON object instead of a table: the charges under a mandate, with the other runs beside them.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Keyring(#[from] paytone_journal::keyring::KeyringError),
    #[error(transparent)]
    World(#[from] WorldError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("{run}: {errors} requests failed; the first: {first}")]
    Failed {
        run: &'static str,
        errors: u64,
        first: String,
    },
}

/// Runs the three loads; prints them; fails if any request failed.
pub async fn run(args: Args) -> Result<(), BenchError> {
    let folder = args
        .data
        .join(format!(".paytone-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let outcome = in_folder(&args, folder.clone()).await;
    std::fs::remove_dir_all(&folder)?;
    let outcome = outcome?;
    let lines = &outcome.lines;
    if args.json {
        let [ceiling, charges, paced, payments] = lines;
        let report = Report {
            charges,
            at_80_percent: paced,
            whole_payments: payments,
            ceiling,
            views: outcome.views,
        };
        let object = serde_json::to_string(&report).map_err(std::io::Error::other)?;
        println!("{object}");
    } else {
        println!("{}", table(lines));
        if let Some(views) = &outcome.views {
            println!(
                "The views took in {} payments at {} payments/s, with {:.1} µs of CPU each.",
                views.payments, views.payments_per_s, views.cpu_us_per_payment
            );
        }
        println!(
            "CPU is server and load generator together; every payment is on disk before it is answered."
        );
    }
    Ok(())
}

/// What `--json` prints: the charges under a mandate, with the other runs beside them.
#[derive(serde::Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    charges: &'a Line,
    at_80_percent: &'a Line,
    whole_payments: &'a Line,
    ceiling: &'a Line,
    views: Option<Followed>,
}

/// What the runs did, and what the views did with it afterwards unless they followed all the time.
struct Outcome {
    lines: [Line; 4],
    views: Option<Followed>,
}

/// How fast the views took in what the loads had left in the journal.
#[derive(Clone, Copy, Debug, serde::Serialize)]
struct Followed {
    payments: u64,
    payments_per_s: u64,
    cpu_us_per_payment: f64,
}

async fn in_folder(args: &Args, folder: PathBuf) -> Result<Outcome, BenchError> {
    let config = Config {
        data: folder.join("data"),
        keyring: folder.join("keyring.toml"),
        limits: Limits {
            connections: args.connections + 64,
            reserve_mib: args.reserve_mib,
            ..Limits::default()
        },
        store: args.store.clone().unwrap_or_default(),
        ..Config::default()
    };
    Keyring::create(&config.keyring)?;
    let started = Node::start(config, false).await?;
    let node = Arc::clone(&started.node);
    let world = Arc::new(World::make(&node, args.merchants, args.payers).await?);
    let routes =
        router(Arc::clone(&node)).merge(Router::new().route("/bench/nothing", post(nothing)));
    let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let served = serve(listener, routes, &node.config.limits)?;
    let mut tokens = Vec::with_capacity(world.payers.len());
    let mut connection = Connection::open(served.address).await?;
    for payer in &world.payers {
        tokens.push(sign_in(&mut connection, &node, payer).await?);
    }
    let bench = Bench {
        node: Arc::clone(&node),
        world,
        tokens,
        address: served.address,
        turn: AtomicUsize::new(0),
    };
    let bench = Arc::new(bench);

    node.views.pause(!args.views);
    let ceiling = bench.load("do nothing", args, Load::Nothing).await?;
    let ceiling_line = Line::of("do nothing", &ceiling, 0);
    let per_s = ceiling_line.requests_per_s;
    let charges = bench
        .load("charges under a mandate", args, Load::Charge)
        .await?;
    let charges_line = Line::of("charges under a mandate", &charges, per_s);
    let most = u32::try_from(charges_line.payments_per_s).unwrap_or(u32::MAX);
    let paced = bench
        .load("charges at 80 %", args, Load::ChargeAt(most / 5 * 4))
        .await?;
    let payments = bench
        .load("create, prompt, approve", args, Load::Whole)
        .await?;
    let lines = [
        Line {
            ceiling_per_s: per_s,
            ..ceiling_line
        },
        charges_line,
        Line::of("charges at 80 % of that", &paced, per_s),
        Line::of("create, prompt, approve", &payments, per_s),
    ];
    let views = if args.views {
        None
    } else {
        Some(follow_up(&node, charges.payments + paced.payments + payments.payments).await?)
    };
    served.stop(Duration::from_secs(1)).await;
    started.stop();
    Ok(Outcome { lines, views })
}

/// Lets the views take in all that waits for them, and measures it.
async fn follow_up(node: &Node, payments: u64) -> Result<Followed, BenchError> {
    let wanted = *node.engine.position().borrow();
    let (begun, cpu) = (Instant::now(), cpu_time());
    node.views.pause(false);
    let mut positions = node.views.positions();
    let reached = positions.wait_for(|now| *now >= wanted).await;
    reached.map_err(|_| std::io::Error::other("the views stopped"))?;
    let took = begun.elapsed().as_micros().max(1);
    let cpu = cpu_time().saturating_sub(cpu);
    let count = u32::try_from(payments.max(1)).unwrap_or(u32::MAX);
    Ok(Followed {
        payments,
        payments_per_s: u64::try_from(u128::from(payments) * 1_000_000 / took).unwrap_or(u64::MAX),
        cpu_us_per_payment: (cpu / count).as_secs_f64() * 1e6,
    })
}

/// What the ceiling is measured with: reads the body, answers as much as a payment's answer has, and does nothing.
async fn nothing(body: axum::body::Bytes) -> impl IntoResponse {
    const ANSWER: &str = r#"{"id":"pay_aaaaaaaaaaaaaaaaaaaaaaaaaa","object":"payment","status":"captured","amount":"1.00","currency":"CNY","captured_amount":"1.00","refunded_amount":"0.00","fee":{"amount":"0.01","tax":"0.00"},"description":"Bench","reference":null,"for":"self","asker_name":null,"capture":"automatic","match_code":null,"mandate":"man_aaaaaaaaaaaaaaaaaaaaaaaaaa","created_at":"2026-01-01T00:00:00.000Z","deadline":"2026-01-01T00:00:00.000Z","capture_deadline":null,"decline":null}"#;
    drop(body);
    (
        StatusCode::CREATED,
        [("content-type", "application/json")],
        ANSWER,
    )
}

/// A session for a payer's phone: a signed challenge, as the page does it.
async fn sign_in(
    connection: &mut Connection,
    node: &Node,
    payer: &Payer,
) -> Result<String, BenchError> {
    let device = payer.device.show(&node.ids);
    let mut buffer = Vec::new();
    let body = serde_json::json!({ "device": device }).to_string();
    request(
        "POST",
        "/phone/api/challenges",
        "",
        None,
        body.as_bytes(),
        &mut buffer,
    );
    let challenge = json(connection.ask(&buffer).await?.body).unwrap_or_default();
    let challenge = challenge["challenge"].as_str().unwrap_or_default();
    let signature = sign(
        &payer.key,
        &format!("paytone.session.v1\n{challenge}\n{}", node.config.origin),
    )?;
    let body =
        serde_json::json!({ "device": device, "challenge": challenge, "signature": signature })
            .to_string();
    request(
        "POST",
        "/phone/api/sessions",
        "",
        None,
        body.as_bytes(),
        &mut buffer,
    );
    let answer = connection.ask(&buffer).await?;
    let session = json(answer.body).unwrap_or_default();
    session["token"]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| BenchError::Failed {
            run: "sign in",
            errors: 1,
            first: String::from_utf8_lossy(answer.body).into_owned(),
        })
}

#[derive(Clone, Copy)]
enum Load {
    Nothing,
    Charge,
    /// So many a second, however slow the answers.
    ChargeAt(u32),
    Whole,
}

struct Bench {
    node: Arc<Node>,
    world: Arc<World>,
    /// A session for each payer, in the payers' order.
    tokens: Vec<String>,
    address: SocketAddr,
    turn: AtomicUsize,
}

impl Bench {
    async fn load(
        self: &Arc<Self>,
        name: &'static str,
        args: &Args,
        load: Load,
    ) -> Result<Measured, BenchError> {
        let cpu = cpu_time();
        let begun = Instant::now();
        let until = begun + Duration::from_secs(args.seconds);
        let workers: Vec<_> = (0..args.connections)
            .map(|worker| {
                tokio::spawn(Arc::clone(self).work(load, worker, args.connections, until))
            })
            .collect();
        let mut tallies = Vec::new();
        for worker in workers {
            let tally = worker.await.map_err(std::io::Error::other)?;
            tallies.push(tally?);
        }
        let measured = add_up(tallies, begun.elapsed(), cpu_time().saturating_sub(cpu));
        if measured.errors > 0 {
            let first = measured.first_error.unwrap_or_default();
            return Err(BenchError::Failed {
                run: name,
                errors: measured.errors,
                first,
            });
        }
        Ok(measured)
    }

    async fn work(
        self: Arc<Self>,
        load: Load,
        worker: usize,
        workers: usize,
        until: Instant,
    ) -> Result<Tally, BenchError> {
        let mut connection = Connection::open(self.address).await?;
        let mut tally = Tally::default();
        let mut buffer = Vec::with_capacity(2_048);
        // Each worker has payers of its own, so that no two of them prompt the same phone.
        let payers = self.world.payers.iter().zip(&self.tokens);
        let mine: Vec<(&Payer, &String)> = payers.skip(worker).step_by(workers).collect();
        let mut round = 0_usize;
        let from = Instant::now();
        while Instant::now() < until {
            round += 1;
            let Some((payer, token)) = mine.get(round % mine.len().max(1)).copied() else {
                break;
            };
            let begun = match load {
                // When it should have gone out: what waits for a slow answer before it counts as slow itself.
                Load::ChargeAt(per_s) => {
                    let share = u32::try_from(workers).unwrap_or(u32::MAX);
                    let apart = Duration::from_secs(1) * share / per_s.max(1);
                    let offset = apart * u32::try_from(worker).unwrap_or(0) / share.max(1);
                    let due = from + offset + apart * u32::try_from(round).unwrap_or(u32::MAX);
                    tokio::time::sleep_until(due.into()).await;
                    due
                }
                Load::Nothing | Load::Charge | Load::Whole => Instant::now(),
            };
            let paid = match load {
                Load::Nothing => {
                    let path = "/bench/nothing";
                    self.charge(&mut connection, &mut buffer, path, payer, &mut tally)
                        .await?
                }
                Load::Charge | Load::ChargeAt(_) => {
                    let path = "/v1/payments";
                    self.charge(&mut connection, &mut buffer, path, payer, &mut tally)
                        .await?
                }
                Load::Whole => {
                    self.whole(&mut connection, &mut buffer, (payer, token), &mut tally)
                        .await?
                }
            };
            if paid {
                tally.paid(begun);
            }
        }
        Ok(tally)
    }

    fn key(&self) -> String {
        format!("bench-{}", self.turn.fetch_add(1, Ordering::Relaxed))
    }

    /// One charge under a payer's mandate, or the same request to what does nothing with it.
    async fn charge(
        &self,
        connection: &mut Connection,
        buffer: &mut Vec<u8>,
        path: &str,
        payer: &Payer,
        tally: &mut Tally,
    ) -> Result<bool, BenchError> {
        let body = format!(
            r#"{{"amount":"1.00","mandate":"{}","description":"Bench"}}"#,
            payer.mandate
        );
        let secret = &self.world.shops[payer.shop].secret;
        let key = self.key();
        request("POST", path, secret, Some(&key), body.as_bytes(), buffer);
        let captured = expect(connection, buffer, 201, tally)
            .await?
            .is_some_and(|body| contains(body, br#""status":"captured""#));
        if !captured {
            tally.failed(|| "a charge was not captured".to_owned());
        }
        Ok(captured)
    }

    /// Create at the checkout, look at the prompt, approve with a signature: three requests.
    async fn whole(
        &self,
        connection: &mut Connection,
        buffer: &mut Vec<u8>,
        (payer, token): (&Payer, &str),
        tally: &mut Tally,
    ) -> Result<bool, BenchError> {
        let secret = &self.world.shops[payer.shop].secret;
        let body = format!(
            r#"{{"amount":"1.00","payer":{{"phone_number":"{}"}},"description":"Bench"}}"#,
            payer.number
        );
        request(
            "POST",
            "/v1/payments",
            secret,
            Some(&self.key()),
            body.as_bytes(),
            buffer,
        );
        let Some(created) = expect(connection, buffer, 201, tally).await?.and_then(json) else {
            return Ok(false);
        };
        request("GET", "/phone/api/prompts", token, None, b"", buffer);
        let Some(prompts) = expect(connection, buffer, 200, tally).await?.and_then(json) else {
            return Ok(false);
        };
        let id = &created["id"];
        let prompt = prompts["prompts"]
            .as_array()
            .and_then(|prompts| prompts.iter().find(|prompt| &prompt["id"] == id));
        let Some(prompt) = prompt else {
            tally.failed(|| "no prompt on the phone".to_owned());
            return Ok(false);
        };
        let document = self.document(payer, prompt, &created["match_code"]);
        let signature = sign(&payer.key, &format!("paytone.approval.v1\n{document}"))?;
        let body = serde_json::json!({ "document": document, "signature": signature, "pin": PIN })
            .to_string();
        let path = format!(
            "/phone/api/prompts/{}/approve",
            id.as_str().unwrap_or_default()
        );
        request("POST", &path, token, None, body.as_bytes(), buffer);
        let captured = expect(connection, buffer, 200, tally)
            .await?
            .is_some_and(|body| contains(body, b"captured"));
        if !captured {
            tally.failed(|| "an approval did not capture".to_owned());
        }
        Ok(captured)
    }

    fn document(&self, payer: &Payer, prompt: &Value, code: &Value) -> String {
        serde_json::json!({
            "type": "paytone.approval",
            "version": 1,
            "action": "approve_payment",
            "id": prompt["id"],
            "merchant": prompt["merchant"]["id"],
            "merchant_name": prompt["merchant"]["name"],
            "amount": prompt["amount"],
            "currency": prompt["currency"],
            "purpose": prompt["purpose"],
            "for": prompt["for"],
            "asker_name": prompt["asker_name"],
            "mandate": null,
            "payer": payer.subscriber.show(&self.node.ids),
            "device": payer.device.show(&self.node.ids),
            "deadline": prompt["deadline"],
            "origin": self.node.config.origin,
            "match_code": code,
        })
        .to_string()
    }
}

fn json(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok()
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

/// Asks and counts; `None` and a counted error for another status than the wanted one.
async fn expect<'a>(
    connection: &'a mut Connection,
    request: &[u8],
    status: u16,
    tally: &mut Tally,
) -> Result<Option<&'a [u8]>, BenchError> {
    tally.requests += 1;
    let answer = connection.ask(request).await?;
    if answer.status == status {
        return Ok(Some(answer.body));
    }
    tally.failed(|| {
        format!(
            "{}: {}",
            answer.status,
            String::from_utf8_lossy(answer.body)
        )
    });
    Ok(None)
}
