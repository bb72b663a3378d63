//! Runs the process in the world: its thread, its disk, its crashes and starts. One piece: what a crash takes and what a start finds
//! again are read together.

use paytone_domain::{
    Answer, Command, Event,
    archive::Gone,
    mandate::MandateEvent,
    payment::{PaymentCommand, PaymentEvent},
    subscriber::{DeviceEvent, DeviceStatus, PromptRef},
    time::Timestamp,
};
use paytone_engine::{Answered, Batch, digest, effects};
use paytone_journal::{
    AppendError, Journal,
    memory::{Fault, Unsynced},
};

use crate::{
    archive, checks,
    follower::difference,
    happening::{Ask, CallId, Happening, Told, WorkerAsk},
    mutation::Mutation,
    process::{Input, Process, Reply, look, now, rows, without_keys},
    promises::repeat_of,
    trimming::Trim,
    violation::{Check, Checked, Violation, require},
    world::World,
};

/// How often, in runs of the process, everything is gone through.
const THOROUGH_EVERY: u64 = 16;

impl World {
    /// A request reaches an edge, which looks for its key first.
    pub fn arrives(&mut self, call: CallId) -> Checked {
        let Some(process) = &self.process else {
            return Ok(());
        };
        let looked = match self.calls.get(&call).map(|known| &known.ask) {
            Some(Ask::Command(command)) => self.looked_for(process, command),
            _ => Ok(Timestamp::default()),
        };
        match looked {
            Ok(checked) => {
                if let Some(process) = &mut self.process {
                    process.inbox.push_back(Input::Client(call, checked));
                    self.wake(3);
                }
                Ok(())
            }
            Err(answer) => {
                let to = Input::Client(call, Timestamp::default());
                let told = Told::Answer(*answer);
                self.release(Reply { to, told }, 0)
            }
        }
    }

    /// The process runs within `most_ms`.
    pub fn wake(&mut self, most_ms: i64) {
        let at = self.queue.now() + self.random.between(0, most_ms);
        self.wake_at(at);
    }

    fn wake_at(&mut self, at: i64) {
        let at = at.max(self.queue.now());
        let Some(process) = &mut self.process else {
            return;
        };
        if process.wakes_at.is_none_or(|wakes_at| at < wakes_at) {
            process.wakes_at = Some(at);
            let life = process.life;
            self.queue
                .push(at - self.queue.now(), Happening::Runs { life, at });
        }
    }

    /// One turn of the engine's thread.
    pub fn runs(&mut self, life: u64, at: i64) -> Checked {
        let wall = self.wall();
        let mutation = self.mutation;
        let Some(process) = self.process.as_mut().filter(|process| process.life == life) else {
            return Ok(());
        };
        if process.wakes_at != Some(at) {
            return Ok(());
        }
        process.wakes_at = None;
        let time_moves = !process.pipeline.has_open_batch();
        let is_due = process.pipeline.next_due().is_some_and(|due| due <= wall);
        if !(is_due && mutation == Some(Mutation::SkipDeadlines)) {
            process.pipeline.advance(wall);
        }
        if time_moves && process.pipeline.room() > 0 {
            checks::verdicts(process.pipeline.state(), wall)?;
        }
        let mut out = Vec::new();
        let mut lines = Vec::new();
        while process.pipeline.room() > 0
            && let Some(input) = process.inbox.pop_front()
        {
            let Some(told) = take(process, &self.calls, input) else {
                continue;
            };
            lines.push(describe(&self.calls, input, &told));
            let reply = Reply { to: input, told };
            if mutation == Some(Mutation::AnswerBeforeDurable) {
                // Something rests on it all the same, as it would if the answer had waited.
                out.push(Answered {
                    answer: reply,
                    position: 0,
                });
            } else {
                out.extend(process.pipeline.rest_on(reply));
            }
        }
        checks::quick(process.pipeline.state())?;
        if self.steps.is_multiple_of(THOROUGH_EVERY) {
            checks::thorough(&process.left.whole(process.pipeline.state()))?;
        }
        for line in lines {
            self.note(|| line);
        }
        self.send_batch()?;
        for Answered { answer, position } in out {
            self.release(answer, position)?;
        }
        self.plan_next_run();
        Ok(())
    }

    fn plan_next_run(&mut self) {
        let Some(process) = &self.process else { return };
        // A full or busy process is woken when its row is durable.
        if let Some(due) = process.pipeline.next_due()
            && !process.pipeline.is_in_flight()
        {
            let after = self.until(due);
            // Due already, and no room for it: a durable batch wakes it sooner.
            let after = if after < 0 { 1_000 } else { after };
            self.wake_at(self.queue.now() + after);
        }
    }

    fn send_batch(&mut self) -> Checked {
        let id = self.random.bytes();
        let wall = self.wall();
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        let Some(mut row) = process.pipeline.next_row(|| id) else {
            return Ok(());
        };
        let life = process.life;
        let other = self
            .mutation
            .and_then(|mutation| mutation.decided(&row, &self.follower.state, wall));
        process.decides_wrongly = other.is_some();
        if let Some(other) = other {
            row = other;
        }
        let early = (self.mutation == Some(Mutation::CallBeforeDurable)).then(|| row.body.clone());
        process.row = Some(row);
        self.queue.push(0, Happening::Appends { life });
        let batch = early.and_then(|body| Batch::decode(&body).ok());
        for event in batch
            .iter()
            .flat_map(|batch| &batch.items)
            .flat_map(|item| &item.events)
        {
            if let Event::Effect(event) = event
                && let Some(input) = effects::input_of(event)
            {
                self.worker(input)?;
            }
        }
        Ok(())
    }

    /// The journal's thread: appends the row, and the same again where it is unknown whether it got in.
    pub fn appends(&mut self, life: u64) -> Checked {
        let is_full = !self.settling && self.queue.now() < self.full_until;
        if is_full {
            self.journal.plan(Fault::Full);
        } else if !self.settling && self.random.chance(2) {
            let fault = match self.random.below(8) {
                0 => Fault::Broken,
                1 => Fault::Conflict,
                2..=4 => Fault::UnknownHappened,
                _ => Fault::UnknownNotHappened,
            };
            self.journal.plan(fault);
        }
        let Some(process) = self.process.as_mut().filter(|process| process.life == life) else {
            return Ok(());
        };
        let Some(row) = process.row.clone() else {
            return Ok(());
        };
        match now(process.journal.append(&row)) {
            None => {
                let slow = self.random.chance(3);
                let most = if slow { 4_000 } else { 40 };
                let after = self.random.between(1, most);
                self.queue.push(after, Happening::Synced { life });
            }
            Some(Ok(())) => return self.appended(),
            Some(Err(AppendError::Unknown(_))) => {
                let after = self.random.between(10, 1_000);
                self.queue.push(after, Happening::Appends { life });
            }
            Some(Err(AppendError::Broken(_)))
                if self.mutation == Some(Mutation::GoOnAfterFailedSync) =>
            {
                return self.appended();
            }
            Some(Err(error @ (AppendError::Conflict { .. } | AppendError::Broken(_)))) => {
                self.crash(error.code());
            }
        }
        Ok(())
    }

    pub fn synced(&mut self, life: u64) -> Checked {
        if self
            .process
            .as_ref()
            .is_some_and(|process| process.life == life)
        {
            self.journal.sync();
            return self.appends(life);
        }
        Ok(())
    }

    fn appended(&mut self) -> Checked {
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        process.row = None;
        if process.decides_wrongly {
            self.crash("a wrong decision is durable");
            return Ok(());
        }
        let Some((durable, replies)) = process.pipeline.appended() else {
            return Ok(());
        };
        let (seq, batch) = (durable.seq, durable.batch);
        self.note(|| format!("durable {seq}: {} items", batch.items.len()));
        self.send_batch()?;
        self.check_archive(&batch)?;
        self.follower.take(seq, &batch, self.mutation)?;
        self.observe(&batch)?;
        for reply in replies {
            self.release(reply, seq)?;
        }
        self.wake(1);
        Ok(())
    }

    /// What follows a durable batch: the worker and the prompts.
    fn observe(&mut self, batch: &Batch) -> Checked {
        for event in batch.items.iter().flat_map(|item| &item.events) {
            match event {
                Event::Effect(event) => {
                    if let Some(input) = effects::input_of(event) {
                        self.worker(input)?;
                    }
                }
                Event::Payment(PaymentEvent::Requested {
                    id,
                    payer: Some(payer),
                    veto: None,
                    decline: None,
                    mandate: None,
                    ..
                }) => self.push_prompt(*payer, PromptRef::Payment(*id)),
                Event::Mandate(MandateEvent::Requested {
                    id,
                    payer: Some(payer),
                    veto: None,
                    ..
                }) => self.push_prompt(*payer, PromptRef::Mandate(*id)),
                Event::Device(DeviceEvent::Added {
                    device,
                    subscriber,
                    status: DeviceStatus::AwaitingApproval | DeviceStatus::Recovering,
                    ..
                }) => self.push_prompt(*subscriber, PromptRef::Device(*device)),
                _ => {}
            }
        }
        Ok(())
    }

    /// An answer leaves the process.
    pub fn release(&mut self, reply: Reply, position: u64) -> Checked {
        self.released += 1;
        let durable = rows_durable(&mut self.journal.reopen())?;
        require(position <= durable, Check::Journal, || {
            format!("an answer rests on {position} when {durable} is durable")
        })?;
        match reply.to {
            Input::Worker(ask) => self.worker_told(ask, &reply.told),
            Input::Archive(_, asked) => self.archive_told(asked, reply.told),
            Input::Client(id, _) => {
                match reply.told {
                    Told::Gone(Gone::Keys, _) => return self.arrives(id),
                    Told::Gone(gone, as_of) => {
                        self.fetch(id, gone, as_of);
                        return Ok(());
                    }
                    _ => {}
                }
                let Some(call) = self.calls.get(&id) else {
                    return Ok(());
                };
                let repeat = match &call.ask {
                    Ask::Command(command) => repeat_of(command),
                    Ask::Look(_) => None,
                };
                self.promises.keep(&reply.told, repeat)?;
                if let (Ask::Command(Command::Payment(command)), Told::Answer(answer)) =
                    (&call.ask, &reply.told)
                    && let Answer::PaymentOnPhone(told) = answer
                {
                    let payment = match command {
                        PaymentCommand::Approve(approval) => approval.id,
                        PaymentCommand::Refuse { id, .. } => *id,
                        _ => return Ok(()),
                    };
                    self.promises.keep_decision(payment, told);
                }
                if self.settling || !self.random.chance(6) {
                    let told = reply.told;
                    let after = self.random.between(1, 150);
                    self.queue
                        .push(after, Happening::Answered { call: id, told });
                }
                Ok(())
            }
        }
    }

    /// The process is gone, and with it everything that is not durable.
    pub fn crash(&mut self, why: &str) {
        let Some(process) = self.process.take() else {
            return;
        };
        self.crashes += 1;
        let unsynced = if self.random.chance(50) {
            Unsynced::Lost
        } else {
            Unsynced::Kept
        };
        self.note(|| format!("CRASH: {why}; a row under way is {unsynced:?}"));
        self.journal.crash_with(unsynced);
        if self.mutation == Some(Mutation::SkipSync) && self.random.chance(50) {
            self.journal.lose_last(1 + self.random.below(3));
        }
        drop(process);
        let long = self.random.chance(6);
        let after = self.random.between(10, if long { 600_000 } else { 3_000 });
        self.queue.push(after, Happening::Starts);
    }

    /// Starts the process on what the journal holds, and compares.
    pub fn start(&mut self) -> Checked {
        self.life += 1;
        if !self.settling {
            self.skew_ms = self.random.between(-2_000, 2_000);
        }
        self.journal = self.journal.reopen();
        let core = if self.mutation == Some(Mutation::ForgetKeysOnReplay) {
            without_keys(&mut self.reader())?
        } else {
            self.restarted()?
        };
        let mut process = Process::start(self.journal.clone(), core, self.life);
        for row in rows(&mut self.journal, self.follower.seq)? {
            let batch = Batch::decode(&row.body).map_err(|error| Violation {
                check: Check::Journal,
                detail: error.to_string(),
            })?;
            self.check_archive(&batch)?;
            self.follower.take(row.seq, &batch, self.mutation)?;
        }
        process.left = self.follower.left.clone();
        let state = process.pipeline.state();
        self.promises.check(&process.left.whole(state))?;
        if self.mutation != Some(Mutation::ForgetKeysOnReplay) {
            checks::thorough(&self.follower.whole())?;
            same(state, &self.follower.state)?;
        }
        let mut open: Vec<_> = state
            .effects
            .values()
            .map(|effect| (effect.id, effect.state))
            .collect();
        open.sort_by_key(|(id, _)| *id);
        self.process = Some(process);
        let seq = self.follower.seq;
        self.note(|| format!("START at {seq}"));
        let after = self.random.between(1_000, 60_000);
        let life = self.life;
        self.queue.push(after, Happening::Archiver { life });
        let after = self.random.between(1_000, 120_000);
        self.plan_trim(after, Trim::Export);
        for (id, state) in open {
            self.worker(effects::Input::Open(id, state))?;
        }
        self.wake(1);
        Ok(())
    }

    /// A little, by a correction; or far, by hand.
    pub fn clock_jumps(&mut self) {
        if self.settling {
            return;
        }
        let most = if self.random.chance(15) {
            3 * 3_600_000
        } else {
            90_000
        };
        self.skew_ms = self.random.between(-most, most);
        self.clock_jumps += 1;
        let skew = self.skew_ms;
        self.note(|| format!("CLOCK is {skew} ms off"));
        // A process looks at the clock at least once a second.
        self.wake(1_000);
        let after = self.random.between(30_000, 900_000);
        self.queue.push(after, Happening::ClockJumps);
    }

    /// Until somebody makes room; the process starts again and again meanwhile.
    pub fn disk_fills(&mut self) {
        if self.settling {
            return;
        }
        self.full_disks += 1;
        self.full_until = self.queue.now() + self.random.between(100, 30_000);
        self.note(|| "DISK full".to_owned());
        let after = self.random.between(120_000, 1_800_000);
        self.queue.push(after, Happening::DiskFills);
    }

    /// The state that decisions made is the state that the journal makes.
    pub fn compare(&mut self) -> Checked {
        let Some(process) = &self.process else {
            return Ok(());
        };
        let whole = process.left.whole(process.pipeline.state());
        self.promises.check(&whole)?;
        if !process.pipeline.has_open_batch() && !process.pipeline.is_in_flight() {
            if self.mutation != Some(Mutation::ForgetKeysOnReplay) {
                same(process.pipeline.state(), &self.follower.state)?;
            }
            checks::thorough(&whole)?;
        }
        Ok(())
    }
}

fn same(one: &paytone_domain::State, other: &paytone_domain::State) -> Checked {
    require(digest(one) == digest(other), Check::Replay, || {
        difference(one, other)
    })
}

fn rows_durable(journal: &mut paytone_journal::MemoryJournal) -> Result<u64, Violation> {
    use paytone_journal::JournalReader;
    match now(journal.last()) {
        Some(Ok(tip)) => Ok(tip.map_or(0, |tip| tip.seq)),
        other => Err(Violation {
            check: Check::Journal,
            detail: format!("the end of the journal cannot be read: {other:?}"),
        }),
    }
}

type Calls = std::collections::BTreeMap<CallId, crate::happening::Call>;

fn take(process: &mut Process, calls: &Calls, input: Input) -> Option<Told> {
    use paytone_domain::{Actor, funding::EffectCommand};
    let pipeline = &mut process.pipeline;
    match input {
        Input::Client(id, checked) => {
            let call = calls.get(&id)?;
            Some(match &call.ask {
                Ask::Command(command) => {
                    let mut command = command.clone();
                    command.say_checked(checked);
                    let answer = pipeline.decide(call.actor, id, command);
                    match answer.gone() {
                        Some(gone) => Told::Gone(gone, pipeline.moment().now),
                        None => Told::Answer(answer),
                    }
                }
                Ask::Look(what) => match what.gone(pipeline.state()) {
                    Some(gone) => Told::Gone(gone, pipeline.moment().now),
                    None => Told::Seen(look(pipeline.state(), *what)),
                },
            })
        }
        Input::Archive(token, _) => {
            let ask = process.archive_asks.remove(&token)?;
            Some(archive::decided(process, ask))
        }
        Input::Worker(ask) => {
            let command = match ask {
                WorkerAsk::Attempt(id) => EffectCommand::Attempt { id },
                WorkerAsk::Report(id, outcome) => EffectCommand::Result { id, outcome },
            };
            Some(Told::Answer(pipeline.decide(
                Actor::Connector,
                0,
                Command::Effect(command),
            )))
        }
    }
}

fn describe(calls: &Calls, input: Input, told: &Told) -> String {
    let short = |text: String| text.chars().take(150).collect::<String>();
    match input {
        Input::Archive(_, asked) => format!("archive: {asked:?} ▶ {}", short(format!("{told:?}"))),
        Input::Worker(ask) => format!("worker: {ask:?} ▶ {}", short(format!("{told:?}"))),
        Input::Client(id, _) => match calls.get(&id) {
            Some(call) => format!(
                "{:?} #{id}: {} ▶ {}",
                call.owner,
                short(format!("{:?}", call.ask)),
                short(format!("{told:?}"))
            ),
            None => String::new(),
        },
    }
}
