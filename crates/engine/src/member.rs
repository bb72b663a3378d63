//! The driver of one of several nodes on one journal: follows it, leads when nobody does, and follows again.
//!
//! ```text
//!   watcher thread: reads ──Looked──▶ engine thread: follow ──Stand──▶ append ──▶ Driver::run ──lost──▶ follow
//!        ▲                               │
//!        └────────── Look, Reload ───────┘
//! ```
//! **Invariants:** what is followed was read from the journal and fits the chain. After a lost lead nothing is left in memory
//! that is not in the journal. A journal that lacks what this node has taken in stops it, with a report. **Not here:** when to
//! stand or step down ([`crate::leadership`]); what is decided.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use paytone_domain::time::Timestamp;
use paytone_journal::{
    AppendError, ChainVerifier, Hash, Journal, JournalReader, ReadError, Row, Snapshots, Tip,
    chain::Misfit,
};
use tokio::sync::{broadcast, oneshot, watch};

use crate::{
    Core, Durable, LeadNote, Options, Pipeline, Running, Says, StopReason, digest_of_part,
    driver::{Driver, Engine, Input, Read, Release, Releasing, append_rows, wall},
    lead::{Board, Lead, Standing},
    leadership::{self, Leadership, Output},
    stats::Stats,
};

mod watcher;

pub(crate) use watcher::Looked;
use watcher::{Found, Job};

/// Between two looks while there is something new, and at most.
const SHORT: Duration = Duration::from_millis(4);
const LONG: Duration = Duration::from_millis(24);
/// How often a try to lead is looked after.
const TRYING: Duration = Duration::from_millis(2);
/// Rows remembered for a report of what a journal lacks.
const REMEMBERED: usize = 1_000;

/// Who this node is among several.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name, which no other has.
    pub node: String,
    pub leadership: leadership::Options,
    /// Where a state that is made anew begins; without them it is with the first row.
    pub snapshots: Option<Snapshots>,
}

/// A durable row that was taken in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub tip: Tip,
    pub at: Timestamp,
    pub items: usize,
}

/// Starts a node that shares `journal` with others, on a core that has taken in rows of it; `reader` reads the same journal.
/// `batch_id` and `observe` are as for [`crate::start`].
pub fn join<J: Journal + 'static, R: JournalReader + Send + 'static>(
    core: Core,
    journal: J,
    reader: R,
    member: Member,
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
    let (jobs, to_do) = sync_channel(1);
    let board = Arc::new(Board::of_member());
    let release = Releasing::start(Release {
        position,
        durable: durable.clone(),
    });
    let lead = Lead {
        node: member.node.into(),
        leadership: Leadership::new(member.leadership, board.clock.now()),
        board: Arc::clone(&board),
        part: 0,
    };
    let followed = Followed {
        jobs,
        seen: VecDeque::new(),
        batch_items: options.batch_items,
    };
    let stats = Arc::new(Stats::new(options.queue));
    let driver = Driver {
        // Filled when it leads.
        pipeline: Pipeline::new(Core::new(), options.batch_items),
        inputs: commands,
        ahead: std::collections::VecDeque::new(),
        rows,
        results,
        release,
        batch_id: Box::new(batch_id),
        observe: Box::new(observe),
        sent_at: None,
        lead: Some(lead),
        stats: Arc::clone(&stats),
    };
    let appends = Arc::clone(&stats);
    let (looked, watching) = (inputs.clone(), Arc::clone(&board));
    let snapshots = member.snapshots;
    std::thread::Builder::new()
        .name("watcher".to_owned())
        .spawn(move || watcher::work(reader, snapshots, &to_do, &looked, &watching))?;
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
            let run = std::panic::AssertUnwindSafe(|| followed.run(driver, core));
            let reason = std::panic::catch_unwind(run).unwrap_or(StopReason::Panicked);
            drop(writer.join());
            let _ = stopped.send(reason);
            // What a node that may follow had in memory is of no use to whoever stopped it.
            None
        })?;
    let engine = Engine {
        inputs,
        durable,
        position: position_seen,
        board,
        stats,
    };
    Ok(Running {
        engine,
        stopped: stop_seen,
        thread,
    })
}

/// The engine's thread while it does not lead.
struct Followed {
    jobs: SyncSender<Job>,
    seen: VecDeque<Seen>,
    batch_items: usize,
}

impl Followed {
    fn run(mut self, mut driver: Driver, mut core: Core) -> StopReason {
        loop {
            if let Err(reason) = self.follow(&mut driver, &mut core) {
                return reason;
            }
            driver.pipeline = Pipeline::new(core, self.batch_items);
            let Some(lead) = &driver.lead else {
                return StopReason::Panicked;
            };
            tracing::info!(node = %lead.node, "this node leads");
            lead.board.stands(Standing::Leads);
            // What this row confirms, every answer from now on rests on.
            driver.pipeline.note(lead.says(Says::Leads));
            let reason = driver.run();
            let empty = Pipeline::new(Core::new(), self.batch_items);
            let given_up = std::mem::replace(&mut driver.pipeline, empty).give_up();
            if let Some(lead) = &mut driver.lead {
                lead.board.stands(Standing::Follows(None));
                lead.step(leadership::Input::Conflict);
            }
            match reason {
                StopReason::LostLead(_) => {
                    let kept = match given_up {
                        Ok(core) => self.compare(core.tip()).map(|()| core),
                        Err(tip) => self.reload(&mut driver, tip),
                    };
                    core = match kept {
                        Ok(core) => core,
                        Err(reason) => return reason,
                    };
                    if let Some(lead) = &mut driver.lead {
                        lead.step(leadership::Input::Reloaded);
                    }
                }
                StopReason::JournalBroken(why) => {
                    let durable = given_up.map_or_else(|tip| tip, |core| core.tip());
                    return match self.compare(durable) {
                        Err(reason @ StopReason::WentBack(_)) => reason,
                        _ => StopReason::JournalBroken(why),
                    };
                }
                reason => return reason,
            }
        }
    }

    /// Follows until it leads.
    fn follow(&mut self, driver: &mut Driver, core: &mut Core) -> Result<(), StopReason> {
        let mut pause = SHORT;
        let mut next_look = Instant::now();
        let mut is_looking = false;
        let mut standing: Option<Row> = None;
        loop {
            if !is_looking && standing.is_none() && Instant::now() >= next_look {
                self.send(Job::Look(core.tip()))?;
                is_looking = true;
            }
            let wait = match (&standing, is_looking) {
                (Some(_), _) => TRYING,
                (None, true) => LONG,
                (None, false) => next_look.saturating_duration_since(Instant::now()),
            };
            let input = driver.received(wait);
            if input.as_ref().is_ok_and(Input::is_given) {
                driver.stats.took(1);
            }
            match input {
                Ok(Input::Looked(looked)) => {
                    is_looking = false;
                    let new = matches!(&looked.found, Ok(Found::Rows(_)));
                    pause = if new { SHORT } else { (pause * 2).min(LONG) };
                    next_look = Instant::now() + if new { Duration::ZERO } else { pause };
                    if self.found(driver, core, looked)? == Some(Output::Stand) {
                        standing = Some(self.stand(driver, core));
                    }
                }
                Ok(Input::Hurry) => next_look = Instant::now(),
                Ok(Input::Read(look)) => answer(core, look),
                // Whoever waits is told that another node leads.
                Ok(Input::Command { .. } | Input::Commands { .. })
                | Err(RecvTimeoutError::Timeout) => {}
                Ok(Input::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    return Err(StopReason::Asked);
                }
            }
            if let Some(row) = &standing
                && let Ok(result) = driver.results.try_recv()
            {
                let row = row.clone();
                standing = None;
                if self.stood(driver, core, &row, result)? == Some(Output::Lead) {
                    return Ok(());
                }
            }
        }
    }

    fn found(
        &mut self,
        driver: &mut Driver,
        core: &mut Core,
        looked: Looked,
    ) -> Result<Option<Output>, StopReason> {
        let Some(lead) = &mut driver.lead else {
            return Ok(None);
        };
        match looked.found {
            Ok(Found::Nothing) => Ok(lead.step(leadership::Input::Quiet {
                began: looked.began,
            })),
            Ok(Found::Rows(rows)) => {
                let mut chain = ChainVerifier::after(core.tip());
                for row in rows {
                    if let Err(error) = chain.accept(&row) {
                        return Err(match error.misfit {
                            Misfit::Content | Misfit::Epoch { .. } => {
                                StopReason::JournalBroken(error.to_string())
                            }
                            Misfit::Position { .. } | Misfit::PreviousHash { .. } => {
                                self.went_back(core.tip())
                            }
                        });
                    }
                    self.take(driver, core, &row)?;
                }
                Ok(None)
            }
            Ok(Found::Less) => Err(self.went_back(core.tip())),
            Err(ReadError::Unavailable(why)) => {
                tracing::warn!(%why, "the journal cannot be read now");
                Ok(None)
            }
            Err(error) => Err(StopReason::JournalBroken(error.to_string())),
        }
    }

    /// Takes a durable row in and tells of it.
    fn take(&mut self, driver: &mut Driver, core: &mut Core, row: &Row) -> Result<(), StopReason> {
        let batch = core.apply(row).map_err(|error| {
            // Perhaps of a later release: this node neither follows nor leads.
            StopReason::JournalBroken(format!("batch {}: {error}", row.seq))
        })?;
        self.remember(Seen {
            tip: row.tip(),
            at: batch.moment.now,
            items: batch.items.len(),
        });
        if let Some(lead) = &mut driver.lead {
            lead.board.epoch.store(row.epoch, Ordering::Relaxed);
            if let Some(note) = &batch.note {
                compare(&lead.board, core, row.tip(), note)?;
            }
            let says = batch.note.as_ref().map(|note| note.says);
            lead.step(leadership::Input::Took(says));
            if let Some(note) = &batch.note {
                let leader = (note.says != Says::Leaves).then(|| Arc::from(note.node.as_str()));
                lead.board.stands(Standing::Follows(leader));
            }
        }
        let durable = Durable {
            seq: row.seq,
            batch,
        };
        (driver.observe)(&durable);
        driver.release.release(Arc::new(durable), Vec::new());
        Ok(())
    }

    fn stand(&self, driver: &mut Driver, core: &mut Core) -> Row {
        let id = (driver.batch_id)();
        let lead = driver.lead.as_mut().expect("a member");
        let row = core.first_row(wall(), id, lead.says(Says::Leads));
        lead.step(leadership::Input::Sent { names: true });
        // If the journal's thread is gone, the channel of its results says so.
        let _ = driver.rows.send(row.clone());
        row
    }

    fn stood(
        &mut self,
        driver: &mut Driver,
        core: &mut Core,
        row: &Row,
        result: Result<(), AppendError>,
    ) -> Result<Option<Output>, StopReason> {
        match result {
            Ok(()) => {
                self.take(driver, core, row)?;
                let lead = driver.lead.as_mut().expect("a member");
                Ok(lead.step(leadership::Input::Appended))
            }
            Err(AppendError::Conflict { .. }) => {
                let lead = driver.lead.as_mut().expect("a member");
                Ok(lead.step(leadership::Input::Conflict))
            }
            Err(error @ (AppendError::Unknown(_) | AppendError::Broken(_))) => {
                Err(match self.compare(core.tip()) {
                    Err(reason @ StopReason::WentBack(_)) => reason,
                    _ => StopReason::JournalBroken(error.to_string()),
                })
            }
        }
    }

    /// Makes the state anew as it was at `tip`. Who asks meanwhile waits.
    fn reload(&mut self, driver: &mut Driver, tip: Option<Tip>) -> Result<Core, StopReason> {
        tracing::info!(
            position = tip.map_or(0, |tip| tip.seq),
            "the state is made anew"
        );
        let (reply, reloaded) = sync_channel(1);
        self.send(Job::Reload(tip, reply))?;
        let mut stash: Vec<Read> = Vec::new();
        let core = loop {
            if let Ok(reloaded) = reloaded.try_recv() {
                break reloaded;
            }
            match driver.received(TRYING) {
                Ok(Input::Read(look)) => stash.push(look),
                Ok(Input::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    return Err(StopReason::Asked);
                }
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            }
        };
        match core {
            Ok(Some(core)) => {
                for look in stash {
                    answer(&core, look);
                }
                Ok(core)
            }
            Ok(None) => Err(self.went_back(tip)),
            Err(error) => Err(StopReason::JournalBroken(error)),
        }
    }

    /// Whether the journal still has the row at `tip`.
    fn compare(&mut self, tip: Option<Tip>) -> Result<(), StopReason> {
        let Some(tip) = tip else { return Ok(()) };
        match self.holds(tip) {
            Some(true) => Ok(()),
            Some(false) => Err(self.went_back(Some(tip))),
            None => Err(StopReason::JournalBroken(
                "the journal cannot be read".to_owned(),
            )),
        }
    }

    fn holds(&self, tip: Tip) -> Option<bool> {
        let (reply, answer) = sync_channel(1);
        self.send(Job::Holds(tip, reply)).ok()?;
        answer.recv().ok()?
    }

    fn remember(&mut self, seen: Seen) {
        if self.seen.len() == REMEMBERED {
            self.seen.pop_front();
        }
        self.seen.push_back(seen);
    }

    /// What is missing, for a person.
    fn went_back(&mut self, tip: Option<Tip>) -> StopReason {
        let mut missing: Vec<Seen> = Vec::new();
        for seen in self.seen.iter().rev() {
            if self.holds(seen.tip) != Some(false) {
                break;
            }
            missing.push(*seen);
        }
        missing.reverse();
        let (reply, end) = sync_channel(1);
        let end = self
            .send(Job::End(reply))
            .ok()
            .and_then(|()| end.recv().ok());
        let reason = watcher::report(tip, end.flatten(), &missing);
        tracing::error!("{reason}");
        StopReason::WentBack(reason)
    }

    fn send(&self, job: Job) -> Result<(), StopReason> {
        self.jobs.send(job).map_err(|_| {
            StopReason::JournalBroken("the thread that reads the journal ended".to_owned())
        })
    }
}

/// Holds this node's state against what the leader shows of its own.
fn compare(board: &Board, core: &Core, tip: Tip, note: &LeadNote) -> Result<(), StopReason> {
    let Some(shown) = note.shows else {
        return Ok(());
    };
    let own = digest_of_part(core.state(), shown.part, shown.parts);
    if own == shown.digest {
        board.compared.fetch_add(1, Ordering::Relaxed);
        board.compared_at.store(tip.seq, Ordering::Relaxed);
        return Ok(());
    }
    let report = format!(
        "the state of this node differs from that of {}: after row {} of epoch {}, with hash {}, part {} of {} has digest {} there and {} \
         here. One of the two made it wrongly of the same rows: compare their releases and their machines, and check the journal with \
         `paytone verify`. A node that starts makes its state anew.",
        note.node,
        tip.seq,
        tip.epoch,
        tip.hash,
        shown.part,
        shown.parts,
        Hash::from_bytes(shown.digest),
        Hash::from_bytes(own),
    );
    tracing::error!("{report}");
    Err(StopReason::Differs(report))
}

/// All that a node knows while it follows is durable.
fn answer(core: &Core, look: Read) {
    look(core.state(), core.moment())(core.tip().map_or(0, |tip| tip.seq));
}
