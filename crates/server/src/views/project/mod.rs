//! What events do to the views: a step function without I/O.
//!
//! ```text
//!   batches ──wanted──▶ ids of rows to read back ──▶ (driver reads them) ──project──▶ changed and new rows ──▶ (driver writes)
//! ```
//! **Invariant:** it depends on events alone and on rows that earlier events made, so the views of one journal are always the
//! same, however the batches were grouped. **Not here:** policy, SQL, anything read from the engine's state.

mod merchant_events;
mod money;
mod payments;
mod people;
mod timeline;
mod wanted;

pub use money::key as account_key;

use jiff::tz::TimeZone;
use paytone_domain::{
    Actor, Event,
    till::TillEvent,
    time::{MINUTE, Moment},
};
use paytone_engine::Batch;
use rustc_hash::FxHashMap;

use super::{
    EventNumber,
    rows::{
        BalanceRow, DailyRow, DeviceRow, EffectRow, EntryRow, HistoryRow, LegRow, MandateRow,
        MerchantEventRow, MerchantRow, OperatorActionRow, PaymentRow, ProposalRow, RefundRow,
        RejectedRow, SettingsRow, SubscriberRow, TillMessageRow, TimelineRow,
    },
    write::{Shelf, Statements},
};
use crate::database::Session;

/// Rows kept in memory of each table before they are let go.
const MOST_IN_MEMORY: usize = 100_000;

/// The views lack a row that an event names: they are not of this journal, or were changed by somebody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the views lack {table} {id}")]
pub struct Misfit {
    pub table: &'static str,
    pub id: u64,
}

/// Rows in memory: those that change, and new ones that wait to be written.
#[derive(Default)]
pub struct Tables {
    pub payments: Shelf<PaymentRow>,
    pub refunds: Shelf<RefundRow>,
    pub mandates: Shelf<MandateRow>,
    pub effects: Shelf<EffectRow>,
    pub devices: Shelf<DeviceRow>,
    pub subscribers: Shelf<SubscriberRow>,
    pub merchants: Shelf<MerchantRow>,
    pub proposals: Shelf<ProposalRow>,
    pub settings: Shelf<SettingsRow>,
    balances: FxHashMap<(&'static str, i64), (i64, i64)>,
    daily: FxHashMap<(i64, &'static str, String, i64), (i64, i64)>,
    entries: Vec<EntryRow>,
    legs: Vec<LegRow>,
    timeline: Vec<TimelineRow>,
    merchant_events: Vec<MerchantEventRow>,
    history: Vec<HistoryRow>,
    actions: Vec<OperatorActionRow>,
    rejected: Vec<RejectedRow>,
    till_messages: Vec<TillMessageRow>,
    /// Effects that this go is about; their refunds are needed too.
    effects_wanted: Vec<u64>,
    hours: Hours,
}

/// Where and when an event stands.
#[derive(Clone, Copy)]
struct At<'a> {
    n: i64,
    now: i64,
    moment: &'a Moment,
    hour: i64,
    actor: Actor,
    cause: u64,
}

impl Tables {
    /// Takes in what one batch did. What it needs must have been wanted and loaded.
    pub fn project(&mut self, seq: u64, batch: &Batch) -> Result<(), Misfit> {
        let mut place = 0;
        for item in &batch.items {
            for event in batch.steps_of(item) {
                let event = &*event;
                if let Event::Initialized { zone, .. } = event {
                    self.hours = Hours::of(zone);
                }
                let at = At {
                    n: EventNumber::of(seq, place).0.cast_signed(),
                    now: batch.moment.now.0,
                    moment: &batch.moment,
                    hour: self.hours.hour(batch.moment.now.0),
                    actor: item.actor,
                    cause: item.cause,
                };
                self.project_event(&at, event)?;
                place += 1;
            }
        }
        Ok(())
    }

    fn project_event(&mut self, at: &At<'_>, event: &Event) -> Result<(), Misfit> {
        match event {
            Event::Initialized {
                currency,
                zone,
                cut_off_minutes,
                ..
            } => self.settings.add(SettingsRow {
                id: 1,
                currency: currency.code(),
                currency_digits: i64::from(currency.digits()),
                zone: zone.clone(),
                cut_off_minutes: i64::from(*cut_off_minutes),
            }),
            Event::Payment(event) => self.payment(at, event)?,
            Event::Effect(event) => self.effect(at, event)?,
            Event::Mandate(event) => self.mandate(at, event)?,
            Event::Grant(event) => self.grant(at, event),
            Event::Line(event) => self.line(at, event)?,
            Event::Device(event) => self.device(at, event)?,
            Event::Phone(event) => self.phone(at, event),
            Event::Merchant(event) => self.merchant(at, event)?,
            Event::Operator(event) => self.operator(at, event)?,
            Event::Till(TillEvent::Undone {
                given_back: Some(given_back),
                ..
            }) => self.fee_given_back(at, given_back)?,
            Event::Till(TillEvent::Decided {
                key,
                original,
                terminal,
                payment: Some(payment),
                outcome,
                ..
            }) => {
                let whose = (terminal.0, payment.0);
                let row = TillMessageRow::of(at.n, [*key, *original], whose, *outcome);
                self.till_messages.extend(row);
            }
            // Of these, lists and reports show nothing.
            Event::Enrolment(_)
            | Event::Client(_)
            // It is looked at in its steps.
            | Event::Charged(_)
            | Event::Repeat(_)
            | Event::Session(_)
            | Event::Fell { .. }
            | Event::KeyringChanged { .. }
            | Event::LevelActivated { .. }
            | Event::Archive(_)
            | Event::Token(_)
            | Event::Pass(_)
            | Event::Till(_)
            | Event::DaySealed(_) => {}
        }
        Ok(())
    }

    /// Goes on where an earlier run stopped.
    pub async fn resume(
        &mut self,
        session: &mut Session,
        statements: &mut Statements,
    ) -> Result<(), sqlx::Error> {
        self.settings.want(1);
        self.settings.load(session, statements).await?;
        if let Some(settings) = self.settings.get(1) {
            self.hours = Hours::of(&settings.zone);
        }
        Ok(())
    }

    /// Reads back what is wanted.
    pub async fn load(
        &mut self,
        session: &mut Session,
        statements: &mut Statements,
    ) -> Result<(), sqlx::Error> {
        self.effects.load(session, statements).await?;
        self.want_of_effects();
        self.payments.load(session, statements).await?;
        self.refunds.load(session, statements).await?;
        self.mandates.load(session, statements).await?;
        self.devices.load(session, statements).await?;
        self.subscribers.load(session, statements).await?;
        self.merchants.load(session, statements).await?;
        self.proposals.load(session, statements).await
    }

    /// Writes all that changed or is new.
    pub async fn write(
        &mut self,
        session: &mut Session,
        statements: &mut Statements,
    ) -> Result<(), sqlx::Error> {
        self.settings.write(session, statements).await?;
        self.payments.write(session, statements).await?;
        self.refunds.write(session, statements).await?;
        self.mandates.write(session, statements).await?;
        self.effects.write(session, statements).await?;
        self.devices.write(session, statements).await?;
        self.subscribers.write(session, statements).await?;
        self.merchants.write(session, statements).await?;
        self.proposals.write(session, statements).await?;
        let balances = self.balances.drain();
        let mut balances: Vec<_> = balances
            .filter(|(_, change)| *change != (0, 0))
            .map(|((account, owner), (posted, held))| BalanceRow {
                account: account.to_owned(),
                owner,
                posted,
                held,
            })
            .collect();
        balances.sort_unstable_by(|a, b| (&a.account, a.owner).cmp(&(&b.account, b.owner)));
        statements.write(session, &balances).await?;
        let daily = self.daily.drain();
        let daily: Vec<_> = daily
            .filter(|(_, change)| *change != (0, 0))
            .map(|((date, what, name, hour), (payments, amount))| DailyRow {
                date,
                what: what.to_owned(),
                name,
                hour,
                payments,
                amount,
            })
            .collect();
        statements.write(session, &daily).await?;
        statements.write(session, &self.entries).await?;
        statements.write(session, &self.legs).await?;
        self.timeline
            .sort_unstable_by_key(|row| (row.payment, row.n));
        statements.write(session, &self.timeline).await?;
        statements.write(session, &self.merchant_events).await?;
        self.history
            .sort_unstable_by_key(|row| (row.subscriber, row.n));
        statements.write(session, &self.history).await?;
        statements.write(session, &self.actions).await?;
        statements.write(session, &self.till_messages).await?;
        statements.write(session, &self.rejected).await
    }

    /// What was written is durable; lets go of what memory need not hold.
    pub fn written(&mut self) {
        self.entries.clear();
        self.legs.clear();
        self.timeline.clear();
        self.merchant_events.clear();
        self.history.clear();
        self.actions.clear();
        self.till_messages.clear();
        self.rejected.clear();
        self.payments.trim(MOST_IN_MEMORY);
        self.refunds.trim(MOST_IN_MEMORY);
        self.mandates.trim(MOST_IN_MEMORY);
        self.effects.trim(MOST_IN_MEMORY);
        self.devices.trim(MOST_IN_MEMORY);
        self.subscribers.trim(MOST_IN_MEMORY);
        self.merchants.trim(MOST_IN_MEMORY);
        self.proposals.trim(MOST_IN_MEMORY);
    }
}

/// The hour of the day in the operator's zone, known for one minute at a time.
struct Hours {
    zone: TimeZone,
    known: Option<(i64, i64)>,
}

impl Default for Hours {
    fn default() -> Self {
        Self {
            zone: TimeZone::UTC,
            known: None,
        }
    }
}

impl Hours {
    fn of(zone: &str) -> Self {
        Self {
            zone: TimeZone::get(zone).unwrap_or(TimeZone::UTC),
            known: None,
        }
    }

    fn hour(&mut self, now: i64) -> i64 {
        let minute = now.div_euclid(MINUTE);
        if let Some((known, hour)) = self.known
            && known == minute
        {
            return hour;
        }
        let instant = jiff::Timestamp::from_millisecond(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let hour = i64::from(instant.to_zoned(self.zone.clone()).hour());
        self.known = Some((minute, hour));
        hour
    }
}

/// An id as a column.
fn column(id: u64) -> i64 {
    id.cast_signed()
}

fn flag(is: bool) -> i64 {
    i64::from(is)
}
