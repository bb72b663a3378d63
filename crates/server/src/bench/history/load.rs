//! The load: one thread that keeps payments under way, each after a look for its key, until so many are made.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use paytone_domain::{
    Actor, Answer, Command,
    archive::Gone,
    payment::{ClientPaymentRefusal, Status},
};
use paytone_engine::{Answered, Engine, EngineError, Pending};

use crate::{
    archive::{
        Archive, ArchiveError,
        keys::{Keys, PlaceOf},
    },
    bench::{
        engine::{
            load::cpu_of,
            world::{Random, World},
        },
        load::cpu_time,
    },
};

/// While memory is full.
const PAUSE: Duration = Duration::from_millis(1);

#[derive(Clone)]
pub struct Load {
    pub engine: Engine,
    pub world: Arc<World>,
    pub in_flight: usize,
    pub keys: Arc<Keys>,
    pub archive: Archive,
    pub runtime: tokio::runtime::Handle,
    /// Nothing more for now.
    pub full: Arc<AtomicBool>,
}

/// What some payments cost.
pub struct Measured {
    pub payments: u64,
    took: Duration,
    /// Of everything but the load itself.
    cpu: Duration,
    /// From the queue to the answer, in microseconds.
    latency: Histogram<u64>,
    /// Keys that were looked for on the disk.
    looked_up: u64,
}

impl Measured {
    pub fn per_s(&self) -> u64 {
        let micros = self.took.as_micros().max(1);
        u64::try_from(u128::from(self.payments) * 1_000_000 / micros).unwrap_or(u64::MAX)
    }

    pub fn cpu_us(&self) -> f64 {
        let payments = u32::try_from(self.payments.max(1)).unwrap_or(u32::MAX);
        (self.cpu / payments).as_secs_f64() * 1e6
    }

    pub fn p99_ms(&self) -> f64 {
        Duration::from_micros(self.latency.value_at_quantile(0.99)).as_secs_f64() * 1e3
    }

    pub fn looked_up_per_million(&self) -> u64 {
        self.looked_up * 1_000_000 / self.payments.max(1)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("a payment was not captured: {0}")]
    NotCaptured(String),
    #[error("a key that was never used is in the archive")]
    Known,
    #[error("the load ended early")]
    Panicked,
}

impl Load {
    /// Makes so many payments.
    pub async fn run(&self, payments: u64) -> Result<Measured, LoadError> {
        let load = self.clone();
        let thread = std::thread::Builder::new()
            .name("load".to_owned())
            .spawn(move || load.make(payments))
            .map_err(|_| LoadError::Panicked)?;
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        joined
            .ok()
            .and_then(Result::ok)
            .ok_or(LoadError::Panicked)?
    }

    fn make(self, payments: u64) -> Result<Measured, LoadError> {
        let begun = Instant::now();
        let (cpu, own) = (cpu_time(), cpu_of(|name| name == "load"));
        let mut random =
            Random(u64::from(std::process::id()) << 32 | u64::from(begun.elapsed().subsec_nanos()));
        let mut under_way: VecDeque<(Instant, Pending<Answer>)> = VecDeque::new();
        let mut seen = Measured {
            payments: 0,
            took: Duration::ZERO,
            cpu: Duration::ZERO,
            latency: Histogram::new_with_bounds(1, 600_000_000, 3).expect("bounds in order"),
            looked_up: 0,
        };
        while seen.payments < payments {
            let now = Instant::now();
            let left = usize::try_from(payments - seen.payments).unwrap_or(usize::MAX);
            while under_way.len() < self.in_flight.min(left) && !self.full.load(Ordering::Relaxed) {
                let (actor, command) = self.next(&mut random, &mut seen)?;
                match self.engine.ask(actor, 0, command) {
                    Ok(pending) => under_way.push_back((now, pending)),
                    Err(EngineError::Overloaded) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            let Some((asked, first)) = under_way.pop_front() else {
                std::thread::sleep(PAUSE);
                continue;
            };
            let answered = first.wait()?;
            let now = Instant::now();
            seen.take(answered, asked, now)?;
            while let Some((asked, pending)) = under_way.pop_front() {
                match pending.take()? {
                    Ok(answered) => seen.take(answered, asked, now)?,
                    Err(pending) => {
                        under_way.push_front((asked, pending));
                        break;
                    }
                }
            }
        }
        seen.took = begun.elapsed();
        let own = cpu_of(|name| name == "load").saturating_sub(own);
        seen.cpu = cpu_time().saturating_sub(cpu).saturating_sub(own);
        Ok(seen)
    }

    /// A payment whose key was looked for.
    fn next(
        &self,
        random: &mut Random,
        seen: &mut Measured,
    ) -> Result<(Actor, Command), LoadError> {
        let (actor, mut command) = self.world.payment(random);
        if let Some(repeat) = command.repeat()
            && let PlaceOf::Among(checked, runs) = self.keys.place_of(repeat.key)
        {
            if !runs.is_empty() {
                seen.looked_up += 1;
                let looking = self.archive.answer(repeat.key, &runs);
                if self.runtime.block_on(looking)?.is_some() {
                    return Err(LoadError::Known);
                }
            }
            command.say_checked(checked);
        }
        Ok((actor, command))
    }
}

impl Measured {
    fn take(
        &mut self,
        answered: Answered<Answer>,
        asked: Instant,
        now: Instant,
    ) -> Result<(), LoadError> {
        match &answered.answer {
            Answer::Payment(Ok(facts)) if facts.now.status == Status::Captured => {}
            // Keys left between the look and the decision: one that an edge would ask again.
            Answer::ClientRefused(ClientPaymentRefusal::Archived(Gone::Keys)) => return Ok(()),
            other => return Err(LoadError::NotCaptured(format!("{other:?}"))),
        }
        let micros = now.saturating_duration_since(asked).as_micros();
        self.latency
            .saturating_record(u64::try_from(micros).unwrap_or(u64::MAX));
        self.payments += 1;
        Ok(())
    }
}
