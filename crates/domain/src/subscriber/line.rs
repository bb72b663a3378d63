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

/// A [`Line`] as a subscriber keeps it: two dates that may be missing take no more room than others.
#[derive(Clone, Debug, Encode, Decode)]
pub struct KnownLine {
    #[n(0)]
    activated: Timestamp,
    #[n(1)]
    sim_changed: Timestamp,
    #[n(2)]
    device_changed: Timestamp,
    #[n(3)]
    bill_limit: Amount,
    #[n(4)]
    as_of: Timestamp,
    #[n(5)]
    kind: LineKind,
    #[n(6)]
    status: LineStatus,
}

/// A date that is not known, as no calendar has it.
const UNKNOWN: Timestamp = Timestamp(i64::MIN);

impl KnownLine {
    pub fn line(&self) -> Line {
        let known = |date: Timestamp| (date != UNKNOWN).then_some(date);
        Line {
            activated: self.activated,
            sim_changed: known(self.sim_changed),
            device_changed: known(self.device_changed),
            kind: self.kind,
            status: self.status,
            bill_limit: self.bill_limit,
            as_of: self.as_of,
        }
    }
}

impl From<&Line> for KnownLine {
    fn from(line: &Line) -> Self {
        Self {
            activated: line.activated,
            sim_changed: line.sim_changed.unwrap_or(UNKNOWN),
            device_changed: line.device_changed.unwrap_or(UNKNOWN),
            bill_limit: line.bill_limit,
            as_of: line.as_of,
            kind: line.kind,
            status: line.status,
        }
    }
}
