//! Sealed days over worlds that follow from a seed: proofs that a stranger's program checks, and what `verify` says of them.

use std::{path::Path, process::Command};

use paytone::{
    past::Progress,
    proof::{
        day::{Day, line},
        show, witness,
    },
    verify,
};
use paytone_domain::{Actor, Event, ids::PaymentId, payment::PaymentEvent, sealed_day::SealedDay};
use paytone_engine::{Batch, Item};
use paytone_journal::{Keyring, Row};
use serde_json::{Value, json};

use crate::{Place, scenario::Scenario};

fn batch(row: &Row) -> Batch {
    Batch::decode(&row.body).expect("a batch")
}

/// Every date of those rows but the last, sealed.
fn sealed(keyring: &Keyring, rows: &[Row]) -> Vec<SealedDay> {
    let mut days: Vec<Day> = Vec::new();
    for row in rows {
        let batch = batch(row);
        if days.last().is_none_or(|day| day.date != batch.moment.date) {
            days.push(Day::new(batch.moment.date));
        }
        let day = days.last_mut().expect("a day");
        day.take(keyring, row.seq, &batch);
    }
    days.pop();
    let mut sealed: Vec<SealedDay> = Vec::new();
    for day in days.into_iter().filter(|day| day.roots.leaves() > 0) {
        let day = day.seal(&keyring.day_key(), sealed.last());
        sealed.push(day);
    }
    sealed
}

/// The rows, and one more with what was sealed.
fn with_days(rows: &[Row], days: &[SealedDay]) -> Vec<Row> {
    let last = rows.last().expect("rows");
    let batch = Batch {
        items: vec![Item {
            actor: Actor::System,
            cause: 0,
            events: days.iter().cloned().map(Event::DaySealed).collect(),
        }],
        ..batch(last)
    };
    let more = Row::seal(Some(last.tip()), last.epoch, [77; 16], batch.encode());
    [rows, &[more]].concat()
}

fn checked(proofs: &Value, witness: &Path, folder: &Path) -> bool {
    let file = folder.join("proof.json");
    std::fs::write(&file, proofs.to_string()).expect("written");
    let checker = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/check_proof.py");
    let ran = Command::new("python3")
        .arg(checker)
        .arg(file)
        .arg(witness)
        .output();
    ran.expect("it runs").status.success()
}

struct World {
    place: Place,
    keyring: Keyring,
    rows: Vec<Row>,
    days: Vec<SealedDay>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut scenario = Scenario::begin(seed);
        scenario.seals_days = false;
        scenario.live(900);
        let keyring = Keyring::derived_for_simulation(seed);
        let rows = scenario.rows().to_vec();
        let days = sealed(&keyring, &rows);
        assert!(days.len() > 2, "seed {seed}");
        let mut place = Place::new();
        place.config.witness.file = place.path().join("witness");
        witness::add(&place.config.witness.file, &days).expect("written");
        Self {
            place,
            keyring,
            rows,
            days,
        }
    }

    /// What differs, but for the keyring: that of a scenario's journal is made up.
    async fn differences(&self) -> Vec<(&'static str, String)> {
        let report = verify::run(&self.place.config, Some(&self.keyring), |_, _| {})
            .await
            .expect("a report");
        assert_eq!(report.sealed_days, self.days.len() as u64);
        report
            .differences
            .into_iter()
            .map(|difference| (difference.code, difference.what))
            .filter(|(code, _)| *code != "keyring")
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payments_proof_holds_for_whoever_checks_it_and_none_that_was_changed_does() {
    let world = World::new(3);
    world
        .place
        .append(&with_days(&world.rows, &world.days))
        .await;
    let captured = world.rows.iter().map(batch).find_map(|batch| {
        let date = batch.moment.date;
        let known = world.days.iter().any(|day| day.date == date);
        let mut events = batch.steps();
        let id = events.find_map(|event| match &*event {
            Event::Payment(PaymentEvent::Captured { id, .. }) => Some(*id),
            _ => None,
        });
        id.filter(|_| known).map(|id| (id, date))
    });
    let (payment, date) = captured.expect("a captured payment");
    let days = show::of_dates(&world.days, &[date]);
    let progress = Progress::new(std::time::Duration::from_secs(600));
    let prove =
        |id: PaymentId| show::proofs(&world.place.config, &world.keyring, id, &days, &progress);
    let proofs = prove(payment).await.expect("proofs");
    assert!(!proofs.is_empty());
    assert!(
        proofs[0]["entry"]
            .as_str()
            .expect("text")
            .contains("\"captured\"")
    );
    let whole = json!({"proofs": proofs});
    let (witness, folder) = (&world.place.config.witness.file, world.place.path());
    assert!(checked(&whole, witness, folder));
    let changes: [fn(&mut Value); 7] = [
        |proof| {
            proof["entry"] = proof["entry"]
                .as_str()
                .expect("text")
                .replace("captured", "refunded")
                .into()
        },
        |proof| proof["salt"] = "00".repeat(16).into(),
        |proof| proof["index"] = (proof["index"].as_u64().expect("a number") ^ 1).into(),
        |proof| proof["path"][0] = "00".repeat(32).into(),
        |proof| proof["day"]["signature"] = "00".repeat(64).into(),
        |proof| proof["day"]["head"] = "00".repeat(32).into(),
        |proof| {
            let statement = proof["day"]["statement"]
                .as_str()
                .expect("text")
                .replace("entries ", "entries 1");
            proof["day"]["statement"] = statement.into();
        },
    ];
    for (which, change) in changes.into_iter().enumerate() {
        let mut other = whole.clone();
        change(&mut other["proofs"][0]);
        assert!(!checked(&other, witness, folder), "change {which}");
    }
    // A witness that has another day does not bear it out.
    let elsewhere = folder.join("elsewhere");
    std::fs::write(
        &elsewhere,
        line(&world.days[1]).replace("entries ", "entries 9"),
    )
    .expect("written");
    assert!(!checked(&whole, &elsewhere, folder));
    assert!(
        prove(PaymentId(u64::MAX))
            .await
            .expect("no proofs")
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_works_sealed_days_out_again_and_asks_the_witness() {
    let world = World::new(5);
    world
        .place
        .append(&with_days(&world.rows, &world.days))
        .await;
    assert_eq!(world.differences().await, []);
    let file = &world.place.config.witness.file;
    let kept = std::fs::read_to_string(file).expect("lines");
    std::fs::write(file, kept.replacen("entries ", "entries 1", 1)).expect("written");
    let differences = world.differences().await;
    assert!(
        differences.iter().all(|(code, _)| *code == "witness"),
        "{differences:?}"
    );
    assert_eq!(differences.len(), 2, "{differences:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_was_sealed_over_other_entries_is_found() {
    let world = World::new(7);
    let mut forged = world.days.clone();
    let last = forged.len() - 1;
    // Whoever has the keyring can sign anything; the entries still make another root.
    let mut day = Day::new(forged[last].date);
    day.row = forged[last].row;
    day.roots.add([1; 32]);
    forged[last] = day.seal(&world.keyring.day_key(), forged.get(last - 1));
    world.place.append(&with_days(&world.rows, &forged)).await;
    let differences = world.differences().await;
    assert!(
        differences
            .iter()
            .any(|(code, what)| *code == "sealed_day" && what.contains("another root")),
        "{differences:?}"
    );
    assert!(
        differences.iter().any(|(code, _)| *code == "witness"),
        "{differences:?}"
    );
}
