//! `paytone bench till`: taps over one TCP link, with cryptograms made, verified and answered, and every payment on disk before its answer.
//!
//! The terminals and phones share the process with the server: what is shown is what both do together.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use paytone_domain::{
    Actor, Answer, Command,
    ids::{OperatorId, StoreId},
    money::Amount,
    operator::{Done, Operation, OperatorCommand},
};
use paytone_journal::Keyring;
use paytone_wire::{
    emv::Phone,
    iso8583::{Codec, Deframer, Framing, dialects},
    till::terminal::{self, Moment, Payer},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Semaphore,
};

use super::{
    BenchError,
    load::{Measured, cpu_time, resident_bytes},
    report::{Line, table},
    world::World,
};
use crate::{
    config::{Config, Store, Till, TillLink},
    edge::text::{self, Place},
    node::{Node, random},
    pos::{
        IssuerKeys, Links,
        player::{PhoneFile, tapped},
        terminal_key, token,
    },
};

const ACCEPTOR: &str = "BENCH";
/// Trace numbers are used up by so many messages of a terminal.
const TERMINALS: usize = 64;

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Seconds per run.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// Taps under way at once on the one connection.
    #[arg(long, default_value_t = 512)]
    pub in_flight: usize,
    /// Subscribers with a token.
    #[arg(long, default_value_t = 512)]
    pub payers: usize,
    /// Where the stores are made; a new folder in it is used and removed.
    #[arg(long, default_value = ".")]
    pub data: PathBuf,
    /// An empty PostgreSQL database for the stores instead, `postgresql://…`; what is made in it stays
    #[arg(long, value_name = "URL", value_parser = Store::at)]
    pub store: Option<Store>,
    /// One JSON object instead of a table: taps as fast as they are answered, with those at half that rate beside them.
    #[arg(long)]
    pub json: bool,
}

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    taps: &'a Line,
    at_half: &'a Line,
}

pub async fn run(args: Args) -> Result<(), BenchError> {
    let folder = args
        .data
        .join(format!(".paytone-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let outcome = in_folder(&args, folder.clone()).await;
    std::fs::remove_dir_all(&folder)?;
    let [taps, at_half] = &outcome?;
    if args.json {
        let report = Report { taps, at_half };
        println!(
            "{}",
            serde_json::to_string(&report).map_err(std::io::Error::other)?
        );
    } else {
        println!("{}", table(&[taps.clone(), at_half.clone()]));
        println!(
            "One link. CPU is server, terminals and phones together; every payment is on disk before it is answered."
        );
    }
    Ok(())
}

async fn in_folder(args: &Args, folder: PathBuf) -> Result<[Line; 2], BenchError> {
    let config = Config {
        data: folder.join("data"),
        keyring: folder.join("keyring.toml"),
        store: args.store.clone().unwrap_or_default(),
        till: Till {
            range: "88880012".to_owned(),
            key_file: folder.join("issuer-keys.toml"),
            in_flight: args.in_flight,
            links: vec![TillLink::new(
                "bench",
                SocketAddr::from(([127, 0, 0, 1], 0)),
            )],
            ..Till::default()
        },
        ..Config::default()
    };
    let keyring = Keyring::create(&config.keyring)?;
    IssuerKeys::add(&config.till.key_file, &keyring, 1, "visa-18", &random())
        .map_err(std::io::Error::other)?;
    let started = Node::start(config, false).await?;
    let node = Arc::clone(&started.node);
    let links = Links::open(&node).await.map_err(std::io::Error::other)?;
    let cards = cards(&node, args.payers).await?;
    node.views.pause(true);
    let mut bench = Bench {
        address: links.addresses[0].1,
        in_flight: args.in_flight,
        codec: Arc::new(Codec::new(&dialects::ASCII_1987).map_err(std::io::Error::other)?),
        cards,
        sent: 0,
    };
    let duration = Duration::from_secs(args.seconds);
    let measured = bench.load(duration, None).await?;
    let taps = Line::of("taps", &measured, 0);
    let half = taps.payments_per_s / 2;
    let measured = bench.load(duration, Some(half.max(1))).await?;
    let at_half = Line::of("taps at half of that", &measured, 0);
    links.stop(Duration::from_secs(1)).await;
    started.stop();
    Ok([taps, at_half])
}

type Card = (PhoneFile, Phone);

/// A store with terminals, and subscribers with money and a token each.
async fn cards(node: &Node, payers: usize) -> Result<Vec<Card>, BenchError> {
    let world = World::make(node, 1, payers).await?;
    let card = node
        .directory
        .merchant(world.shops[0].id, &node.subjects)
        .await;
    let card = card.map_err(std::io::Error::other)?;
    let card = card.ok_or_else(|| std::io::Error::other("the shop is not known"))?;
    let store = Operation::AddStore {
        merchant: card.id,
        acceptor: ACCEPTOR.to_owned(),
        name: text::seal(&card.key, card.subject, Place::StoreName, "Bench"),
    };
    operate(node, store).await?;
    for place in 0..TERMINALS {
        let code = format!("B{place:07}");
        let terminal = Operation::AddTerminal {
            store: StoreId(1),
            key: terminal_key(ACCEPTOR, &code),
            code,
            limit: Amount::MAX,
        };
        operate(node, terminal).await?;
    }
    let mut cards = Vec::with_capacity(payers);
    for payer in &world.payers {
        let drawn = token::draw(node, payer.subscriber, paytone_journal::random()).await;
        let drawn = drawn.map_err(std::io::Error::other)?;
        let issue = Operation::IssueToken {
            subscriber: payer.subscriber,
            new: drawn.new.clone(),
        };
        operate(node, issue).await?;
        let file: PhoneFile =
            serde_json::from_value(drawn.personalisation()).map_err(std::io::Error::other)?;
        let phone = file.phone().map_err(std::io::Error::other)?;
        cards.push((file, phone));
    }
    Ok(cards)
}

async fn operate(node: &Node, operation: Operation) -> Result<Done, BenchError> {
    let name = operation.name();
    let command = Command::Operator(OperatorCommand::Do(Box::new(operation)));
    let first = Actor::Operator(OperatorId(1));
    let answered = node.submit(first, command).await;
    match answered.map_err(std::io::Error::other)?.answer {
        Answer::Operator(Ok(done)) => Ok(done),
        other => Err(BenchError::Failed {
            run: "make the world",
            errors: 1,
            first: format!("{name}: {other:?}"),
        }),
    }
}

struct Bench {
    address: SocketAddr,
    in_flight: usize,
    codec: Arc<Codec>,
    cards: Vec<Card>,
    /// Messages so far, by which the next ones are numbered.
    sent: u64,
}

impl Bench {
    /// As fast as answers come, or so many a second.
    async fn load(&mut self, time: Duration, rate: Option<u64>) -> Result<Measured, BenchError> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        let cpu = cpu_time();
        let begun = Instant::now();
        let room = Arc::new(Semaphore::new(self.in_flight));
        let sent = Arc::new(AtomicU64::new(u64::MAX));
        let hears = hears(
            read,
            Arc::clone(&self.codec),
            Arc::clone(&room),
            Arc::clone(&sent),
            begun,
        );
        let hears = tokio::spawn(hears);
        let count = self.sends(write, &room, begun, time, rate).await?;
        sent.store(count, Ordering::Release);
        let mut measured = hears.await.map_err(std::io::Error::other)??;
        measured.took = begun.elapsed();
        measured.cpu = cpu_time().saturating_sub(cpu);
        measured.resident_bytes = resident_bytes();
        if measured.errors > 0 {
            return Err(BenchError::Failed {
                run: "taps",
                errors: measured.errors,
                first: measured.first_error.unwrap_or_default(),
            });
        }
        Ok(measured)
    }

    /// The terminals' side. A tap waits for its turn before it is made, so that its latency is from when it was due.
    async fn sends(
        &mut self,
        mut write: OwnedWriteHalf,
        room: &Semaphore,
        begun: Instant,
        time: Duration,
        rate: Option<u64>,
    ) -> Result<u64, BenchError> {
        let mut count = 0;
        let mut frame = Vec::with_capacity(64 << 10);
        while begun.elapsed() < time {
            let due = match rate {
                None => u64::MAX,
                Some(rate) => micros(begun) * rate / 1_000_000,
            };
            if count >= due {
                tokio::time::sleep(Duration::from_millis(1)).await;
                continue;
            }
            frame.clear();
            // What there is room for goes out in one write.
            for _ in 0..64_u64.min(due - count) {
                let permit = match room.try_acquire() {
                    Ok(permit) => permit,
                    Err(_) if frame.is_empty() => {
                        room.acquire().await.map_err(std::io::Error::other)?
                    }
                    Err(_) => break,
                };
                permit.forget();
                self.tap(begun, &mut frame)?;
                count += 1;
            }
            write.write_all(&frame).await?;
        }
        // Held open until the last answer came.
        while room.available_permits() < self.in_flight {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(count)
    }

    /// One more message, framed. Field 37 carries when it was sent, and comes back with the answer.
    fn tap(&mut self, begun: Instant, frame: &mut Vec<u8>) -> Result<(), BenchError> {
        let number = self.sent;
        self.sent += 1;
        let count = self.cards.len() as u64;
        let (file, phone) = &mut self.cards[(number % count) as usize];
        let chip = tapped(phone, 100, false).map_err(std::io::Error::other)?;
        let payer = Payer::Tap {
            number: &file.number,
            sequence: file.sequence,
            chip: &chip,
            pin_block: None,
        };
        let terminal = terminal::Terminal {
            version: dialects::ASCII_1987.version,
            terminal: format!("B{:07}", number % TERMINALS as u64),
            merchant: ACCEPTOR.to_owned(),
            acquirer: None,
            currency: "156".to_owned(),
        };
        let trace = u32::try_from(number / TERMINALS as u64 % 1_000_000).unwrap_or_default();
        let moment = Moment {
            local: "261123120000",
            transmitted: "1123120000",
            trace,
        };
        let mut message = terminal.purchase(&payer, 100, moment);
        message.set(37, format!("{:012}", micros(begun)));
        let bytes = self.codec.encode(&message).map_err(std::io::Error::other)?;
        let framed = Framing::default().write(&[], &bytes, frame);
        Ok(framed.map_err(std::io::Error::other)?)
    }
}

fn micros(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Reads answers until as many came as were sent.
async fn hears(
    mut read: OwnedReadHalf,
    codec: Arc<Codec>,
    room: Arc<Semaphore>,
    sent: Arc<AtomicU64>,
    begun: Instant,
) -> std::io::Result<Measured> {
    let mut deframer = Deframer::new(Framing::default());
    let mut buffer = vec![0; 64 << 10];
    let mut measured = Measured {
        requests: 0,
        payments: 0,
        errors: 0,
        first_error: None,
        latency: Histogram::new_with_bounds(1, 600_000_000, 3).map_err(std::io::Error::other)?,
        took: Duration::ZERO,
        cpu: Duration::ZERO,
        resident_bytes: 0,
    };
    while measured.requests < sent.load(Ordering::Acquire) {
        let count = match read.read(&mut buffer).await? {
            // The terminals hang up after the last answer.
            0 => break,
            count => count,
        };
        deframer.push(&buffer[..count]);
        while let Some(frame) = deframer.next_frame().map_err(std::io::Error::other)? {
            let answer = codec
                .decode(&frame.message)
                .map_err(std::io::Error::other)?;
            measured.requests += 1;
            if answer.text(39) == Some("00") {
                measured.payments += 1;
            } else {
                measured.errors += 1;
                let code = answer.text(39).unwrap_or_default().to_owned();
                let remark = answer.text(44).unwrap_or_default();
                measured
                    .first_error
                    .get_or_insert(format!("{code} {remark}"));
            }
            let at = answer.number(37).unwrap_or_default();
            let took = micros(begun).saturating_sub(at).max(1);
            measured.latency.saturating_record(took);
            room.add_permits(1);
        }
    }
    Ok(measured)
}
