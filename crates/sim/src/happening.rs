//! What can happen in the simulated world, and the queue that orders it in virtual time.

use std::collections::BTreeMap;

use paytone_connectors::stand_in_bank::{Arrival, Request};
use paytone_domain::{
    Actor, Answer, Command, State,
    archive::Gone,
    funding::EffectOutcome,
    ids::{DeviceId, EffectId, MandateId, PaymentId, SubscriberId},
    mandate::MandateFacts,
    payment::PaymentFacts,
    subscriber::PromptRef,
    time::Timestamp,
};

use crate::{archive::Leaving, trimming::Trim};

/// One request of a client, with all its repetitions.
pub type CallId = u64;

/// Whoever asks and hears the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A merchant's client in one checkout, by its place.
    Checkout(usize),
    Phone(usize),
    Staff,
}

#[derive(Clone, Debug)]
pub enum Ask {
    Command(Command),
    Look(Look),
}

/// A read of fresh state.
#[derive(Clone, Copy, Debug)]
pub enum Look {
    Payment(PaymentId),
    Mandate(MandateId),
    Prompts(SubscriberId),
    /// The device with this key, after an enrolment whose answer was lost.
    Device([u8; 65]),
}

impl Look {
    /// What it looks for, if that has left memory.
    pub fn gone(self, state: &State) -> Option<Gone> {
        match self {
            Self::Payment(id) => Some(Gone::Payment(id)).filter(|gone| state.is_gone(*gone)),
            Self::Mandate(_) | Self::Prompts(_) | Self::Device(_) => None,
        }
    }
}

/// What a read saw.
#[derive(Clone, Debug)]
pub enum Seen {
    Payment(PaymentFacts),
    Mandate(MandateFacts),
    Prompts(Vec<PromptRef>),
    Device(DeviceId, SubscriberId),
    Nothing,
}

#[derive(Clone, Debug)]
pub enum Told {
    Answer(Answer),
    Seen(Seen),
    /// Not for a client: what it asked of has left memory, and was not there at that engine time.
    Gone(Gone, Timestamp),
    /// For the archiver: what may leave memory.
    Leaving(Box<Leaving>),
}

pub struct Call {
    pub owner: Owner,
    pub actor: Actor,
    pub ask: Ask,
    /// Repeats until it is answered; without this a lost answer stays lost.
    pub insists: bool,
    pub tries: u32,
    pub is_answered: bool,
}

/// What the worker asks of the engine; in the same process, so nothing of it is lost but in a crash.
#[derive(Clone, Copy, Debug)]
pub enum WorkerAsk {
    Attempt(EffectId),
    Report(EffectId, EffectOutcome),
}

#[derive(Clone, Debug)]
pub struct BankCall {
    pub token: u64,
    pub effect: EffectId,
    /// A question about an order, not the order itself.
    pub is_question: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum CheckoutStep {
    Poll,
    Cancel,
    Charge,
    End,
    /// Sends an earlier request once more, as it was.
    AskAgain(CallId),
    /// Sends another request under an earlier one's key.
    ReuseKey(CallId),
}

/// Things of the process carry its life: after a crash they come to nothing.
#[derive(Debug)]
pub enum Happening {
    Arrives(CallId),
    Runs {
        life: u64,
        at: i64,
    },
    Appends {
        life: u64,
    },
    Synced {
        life: u64,
    },
    WorkerTick {
        life: u64,
    },
    Crash,
    Starts,
    /// Somebody sets the machine's clock, or it is corrected.
    ClockJumps,
    /// From now on the disk is full, for a while.
    DiskFills,
    Answered {
        call: CallId,
        told: Told,
    },
    Repeats(CallId),
    Archiver {
        life: u64,
    },
    ArchiveWritten {
        life: u64,
        leaving: Box<Leaving>,
    },
    Fetched {
        life: u64,
        call: CallId,
        gone: Gone,
        as_of: Timestamp,
    },
    Merchant(usize),
    Checkout(usize, CheckoutStep),
    Phone(usize),
    Prompt {
        phone: usize,
        prompt: PromptRef,
    },
    Staff,
    Snapshot,
    Trims {
        life: u64,
        trim: Trim,
    },
    Mood,
    Clerk,
    BankHears {
        call: BankCall,
        request: Request,
        arrival: Arrival,
    },
    BankSays {
        call: BankCall,
        status: u16,
        body: Vec<u8>,
    },
    BankSilent(BankCall),
}

/// Virtual time in milliseconds, and what is to come.
#[derive(Default)]
pub struct Queue {
    now: i64,
    pushed: u64,
    coming: BTreeMap<(i64, u64), Happening>,
}

impl Queue {
    pub fn now(&self) -> i64 {
        self.now
    }

    /// What falls at the same time happens in the order it was put in.
    pub fn push(&mut self, after_ms: i64, happening: Happening) {
        self.pushed += 1;
        let at = self.now + after_ms.max(0);
        self.coming.insert((at, self.pushed), happening);
    }

    pub fn pop(&mut self) -> Option<Happening> {
        let ((at, _), happening) = self.coming.pop_first()?;
        self.now = at;
        Some(happening)
    }
}
