//! `paytone till`

use std::{path::PathBuf, time::Duration};

use clap::Subcommand;
use paytone_journal::Keyring;
use paytone_wire::{iso8583::Message, iso8583::MessageType, till::terminal::Heard};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::{
    Failure,
    client::{Reach, segment},
    show,
};
use crate::{
    config::Config,
    node::random,
    pos::{
        IssuerKeys,
        player::{PhoneFile, Player},
    },
};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// The issuer's master keys of this node, sealed under its keyring
    #[command(subcommand)]
    Key(Key),
    /// Add a store to a merchant
    Store {
        /// The merchant's id
        merchant: String,
        /// The name people see
        name: String,
        /// What its terminals send as card acceptor (field 42), at most 15 characters
        #[arg(long)]
        acceptor: String,
    },
    /// Add a terminal to a store
    Terminal {
        /// The store's id
        store: String,
        /// What it sends as its name (field 41), at most 8 characters
        code: String,
        /// Most for one payment
        #[arg(long, value_name = "AMOUNT", default_value = "5000.00")]
        per_payment: String,
    },
    /// Change a terminal's limit, block it or let it in again
    SetTerminal {
        terminal: String,
        #[arg(long, value_name = "AMOUNT", default_value = "5000.00")]
        per_payment: String,
        #[arg(long)]
        blocked: bool,
    },
    /// A merchant's stores and terminals, with what each took in its shift
    Stores { merchant: String },
    /// Play a terminal and a phone: tap at a till's link, or scan a payment code
    Tap(Tap),
}

#[derive(Subcommand, Debug)]
pub enum Key {
    /// Seal one more key into the file; it is read at the next start
    // Its `--version` is that of the cryptogram.
    #[command(disable_version_flag = true)]
    Add {
        /// As cards name it
        #[arg(long, default_value_t = 1)]
        index: u8,
        /// Version of cryptogram, such as visa-18 or mchip-14
        #[arg(long, default_value = "visa-18")]
        version: String,
        /// Environment variable that holds the key in hexadecimal
        #[arg(long, value_name = "NAME", default_value = "PAYTONE_ISSUER_KEY")]
        variable: String,
        /// Draw a new key instead
        #[arg(long)]
        generate: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Index, version and check value of each
    List {
        #[command(flatten)]
        place: Place,
    },
}

#[derive(clap::Args, Debug)]
pub struct Place {
    /// Settings of the node whose keyring seals them
    #[arg(long = "node", value_name = "FILE", env = "PAYTONE_CONFIG")]
    settings: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
pub struct Tap {
    /// Where the link listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8583")]
    to: String,
    /// What `paytone token issue --file` wrote
    #[arg(long, value_name = "FILE", required_unless_present = "code")]
    phone: Option<PathBuf>,
    /// Scan this one-time payment code instead, as the phone shows it
    #[arg(long, value_name = "DIGITS", conflicts_with_all = ["phone", "taps", "verified"])]
    code: Option<String>,
    #[arg(long)]
    acceptor: String,
    #[arg(long)]
    terminal: String,
    /// In major units; several, separated by commas, take turns
    #[arg(
        long,
        value_name = "AMOUNT",
        value_delimiter = ',',
        default_value = "12.50"
    )]
    amount: Vec<String>,
    /// How many taps
    #[arg(long, default_value_t = 1)]
    taps: u32,
    /// Taps per second; as fast as answers come if left out
    #[arg(long)]
    rate: Option<f64>,
    /// The owner has verified with the phone
    #[arg(long)]
    verified: bool,
    /// Reverse each payment again
    #[arg(long)]
    reverse: bool,
    #[arg(long, default_value = "1987-ascii")]
    dialect: String,
}

pub async fn run(reach: &Reach, command: Command) -> Result<(), Failure> {
    let json = reach.json;
    match command {
        Command::Key(key) => keys(key),
        Command::Tap(tap) => play(json, &tap).await,
        Command::Store {
            merchant,
            name,
            acceptor,
        } => {
            let path = format!("/merchants/{}/stores", segment(&merchant));
            let body = json!({"name": name, "acceptor": acceptor});
            let answer = reach.client()?.post(&path, &body).await?;
            let id = show::text(&answer["store"]);
            show::outcome(json, &answer, &format!("store {name} {id}"))?;
            Ok(())
        }
        Command::Terminal {
            store,
            code,
            per_payment,
        } => {
            let path = format!("/stores/{}/terminals", segment(&store));
            let body = json!({"code": code, "per_payment": per_payment});
            let answer = reach.client()?.post(&path, &body).await?;
            let id = show::text(&answer["terminal"]);
            show::outcome(json, &answer, &format!("terminal {code} {id}"))?;
            Ok(())
        }
        Command::SetTerminal {
            terminal,
            per_payment,
            blocked,
        } => {
            let path = format!("/terminals/{}", segment(&terminal));
            let body = json!({"per_payment": per_payment, "blocked": blocked});
            let answer = reach
                .client()?
                .ask(hyper::Method::PUT, &path, Some(&body))
                .await?;
            show::outcome(json, &answer, "terminal set")?;
            Ok(())
        }
        Command::Stores { merchant } => {
            let path = format!("/merchants/{}/stores", segment(&merchant));
            stores(json, &reach.client()?.get(&path).await?)
        }
    }
}

fn stores(json: bool, answer: &Value) -> Result<(), Failure> {
    if show::as_json(json, answer) {
        return Ok(());
    }
    let mut rows = Vec::new();
    for store in show::list(answer, "data")? {
        for terminal in show::list(store, "terminals")? {
            let shift = &terminal["shift"];
            rows.push(vec![
                show::text(&store["name"]),
                show::text(&store["acceptor"]),
                show::text(&terminal["code"]),
                show::text(&shift["purchases"]["count"]),
                show::text(&shift["purchases"]["amount"]),
                show::text(&shift["reversals"]["amount"]),
                show::text(&terminal["per_payment"]),
                show::text(&terminal["id"]),
            ]);
        }
        if show::list(store, "terminals")?.is_empty() {
            let mut row = vec![String::new(); 8];
            (row[0], row[1]) = (show::text(&store["name"]), show::text(&store["acceptor"]));
            row[7] = show::text(&store["id"]);
            rows.push(row);
        }
    }
    show::table(
        &[
            "store",
            "acceptor",
            "terminal",
            "taken",
            "amount",
            "reversed",
            "per payment",
            "id",
        ],
        rows,
    );
    Ok(())
}

fn keys(command: Key) -> Result<(), Failure> {
    let settings = |place: &Place| match &place.settings {
        Some(path) => Config::read(path).map_err(Failure::new),
        None => Ok(Config::default()),
    };
    match command {
        Key::Add {
            index,
            version,
            variable,
            generate,
            place,
        } => {
            let config = settings(&place)?;
            let keyring = Keyring::load(&config.keyring).map_err(Failure::new)?;
            let bytes = if generate {
                zeroize::Zeroizing::new(random().to_vec())
            } else {
                let text = std::env::var(&variable).map_err(|_| {
                    Failure::new(format_args!(
                        "{variable} is not set: it holds the key in hexadecimal; or give --generate"
                    ))
                })?;
                let bytes = data_encoding::HEXUPPER.decode(text.trim().to_uppercase().as_bytes());
                zeroize::Zeroizing::new(
                    bytes
                        .map_err(|_| Failure::new(format_args!("{variable} is not hexadecimal")))?,
                )
            };
            let path = &config.till.key_file;
            let added = IssuerKeys::add(path, &keyring, index, &version, &bytes);
            let added = added.map_err(Failure::new)?;
            println!(
                "key {index} of {version}, check value {}, sealed in {}",
                added.check_value(),
                path.display()
            );
        }
        Key::List { place } => {
            let config = settings(&place)?;
            let keyring = Keyring::load(&config.keyring).map_err(Failure::new)?;
            let keys = IssuerKeys::load(&config.till.key_file, &keyring).map_err(Failure::new)?;
            show::table(
                &["index", "version", "check value"],
                keys.iter().map(|key| {
                    vec![
                        key.index.to_string(),
                        key.version.name.to_owned(),
                        key.check_value(),
                    ]
                }),
            );
        }
    }
    Ok(())
}

/// `12.50` in minor units of a currency with two.
fn minor(text: &str) -> Result<u64, Failure> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{part:0<2}");
    let parsed = digits.parse().ok().filter(|_| part.len() <= 2);
    parsed.ok_or_else(|| Failure::new(format_args!("{text} is no amount such as 12.50")))
}

async fn play(json: bool, tap: &Tap) -> Result<(), Failure> {
    let amounts = tap.amount.iter().map(|text| minor(text));
    let amounts = amounts.collect::<Result<Vec<_>, _>>()?;
    let connected = Player::connect(&*tap.to, &tap.dialect, &tap.acceptor, &tap.terminal);
    let mut player = connected.await.map_err(Failure::new)?;
    let Some(path) = &tap.phone else {
        return scan(json, tap, amounts[0], &mut player).await;
    };
    let mut file = PhoneFile::read(path).map_err(Failure::new)?;
    let mut phone = file.phone().map_err(Failure::new)?;
    let began = Instant::now();
    let (mut approved, mut sum) = (0_u32, 0_u64);
    for at in 0..tap.taps {
        if let Some(rate) = tap.rate.filter(|rate| *rate > 0.0) {
            sleep_until(began + Duration::from_secs_f64(f64::from(at) / rate)).await;
        }
        let amount = amounts[at as usize % amounts.len()];
        let purchase = player.purchase(&file, &mut phone, amount, tap.verified);
        let (message, chip) = purchase.map_err(Failure::new)?;
        // Counted before it is sent: a counter that was shown once is used up.
        file.counter = phone.counter;
        file.write(path).map_err(Failure::new)?;
        let sent = Instant::now();
        let heard = player.exchange(&message).await.map_err(Failure::new)?;
        let took = sent.elapsed();
        let is_issuer = match &heard.issuer_authentication {
            Some(authentication) => phone.keys.verify_answer(&chip, authentication).ok(),
            None => None,
        };
        let good = heard
            .code
            .is_some_and(paytone_wire::till::Code::is_approval);
        approved += u32::from(good);
        sum += if good { amount } else { 0 };
        tell(json, amount, &heard, is_issuer, took);
        if tap.reverse && good {
            reverse(json, amount, &mut player, &message).await?;
        }
    }
    if !json && tap.taps > 1 {
        println!(
            "{approved} of {} approved, {} in all, {:.1} a second",
            tap.taps,
            major(sum),
            f64::from(tap.taps) / began.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

/// The code is scanned once.
async fn scan(json: bool, tap: &Tap, amount: u64, player: &mut Player) -> Result<(), Failure> {
    // Pages show it in groups.
    let code = tap.code.as_deref().unwrap_or_default();
    let code: String = code.split_whitespace().collect();
    let message = player.scan(&code, amount);
    let sent = Instant::now();
    let heard = player.exchange(&message).await.map_err(Failure::new)?;
    tell(json, amount, &heard, None, sent.elapsed());
    let good = heard
        .code
        .is_some_and(paytone_wire::till::Code::is_approval);
    if tap.reverse && good {
        reverse(json, amount, player, &message).await?;
    }
    Ok(())
}

async fn reverse(
    json: bool,
    amount: u64,
    player: &mut Player,
    message: &Message,
) -> Result<(), Failure> {
    let sent = Instant::now();
    let reversal = player.at_the_moment(|terminal, now| terminal.reversal(message, now));
    let heard = player.exchange(&reversal).await.map_err(Failure::new)?;
    tell(json, amount, &heard, None, sent.elapsed());
    Ok(())
}

fn major(minor: u64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

fn tell(json: bool, minor: u64, heard: &Heard, is_issuer: Option<bool>, took: Duration) {
    let what = match heard.message_type {
        kind if kind == MessageType::new(430) || kind == MessageType::new(1430) => "reversed",
        _ if heard
            .code
            .is_some_and(paytone_wire::till::Code::is_approval) =>
        {
            "approved"
        }
        _ => "declined",
    };
    let code = heard.code.map_or("?", |code| code.text(heard.message_type));
    if json {
        println!(
            "{}",
            json!({
                "outcome": what,
                "amount": major(minor),
                "code": code,
                "approval": heard.approval,
                "remark": heard.remark,
                "issuer_verified": is_issuer,
                "took_us": took.as_micros() as u64,
            })
        );
        return;
    }
    let mut line = format!("{what}  {:>10}  {code}", major(minor));
    if let Some(approval) = &heard.approval {
        line += &format!("  approval {approval}");
    }
    if let Some(remark) = &heard.remark {
        line += &format!("  {remark}");
    }
    if is_issuer == Some(false) {
        line += "  THE ANSWER IS NOT THE ISSUER'S";
    }
    println!("{line}  {:.1} ms", took.as_secs_f64() * 1_000.0);
}
