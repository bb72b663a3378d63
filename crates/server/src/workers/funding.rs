//! The funding worker: carries out what [`paytone_engine::effects`] says, and hands back what came of it.
//!
//! **Invariant:** when it does not keep up with the engine it looks at the state again, so that no effect is forgotten.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use paytone_connectors::funding::{self, Funding, Settings, Token};
use paytone_domain::{
    Actor, Answer, Command, Event,
    funding::{EffectCommand, EffectOutcome, EffectRefusal, EffectState},
    ids::EffectId,
    time::Timestamp,
};
use paytone_engine::effects::{Input, Knowledge, Options, Output, Step, input_of};
use paytone_engine::{EngineError, Standing};
use tokio::{
    sync::{broadcast::error::RecvError, watch},
    task::JoinSet,
};

use super::{
    bank_order::{self, OrderError},
    stand_in_bank,
};
use crate::{
    config::Bank,
    node::{Node, StartError},
};

/// How often a lead is looked at that is not fresh.
const LEAD_PAUSE: Duration = Duration::from_millis(20);

/// Makes the connector; nothing is sent yet.
pub fn open(bank: &Bank) -> Result<Arc<dyn Funding>, StartError> {
    let wrong = |setting: &'static str, why: String| StartError::Setting { setting, why };
    let token = match (&bank.token_variable, &bank.token_file) {
        (Some(_), Some(_)) => {
            let why = "bank.token_variable is set too; one of them is enough".to_owned();
            return Err(wrong("bank.token_file", why));
        }
        (Some(variable), None) => Some(
            std::env::var(variable)
                .map_err(|error| wrong("bank.token_variable", format!("{variable}: {error}")))?,
        ),
        (None, Some(file)) => {
            Some(stand_in_bank::read_token(file).map_err(|error| {
                wrong("bank.token_file", format!("{}: {error}", file.display()))
            })?)
        }
        (None, None) => None,
    };
    let settings = Settings {
        token: token.map(Token::new),
        timeout: Duration::from_secs(bank.timeout_seconds),
        allow_http: bank.allow_http,
        ..Settings::new(bank.url.clone())
    };
    funding::open("bank", &settings).map_err(|error| wrong("bank", error.to_string()))
}

/// Works while this node leads, until told to stop; then finishes what is under way.
pub async fn run(node: Arc<Node>, source: Arc<dyn Funding>, mut stopping: watch::Receiver<bool>) {
    let mut standing = node.engine.standing();
    loop {
        tokio::select! {
            () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => return,
            leads = standing.wait_for(|standing| *standing == Standing::Leads) => {
                if leads.is_err() {
                    return;
                }
            }
        }
        match lead(&node, &source, &mut stopping).await {
            Ended::Lost => {}
            Ended::Over => return,
        }
    }
}

/// Why the worker ended.
enum Ended {
    /// Another node leads: what is under way is for it to ask about.
    Lost,
    Over,
}

impl From<EngineError> for Ended {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::NotLeading | EngineError::Overloaded => Self::Lost,
            EngineError::Stopped => Self::Over,
        }
    }
}

async fn lead(
    node: &Arc<Node>,
    source: &Arc<dyn Funding>,
    stopping: &mut watch::Receiver<bool>,
) -> Ended {
    let (node, source) = (Arc::clone(node), Arc::clone(source));
    let mut standing = node.engine.standing();
    let mut worker = Worker {
        node: Arc::clone(&node),
        source,
        step: Step::new(Options::default()),
        under_way: JoinSet::new(),
        outputs: Vec::new(),
    };
    // What is wanted from here on is heard; what was wanted before is looked up.
    let mut durable = node.engine.follow();
    if let Err(error) = worker.look().await {
        return error.into();
    }
    loop {
        let pause = worker.step.next_due().map(|at| {
            Duration::from_millis(at.since(wall()).max(0).unsigned_abs()) + Duration::from_millis(1)
        });
        tokio::select! {
            () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => break,
            () = async { drop(standing.wait_for(|now| *now != Standing::Leads).await) } => {
                return Ended::Lost;
            }
            batch = durable.recv() => match batch {
                Ok(batch) => {
                    for event in batch.batch.items.iter().flat_map(|item| &item.events) {
                        if let Event::Effect(event) = event
                            && let Some(input) = input_of(event)
                        {
                            worker.take(input);
                        }
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    if let Err(error) = worker.look().await {
                        return error.into();
                    }
                }
                Err(RecvError::Closed) => return Ended::Over,
            },
            Some(done) = worker.under_way.join_next(), if !worker.under_way.is_empty() => {
                worker.finished(done);
            }
            () = rest(pause) => worker.take(Input::Tick),
        }
    }
    worker.finish().await;
    Ended::Over
}

async fn rest(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}

struct Worker {
    node: Arc<Node>,
    source: Arc<dyn Funding>,
    step: Step,
    under_way: JoinSet<Input>,
    outputs: Vec<Output>,
}

impl Worker {
    /// Finds every open effect in the state.
    async fn look(&mut self) -> Result<(), EngineError> {
        let open = self.node.engine.read(|state, _| {
            let mut open: Vec<(EffectId, EffectState)> = state
                .effects
                .values()
                .map(|effect| (effect.id, effect.state))
                .collect();
            open.sort_by_key(|(id, _)| *id);
            open
        });
        for (id, state) in open.await?.answer {
            self.take(Input::Open(id, state));
        }
        Ok(())
    }

    fn take(&mut self, input: Input) {
        let mut outputs = std::mem::take(&mut self.outputs);
        self.step.step(wall(), input, &mut outputs);
        for output in outputs.drain(..) {
            let (node, source) = (Arc::clone(&self.node), Arc::clone(&self.source));
            self.under_way
                .spawn(async move { carry_out(&node, &source, output).await });
        }
        self.outputs = outputs;
    }

    fn finished(&mut self, done: Result<Input, tokio::task::JoinError>) {
        match done {
            Ok(input) => self.take(input),
            // The effect stays open and is asked about after the next start.
            Err(error) => tracing::error!(%error, "a bank order's task ended"),
        }
    }

    /// Takes in what is under way; begins nothing more but reports.
    async fn finish(mut self) {
        while let Some(done) = self.under_way.join_next().await {
            let Ok(input) = done else { continue };
            self.step.step(wall(), input, &mut self.outputs);
            for output in std::mem::take(&mut self.outputs) {
                if matches!(output, Output::Report(..)) {
                    let (node, source) = (Arc::clone(&self.node), Arc::clone(&self.source));
                    self.under_way
                        .spawn(async move { carry_out(&node, &source, output).await });
                }
            }
        }
    }
}

async fn carry_out(node: &Node, source: &Arc<dyn Funding>, output: Output) -> Input {
    if matches!(output, Output::Call(_)) {
        // A lead that is not fresh may be over: the journal's next row tells. If it is, this task ends with its worker.
        while !node.engine.may_act() {
            tokio::time::sleep(LEAD_PAUSE).await;
        }
    }
    match output {
        Output::Attempt(id) => {
            tell(
                node,
                id,
                EffectCommand::Attempt { id },
                Input::Attempted(id),
            )
            .await
        }
        Output::Report(id, outcome) => {
            let command = EffectCommand::Result { id, outcome };
            tell(node, id, command, Input::Reported(id)).await
        }
        Output::Call(id) => match bank_order::send(node, source, id).await {
            Ok(outcome) => Input::Called(id, outcome),
            Err(OrderError::Gone) => Input::Gone(id),
            Err(error @ OrderError::NoAccount { first: true }) => {
                tracing::warn!(effect = id.0, %error, "refused without asking the bank");
                Input::Called(id, EffectOutcome::Refused)
            }
            // An earlier attempt may still be on its way, so that nothing was sent now does not mean that nothing moves.
            Err(error) => {
                tracing::warn!(effect = id.0, %error, "a bank order could not be sent");
                Input::Called(id, EffectOutcome::Unknown)
            }
        },
        Output::Ask(id) => match bank_order::ask(node, source, id).await {
            Ok(knowledge) => Input::Asked(id, knowledge),
            Err(OrderError::Gone) => Input::Gone(id),
            Err(error) => {
                tracing::warn!(effect = id.0, %error, "the bank could not be asked");
                Input::Asked(id, Knowledge::Unknown)
            }
        },
    }
}

/// Tells the engine; `taken` is what it is when the effect was open.
async fn tell(node: &Node, id: EffectId, command: EffectCommand, taken: Input) -> Input {
    match node
        .submit(Actor::Connector, Command::Effect(command))
        .await
        .map(|answered| answered.answer)
    {
        Ok(Answer::Effect(Ok(()))) => taken,
        Ok(Answer::Effect(Err(EffectRefusal::PaymentOver))) => Input::PaymentOver(id),
        Ok(_) => Input::Gone(id),
        Err(_) => Input::NotTaken(id),
    }
}

fn wall() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
