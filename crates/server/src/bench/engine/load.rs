//! The load: one thread that keeps as many payments under way as it was told.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use paytone_domain::{Answer, payment::Status};
use paytone_engine::{Answered, Engine, EngineError, Pending};

use super::world::{Random, World};

/// A clock is read once for so many payments.
const PER_LOOK: usize = 16;

pub struct Load {
    pub engine: Engine,
    pub world: Arc<World>,
    pub in_flight: usize,
    pub seconds: u64,
}

/// What one run did.
pub struct Measured {
    pub payments: u64,
    pub took: Duration,
    /// From the queue to the answer, in microseconds.
    pub latency: Histogram<u64>,
    /// Of the engine's, the journal's and SQLite's threads.
    pub cpu: Duration,
    /// Of the load itself.
    pub load_cpu: Duration,
    pub resident_bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("a payment was not captured: {0}")]
    NotCaptured(String),
    #[error("the load ended early")]
    Panicked,
}

impl Load {
    pub async fn run(self) -> Result<Measured, LoadError> {
        let thread = std::thread::Builder::new()
            .name("load".to_owned())
            .spawn(move || self.keep_under_way())
            .map_err(|_| LoadError::Panicked)?;
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        joined
            .ok()
            .and_then(Result::ok)
            .ok_or(LoadError::Panicked)?
    }

    fn keep_under_way(self) -> Result<Measured, LoadError> {
        let begun = Instant::now();
        let cpu = engine_cpu();
        let load_cpu = cpu_of(|name| name == "load");
        let until = begun + Duration::from_secs(self.seconds);
        // Each run draws other payments.
        let mut random =
            Random(u64::from(std::process::id()) << 32 | u64::from(begun.elapsed().subsec_nanos()));
        let mut under_way: VecDeque<(Instant, Pending<Answer>)> =
            VecDeque::with_capacity(self.in_flight);
        let mut seen = Seen::default();
        let mut now = begun;
        loop {
            let mut sent = 0;
            while now < until && under_way.len() < self.in_flight {
                if sent % PER_LOOK == 0 {
                    now = Instant::now();
                }
                let (actor, command) = self.world.payment(&mut random);
                match self.engine.ask(actor, sent as u64, command) {
                    Ok(pending) => under_way.push_back((now, pending)),
                    Err(EngineError::Overloaded) => break,
                    Err(error) => return Err(error.into()),
                }
                sent += 1;
            }
            // Answers come in the order of the questions: those after the first are mostly there as well.
            let Some((asked, first)) = under_way.pop_front() else {
                break;
            };
            let answered = first.wait()?;
            now = Instant::now();
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
        Ok(Measured {
            payments: seen.payments,
            took: begun.elapsed(),
            latency: seen.latency,
            cpu: engine_cpu().saturating_sub(cpu),
            load_cpu: cpu_of(|name| name == "load").saturating_sub(load_cpu),
            resident_bytes: super::super::load::resident_bytes(),
        })
    }
}

struct Seen {
    payments: u64,
    latency: Histogram<u64>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            payments: 0,
            latency: Histogram::new_with_bounds(1, 600_000_000, 3).expect("bounds in order"),
        }
    }
}

impl Seen {
    fn take(
        &mut self,
        answered: Answered<Answer>,
        asked: Instant,
        now: Instant,
    ) -> Result<(), LoadError> {
        match &answered.answer {
            Answer::Payment(Ok(facts)) if facts.now.status == Status::Captured => {}
            other => return Err(LoadError::NotCaptured(format!("{other:?}"))),
        }
        let micros = now.saturating_duration_since(asked).as_micros();
        self.latency
            .saturating_record(u64::try_from(micros).unwrap_or(u64::MAX));
        self.payments += 1;
        Ok(())
    }
}

/// The threads between the queue and the disk, and the one that lets answers out.
fn engine_cpu() -> Duration {
    cpu_of(|name| {
        name == "engine"
            || name == "journal"
            || name.starts_with("sqlx-sqlite")
            || name.starts_with("tokio-")
    })
}

/// CPU time so far of this process's threads of such a name, from the kernel's own account.
pub fn cpu_of(is_it: impl Fn(&str) -> bool) -> Duration {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return Duration::ZERO;
    };
    let of_task = |task: std::path::PathBuf| {
        let name = std::fs::read_to_string(task.join("comm")).ok()?;
        if !is_it(name.trim_end()) {
            return None;
        }
        let spent = std::fs::read_to_string(task.join("schedstat")).ok()?;
        spent.split_whitespace().next()?.parse::<u64>().ok()
    };
    let nanos = tasks
        .filter_map(|task| of_task(task.ok()?.path()))
        .sum::<u64>();
    Duration::from_nanos(nanos)
}
