//! The stand-in bank's core in virtual time: under any faults, its books add up.

use std::collections::BTreeMap;

use paytone_connectors::funding::bank::{Asked, read_outcome};
use paytone_connectors::funding::{Outcome, Reference};
use paytone_connectors::stand_in_bank::{
    Arrival, Behaviour, Collect, Core, Fate, GiveBack, Kind, Progress, Record, Request,
};
use proptest::prelude::*;

fn open(core: &mut Core, account: &str) -> Vec<Record> {
    let request = Request::OpenAccount {
        account: account.into(),
        balance_minor: 1000,
        currency: "EUR".into(),
    };
    core.step(request, Arrival::Fresh, 0).records
}

fn collect(reference: &str, amount_minor: i64) -> Request {
    Request::Collect(Collect {
        reference: reference.into(),
        account: "ann".into(),
        amount_minor,
        currency: "EUR".into(),
    })
}

#[test]
fn a_pending_operation_decides_itself_at_its_time_and_not_before() {
    let mut core = Core::new();
    open(&mut core, "ann");
    let behaviour = Behaviour::LateSuccess {
        after_ms: Some(5000),
        after_status_calls: None,
    };
    core.step(
        Request::Behave {
            account: None,
            behaviour,
            times: None,
        },
        Arrival::Fresh,
        0,
    );
    core.step(collect("c1", 600), Arrival::Fresh, 100);
    core.step(collect("c2", 600), Arrival::Fresh, 200);
    assert_eq!(core.next_due_ms(), Some(5100));

    assert!(
        core.step(Request::Statement, Arrival::Fresh, 5099)
            .records
            .is_empty()
    );
    assert_eq!(core.statement().accounts["ann"].balance_minor, 1000);
    assert!(
        !core
            .step(Request::Statement, Arrival::Fresh, 5100)
            .records
            .is_empty()
    );
    assert_eq!(core.statement().accounts["ann"].balance_minor, 400);
    core.step(Request::Statement, Arrival::Fresh, 9999);
    let second = &core.statement().operations[1];
    assert_eq!(
        second.progress,
        Progress::Refused {
            reason: "insufficient_funds".into()
        }
    );
    assert_eq!(core.next_due_ms(), None);
}

#[test]
fn a_delayed_request_does_nothing_before_it_arrives() {
    let mut core = Core::new();
    open(&mut core, "ann");
    let behaviour = Behaviour::DelayRequest { ms: 700 };
    core.step(
        Request::Behave {
            account: None,
            behaviour,
            times: None,
        },
        Arrival::Fresh,
        0,
    );
    let step = core.step(collect("c1", 1), Arrival::Fresh, 0);
    assert_eq!(
        (step.fate, step.records.len()),
        (Fate::Later { after_ms: 700 }, 0)
    );
    let step = core.step(collect("c1", 1), Arrival::Delayed, 700);
    assert!(matches!(step.fate, Fate::Answer { status: 200, .. }));
}

#[test]
fn the_connector_reads_the_cores_answers_without_a_socket() {
    let mut core = Core::new();
    open(&mut core, "ann");
    let Fate::Answer { status, body, .. } = core.step(collect("c1", 5), Arrival::Fresh, 0).fate
    else {
        panic!("the bank is normal");
    };
    let reference = Reference::new("c1").unwrap();
    let asked = Asked {
        reference: &reference,
        amount_minor: 5,
        currency: "EUR",
    };
    assert_eq!(
        read_outcome(&asked, status, body.to_string().as_bytes()),
        Outcome::Done {
            bank_reference: "SB0000000001".into()
        }
    );
}

fn behaviours() -> impl Strategy<Value = Behaviour> {
    prop_oneof![
        Just(Behaviour::Normal),
        Just(Behaviour::Delay { ms: 10 }),
        Just(Behaviour::DelayRequest { ms: 10 }),
        Just(Behaviour::Refuse {
            reason: "no".into()
        }),
        Just(Behaviour::LoseAnswer),
        Just(Behaviour::LoseRequest),
        Just(Behaviour::Unavailable),
        (prop::option::of(0..50_u64), prop::option::of(1..4_u32)).prop_map(|(ms, calls)| {
            Behaviour::LateSuccess {
                after_ms: ms,
                after_status_calls: calls,
            }
        }),
    ]
}

fn account() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("ann".to_owned()),
        Just("bob".to_owned()),
        Just("nobody".to_owned())
    ]
}

fn requests() -> impl Strategy<Value = Request> {
    let reference = || (0..12_u8).prop_map(|n| format!("op-{n}"));
    let amount = || prop_oneof![1..400_i64, Just(0), Just(i64::MAX)];
    prop_oneof![
        6 => (reference(), account(), amount()).prop_map(|(reference, account, amount_minor)| {
            Request::Collect(Collect { reference, account, amount_minor, currency: "EUR".into() })
        }),
        4 => (reference(), reference(), amount()).prop_map(|(reference, original, amount_minor)| {
            Request::GiveBack(GiveBack { reference, original, amount_minor, currency: "EUR".into() })
        }),
        3 => reference().prop_map(|reference| Request::Status { reference }),
        1 => reference().prop_map(|reference| Request::Complete { reference }),
        1 => reference().prop_map(|reference| Request::Fail { reference, reason: "no".into() }),
        2 => (prop::option::of(account()), behaviours(), prop::option::of(1..3_u32))
            .prop_map(|(account, behaviour, times)| Request::Behave { account, behaviour, times }),
    ]
}

proptest! {
    #[test]
    fn money_is_neither_made_nor_lost_and_records_rebuild_the_bank(
        script in prop::collection::vec((requests(), any::<bool>(), 0..20_u64), 1..80)
    ) {
        let mut core = Core::new();
        let mut records = open(&mut core, "ann");
        records.extend(open(&mut core, "bob"));
        let mut now_ms = 0;
        let mut decided: BTreeMap<String, Progress> = BTreeMap::new();
        for (request, delayed, wait_ms) in script {
            now_ms += wait_ms;
            let arrival = if delayed { Arrival::Delayed } else { Arrival::Fresh };
            records.extend(core.step(request, arrival, now_ms).records);

            let statement = core.statement();
            for account in ["ann", "bob"] {
                let mut expected = 1000;
                for operation in statement.operations.iter().filter(|one| one.account == account) {
                    match (&operation.progress, operation.kind) {
                        (Progress::Done { .. }, Kind::Collection) => {
                            expected -= operation.amount_minor;
                        }
                        (Progress::Done { .. }, Kind::Return) => expected += operation.amount_minor,
                        _ => {}
                    }
                }
                let balance_minor = statement.accounts[account].balance_minor;
                prop_assert_eq!(balance_minor, expected);
                prop_assert!(balance_minor >= 0);
            }
            for operation in &statement.operations {
                prop_assert!(operation.returned_minor <= operation.amount_minor);
                let is_pending = matches!(operation.progress, Progress::Pending { .. });
                if let Some(before) = decided.get(&operation.reference) {
                    prop_assert_eq!(before, &operation.progress, "a decision is for good");
                } else if !is_pending {
                    decided.insert(operation.reference.clone(), operation.progress.clone());
                }
            }
            let rebuilt = Core::restore(records.clone());
            prop_assert_eq!(rebuilt.statement(), statement);
            prop_assert_eq!(rebuilt.next_due_ms(), core.next_due_ms());
        }
    }
}
