//! The real thread driver: group commit on SQLite, restarts, overload, and journals that fail.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use paytone_domain::{
    Actor, Answer, Command,
    ids::{KeyringFingerprint, NumberHash, OperatorId, Sealed},
    merchant::{MerchantLimits, PricePlan},
    money::{Amount, Currency},
    operator::{Done, Operation, OperatorCommand, Role},
    subscriber::{Line, LineKind, LineRow, LineStatus, RowOutcome},
    time::Timestamp,
};
use paytone_engine::{Core, EngineError, Options, Running, StopReason, digest, replay, start};
use paytone_journal::{
    AppendError, Journal, JournalReader, MemoryJournal, ReadError, Row, SqliteJournal, Tip,
    memory::Fault,
};

fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let milliseconds = since.unwrap_or_default().as_millis();
    Timestamp(i64::try_from(milliseconds).unwrap_or(0))
}

fn initialize() -> Command {
    Command::Initialize {
        currency: Currency::new("CNY", 2).expect("a currency"),
        zone: "UTC".to_owned(),
        cut_off_minutes: 0,
        keyring: KeyringFingerprint([0; 32]),
    }
}

fn add_operator() -> Command {
    Command::Operator(OperatorCommand::Do(Box::new(Operation::AddOperator {
        name: "first".to_owned(),
        role: Role::Admin,
        password: Sealed::default(),
    })))
}

fn add_merchant(subject: u64) -> Command {
    Command::Operator(OperatorCommand::Do(Box::new(Operation::AddMerchant {
        subject,
        name: Sealed::default(),
        category: 5_411,
        limits: MerchantLimits {
            payment: Amount::MAX,
            daily: Amount::MAX,
        },
        plan: PricePlan {
            version: 1,
            fee_basis_points: 60,
            fee_fixed: Amount::ZERO,
            tax_basis_points: 0,
        },
    })))
}

fn line(place: u64) -> Command {
    let mut number = [0; 16];
    number[..8].copy_from_slice(&place.to_be_bytes());
    Command::Line(Box::new(LineRow {
        number: NumberHash(number),
        renumbered_from: None,
        recycled: false,
        line: Line {
            activated: Timestamp(0),
            sim_changed: None,
            device_changed: None,
            kind: LineKind::Prepaid,
            status: LineStatus::Active,
            bill_limit: Amount::ZERO,
            as_of: wall(),
        },
        subject: place,
        profile: Sealed::from(vec![1]),
        profile_hash: place,
        bank: None,
    }))
}

fn added(answer: &Answer) -> bool {
    *answer == Answer::Line(Ok(RowOutcome::Added))
}

fn batch_ids() -> impl FnMut() -> [u8; 16] + Send + 'static {
    let mut next = 0_u128;
    move || {
        next += 1;
        next.to_be_bytes()
    }
}

fn run<J: Journal + 'static>(core: Core, journal: J, options: Options) -> Running {
    start(core, journal, options, batch_ids(), |_| {}).expect("threads start")
}

async fn stop(running: Running) -> StopReason {
    running.engine.stop();
    let (stopped, thread) = running.into_parts();
    let reason = stopped.await.expect("a reason");
    thread.join().expect("the thread ends");
    reason
}

/// Answers an append only once it is let go on.
struct Gated {
    inner: MemoryJournal,
    entered: Sender<()>,
    go_on: Receiver<()>,
}

/// A gated journal, what tells that an append began, and what lets it go on.
fn gated() -> (Gated, Receiver<()>, Sender<()>) {
    let (entered, began) = channel();
    let (release, go_on) = channel();
    let inner = MemoryJournal::new();
    let journal = Gated {
        inner,
        entered,
        go_on,
    };
    (journal, began, release)
}

impl JournalReader for Gated {
    async fn read(
        &mut self,
        after_seq: u64,
        limit_rows: usize,
        limit_bytes: usize,
    ) -> Result<Vec<Row>, ReadError> {
        self.inner.read(after_seq, limit_rows, limit_bytes).await
    }

    async fn last(&mut self) -> Result<Option<Tip>, ReadError> {
        self.inner.last().await
    }

    async fn size_bytes(&mut self) -> Result<u64, ReadError> {
        self.inner.size_bytes().await
    }
}

impl Journal for Gated {
    async fn append(&mut self, row: &Row) -> Result<(), AppendError> {
        // The test may have seen enough.
        let _ = self.entered.send(());
        let _ = self.go_on.recv();
        self.inner.append(row).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_commands_share_batches_and_a_restart_has_the_same_state() {
    const CLIENTS: u64 = 16;
    const EACH: u64 = 25;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.db");
    let journal = SqliteJournal::open(&path).await.expect("a journal");
    let running = run(Core::new(), journal, Options::default());
    let engine = running.engine.clone();
    let first = engine
        .submit(Actor::Console, 0, initialize())
        .await
        .expect("answered");
    assert_eq!(
        (first.answer, first.position),
        (Answer::Initialized(Ok(())), 1)
    );
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let engine = engine.clone();
            tokio::spawn(async move {
                let mut last = 0;
                for place in 0..EACH {
                    let command = line(client * EACH + place + 1);
                    let answered = engine
                        .submit(Actor::Connector, place, command)
                        .await
                        .expect("answered");
                    assert!(added(&answered.answer), "{:?}", answered.answer);
                    assert!(answered.position >= last, "positions only grow");
                    assert!(*engine.position().borrow() >= answered.position);
                    last = answered.position;
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("a client ends well");
    }
    let seen = engine
        .read(|state, _| digest(state))
        .await
        .expect("answered");
    assert_eq!(stop(running).await, StopReason::Asked);

    let mut journal = SqliteJournal::open(&path).await.expect("opens again");
    let (mut batches, mut items) = (0, 0);
    let core = replay(&mut journal, |_, batch| {
        batches += 1;
        items += batch.items.len();
    })
    .await
    .expect("replays");
    assert_eq!(items as u64, CLIENTS * EACH + 1);
    assert!(batches < items, "no two commands shared a batch");
    assert_eq!(batches as u64, seen.position);
    assert_eq!(digest(core.state()), seen.answer);

    // The restarted engine goes on where it was.
    let running = run(core, journal, Options::default());
    let again = running
        .engine
        .submit(Actor::Console, 0, initialize())
        .await
        .expect("answered");
    assert!(again.answer != Answer::Initialized(Ok(())));
    assert_eq!(
        again.position, seen.position,
        "a refusal without an event rests on what was there"
    );
    assert_eq!(stop(running).await, StopReason::Asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_commands_are_decided_in_order_and_answered_together() {
    let running = run(Core::new(), MemoryJournal::new(), Options::default());
    let engine = running.engine.clone();
    let opening = vec![initialize(), add_operator()];
    let opened = engine
        .submit_many(Actor::Console, opening)
        .await
        .expect("answered");
    assert_eq!(
        opened.answer[1],
        Answer::Operator(Ok(Done::OperatorAdded(OperatorId(1))))
    );
    let commands: Vec<_> = (1..=3).map(add_merchant).collect();
    let added = engine
        .submit_many(Actor::Operator(OperatorId(1)), commands)
        .await
        .expect("answered");
    let expected: Vec<_> = (1..=3)
        .map(|id| Answer::Operator(Ok(Done::MerchantAdded(paytone_domain::ids::MerchantId(id)))))
        .collect();
    assert_eq!(added.answer, expected);
    assert_eq!(added.position, opened.position + 1, "one batch");
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_answered_before_it_is_durable_and_reads_wait_as_well() {
    let (journal, began, go_on) = gated();
    let running = run(Core::new(), journal, Options::default());
    let engine = running.engine.clone();
    let mut command = Box::pin(engine.submit(Actor::Console, 0, initialize()));
    let mut read = Box::pin(engine.read(|state, _| state.settings.is_some()));
    assert!(look_at(command.as_mut()).is_none());
    began.recv().expect("the append begins");
    // Asked while the row is on its way; the state it sees is not durable yet.
    assert!(look_at(read.as_mut()).is_none());
    assert!(look_at(command.as_mut()).is_none());
    assert_eq!(*engine.position().borrow(), 0);
    go_on.send(()).expect("the journal waits");
    assert_eq!(command.await.expect("answered").position, 1);
    let seen = read.await.expect("answered");
    assert_eq!((seen.answer, seen.position), (true, 1));
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_for_more_to_go_with_it_goes_though_nothing_comes() {
    const ROUNDS: u64 = 40;
    // An engine that waits for something to come looks up once a second.
    const PATIENCE: Duration = Duration::from_secs(ROUNDS / 2);
    let (journal, began, go_on) = gated();
    let running = run(Core::new(), journal, Options::default());
    let engine = running.engine.clone();
    let first = engine
        .ask(Actor::Console, 0, initialize())
        .expect("there is room");
    began.recv().expect("the append begins");
    go_on.send(()).expect("the journal waits");
    first.answered().await.expect("answered");
    let begun = Instant::now();
    for round in 0..ROUNDS {
        let some = (0..9).map(|place| line(round * 10 + place + 1)).collect();
        let some = engine
            .ask_many(Actor::Connector, some)
            .expect("there is room");
        began.recv().expect("the append begins");
        // One more while these are on their way; the read behind it tells when it has been decided.
        let one = engine
            .ask(Actor::Connector, 0, line(round * 10 + 10))
            .expect("there is room");
        let (entered, inside) = channel();
        let mut read = Box::pin(engine.read(move |_, _| {
            let _ = entered.send(());
        }));
        assert!(look_at(read.as_mut()).is_none());
        inside.recv().expect("the engine reads");
        go_on.send(()).expect("the journal waits");
        assert_eq!(some.answered().await.expect("answered").answer.len(), 9);
        began.recv().expect("the next append begins");
        go_on.send(()).expect("the journal waits");
        assert!(added(&one.answered().await.expect("answered").answer));
        read.await.expect("answered");
        assert!(begun.elapsed() < PATIENCE, "round {round}");
    }
    drop(go_on);
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_told_at_once_and_changes_nothing() {
    let (journal, began, go_on) = gated();
    let options = Options {
        queue: 2,
        batch_items: 1,
        ..Options::default()
    };
    let running = run(Core::new(), journal, options);
    let engine = running.engine.clone();
    let first = tokio::spawn({
        let engine = engine.clone();
        async move { engine.submit(Actor::Console, 0, initialize()).await }
    });
    began.recv().expect("the append begins");
    // The engine is held inside a read, so what comes now stays in the queue.
    let (entered, inside) = channel();
    let (leave, left) = channel::<()>();
    let mut held = Box::pin(engine.read(move |_, _| {
        let _ = entered.send(());
        let _ = left.recv();
    }));
    assert!(look_at(held.as_mut()).is_none());
    inside.recv().expect("the engine reads");
    let mut waiting = Vec::new();
    let overloaded = loop {
        let mut submit =
            Box::pin(engine.submit(Actor::Connector, 0, line(waiting.len() as u64 + 1)));
        match look_at(submit.as_mut()) {
            None => waiting.push(submit),
            Some(answered) => break answered,
        }
        assert!(waiting.len() <= 2, "the queue has room for two");
    };
    assert_eq!(overloaded.map(|_| ()), Err(EngineError::Overloaded));
    let taken = waiting.len();
    drop(leave);
    for _ in 0..=taken {
        go_on.send(()).expect("the journal waits");
    }
    assert!(first.await.expect("ends well").is_ok());
    held.await.expect("answered");
    for submit in waiting {
        assert!(added(&submit.await.expect("answered").answer));
    }
    let count = engine
        .read(|state, _| state.subscribers.len())
        .await
        .expect("answered");
    assert_eq!(count.answer, taken);
    drop(go_on);
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_of_which_nothing_is_known_is_repeated_and_happens_once() {
    let journal = MemoryJournal::new();
    for fault in [
        Fault::UnknownNotHappened,
        Fault::UnknownHappened,
        Fault::UnknownNotHappened,
    ] {
        journal.plan(fault);
    }
    let mut reader = journal.reopen();
    let running = run(Core::new(), journal, Options::default());
    let engine = running.engine.clone();
    let answered = engine
        .submit(Actor::Console, 0, initialize())
        .await
        .expect("answered");
    assert_eq!(answered.position, 1);
    let answered = engine
        .submit(Actor::Connector, 0, line(1))
        .await
        .expect("answered");
    assert_eq!(answered.position, 2);
    stop(running).await;
    let core = replay(&mut reader, |_, _| {}).await.expect("replays");
    assert_eq!(core.state().subscribers.len(), 1);
    assert_eq!(core.tip().map(|tip| tip.seq), Some(2));
}

/// Stops with `fault`; says why, and what became of the command that rested on it.
async fn stopped_by(fault: Fault) -> (StopReason, Result<Answer, EngineError>) {
    let journal = MemoryJournal::new();
    let observed = Arc::new(AtomicUsize::new(0));
    let running = start(
        Core::new(),
        journal.clone(),
        Options::default(),
        batch_ids(),
        {
            let observed = Arc::clone(&observed);
            move |_| {
                observed.fetch_add(1, Ordering::Relaxed);
            }
        },
    )
    .expect("threads start");
    let engine = running.engine.clone();
    let opened = engine.submit(Actor::Console, 0, initialize()).await;
    assert!(opened.is_ok());
    journal.plan(fault);
    let answer = engine.submit(Actor::Connector, 0, line(1)).await;
    let (stopped, thread) = running.into_parts();
    let reason = stopped.await.expect("a reason");
    thread.join().expect("the thread ends");
    let later = engine.read(|_, _| ()).await;
    assert_eq!(later.map(|_| ()), Err(EngineError::Stopped));
    assert_eq!(
        observed.load(Ordering::Relaxed),
        1,
        "nobody heard of the batch that failed"
    );
    (reason, answer.map(|answered| answered.answer))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_journal_stops_the_engine_and_nothing_that_rests_on_it_is_answered() {
    let (reason, answer) = stopped_by(Fault::Broken).await;
    assert!(
        matches!(&reason, StopReason::JournalBroken(why) if why.contains("sync failed")),
        "{reason:?}"
    );
    assert_eq!(answer, Err(EngineError::Stopped));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_lost_the_lead_stops_and_answers_nothing() {
    let (reason, answer) = stopped_by(Fault::Conflict).await;
    assert!(matches!(reason, StopReason::LostLead(_)), "{reason:?}");
    assert_eq!(answer, Err(EngineError::Stopped));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_makes_durable_what_was_decided_and_decides_nothing_more() {
    let (journal, began, go_on) = gated();
    let mut reader = journal.inner.reopen();
    let running = run(Core::new(), journal, Options::default());
    let engine = running.engine.clone();
    let mut decided = Box::pin(engine.submit(Actor::Console, 0, initialize()));
    assert!(look_at(decided.as_mut()).is_none());
    began.recv().expect("the append begins");
    engine.stop();
    let mut late = Box::pin(engine.submit(Actor::Connector, 0, line(1)));
    let early = look_at(late.as_mut());
    go_on.send(()).expect("the journal waits");
    assert!(decided.await.is_ok());
    let late = match early {
        Some(answered) => answered,
        None => late.await,
    };
    assert_eq!(late.map(|_| ()), Err(EngineError::Stopped));
    let (stopped, thread) = running.into_parts();
    assert_eq!(stopped.await, Ok(StopReason::Asked));
    thread.join().expect("the thread ends");
    let core = replay(&mut reader, |_, _| {}).await.expect("replays");
    assert_eq!(core.state().subscribers.len(), 0);
    assert!(core.state().settings.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_see_every_durable_batch_once_and_in_order() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let running = start(
        Core::new(),
        MemoryJournal::new(),
        Options::default(),
        batch_ids(),
        {
            let seen = Arc::clone(&seen);
            move |durable| {
                if let Ok(mut seen) = seen.lock() {
                    seen.push(durable.seq);
                }
            }
        },
    )
    .expect("threads start");
    let engine = running.engine.clone();
    let mut follower = engine.follow();
    engine
        .submit(Actor::Console, 0, initialize())
        .await
        .expect("answered");
    for place in 1..=9 {
        engine
            .submit(Actor::Connector, 0, line(place))
            .await
            .expect("answered");
    }
    let expected: Vec<u64> = (1..=10).collect();
    let mut followed = Vec::new();
    for _ in 0..expected.len() {
        followed.push(follower.recv().await.expect("a batch").seq);
    }
    assert_eq!(followed, expected);
    stop(running).await;
    assert_eq!(*seen.lock().expect("nobody panicked"), expected);
}

/// One look at a future: `None` if it still waits.
fn look_at<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}
