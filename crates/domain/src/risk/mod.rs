//! Vetoes: refusals by rule, each with a reason code.
//!
//! One file per rule and one line in [`PAYER_RULES`] or [`MERCHANT_RULES`]. A rule sees [`Facts`] and says why not. Rules on
//! the merchant's side are told to the merchant at once; those on the payer's side never are.
//!
//! **Not here:** money. Whether the payer can afford it is for [`crate::funding`].

mod amount_limits;
mod attention;
mod mandate_terms;
mod merchant_blocked;
mod merchant_limits;
mod merchant_prompts;
mod number_age;
mod pin_attempts;
mod recent_change;
mod rules;
mod subscriber_status;
mod unknown_number;

use minicbor::{Decode, Encode};

pub use rules::{FourEyes, Rules};

use crate::{
    mandate::Mandate, merchant::Merchant, money::Amount, subscriber::Subscriber, time::Moment,
};

/// Why a payment may not be. The code is what people and machines see; it never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
pub enum Veto {
    #[n(0)]
    UnknownNumber,
    #[n(1)]
    LineNotActive,
    #[n(2)]
    SubscriberBlocked,
    #[n(3)]
    MerchantBlockedByPayer,
    #[n(4)]
    MerchantBlocked,
    #[n(5)]
    MerchantPaymentLimit,
    #[n(6)]
    MerchantDailyLimit,
    #[n(7)]
    MerchantTooManyPrompts,
    #[n(8)]
    MerchantTooManyOpen,
    #[n(9)]
    MerchantWrongCodes,
    #[n(10)]
    PaymentLimit,
    #[n(11)]
    DailyLimit,
    #[n(12)]
    MonthlyLimit,
    #[n(13)]
    OtherPersonLimit,
    #[n(14)]
    ReducedLimit,
    #[n(15)]
    NumberTooYoung,
    #[n(16)]
    RecentSimChange,
    #[n(17)]
    RecentDeviceChange,
    #[n(18)]
    PayerTooManyPrompts,
    #[n(19)]
    AttentionSpent,
    #[n(20)]
    PinLocked,
    #[n(21)]
    NoDevice,
    #[n(22)]
    MandateNotActive,
    #[n(23)]
    MandateSuspended,
    #[n(24)]
    MandateEnded,
    #[n(25)]
    MandatePaymentLimit,
    #[n(26)]
    MandateMonthlyLimit,
    #[n(27)]
    RecoveryNoMandates,
    #[n(28)]
    InsufficientFunds,
}

impl Veto {
    /// Every reason, for documentation and for the golden file of codes.
    pub const ALL: [Self; 29] = [
        Self::UnknownNumber,
        Self::LineNotActive,
        Self::SubscriberBlocked,
        Self::MerchantBlockedByPayer,
        Self::MerchantBlocked,
        Self::MerchantPaymentLimit,
        Self::MerchantDailyLimit,
        Self::MerchantTooManyPrompts,
        Self::MerchantTooManyOpen,
        Self::MerchantWrongCodes,
        Self::PaymentLimit,
        Self::DailyLimit,
        Self::MonthlyLimit,
        Self::OtherPersonLimit,
        Self::ReducedLimit,
        Self::NumberTooYoung,
        Self::RecentSimChange,
        Self::RecentDeviceChange,
        Self::PayerTooManyPrompts,
        Self::AttentionSpent,
        Self::PinLocked,
        Self::NoDevice,
        Self::MandateNotActive,
        Self::MandateSuspended,
        Self::MandateEnded,
        Self::MandatePaymentLimit,
        Self::MandateMonthlyLimit,
        Self::RecoveryNoMandates,
        Self::InsufficientFunds,
    ];

    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownNumber => "unknown_number",
            Self::LineNotActive => "line_not_active",
            Self::SubscriberBlocked => "subscriber_blocked",
            Self::MerchantBlockedByPayer => "merchant_blocked_by_payer",
            Self::MerchantBlocked => "merchant_blocked",
            Self::MerchantPaymentLimit => "merchant_payment_limit",
            Self::MerchantDailyLimit => "merchant_daily_limit",
            Self::MerchantTooManyPrompts => "merchant_too_many_prompts",
            Self::MerchantTooManyOpen => "merchant_too_many_open",
            Self::MerchantWrongCodes => "merchant_wrong_codes",
            Self::PaymentLimit => "payment_limit",
            Self::DailyLimit => "daily_limit",
            Self::MonthlyLimit => "monthly_limit",
            Self::OtherPersonLimit => "other_person_limit",
            Self::ReducedLimit => "reduced_limit",
            Self::NumberTooYoung => "number_too_young",
            Self::RecentSimChange => "recent_sim_change",
            Self::RecentDeviceChange => "recent_device_change",
            Self::PayerTooManyPrompts => "payer_too_many_prompts",
            Self::AttentionSpent => "attention_spent",
            Self::PinLocked => "pin_locked",
            Self::NoDevice => "no_device",
            Self::MandateNotActive => "mandate_not_active",
            Self::MandateSuspended => "mandate_suspended",
            Self::MandateEnded => "mandate_ended",
            Self::MandatePaymentLimit => "mandate_payment_limit",
            Self::MandateMonthlyLimit => "mandate_monthly_limit",
            Self::RecoveryNoMandates => "recovery_no_mandates",
            Self::InsufficientFunds => "insufficient_funds",
        }
    }
}

/// At which step a rule is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A merchant asks and the payer would be prompted.
    Prompt,
    /// The payer approved.
    Approval,
    /// A merchant charges under a mandate.
    Charge,
    /// A phone was held to a till and nobody is asked.
    Tap,
    /// A merchant asks for a mandate.
    MandatePrompt,
    /// The payer signed a mandate.
    MandateApproval,
}

impl Step {
    /// A prompt would reach the payer's phone.
    pub fn prompts(self) -> bool {
        matches!(self, Self::Prompt | Self::MandatePrompt)
    }

    /// Money would move now or after the prompt.
    pub fn moves_money(self) -> bool {
        matches!(
            self,
            Self::Prompt | Self::Approval | Self::Charge | Self::Tap
        )
    }
}

/// What a rule may look at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub step: Step,
    pub moment: &'a Moment,
    pub rules: &'a Rules,
    pub merchant: &'a Merchant,
    /// `None`: the number is nobody's.
    pub payer: Option<&'a Subscriber>,
    /// The payer has at least one active device.
    pub has_device: bool,
    pub amount: Amount,
    /// Somebody other than the payer asks.
    pub for_other: bool,
    pub mandate: Option<&'a Mandate>,
}

type Rule = fn(&Facts<'_>) -> Option<Veto>;

/// Asked in this order; the first veto counts. The merchant is told.
const MERCHANT_RULES: &[Rule] = &[
    merchant_blocked::rule,
    merchant_limits::rule,
    merchant_prompts::rule,
];

/// Asked in this order; the first veto counts. The merchant is never told, but for charges under a mandate.
const PAYER_RULES: &[Rule] = &[
    unknown_number::rule,
    subscriber_status::rule,
    mandate_terms::rule,
    pin_attempts::rule,
    number_age::rule,
    recent_change::rule,
    amount_limits::rule,
    attention::rule,
];

pub fn merchant_veto(facts: &Facts<'_>) -> Option<Veto> {
    MERCHANT_RULES.iter().find_map(|rule| rule(facts))
}

pub fn payer_veto(facts: &Facts<'_>) -> Option<Veto> {
    PAYER_RULES.iter().find_map(|rule| rule(facts))
}

/// Whether what is known of the line is so new or so old that only small amounts pass.
pub fn reduced(payer: &Subscriber, rules: &Rules, moment: &Moment) -> bool {
    recent_change::facts_too_old(payer, rules, moment) || moment.now < payer.reduced_until
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_code_and_the_codes_do_not_change() {
        let codes: Vec<_> = Veto::ALL.iter().map(|veto| veto.code()).collect();
        insta::assert_snapshot!("veto_codes", codes.join("\n"));
        let unique: std::collections::BTreeSet<_> = codes.iter().collect();
        assert_eq!(unique.len(), codes.len());
    }
}
