//! Where the money of a payment comes from.
//!
//! The waterfall is all or nothing: internal sources are held at once, external ones are wanted of the outside world and
//! come back as results. Adding a source is one [`SourceKind`] and one arm in the plan.

mod effect;
mod plan;

use minicbor::{Decode, Encode};

pub use effect::{
    Direction, Effect, EffectCommand, EffectEvent, EffectOutcome, EffectRefusal, EffectState,
};
pub(crate) use effect::{decide as decide_effect, evolve as evolve_effect, give_back};
pub use plan::plan_with;

pub(crate) use plan::plan;

use crate::{
    ids::{EffectId, LotId, SubscriberId},
    ledger::Account,
    money::Amount,
};

/// A kind of source, as a payer orders them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum SourceKind {
    #[n(0)]
    Grant,
    #[n(1)]
    Balance,
    #[n(2)]
    Bill,
    #[n(3)]
    Bank,
}

impl SourceKind {
    pub const DEFAULT_ORDER: [Self; 4] = [Self::Grant, Self::Balance, Self::Bill, Self::Bank];

    pub fn name(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Balance => "balance",
            Self::Bill => "bill",
            Self::Bank => "bank",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::DEFAULT_ORDER
            .into_iter()
            .find(|source| source.name() == name)
    }
}

/// One source of one payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Source {
    #[n(0)]
    Grant(#[n(0)] LotId),
    #[n(1)]
    Balance,
    #[n(2)]
    Bill,
    #[n(3)]
    Bank,
}

impl Source {
    pub fn kind(self) -> SourceKind {
        match self {
            Self::Grant(_) => SourceKind::Grant,
            Self::Balance => SourceKind::Balance,
            Self::Bill => SourceKind::Bill,
            Self::Bank => SourceKind::Bank,
        }
    }

    /// The account the money is on while the payment is not captured.
    pub fn account(self, payer: SubscriberId) -> Account {
        match self {
            Self::Grant(lot) => Account::Grant(lot),
            Self::Balance => Account::SubscriberCash(payer),
            Self::Bill => Account::BillReceivable(payer),
            Self::Bank => Account::Collected,
        }
    }

    pub fn is_external(self) -> bool {
        matches!(self, Self::Bank)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LegState {
    /// Held inside.
    #[n(0)]
    Held,
    /// Wanted of the outside world; `Unknown` is part of this.
    #[n(1)]
    Wanted,
    /// Collected from outside.
    #[n(2)]
    Collected,
    #[n(3)]
    Refused,
    /// Went to the merchant, whole or in part; the rest went back.
    #[n(4)]
    Moved,
    /// Went back to the payer.
    #[n(5)]
    Released,
}

/// A planned share of a payment: source and amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Share {
    #[n(0)]
    pub source: Source,
    #[n(1)]
    pub amount: Amount,
}

impl Share {
    pub fn is_external(&self) -> bool {
        self.source.is_external()
    }
}

/// A share under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FundingLeg {
    #[n(0)]
    pub source: Source,
    #[n(1)]
    pub amount: Amount,
    #[n(2)]
    pub state: LegState,
    #[n(3)]
    pub captured: Amount,
    #[n(4)]
    pub refunded: Amount,
    /// What was asked of the outside world to collect it.
    #[n(5)]
    pub effect: Option<EffectId>,
}
