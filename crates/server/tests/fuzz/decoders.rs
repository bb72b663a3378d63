//! Every decoder of outside bytes that works without a node.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use paytone::{
    config::Config,
    edge::{amount, number::PhoneNumber, time},
    import::{balances, lines},
};
use paytone_domain::{
    State,
    money::Currency,
    stored::{Chunk, Restoring, StoredError},
};
use paytone_engine::{Batch, Core, digest};
use paytone_journal::{Keyring, PostgresStore};

use crate::mutation::{Mutation, rounds};

fn keyring() -> (tempfile::TempDir, PathBuf, Keyring) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("keyring.toml");
    Keyring::create(&path).expect("a keyring");
    let keyring = Keyring::load(&path).expect("the keyring");
    (folder, path, keyring)
}

fn yuan() -> Currency {
    Currency::new("CNY", 2).expect("a currency")
}

/// The bodies of a journal that knows every kind of event.
pub fn batches() -> Vec<Vec<u8>> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../engine/tests/golden/level-1.cbor"
    );
    let file = std::fs::read(path).expect("the golden journal");
    type Written = (
        u64,
        u64,
        minicbor::bytes::ByteArray<16>,
        minicbor::bytes::ByteArray<32>,
        minicbor::bytes::ByteArray<32>,
        minicbor::bytes::ByteVec,
    );
    let rows: Vec<Written> = minicbor::decode(&file).expect("rows");
    rows.into_iter().map(|row| row.5.to_vec()).collect()
}

#[test]
fn a_batch_is_read_or_refused_and_what_is_read_is_written_the_same() {
    let mut mutation = Mutation::new();
    let bodies = batches();
    assert!(bodies.iter().all(|body| Batch::decode(body).is_ok()));
    for _ in 0..rounds(20_000) {
        let good = mutation.one_of(&bodies).clone();
        let bytes = mutation.of(&good);
        if let Ok(batch) = Batch::decode(&bytes) {
            let again = Batch::decode(&batch.encode());
            assert_eq!(again.as_ref(), Ok(&batch), "seed {}", mutation.seed);
        }
    }
}

/// The state that the golden journal makes, in small chunks.
fn state() -> (State, Vec<Vec<u8>>) {
    let mut core = Core::new();
    let mut tip = None;
    for (place, body) in batches().into_iter().enumerate() {
        let row = paytone_journal::Row::seal(tip, 1, (place as u128).to_be_bytes(), body);
        tip = Some(row.tip());
        core.apply(&row).expect("a golden batch");
    }
    let chunks = written(core.state());
    (core.state().clone(), chunks)
}

fn written(state: &State) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    let put = |chunk: &[u8]| {
        chunks.push(chunk.to_vec());
        Ok::<(), std::convert::Infallible>(())
    };
    state.write(2_048, put).expect("it is memory");
    chunks
}

fn restored(chunks: &[Vec<u8>]) -> Result<State, StoredError> {
    let mut restoring = Restoring::of(chunks.iter().map(|chunk| chunk.len() as u64).sum());
    for chunk in chunks {
        restoring.take(Chunk::read(chunk)?)?;
    }
    restoring.finish()
}

#[test]
fn a_stored_state_is_read_or_refused_and_what_is_read_is_written_the_same() {
    let mut mutation = Mutation::new();
    let (state, good) = state();
    let read = restored(&good).expect("the state that was written");
    assert_eq!(digest(&read), digest(&state));
    for _ in 0..rounds(300) {
        let mut chunks = good.clone();
        let place = mutation.below(chunks.len());
        chunks[place] = mutation.of(&good[place]);
        if let Ok(read) = restored(&chunks) {
            let again = restored(&written(&read)).expect("it was written");
            assert_eq!(digest(&again), digest(&read), "seed {}", mutation.seed);
        }
    }
    for _ in 0..rounds(20_000) {
        let chunk = mutation.one_of(&good).clone();
        drop(Chunk::read(&mutation.of(&chunk)));
    }
}

#[test]
fn a_row_of_a_file_is_taken_or_refused_by_its_line() {
    const LINES: &str = "number,activated,sim_changed,device_changed,kind,status,bill_limit,name,birth_date,recycled,renumbered_from\n\
        +8613800138000,2019-01-02,2025-01-02,,postpaid,active,300.00,王伟,1990-01-31,no,\n\
        +8613900139000,2020-03-04T05:06:07Z,,,prepaid,suspended,,\"Li, Na\",,yes,\n\
        013700137000,2021-01-01,,,prepaid,active,,,,,+8613600136000\n";
    const BALANCES: &str = "row,number,kind,amount,origin,label,tax_class,expires,merchants,categories,expired_refund\n\
        a1,+8613800138000,cash,12.50,,,,,,,\n\
        a2,+8613800138000,grant,5.00,gift,Spring,1,2027-01-01,,5411;5812,origin\n";
    let mut mutation = Mutation::new();
    let (_folder, _, keyring) = keyring();
    let about_lines = lines::Context {
        home: "CN".to_owned(),
        currency: yuan(),
        zone: TimeZone::UTC,
        as_of: time::now(),
    };
    let about_balances = balances::Context {
        home: "CN".to_owned(),
        currency: yuan(),
        zone: TimeZone::UTC,
        ids: keyring.public_ids().clone(),
    };
    let good = lines::parse(&keyring, &about_lines, LINES.as_bytes(), 1).expect("a chunk");
    assert_eq!(good.rows.len(), 3, "the file that is changed is a good one");
    for _ in 0..rounds(5_000) {
        let chunk = mutation.of(LINES.as_bytes());
        if let Ok(read) = lines::parse(&keyring, &about_lines, &chunk, 1) {
            // One more than there are ends of lines, as the last row may have none.
            let most = chunk
                .iter()
                .filter(|byte| matches!(byte, b'\n' | b'\r'))
                .count()
                + 1;
            let count = read.rows.len() + read.rejected.len();
            assert!(count <= most, "seed {}: {count} of {most}", mutation.seed);
        }
        let chunk = mutation.of(BALANCES.as_bytes());
        drop(balances::parse(&keyring, &about_balances, &chunk, 1));
    }
}

#[test]
fn a_number_is_refused_or_becomes_one_that_stays_as_it_is() {
    let mut mutation = Mutation::new();
    let good = [
        "+86 138 0013 8000",
        "13800138000",
        "0086-138-0013-8000",
        "+1 (202) 555-0123",
        "tel:+44-20-7946-0958",
    ];
    for _ in 0..rounds(5_000) {
        let good = *mutation.one_of(&good);
        let text = mutation.of_text(good);
        if let Ok(number) = PhoneNumber::read("number", &text, "CN") {
            let again = PhoneNumber::read("number", number.e164(), "CN");
            let again = again.map(|again| again.e164().to_owned());
            assert_eq!(
                again.map_err(|problem| problem.code),
                Ok(number.e164().to_owned()),
                "seed {}: {text:?}",
                mutation.seed
            );
        }
    }
}

#[test]
fn an_amount_is_refused_or_shown_as_it_was_meant() {
    let mut mutation = Mutation::new();
    for _ in 0..rounds(20_000) {
        let good = *mutation.one_of(&["128.00", "0.01", "10000000000.00", "7"]);
        let text = mutation.of_text(good);
        if let Ok(amount) = amount::read("amount", &text, yuan()) {
            let shown = amount::show(amount, yuan());
            let again = amount::read("amount", &shown, yuan()).map_err(|problem| problem.code);
            assert_eq!(again, Ok(amount), "seed {}: {text:?}", mutation.seed);
            assert!(amount.minor() > 0, "seed {}: {text:?}", mutation.seed);
        }
    }
}

#[test]
fn an_id_is_read_only_as_it_was_written() {
    let mut mutation = Mutation::new();
    let (_folder, _, keyring) = keyring();
    let ids = keyring.public_ids();
    for number in 0..rounds(20_000) {
        let good = ids.encode("pay", number);
        let text = mutation.of_text(&good);
        if let Some(read) = ids.decode("pay", &text) {
            assert_eq!(ids.encode("pay", read), text, "seed {}", mutation.seed);
        }
    }
}

#[test]
fn settings_and_keyrings_are_read_or_refused() {
    let mut mutation = Mutation::new();
    let (_folder, path, _) = keyring();
    let keys = std::fs::read(&path).expect("the keyring's file");
    let settings = paytone::config::document();
    for _ in 0..rounds(1_000) {
        drop(toml::from_str::<Config>(&mutation.of_text(&settings)));
        std::fs::write(&path, mutation.of(&keys)).expect("the file is written");
        drop(Keyring::load(&path));
    }
}

#[test]
fn an_address_of_a_database_is_read_or_refused_and_its_password_never_shown() {
    let mut mutation = Mutation::new();
    let good = "postgresql://paytone:geheim4711@db.example:5432/paytone?sslmode=verify-full";
    for _ in 0..rounds(5_000) {
        let text = mutation.of_text(good);
        let shown = match PostgresStore::parse(&text) {
            Ok(store) => format!("{store:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        // One that stands elsewhere too is no password there.
        let once = text.matches("geheim4711").count() == 1;
        if once && text.starts_with("postgresql://paytone:geheim4711@") {
            assert!(
                !shown.contains("geheim4711"),
                "seed {}: {text:?}",
                mutation.seed
            );
        }
    }
}
