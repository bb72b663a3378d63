//! After everything has happened once, no log line and no byte of the journal says what only some may know.
//!
//! The real binary runs the demo with every log line there is. The demo's own history goes through the real APIs with
//! software phones, a shop and its webhooks; this test adds a phone, a payment for somebody else, a wrong PIN, a refund, a
//! new endpoint and staff at work, and remembers every secret that was handed out. Then it looks for all of them in what was
//! logged and in the journal, both as bytes and decoded.
//!
//! **Not here:** standard output. Whoever starts the demo is given passwords and a key there; `serve` has none to give.

#[path = "../kill/wire.rs"]
#[expect(dead_code, reason = "the kill tests talk to several nodes, too")]
mod wire;

use std::{net::SocketAddr, process::Stdio};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use data_encoding::BASE64URL_NOPAD;
use hyper::Method;
use paytone_engine::{Batch, snapshot};
use paytone_journal::{JournalReader, Snapshots, SqliteJournal};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
};

use crate::wire::{Call, Wire};

const NUMBER: &str = "+8613800138001";
const PIN: &str = "740925";
const WRONG_PIN: &str = "740926";
const ASKER: &str = "Great-aunt Wilhelmina";
const PURPOSE: &str = "A quite unmistakable purpose";
const REFERENCE: &str = "unmistakable-reference-1";
const REASON: &str = "An unmistakable reason";
const LABEL: &str = "Unmistakable telephone";

/// What must be nowhere, by what it is.
#[derive(Default)]
struct Secrets(Vec<(String, String)>);

impl Secrets {
    fn add(&mut self, what: &str, secret: impl Into<String>) {
        let secret = secret.into();
        assert!(
            secret.len() >= 6,
            "{what} is too short to look for: {secret}"
        );
        self.0.push((what.to_owned(), secret));
    }

    /// What of it is in `bytes`. A PIN or a code is looked for as a whole number, since six digits are part of many longer ones.
    fn found_in<'a>(&'a self, bytes: &[u8]) -> Vec<&'a str> {
        let whole = |at: usize, length: usize| {
            let digit = |place: Option<usize>| {
                place
                    .and_then(|place| bytes.get(place))
                    .is_some_and(u8::is_ascii_alphanumeric)
            };
            !digit(at.checked_sub(1)) && !digit(Some(at + length))
        };
        let mut found = Vec::new();
        for (what, secret) in &self.0 {
            let short = secret.len() == 6 && secret.bytes().all(|byte| byte.is_ascii_digit());
            let hit = memchr(bytes, secret.as_bytes())
                .any(|at| !short || (whole(at, secret.len()) && !is_fraction(bytes, at)));
            if hit {
                found.push(what.as_str());
            }
        }
        found
    }
}

/// Six digits after a point are the microseconds of a log line's time.
fn is_fraction(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1)
        .is_some_and(|before| bytes[before] == b'.')
}

/// Where `wanted` begins in `bytes`.
fn memchr<'a>(bytes: &'a [u8], wanted: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    bytes
        .windows(wanted.len())
        .enumerate()
        .filter(move |(_, window)| *window == wanted)
        .map(|(at, _)| at)
}

/// The demo, with every log line kept.
struct Demo {
    child: Child,
    log: tokio::task::JoinHandle<Vec<u8>>,
    wire: Wire,
    origin: String,
    world: Value,
    folder: tempfile::TempDir,
}

impl Demo {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut child = Command::new(env!("CARGO_BIN_EXE_paytone"))
            .args(["demo", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path())
            .env("RUST_LOG", "trace")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts");
        let mut stderr = child.stderr.take().expect("a pipe");
        let log = tokio::spawn(async move {
            let mut bytes = Vec::new();
            stderr
                .read_to_end(&mut bytes)
                .await
                .expect("the log can be read");
            bytes
        });
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut address = None;
        while let Some(line) = lines.next_line().await.expect("its output can be read") {
            if let Some((_, rest)) = line.split_once("http://")
                && let Some((found, _)) = rest.split_once("/shop")
            {
                address = Some(found.parse::<SocketAddr>().expect("an address"));
            }
            if line.starts_with("Ctrl-C") {
                break;
            }
        }
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let address = address.expect("the demo says where it is");
        let world = std::fs::read(folder.path().join("demo.json")).expect("the demo's secrets");
        Self {
            child,
            log,
            wire: Wire::to(address),
            origin: format!("http://{address}"),
            world: serde_json::from_slice(&world).expect("JSON"),
            folder,
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Value,
        expected: u16,
    ) -> Value {
        let call = Call {
            method,
            ..Call::post(path, token, body)
        };
        self.told(call, expected).await
    }

    async fn post(&self, path: &str, token: &str, body: Value, expected: u16) -> Value {
        self.send(Method::POST, path, token, body, expected).await
    }

    async fn keyed(&self, path: &str, token: &str, key: &str, body: Value, expected: u16) -> Value {
        self.told(
            Call::post(path, token, body).with_key(key.to_owned()),
            expected,
        )
        .await
    }

    async fn get(&self, path: &str, token: &str) -> Value {
        self.told(Call::get(path, token), 200).await
    }

    async fn told(&self, call: Call, expected: u16) -> Value {
        let path = call.path.clone();
        let told = self.wire.ask(&call).await.expect("a server that lives");
        let answer = told.json();
        assert_eq!(told.status, expected, "{path}: {answer}");
        answer
    }

    /// Ends it in order; what it logged, and the folder with its journal.
    async fn stop(mut self) -> (Vec<u8>, tempfile::TempDir) {
        let id = self.child.id().expect("it runs");
        let killed = Command::new("kill")
            .args(["-INT", &id.to_string()])
            .status()
            .await;
        assert!(killed.expect("kill runs").success());
        let status = self.child.wait().await.expect("it can be waited for");
        assert!(status.success(), "{status}");
        (self.log.await.expect("the log was read"), self.folder)
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a text, not {value}"))
        .to_owned()
}

/// A phone of software; every token and code it is given is a secret.
struct Phone {
    key: EcdsaKeyPair,
    device: String,
    token: String,
}

impl Phone {
    async fn enrol(demo: &Demo, secrets: &mut Secrets) -> Self {
        let asked = demo
            .post(
                "/phone/api/enrolments",
                "",
                json!({"phone_number": NUMBER}),
                202,
            )
            .await;
        let enrolment = text(&asked["enrolment"]);
        let code = demo
            .get(
                &format!("/phone/api/enrolments/{enrolment}/screen-code"),
                "",
            )
            .await;
        let code = text(&code["code"]);
        secrets.add("a one-time code", code.clone());
        let path = format!("/phone/api/enrolments/{enrolment}/code");
        demo.post(&path, "", json!({"code": code}), 200).await;
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let body = json!({
            "public_key": BASE64URL_NOPAD.encode(key.public_key().as_ref()),
            "pin": PIN, "label": LABEL, "recovery": false,
        });
        let path = format!("/phone/api/enrolments/{enrolment}/device");
        let made = demo.post(&path, "", body, 201).await;
        let mut phone = Self {
            key,
            device: text(&made["device"]),
            token: String::new(),
        };
        let body = json!({"device": phone.device});
        let challenge = demo.post("/phone/api/challenges", "", body, 200).await;
        let challenge = text(&challenge["challenge"]);
        let signature = phone.sign(&format!("paytone.session.v1\n{challenge}\n{}", demo.origin));
        let body = json!({"device": phone.device, "challenge": challenge, "signature": signature});
        let session = demo.post("/phone/api/sessions", "", body, 200).await;
        phone.token = text(&session["token"]);
        secrets.add("a phone's session", phone.token.clone());
        phone
    }

    fn sign(&self, message: &str) -> String {
        let signature = self.key.sign(&SystemRandom::new(), message.as_bytes());
        BASE64URL_NOPAD.encode(signature.expect("a signature").as_ref())
    }

    async fn approve(&self, demo: &Demo, payment: &Value, pin: &str, expected: u16) -> Value {
        let prompts = demo.get("/phone/api/prompts", &self.token).await;
        let prompts = prompts["prompts"].as_array().expect("a list");
        let prompt = prompts.iter().find(|prompt| prompt["id"] == payment["id"]);
        let prompt = prompt.expect("it waits");
        let document = json!({
            "type": "paytone.approval", "version": 1, "action": "approve_payment",
            "id": prompt["id"], "merchant": prompt["merchant"]["id"],
            "merchant_name": prompt["merchant"]["name"], "amount": prompt["amount"],
            "currency": prompt["currency"], "purpose": prompt["purpose"], "for": prompt["for"],
            "asker_name": prompt["asker_name"], "mandate": prompt["mandate"],
            "payer": prompt["payer"], "device": self.device, "deadline": prompt["deadline"],
            "origin": demo.origin, "match_code": payment["match_code"],
        })
        .to_string();
        let signature = self.sign(&format!("paytone.approval.v1\n{document}"));
        let path = format!("/phone/api/prompts/{}/approve", text(&prompt["id"]));
        let body = json!({"document": document, "signature": signature, "pin": pin});
        demo.post(&path, &self.token, body, expected).await
    }
}

/// Everything once; what was handed out or told on the way is in the answer.
async fn everything_once(demo: &Demo) -> Secrets {
    let mut secrets = Secrets::default();
    secrets.add("the PIN", PIN);
    secrets.add("a wrong PIN", WRONG_PIN);
    for (what, said) in [
        ("the asker's name", ASKER),
        ("a purpose", PURPOSE),
        ("a reference", REFERENCE),
        ("a reason", REASON),
        ("a phone's label", LABEL),
    ] {
        secrets.add(what, said);
    }
    let front = demo.get("/demo/api/world", "").await;
    for person in front["phones"].as_array().expect("people") {
        let number = text(&person["number"]);
        secrets.add("a number", number.trim_start_matches("+86"));
        let name = text(&person["name"]);
        secrets.add("a name", name.split_once(' ').expect("two names").1);
    }
    for key in demo.world["client_keys"].as_array().expect("keys") {
        secrets.add("a client key", text(key));
    }
    secrets.add("a webhook's secret", text(&demo.world["webhook"]["secret"]));
    for operator in demo.world["operators"].as_array().expect("operators") {
        secrets.add("a password", text(&operator["password"]));
    }

    let shop = text(&demo.world["client_keys"][0]);
    let phone = Phone::enrol(demo, &mut secrets).await;
    let ask = json!({
        "amount": "12.00", "payer": {"phone_number": NUMBER}, "for": "other", "asker_name": ASKER,
        "description": PURPOSE, "reference": REFERENCE,
    });
    let payment = demo
        .keyed("/v1/payments", &shop, "secrets-1", ask, 201)
        .await;
    phone.approve(demo, &payment, WRONG_PIN, 422).await;
    let answer = phone.approve(demo, &payment, PIN, 200).await;
    assert_eq!(answer["status"], "captured");
    let path = format!("/v1/payments/{}/refunds", text(&payment["id"]));
    let body = json!({"amount": "2.00", "reason": REASON});
    demo.keyed(&path, &shop, "secrets-2", body, 201).await;

    let endpoint = json!({"url": format!("{}/shop/api/elsewhere", demo.origin)});
    let endpoint = demo
        .post("/v1/webhook_endpoints", &shop, endpoint, 201)
        .await;
    secrets.add("a webhook's secret", text(&endpoint["secret"]));
    let path = format!(
        "/v1/webhook_endpoints/{}/rotate_secret",
        text(&endpoint["id"])
    );
    let rotated = demo.post(&path, &shop, json!({}), 200).await;
    secrets.add("a webhook's secret", text(&rotated["secret"]));

    let staff = &demo.world["operators"][0];
    let sign_in = json!({"name": staff["name"], "password": staff["password"]});
    let session = demo.post("/admin/api/sessions", "", sign_in, 200).await;
    let session = text(&session["token"]);
    secrets.add("an operator's session", session.clone());
    let path = format!("/admin/api/subscribers/{}", NUMBER.replace('+', "%2B"));
    demo.get(&path, &session).await;
    demo.get(
        &format!("/admin/api/payments/{}", text(&payment["id"])),
        &session,
    )
    .await;
    // What was refused is logged with more words than what went well.
    let wrong = json!({"name": staff["name"], "password": "wrong-but-unmistakable"});
    secrets.add("a wrong password", "wrong-but-unmistakable");
    demo.post("/admin/api/sessions", "", wrong, 401).await;
    demo.get("/phone/api/me", &phone.token).await;
    demo.get("/phone/api/history", &phone.token).await;
    secrets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_everything_has_happened_neither_the_log_nor_the_journal_gives_a_secret_away() {
    let demo = Demo::start().await;
    let secrets = everything_once(&demo).await;
    let (log, folder) = demo.stop().await;
    assert!(
        log.len() > 10_000,
        "every line was asked for, and {} bytes came",
        log.len()
    );
    assert_eq!(secrets.found_in(&log), [""; 0], "in the log");

    let journal = folder.path().join("journal.sqlite");
    let mut reader = SqliteJournal::reader(&journal)
        .await
        .expect("the journal opens");
    let mut after = 0;
    let mut events = 0;
    loop {
        let rows = reader
            .read(after, 256, 16 << 20)
            .await
            .expect("rows can be read");
        let Some(last) = rows.last() else { break };
        after = last.seq;
        for row in &rows {
            assert_eq!(secrets.found_in(&row.body), [""; 0], "in row {}", row.seq);
            let batch = Batch::decode(&row.body).expect("a batch");
            events += batch
                .items
                .iter()
                .map(|item| item.events.len())
                .sum::<usize>();
            let decoded = format!("{batch:?}");
            assert_eq!(
                secrets.found_in(decoded.as_bytes()),
                [""; 0],
                "in row {}",
                row.seq
            );
        }
    }
    assert!(
        events > 100,
        "the journal tells of what happened: {events} events"
    );
    let kept = Snapshots::folder(folder.path().join("snapshots"));
    let made = snapshot::make(&mut reader, &kept, |_| {}).await;
    let file = made.expect("a snapshot").listed.name;
    let bytes = std::fs::read(&file).expect("its file");
    assert!(bytes.len() > 10_000, "{} bytes", bytes.len());
    assert_eq!(secrets.found_in(&bytes), [""; 0], "in {file}");
    for entry in std::fs::read_dir(folder.path()).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path
            .extension()
            .is_some_and(|kind| kind.to_string_lossy().starts_with("sqlite"))
        {
            let bytes = std::fs::read(&path).expect("a database");
            assert_eq!(secrets.found_in(&bytes), [""; 0], "in {}", path.display());
        }
    }
}

#[test]
fn what_is_looked_for_is_found() {
    let mut secrets = Secrets::default();
    secrets.add("a PIN", "740925");
    secrets.add("a key", "sk_abcdef");
    assert_eq!(
        secrets.found_in(b"pin=740925 key=sk_abcdef"),
        ["a PIN", "a key"]
    );
    assert_eq!(secrets.found_in(b"07:01:02.740925Z 17409256"), [""; 0]);
}
