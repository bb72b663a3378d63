//! The worker that does what the engine wants of the outside world, as a step function.
//!
//! ```text
//!   Ready ─▶ Attempting ─ durable ─▶ Calling ─┬─ done, refused ─▶ Reporting ─▶ gone
//!     ▲                                       └─ unknown ─▶ Reporting ─▶ Resting
//!     │                                                                    │ pause
//!     └──────── not found: the same again ◀── Asking ◀─────────────────────┘
//!                                               └─ done, refused ─▶ Reporting ─▶ gone
//! ```
//! Once its payment is over, an order that the other side does not know is not sent again. It may still be on its way there, so
//! it is asked about until the other side has not known it for [`Options::silence_ms`]; then it is taken as refused.
//!
//! **Invariants:** nothing is called before its attempt is durable; after an unknown end nothing is called again before the
//! other side said that it does not know the order; an effect has one thing under way at a time. An effect that was found
//! open at the start, and was attempted before, begins with a question.
//!
//! **Not here:** clocks, sockets, threads, accounts. A driver carries [`Output`]s out and hands back what came of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use paytone_domain::{
    funding::{Effect, EffectEvent, EffectOutcome, EffectState},
    ids::EffectId,
    time::Timestamp,
};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// An effect is open: just wanted, wanted again, or found at the start.
    Open(EffectId, EffectState),
    /// Nothing is wanted any more: dropped, or decided by a person.
    Over(EffectId),
    /// The engine says that it is not open.
    Gone(EffectId),
    /// The attempt is durable.
    Attempted(EffectId),
    /// The engine says that its payment is over: nothing more is to be sent for it.
    PaymentOver(EffectId),
    /// What the other side said to the order.
    Called(EffectId, EffectOutcome),
    /// What it said to the question.
    Asked(EffectId, Knowledge),
    /// The result is durable.
    Reported(EffectId),
    /// The engine did not take an attempt or a result, or nothing is known of it; it may be tried again.
    NotTaken(EffectId),
    /// Time went on.
    Tick,
}

/// What the other side knows of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
    Done,
    Refused,
    /// Never seen, or not yet.
    NotFound,
    Unknown,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Journal that it is about to be done.
    Attempt(EffectId),
    /// Send the order.
    Call(EffectId),
    /// Ask what became of the order.
    Ask(EffectId),
    /// Tell the engine.
    Report(EffectId, EffectOutcome),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Effects with something under way at a time.
    pub in_flight: usize,
    /// Before the first question after an unknown end; doubles with each further one.
    pub first_pause_ms: i64,
    pub longest_pause_ms: i64,
    /// How long the other side must not know an order, after its payment is over, until it counts as never sent.
    pub silence_ms: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            in_flight: 64,
            first_pause_ms: 200,
            longest_pause_ms: 30_000,
            silence_ms: 600_000,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waits for room to be attempted.
    Ready,
    Attempting,
    Calling,
    /// Waits for room to be asked.
    ReadyToAsk,
    Asking,
    Reporting(EffectOutcome),
    Resting(Next),
}

/// What comes after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Attempt,
    Ask,
    Report(EffectOutcome),
}

#[derive(Clone, Copy, Debug)]
struct Work {
    phase: Phase,
    pauses: u32,
    /// The unknown end has been reported; saying it again tells nothing.
    reported_unknown: bool,
    /// Wanted again by the operator while this was under way.
    again: bool,
    /// Since when nothing more is to be sent.
    over_since: Option<Timestamp>,
}

/// All open effects.
#[derive(Debug, Default)]
pub struct Step {
    options: Options,
    work: BTreeMap<EffectId, Work>,
    ready: VecDeque<EffectId>,
    resting: BTreeSet<(Timestamp, EffectId)>,
    in_flight: usize,
}

/// The input that a durable event is, if it is one.
pub fn input_of(event: &EffectEvent) -> Option<Input> {
    match event {
        EffectEvent::Wanted { effect } => Some(Input::Open(effect.id, effect.state)),
        EffectEvent::Repeated { id } => Some(Input::Open(*id, EffectState::Wanted)),
        EffectEvent::Dropped { id } | EffectEvent::PaidToBalance { id, .. } => {
            Some(Input::Over(*id))
        }
        // What this worker itself reported.
        EffectEvent::Attempted { .. } | EffectEvent::Settled { .. } => None,
    }
}

/// Names the effect's order at the other side; `wanted` is the effect's public id. What the operator wants again after a
/// refusal is another order, since a refused one stays refused.
pub fn reference(wanted: &str, effect: &Effect) -> String {
    match effect.repeats {
        0 => wanted.to_owned(),
        repeats => format!("{wanted}-{repeats}"),
    }
}

impl Step {
    pub fn new(options: Options) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// When [`Input::Tick`] is wanted next.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.resting.first().map(|(at, _)| *at)
    }

    /// How many effects are open here.
    pub fn open(&self) -> usize {
        self.work.len()
    }

    /// Takes one input at `now`; what is to be done goes to `outputs`.
    pub fn step(&mut self, now: Timestamp, input: Input, outputs: &mut Vec<Output>) {
        match input {
            Input::Open(id, state) => self.open_effect(id, state),
            Input::Over(id) => self.over(id),
            Input::Gone(id) => self.forget(id),
            Input::Attempted(id) => {
                if self.phase(id) == Some(Phase::Attempting) {
                    self.set(id, Phase::Calling);
                    outputs.push(Output::Call(id));
                }
            }
            Input::PaymentOver(id) => {
                if self.phase(id) == Some(Phase::Attempting) {
                    if let Some(work) = self.work.get_mut(&id) {
                        work.over_since = Some(now);
                    }
                    self.rest(now, id, Next::Ask);
                }
            }
            Input::Called(id, outcome) => {
                if self.phase(id) == Some(Phase::Calling) {
                    self.ended(id, outcome, outputs);
                }
            }
            Input::Asked(id, knowledge) => {
                if self.phase(id) == Some(Phase::Asking) {
                    self.answered(now, id, knowledge, outputs);
                }
            }
            Input::Reported(id) => self.reported(now, id),
            Input::NotTaken(id) => match self.phase(id) {
                // Whether or not the attempt became durable, nothing was sent.
                Some(Phase::Attempting) => self.rest(now, id, Next::Attempt),
                Some(Phase::Reporting(outcome)) => self.rest(now, id, Next::Report(outcome)),
                _ => {}
            },
            Input::Tick => {}
        }
        self.wake(now, outputs);
        self.start(outputs);
    }

    fn open_effect(&mut self, id: EffectId, state: EffectState) {
        if let Some(work) = self.work.get_mut(&id) {
            work.again |= matches!(work.phase, Phase::Reporting(EffectOutcome::Refused))
                && state == EffectState::Wanted;
            return;
        }
        let phase = match state {
            EffectState::Wanted => Phase::Ready,
            EffectState::Attempted | EffectState::Unknown => Phase::ReadyToAsk,
            // Waits for a person.
            EffectState::Stuck => return,
        };
        let work = Work {
            phase,
            pauses: 0,
            reported_unknown: state == EffectState::Unknown,
            again: false,
            over_since: None,
        };
        self.work.insert(id, work);
        self.ready.push_back(id);
    }

    /// Only what has not been sent can be dropped; the rest ends by its own result.
    fn over(&mut self, id: EffectId) {
        if matches!(
            self.phase(id),
            Some(Phase::Ready | Phase::Resting(Next::Attempt))
        ) {
            self.forget(id);
        }
    }

    fn ended(&mut self, id: EffectId, outcome: EffectOutcome, outputs: &mut Vec<Output>) {
        self.set(id, Phase::Reporting(outcome));
        outputs.push(Output::Report(id, outcome));
    }

    fn answered(
        &mut self,
        now: Timestamp,
        id: EffectId,
        knowledge: Knowledge,
        outputs: &mut Vec<Output>,
    ) {
        match knowledge {
            Knowledge::Done => self.ended(id, EffectOutcome::Done, outputs),
            Knowledge::Refused => self.ended(id, EffectOutcome::Refused, outputs),
            Knowledge::NotFound => match self.work.get(&id).and_then(|work| work.over_since) {
                None => self.rest(now, id, Next::Attempt),
                Some(since) if now.since(since) >= self.options.silence_ms => {
                    self.ended(id, EffectOutcome::Refused, outputs);
                }
                Some(_) => self.rest(now, id, Next::Ask),
            },
            Knowledge::Unknown => {
                let told = self.work.get(&id).is_some_and(|work| work.reported_unknown);
                if told {
                    self.rest(now, id, Next::Ask);
                } else {
                    self.ended(id, EffectOutcome::Unknown, outputs);
                }
            }
        }
    }

    fn reported(&mut self, now: Timestamp, id: EffectId) {
        match self.phase(id) {
            Some(Phase::Reporting(EffectOutcome::Unknown)) => {
                if let Some(work) = self.work.get_mut(&id) {
                    work.reported_unknown = true;
                }
                self.rest(now, id, Next::Ask);
            }
            Some(Phase::Reporting(EffectOutcome::Done | EffectOutcome::Refused)) => {
                let again = self.work.get(&id).is_some_and(|work| work.again);
                self.forget(id);
                if again {
                    self.open_effect(id, EffectState::Wanted);
                }
            }
            _ => {}
        }
    }

    /// Gives its room to another for a while.
    fn rest(&mut self, now: Timestamp, id: EffectId, next: Next) {
        let options = self.options;
        if let Some(work) = self.work.get_mut(&id) {
            let pause = options
                .first_pause_ms
                .saturating_mul(1 << work.pauses.min(20));
            work.pauses += 1;
            work.phase = Phase::Resting(next);
            let at = now.plus(pause.min(options.longest_pause_ms));
            self.resting.insert((at, id));
            self.in_flight -= 1;
        }
    }

    fn forget(&mut self, id: EffectId) {
        match self.work.remove(&id).map(|work| work.phase) {
            None => {}
            Some(Phase::Ready | Phase::ReadyToAsk) => {
                self.ready.retain(|waiting| *waiting != id);
            }
            Some(Phase::Resting(_)) => self.resting.retain(|(_, waiting)| *waiting != id),
            Some(Phase::Attempting | Phase::Calling | Phase::Asking | Phase::Reporting(_)) => {
                self.in_flight -= 1;
            }
        }
    }

    /// Those whose pause is over wait for room again.
    fn wake(&mut self, now: Timestamp, outputs: &mut Vec<Output>) {
        while let Some((at, id)) = self.resting.first().copied() {
            if at > now {
                return;
            }
            self.resting.pop_first();
            let Some(Phase::Resting(next)) = self.phase(id) else {
                continue;
            };
            match next {
                Next::Attempt => self.set(id, Phase::Ready),
                Next::Ask => self.set(id, Phase::ReadyToAsk),
                Next::Report(outcome) => {
                    // A result is worth more than the limit.
                    self.in_flight += 1;
                    self.ended(id, outcome, outputs);
                    continue;
                }
            }
            self.ready.push_back(id);
        }
    }

    /// Begins what there is room for, oldest first.
    fn start(&mut self, outputs: &mut Vec<Output>) {
        while self.in_flight < self.options.in_flight
            && let Some(id) = self.ready.pop_front()
        {
            let (phase, output) = match self.phase(id) {
                Some(Phase::Ready) => (Phase::Attempting, Output::Attempt(id)),
                Some(Phase::ReadyToAsk) => (Phase::Asking, Output::Ask(id)),
                _ => continue,
            };
            self.set(id, phase);
            self.in_flight += 1;
            outputs.push(output);
        }
    }

    fn phase(&self, id: EffectId) -> Option<Phase> {
        self.work.get(&id).map(|work| work.phase)
    }

    fn set(&mut self, id: EffectId, phase: Phase) {
        if let Some(work) = self.work.get_mut(&id) {
            work.phase = phase;
        }
    }
}

#[cfg(test)]
mod tests;
