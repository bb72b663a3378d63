//! One run from its seed to its end.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use paytone_domain::payment::Status;

use crate::{
    checks,
    happening::{Happening, Owner},
    merchants::MERCHANTS,
    mutation::Mutation,
    violation::{Check, Checked, Violation, require},
    world::World,
};

/// Steps after which what is under way must have come to its end.
const SETTLING_STEPS: u64 = 400_000;
/// How often the state that decisions made is compared with the one that the journal makes.
const COMPARE_EVERY: u64 = 500;

/// What a run went through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub steps: u64,
    pub virtual_seconds: i64,
    pub crashes: u64,
    pub snapshots: u64,
    /// Starts that began with one.
    pub from_snapshots: u64,
    /// Rows that left the journal for files, and files that the disk damaged.
    pub trimmed: u64,
    pub damaged_exports: u64,
    pub clock_jumps: u64,
    pub full_disks: u64,
    pub batches: u64,
    pub answers: u64,
    pub payments: u64,
    pub captured: u64,
    pub bank_operations: u64,
    /// How often each kind of event was met.
    pub met: BTreeMap<String, u64>,
    /// Of the state at the end.
    pub digest: [u8; 32],
}

/// What a run found, with the last things that happened before.
#[derive(Clone, Debug)]
pub struct Failure {
    pub seed: u64,
    pub step: u64,
    pub violation: Violation,
    pub trace: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in &self.trace {
            writeln!(f, "{line}")?;
        }
        writeln!(
            f,
            "seed {}, step {}: {:?}",
            self.seed, self.step, self.violation.check
        )?;
        write!(f, "{}", self.violation.detail)
    }
}

/// Runs `steps` steps of business with faults, then lets everything settle.
pub fn run(seed: u64, steps: u64, mutation: Option<Mutation>) -> Result<Report, Box<Failure>> {
    let mut world = World::new(seed, mutation);
    let played = catch_unwind(AssertUnwindSafe(|| play(&mut world, steps)));
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
        Ok(()) => Ok(report(&world)),
        Err(violation) => Err(Box::new(Failure {
            seed,
            step: world.steps,
            violation,
            trace: world.trace(),
        })),
    }
}

fn play(world: &mut World, steps: u64) -> Checked {
    open(world)?;
    world.queue.push(30_000, Happening::Crash);
    world.queue.push(45_000, Happening::ClockJumps);
    world.queue.push(90_000, Happening::DiskFills);
    world.queue.push(20_000, Happening::Snapshot);
    world.queue.push(10_000, Happening::Mood);
    world.queue.push(60_000, Happening::Clerk);
    world.queue.push(5_000, Happening::Staff);
    for merchant in 0..MERCHANTS {
        world.queue.push(10_000, Happening::Merchant(merchant));
    }
    while world.steps < steps {
        let Some(happening) = world.queue.pop() else {
            break;
        };
        world.step(happening)?;
        if world.steps.is_multiple_of(COMPARE_EVERY) {
            world.compare()?;
        }
    }
    settle(world)
}

/// The world as it is before the first payment; nothing goes wrong yet.
fn open(world: &mut World) -> Checked {
    world.settling = true;
    world.step(Happening::Starts)?;
    for (actor, command) in world.opening() {
        let call = world.command(Owner::Staff, actor, command);
        until_answered(world, call)?;
    }
    world.open_lines();
    world.settling = false;
    Ok(())
}

fn until_answered(world: &mut World, call: u64) -> Checked {
    while world.calls.get(&call).is_some_and(|call| !call.is_answered) {
        let Some(happening) = world.queue.pop() else {
            break;
        };
        world.step(happening)?;
    }
    Ok(())
}

/// No new business and no new faults: everything comes to its end and must come out even.
fn settle(world: &mut World) -> Checked {
    world.settling = true;
    world.calm_bank();
    let last = world.steps + SETTLING_STEPS;
    loop {
        while let Some(happening) = world.queue.pop() {
            world.step(happening)?;
            require(world.steps < last, Check::Settled, || {
                "it does not come to an end".to_owned()
            })?;
        }
        let Some(process) = &world.process else {
            world.queue.push(0, Happening::Starts);
            continue;
        };
        if process.pipeline.state().effects.is_empty() {
            break;
        }
        // What waits at the bank or for a person.
        world.queue.push(0, Happening::Clerk);
        world.queue.push(1, Happening::Staff);
        require(world.steps < last, Check::Settled, || {
            "something is wanted for ever".to_owned()
        })?;
        world.steps += 1;
    }
    world.unanswered()?;
    world.compare()?;
    world.openings_fit()?;
    if let Some(process) = &world.process {
        let whole = process.left.whole(process.pipeline.state());
        checks::thorough(&whole)?;
        checks::settled(&whole, &world.bank.statement())?;
    }
    world.all_rows_make_the_state()?;
    // And once more from the journal alone.
    world.crash("the end");
    while let Some(happening) = world.queue.pop() {
        world.step(happening)?;
    }
    Ok(())
}

fn report(world: &World) -> Report {
    let state = &*world.follower.whole();
    let count = |counted: usize| counted as u64;
    let captured = state
        .payments
        .values()
        .filter(|payment| payment.status == Status::Captured);
    Report {
        steps: world.steps,
        virtual_seconds: world.queue.now() / 1_000,
        crashes: world.crashes,
        snapshots: world.snapshots_made,
        from_snapshots: world.from_snapshots,
        trimmed: world.trimmed,
        damaged_exports: world.damaged_exports,
        clock_jumps: world.clock_jumps,
        full_disks: world.full_disks,
        batches: world.follower.seq,
        answers: world.released,
        payments: count(state.payments.len()),
        captured: count(captured.count()),
        bank_operations: count(world.bank.statement().operations.len()),
        met: world.follower.met.clone(),
        digest: paytone_engine::digest(state),
    }
}
