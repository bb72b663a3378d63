//! Who leads, as a step function.
//!
//! ```text
//!               nothing new for the take-over time, or the leader left
//!   Following ─────────────────────────▶ Standing ──first row durable──▶ Confirming ──one more──▶ Leading
//!       ▲ ▲                                 │ position taken                 │ position taken        │
//!       │ └─────────────────────────────────┘                                ▼                       ▼
//!       └──────────────────────────────── what is not durable is gone ── SteppingDown ◀──────────────┘
//! ```
//! The leader is whoever appends next. Every row shows the others that it lives, and so often one names it, even when nothing
//! happens. Nothing here is needed for safety, which rests on the chain and the key of its positions alone: this decides
//! when to try, when an answer may go out without a row of its own, and when workers may act.
//!
//! **Invariants:** silence counts only while one looks: who was stopped, or could not read, counts from the beginning. A lead
//! that is not fresh, which is one without a row in the last half of the take-over time, neither acts nor answers from
//! memory. **Not here:** clocks, threads, rows, the journal.

use paytone_journal::Tip;

use crate::Says;

/// Milliseconds of this machine's clock that never goes back, from any beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uptime(pub i64);

impl Uptime {
    #[must_use]
    pub const fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds since `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long nothing new may come before another node takes over.
    pub take_over_ms: i64,
    /// This node's place among all, counted from 0: they try one after the other.
    pub rank: u32,
}

/// Between two nodes' tries.
const STAGGER_MS: i64 = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A row was read and taken in; what it says of the leader.
    Took(Option<Says>),
    /// A look that began then found nothing new.
    Quiet { began: Uptime },
    /// A row of this node left for the journal; whether it says who leads.
    Sent { names: bool },
    /// It is durable.
    Appended,
    /// Somebody else has its position.
    Conflict,
    /// The state is again what the journal makes.
    Reloaded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Append the first row of a leadership.
    Stand,
    /// Decide from now on; the next row says so, and every answer rests on it.
    Lead,
    /// Discard what is not durable; everybody who waits is told to try again.
    StepDown,
}

/// What the journal's end says to a node that has taken in rows up to `here`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance {
    /// There is nothing new.
    Same,
    /// There are more rows.
    More,
    /// The journal went back: it ends before, or with another row.
    Less,
}

pub fn glance(here: Option<Tip>, end: Option<Tip>) -> Glance {
    let seq = |tip: Option<Tip>| tip.map_or(0, |tip| tip.seq);
    if seq(end) > seq(here) {
        Glance::More
    } else if end.map(|tip| (tip.seq, tip.hash)) == here.map(|tip| (tip.seq, tip.hash)) {
        Glance::Same
    } else {
        Glance::Less
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Following,
    Standing,
    Confirming,
    Leading,
    SteppingDown,
}

#[derive(Clone, Debug)]
pub struct Leadership {
    options: Options,
    role: Role,
    /// When the last new row came, or the silence began to count.
    heard: Uptime,
    looked: Uptime,
    /// The leader said that it leaves.
    vacant: bool,
    /// When the row left that is under way, or was last.
    sent: Uptime,
    /// When the last row left that became durable.
    proven: Option<Uptime>,
    /// When the last row left that names this node.
    named: Uptime,
}

impl Leadership {
    pub fn new(options: Options, now: Uptime) -> Self {
        Self {
            options,
            role: Role::Following,
            heard: now,
            looked: now,
            vacant: false,
            sent: now,
            proven: None,
            named: now,
        }
    }

    pub fn role(&self) -> Role {
        self.role
    }

    pub fn step(&mut self, now: Uptime, input: Input) -> Option<Output> {
        match input {
            Input::Took(says) => {
                self.heard = now;
                self.looked = now;
                match says {
                    Some(Says::Leaves) => self.vacant = true,
                    Some(Says::Leads | Says::Lives) => self.vacant = false,
                    None => {}
                }
                None
            }
            Input::Quiet { began } => self.quiet(now, began),
            Input::Sent { names } => {
                self.sent = now;
                if names {
                    self.named = now;
                }
                None
            }
            Input::Appended => {
                self.proven = Some(self.sent);
                match self.role {
                    Role::Standing => {
                        self.role = Role::Confirming;
                        Some(Output::Lead)
                    }
                    Role::Confirming => {
                        self.role = Role::Leading;
                        None
                    }
                    Role::Following | Role::Leading | Role::SteppingDown => None,
                }
            }
            Input::Conflict => {
                self.proven = None;
                self.vacant = false;
                match self.role {
                    Role::Confirming | Role::Leading => {
                        self.role = Role::SteppingDown;
                        Some(Output::StepDown)
                    }
                    // Nothing was decided yet.
                    Role::Standing | Role::Following | Role::SteppingDown => {
                        self.follow(now);
                        None
                    }
                }
            }
            Input::Reloaded => {
                self.follow(now);
                None
            }
        }
    }

    fn follow(&mut self, now: Uptime) {
        self.role = Role::Following;
        self.heard = now;
        self.looked = now;
    }

    fn quiet(&mut self, now: Uptime, began: Uptime) -> Option<Output> {
        if began.since(self.looked) > self.options.take_over_ms / 2 {
            self.heard = began;
        }
        self.looked = now;
        let turn = STAGGER_MS * i64::from(self.options.rank);
        let patience = if self.vacant {
            turn
        } else {
            self.options.take_over_ms + turn
        };
        if self.role == Role::Following && began.since(self.heard) >= patience {
            self.role = Role::Standing;
            return Some(Output::Stand);
        }
        None
    }

    /// Until when what this node says of the state is nobody else's to change: answers need no row of their own until then.
    pub fn fresh_until(&self) -> Option<Uptime> {
        let leads = matches!(self.role, Role::Confirming | Role::Leading);
        let proven = self.proven.filter(|_| leads)?;
        Some(proven.plus(self.options.take_over_ms / 2))
    }

    /// Until when workers may act.
    pub fn acts_until(&self) -> Option<Uptime> {
        self.fresh_until().filter(|_| self.role == Role::Leading)
    }

    /// Whether workers may act.
    pub fn may_act(&self, now: Uptime) -> bool {
        self.acts_until().is_some_and(|until| now < until)
    }

    /// When the next row must say that this node leads.
    pub fn names_itself_at(&self) -> Uptime {
        self.named.plus(self.options.take_over_ms / 4)
    }
}

#[cfg(test)]
mod tests;
