//! The worker's exchanges with the stand-in bank, over a network that delays and loses.

use paytone_connectors::{
    funding::{
        Outcome, Reference, Status,
        bank::{Asked, read_outcome, read_status},
    },
    stand_in_bank::{Arrival, Behaviour, Collect, Fate, GiveBack, Progress, Request},
};
use paytone_domain::{
    Answer,
    funding::{Direction, Effect, EffectOutcome, EffectRefusal},
    ids::EffectId,
};
use paytone_engine::effects::{Input, Knowledge, Output, reference};

use crate::{
    follower::public_id,
    happening::{BankCall, Happening, Told, WorkerAsk},
    mutation::Mutation,
    process::Input as Inbox,
    violation::{Check, Checked, Violation},
    world::World,
};

pub const CURRENCY: &str = "CNY";
/// The connector's patience.
const PATIENCE_MS: i64 = 5_000;

fn violation(detail: String) -> Violation {
    Violation {
        check: Check::Bank,
        detail,
    }
}

impl World {
    /// The worker's step, and what it wants done.
    pub fn worker(&mut self, input: Input) -> Checked {
        let wall = self.wall();
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        let mut outputs = Vec::new();
        process.worker.step(wall, input, &mut outputs);
        for output in outputs {
            match output {
                Output::Attempt(id) => {
                    self.worker_asks(WorkerAsk::Attempt(id))?;
                    if self.mutation == Some(Mutation::CallBeforeDurable) {
                        self.worker(Input::Attempted(id))?;
                    }
                }
                Output::Report(id, outcome) => self.worker_asks(WorkerAsk::Report(id, outcome))?,
                Output::Call(id) => self.bank_call(id, false)?,
                Output::Ask(id) => self.bank_call(id, true)?,
            }
        }
        self.plan_worker();
        Ok(())
    }

    /// The engine's queue may be full; then it is not taken and said again later.
    fn worker_asks(&mut self, ask: WorkerAsk) -> Checked {
        if !self.settling && self.random.chance(2) {
            let (WorkerAsk::Attempt(id) | WorkerAsk::Report(id, _)) = ask;
            return self.worker(Input::NotTaken(id));
        }
        if let Some(process) = &mut self.process {
            process.inbox.push_back(Inbox::Worker(ask));
            self.wake(2);
        }
        Ok(())
    }

    fn plan_worker(&mut self) {
        let due = self
            .process
            .as_ref()
            .and_then(|process| Some((process.worker.next_due()?, process.life)));
        if let Some((at, life)) = due
            && self.worker_due != Some((at, life))
        {
            self.worker_due = Some((at, life));
            let after = self.until(at).max(0);
            self.queue.push(after, Happening::WorkerTick { life });
        }
    }

    pub fn worker_tick(&mut self, life: u64) -> Checked {
        let wall = self.wall();
        self.worker_due = None;
        let is_due = self.process.as_ref().is_some_and(|process| {
            process.life == life && process.worker.next_due().is_some_and(|at| at <= wall)
        });
        if is_due {
            return self.worker(Input::Tick);
        }
        self.plan_worker();
        Ok(())
    }

    /// The engine answered the worker.
    pub fn worker_told(&mut self, ask: WorkerAsk, told: &Told) -> Checked {
        let is_open = matches!(told, Told::Answer(Answer::Effect(Ok(()))));
        let is_over = matches!(
            told,
            Told::Answer(Answer::Effect(Err(EffectRefusal::PaymentOver)))
        );
        self.worker(match ask {
            WorkerAsk::Attempt(id) if is_over => Input::PaymentOver(id),
            WorkerAsk::Attempt(id) | WorkerAsk::Report(id, _) if !is_open => Input::Gone(id),
            WorkerAsk::Attempt(id) => Input::Attempted(id),
            WorkerAsk::Report(id, _) => Input::Reported(id),
        })
    }

    fn bank_call(&mut self, id: EffectId, is_question: bool) -> Checked {
        let token = self.token();
        let mutation = self.mutation;
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        let state = process.pipeline.state();
        let Some(effect) = state.effects.get(&id) else {
            return self.worker(Input::Gone(id));
        };
        let own = order_reference(effect, mutation);
        let request = if is_question {
            Request::Status { reference: own }
        } else {
            match effect.direction {
                Direction::Collect => {
                    let payer = state.subscribers.get(effect.payer);
                    let bank = payer.and_then(|payer| payer.bank.as_ref());
                    Request::Collect(Collect {
                        reference: own,
                        account: bank
                            .map(|bank| String::from_utf8_lossy(&bank.0).into_owned())
                            .unwrap_or_else(|| "closed".to_owned()),
                        amount_minor: effect.amount.minor(),
                        currency: CURRENCY.to_owned(),
                    })
                }
                Direction::GiveBack { original } => Request::GiveBack(GiveBack {
                    reference: own,
                    original: public_id(original),
                    amount_minor: effect.amount.minor(),
                    currency: CURRENCY.to_owned(),
                }),
            }
        };
        process.exchanges.insert(id, token);
        let call = BankCall {
            token,
            effect: id,
            is_question,
        };
        self.queue
            .push(PATIENCE_MS, Happening::BankSilent(call.clone()));
        if self.settling || !self.random.chance(5) {
            let after = self.random.between(1, 200);
            let arrival = Arrival::Fresh;
            self.queue.push(
                after,
                Happening::BankHears {
                    call,
                    request,
                    arrival,
                },
            );
        }
        Ok(())
    }

    fn bank_now(&self) -> u64 {
        u64::try_from(self.queue.now()).unwrap_or(0)
    }

    pub fn bank_hears(&mut self, call: BankCall, request: Request, arrival: Arrival) -> Checked {
        let step = self.bank.step(request.clone(), arrival, self.bank_now());
        self.note(|| format!("bank: {request:?} ▶ {:?}", step.fate));
        if !step.records.is_empty() {
            self.check_bank()?;
        }
        match step.fate {
            Fate::Drop => {}
            Fate::Later { after_ms } => {
                let after = i64::try_from(after_ms).unwrap_or(0);
                let arrival = Arrival::Delayed;
                self.queue.push(
                    after,
                    Happening::BankHears {
                        call,
                        request,
                        arrival,
                    },
                );
            }
            Fate::Answer {
                status,
                body,
                after_ms,
            } => {
                if self.settling || !self.random.chance(5) {
                    let after = i64::try_from(after_ms).unwrap_or(0) + self.random.between(1, 200);
                    let body = body.to_string().into_bytes();
                    self.queue
                        .push(after, Happening::BankSays { call, status, body });
                }
            }
        }
        Ok(())
    }

    fn check_bank(&mut self) -> Checked {
        for operation in self.bank.statement().operations {
            self.follower.check_operation(&operation)?;
        }
        Ok(())
    }

    /// What the bank said, or that it said nothing in time. Read by the very code that reads a real answer.
    pub fn bank_says(&mut self, call: &BankCall, said: Option<(u16, &[u8])>) -> Checked {
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        // An answer to an exchange that was given up, or of an earlier life.
        if process.exchanges.get(&call.effect) != Some(&call.token) {
            return Ok(());
        }
        process.exchanges.remove(&call.effect);
        let id = call.effect;
        let mutation = self.mutation;
        let Some(effect) = process.pipeline.state().effects.get(&id) else {
            return self.worker(Input::Gone(id));
        };
        let text = order_reference(effect, mutation);
        let own = Reference::new(text).map_err(|error| violation(error.to_string()))?;
        let amount_minor = effect.amount.minor();
        let input = if call.is_question {
            let status = said.map_or(
                Status::Unknown {
                    why: "silent".to_owned(),
                },
                |(status, body)| read_status(&own, status, body),
            );
            Input::Asked(id, knowledge(&status, amount_minor))
        } else {
            let asked = Asked {
                reference: &own,
                amount_minor,
                currency: CURRENCY,
            };
            let outcome = said.map(|(status, body)| read_outcome(&asked, status, body));
            Input::Called(
                id,
                match outcome {
                    Some(Outcome::Done { .. }) => EffectOutcome::Done,
                    Some(Outcome::Refused { .. }) => EffectOutcome::Refused,
                    None if mutation == Some(Mutation::SilenceMeansRefused) => {
                        EffectOutcome::Refused
                    }
                    Some(Outcome::Unknown { .. }) | None => EffectOutcome::Unknown,
                },
            )
        };
        self.note(|| format!("worker: the bank said {input:?}"));
        self.worker(input)
    }

    /// The bank's moods change.
    pub fn mood(&mut self) {
        if self.settling {
            return;
        }
        let ms = u64::try_from(self.random.between(10, 300_000)).unwrap_or(0);
        let behaviour = match self.random.below(11) {
            0 => Behaviour::Delay { ms },
            1 => Behaviour::DelayRequest { ms },
            2 | 8 | 9 => Behaviour::Refuse {
                reason: "not_today".to_owned(),
            },
            3 => Behaviour::LoseAnswer,
            4 => Behaviour::LoseRequest,
            5 => Behaviour::LateSuccess {
                after_ms: Some(ms),
                after_status_calls: None,
            },
            6 => Behaviour::LateSuccess {
                after_ms: None,
                after_status_calls: Some(1 + u32::try_from(ms % 4).unwrap_or(0)),
            },
            7 => Behaviour::LateSuccess {
                after_ms: None,
                after_status_calls: None,
            },
            _ => Behaviour::Unavailable,
        };
        let times = Some(1 + u32::try_from(self.random.below(5)).unwrap_or(0));
        let request = Request::Behave {
            account: None,
            behaviour,
            times,
        };
        let now = self.bank_now();
        self.bank.step(request, Arrival::Fresh, now);
        let after = self.random.between(1_000, 30_000);
        self.queue.push(after, Happening::Mood);
    }

    /// Somebody at the bank decides what waits there.
    pub fn clerk(&mut self) -> Checked {
        let pending: Vec<String> = self
            .bank
            .statement()
            .operations
            .into_iter()
            .filter(|operation| matches!(operation.progress, Progress::Pending { .. }))
            .map(|operation| operation.reference)
            .collect();
        let now = self.bank_now();
        for reference in pending {
            if !self.settling && self.random.chance(50) {
                continue;
            }
            let request = if self.random.chance(70) {
                Request::Complete { reference }
            } else {
                let reason = "by_hand".to_owned();
                Request::Fail { reference, reason }
            };
            self.bank.step(request, Arrival::Fresh, now);
        }
        self.check_bank()?;
        if !self.settling {
            let after = self.random.between(60_000, 600_000);
            self.queue.push(after, Happening::Clerk);
        }
        Ok(())
    }

    /// From now on the bank does what it is asked.
    pub fn calm_bank(&mut self) {
        let request = Request::Behave {
            account: None,
            behaviour: Behaviour::Normal,
            times: None,
        };
        let now = self.bank_now();
        self.bank.step(request, Arrival::Fresh, now);
    }
}

fn order_reference(effect: &Effect, mutation: Option<Mutation>) -> String {
    let own = reference(&public_id(effect.id), effect);
    match mutation {
        Some(Mutation::ReferencePerAttempt) if effect.attempts > 1 => {
            format!("{own}-attempt{}", effect.attempts)
        }
        _ => own,
    }
}

/// Another amount than was wanted tells nothing.
fn knowledge(status: &Status, wanted_minor: i64) -> Knowledge {
    match status {
        Status::Done {
            amount_minor,
            currency,
            ..
        } if *amount_minor == wanted_minor && currency == CURRENCY => Knowledge::Done,
        Status::Refused { .. } => Knowledge::Refused,
        Status::NotFound => Knowledge::NotFound,
        Status::Done { .. } | Status::Unknown { .. } => Knowledge::Unknown,
    }
}
