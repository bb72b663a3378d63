//! What a node knows of who leads, for everybody who asks; and the leader's part in the driver.
//!
//! A node on its own always leads.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::watch;

use crate::{
    LeadNote, Says,
    leadership::{Input, Leadership, Output, Uptime},
};

/// Who decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    Leads,
    /// Another node, by its name; nobody while it is unknown or has left.
    Follows(Option<Arc<str>>),
}

/// Counts real time from its making on. A machine that was suspended shows it by its wall clock alone: whichever of the two
/// moved further counts, and a leap forward does no more than make a lead stale.
#[derive(Debug)]
pub(crate) struct Clock(Mutex<(Instant, SystemTime, i64)>);

impl Clock {
    pub fn start() -> Self {
        Self(Mutex::new((Instant::now(), SystemTime::now(), 0)))
    }

    pub fn now(&self) -> Uptime {
        // Nothing panics while it is held.
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (instant, wall) = (Instant::now(), SystemTime::now());
        let by_wall = wall.duration_since(seen.1).unwrap_or_default();
        let passed = instant.duration_since(seen.0).max(by_wall).as_millis();
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        if passed > 0 {
            *seen = (instant, wall, seen.2.saturating_add(passed));
        }
        Uptime(seen.2)
    }
}

/// Shared by the engine's thread and all who hold the engine.
#[derive(Debug)]
pub(crate) struct Board {
    pub clock: Clock,
    acts_until: AtomicI64,
    standing: watch::Sender<Standing>,
    /// Of the last row that was taken in or appended.
    pub epoch: AtomicU64,
    /// How often a part of the leader's state was compared with this node's own, and where last.
    pub compared: AtomicU64,
    pub compared_at: AtomicU64,
    /// Whether others share the journal.
    pub is_member: bool,
}

impl Board {
    /// Of a node on its own.
    pub fn alone() -> Self {
        Self {
            clock: Clock::start(),
            acts_until: AtomicI64::new(i64::MAX),
            standing: watch::channel(Standing::Leads).0,
            epoch: AtomicU64::new(0),
            compared: AtomicU64::new(0),
            compared_at: AtomicU64::new(0),
            is_member: false,
        }
    }

    /// Of one of several, which follows at first.
    pub fn of_member() -> Self {
        Self {
            clock: Clock::start(),
            acts_until: AtomicI64::new(i64::MIN),
            standing: watch::channel(Standing::Follows(None)).0,
            epoch: AtomicU64::new(0),
            compared: AtomicU64::new(0),
            compared_at: AtomicU64::new(0),
            is_member: true,
        }
    }

    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    pub fn may_act(&self) -> bool {
        self.clock.now().0 < self.acts_until.load(Ordering::Acquire)
    }

    pub fn show(&self, leadership: &Leadership) {
        let until = leadership.acts_until().map_or(i64::MIN, |until| until.0);
        self.acts_until.store(until, Ordering::Release);
    }

    pub fn stands(&self, standing: Standing) {
        self.standing.send_if_modified(|now| {
            let changes = *now != standing;
            *now = standing;
            changes
        });
    }
}

/// One of several nodes, as its engine's thread sees itself.
pub(crate) struct Lead {
    pub node: Arc<str>,
    pub leadership: Leadership,
    pub board: Arc<Board>,
    /// The part of the state that is shown next.
    pub part: u64,
}

impl Lead {
    pub fn step(&mut self, input: Input) -> Option<Output> {
        let output = self.leadership.step(self.board.clock.now(), input);
        self.board.show(&self.leadership);
        output
    }

    pub fn says(&self, says: Says) -> LeadNote {
        LeadNote {
            node: self.node.to_string(),
            says,
            shows: None,
        }
    }

    /// Whether answers may go out without a row of their own.
    pub fn is_fresh(&self) -> bool {
        let until = self.leadership.fresh_until();
        until.is_some_and(|until| self.board.clock.now() < until)
    }

    /// Until it must name itself again.
    pub fn until_named(&self) -> Duration {
        let left = self
            .leadership
            .names_itself_at()
            .since(self.board.clock.now());
        Duration::from_millis(left.max(0).unsigned_abs())
    }
}
