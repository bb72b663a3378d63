//! One run: nodes, clients and faults from a seed, and what must hold. One piece: what clients do, what goes wrong and what
//! is checked are read side by side.

use std::collections::{BTreeMap, VecDeque};

use paytone_domain::{
    Actor, Answer, Command, Event, LEVEL, State,
    archive::ArchiveEvent,
    idempotency::Repeat,
    ids::{
        BodyHash, ClientKeyId, KeyringFingerprint, MerchantId, NumberHash, OperatorId, PaymentId,
        RepeatKey, Sealed,
    },
    merchant::{MerchantLimits, PricePlan},
    money::{Amount, Currency},
    operator::{Done, Operation, OperatorCommand, OperatorRefusal, Role},
    payment::{CaptureMode, PayerRef, PaymentCommand, PaymentRequest, Whose},
};
use paytone_engine::{Answered, Batch, Core, digest};
use paytone_journal::{Journal, JournalReader, MemoryJournal, Row, memory::Fault};

use super::{
    Mutation,
    archiving::Errand,
    node::{Around, Asked, Node, Phase, TAKE_OVER_MS, Told, Why, end, seen},
};
use crate::{
    Failure,
    archive::{Disk, Left},
    process::now as at_once,
    random::Random,
    violation::{Check, Checked, Violation, require},
};

const NODES: usize = 3;
/// 2026-11-20T00:00:00Z.
const BEGINNING: i64 = 1_795_132_800_000;
const LIMITS: MerchantLimits = MerchantLimits {
    payment: Amount::MAX,
    daily: Amount::MAX,
};
const TRACE_LINES: usize = 30;
/// Steps in which everything must have settled.
const SETTLING: u64 = 6_000;

/// What a run went through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub virtual_seconds: i64,
    pub rows: u64,
    pub answers: u64,
    pub take_overs: u64,
    /// How often something left memory, and how many payments came back.
    pub evictions: u64,
    pub recalled: u64,
    pub digest: [u8; 32],
}

#[derive(Clone)]
enum Kind {
    /// Under a key: may be sent again, and has an amount of its own.
    Pay(Amount),
    /// Of a payment that was told to be there; under a key as well.
    Cancel,
    /// Sent once; what became of it may stay unknown.
    AddMerchant,
    /// Of a merchant that was told to be there.
    Name,
    Read,
}

struct Request {
    kind: Kind,
    asks: Option<(Actor, Command)>,
    told: Option<Answer>,
    /// The latest position that anybody had been told of when it was first sent.
    after: u64,
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Settles,
    GoesBack,
    LaterRelease,
}

impl End {
    fn of(seed: u64) -> Self {
        match seed % 4 {
            0 => Self::GoesBack,
            2 => Self::LaterRelease,
            _ => Self::Settles,
        }
    }
}

pub struct World {
    pub random: Random,
    pub mutation: Option<Mutation>,
    pub now: i64,
    step: u64,
    journal: MemoryJournal,
    pub nodes: Vec<Node>,
    /// Of the archive, which all nodes share.
    pub disk: Disk,
    /// Between a node and the disk, and when it is done.
    pub errands: Vec<(i64, usize, Errand)>,
    left: Left,
    recalled: u64,
    /// Payments that somebody was told of.
    payments: Vec<PaymentId>,
    requests: Vec<Request>,
    merchants: Vec<MerchantId>,
    /// Appends that are still on their way although whoever sent them hangs or is gone.
    late: Vec<(i64, Row)>,
    /// Follows every row at once, and knows what was to be seen at each position.
    truth: Core,
    shown: BTreeMap<u64, (usize, usize)>,
    /// The journal lost its last rows: it has those up to here.
    kept: Option<u64>,
    lost_at: i64,
    /// Who had taken in what was lost.
    ahead: Vec<usize>,
    answers: u64,
    /// The latest position that anybody was told of.
    told_of: u64,
    trace: VecDeque<String>,
}

/// Runs `steps` steps with faults, then without; one run in four ends with a journal that went back instead, one with
/// a leader of a later release.
pub fn run(seed: u64, steps: u64, mutation: Option<Mutation>) -> Result<Report, Box<Failure>> {
    let mut world = World::new(seed, mutation);
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        world.play(steps, End::of(seed))
    }));
    let result = played.unwrap_or_else(|panic| {
        let detail = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default();
        Err(Violation {
            check: Check::Panic,
            detail,
        })
    });
    match result {
        Ok(()) => Ok(world.report()),
        Err(violation) => Err(Box::new(Failure {
            seed,
            step: world.step,
            violation,
            trace: world.trace.into_iter().collect(),
        })),
    }
}

impl World {
    fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        Self {
            random: Random::new(seed),
            mutation,
            now: 0,
            step: 0,
            journal: MemoryJournal::new(),
            nodes: (0..NODES).map(|rank| Node::new(rank as u32)).collect(),
            disk: Disk::default(),
            errands: Vec::new(),
            left: Left::default(),
            recalled: 0,
            payments: Vec::new(),
            requests: Vec::new(),
            merchants: Vec::new(),
            late: Vec::new(),
            truth: Core::new(),
            shown: BTreeMap::from([(0, seen(&State::default()))]),
            kept: None,
            lost_at: 0,
            ahead: Vec::new(),
            answers: 0,
            told_of: 0,
            trace: VecDeque::new(),
        }
    }

    fn play(&mut self, steps: u64, end: End) -> Checked {
        for node in 0..NODES {
            self.with_node(node, |node, around| {
                node.start(around);
                Vec::new()
            })?;
        }
        let opening = [
            (
                Actor::Console,
                Command::Initialize {
                    currency: Currency::new("CNY", 2).expect("three capitals"),
                    zone: "UTC".to_owned(),
                    cut_off_minutes: 0,
                    keyring: KeyringFingerprint([1; 32]),
                },
            ),
            (
                Actor::Console,
                operation(Operation::AddOperator {
                    name: "first".to_owned(),
                    role: Role::Admin,
                    password: Sealed::default(),
                }),
            ),
            (Actor::Operator(OperatorId(1)), add_merchant(1_000)),
        ];
        for (actor, command) in opening {
            let id = self.ask(Kind::AddMerchant, Some((actor, command)));
            let last = self.step + SETTLING;
            while self.requests[id].told.is_none() {
                let leader = self.nodes.iter().position(Node::leads);
                if let Some(leader) = leader
                    && self.nodes[leader].inbox.is_empty()
                {
                    self.deliver(leader, id);
                }
                self.turn()?;
                require(self.step < last, Check::Settled, || {
                    "nobody leads".to_owned()
                })?;
            }
        }
        while self.step < steps {
            self.clients();
            self.fault()?;
            self.turn()?;
        }
        match end {
            End::Settles => self.settle(),
            End::GoesBack => self.go_back(),
            End::LaterRelease => self.later_release(),
        }
    }

    fn with_node(
        &mut self,
        place: usize,
        turn: impl FnOnce(&mut Node, &mut Around<'_>) -> Vec<Answered<Told>>,
    ) -> Checked {
        let mut around = Around {
            now: self.now,
            wall: BEGINNING + self.now,
            journal: &self.journal,
            random: &mut self.random,
            mutation: self.mutation,
            disk: &self.disk,
        };
        let out = turn(&mut self.nodes[place], &mut around);
        let differs = matches!(self.nodes[place].phase, Phase::Stopped(Why::Differs));
        require(!differs, Check::Differs, || {
            format!("node {place} has another state than the leader")
        })?;
        self.observe()?;
        for answered in out {
            self.hear(place, answered)?;
        }
        Ok(())
    }

    /// A little later, one node does what its threads do.
    fn turn(&mut self) -> Checked {
        self.step += 1;
        self.now += self.random.between(1, 12);
        let now = self.now;
        let (due, late) = self.late.drain(..).partition(|(at, _)| *at <= now);
        self.late = late;
        let due: Vec<(i64, Row)> = due;
        for (_, row) in due {
            drop(at_once(self.journal.clone().append(&row)));
        }
        self.errands()?;
        let place = self.random.below(NODES);
        self.with_node(place, Node::turn)
    }

    fn ask(&mut self, kind: Kind, asks: Option<(Actor, Command)>) -> usize {
        self.requests.push(Request {
            kind,
            asks,
            told: None,
            after: self.told_of,
        });
        self.requests.len() - 1
    }

    pub fn deliver(&mut self, place: usize, id: usize) {
        let asks = self.requests[id].asks.clone();
        let looked = self.look(place, asks.as_ref());
        let asked = Asked::Client(id, asks, looked);
        let node = &mut self.nodes[place];
        node.inbox.push_back(asked);
        // Of those who ask a node that hangs, who has waited longest gives up.
        if self.now < node.hung_until && node.inbox.len() > 3 {
            node.inbox.pop_front();
        }
    }

    fn clients(&mut self) {
        if !self.random.chance(40) {
            return;
        }
        let first = self.merchants.first().copied();
        let id = match self.random.below(13) {
            0..=3 => {
                let Some(merchant) = first else { return };
                let amount = Amount::clamped(self.requests.len() as i64 + 1);
                let request = PaymentRequest {
                    merchant,
                    payer: PayerRef::Number(NumberHash([7; 16])),
                    amount,
                    whose: Whose::Own,
                    capture: CaptureMode::Automatic,
                    text: Sealed::default(),
                    reference_hash: None,
                    expires_in_seconds: Some(900),
                    entropy: self.random.number(),
                    repeat: Repeat::new(
                        RepeatKey(self.random.bytes()),
                        BodyHash(self.random.bytes()),
                    ),
                };
                let actor = Actor::Client(merchant, ClientKeyId(1));
                let command = Command::Payment(PaymentCommand::Request(Box::new(request)));
                self.ask(Kind::Pay(amount), Some((actor, command)))
            }
            4 => {
                let subject = 2_000 + self.requests.len() as u64;
                let actor = Actor::Operator(OperatorId(1));
                self.ask(Kind::AddMerchant, Some((actor, add_merchant(subject))))
            }
            5 | 6 => {
                let Some(merchant) = self.merchants.last().copied() else {
                    return;
                };
                // Nothing changes by it: an answer without an event, unless the merchant is unknown here.
                let command = operation(Operation::SetMerchantLimits {
                    merchant,
                    limits: LIMITS,
                });
                let actor = Actor::Operator(OperatorId(1));
                self.ask(Kind::Name, Some((actor, command)))
            }
            7 => self.ask(Kind::Read, None),
            8 | 9 => {
                // Often one of long ago.
                let place = self.random.below(self.payments.len());
                let (Some(id), Some(merchant)) = (self.payments.get(place).copied(), first) else {
                    return;
                };
                let repeat = Repeat::new(
                    RepeatKey(self.random.bytes()),
                    BodyHash(self.random.bytes()),
                );
                let command = PaymentCommand::Cancel {
                    merchant,
                    id,
                    repeat,
                };
                let actor = Actor::Client(merchant, ClientKeyId(1));
                self.ask(Kind::Cancel, Some((actor, Command::Payment(command))))
            }
            _ => {
                let id = self.random.below(self.requests.len());
                match self.requests.get(id).map(|request| &request.kind) {
                    Some(Kind::Pay(_) | Kind::Cancel) => id,
                    _ => return,
                }
            }
        };
        if matches!(self.requests[id].kind, Kind::Name) {
            // Asked of all, as whoever answers must know it.
            for place in 0..NODES {
                self.deliver(place, id);
            }
            return;
        }
        let times = if self.random.chance(5) { 2 } else { 1 };
        for _ in 0..times {
            let place = self.random.below(NODES);
            self.deliver(place, id);
        }
    }

    fn fault(&mut self) -> Checked {
        if self.random.number().is_multiple_of(40) {
            self.journal.plan(if self.random.chance(50) {
                Fault::UnknownHappened
            } else {
                Fault::UnknownNotHappened
            });
        }
        let now = self.now;
        let standing =
            |node: &Node| matches!(node.phase, Phase::Standing(..)) && node.hung_until <= now;
        let standing = self.nodes.iter().position(standing);
        let often = if standing.is_some() { 4 } else { 200 };
        if !self.random.number().is_multiple_of(often) {
            return Ok(());
        }
        let place = if let Some(standing) = standing {
            standing
        } else if self.random.chance(70) {
            self.nodes.iter().position(Node::leads).unwrap_or(0)
        } else {
            self.random.below(NODES)
        };
        let under_way = match &self.nodes[place].phase {
            Phase::Leading(_, row) => row.clone(),
            Phase::Standing(_, row) => Some(row.clone()),
            Phase::Down | Phase::Following(_) | Phase::Stopped(_) => None,
        };
        if let Some(row) = under_way
            && self.random.chance(50)
        {
            // Soon enough that nobody else has stood yet, or at any time.
            let soon = standing.is_some() && self.random.chance(70);
            let most = if soon { 40 } else { 2 * TAKE_OVER_MS };
            let at = self.now + self.random.between(1, most);
            self.late.push((at, row));
        }
        if self.random.chance(10) {
            let ms = self.random.between(-60_000, 60_000);
            self.nodes[place].clock_jumps(ms);
            self.note(format!("the clock of node {place} jumps by {ms} ms"));
            return Ok(());
        }
        if matches!(self.nodes[place].phase, Phase::Down) {
            self.note(format!("node {place} starts"));
            return self.with_node(place, |node, around| {
                node.start(around);
                Vec::new()
            });
        }
        if self.random.chance(70) {
            let most = if standing.is_some() { 5 } else { 3 };
            let hangs = self.random.between(100, most * TAKE_OVER_MS);
            self.nodes[place].hung_until = self.now + hangs;
            self.note(format!("node {place} hangs for {hangs} ms"));
        } else {
            self.nodes[place].phase = Phase::Down;
            self.nodes[place].inbox.clear();
            self.note(format!("node {place} crashes"));
        }
        Ok(())
    }

    fn note(&mut self, line: String) {
        if self.trace.len() == TRACE_LINES {
            self.trace.pop_front();
        }
        self.trace.push_back(format!("{:>9} ms  {line}", self.now));
    }

    /// The observer takes in what is durable.
    fn observe(&mut self) -> Checked {
        if self.kept.is_some() {
            return Ok(());
        }
        let after = self.truth.tip().map_or(0, |tip| tip.seq);
        let rows = at_once(self.journal.clone().read(after, usize::MAX, usize::MAX));
        for row in rows.and_then(Result::ok).unwrap_or_default() {
            let wrong = |error: paytone_engine::BatchError| Violation {
                check: Check::Journal,
                detail: error.to_string(),
            };
            let batch = Batch::decode(&row.body).map_err(wrong)?;
            self.disk.check(self.truth.state(), &self.left, &batch)?;
            for event in batch.items.iter().flat_map(|item| &item.events) {
                self.left.add(self.truth.state().leaving(event));
                if let Event::Archive(ArchiveEvent::Recalled { copy }) = event {
                    self.left.returned(copy.payment.id);
                    self.recalled += 1;
                }
            }
            let batch = self.truth.apply(&row).map_err(wrong)?;
            self.shown.insert(row.seq, seen(self.truth.state()));
            self.note(format!(
                "row {} epoch {}: {} items {:?}",
                row.seq,
                row.epoch,
                batch.items.len(),
                batch.note
            ));
        }
        Ok(())
    }

    /// A client hears an answer.
    fn hear(&mut self, place: usize, answered: Answered<Told>) -> Checked {
        let Answered { answer, position } = answered;
        if let Some(kept) = self.kept {
            // What was under way a moment ago may still be told.
            let speaks = self.ahead.contains(&place) && self.now > self.lost_at + TAKE_OVER_MS;
            return require(!speaks, Check::Journal, || {
                format!("node {place} tells of position {position}, the journal had {kept}")
            });
        }
        self.answers += 1;
        self.told_of = self.told_of.max(position);
        match answer {
            Told::Seen {
                request,
                by_leader,
                counts: told,
            } => {
                let after = self.requests[request].after;
                require(!by_leader || position >= after, Check::Answered, || {
                    format!(
                        "node {place} leads and showed {position}, somebody had been told of {after}"
                    )
                })?;
                // A leader looks between the items of a batch, too.
                let at = |seq: u64| self.shown.get(&seq).copied();
                let (least, most) = (at(position.saturating_sub(1)), at(position));
                let follows = |(less, more): ((usize, usize), (usize, usize))| {
                    less.0 <= more.0 && less.1 <= more.1
                };
                let holds = least.is_some_and(|least| follows((least, told)))
                    && most.is_some_and(|most| follows((told, most)));
                require(holds, Check::Answered, || {
                    format!("node {place} showed {told:?} at {position}, which has {most:?}")
                })
            }
            Told::Answer(id, answer) => self.heard(place, id, answer, position),
            Told::Gone(id, gone, as_of) => {
                self.fetches(place, id, gone, as_of);
                Ok(())
            }
            Told::Again(id) => {
                self.deliver(place, id);
                Ok(())
            }
            Told::Leaving(leaving) => {
                self.writes(place, leaving);
                Ok(())
            }
            Told::Archived => Ok(()),
        }
    }

    fn heard(&mut self, place: usize, id: usize, answer: Answer, position: u64) -> Checked {
        let durable = self.truth.tip().map_or(0, |tip| tip.seq);
        require(position <= durable, Check::Journal, || {
            format!("node {place} answered at {position} when {durable} is durable")
        })?;
        match &self.requests[id].kind {
            Kind::Pay(_) | Kind::Cancel => {
                if let Some(told) = &self.requests[id].told {
                    require(*told == answer, Check::Keys, || {
                        format!("node {place}: {told:?} became {answer:?}")
                    })?;
                }
                if let Answer::Payment(Ok(facts)) = &answer {
                    let is_there = self.truth.state().payments.contains_key(&facts.id)
                        || self.left.get(facts.id).is_some();
                    require(is_there, Check::Answered, || {
                        format!("node {place} told of {facts:?}, which is not in the journal")
                    })?;
                    if self.requests[id].told.is_none()
                        && matches!(self.requests[id].kind, Kind::Pay(_))
                    {
                        self.payments.push(facts.id);
                    }
                }
            }
            Kind::AddMerchant => {
                if let Answer::Operator(Ok(Done::MerchantAdded(merchant))) = &answer {
                    let is_there = self.truth.state().merchants.get(*merchant).is_some();
                    require(is_there, Check::Answered, || {
                        format!("node {place} told of {merchant:?}, which is not in the journal")
                    })?;
                    self.merchants.push(*merchant);
                }
            }
            Kind::Name => {
                let unknown = answer == Answer::Operator(Err(OperatorRefusal::NotFound));
                require(!unknown, Check::Answered, || {
                    format!("node {place} does not know a merchant that was told of")
                })?;
            }
            Kind::Read => {}
        }
        self.requests[id].told = Some(answer);
        Ok(())
    }

    /// No more faults: one leads, all have one state, and every key has one answer and one effect.
    fn settle(&mut self) -> Checked {
        self.late.clear();
        for place in 0..NODES {
            self.nodes[place].hung_until = 0;
            if matches!(self.nodes[place].phase, Phase::Down) {
                self.with_node(place, |node, around| {
                    node.start(around);
                    Vec::new()
                })?;
            }
        }
        let last = self.step + SETTLING;
        while self.step < last {
            if let Some(leader) = self.nodes.iter().position(Node::leads)
                && self.random.chance(30)
            {
                let id = self.random.below(self.requests.len());
                if matches!(self.requests[id].kind, Kind::Pay(_)) {
                    self.deliver(leader, id);
                }
            }
            self.turn()?;
        }
        let mut amounts: BTreeMap<i64, u32> = BTreeMap::new();
        for payment in self.left.whole(self.truth.state()).payments.values() {
            *amounts.entry(payment.amount.minor()).or_default() += 1;
        }
        for request in &self.requests {
            let Kind::Pay(amount) = request.kind else {
                continue;
            };
            let times = amounts.get(&amount.minor()).copied().unwrap_or(0);
            let paid = matches!(request.told, Some(Answer::Payment(Ok(_))));
            require(times <= 1 && (!paid || times == 1), Check::Keys, || {
                format!("{amount:?} was asked for once and is there {times} times")
            })?;
        }
        let leading = self.nodes.iter().filter(|node| node.leads()).count();
        require(leading == 1, Check::Settled, || {
            format!("{leading} nodes lead")
        })?;
        self.same_states()
    }

    fn same_states(&mut self) -> Checked {
        // The leader's state may be ahead; what the others have is compared where they are.
        for place in 0..NODES {
            let Phase::Following(core) = &self.nodes[place].phase else {
                continue;
            };
            let wanted = core.tip().map_or(0, |tip| tip.seq);
            let mut replayed = Core::new();
            let rows = at_once(self.journal.clone().read(0, usize::MAX, usize::MAX));
            let rows = rows.and_then(Result::ok).unwrap_or_default();
            for row in rows.iter().filter(|row| row.seq <= wanted) {
                drop(replayed.apply(row));
            }
            let same = digest(core.state()) == digest(replayed.state());
            require(same, Check::Replay, || {
                format!("node {place} at {wanted} has another state than the journal makes")
            })?;
            let behind = end(&self.journal).map_or(0, |tip| tip.seq) - wanted;
            require(behind <= 64, Check::Settled, || {
                format!("node {place} is {behind} rows behind")
            })?;
        }
        let Some(leader) = self.nodes.iter().position(Node::leads) else {
            return Ok(());
        };
        // Its state must be what the journal makes, too: let it finish, then look.
        for _ in 0..SETTLING {
            if let Phase::Leading(pipeline, None) = &self.nodes[leader].phase
                && !pipeline.has_open_batch()
            {
                let same = digest(pipeline.state()) == digest(self.truth.state());
                return require(same, Check::Replay, || {
                    "the leader has another state than the journal makes".to_owned()
                });
            }
            self.turn()?;
        }
        Ok(())
    }

    /// A failover underneath loses the last rows.
    fn go_back(&mut self) -> Checked {
        self.late.clear();
        let lost = 1 + self.random.below(3);
        self.journal.lose_last(lost);
        let kept = end(&self.journal).map_or(0, |tip| tip.seq);
        self.note(format!("the journal loses {lost} rows and ends at {kept}"));
        self.kept = Some(kept);
        self.lost_at = self.now;
        let took = |node: &Node| match &node.phase {
            Phase::Leading(pipeline, _) => pipeline.durable().map_or(0, |tip| tip.seq),
            _ => node.tip().map_or(0, |tip| tip.seq),
        };
        let took_more = |place: &usize| took(&self.nodes[*place]) > kept;
        self.ahead = (0..NODES).filter(took_more).collect();
        for node in &mut self.nodes {
            node.hung_until = 0;
        }
        for _ in 0..SETTLING {
            self.turn()?;
        }
        for place in self.ahead.clone() {
            let stopped = matches!(self.nodes[place].phase, Phase::Stopped(Why::WentBack));
            // Whoever had sent the last row and did not know what became of it has sent it once more: then nothing is missing.
            let last = self.truth.tip();
            let row = last.and_then(|tip| {
                let mut journal = self.journal.clone();
                let read = journal.read(tip.seq - 1, 1, usize::MAX);
                at_once(read).and_then(Result::ok)?.pop()
            });
            let is_back = row.map(|row| row.tip()) == last;
            require(stopped || is_back, Check::Journal, || {
                format!("node {place} goes on after rows that it took in were lost")
            })?;
        }
        Ok(())
    }

    /// A node of a later release takes the lead and writes what these nodes do not know: each stops, and none leads any more.
    fn later_release(&mut self) -> Checked {
        self.late.clear();
        for node in &mut self.nodes {
            node.hung_until = 0;
        }
        let last = end(&self.journal);
        let batch = Batch {
            moment: *self.truth.moment(),
            level: LEVEL + 1,
            items: Vec::new(),
            note: None,
        };
        let epoch = last.map_or(1, |tip| tip.epoch + 1);
        let row = Row::seal(last, epoch, self.random.bytes(), batch.encode());
        // Nothing that was planned to go wrong befalls this append.
        while at_once(self.journal.clone().append(&row)) != Some(Ok(())) {}
        self.note(format!("row {} is of a later release", row.seq));
        self.kept = Some(row.seq);
        self.lost_at = self.now;
        for _ in 0..SETTLING {
            self.turn()?;
        }
        for place in 0..NODES {
            let why = match &self.nodes[place].phase {
                Phase::Down => continue,
                Phase::Stopped(why) => Some(*why),
                _ => None,
            };
            require(why == Some(Why::LaterRelease), Check::Journal, || {
                format!("node {place} goes on over events that it cannot read: {why:?}")
            })?;
        }
        let after = end(&self.journal).map(|tip| tip.seq);
        require(after == Some(row.seq), Check::Journal, || {
            format!(
                "a node that cannot read row {} wrote up to {after:?}",
                row.seq
            )
        })
    }

    fn report(&self) -> Report {
        Report {
            virtual_seconds: self.now / 1_000,
            rows: self.truth.tip().map_or(0, |tip| tip.seq),
            answers: self.answers,
            take_overs: self.truth.tip().map_or(0, |tip| tip.epoch),
            evictions: self.truth.state().archive.evictions,
            recalled: self.recalled,
            digest: digest(self.truth.state()),
        }
    }
}

fn operation(operation: Operation) -> Command {
    Command::Operator(OperatorCommand::Do(Box::new(operation)))
}

fn add_merchant(subject: u64) -> Command {
    operation(Operation::AddMerchant {
        subject,
        name: Sealed::default(),
        category: 5_411,
        limits: LIMITS,
        plan: PricePlan {
            version: 1,
            fee_basis_points: 60,
            fee_fixed: Amount::ZERO,
            tax_basis_points: 0,
        },
    })
}
