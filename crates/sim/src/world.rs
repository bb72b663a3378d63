//! The simulated world: one process, its clients, the bank, and the clock that moves them all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use paytone_connectors::stand_in_bank;
use paytone_domain::{Actor, Command, time::Timestamp};
use paytone_journal::{MemoryJournal, Snapshots};

use crate::{
    archive::Disk,
    follower::Follower,
    happening::{Ask, Call, CallId, Happening, Owner, Queue, Told},
    merchants::Checkout,
    mutation::Mutation,
    phones::Phone,
    process::Process,
    promises::Promises,
    random::Random,
    staff::Staff,
    trimming::Folder,
    violation::{Check, Checked, Violation},
};

/// 2026-11-20T00:00:00Z: business days, a month's end and grants' ends fall into the run.
const BEGINNING: i64 = 1_795_132_800_000;
const TRACE_LINES: usize = 40;

pub struct World {
    pub random: Random,
    pub queue: Queue,
    pub mutation: Option<Mutation>,
    pub process: Option<Process>,
    pub journal: MemoryJournal,
    pub snapshots: Snapshots,
    pub damaged_snapshots: BTreeSet<u64>,
    /// Of exported rows.
    pub folder: Folder,
    /// The last row that left the journal.
    pub trimmed: u64,
    pub damaged_exports: u64,
    pub life: u64,
    /// The machine's clock is wrong by so much.
    pub skew_ms: i64,
    /// No row finds room on the disk until then.
    pub full_until: i64,
    pub bank: stand_in_bank::Core,
    pub follower: Follower,
    pub promises: Promises,
    pub disk: Disk,
    pub calls: BTreeMap<CallId, Call>,
    pub checkouts: Vec<Checkout>,
    pub phones: Vec<Phone>,
    pub staff: Staff,
    /// No new faults and no new business: what is under way comes to its end.
    pub settling: bool,
    pub steps: u64,
    pub crashes: u64,
    pub snapshots_made: u64,
    /// Starts that began with one.
    pub from_snapshots: u64,
    pub clock_jumps: u64,
    pub full_disks: u64,
    pub released: u64,
    /// When the worker is ticked next, in which life.
    pub worker_due: Option<(Timestamp, u64)>,
    next_token: u64,
    trace: VecDeque<String>,
}

impl World {
    pub fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let journal = MemoryJournal::new();
        if mutation != Some(Mutation::SkipSync) {
            journal.hold_syncs();
        }
        Self {
            random: Random::new(seed),
            queue: Queue::default(),
            mutation,
            process: None,
            journal,
            snapshots: Snapshots::memory(),
            damaged_snapshots: BTreeSet::new(),
            folder: Folder::default(),
            trimmed: 0,
            damaged_exports: 0,
            life: 0,
            skew_ms: 0,
            full_until: 0,
            bank: stand_in_bank::Core::new(),
            follower: Follower::default(),
            promises: Promises::default(),
            disk: Disk::default(),
            calls: BTreeMap::new(),
            checkouts: Vec::new(),
            phones: Vec::new(),
            staff: Staff::default(),
            settling: false,
            steps: 0,
            crashes: 0,
            snapshots_made: 0,
            from_snapshots: 0,
            clock_jumps: 0,
            full_disks: 0,
            released: 0,
            worker_due: None,
            next_token: 1,
            trace: VecDeque::new(),
        }
    }

    /// What the machine's clock says.
    pub fn wall(&self) -> Timestamp {
        Timestamp(BEGINNING + self.queue.now() + self.skew_ms)
    }

    /// Until then, as the queue counts.
    pub fn until(&self, at: Timestamp) -> i64 {
        at.since(self.wall())
    }

    pub fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if self.trace.len() == TRACE_LINES {
            self.trace.pop_front();
        }
        let at = self.queue.now();
        self.trace.push_back(format!("{at:>12} ms  {}", line()));
    }

    pub fn trace(&self) -> Vec<String> {
        self.trace.iter().cloned().collect()
    }

    /// Sends a request; `insists` repeats it until there is an answer.
    pub fn call(&mut self, owner: Owner, actor: Actor, ask: Ask, insists: bool) -> CallId {
        let id = self.token();
        self.calls.insert(
            id,
            Call {
                owner,
                actor,
                ask,
                insists,
                tries: 0,
                is_answered: false,
            },
        );
        self.send(id);
        id
    }

    pub fn command(&mut self, owner: Owner, actor: Actor, command: Command) -> CallId {
        self.call(owner, actor, Ask::Command(command), true)
    }

    /// On its way to the process: late, twice, or never; and once more if no answer comes.
    fn send(&mut self, id: CallId) {
        let settling = self.settling;
        if let Some(call) = self.calls.get_mut(&id) {
            call.tries += 1;
            if call.insists {
                let patience = 500 << call.tries.min(9);
                let after = self.random.between(patience, 2 * patience);
                self.queue.push(after, Happening::Repeats(id));
            }
        }
        if settling || !self.random.chance(6) {
            let after = self.random.between(1, 150);
            self.queue.push(after, Happening::Arrives(id));
        }
        if !settling && self.random.chance(3) {
            let after = self.random.between(1, 8_000);
            self.queue.push(after, Happening::Arrives(id));
        }
    }

    pub fn step(&mut self, happening: Happening) -> Checked {
        self.steps += 1;
        match happening {
            Happening::Arrives(call) => return self.arrives(call),
            Happening::Runs { life, at } => return self.runs(life, at),
            Happening::Appends { life } => return self.appends(life),
            Happening::Synced { life } => return self.synced(life),
            Happening::WorkerTick { life } => return self.worker_tick(life),
            Happening::Crash => {
                self.crash("power fails");
                if !self.settling {
                    let after = self.random.between(500, 240_000);
                    self.queue.push(after, Happening::Crash);
                }
            }
            Happening::Starts => return self.start(),
            Happening::ClockJumps => self.clock_jumps(),
            Happening::DiskFills => self.disk_fills(),
            Happening::Answered { call, told } => return self.answered(call, told),
            Happening::Archiver { life } => self.archiver(life),
            Happening::ArchiveWritten { life, leaving } => self.archive_written(life, &leaving),
            Happening::Fetched {
                life,
                call,
                gone,
                as_of,
            } => return self.fetched(life, call, gone, as_of),
            Happening::Repeats(call) => {
                if self.calls.get(&call).is_some_and(|call| !call.is_answered) {
                    self.send(call);
                }
            }
            Happening::Merchant(merchant) => self.merchant(merchant),
            Happening::Checkout(place, step) => self.checkout_step(place, step),
            Happening::Phone(phone) => self.phone(phone),
            Happening::Prompt { phone, prompt } => self.prompted(phone, prompt),
            Happening::Staff => self.staff(),
            Happening::Snapshot => return self.makes_snapshot(),
            Happening::Trims { life, trim } => return self.trims(life, trim),
            Happening::Mood => self.mood(),
            Happening::Clerk => return self.clerk(),
            Happening::BankHears {
                call,
                request,
                arrival,
            } => return self.bank_hears(call, request, arrival),
            Happening::BankSays { call, status, body } => {
                return self.bank_says(&call, Some((status, &body)));
            }
            Happening::BankSilent(call) => return self.bank_says(&call, None),
        }
        Ok(())
    }

    fn answered(&mut self, id: CallId, told: Told) -> Checked {
        let Some(call) = self.calls.get_mut(&id) else {
            return Ok(());
        };
        if std::mem::replace(&mut call.is_answered, true) {
            return Ok(());
        }
        let owner = call.owner;
        match owner {
            Owner::Checkout(place) => self.checkout_told(place, id, told),
            Owner::Phone(phone) => self.phone_told(phone, id, told),
            Owner::Staff => self.staff_told(id, told),
        }
        Ok(())
    }

    pub fn unanswered(&self) -> Checked {
        match self
            .calls
            .iter()
            .find(|(_, call)| call.insists && !call.is_answered)
        {
            None => Ok(()),
            Some((id, call)) => Err(Violation {
                check: Check::Settled,
                detail: format!(
                    "request {id} was never answered in {} tries: {:?}",
                    call.tries, call.ask
                ),
            }),
        }
    }
}
