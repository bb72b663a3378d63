//! What staff can do, who may, and what needs a second person.

use minicbor::{Decode, Encode};

use super::Role;
use crate::{
    grant::{ExpiredRefund, Origin, Scope},
    ids::{
        ClientKeyHash, ClientKeyId, EffectId, MerchantId, OperatorId, Sealed, StoreId,
        SubscriberId, TerminalId, TerminalKey, TokenId,
    },
    merchant::{MerchantLimits, PricePlan},
    money::Amount,
    risk::Rules,
    state::State,
    time::Timestamp,
    token::NewToken,
};

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Operation {
    #[n(0)]
    AddOperator {
        #[n(0)]
        name: String,
        #[n(1)]
        role: Role,
        #[n(2)]
        password: Sealed,
    },
    #[n(1)]
    RemoveOperator(#[n(0)] OperatorId),
    #[n(2)]
    SetRules(#[n(0)] Box<Rules>),
    #[n(3)]
    AddMerchant {
        #[n(0)]
        subject: u64,
        #[n(1)]
        name: Sealed,
        #[n(2)]
        category: u16,
        #[n(3)]
        limits: MerchantLimits,
        #[n(4)]
        plan: PricePlan,
    },
    #[n(4)]
    AddClientKey {
        #[n(0)]
        merchant: MerchantId,
        #[n(1)]
        hash: ClientKeyHash,
        #[n(2)]
        label: String,
    },
    #[n(5)]
    RevokeClientKey {
        #[n(0)]
        merchant: MerchantId,
        #[n(1)]
        key: ClientKeyId,
    },
    #[n(6)]
    SetPlan {
        #[n(0)]
        merchant: MerchantId,
        #[n(1)]
        plan: PricePlan,
    },
    #[n(7)]
    SetMerchantLimits {
        #[n(0)]
        merchant: MerchantId,
        #[n(1)]
        limits: MerchantLimits,
    },
    #[n(8)]
    BlockMerchant(#[n(0)] MerchantId),
    #[n(9)]
    UnblockMerchant(#[n(0)] MerchantId),
    #[n(10)]
    BlockSubscriber(#[n(0)] SubscriberId),
    #[n(11)]
    UnblockSubscriber(#[n(0)] SubscriberId),
    #[n(12)]
    UnlockPin(#[n(0)] SubscriberId),
    #[n(13)]
    ResetPhone(#[n(0)] SubscriberId),
    #[n(14)]
    EraseSubscriber(#[n(0)] SubscriberId),
    /// Above zero to the subscriber's cash, below from it.
    #[n(15)]
    Adjust {
        #[n(0)]
        subscriber: SubscriberId,
        #[n(1)]
        minor: i64,
        #[n(2)]
        reason: Sealed,
    },
    /// One row of opening balances.
    #[n(16)]
    ImportBalance(#[n(0)] Box<BalanceRow>),
    /// A stuck external effect: try again.
    #[n(17)]
    RepeatEffect(#[n(0)] EffectId),
    /// A stuck external effect: the money goes to the payer's balance.
    #[n(18)]
    PayEffectToBalance(#[n(0)] EffectId),
    /// Another operator's, who has forgotten it; one's own is changed by whoever knows the old one.
    #[n(19)]
    SetPassword {
        #[n(0)]
        operator: OperatorId,
        #[n(1)]
        password: Sealed,
    },
    /// This and what follows from level 4.
    #[n(20)]
    AddStore {
        #[n(0)]
        merchant: MerchantId,
        #[n(1)]
        acceptor: String,
        #[n(2)]
        name: Sealed,
    },
    #[n(21)]
    AddTerminal {
        #[n(0)]
        store: StoreId,
        #[n(1)]
        key: TerminalKey,
        #[n(2)]
        code: String,
        #[n(3)]
        limit: Amount,
    },
    #[n(22)]
    SetTerminal {
        #[n(0)]
        terminal: TerminalId,
        #[n(1)]
        limit: Amount,
        #[n(2)]
        blocked: bool,
    },
    #[n(23)]
    IssueToken {
        #[n(0)]
        subscriber: SubscriberId,
        #[n(1)]
        new: NewToken,
    },
    #[n(24)]
    SuspendToken(#[n(0)] TokenId),
    #[n(25)]
    ResumeToken(#[n(0)] TokenId),
    /// Ends it and issues another one for the same subscriber.
    #[n(26)]
    ReplaceToken {
        #[n(0)]
        token: TokenId,
        #[n(1)]
        new: NewToken,
    },
    #[n(27)]
    EndToken(#[n(0)] TokenId),
}

/// What a subscriber already holds, from an earlier system.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BalanceRow {
    /// Keyed hash of the row: taken in once.
    #[n(0)]
    pub row: u64,
    #[n(1)]
    pub subscriber: SubscriberId,
    #[n(2)]
    pub amount: Amount,
    #[n(3)]
    pub held_as: HeldAs,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum HeldAs {
    #[n(0)]
    Cash,
    #[n(1)]
    Grant {
        #[n(0)]
        origin: Origin,
        #[n(1)]
        label: Sealed,
        #[n(2)]
        tax_class: u16,
        #[n(3)]
        expires_at: Option<Timestamp>,
        #[n(4)]
        scope: Scope,
        #[n(5)]
        expired_refund: ExpiredRefund,
    },
}

impl Operation {
    /// The level of events that it needs.
    pub fn level(&self) -> u32 {
        match self {
            Self::AddStore { .. }
            | Self::AddTerminal { .. }
            | Self::SetTerminal { .. }
            | Self::IssueToken { .. }
            | Self::SuspendToken(_)
            | Self::ResumeToken(_)
            | Self::ReplaceToken { .. }
            | Self::EndToken(_) => crate::till::LEVEL,
            Self::SetRules(rules) if rules.are_of_tills() => crate::till::LEVEL,
            _ => 0,
        }
    }

    /// What it is called in reports and the worklist.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AddOperator { .. } => "add_operator",
            Self::RemoveOperator(_) => "remove_operator",
            Self::SetRules(_) => "set_rules",
            Self::AddMerchant { .. } => "add_merchant",
            Self::AddClientKey { .. } => "add_client_key",
            Self::RevokeClientKey { .. } => "revoke_client_key",
            Self::SetPlan { .. } => "set_plan",
            Self::SetMerchantLimits { .. } => "set_merchant_limits",
            Self::BlockMerchant(_) => "block_merchant",
            Self::UnblockMerchant(_) => "unblock_merchant",
            Self::BlockSubscriber(_) => "block_subscriber",
            Self::UnblockSubscriber(_) => "unblock_subscriber",
            Self::UnlockPin(_) => "unlock_pin",
            Self::ResetPhone(_) => "reset_phone",
            Self::EraseSubscriber(_) => "erase_subscriber",
            Self::Adjust { .. } => "adjust",
            Self::ImportBalance(_) => "import_balance",
            Self::RepeatEffect(_) => "repeat_effect",
            Self::PayEffectToBalance(_) => "pay_effect_to_balance",
            Self::SetPassword { .. } => "set_password",
            Self::AddStore { .. } => "add_store",
            Self::AddTerminal { .. } => "add_terminal",
            Self::SetTerminal { .. } => "set_terminal",
            Self::IssueToken { .. } => "issue_token",
            Self::SuspendToken(_) => "suspend_token",
            Self::ResumeToken(_) => "resume_token",
            Self::ReplaceToken { .. } => "replace_token",
            Self::EndToken(_) => "end_token",
        }
    }

    /// Whether this role may ask for it, and decide what somebody else of it asked for.
    pub fn allowed_to(&self, role: Role) -> bool {
        if role == Role::Admin {
            return true;
        }
        match self {
            Self::AddOperator { .. } | Self::RemoveOperator(_) | Self::SetPassword { .. } => false,
            Self::SetRules(_)
            | Self::SetMerchantLimits { .. }
            | Self::UnblockMerchant(_)
            | Self::UnblockSubscriber(_) => role == Role::Risk,
            Self::BlockMerchant(_) | Self::BlockSubscriber(_) => {
                matches!(role, Role::Risk | Role::Support)
            }
            Self::SuspendToken(_) => matches!(role, Role::Risk | Role::Support),
            Self::AddStore { .. }
            | Self::AddTerminal { .. }
            | Self::SetTerminal { .. }
            | Self::IssueToken { .. }
            | Self::ResumeToken(_)
            | Self::ReplaceToken { .. }
            | Self::EndToken(_)
            | Self::AddMerchant { .. }
            | Self::AddClientKey { .. }
            | Self::RevokeClientKey { .. } => role == Role::Support,
            Self::UnlockPin(_) | Self::ResetPhone(_) | Self::EraseSubscriber(_) => {
                role == Role::Support
            }
            Self::SetPlan { .. }
            | Self::Adjust { .. }
            | Self::ImportBalance(_)
            | Self::RepeatEffect(_)
            | Self::PayEffectToBalance(_) => role == Role::Finance,
        }
    }

    pub(super) fn needs_second_person(&self, state: &State) -> bool {
        let four_eyes = &state.rules.four_eyes;
        match self {
            Self::Adjust { .. } | Self::PayEffectToBalance(_) => four_eyes.adjustments,
            Self::SetRules(_) => four_eyes.rules,
            Self::SetMerchantLimits { merchant, limits } => {
                // Lowering is always safe.
                let raises = |known: &MerchantLimits| {
                    limits.payment > known.payment || limits.daily > known.daily
                };
                four_eyes.rules
                    && state
                        .merchants
                        .get(*merchant)
                        .is_some_and(|merchant| raises(&merchant.limits))
            }
            Self::AddClientKey { .. } => four_eyes.client_keys,
            Self::UnblockMerchant(_)
            | Self::UnblockSubscriber(_)
            | Self::UnlockPin(_)
            | Self::ResetPhone(_) => four_eyes.unblocking,
            Self::EraseSubscriber(_) | Self::ResumeToken(_) => four_eyes.unblocking,
            Self::SetTerminal {
                terminal,
                limit,
                blocked,
            } => {
                let raises = |known: &crate::till::Terminal| {
                    *limit > known.limit || (known.blocked && !blocked)
                };
                four_eyes.rules && state.terminals.get(*terminal).is_some_and(raises)
            }
            // The first operator could not add a second one otherwise.
            Self::AddOperator { .. } | Self::RemoveOperator(_) | Self::SetPassword { .. } => {
                four_eyes.client_keys
                    && state
                        .operators
                        .by_id
                        .values()
                        .filter(|operator| operator.role == Role::Admin && !operator.removed)
                        .count()
                        >= 2
            }
            Self::AddMerchant { .. }
            | Self::RevokeClientKey { .. }
            | Self::SetPlan { .. }
            | Self::BlockMerchant(_)
            | Self::BlockSubscriber(_)
            | Self::AddStore { .. }
            | Self::AddTerminal { .. }
            | Self::IssueToken { .. }
            | Self::SuspendToken(_)
            | Self::ReplaceToken { .. }
            | Self::EndToken(_)
            | Self::ImportBalance(_)
            | Self::RepeatEffect(_) => false,
        }
    }
}
