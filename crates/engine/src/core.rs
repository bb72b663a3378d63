//! The engine as a step function.

use paytone_domain::{
    AT_ONCE, Actor, Answer, Command, State, decide, evolve, look_back,
    time::{Calendar, Moment, Timestamp},
};
use paytone_journal::{Row, Tip};

use crate::{
    batch::{Batch, BatchError, Item, LeadNote, Written},
    digest::show_part,
};

/// State, the batch being decided, and the end of the chain it will be appended to.
pub struct Core {
    state: State,
    calendar: Calendar,
    tip: Option<Tip>,
    epoch: u64,
    /// Its level is told when it is sealed.
    open: Batch,
    /// The part of the state that the open batch shows once it is sealed.
    shows: Option<u64>,
    /// Its items.
    written: Written,
}

/// A batch that is closed and on its way to be durable.
#[derive(Clone, Debug)]
pub struct Sealed {
    pub row: Row,
    pub batch: Batch,
}

impl Core {
    /// With nothing in the journal yet.
    pub fn new() -> Self {
        Self {
            state: State::default(),
            calendar: Calendar::new("UTC", 0).expect("UTC is always there"),
            tip: None,
            epoch: 1,
            open: Batch {
                moment: Moment::default(),
                level: 0,
                items: Vec::new(),
                note: None,
            },
            shows: None,
            written: Written::default(),
        }
    }

    /// As it was after the row at `tip`, which was decided at `moment`.
    pub(crate) fn restored(state: State, tip: Tip, moment: Moment) -> Self {
        let mut core = Self::new();
        core.state = state;
        core.open.moment = moment;
        core.tip = Some(tip);
        core.epoch = core.epoch.max(tip.epoch);
        core.set_calendar();
        core
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    /// The state without what a further row would need.
    pub fn into_state(self) -> State {
        self.state
    }

    /// Engine time of the batch being decided, or of the last one.
    pub fn moment(&self) -> &Moment {
        &self.open.moment
    }

    /// `at` in the operator's calendar.
    pub fn moment_at(&self, at: Timestamp) -> Moment {
        self.calendar.clone().moment(at)
    }

    /// The end of the chain, batches under way included.
    pub fn tip(&self) -> Option<Tip> {
        self.tip
    }

    /// Takes in a durable row of an earlier run.
    pub fn apply(&mut self, row: &Row) -> Result<Batch, BatchError> {
        let batch = Batch::decode(&row.body)?;
        self.take(row.tip(), &batch);
        Ok(batch)
    }

    /// The same for a row that was decoded.
    pub(crate) fn take(&mut self, tip: Tip, batch: &Batch) {
        for items in batch.items.chunks(AT_ONCE) {
            let events = || items.iter().flat_map(|item| &item.events);
            look_back(&self.state, events());
            for event in events() {
                evolve(&mut self.state, &batch.moment, event);
            }
        }
        self.open.moment = batch.moment;
        self.tip = Some(tip);
        self.epoch = self.epoch.max(tip.epoch);
        self.set_calendar();
    }

    /// Engine time moves on, never back. Nothing moves within a batch.
    pub fn advance(&mut self, wall: Timestamp) {
        if self.open.items.is_empty() {
            let now = self.open.moment.now.max(wall);
            let moment = self.calendar.moment(now);
            // A zone's clock may be set back; a business date is not.
            self.open.moment = if moment.date < self.open.moment.date {
                Moment {
                    now,
                    ..self.open.moment
                }
            } else {
                moment
            };
        }
    }

    /// Decides one command and takes its events in.
    pub fn decide(&mut self, actor: Actor, cause: u64, command: Command) -> Answer {
        let initializes = matches!(command, Command::Initialize { .. });
        let decision = decide(&self.state, &self.open.moment, actor, command);
        for event in &decision.events {
            evolve(&mut self.state, &self.open.moment, event);
        }
        if !decision.events.is_empty() {
            let item = Item {
                actor,
                cause,
                events: decision.events,
            };
            self.written.push(&item);
            self.open.items.push(item);
        }
        if initializes {
            self.set_calendar();
        }
        decision.answer
    }

    /// Decides what is due, at most `limit` things, oldest first; says how many there were.
    pub fn tick(&mut self, limit: usize) -> usize {
        (0..limit)
            .take_while(|_| {
                let is_due = self
                    .state
                    .deadlines
                    .earliest()
                    .is_some_and(|at| at <= self.open.moment.now);
                if is_due {
                    self.decide(Actor::System, 0, Command::Tick);
                }
                is_due
            })
            .count()
    }

    /// When the next thing is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.state.deadlines.earliest()
    }

    /// Whether anything waits to be made durable.
    pub fn has_open_batch(&self) -> bool {
        !self.open.items.is_empty() || self.open.note.is_some()
    }

    /// Says something of the leader with the open batch, which becomes a row even if nothing else is in it.
    pub fn note(&mut self, note: LeadNote) {
        self.open.note = Some(note);
    }

    /// Shows a part of the state with what the open batch says of the leader, if it does.
    pub fn show(&mut self, part: u64) {
        self.shows = Some(part);
    }

    /// Whether the open batch says something of the leader.
    pub fn is_noted(&self) -> bool {
        self.open.note.is_some()
    }

    /// The row that begins a leadership after what was taken in. Nothing changes before it is durable and applied.
    pub fn first_row(&mut self, wall: Timestamp, batch_id: [u8; 16], note: LeadNote) -> Row {
        self.advance(wall);
        let batch = Batch {
            moment: self.open.moment,
            level: self.state.level(),
            items: Vec::new(),
            note: Some(note),
        };
        Row::seal(self.tip, self.epoch + 1, batch_id, batch.encode())
    }

    /// Forgets rows that were sealed and did not become durable; none of them may have held an event.
    pub(crate) fn rewind(&mut self, tip: Option<Tip>) {
        self.tip = tip;
        self.open.note = None;
        self.shows = None;
    }

    pub fn open_items(&self) -> usize {
        self.open.items.len()
    }

    /// Closes the open batch as the next row; `None` if it is empty.
    pub fn seal(&mut self, batch_id: [u8; 16]) -> Option<Sealed> {
        if !self.has_open_batch() {
            return None;
        }
        let items = std::mem::take(&mut self.open.items);
        let mut note = self.open.note.take();
        // The state holds exactly what is in this batch and before it.
        if let (Some(note), Some(part)) = (&mut note, self.shows.take()) {
            note.shows = Some(show_part(&self.state, part));
        }
        let batch = Batch {
            moment: self.open.moment,
            level: self.state.level(),
            items,
            note,
        };
        let row = Row::seal(self.tip, self.epoch, batch_id, self.written.finish(&batch));
        self.tip = Some(row.tip());
        Some(Sealed { row, batch })
    }

    fn set_calendar(&mut self) {
        if let Some(settings) = &self.state.settings
            && !self
                .calendar
                .is_of(&settings.zone, settings.cut_off_minutes)
            && let Some(calendar) = Calendar::new(&settings.zone, settings.cut_off_minutes)
        {
            self.calendar = calendar;
        }
    }
}

impl Default for Core {
    fn default() -> Self {
        Self::new()
    }
}
