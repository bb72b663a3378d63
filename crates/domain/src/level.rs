//! Which events may be written.
//!
//! ```text
//!   release knows level 2 ──▶ every node does ──▶ LevelActivated { 2 } ──▶ events of level 2
//! ```
//! A journal says the level it began with, and each one that was activated since. A release writes an event of a level only once
//! the journal is there, so that a node of an earlier release, which cannot read it, is not stopped by surprise.
//!
//! **Invariant:** a journal's level only rises. **Not here:** whether every node knows a level. Whoever asks for it has made sure.

use crate::{Event, State};

/// The newest level that this release knows.
///
/// | level | what it adds |
/// |---|---|
/// | 1 | the first release |
/// | 2 | `LevelActivated`, `Charged`, what leaves for the archive and comes back |
/// | 3 | idempotency keys leave for the archive |
/// | 4 | tokens, stores and terminals, payments at tills |
pub const LEVEL: u32 = 4;

/// From this level on a charge is one event.
pub(crate) const CHARGED: u32 = 2;

/// Of journals that do not say one yet.
const FIRST: u32 = 1;

impl State {
    /// The level of events that may be written.
    pub fn level(&self) -> u32 {
        self.settings
            .as_ref()
            .map_or(FIRST, |settings| settings.level)
    }
}

/// Activates a level that this release knows; what is not above the journal's changes nothing.
pub(crate) fn decide(state: &State, level: u32) -> Vec<Event> {
    if state.settings.is_some() && level > state.level() && level <= LEVEL {
        vec![Event::LevelActivated { level }]
    } else {
        Vec::new()
    }
}

pub(crate) fn evolve(state: &mut State, level: u32) {
    if let Some(settings) = &mut state.settings {
        settings.level = settings.level.max(level);
    }
}
