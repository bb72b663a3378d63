//! The real program seals a day that is over, hands it to the witnesses, and finds what was changed there.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    time::{Duration, Instant},
};

use paytone_domain::{
    Actor, Answer, Command,
    ids::{KeyringFingerprint, NumberHash, OperatorId, Sealed, SubscriberId},
    money::{Amount, Currency},
    operator::{BalanceRow, HeldAs, Operation, OperatorCommand, Role},
    subscriber::{Line, LineKind, LineRow, LineStatus},
    time::{DAY, Timestamp},
};
use paytone_engine::Core;
use paytone_journal::{Journal as _, Keyring, SqliteJournal};

use crate::site::Site;

/// A journal of the day before yesterday in which somebody got money.
async fn begin(site: &Site) {
    let keyring = Keyring::load(site.path("keyring.toml")).expect("a keyring");
    let now = Timestamp(jiff::Timestamp::now().as_millisecond()).plus(-2 * DAY);
    let mut core = Core::new();
    core.advance(now);
    let sealed = || Sealed::from(vec![0; 32]);
    let initialize = Command::Initialize {
        currency: Currency::new("CNY", 2).expect("a currency"),
        zone: "UTC".to_owned(),
        cut_off_minutes: 0,
        keyring: KeyringFingerprint(keyring.fingerprint()),
    };
    let add = Operation::AddOperator {
        name: "ada".to_owned(),
        role: Role::Admin,
        password: sealed(),
    };
    let line = LineRow {
        number: NumberHash([1; 16]),
        renumbered_from: None,
        recycled: false,
        line: Line {
            activated: now.plus(-400 * DAY),
            sim_changed: None,
            device_changed: None,
            kind: LineKind::Prepaid,
            status: LineStatus::Active,
            bill_limit: Amount::ZERO,
            as_of: now,
        },
        subject: 1,
        profile: sealed(),
        profile_hash: 1,
        bank: None,
    };
    let balance = BalanceRow {
        row: 1,
        subscriber: SubscriberId(1),
        amount: Amount::clamped(5_000),
        held_as: HeldAs::Cash,
    };
    let operate = |operation| Command::Operator(OperatorCommand::Do(Box::new(operation)));
    let ada = Actor::Operator(OperatorId(1));
    for (actor, command) in [
        (Actor::Console, initialize),
        (Actor::Console, operate(add)),
        (ada, Command::Line(Box::new(line))),
        (ada, operate(Operation::ImportBalance(Box::new(balance)))),
    ] {
        let answer = core.decide(actor, 0, command);
        assert!(
            !matches!(answer, Answer::Operator(Err(_)) | Answer::Line(Err(_))),
            "{answer:?}"
        );
    }
    let row = core.seal([1; 16]).expect("a row").row;
    std::fs::create_dir_all(site.path("data")).expect("a folder");
    let mut journal = SqliteJournal::open(site.path("data/journal.sqlite"))
        .await
        .expect("a journal");
    journal.append(&row).await.expect("it fits");
    journal.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_is_over_is_sealed_handed_to_the_witness_and_verified() {
    let mut site = Site::new("");
    let witness = site.path("witness");
    let settings = std::fs::read_to_string(site.path("paytone.toml")).expect("settings");
    let settings = format!("{settings}\n[witness]\nfile = {witness:?}\n");
    std::fs::write(site.path("paytone.toml"), settings).expect("settings");
    begin(&site).await;
    site.serve();
    let began = Instant::now();
    let line = loop {
        let text = std::fs::read_to_string(&witness).unwrap_or_default();
        if text.ends_with('\n') {
            break text;
        }
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "no witness: {}",
            site.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(line.contains("entries 1"), "{line}");
    site.run(&["verify"]).done();
    site.stop();
    // After a restart nothing is sealed or handed out again.
    site.serve();
    site.stop();
    assert_eq!(std::fs::read_to_string(&witness).expect("a line"), line);
    let report = site.run(&["verify"]).done().out;
    assert!(
        report.contains("Sealed days     1, the witness has 1"),
        "{report}"
    );
    std::fs::write(&witness, line.replace("entries 1", "entries 2")).expect("written");
    let report = site.run(&["verify"]);
    assert!(
        !report.ok && report.out.contains("[witness]"),
        "{}",
        report.out
    );
}

/// What a witness answers; after these it takes everything.
const BAD_ANSWERS: [&str; 5] = [
    "",
    "this is no HTTP",
    "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 404 Not Found\r\nContent-Length: 9999\r\n\r\ncut",
];
const TAKEN: &str = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";

/// The body of one request; nothing if none came.
fn body_of(stream: &TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream);
    let (mut length, mut line) = (0, String::new());
    while lines.read_line(&mut line).ok()? > 2 {
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        line.clear();
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}

/// Tells each body before it answers; ends with its listener's last connection.
fn witness(listener: &TcpListener, bodies: &Sender<String>) {
    let mut answers = VecDeque::from(BAD_ANSWERS);
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { return };
        let Some(body) = body_of(&stream) else {
            continue;
        };
        if bodies.send(body).is_err() {
            return;
        }
        let answer = answers.pop_front().unwrap_or(TAKEN);
        // Whoever asked may have gone.
        let _ = stream.write_all(answer.as_bytes());
    }
}

fn heard(bodies: &Receiver<String>, site: &Site) -> String {
    let body = bodies.recv_timeout(Duration::from_secs(60));
    body.unwrap_or_else(|_| panic!("the witness hears nothing: {}", site.log()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_fails_is_asked_again_over_a_restart_until_it_takes_the_day_and_then_no_more()
 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, bodies) = channel();
    std::thread::spawn(move || witness(&listener, &sender));
    let mut site = Site::new("");
    let settings = std::fs::read_to_string(site.path("paytone.toml")).expect("settings");
    let settings = format!("{settings}\n[witness]\nurl = \"http://{address}/days\"\n");
    std::fs::write(site.path("paytone.toml"), settings).expect("settings");
    begin(&site).await;
    site.serve();
    let first = heard(&bodies, &site);
    assert!(first.contains("entries 1"), "{first}");
    for _ in 1..3 {
        assert_eq!(heard(&bodies, &site), first);
    }
    site.stop();
    site.serve();
    let kept = || std::fs::read_to_string(site.path("data/witness-sent"));
    let mut tries = 3 + bodies.try_iter().count();
    let began = Instant::now();
    while kept().is_err() {
        assert!(began.elapsed() < Duration::from_secs(60), "{}", site.log());
        if bodies.recv_timeout(Duration::from_millis(50)).is_ok() {
            tries += 1;
        }
    }
    tries += bodies.try_iter().count();
    // One more than those that it did not take.
    assert_eq!(tries, BAD_ANSWERS.len() + 1);
    site.stop();
    site.serve();
    site.stop();
    assert_eq!(bodies.try_iter().count(), 0, "it was sent again");
    // What is there to compare with is what the witness was given.
    std::fs::remove_file(site.path("data/witness-sent")).expect("it is there");
    site.serve();
    assert_eq!(heard(&bodies, &site), first);
    site.stop();
}
