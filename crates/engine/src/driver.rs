//! The driver around [`Pipeline`]: one thread decides, one makes durable. One piece, as its order of steps is what is correct.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel},
    },
    thread::{JoinHandle, Thread},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use paytone_domain::{
    AT_ONCE, Actor, Answer, Command, State, look_ahead,
    time::{Moment, Timestamp},
};
use paytone_journal::{AppendError, Journal, Row};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::{
    Core, Pipeline, Says,
    lead::{Board, Lead, Standing},
    leadership,
    pipeline::{Answered, Durable},
    stats::Stats,
};

/// How often the engine looks for commands while a row is being made durable.
const MEANWHILE: Duration = Duration::from_micros(500);
/// So many commands at once: there are likely to be more.
const MANY: usize = 64;
/// Rows with a few items go out so far apart at least: what a row costs beside its items, threads that wake each other up most of all, is
/// shared by more of them then, and the processor is left to those who ask.
const APART: Duration = Duration::from_millis(2);
/// Items of a row after which the next one waits a little: fewer are of somebody who asks one thing after the other, more pay for
/// their row.
const FEW: std::ops::Range<usize> = 8..256;
/// Longest without looking at the clock.
const WATCH: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub struct Options {
    /// Commands that may wait; more are told at once that the engine is overloaded.
    pub queue: usize,
    /// Most items of one batch. What a batch touches should stay in the processor's caches until it is written: ones of ten
    /// thousand cost a third more per item than ones of one thousand.
    pub batch_items: usize,
    /// Durable batches kept for followers that are slow; who is slower reads the journal.
    pub broadcast: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            queue: 32_768,
            batch_items: 1_024,
            broadcast: 4_096,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Nothing was done: too much waits.
    #[error("too many commands wait")]
    Overloaded,
    /// The engine has stopped; what became of the command is told by asking again after a restart.
    #[error("the engine has stopped")]
    Stopped,
    /// Another node decides, or is about to; what became of the command is told by asking again.
    #[error("another node leads")]
    NotLeading,
}

/// Why the engine stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// It was asked to.
    Asked,
    /// Somebody else appended: this process is not the one that leads.
    LostLead(String),
    /// Rows that were durable are not in the journal any more: a person must decide. What is missing.
    WentBack(String),
    /// This node's state is not the leader's, though both made it of the same rows. What differs.
    Differs(String),
    /// The journal failed: nothing may be answered any more.
    JournalBroken(String),
    /// A bug. What is in the journal is sound.
    Panicked,
}

pub(crate) type Read = Box<dyn FnOnce(&State, &Moment) -> Ready + Send>;
/// An answer that goes out once it may.
pub(crate) type Ready = Box<dyn FnOnce(u64) + Send>;

pub(crate) enum Input {
    Command {
        actor: Actor,
        cause: u64,
        command: Command,
        reply: oneshot::Sender<Answered<Answer>>,
    },
    Commands {
        actor: Actor,
        commands: Vec<Command>,
        reply: oneshot::Sender<Answered<Vec<Answer>>>,
    },
    Read(Read),
    Stop,
    /// Of a node that follows: what was found in the journal.
    Looked(crate::member::Looked),
    /// Something new is there.
    Hurry,
}

impl Input {
    /// Whether somebody waits for what becomes of it.
    pub fn is_given(&self) -> bool {
        match self {
            Self::Command { .. } | Self::Commands { .. } | Self::Read(_) => true,
            Self::Stop | Self::Looked(_) | Self::Hurry => false,
        }
    }
}

/// What the edges hold: cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inputs: SyncSender<Input>,
    pub(crate) durable: broadcast::Sender<Arc<Durable>>,
    pub(crate) position: watch::Receiver<u64>,
    pub(crate) board: Arc<Board>,
    pub(crate) stats: Arc<Stats>,
}

/// The running engine. It stops when it is asked to, and when every [`Engine`] is gone.
pub struct Running {
    pub engine: Engine,
    pub stopped: oneshot::Receiver<StopReason>,
    pub(crate) thread: JoinHandle<Option<Core>>,
}

/// A question on its way: its answer comes once it is durable.
#[derive(Debug)]
pub struct Pending<T> {
    answer: oneshot::Receiver<Answered<T>>,
    /// Why it did not come, if it does not.
    gone: EngineError,
}

impl<T> Pending<T> {
    pub async fn answered(self) -> Result<Answered<T>, EngineError> {
        self.answer.await.map_err(|_| self.gone)
    }

    /// Waits for it on a thread that may be blocked.
    pub fn wait(self) -> Result<Answered<T>, EngineError> {
        let Self { answer, gone } = self;
        answer.blocking_recv().map_err(|_| gone)
    }

    /// The answer, or the question again if there is none yet.
    pub fn take(mut self) -> Result<Result<Answered<T>, Self>, EngineError> {
        match self.answer.try_recv() {
            Ok(answered) => Ok(Ok(answered)),
            Err(oneshot::error::TryRecvError::Empty) => Ok(Err(self)),
            Err(oneshot::error::TryRecvError::Closed) => Err(self.gone),
        }
    }
}

impl Running {
    /// The reason it stops for, and its thread, which ends with the core if the engine stopped because it was asked to.
    pub fn into_parts(self) -> (oneshot::Receiver<StopReason>, JoinHandle<Option<Core>>) {
        (self.stopped, self.thread)
    }

    /// Waits until the engine's thread is gone and the journal is closed.
    pub fn join(self) {
        // A panic was already told as the reason.
        drop(self.thread.join());
    }
}

impl Engine {
    /// Asks for one decision. The answer comes once it is durable.
    pub async fn submit(
        &self,
        actor: Actor,
        cause: u64,
        command: Command,
    ) -> Result<Answered<Answer>, EngineError> {
        self.ask(actor, cause, command)?.answered().await
    }

    /// Asks for one decision without waiting for its answer.
    pub fn ask(
        &self,
        actor: Actor,
        cause: u64,
        command: Command,
    ) -> Result<Pending<Answer>, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.send(Input::Command {
            actor,
            cause,
            command,
            reply,
        })?;
        let gone = self.gone();
        Ok(Pending { answer, gone })
    }

    /// Asks for many decisions in order, answered together.
    pub async fn submit_many(
        &self,
        actor: Actor,
        commands: Vec<Command>,
    ) -> Result<Answered<Vec<Answer>>, EngineError> {
        self.ask_many(actor, commands)?.answered().await
    }

    /// Asks for many decisions in order without waiting for their answers.
    pub fn ask_many(
        &self,
        actor: Actor,
        commands: Vec<Command>,
    ) -> Result<Pending<Vec<Answer>>, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.send(Input::Commands {
            actor,
            commands,
            reply,
        })?;
        let gone = self.gone();
        Ok(Pending { answer, gone })
    }

    /// Looks at the state. What is seen is told only once it is durable.
    pub async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&State, &Moment) -> T + Send + 'static,
    ) -> Result<Answered<T>, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.send(Input::Read(Box::new(move |state, moment| {
            let answer = look(state, moment);
            Box::new(move |position| {
                // Whoever asked may have gone.
                let _ = reply.send(Answered { answer, position });
            })
        })))?;
        answer.await.map_err(|_| self.gone())
    }

    /// Durable batches from now on, in order.
    pub fn follow(&self) -> broadcast::Receiver<Arc<Durable>> {
        self.durable.subscribe()
    }

    /// How far the journal is durable.
    pub fn position(&self) -> watch::Receiver<u64> {
        self.position.clone()
    }

    /// Who decides, this node or another.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.board.standing()
    }

    /// Whether workers may act: this node leads, and has lately shown it.
    pub fn may_act(&self) -> bool {
        self.board.may_act()
    }

    /// Another node has just made something durable: a node that follows looks at once.
    pub fn hurry(&self) {
        // A full queue is gone through anyway.
        let _ = self.inputs.try_send(Input::Hurry);
    }

    /// Of the last row that this node appended or took in; 0 for a node on its own.
    pub fn epoch(&self) -> u64 {
        self.board.epoch.load(Ordering::Relaxed)
    }

    /// How often this node's state was compared with the leader's, and at which position last.
    pub fn compared(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.board.compared), read(&self.board.compared_at))
    }

    /// What the engine measures of itself.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Decides nothing more, makes durable what was decided, and stops.
    pub fn stop(&self) {
        // If it is gone already there is nothing to stop.
        let _ = self.inputs.send(Input::Stop);
    }

    /// Why an answer did not come.
    fn gone(&self) -> EngineError {
        if self.board.is_member {
            EngineError::NotLeading
        } else {
            EngineError::Stopped
        }
    }

    fn send(&self, input: Input) -> Result<(), EngineError> {
        match self.inputs.try_send(input) {
            Ok(()) => {
                self.stats.given();
                Ok(())
            }
            Err(TrySendError::Full(_)) => {
                self.stats.refused();
                Err(EngineError::Overloaded)
            }
            Err(TrySendError::Disconnected(_)) => Err(EngineError::Stopped),
        }
    }
}

/// Starts the engine on a core that has taken in everything `journal` holds.
///
/// `batch_id` gives each batch its id; it must not repeat. `observe` sees each durable batch before anything that rests on it
/// is answered; it runs on the engine's thread and must be quick.
pub fn start<J: Journal + 'static>(
    core: Core,
    journal: J,
    options: Options,
    batch_id: impl FnMut() -> [u8; 16] + Send + 'static,
    observe: impl FnMut(&Durable) + Send + 'static,
) -> std::io::Result<Running> {
    let (inputs, commands) = sync_channel(options.queue);
    let (rows, to_append) = sync_channel::<Row>(1);
    let (durable, _) = broadcast::channel(options.broadcast);
    let (position, position_seen) = watch::channel(core.tip().map_or(0, |tip| tip.seq));
    let (stopped, stop_seen) = oneshot::channel();
    let (appended, results) = sync_channel(1);
    let release = Release {
        position,
        durable: durable.clone(),
    };
    let stats = Arc::new(Stats::new(options.queue));
    let driver = Driver {
        stats: Arc::clone(&stats),
        pipeline: Pipeline::new(core, options.batch_items),
        inputs: commands,
        ahead: VecDeque::with_capacity(AT_ONCE),
        rows,
        results,
        release: Releasing::start(release),
        batch_id: Box::new(batch_id),
        observe: Box::new(observe),
        sent_at: None,
        lead: None,
    };
    let appends = Arc::clone(&stats);
    let thread = std::thread::Builder::new()
        .name("engine".to_owned())
        .spawn(move || {
            let engine = std::thread::current();
            let writer = std::thread::Builder::new()
                .name("journal".to_owned())
                .spawn(move || append_rows(journal, &to_append, &appended, &engine, &appends));
            let writer = match writer {
                Ok(writer) => writer,
                Err(error) => {
                    let _ = stopped.send(StopReason::JournalBroken(error.to_string()));
                    return None;
                }
            };
            // With the driver goes its channel to the writer, which ends then.
            let run = std::panic::AssertUnwindSafe(move || {
                let mut driver = driver;
                let reason = driver.run();
                let core = (reason == StopReason::Asked).then(|| driver.pipeline.into_core());
                (reason, core)
            });
            let (reason, core) =
                std::panic::catch_unwind(run).unwrap_or((StopReason::Panicked, None));
            // The writer ends when its channel does.
            drop(writer.join());
            let _ = stopped.send(reason);
            core
        })?;
    let engine = Engine {
        inputs,
        durable,
        position: position_seen,
        board: Arc::new(Board::alone()),
        stats,
    };
    Ok(Running {
        engine,
        stopped: stop_seen,
        thread,
    })
}

/// The journal's thread: appends one row after the other; where it is unknown whether one was written, the same again.
pub(crate) fn append_rows<J: Journal>(
    mut journal: J,
    rows: &Receiver<Row>,
    appended: &SyncSender<Result<(), AppendError>>,
    engine: &Thread,
    stats: &Stats,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime for the journal");
    while let Ok(row) = rows.recv() {
        let mut pause = Duration::from_millis(10);
        let begun = stats.append_begins();
        let result = loop {
            match runtime.block_on(journal.append(&row)) {
                Err(AppendError::Unknown(why)) => {
                    stats.append_unknown();
                    tracing::warn!(seq = row.seq, %why, "append is unknown; repeating it");
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                result => break result,
            }
        };
        if result.is_ok() {
            stats.append_ended(begun);
        }
        if appended.send(result).is_err() {
            return;
        }
        engine.unpark();
    }
}

/// Tells of durable batches and lets their answers out.
pub(crate) struct Release {
    pub position: watch::Sender<u64>,
    pub durable: broadcast::Sender<Arc<Durable>>,
}

impl Release {
    fn all(&self, durable: Arc<Durable>, answers: Vec<Ready>) {
        let position = durable.seq;
        self.position.send_replace(position);
        // Nobody may be following.
        let _ = self.durable.send(durable);
        for answer in answers {
            answer(position);
        }
    }
}

/// Where that is done: on the runtime of those who wait, if there is one. Waking hundreds of its tasks from outside costs the
/// engine's thread more than deciding what they asked for.
pub(crate) enum Releasing {
    There(mpsc::UnboundedSender<(Arc<Durable>, Vec<Ready>)>),
    Here(Release),
}

impl Releasing {
    pub fn start(release: Release) -> Self {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return Self::Here(release);
        };
        let (batches, mut released) = mpsc::unbounded_channel();
        runtime.spawn(async move {
            while let Some((durable, answers)) = released.recv().await {
                release.all(durable, answers);
            }
        });
        Self::There(batches)
    }

    pub fn release(&self, durable: Arc<Durable>, answers: Vec<Ready>) {
        match self {
            Self::Here(release) => release.all(durable, answers),
            // With the runtime, everybody who waited is gone.
            Self::There(batches) => drop(batches.send((durable, answers))),
        }
    }
}

pub(crate) struct Driver {
    pub stats: Arc<Stats>,
    pub pipeline: Pipeline<Ready>,
    pub inputs: Receiver<Input>,
    /// Those that were taken out of `inputs` and come next.
    pub ahead: VecDeque<Input>,
    pub rows: SyncSender<Row>,
    /// What became of the row in flight.
    pub results: Receiver<Result<(), AppendError>>,
    pub release: Releasing,
    pub batch_id: Box<dyn FnMut() -> [u8; 16] + Send>,
    pub observe: Box<dyn FnMut(&Durable) + Send>,
    /// When a row went on its way last.
    pub sent_at: Option<Instant>,
    /// One of several nodes.
    pub lead: Option<Lead>,
}

impl Driver {
    /// Decides until it is told to stop, or cannot go on.
    pub fn run(&mut self) -> StopReason {
        let mut stopping = false;
        loop {
            match self.results.try_recv() {
                Ok(result) => {
                    if let Err(reason) = self.appended(result) {
                        return reason;
                    }
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => {
                    let why = "the journal's thread ended".to_owned();
                    return StopReason::JournalBroken(why);
                }
            }
            // What waited for more to go with it waits no longer.
            let mut next = if self.pipeline.is_in_flight() || self.pipeline.has_open_batch() {
                None
            } else {
                self.wait()
            };
            self.pipeline.advance(wall());
            if !stopping {
                self.name_itself();
            }
            // What waits belongs to the same batch, up to its limit.
            let (mut decided, mut given) = (0_usize, 0);
            while let Some(input) = next.take().or_else(|| self.next_input()) {
                decided += 1;
                given += u64::from(input.is_given());
                match input {
                    Input::Stop => {
                        stopping = true;
                        if let Some(lead) = &self.lead {
                            self.pipeline.note(lead.says(Says::Leaves));
                        }
                    }
                    // Not answered: whoever waits is told that the engine stopped.
                    Input::Command { .. } | Input::Commands { .. } | Input::Read(_) if stopping => {
                    }
                    input => self.decide(input),
                }
            }
            self.stats.took(given);
            self.send_batch();
            let is_in_flight = self.pipeline.is_in_flight();
            if stopping && !is_in_flight {
                return StopReason::Asked;
            }
            // Nothing can be answered before the row is durable, and being woken for each command would cost more than deciding
            // it: the journal's thread wakes this one, and so does time, to decide a part of the next batch meanwhile.
            if is_in_flight && decided < MANY {
                std::thread::park_timeout(if self.pipeline.room() == 0 {
                    WATCH
                } else {
                    MEANWHILE
                });
            }
        }
    }

    /// Waits for something to do, no longer than until something is due.
    fn wait(&mut self) -> Option<Input> {
        let pause = self.pipeline.next_due().map_or(WATCH, |at| {
            Duration::from_millis(at.since(wall()).clamp(0, 1_000).unsigned_abs())
        });
        let pause = match &self.lead {
            Some(lead) => pause.min(lead.until_named()),
            None => pause,
        };
        match self.received(pause) {
            Ok(input) => Some(input),
            Err(RecvTimeoutError::Timeout) => None,
            // Nobody is left who could ask for anything.
            Err(RecvTimeoutError::Disconnected) => Some(Input::Stop),
        }
    }

    /// The next input: of those taken out before first, whoever took them.
    pub fn received(&mut self, pause: Duration) -> Result<Input, RecvTimeoutError> {
        match self.ahead.pop_front() {
            Some(input) => Ok(input),
            None => self.inputs.recv_timeout(pause),
        }
    }

    /// What waits already, as long as the open batch has room for it.
    fn next_input(&mut self) -> Option<Input> {
        if self.pipeline.room() == 0 {
            return None;
        }
        if self.ahead.is_empty() {
            self.ahead.extend(self.inputs.try_iter().take(AT_ONCE));
            let commands = self.ahead.iter().filter_map(|input| match input {
                Input::Command { command, .. } => Some(command),
                _ => None,
            });
            look_ahead(self.pipeline.state(), commands);
        }
        self.ahead.pop_front()
    }

    fn decide(&mut self, input: Input) {
        match input {
            Input::Command {
                actor,
                cause,
                command,
                reply,
            } => {
                let answer = self.pipeline.decide(actor, cause, command);
                self.when_durable(Box::new(move |position| {
                    // Whoever asked may have gone.
                    let _ = reply.send(Answered { answer, position });
                }));
            }
            Input::Commands {
                actor,
                commands,
                reply,
            } => {
                let answer = commands
                    .into_iter()
                    .map(|command| self.pipeline.decide(actor, 0, command))
                    .collect();
                self.when_durable(Box::new(move |position| {
                    let _ = reply.send(Answered { answer, position });
                }));
            }
            Input::Read(look) => {
                let ready = look(self.pipeline.state(), self.pipeline.moment());
                self.when_durable(ready);
            }
            Input::Stop | Input::Looked(_) | Input::Hurry => {}
        }
    }

    /// So often the others read who leads, and that it lives.
    fn name_itself(&mut self) {
        if let Some(lead) = &mut self.lead
            && lead.until_named().is_zero()
        {
            self.pipeline.note(lead.says(Says::Lives));
            self.pipeline.show(lead.part);
            lead.part = lead.part.wrapping_add(1);
        }
    }

    /// Lets an answer out when the last batch it may rest on is durable.
    fn when_durable(&mut self, ready: Ready) {
        // Another node may lead already: what this one knows is told only once a row of its own says otherwise.
        if let Some(lead) = &self.lead
            && !lead.is_fresh()
            && !self.pipeline.is_noted()
        {
            self.pipeline.note(lead.says(Says::Lives));
        }
        if let Some(Answered { answer, position }) = self.pipeline.rest_on(ready) {
            answer(position);
        }
    }

    fn send_batch(&mut self) {
        let names = self.pipeline.is_noted();
        if let Some(row) = self.pipeline.next_row(&mut self.batch_id) {
            self.tell(leadership::Input::Sent { names });
            self.sent_at = Some(Instant::now());
            // If the journal's thread is gone, the channel of its results says so.
            let _ = self.rows.send(row);
        }
    }

    /// How long the next row waits for more to go with it.
    fn pause_after(&self, items: usize) -> Duration {
        let open = self.pipeline.open_items();
        let enough = self.pipeline.room() == 0 || open >= FEW.end;
        let since = self.sent_at.map_or(APART, |at| at.elapsed());
        pause(items, enough, since)
    }

    fn tell(&mut self, input: leadership::Input) {
        if let Some(lead) = &mut self.lead {
            // While it leads, only a taken position makes it do anything, and that ends this run.
            let _ = lead.step(input);
        }
    }

    fn appended(&mut self, result: Result<(), AppendError>) -> Result<(), StopReason> {
        match result {
            Ok(()) => {
                let Some((durable, answers)) = self.pipeline.appended() else {
                    return Ok(());
                };
                self.tell(leadership::Input::Appended);
                let pause = self.pause_after(durable.batch.items.len());
                if pause.is_zero() {
                    // The next batch goes on its way before the answers of this one.
                    self.send_batch();
                }
                (self.observe)(&durable);
                self.release.release(Arc::new(durable), answers);
                std::thread::sleep(pause);
                Ok(())
            }
            Err(error @ AppendError::Conflict { .. }) => {
                tracing::error!(%error, "another process leads this journal");
                Err(StopReason::LostLead(error.to_string()))
            }
            Err(error @ (AppendError::Unknown(_) | AppendError::Broken(_))) => {
                tracing::error!(%error, "the journal failed; nothing more is answered");
                Err(StopReason::JournalBroken(error.to_string()))
            }
        }
    }
}

/// How long the row after one of `items`, sent so long ago, waits; not at all where there is enough for it.
fn pause(items: usize, enough: bool, since_sent: Duration) -> Duration {
    if FEW.contains(&items) && !enough {
        APART.saturating_sub(since_sent)
    } else {
        Duration::ZERO
    }
}

pub(crate) fn wall() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_wait_for_each_other_only_where_some_share_them() {
        let at_once = Duration::ZERO;
        assert_eq!(pause(60, false, at_once), APART);
        assert_eq!(pause(60, false, APART / 2), APART / 2);
        assert_eq!(pause(60, false, 2 * APART), at_once);
        assert_eq!(pause(60, true, at_once), at_once, "enough is there");
        assert_eq!(pause(1, false, at_once), at_once, "one after the other");
        assert_eq!(pause(1_024, false, at_once), at_once, "they fill rows");
    }
}
