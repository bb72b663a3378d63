//! The operator's limits and vetoes: journaled, versioned, changed by command.

use minicbor::{Decode, Encode};

use crate::money::Amount;

/// Which changes need a second person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FourEyes {
    #[n(0)]
    pub adjustments: bool,
    #[n(1)]
    pub rules: bool,
    #[n(2)]
    pub client_keys: bool,
    #[n(3)]
    pub unblocking: bool,
}

/// Every limit, with the defaults of [`Rules::default`]. Amounts are minor units, times are in the unit that the name ends with.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Rules {
    /// Counts up with every change.
    #[n(0)]
    pub version: u32,
    #[n(1)]
    pub payment_limit: Amount,
    #[n(2)]
    pub daily_limit: Amount,
    #[n(3)]
    pub monthly_limit: Amount,
    /// Most for one payment that somebody else asks for.
    #[n(4)]
    pub other_person_limit: Amount,
    /// Most for one payment while limits are reduced (after a recovery, or while line facts are too old).
    #[n(5)]
    pub reduced_payment_limit: Amount,
    /// Most per day while limits are reduced.
    #[n(6)]
    pub reduced_daily_limit: Amount,
    /// A number younger than this is refused.
    #[n(7)]
    pub number_age_days: u32,
    /// After a SIM or device change the network told of, refuse for this long.
    #[n(8)]
    pub cooling_off_hours: u32,
    /// Line facts older than this reduce the limits.
    #[n(9)]
    pub line_facts_hours: u32,
    /// Prompts one merchant may cause per hour.
    #[n(10)]
    pub merchant_prompts_per_hour: u32,
    /// Payments and mandates of one merchant that wait for an answer at a time.
    #[n(11)]
    pub merchant_open: u32,
    /// Wrong match codes and reports of one merchant per day.
    #[n(12)]
    pub merchant_wrong_codes_per_day: u32,
    /// Prompts waiting on one payer's phone.
    #[n(13)]
    pub payer_open_prompts: u32,
    /// What ignored and withdrawn (1 each) and reported (3 each) prompts may use up per day before no more are shown.
    #[n(14)]
    pub attention_per_day: u32,
    /// How long a prompt waits unless the merchant says otherwise.
    #[n(15)]
    pub prompt_seconds: u32,
    /// How long an authorisation waits to be captured.
    #[n(16)]
    pub capture_days: u32,
    /// How long the answer to an idempotency key is kept.
    #[n(17)]
    pub idempotency_hours: u32,
    #[n(18)]
    pub pin_tries: u8,
    /// How long a recovery waits, stoppable by every other device.
    #[n(19)]
    pub recovery_wait_hours: u32,
    /// How long limits stay reduced after a recovery.
    #[n(20)]
    pub recovery_reduced_hours: u32,
    /// Enrolments pending per number and in all.
    #[n(21)]
    pub number_enrolments: u32,
    #[n(22)]
    pub enrolments: u32,
    #[n(23)]
    pub enrolment_minutes: u32,
    /// Payments that wait for an answer, in all.
    #[n(24)]
    pub open_payments: u32,
    #[n(25)]
    pub four_eyes: FourEyes,
    /// Most that a till takes without asking the payer; [`Rules::TAP_LIMIT`] until somebody sets it, from level 4.
    #[n(26)]
    pub tap_limit: Option<Amount>,
    /// The same for a scanned code; [`Rules::CODE_LIMIT`].
    #[n(27)]
    pub code_limit: Option<Amount>,
    /// Most that a phone's codes pay without asking from when it was last online; [`Rules::CODE_OFFLINE_LIMIT`].
    #[n(28)]
    pub code_offline_limit: Option<Amount>,
    /// How long a phone's codes are good from when it was last online; [`Rules::CODE_OFFLINE_HOURS`].
    #[n(29)]
    pub code_offline_hours: Option<u32>,
    /// How long a code is good after the half minute it was made in; [`Rules::CODE_SECONDS`].
    #[n(30)]
    pub code_seconds: Option<u32>,
}

impl Rules {
    pub const TAP_LIMIT: Amount = Amount::clamped(30_000);
    pub const CODE_LIMIT: Amount = Amount::clamped(30_000);
    pub const CODE_OFFLINE_LIMIT: Amount = Amount::clamped(100_000);
    pub const CODE_OFFLINE_HOURS: u32 = 24;
    pub const CODE_SECONDS: u32 = 60;

    pub fn tap_limit(&self) -> Amount {
        self.tap_limit.unwrap_or(Self::TAP_LIMIT)
    }

    pub fn code_limit(&self) -> Amount {
        self.code_limit.unwrap_or(Self::CODE_LIMIT)
    }

    pub fn code_offline_limit(&self) -> Amount {
        self.code_offline_limit.unwrap_or(Self::CODE_OFFLINE_LIMIT)
    }

    pub fn code_offline_hours(&self) -> u32 {
        self.code_offline_hours.unwrap_or(Self::CODE_OFFLINE_HOURS)
    }

    pub fn code_seconds(&self) -> u32 {
        self.code_seconds.unwrap_or(Self::CODE_SECONDS)
    }

    /// Whether one of those is set that journals below level 4 do not know.
    pub(crate) fn are_of_tills(&self) -> bool {
        let amounts = [self.tap_limit, self.code_limit, self.code_offline_limit];
        let numbers = [self.code_offline_hours, self.code_seconds];
        amounts.iter().any(Option::is_some) || numbers.iter().any(Option::is_some)
    }
}

impl Default for Rules {
    fn default() -> Self {
        let yuan = |whole: i64| Amount::clamped(whole * 100);
        Self {
            version: 1,
            payment_limit: yuan(5_000),
            daily_limit: yuan(10_000),
            monthly_limit: yuan(50_000),
            other_person_limit: yuan(1_000),
            reduced_payment_limit: yuan(200),
            reduced_daily_limit: yuan(500),
            number_age_days: 7,
            cooling_off_hours: 48,
            line_facts_hours: 30 * 24,
            merchant_prompts_per_hour: 3_000,
            merchant_open: 1_000,
            merchant_wrong_codes_per_day: 50,
            payer_open_prompts: 5,
            attention_per_day: 10,
            prompt_seconds: 180,
            capture_days: 7,
            idempotency_hours: 24,
            pin_tries: 5,
            recovery_wait_hours: 24,
            recovery_reduced_hours: 72,
            number_enrolments: 3,
            enrolments: 100_000,
            enrolment_minutes: 15,
            open_payments: 1_000_000,
            four_eyes: FourEyes {
                adjustments: true,
                rules: true,
                client_keys: true,
                unblocking: true,
            },
            tap_limit: None,
            code_limit: None,
            code_offline_limit: None,
            code_offline_hours: None,
            code_seconds: None,
        }
    }
}
