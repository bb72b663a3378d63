//! The chart of accounts.

use minicbor::{Decode, Encode};

use crate::ids::{LotId, MerchantId, SubscriberId};

/// One account. Those that belong to somebody carry the owner's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Account {
    /// What subscribers hold as cash, kept safe at a bank.
    #[n(0)]
    SafeguardingBank,
    #[n(1)]
    SubscriberCash(#[n(0)] SubscriberId),
    /// One lot of granted money.
    #[n(2)]
    Grant(#[n(0)] LotId),
    /// What a subscriber owes through the phone bill.
    #[n(3)]
    BillReceivable(#[n(0)] SubscriberId),
    /// Money collected from banks and not yet settled with them.
    #[n(4)]
    BankClearing,
    /// Money collected from outside for payments that are not captured yet.
    #[n(5)]
    Collected,
    #[n(6)]
    MerchantPayable(#[n(0)] MerchantId),
    #[n(7)]
    FeeIncome,
    #[n(8)]
    FeeTax,
    /// What gifts and campaigns cost the operator.
    #[n(9)]
    CampaignExpense,
    /// What holders of recycled numbers left behind, by its owner.
    #[n(10)]
    Unclaimed(#[n(0)] SubscriberId),
    /// Money that came late or is on its way back, until that is confirmed.
    #[n(11)]
    Suspense,
    /// Counterpart of what was brought in from an earlier system.
    #[n(12)]
    OpeningBalances,
    #[n(13)]
    WriteOff,
}

/// An account without its owner, for totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountKind {
    SafeguardingBank,
    SubscriberCash,
    Grant,
    BillReceivable,
    BankClearing,
    Collected,
    MerchantPayable,
    FeeIncome,
    FeeTax,
    CampaignExpense,
    Unclaimed,
    Suspense,
    OpeningBalances,
    WriteOff,
}

impl Account {
    pub fn kind(self) -> AccountKind {
        match self {
            Self::SafeguardingBank => AccountKind::SafeguardingBank,
            Self::SubscriberCash(_) => AccountKind::SubscriberCash,
            Self::Grant(_) => AccountKind::Grant,
            Self::BillReceivable(_) => AccountKind::BillReceivable,
            Self::BankClearing => AccountKind::BankClearing,
            Self::Collected => AccountKind::Collected,
            Self::MerchantPayable(_) => AccountKind::MerchantPayable,
            Self::FeeIncome => AccountKind::FeeIncome,
            Self::FeeTax => AccountKind::FeeTax,
            Self::CampaignExpense => AccountKind::CampaignExpense,
            Self::Unclaimed(_) => AccountKind::Unclaimed,
            Self::Suspense => AccountKind::Suspense,
            Self::OpeningBalances => AccountKind::OpeningBalances,
            Self::WriteOff => AccountKind::WriteOff,
        }
    }

    /// The owner's id, for accounts that have one.
    pub fn owner(self) -> Option<u64> {
        match self {
            Self::SubscriberCash(id) | Self::BillReceivable(id) | Self::Unclaimed(id) => Some(id.0),
            Self::Grant(id) => Some(id.0),
            Self::MerchantPayable(id) => Some(id.0),
            Self::SafeguardingBank
            | Self::BankClearing
            | Self::Collected
            | Self::FeeIncome
            | Self::FeeTax
            | Self::CampaignExpense
            | Self::Suspense
            | Self::OpeningBalances
            | Self::WriteOff => None,
        }
    }

    /// Accounts out of which a payer spends: they never go below zero.
    pub fn is_spendable(self) -> bool {
        matches!(self, Self::SubscriberCash(_) | Self::Grant(_))
    }
}

impl AccountKind {
    /// The name in reports and views.
    pub fn name(self) -> &'static str {
        match self {
            Self::SafeguardingBank => "safeguarding_bank",
            Self::SubscriberCash => "subscriber_cash",
            Self::Grant => "grant",
            Self::BillReceivable => "bill_receivable",
            Self::BankClearing => "bank_clearing",
            Self::Collected => "collected",
            Self::MerchantPayable => "merchant_payable",
            Self::FeeIncome => "fee_income",
            Self::FeeTax => "fee_tax",
            Self::CampaignExpense => "campaign_expense",
            Self::Unclaimed => "unclaimed",
            Self::Suspense => "suspense",
            Self::OpeningBalances => "opening_balances",
            Self::WriteOff => "write_off",
        }
    }
}
