//! Passes: by which a phone shows one-time payment codes that a cashier scans.
//!
//! ```text
//!   opened by the phone ──▶ Pass ──┬─▶ replaced by another, whenever the phone asks
//!        ▲ seen again, online      └─▶ ended: too many wrong codes, another SIM, phone removed, subscriber blocked or gone
//!        └─────────────────────────┘
//! ```
//! A device has one pass at most. It is found by its *index*, a random number that stands for the phone in every code and says nothing
//! about it. Which codes were used is part of it and is decided together with the payment that they came with. A phone that is offline
//! goes on showing codes; how long and how much that is good for counts from when it was last seen.
//!
//! **Invariants:** one code pays once: what was used is remembered until it would be too old, and what is too old never becomes good again.
//! **Not here:** the key that codes are made with, which the edge derives from index and salt, and whether a code is right under it.

use minicbor::{Decode, Encode};
use rustc_hash::FxHashMap;

use crate::{
    Event,
    ids::{DeviceId, SubscriberId, TerminalId},
    money::Amount,
    state::State,
    subscriber::{SubscriberStatus, is_active_device_of},
    time::{HOUR, MINUTE, Moment, SECOND, Timestamp},
};

/// How long a step lasts: the time that a code says it was made in.
pub const STEP: i64 = 30 * SECOND;

/// Steps that a phone's clock may be ahead.
pub const AHEAD: u64 = 2;

/// Wrong codes in a row that end a pass: whoever has seen its index guesses no further.
pub const TRIES: u8 = 5;

/// Wrong codes of one terminal within an hour, after which it scans none for the rest of it.
pub const TERMINAL_TRIES: u16 = 10;

/// A phone that is seen again within this time is not written down again.
const SEEN_LATELY: i64 = 5 * MINUTE;

/// What a phone was shown to have used in one step: bit `n` stands for counter `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Used {
    #[n(0)]
    pub step: u64,
    #[n(1)]
    pub counters: u16,
}

/// By which a code is found and its key derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PassKey {
    /// What codes begin with; nobody else's while the pass stands.
    #[n(0)]
    pub index: u64,
    /// Drawn with it, so that an index that comes again has another key.
    #[n(1)]
    pub salt: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Pass {
    #[n(0)]
    pub device: DeviceId,
    #[n(1)]
    pub subscriber: SubscriberId,
    #[n(2)]
    pub key: PassKey,
    /// Codes of `floor` and later that were used.
    #[n(3)]
    pub used: Vec<Used>,
    /// Nothing of an earlier step is good any more.
    #[n(4)]
    pub floor: u64,
    /// Wrong codes since the last right one.
    #[n(5)]
    pub wrong: u8,
    #[n(6)]
    pub seen_at: Timestamp,
    /// What its codes have paid without a question since it was seen.
    #[n(7)]
    pub spent: Amount,
}

/// A code that the edge found to be right under a pass's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    pub step: u64,
    pub counter: u8,
}

/// Why a right code is good for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodeRefusal {
    /// Too old, or of a time that has not come.
    Time,
    Used,
    /// The phone was not online for too long.
    NotSeen,
}

impl Pass {
    /// The floor after `shown` is used, or why it may not be.
    pub(crate) fn take(
        &self,
        state: &State,
        moment: &Moment,
        shown: Shown,
    ) -> Result<u64, CodeRefusal> {
        let now = step_at(moment.now);
        let behind = u64::from(state.rules.code_seconds()) * SECOND as u64 / STEP as u64;
        let floor = self.floor.max(now.saturating_sub(behind));
        if shown.step < floor || shown.step > now + AHEAD || shown.counter > 9 {
            return Err(CodeRefusal::Time);
        }
        let mut used = self.used.iter();
        if used.any(|one| one.step == shown.step && one.counters >> shown.counter & 1 == 1) {
            return Err(CodeRefusal::Used);
        }
        if moment.now >= self.good_until(state) {
            return Err(CodeRefusal::NotSeen);
        }
        Ok(floor)
    }

    /// Until when its codes are good if the phone is not seen again.
    pub fn good_until(&self, state: &State) -> Timestamp {
        let hours = i64::from(state.rules.code_offline_hours());
        self.seen_at.plus(hours * HOUR)
    }
}

/// The step that a moment is in.
pub fn step_at(now: Timestamp) -> u64 {
    u64::try_from(now.0 / STEP).unwrap_or_default()
}

/// Wrong codes that a terminal has sent, since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct WrongCodes {
    #[n(0)]
    pub since: Timestamp,
    #[n(1)]
    pub count: u16,
}

impl WrongCodes {
    pub(crate) fn is_locked(self, now: Timestamp) -> bool {
        self.count >= TERMINAL_TRIES && now < self.since.plus(HOUR)
    }

    /// After one more.
    pub(crate) fn and_another(self, now: Timestamp) -> Self {
        if now < self.since.plus(HOUR) {
            Self {
                count: self.count.saturating_add(1),
                ..self
            }
        } else {
            Self {
                since: now,
                count: 1,
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PassEnd {
    #[n(0)]
    Replaced,
    #[n(1)]
    WrongCodes,
    /// The network told of another SIM or phone.
    #[n(2)]
    LineChanged,
    #[n(3)]
    SubscriberBlocked,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PassEvent {
    #[n(0)]
    Opened {
        #[n(0)]
        device: DeviceId,
        #[n(1)]
        subscriber: SubscriberId,
        #[n(2)]
        key: PassKey,
    },
    /// The phone is online.
    #[n(1)]
    Seen {
        #[n(0)]
        device: DeviceId,
    },
    /// A code is used up, whatever came of it.
    #[n(2)]
    Used {
        #[n(0)]
        device: DeviceId,
        #[n(1)]
        step: u64,
        #[n(2)]
        counter: u8,
        #[n(3)]
        floor: u64,
        #[n(4)]
        spent: Amount,
    },
    /// A code was wrong.
    #[n(3)]
    Wrong {
        /// Whose index it had; `None`: nobody's.
        #[n(0)]
        device: Option<DeviceId>,
        #[n(1)]
        terminal: TerminalId,
        /// What the terminal has sent by now.
        #[n(2)]
        wrong: WrongCodes,
    },
    #[n(4)]
    Ended {
        #[n(0)]
        device: DeviceId,
        #[n(1)]
        by: PassEnd,
    },
}

/// Passes that stand; one that ended is forgotten.
#[derive(Clone, Debug, Default)]
pub struct Passes {
    pub(crate) by_device: FxHashMap<DeviceId, Pass>,
    by_index: FxHashMap<u64, DeviceId>,
}

impl Passes {
    pub fn get(&self, device: DeviceId) -> Option<&Pass> {
        self.by_device.get(&device)
    }

    pub fn find(&self, index: u64) -> Option<&Pass> {
        self.get(*self.by_index.get(&index)?)
    }

    pub fn len(&self) -> usize {
        self.by_device.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_device.is_empty()
    }

    fn expect_mut(&mut self, device: DeviceId) -> &mut Pass {
        let pass = self.by_device.get_mut(&device);
        pass.expect("an event names a pass that stands")
    }

    /// A device's pass goes with it.
    pub(crate) fn forget(&mut self, device: DeviceId) {
        if let Some(gone) = self.by_device.remove(&device) {
            self.by_index.remove(&gone.key.index);
        }
    }

    /// What follows from the passes themselves; false if two share an index.
    pub(crate) fn make_indexes(&mut self) -> bool {
        for pass in self.by_device.values() {
            self.by_index.insert(pass.key.index, pass.device);
        }
        self.by_index.len() == self.by_device.len()
    }
}

/// An active phone asks for its pass.
#[derive(Clone, Debug)]
pub struct OpenPass {
    pub device: DeviceId,
    /// Another one, because somebody may have seen this one's codes.
    pub replace: bool,
    /// Drawn by the edge, for a new one.
    pub drawn: PassKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassRefusal {
    DeviceNotActive,
    /// Draw another one.
    IndexTaken,
    /// Passes are not let in before every node knows them.
    NotYet,
}

pub(crate) fn open(
    state: &State,
    moment: &Moment,
    request: OpenPass,
) -> (Result<PassKey, PassRefusal>, Vec<Event>) {
    let mut events = Vec::new();
    let opened = opened(state, moment, request, &mut events);
    (opened, events)
}

fn opened(
    state: &State,
    moment: &Moment,
    request: OpenPass,
    events: &mut Vec<Event>,
) -> Result<PassKey, PassRefusal> {
    let OpenPass {
        device,
        replace,
        drawn,
    } = request;
    if state.level() < crate::till::LEVEL {
        return Err(PassRefusal::NotYet);
    }
    let owner = state.devices.get(&device).map(|device| device.subscriber);
    let owner = owner.and_then(|owner| state.subscribers.get(owner));
    let owner = owner.filter(|owner| {
        owner.status == SubscriberStatus::Active && is_active_device_of(state, device, owner.id)
    });
    let owner = owner.ok_or(PassRefusal::DeviceNotActive)?;
    let standing = state.passes.get(device);
    if let Some(pass) = standing.filter(|_| !replace) {
        let lately = moment.now < pass.seen_at.plus(SEEN_LATELY);
        if !lately || !pass.spent.is_zero() {
            events.push(Event::Pass(PassEvent::Seen { device }));
        }
        return Ok(pass.key);
    }
    if state.passes.find(drawn.index).is_some() {
        return Err(PassRefusal::IndexTaken);
    }
    if standing.is_some() {
        let by = PassEnd::Replaced;
        events.push(Event::Pass(PassEvent::Ended { device, by }));
    }
    events.push(Event::Pass(PassEvent::Opened {
        device,
        subscriber: owner.id,
        key: drawn,
    }));
    Ok(drawn)
}

/// Ends those of a subscriber: whoever has the phone now may be somebody else.
pub(crate) fn end_all(
    state: &State,
    subscriber: SubscriberId,
    by: PassEnd,
) -> impl Iterator<Item = Event> {
    let owner = state.subscribers.get(subscriber);
    let devices = owner.into_iter().flat_map(|owner| owner.devices.iter());
    let standing = devices.filter(|device| state.passes.get(**device).is_some());
    standing.map(move |device| {
        let device = *device;
        Event::Pass(PassEvent::Ended { device, by })
    })
}

pub(crate) fn evolve(state: &mut State, moment: &Moment, event: &PassEvent) {
    match event {
        PassEvent::Opened {
            device,
            subscriber,
            key,
        } => {
            let pass = Pass {
                device: *device,
                subscriber: *subscriber,
                key: *key,
                used: Vec::new(),
                floor: 0,
                wrong: 0,
                seen_at: moment.now,
                spent: Amount::ZERO,
            };
            state.passes.by_index.insert(key.index, *device);
            state.passes.by_device.insert(*device, pass);
        }
        PassEvent::Seen { device } => {
            let pass = state.passes.expect_mut(*device);
            (pass.seen_at, pass.spent) = (moment.now, Amount::ZERO);
        }
        PassEvent::Used {
            device,
            step,
            counter,
            floor,
            spent,
        } => {
            let pass = state.passes.expect_mut(*device);
            (pass.floor, pass.wrong, pass.spent) = (*floor, 0, *spent);
            pass.used.retain(|one| one.step >= *floor);
            let bit = 1 << counter;
            match pass.used.iter_mut().find(|one| one.step == *step) {
                Some(one) => {
                    assert_eq!(one.counters & bit, 0, "a code is used once");
                    one.counters |= bit;
                }
                None => pass.used.push(Used {
                    step: *step,
                    counters: bit,
                }),
            }
        }
        PassEvent::Wrong {
            device,
            terminal,
            wrong,
        } => {
            if let Some(device) = device {
                let pass = state.passes.expect_mut(*device);
                pass.wrong = pass.wrong.saturating_add(1);
            }
            state.terminals.sent_wrong_code(*terminal, *wrong);
        }
        PassEvent::Ended { device, .. } => state.passes.forget(*device),
    }
}
