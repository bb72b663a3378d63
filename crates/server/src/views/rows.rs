//! The rows of the views, each told once: its fields are the table's columns.
//!
//! Ids are the inner numbers, states and kinds are words, amounts are minor units, times are milliseconds.
//! **Invariant:** no name, no phone number and no free text in any row: there is nothing here to erase.

use serde::{Deserialize, Serialize};
use sqlx::{
    Decode, Encode, Postgres, Sqlite, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgArguments, PgHasArrayType, PgTypeInfo, PgValueRef},
    query::Query,
    sqlite::{SqliteArguments, SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef},
};

use super::copied::Field;
use crate::database::Record;

/// A row's values, one after the other.
pub type Statement = Query<'static, Sqlite, SqliteArguments>;
/// Many rows' values, a column after the other.
pub type ColumnStatement = Query<'static, Postgres, PgArguments>;

/// What writing a row means when one with its key is there.
pub enum Merge {
    /// It cannot be there.
    Append,
    /// It takes the other's place.
    Replace,
    /// Its numbers are added; that many first columns are the key.
    Add { keys: usize },
}

/// A row that can be written.
pub trait Row {
    const TABLE: &'static str;
    const COLUMNS: &'static [&'static str];
    const MERGE: Merge;
    /// Binds every column in order.
    fn bind(&self, statement: Statement) -> Statement;
    /// Binds every column of all rows in order.
    fn bind_columns(rows: &[&Self], statement: ColumnStatement) -> ColumnStatement;
    /// Puts every column in order.
    fn copy(&self, out: &mut Vec<u8>);
}

impl<R: Row> Row for &R {
    const TABLE: &'static str = R::TABLE;
    const COLUMNS: &'static [&'static str] = R::COLUMNS;
    const MERGE: Merge = R::MERGE;

    fn bind(&self, statement: Statement) -> Statement {
        (**self).bind(statement)
    }

    fn bind_columns(rows: &[&Self], statement: ColumnStatement) -> ColumnStatement {
        let rows: Vec<&R> = rows.iter().map(|row| **row).collect();
        R::bind_columns(&rows, statement)
    }

    fn copy(&self, out: &mut Vec<u8>) {
        (**self).copy(out);
    }
}

/// A row that changes: known by its id, read back when it is not in memory.
pub trait Kept: Row + Clone + Record {
    fn id(&self) -> i64;
}

macro_rules! table {
    ($(#[$doc:meta])* $row:ident $table:literal $merge:expr; $($(#[$column_doc:meta])* $column:ident: $type:ty,)*) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
        pub struct $row {
            $($(#[$column_doc])* pub $column: $type,)*
        }

        impl Row for $row {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &[$(stringify!($column)),*];
            const MERGE: Merge = $merge;

            fn bind(&self, statement: Statement) -> Statement {
                statement$(.bind(self.$column.clone()))*
            }

            fn bind_columns(rows: &[&Self], statement: ColumnStatement) -> ColumnStatement {
                statement$(.bind(rows.iter().map(|row| &row.$column).collect::<Vec<&$type>>()))*
            }

            fn copy(&self, out: &mut Vec<u8>) {
                $(self.$column.put(out);)*
            }
        }
    };
}

macro_rules! kept {
    ($($row:ident)*) => {$(
        impl Kept for $row {
            fn id(&self) -> i64 {
                self.id
            }
        }
    )*};
}

table! {
    /// A payment as it stands.
    PaymentRow "payments" Merge::Replace;
    id: i64,
    merchant: i64,
    payer: Option<i64>,
    amount: i64,
    /// `own` or `other`.
    whose: String,
    /// `automatic` or `manual`.
    capture: String,
    reference_hash: Option<i64>,
    mandate: Option<i64>,
    /// One, if it reached the payer's phone.
    prompted: i64,
    /// Business date and hour of the day at which it was asked for.
    date: i64,
    hour: i64,
    created_at: i64,
    deadline: i64,
    /// As its merchant sees it.
    status: String,
    /// What really became of it.
    internal_status: String,
    veto: Option<String>,
    decline: Option<String>,
    rules_version: i64,
    funding: FundingParts,
    approved_at: Option<i64>,
    capture_deadline: Option<i64>,
    captured: i64,
    captured_at: Option<i64>,
    refunded: i64,
    fee: i64,
    tax: i64,
    /// How it ended without being captured.
    ending: Option<String>,
    ended_at: Option<i64>,
}

table! {
    RefundRow "refunds" Merge::Replace;
    id: i64,
    payment: i64,
    merchant: i64,
    amount: i64,
    status: String,
    created_at: i64,
    completed_at: Option<i64>,
}

table! {
    MandateRow "mandates" Merge::Replace;
    id: i64,
    merchant: i64,
    payer: Option<i64>,
    payment_limit: i64,
    monthly_limit: i64,
    /// A business date.
    ends_on: i64,
    /// One, if it reached the payer's phone.
    prompted: i64,
    status: String,
    veto: Option<String>,
    created_at: i64,
    deadline: i64,
    approved_at: Option<i64>,
    ended_by: Option<String>,
}

table! {
    /// Something wanted of the outside world, settled ones included.
    EffectRow "effects" Merge::Replace;
    id: i64,
    payment: i64,
    payer: i64,
    /// `collect` or `give_back`.
    direction: String,
    /// The effect whose money is given back.
    original: Option<i64>,
    refund: Option<i64>,
    amount: i64,
    /// `wanted`, `attempted`, `unknown` or `stuck`, and at last `done`, `refused`, `dropped` or `paid_to_balance`.
    state: String,
    attempts: i64,
    wanted_at: i64,
    changed_at: i64,
}

table! {
    DeviceRow "devices" Merge::Replace;
    id: i64,
    subscriber: i64,
    status: String,
    created_at: i64,
    active_from: Option<i64>,
    removed_at: Option<i64>,
}

table! {
    SubscriberRow "subscribers" Merge::Replace;
    id: i64,
    /// `active`, `blocked`, `closed` or `erased`.
    status: String,
    generation: i64,
    subject: i64,
    has_bank: i64,
    line_kind: String,
    line_status: String,
    activated: i64,
    sim_changed: Option<i64>,
    device_changed: Option<i64>,
    bill_limit: i64,
    facts_as_of: i64,
    added_at: i64,
    changed_at: i64,
}

table! {
    MerchantRow "merchants" Merge::Replace;
    id: i64,
    subject: i64,
    category: i64,
    blocked: i64,
    payment_limit: i64,
    daily_limit: i64,
    plan_version: i64,
    fee_basis_points: i64,
    fee_fixed: i64,
    tax_basis_points: i64,
    added_at: i64,
    changed_at: i64,
}

table! {
    /// A change that a second person decides.
    ProposalRow "proposals" Merge::Replace;
    id: i64,
    proposed_by: i64,
    operation: String,
    proposed_at: i64,
    /// `waiting`, `approved` or `rejected`.
    status: String,
    decided_by: Option<i64>,
    decided_at: Option<i64>,
}

table! {
    /// What was settled when the journal began; one row.
    SettingsRow "settings" Merge::Replace;
    id: i64,
    currency: String,
    currency_digits: i64,
    zone: String,
    cut_off_minutes: i64,
}

kept! { PaymentRow RefundRow MandateRow EffectRow DeviceRow SubscriberRow MerchantRow ProposalRow SettingsRow }

table! {
    EntryRow "entries" Merge::Append;
    /// Place in the journal; see [`super::EventNumber`].
    n: i64,
    at: i64,
    date: i64,
    what: String,
    payment: Option<i64>,
}

table! {
    LegRow "legs" Merge::Append;
    entry: i64,
    place: i64,
    account: String,
    /// Zero for accounts that have none.
    owner: i64,
    minor: i64,
}

table! {
    /// A change of what is on an account and held on it.
    BalanceRow "balances" Merge::Add { keys: 2 };
    account: String,
    owner: i64,
    posted: i64,
    held: i64,
}

table! {
    /// A change of what is counted per business date and hour; see [`super::overview`] for what there is.
    DailyRow "daily" Merge::Add { keys: 4 };
    date: i64,
    what: String,
    name: String,
    hour: i64,
    payments: i64,
    amount: i64,
}

table! {
    /// One event of a payment, internal ones included.
    TimelineRow "timeline" Merge::Append;
    payment: i64,
    n: i64,
    at: i64,
    what: String,
    actor: String,
    actor_id: Option<i64>,
    /// The request that caused it, as in logs.
    cause: i64,
    /// JSON.
    detail: String,
}

table! {
    /// What a merchant is told, and the payment's changeable part as it stood then.
    MerchantEventRow "merchant_events" Merge::Append;
    n: i64,
    merchant: i64,
    kind: String,
    object: i64,
    at: i64,
    captured: i64,
    refunded: i64,
    fee: i64,
    tax: i64,
    capture_deadline: Option<i64>,
    decline: Option<String>,
}

table! {
    /// What a subscriber finds in the history.
    HistoryRow "history" Merge::Append;
    subscriber: i64,
    n: i64,
    kind: String,
    object: i64,
    at: i64,
    /// Below zero for what went away.
    amount: i64,
}

table! {
    OperatorActionRow "operator_actions" Merge::Append;
    n: i64,
    at: i64,
    actor: String,
    operator: Option<i64>,
    what: String,
    subscriber: Option<i64>,
    merchant: Option<i64>,
    object: Option<i64>,
}

table! {
    TillMessageRow "till_messages" Merge::Append;
    n: i64,
    key_hash: i64,
    original_hash: i64,
    terminal: i64,
    payment: i64,
    /// 1 for a refund.
    refunded: i64,
}

table! {
    RejectedRow "approvals_rejected" Merge::Append;
    n: i64,
    at: i64,
    subscriber: i64,
    device: i64,
    prompt: String,
    object: i64,
    why: String,
}

/// One source's part in a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FundingPart {
    /// `grant`, `balance`, `bill` or `bank`.
    pub source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lot: Option<u64>,
    pub amount: i64,
    #[serde(default)]
    pub captured: i64,
    #[serde(default)]
    pub refunded: i64,
    /// What collects it, where the source is outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<u64>,
}

/// A payment's parts in the order of the waterfall; a JSON column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FundingParts(pub Vec<FundingPart>);

impl FundingParts {
    fn text(&self) -> Result<String, BoxDynError> {
        if self.0.is_empty() {
            return Ok("[]".to_owned());
        }
        Ok(serde_json::to_string(&self.0)?)
    }

    fn read(text: &str) -> Result<Self, BoxDynError> {
        Ok(Self(serde_json::from_str(text)?))
    }
}

impl Field for FundingParts {
    fn put(&self, out: &mut Vec<u8>) {
        self.text().expect("numbers and words").put(out);
    }
}

impl Type<Sqlite> for FundingParts {
    fn type_info() -> SqliteTypeInfo {
        <String as Type<Sqlite>>::type_info()
    }
}

impl Encode<'_, Sqlite> for FundingParts {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        <String as Encode<'_, Sqlite>>::encode(self.text()?, buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for FundingParts {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        Self::read(<&str as Decode<'r, Sqlite>>::decode(value)?)
    }
}

impl Type<Postgres> for FundingParts {
    fn type_info() -> PgTypeInfo {
        <String as Type<Postgres>>::type_info()
    }
}

impl PgHasArrayType for FundingParts {
    fn array_type_info() -> PgTypeInfo {
        <String as PgHasArrayType>::array_type_info()
    }
}

impl Encode<'_, Postgres> for FundingParts {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <String as Encode<'_, Postgres>>::encode(self.text()?, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for FundingParts {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Self::read(<&str as Decode<'r, Postgres>>::decode(value)?)
    }
}
