//! One node: what its threads do in production, one turn at a time. One piece: each turn is a few lines, and all share what a node
//! holds.

use std::collections::VecDeque;

use paytone_domain::{
    Actor, Answer, Command, Event, State,
    archive::{ArchiveCommand, Gone},
    time::Timestamp,
};
use paytone_engine::{
    Answered, Batch, Core, LeadNote, Pipeline, Says, digest_of_part,
    leadership::{Glance, Input, Leadership, Options, Output, Role, Uptime, glance},
};
use paytone_journal::{
    AppendError, ChainVerifier, Journal, JournalReader, MemoryJournal, Row, Tip,
};

use super::{
    Mutation,
    archiving::{Looked, told_before},
};
use crate::{
    archive::{Disk, Leaving},
    process::now as at_once,
    random::Random,
};

pub const TAKE_OVER_MS: i64 = 2_000;
const BATCH_ITEMS: usize = 6;

/// What waits for a node.
pub enum Asked {
    /// A request, by its number, with what the edge found; a read has no command.
    Client(usize, Option<(Actor, Command)>, Looked),
    /// Of the archiver, or so that something that left is there for what comes next.
    Archive(ArchiveCommand),
}

/// What leaves a node: of which request, and what a read saw.
#[derive(Clone, Debug)]
pub enum Told {
    Answer(usize, Answer),
    /// Payments that there ever were, and merchants.
    Seen {
        request: usize,
        by_leader: bool,
        counts: (usize, usize),
    },
    /// What a request is about has left memory, and was not there at that engine time.
    Gone(usize, Gone, Timestamp),
    /// The edge is to look again.
    Again(usize),
    /// For the archiver: what may leave.
    Leaving(Box<Leaving>),
    /// For the archiver, which looks again whatever became of it.
    Archived,
}

pub enum Phase {
    Down,
    Following(Box<Core>),
    /// With the row that begins its lead.
    Standing(Box<Core>, Row),
    /// With the row in flight.
    Leading(Box<Pipeline<Told>>, Option<Row>),
    Stopped(Why),
}

/// Why a node decides and says nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The journal lacks what it took in.
    WentBack,
    /// A row is of a release that it does not know.
    LaterRelease,
    /// Its state is not the leader's.
    Differs,
    /// The journal failed.
    Broken,
}

pub struct Node {
    pub phase: Phase,
    pub leadership: Leadership,
    pub inbox: VecDeque<Asked>,
    /// Does nothing until then, and does not know it.
    pub hung_until: i64,
    /// Its clocks: from any beginning, and wrong.
    pub uptime_ms: i64,
    pub skew_ms: i64,
    name: String,
    rank: u32,
    /// Of the state it shows next.
    part: u64,
}

/// What a turn needs of the world.
pub struct Around<'w> {
    pub now: i64,
    pub wall: i64,
    pub journal: &'w MemoryJournal,
    pub random: &'w mut Random,
    pub mutation: Option<Mutation>,
    pub disk: &'w Disk,
}

fn rows(journal: &MemoryJournal, after: u64) -> Vec<Row> {
    let read = at_once(journal.clone().read(after, 8, usize::MAX));
    read.and_then(Result::ok).unwrap_or_default()
}

pub fn end(journal: &MemoryJournal) -> Option<Tip> {
    at_once(journal.clone().last())
        .and_then(Result::ok)
        .flatten()
}

pub fn seen(state: &State) -> (usize, usize) {
    let ever = usize::try_from(state.next_numbers()[0]).unwrap_or(usize::MAX);
    (ever, state.merchants.len())
}

impl Node {
    pub fn new(rank: u32) -> Self {
        Self {
            phase: Phase::Down,
            leadership: Leadership::new(options(rank), Uptime(0)),
            inbox: VecDeque::new(),
            hung_until: 0,
            uptime_ms: 0,
            skew_ms: 0,
            name: format!("node {rank}"),
            rank,
            part: 0,
        }
    }

    pub fn start(&mut self, around: &mut Around<'_>) {
        self.uptime_ms = around.random.between(-1_000_000, 1_000_000);
        self.skew_ms = around.random.between(-1_000, 1_000);
        self.inbox.clear();
        self.hung_until = 0;
        self.leadership = Leadership::new(options(self.rank), self.uptime(around.now));
        self.phase = Phase::Following(Box::new(Core::new()));
    }

    /// A node that was suspended sees it by its wall clock alone.
    pub fn clock_jumps(&mut self, ms: i64) {
        self.skew_ms += ms;
        self.uptime_ms += ms.max(0);
    }

    pub fn tip(&self) -> Option<Tip> {
        match &self.phase {
            Phase::Following(core) | Phase::Standing(core, _) => core.tip(),
            Phase::Down | Phase::Leading(..) | Phase::Stopped(_) => None,
        }
    }

    pub fn leads(&self) -> bool {
        matches!(self.phase, Phase::Leading(..))
    }

    fn uptime(&self, now: i64) -> Uptime {
        Uptime(now + self.uptime_ms)
    }

    fn note(&self, says: Says) -> LeadNote {
        LeadNote {
            node: self.name.clone(),
            says,
            shows: None,
        }
    }

    /// One turn; gives back what leaves, each with the position it rests on.
    pub fn turn(&mut self, around: &mut Around<'_>) -> Vec<Answered<Told>> {
        if around.now < self.hung_until {
            return Vec::new();
        }
        match std::mem::replace(&mut self.phase, Phase::Down) {
            Phase::Down => Vec::new(),
            Phase::Stopped(why) => {
                self.phase = Phase::Stopped(why);
                self.inbox.clear();
                Vec::new()
            }
            Phase::Following(core) => self.follow(around, core),
            Phase::Standing(core, row) => self.stand(around, core, row),
            Phase::Leading(pipeline, row) => self.lead(around, pipeline, row),
        }
    }

    /// Answers the reads among the first `most` that wait; whoever wanted something decided is told to ask elsewhere.
    fn reads(&mut self, core: &Core, most: usize) -> Vec<Answered<Told>> {
        let position = core.tip().map_or(0, |tip| tip.seq);
        let reads =
            self.inbox
                .drain(..most.min(self.inbox.len()))
                .filter_map(|asked| match asked {
                    Asked::Client(id, None, _) => Some(id),
                    Asked::Client(_, Some(_), _) | Asked::Archive(_) => None,
                });
        reads
            .map(|id| Answered {
                answer: Told::Seen {
                    request: id,
                    by_leader: false,
                    counts: seen(core.state()),
                },
                position,
            })
            .collect()
    }

    fn take(&mut self, around: &mut Around<'_>, core: &mut Core, row: &Row) -> Result<(), Why> {
        let batch = match core.apply(&self.misread(around, row)) {
            Ok(batch) => batch,
            Err(_) if around.mutation == Some(Mutation::SkipUnknownEvents) => {
                let mut empty = Batch::decode(
                    &Core::new()
                        .first_row(Timestamp(around.wall), row.batch_id, self.note(Says::Lives))
                        .body,
                )
                .expect("a batch of this release");
                empty.moment = *core.moment();
                let body = empty.encode();
                core.apply(&Row {
                    body,
                    ..row.clone()
                })
                .expect("a batch of this release")
            }
            Err(_) => return Err(Why::LaterRelease),
        };
        if let Some(shown) = batch.note.as_ref().and_then(|note| note.shows) {
            let own = digest_of_part(core.state(), shown.part, shown.parts);
            if own != shown.digest {
                return Err(Why::Differs);
            }
        }
        let says = batch.note.map(|note| note.says);
        let now = self.uptime(around.now);
        self.leadership.step(now, Input::Took(says));
        Ok(())
    }

    /// The row as this node reads it: a bug may make it miss an event.
    fn misread(&self, around: &mut Around<'_>, row: &Row) -> Row {
        let mut row = row.clone();
        if around.mutation == Some(Mutation::FollowerMissesEvent)
            && around.random.chance(2)
            && let Ok(mut batch) = Batch::decode(&row.body)
            && let Some(item) = batch.items.last_mut()
        {
            item.events
                .retain(|event| !matches!(event, Event::Repeat(_)));
            row.body = batch.encode();
        }
        row
    }

    fn follow(&mut self, around: &mut Around<'_>, mut core: Box<Core>) -> Vec<Answered<Told>> {
        let out = self.reads(&core, usize::MAX);
        let began = self.uptime(around.now);
        if around.random.chance(4) {
            // The journal could not be read.
            self.phase = Phase::Following(core);
            return out;
        }
        match glance(core.tip(), end(around.journal)) {
            Glance::Same => {
                if self.leadership.step(began, Input::Quiet { began }) == Some(Output::Stand) {
                    let wall = Timestamp(around.wall + self.skew_ms);
                    let id = around.random.bytes();
                    let row = core.first_row(wall, id, self.note(Says::Leads));
                    self.leadership.step(began, Input::Sent { names: true });
                    self.phase = Phase::Standing(core, row);
                    return out;
                }
            }
            Glance::More => {
                let mut chain = ChainVerifier::after(core.tip());
                for row in rows(around.journal, core.tip().map_or(0, |tip| tip.seq)) {
                    if chain.accept(&row).is_err()
                        && around.mutation != Some(Mutation::GoOnAfterWentBack)
                    {
                        self.phase = Phase::Stopped(Why::WentBack);
                        return Vec::new();
                    }
                    if let Err(why) = self.take(around, &mut core, &row) {
                        self.phase = Phase::Stopped(why);
                        return Vec::new();
                    }
                }
            }
            Glance::Less if around.mutation == Some(Mutation::GoOnAfterWentBack) => {}
            Glance::Less => {
                self.phase = Phase::Stopped(Why::WentBack);
                return Vec::new();
            }
        }
        self.phase = Phase::Following(core);
        out
    }

    /// Whether the journal has the row at `tip`.
    fn holds(around: &Around<'_>, tip: Option<Tip>) -> bool {
        tip.is_none_or(|tip| {
            let row = rows(around.journal, tip.seq - 1).into_iter().next();
            row.is_some_and(|row| row.hash == tip.hash)
        })
    }

    /// Why the journal takes no row after `tip`.
    fn broken(around: &Around<'_>, tip: Option<Tip>) -> Why {
        if Self::holds(around, tip) {
            Why::Broken
        } else {
            Why::WentBack
        }
    }

    fn append(around: &mut Around<'_>, row: &Row) -> Result<(), AppendError> {
        let appended = at_once(around.journal.clone().append(row));
        appended.unwrap_or_else(|| Err(AppendError::Unknown("no answer".to_owned())))
    }

    fn stand(
        &mut self,
        around: &mut Around<'_>,
        mut core: Box<Core>,
        row: Row,
    ) -> Vec<Answered<Told>> {
        // The rest waits until it is known who leads.
        let some = around.random.below(self.inbox.len() + 1);
        let out = self.reads(&core, some);
        let now = self.uptime(around.now);
        match Self::append(around, &row) {
            Err(AppendError::Unknown(_)) => self.phase = Phase::Standing(core, row),
            Err(AppendError::Conflict { .. }) => {
                self.leadership.step(now, Input::Conflict);
                self.phase = Phase::Following(core);
            }
            Err(AppendError::Broken(_)) => {
                self.phase = Phase::Stopped(Self::broken(around, core.tip()));
                return Vec::new();
            }
            Ok(()) => {
                if let Err(why) = self.take(around, &mut core, &row) {
                    self.phase = Phase::Stopped(why);
                    return Vec::new();
                }
                self.leadership.step(now, Input::Appended);
                if around.mutation == Some(Mutation::DoubleApplyAfterTakeOver)
                    && let Some(before) = row.seq.checked_sub(2)
                    && let Some(last) = rows(around.journal, before).first()
                {
                    drop(core.apply(last));
                    drop(core.apply(&row));
                }
                let mut pipeline = Pipeline::new(*core, BATCH_ITEMS);
                if around.mutation != Some(Mutation::AnswerEarlyAfterTakeOver) {
                    pipeline.note(self.note(Says::Leads));
                }
                self.phase = Phase::Leading(Box::new(pipeline), None);
            }
        }
        out
    }

    fn lead(
        &mut self,
        around: &mut Around<'_>,
        mut pipeline: Box<Pipeline<Told>>,
        mut row: Option<Row>,
    ) -> Vec<Answered<Told>> {
        let now = self.uptime(around.now);
        let mut out = Vec::new();
        if let Some(offered) = &row
            && !around.random.chance(40)
        {
            match Self::append(around, offered) {
                Err(AppendError::Unknown(_)) => {
                    if around.mutation == Some(Mutation::RepeatUnknownAnew) {
                        row = Some(Self::anew(around, offered));
                    }
                }
                Err(AppendError::Conflict { .. })
                    if around.mutation == Some(Mutation::AppendAfterConflict) =>
                {
                    row = Some(Self::anew(around, offered));
                }
                Err(AppendError::Conflict { .. }) => {
                    let lost = offered.clone();
                    return self.lost(around, *pipeline, lost);
                }
                Err(AppendError::Broken(_)) => {
                    self.phase = Phase::Stopped(Self::broken(around, pipeline.durable()));
                    return Vec::new();
                }
                Ok(()) => {
                    row = None;
                    self.leadership.step(now, Input::Appended);
                    if let Some((durable, answers)) = pipeline.appended() {
                        let position = durable.seq;
                        out.extend(
                            answers
                                .into_iter()
                                .map(|answer| Answered { answer, position }),
                        );
                    }
                }
            }
        }
        pipeline.advance(Timestamp(around.wall + self.skew_ms));
        let answers_from_memory = self.answers_from_memory(around.mutation);
        let names_itself = now >= self.leadership.names_itself_at();
        if names_itself && !answers_from_memory {
            pipeline.note(self.note(Says::Lives));
        }
        while pipeline.room() > 0
            && let Some(asked) = self.inbox.pop_front()
        {
            let told = decided(&mut pipeline, around.disk, asked);
            if around.mutation == Some(Mutation::AnswerBeforeDurable) {
                let position = pipeline.durable().map_or(0, |tip| tip.seq);
                out.push(Answered {
                    answer: told,
                    position,
                });
                continue;
            }
            let until = self.leadership.fresh_until();
            let is_fresh = until.is_some_and(|until| now < until);
            if !is_fresh && !answers_from_memory {
                pipeline.note(self.note(Says::Lives));
            }
            out.extend(pipeline.rest_on(told));
        }
        if self.leadership.may_act(now) && around.random.chance(3) && pipeline.room() > 0 {
            let leaving = Leaving::of(pipeline.state(), pipeline.moment());
            if around.mutation == Some(Mutation::EvictBeforeWritten) && !leaving.is_empty() {
                let evict = Command::Archive(leaving.evict());
                pipeline.decide(Actor::System, 0, evict);
            }
            out.extend(pipeline.rest_on(Told::Leaving(Box::new(leaving))));
        }
        if names_itself {
            pipeline.note(self.note(Says::Lives));
            pipeline.show(self.part);
            self.part += 1;
        }
        if row.is_none() {
            let names = pipeline.is_noted();
            let id = around.random.bytes();
            row = pipeline.next_row(|| id);
            if row.is_some() {
                self.leadership.step(now, Input::Sent { names });
            }
        }
        self.phase = Phase::Leading(pipeline, row);
        out
    }

    /// Bugs under which nothing that this node says needs a row of its own.
    fn answers_from_memory(&self, mutation: Option<Mutation>) -> bool {
        matches!(
            (mutation, self.leadership.role()),
            (Some(Mutation::AnswerEarlyAfterTakeOver), Role::Confirming)
                | (Some(Mutation::StaleLeaderAnswers), Role::Leading)
        )
    }

    /// The batch of `row` as the row after whatever the journal ends with.
    fn anew(around: &mut Around<'_>, row: &Row) -> Row {
        let id = around.random.bytes();
        let last = end(around.journal);
        let epoch = last.map_or(row.epoch, |tip| tip.epoch.max(row.epoch));
        Row::seal(last, epoch, id, row.body.clone())
    }

    /// Somebody else appended.
    fn lost(
        &mut self,
        around: &mut Around<'_>,
        pipeline: Pipeline<Told>,
        lost: Row,
    ) -> Vec<Answered<Told>> {
        let now = self.uptime(around.now);
        self.leadership.step(now, Input::Conflict);
        let core = match pipeline.give_up() {
            Ok(core) => core,
            Err(tip) => match Self::reload(around, tip) {
                Some(mut core) => {
                    if around.mutation == Some(Mutation::KeepStateOfLostLead)
                        && let Some(tip) = tip
                    {
                        drop(core.apply(&Row {
                            seq: tip.seq,
                            epoch: tip.epoch,
                            hash: tip.hash,
                            ..lost
                        }));
                    }
                    core
                }
                None => {
                    self.phase = Phase::Stopped(Why::WentBack);
                    return Vec::new();
                }
            },
        };
        if !Self::holds(around, core.tip()) && around.mutation != Some(Mutation::GoOnAfterWentBack)
        {
            self.phase = Phase::Stopped(Why::WentBack);
            return Vec::new();
        }
        self.leadership.step(now, Input::Reloaded);
        self.phase = Phase::Following(Box::new(core));
        Vec::new()
    }

    fn reload(around: &Around<'_>, tip: Option<Tip>) -> Option<Core> {
        let mut core = Core::new();
        let wanted = tip.map_or(0, |tip| tip.seq);
        loop {
            let here = core.tip().map_or(0, |tip| tip.seq);
            if here == wanted {
                return (core.tip().map(|tip| tip.hash) == tip.map(|tip| tip.hash)).then_some(core);
            }
            let row = rows(around.journal, here).into_iter().next()?;
            core.apply(&row).ok()?;
        }
    }
}

fn decided(pipeline: &mut Pipeline<Told>, disk: &Disk, asked: Asked) -> Told {
    match asked {
        Asked::Client(id, None, _) => Told::Seen {
            request: id,
            by_leader: true,
            counts: seen(pipeline.state()),
        },
        Asked::Client(id, Some((actor, command)), looked) => {
            if let Some(old) = looked.old {
                let told = told_before(pipeline.state(), disk, &old);
                return told.map_or(Told::Again(id), |told| Told::Answer(id, told));
            }
            let mut command = command;
            command.say_checked(looked.checked);
            let answer = pipeline.decide(actor, id as u64, command);
            match answer.gone() {
                Some(gone) => Told::Gone(id, gone, pipeline.moment().now),
                None => Told::Answer(id, answer),
            }
        }
        Asked::Archive(command) => {
            pipeline.decide(Actor::System, 0, Command::Archive(command));
            Told::Archived
        }
    }
}

fn options(rank: u32) -> Options {
    Options {
        take_over_ms: TAKE_OVER_MS,
        rank,
    }
}
