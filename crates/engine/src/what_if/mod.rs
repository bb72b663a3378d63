//! What a period would have been under other limits, vetoes or fees: recorded decisions, decided again.
//!
//! ```text
//!   recorded event ──▶ Shadow: the same facts, less or more what already went otherwise ──▶ other rules ──▶ same? else counted
//!         │                                                                                     │
//!         ╰──▶ evolve ──▶ the state as it really was                     differences carried on ◀╯
//! ```
//! Beside the real state only what went otherwise is kept: sums, counters and money by how much they differ. So it costs what
//! differs, not what exists, and with the rules that were in force nothing differs at all.
//!
//! **What it cannot know** is what people would have done. A payer who was not asked then, and would be now, might approve or
//! not: such payments are counted as *asked* and no money moves. A charge under a mandate, or an approval that was given and did
//! not count, is followed to its end: taken as captured in full, the bank as saying yes. Merchants ask for what they asked for.
//!
//! A decision that an earlier release made and this one makes otherwise is a difference too, whatever the rules: it is what would
//! be decided now.
//!
//! **Not here:** reading the journal; anything that is written.

mod report;
mod shadow;

use paytone_domain::{
    State, evolve, ids::MerchantId, merchant::PricePlan, risk::Rules, time::Timestamp,
};
use rustc_hash::FxHashMap;

pub use report::{Difference, Moneys, Report, Sum};

use crate::Batch;
use shadow::Shadow;

/// What is otherwise.
pub struct Otherwise {
    /// The rules instead of those in force.
    pub rules: Box<dyn Fn(&Rules) -> Rules + Send>,
    /// The price plan of every merchant that has none of its own in `plans`.
    pub plan: Option<PricePlan>,
    pub plans: FxHashMap<MerchantId, PricePlan>,
    /// The period: from the one until before the other.
    pub from: Timestamp,
    pub until: Timestamp,
}

/// Takes a journal's batches in order, from the first or from any before the period.
pub struct WhatIf {
    otherwise: Otherwise,
    state: State,
    shadow: Shadow,
}

impl WhatIf {
    /// `state` is that before the first batch which is taken.
    pub fn new(otherwise: Otherwise, state: State) -> Self {
        Self {
            otherwise,
            state,
            shadow: Shadow::default(),
        }
    }

    /// Takes the next batch in; says whether more is wanted.
    pub fn take(&mut self, batch: &Batch) -> bool {
        let now = batch.moment.now;
        if now >= self.otherwise.until {
            return false;
        }
        if now >= self.otherwise.from {
            self.shadow.report.batches += 1;
            self.shadow.pass(&batch.moment);
        }
        for event in batch.steps() {
            if now >= self.otherwise.from {
                self.shadow
                    .take(&self.otherwise, &self.state, &batch.moment, &event);
            }
            evolve(&mut self.state, &batch.moment, &event);
        }
        true
    }

    pub fn report(self) -> Report {
        self.shadow.report
    }
}
