//! Several engines on one journal: who leads, what a lost lead leaves behind, and a journal that went back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use paytone_domain::{
    Actor, Answer, Command,
    ids::{KeyringFingerprint, OperatorId, Sealed},
    money::Currency,
    operator::{Operation, OperatorCommand, Role},
};
use paytone_engine::{
    Batch, Core, Engine, EngineError, Member, Options, Running, Standing, StopReason, digest, join,
    leadership, replay, snapshot,
};
use paytone_journal::{
    AppendError, Journal, JournalReader, MemoryJournal, ReadError, Row, Snapshots, Tip,
};
use tokio::sync::watch;

const TAKE_OVER_MS: i64 = 400;

/// Appends wait while it is shut: as those of a process that was stopped.
struct Gated {
    journal: MemoryJournal,
    open: watch::Receiver<bool>,
}

impl Journal for Gated {
    async fn append(&mut self, row: &Row) -> Result<(), AppendError> {
        drop(self.open.wait_for(|open| *open).await);
        self.journal.append(row).await
    }
}

impl JournalReader for Gated {
    async fn read(
        &mut self,
        after_seq: u64,
        limit_rows: usize,
        limit_bytes: usize,
    ) -> Result<Vec<Row>, ReadError> {
        self.journal.read(after_seq, limit_rows, limit_bytes).await
    }

    async fn last(&mut self) -> Result<Option<Tip>, ReadError> {
        self.journal.last().await
    }

    async fn size_bytes(&mut self) -> Result<u64, ReadError> {
        self.journal.size_bytes().await
    }
}

/// Remembers the first row that was read through it.
#[derive(Clone)]
struct Watched {
    journal: MemoryJournal,
    first_read: Arc<AtomicU64>,
}

impl JournalReader for Watched {
    async fn read(
        &mut self,
        after_seq: u64,
        limit_rows: usize,
        limit_bytes: usize,
    ) -> Result<Vec<Row>, ReadError> {
        self.first_read.fetch_min(after_seq + 1, Ordering::Relaxed);
        self.journal.read(after_seq, limit_rows, limit_bytes).await
    }

    async fn last(&mut self) -> Result<Option<Tip>, ReadError> {
        self.journal.last().await
    }

    async fn size_bytes(&mut self) -> Result<u64, ReadError> {
        self.journal.size_bytes().await
    }
}

struct Node {
    first_read: Arc<AtomicU64>,
    running: Running,
    gate: watch::Sender<bool>,
}

impl Node {
    fn start(name: &str, rank: u32, journal: &MemoryJournal) -> Self {
        Self::start_on(Core::new(), name, rank, journal, None)
    }

    fn start_on(
        core: Core,
        name: &str,
        rank: u32,
        journal: &MemoryJournal,
        snapshots: Option<Snapshots>,
    ) -> Self {
        Self::start_with(core, name, rank, journal, snapshots, Options::default())
    }

    fn start_with(
        core: Core,
        name: &str,
        rank: u32,
        journal: &MemoryJournal,
        snapshots: Option<Snapshots>,
        options: Options,
    ) -> Self {
        static BATCHES: AtomicU64 = AtomicU64::new(1);
        let (gate, open) = watch::channel(true);
        let gated = Gated {
            journal: journal.clone(),
            open,
        };
        let member = Member {
            node: name.to_owned(),
            leadership: leadership::Options {
                take_over_ms: TAKE_OVER_MS,
                rank,
            },
            snapshots,
        };
        let reader = Watched {
            journal: journal.clone(),
            first_read: Arc::new(AtomicU64::new(u64::MAX)),
        };
        let first_read = Arc::clone(&reader.first_read);
        let id = || u128::from(BATCHES.fetch_add(1, Ordering::Relaxed)).to_be_bytes();
        let running = join(core, gated, reader, member, options, id, |_| {});
        Self {
            first_read,
            running: running.expect("a thread"),
            gate,
        }
    }

    fn engine(&self) -> &Engine {
        &self.running.engine
    }

    async fn until(&self, wanted: Standing) {
        let mut standing = self.engine().standing();
        let reached = standing.wait_for(|now| *now == wanted);
        in_time(reached).await.expect("the engine is there");
    }

    /// Until this node has taken in `position`.
    async fn until_at(&self, position: u64) {
        let mut seen = self.engine().position();
        in_time(seen.wait_for(|now| *now >= position))
            .await
            .expect("the engine is there");
    }

    async fn operators(&self) -> (usize, u64) {
        let read = self.engine().read(|state, _| state.operators.by_id.len());
        let answered = in_time(read).await.expect("a node answers reads");
        (answered.answer, answered.position)
    }

    async fn digest(&self) -> [u8; 32] {
        let read = self.engine().read(|state, _| digest(state));
        in_time(read).await.expect("a node answers reads").answer
    }

    async fn stop(self) -> StopReason {
        self.running.engine.stop();
        in_time(self.running.stopped).await.expect("a reason")
    }
}

async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("it comes in time")
}

fn initialize() -> Command {
    Command::Initialize {
        currency: Currency::new("CNY", 2).expect("a currency"),
        zone: "UTC".to_owned(),
        cut_off_minutes: 0,
        keyring: KeyringFingerprint([0; 32]),
    }
}

fn adding(name: &str) -> Command {
    let operation = Operation::AddOperator {
        name: name.to_owned(),
        role: Role::Admin,
        password: Sealed::default(),
    };
    Command::Operator(OperatorCommand::Do(Box::new(operation)))
}

async fn add_operator(engine: &Engine, name: &str) -> Result<Answer, EngineError> {
    // The first one adds itself, and all others.
    let actor = match name {
        "two" => Actor::Operator(OperatorId(1)),
        _ => Actor::Console,
    };
    let answered = in_time(engine.submit(actor, 0, adding(name))).await?;
    Ok(answered.answer)
}

async fn began(journal: &MemoryJournal) -> Node {
    begin(Node::start("first", 0, journal)).await
}

async fn begin(first: Node) -> Node {
    first.until(Standing::Leads).await;
    let begun = in_time(first.engine().submit(Actor::Console, 0, initialize())).await;
    assert_eq!(begun.expect("it leads").answer, Answer::Initialized(Ok(())));
    first
}

fn follows(name: &str) -> Standing {
    Standing::Follows(Some(Arc::from(name)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_leads_and_the_others_show_what_it_made_durable() {
    let journal = MemoryJournal::new();
    let first = began(&journal).await;
    let second = Node::start("second", 1, &journal);
    second.until(follows("first")).await;
    add_operator(first.engine(), "one").await.expect("it leads");
    let (operators, position) = first.operators().await;
    assert_eq!(operators, 1);
    second.until_at(position).await;
    assert_eq!(second.operators().await.0, 1);
    assert_eq!(
        add_operator(second.engine(), "two").await,
        Err(EngineError::NotLeading)
    );
    assert!(!second.engine().may_act());

    // Who leaves says so, and the next one leads with all that was answered.
    assert_eq!(first.stop().await, StopReason::Asked);
    second.until(Standing::Leads).await;
    add_operator(second.engine(), "two")
        .await
        .expect("it leads now");
    assert_eq!(second.operators().await.0, 2);
    let digest_there = second.digest().await;
    assert_eq!(second.stop().await, StopReason::Asked);
    let core = replay(&mut journal.clone(), |_, _| {})
        .await
        .expect("sound");
    assert_eq!(digest(core.state()), digest_there);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_leader_wakes_up_to_follow_and_says_nothing_of_what_it_had_decided() {
    let journal = MemoryJournal::new();
    let first = began(&journal).await;
    let second = Node::start("second", 1, &journal);
    second.until(follows("first")).await;
    first.gate.send_replace(false);
    let engine = first.engine().clone();
    let lost = tokio::spawn(async move { add_operator(&engine, "lost").await });
    second.until(Standing::Leads).await;
    add_operator(second.engine(), "kept").await.expect("leads");
    assert!(!first.engine().may_act());
    // It still believes to lead; yet what it knows is told only with a row of its own, which there will not be.
    let engine = first.engine().clone();
    let stale = tokio::spawn(async move { engine.read(|state, _| state.settings.clone()).await });
    first.gate.send_replace(true);
    let lost = in_time(lost).await.expect("it ran");
    assert_eq!(lost, Err(EngineError::NotLeading));
    drop(in_time(stale).await);
    first.until(follows("second")).await;
    let (operators, position) = second.operators().await;
    assert_eq!(operators, 1);
    first.until_at(position).await;
    let read = first.engine().read(|state, _| {
        let named = |name: &str| state.operators.named(name).is_some();
        (named("kept"), named("lost"))
    });
    let answer = in_time(read).await.expect("it follows").answer;
    assert_eq!(answer, (true, false));
    assert_eq!(first.digest().await, second.digest().await);
    for node in [second, first] {
        assert_eq!(node.stop().await, StopReason::Asked);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_when_a_lead_is_lost_is_told_so() {
    let journal = MemoryJournal::new();
    // Most of what waits is taken out of the queue and not decided, as each is a batch of its own.
    let options = Options {
        batch_items: 1,
        ..Options::default()
    };
    let first = Node::start_with(Core::new(), "first", 0, &journal, None, options);
    let first = begin(first).await;
    add_operator(first.engine(), "one").await.expect("it leads");
    let second = Node::start("second", 1, &journal);
    second.until(follows("first")).await;
    first.gate.send_replace(false);
    let ask = |number| {
        let operator = adding(&format!("waits {number}"));
        first
            .engine()
            .ask(Actor::Operator(OperatorId(1)), 0, operator)
    };
    let waiting: Vec<_> = (0..100).map(ask).collect();
    second.until(Standing::Leads).await;
    add_operator(second.engine(), "two").await.expect("leads");
    first.gate.send_replace(true);
    for pending in waiting {
        let told = in_time(pending.expect("there is room").answered()).await;
        assert_eq!(told.err(), Some(EngineError::NotLeading));
    }
    for node in [second, first] {
        assert_eq!(node.stop().await, StopReason::Asked);
    }
}

/// One node leads, hangs with something decided, and wakes up when another leads: what it then reads of the journal to make its
/// state anew, with the newest of `damaged` snapshots spoilt.
async fn first_row_read_anew(damaged: bool) -> (u64, u64) {
    let journal = MemoryJournal::new();
    let snapshots = Snapshots::memory();
    let first = Node::start_on(Core::new(), "first", 0, &journal, Some(snapshots.clone()));
    first.until(Standing::Leads).await;
    let begun = in_time(first.engine().submit(Actor::Console, 0, initialize())).await;
    assert_eq!(begun.expect("it leads").answer, Answer::Initialized(Ok(())));
    let made = snapshot::make(&mut journal.clone(), &snapshots, |_| {}).await;
    let at = made.expect("a snapshot").listed.seq;
    if damaged {
        snapshots.damage(at);
    }
    let second = Node::start("second", 1, &journal);
    second.until(follows("first")).await;
    first.gate.send_replace(false);
    let engine = first.engine().clone();
    let lost = tokio::spawn(async move { add_operator(&engine, "lost").await });
    second.until(Standing::Leads).await;
    add_operator(second.engine(), "kept").await.expect("leads");
    first.first_read.store(u64::MAX, Ordering::Relaxed);
    first.gate.send_replace(true);
    let lost = in_time(lost).await.expect("it ran");
    assert_eq!(lost, Err(EngineError::NotLeading));
    first.until(follows("second")).await;
    let (operators, position) = second.operators().await;
    assert_eq!(operators, 1);
    first.until_at(position).await;
    assert_eq!(first.digest().await, second.digest().await);
    let read = first.first_read.load(Ordering::Relaxed);
    for node in [second, first] {
        assert_eq!(node.stop().await, StopReason::Asked);
    }
    (read, at)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_its_lead_makes_its_state_anew_from_a_snapshot() {
    let (read, at) = first_row_read_anew(false).await;
    assert!(at > 1);
    // The row that it was made at is looked up.
    assert_eq!(read, at);
    let (read, _) = first_row_read_anew(true).await;
    assert_eq!(read, 1, "a damaged one is of no use");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_went_back_stops_every_node_with_a_report() {
    let journal = MemoryJournal::new();
    let first = began(&journal).await;
    let second = Node::start("second", 1, &journal);
    second.until(follows("first")).await;
    add_operator(first.engine(), "one").await.expect("it leads");
    let (_, position) = first.operators().await;
    second.until_at(position).await;
    journal.lose_last(3);
    for node in [first, second] {
        let reason = in_time(node.running.stopped).await.expect("a reason");
        let StopReason::WentBack(report) = reason else {
            panic!("{reason:?}");
        };
        assert!(report.contains("the journal lacks it"), "{report}");
    }
}

/// What `journal` makes of a node that misses the last event that it holds so far.
async fn wrongly_made(journal: &MemoryJournal) -> Core {
    let mut core = Core::new();
    let rows = journal.clone().read(0, usize::MAX, usize::MAX).await;
    let mut rows = rows.expect("it can be read");
    let last = rows.iter_mut().rev().find_map(|row| {
        let batch = Batch::decode(&row.body).expect("a batch");
        (!batch.items.is_empty()).then_some((row, batch))
    });
    let (row, mut batch) = last.expect("something happened");
    batch.items.pop();
    row.body = batch.encode();
    for row in &rows {
        core.apply(row).expect("a batch");
    }
    core
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_compare_their_states_and_one_whose_differs_stops_with_a_report() {
    let journal = MemoryJournal::new();
    let first = began(&journal).await;
    add_operator(first.engine(), "one").await.expect("it leads");
    let wrong = wrongly_made(&journal).await;
    let second = Node::start("second", 1, &journal);
    let third = Node::start_on(wrong, "third", 2, &journal, None);
    let reason = in_time(third.running.stopped).await.expect("a reason");
    let StopReason::Differs(report) = reason else {
        panic!("{reason:?}");
    };
    assert!(
        report.contains("the state of this node differs from that of first"),
        "{report}"
    );
    // One that made it of the same rows goes on.
    let mut position = second.engine().position();
    while second.engine().compared().0 == 0 {
        in_time(position.changed()).await.expect("it runs");
    }
    let (_, at) = second.engine().compared();
    assert!(at <= *position.borrow());
    assert_eq!(second.engine().epoch(), first.engine().epoch());
    for node in [second, first] {
        assert_eq!(node.stop().await, StopReason::Asked);
    }
}
