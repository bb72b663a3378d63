//! The driver around [`Pipeline`]: one thread decides, one makes durable.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use paytone_domain::{
    Actor, Answer, Command, State,
    time::{Moment, Timestamp},
};
use paytone_journal::{AppendError, Journal, Row};
use tokio::sync::{broadcast, oneshot, watch};

use crate::{Core, Pipeline, pipeline::Answered, pipeline::Durable};

#[derive(Clone, Debug)]
pub struct Options {
    /// Commands that may wait; more are told at once that the engine is overloaded.
    pub queue: usize,
    /// Most items of one batch.
    pub batch_items: usize,
    /// Durable batches kept for followers that are slow; who is slower reads the journal.
    pub broadcast: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            queue: 32_768,
            batch_items: 8_192,
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
}

/// Why the engine stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// It was asked to.
    Asked,
    /// Somebody else appended: this process is not the one that leads.
    LostLead(String),
    /// The journal failed: nothing may be answered any more.
    JournalBroken(String),
    /// A bug. What is in the journal is sound.
    Panicked,
}

type Read = Box<dyn FnOnce(&State, &Moment) -> Ready + Send>;
/// An answer that goes out once it may.
type Ready = Box<dyn FnOnce(u64) + Send>;

enum Input {
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
    Appended(Result<(), AppendError>),
    Stop,
}

/// What the edges hold: cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inputs: SyncSender<Input>,
    durable: broadcast::Sender<Arc<Durable>>,
    position: watch::Receiver<u64>,
}

/// The running engine; dropping it does not stop it.
pub struct Running {
    pub engine: Engine,
    pub stopped: oneshot::Receiver<StopReason>,
    thread: JoinHandle<()>,
}

impl Running {
    /// The reason it stops for, and its thread.
    pub fn into_parts(self) -> (oneshot::Receiver<StopReason>, JoinHandle<()>) {
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
        let (reply, answer) = oneshot::channel();
        self.send(Input::Command {
            actor,
            cause,
            command,
            reply,
        })?;
        answer.await.map_err(|_| EngineError::Stopped)
    }

    /// Asks for many decisions in order, answered together.
    pub async fn submit_many(
        &self,
        actor: Actor,
        commands: Vec<Command>,
    ) -> Result<Answered<Vec<Answer>>, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.send(Input::Commands {
            actor,
            commands,
            reply,
        })?;
        answer.await.map_err(|_| EngineError::Stopped)
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
        answer.await.map_err(|_| EngineError::Stopped)
    }

    /// Durable batches from now on, in order.
    pub fn follow(&self) -> broadcast::Receiver<Arc<Durable>> {
        self.durable.subscribe()
    }

    /// How far the journal is durable.
    pub fn position(&self) -> watch::Receiver<u64> {
        self.position.clone()
    }

    /// Decides nothing more, makes durable what was decided, and stops.
    pub fn stop(&self) {
        // If it is gone already there is nothing to stop.
        let _ = self.inputs.send(Input::Stop);
    }

    fn send(&self, input: Input) -> Result<(), EngineError> {
        self.inputs.try_send(input).map_err(|error| match error {
            TrySendError::Full(_) => EngineError::Overloaded,
            TrySendError::Disconnected(_) => EngineError::Stopped,
        })
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
    let appended = inputs.clone();
    let writer = std::thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || append_rows(journal, &to_append, &appended))?;
    let driver = Driver {
        pipeline: Pipeline::new(core, options.batch_items),
        inputs: commands,
        rows: Some(rows),
        durable: durable.clone(),
        position,
        batch_id: Box::new(batch_id),
        observe: Box::new(observe),
    };
    let thread = std::thread::Builder::new()
        .name("engine".to_owned())
        .spawn(move || {
            let run = std::panic::AssertUnwindSafe(|| driver.run());
            let reason = std::panic::catch_unwind(run).unwrap_or(StopReason::Panicked);
            // The writer ends when its channel does.
            drop(writer.join());
            let _ = stopped.send(reason);
        })?;
    let engine = Engine {
        inputs,
        durable,
        position: position_seen,
    };
    Ok(Running {
        engine,
        stopped: stop_seen,
        thread,
    })
}

/// The journal's thread: appends one row after the other; where it is unknown whether one was written, the same again.
fn append_rows<J: Journal>(mut journal: J, rows: &Receiver<Row>, appended: &SyncSender<Input>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime for the journal");
    while let Ok(row) = rows.recv() {
        let mut pause = Duration::from_millis(10);
        let result = loop {
            match runtime.block_on(journal.append(&row)) {
                Err(AppendError::Unknown(why)) => {
                    tracing::warn!(seq = row.seq, %why, "append is unknown; repeating it");
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                result => break result,
            }
        };
        if appended.send(Input::Appended(result)).is_err() {
            return;
        }
    }
}

struct Driver {
    pipeline: Pipeline<Ready>,
    inputs: Receiver<Input>,
    /// `None` once nothing more may be appended.
    rows: Option<SyncSender<Row>>,
    durable: broadcast::Sender<Arc<Durable>>,
    position: watch::Sender<u64>,
    batch_id: Box<dyn FnMut() -> [u8; 16] + Send>,
    observe: Box<dyn FnMut(&Durable) + Send>,
}

impl Driver {
    fn run(mut self) -> StopReason {
        let mut stopping = false;
        let mut drained = VecDeque::new();
        loop {
            if let Some(input) = self.next_input() {
                drained.push_back(input);
            }
            // What waits belongs to the same batch, up to its limit.
            while drained.len() < self.pipeline.room()
                && let Ok(input) = self.inputs.try_recv()
            {
                drained.push_back(input);
            }
            self.pipeline.advance(wall());
            for input in drained.drain(..) {
                match input {
                    Input::Appended(result) => {
                        if let Err(reason) = self.appended(result) {
                            return reason;
                        }
                    }
                    Input::Stop => stopping = true,
                    // Not answered: whoever waits is told that the engine stopped.
                    Input::Command { .. } | Input::Commands { .. } | Input::Read(_) if stopping => {
                    }
                    input => self.decide(input),
                }
            }
            self.send_batch();
            if stopping && !self.pipeline.is_in_flight() {
                return StopReason::Asked;
            }
        }
    }

    /// Waits for something to do, no longer than until something is due.
    fn next_input(&mut self) -> Option<Input> {
        let pause = self
            .pipeline
            .next_due()
            .map_or(Duration::from_secs(1), |at| {
                Duration::from_millis(at.since(wall()).clamp(0, 1_000).unsigned_abs())
            });
        // While a batch is under way its answer wakes us.
        let pause = if self.pipeline.is_in_flight() && self.pipeline.room() == 0 {
            Duration::from_secs(1)
        } else {
            pause
        };
        match self.inputs.recv_timeout(pause) {
            Ok(input) => Some(input),
            Err(RecvTimeoutError::Timeout) => None,
            // The journal's thread holds a sender as long as this one runs.
            Err(RecvTimeoutError::Disconnected) => Some(Input::Stop),
        }
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
            Input::Appended(_) | Input::Stop => {}
        }
    }

    /// Lets an answer out when the last batch it may rest on is durable.
    fn when_durable(&mut self, ready: Ready) {
        if let Some(Answered { answer, position }) = self.pipeline.rest_on(ready) {
            answer(position);
        }
    }

    fn send_batch(&mut self) {
        if let Some(rows) = &self.rows
            && let Some(row) = self.pipeline.next_row(&mut self.batch_id)
            && rows.send(row).is_err()
        {
            // The journal's thread is gone; its last word is in the channel.
            self.rows = None;
        }
    }

    fn appended(&mut self, result: Result<(), AppendError>) -> Result<(), StopReason> {
        match result {
            Ok(()) => {
                let Some((durable, answers)) = self.pipeline.appended() else {
                    return Ok(());
                };
                // The next batch goes on its way before the answers of this one.
                self.send_batch();
                let position = durable.seq;
                let durable = Arc::new(durable);
                (self.observe)(&durable);
                self.position.send_replace(position);
                // Nobody may be following.
                let _ = self.durable.send(durable);
                for answer in answers {
                    answer(position);
                }
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

fn wall() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
