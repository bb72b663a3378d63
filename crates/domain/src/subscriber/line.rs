//! What the network knows of a number.

use minicbor::{Decode, Encode};

use crate::{money::Amount, time::Timestamp};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LineKind {
    #[n(0)]
    Prepaid,
    #[n(1)]
    Postpaid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LineStatus {
    #[n(0)]
    Active,
    #[n(1)]
    Suspended,
    #[n(2)]
    Terminated,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Line {
    #[n(0)]
    pub activated: Timestamp,
    #[n(1)]
    pub sim_changed: Option<Timestamp>,
    #[n(2)]
    pub device_changed: Option<Timestamp>,
    #[n(3)]
    pub kind: LineKind,
    #[n(4)]
    pub status: LineStatus,
    /// Most that may go on the phone bill per month; zero for none.
    #[n(5)]
    pub bill_limit: Amount,
    /// How old this knowledge is.
    #[n(6)]
    pub as_of: Timestamp,
}

impl Line {
    /// Takes the later of each date of a change: an empty one is unknown, which is not never.
    pub(super) fn keep_dates_of(&mut self, known: &Self) {
        self.sim_changed = self.sim_changed.max(known.sim_changed);
        self.device_changed = self.device_changed.max(known.device_changed);
    }

    /// Whether `next` tells of a SIM or device change that this line did not know.
    pub fn holder_may_differ(&self, next: &Self) -> bool {
        next.sim_changed > self.sim_changed || next.device_changed > self.device_changed
    }
}
