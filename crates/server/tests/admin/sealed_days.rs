//! The real program seals a day that is over, hands it to the witness, and finds what was changed there.

use std::time::{Duration, Instant};

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
