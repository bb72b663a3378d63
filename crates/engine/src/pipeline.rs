//! Which answers rest on which batch, as a step function.
//!
//! ```text
//!   decide ──▶ open batch ──next_row()──▶ row in flight ──appended()──▶ durable
//!   rest_on      waiting  ──────────────▶     ready     ──────────────▶ released
//! ```
//! One row is in flight at a time; the next batch is decided meanwhile. An answer waits for the last batch whose events the
//! state held when it was given: refusals and reads too, which made no event but saw those of others.
//!
//! **Invariants:** no answer is released before the row it rests on is durable, and none is kept once it is. **Not here:**
//! threads, channels, clocks, the journal; what an answer is (`R`) is the caller's.

use paytone_domain::{
    Actor, Answer, Command, State,
    time::{Moment, Timestamp},
};
use paytone_journal::{Row, Tip};

use crate::{Batch, Core, LeadNote};

/// [`Core`], the row in flight, and the answers that wait.
pub struct Pipeline<R> {
    core: Core,
    batch_items: usize,
    /// They rest on the open batch.
    waiting: Vec<R>,
    in_flight: Option<InFlight<R>>,
}

struct InFlight<R> {
    seq: u64,
    /// The end of the chain without it.
    before: Option<Tip>,
    batch: Batch,
    ready: Vec<R>,
}

/// A batch that is durable.
#[derive(Debug)]
pub struct Durable {
    pub seq: u64,
    pub batch: Batch,
}

/// An answer that may go out, and the journal position it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered<T> {
    pub answer: T,
    pub position: u64,
}

impl<R> Pipeline<R> {
    /// On a core that has taken in every durable row. `batch_items`: most items of one batch.
    pub fn new(core: Core, batch_items: usize) -> Self {
        Self {
            core,
            batch_items,
            waiting: Vec::new(),
            in_flight: None,
        }
    }

    pub fn state(&self) -> &State {
        self.core.state()
    }

    /// Nothing is open or in flight any more: the core, as it would be after a replay.
    pub fn into_core(self) -> Core {
        self.core
    }

    /// Engine time of the batch being decided, or of the last one.
    pub fn moment(&self) -> &Moment {
        self.core.moment()
    }

    /// When the next thing is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.core.next_due()
    }

    /// How many more items the open batch takes.
    pub fn room(&self) -> usize {
        self.batch_items.saturating_sub(self.core.open_items())
    }

    pub fn open_items(&self) -> usize {
        self.core.open_items()
    }

    pub fn has_open_batch(&self) -> bool {
        self.core.has_open_batch()
    }

    pub fn is_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Moves engine time on and decides what is due, as far as the open batch has room.
    pub fn advance(&mut self, wall: Timestamp) {
        self.core.advance(wall);
        self.core.tick(self.room());
    }

    /// Decides one command. Its answer is for [`Self::rest_on`], not for the client.
    pub fn decide(&mut self, actor: Actor, cause: u64, command: Command) -> Answer {
        self.core.decide(actor, cause, command)
    }

    /// Keeps an answer until what it rests on is durable; gives it back at once if that already is.
    pub fn rest_on(&mut self, answer: R) -> Option<Answered<R>> {
        if self.core.has_open_batch() {
            self.waiting.push(answer);
            None
        } else if let Some(in_flight) = &mut self.in_flight {
            in_flight.ready.push(answer);
            None
        } else {
            let position = self.core.tip().map_or(0, |tip| tip.seq);
            Some(Answered { answer, position })
        }
    }

    /// Seals the open batch as the row to append; `None` while another is in flight or when there is nothing to append.
    /// `batch_id` must not repeat.
    pub fn next_row(&mut self, batch_id: impl FnOnce() -> [u8; 16]) -> Option<Row> {
        if self.in_flight.is_some() || !self.core.has_open_batch() {
            return None;
        }
        let before = self.core.tip();
        let sealed = self.core.seal(batch_id())?;
        self.in_flight = Some(InFlight {
            seq: sealed.row.seq,
            before,
            batch: sealed.batch,
            ready: std::mem::take(&mut self.waiting),
        });
        Some(sealed.row)
    }

    /// Says something of the leader with the next row, which there is then even if nothing else waits.
    pub fn note(&mut self, note: LeadNote) {
        self.core.note(note);
    }

    /// Shows a part of the state with it.
    pub fn show(&mut self, part: u64) {
        self.core.show(part);
    }

    /// The end of what is known to be durable.
    pub fn durable(&self) -> Option<Tip> {
        match &self.in_flight {
            Some(in_flight) => in_flight.before,
            None => self.core.tip(),
        }
    }

    /// Whether the next row says something of the leader.
    pub fn is_noted(&self) -> bool {
        self.core.is_noted()
    }

    /// Somebody else appended: nothing that is under way here ever becomes durable. What is durable goes on if the state holds
    /// no more than that; else it is discarded. Answers that wait are dropped.
    pub fn give_up(mut self) -> Result<Core, Option<Tip>> {
        let is_empty = |in_flight: &InFlight<R>| in_flight.batch.items.is_empty();
        let holds_more =
            self.core.open_items() > 0 || !self.in_flight.as_ref().is_none_or(is_empty);
        let durable = self.durable();
        if holds_more {
            return Err(durable);
        }
        self.core.rewind(durable);
        Ok(self.core)
    }

    /// The row in flight is durable: its batch, and the answers that may go out now, in the order they were given.
    pub fn appended(&mut self) -> Option<(Durable, Vec<R>)> {
        let InFlight {
            seq, batch, ready, ..
        } = self.in_flight.take()?;
        Some((Durable { seq, batch }, ready))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paytone_domain::{ids::KeyringFingerprint, money::Currency};

    fn initialize(pipeline: &mut Pipeline<&'static str>) -> Answer {
        let command = Command::Initialize {
            currency: Currency::new("CNY", 2).expect("a currency"),
            zone: "UTC".to_owned(),
            cut_off_minutes: 0,
            keyring: KeyringFingerprint([0; 32]),
        };
        pipeline.decide(Actor::Console, 0, command)
    }

    #[test]
    fn with_nothing_under_way_an_answer_goes_out_at_once() {
        let mut pipeline = Pipeline::new(Core::new(), 8);
        let answered = Answered {
            answer: "read",
            position: 0,
        };
        assert_eq!(pipeline.rest_on("read"), Some(answered));
        assert!(pipeline.next_row(|| [0; 16]).is_none());
    }

    #[test]
    fn answers_wait_for_the_batch_they_saw_and_leave_in_order() {
        let mut pipeline = Pipeline::new(Core::new(), 8);
        assert_eq!(initialize(&mut pipeline), Answer::Initialized(Ok(())));
        assert_eq!(pipeline.rest_on("command"), None);
        assert_eq!(pipeline.rest_on("read of the open batch"), None);
        let row = pipeline.next_row(|| [1; 16]).expect("a row");
        assert_eq!(row.seq, 1);
        // A refusal makes no event, yet it saw the batch that is in flight.
        assert!(initialize(&mut pipeline) != Answer::Initialized(Ok(())));
        assert_eq!(pipeline.rest_on("refusal"), None);
        let (durable, ready) = pipeline.appended().expect("it was in flight");
        assert_eq!((durable.seq, durable.batch.items.len()), (1, 1));
        assert_eq!(ready, ["command", "read of the open batch", "refusal"]);
        assert!(pipeline.appended().is_none());
    }

    #[test]
    fn one_row_is_in_flight_at_a_time() {
        let mut pipeline = Pipeline::new(Core::new(), 8);
        initialize(&mut pipeline);
        assert!(pipeline.next_row(|| [1; 16]).is_some());
        assert!(pipeline.next_row(|| [2; 16]).is_none());
    }
}
