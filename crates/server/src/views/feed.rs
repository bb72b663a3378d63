//! The feed: what merchants are told, in the order of the journal.

use paytone_domain::{
    idempotency::Recorded,
    ids::{MandateId, MerchantId, PaymentId, RefundId},
    mandate::MandateStatus,
    money::Amount,
    payment::{RefundStatus, Snapshot, Status},
    risk::Veto,
    time::Timestamp,
};
use sqlx::AssertSqlSafe;

use super::{
    EventNumber, Views, ViewsError,
    rows::{MerchantEventRow, Row},
};

/// One event as a merchant is told of it, by the feed and by webhooks alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MerchantEvent {
    /// What a cursor is made of.
    pub n: EventNumber,
    pub merchant: MerchantId,
    /// `evt_…`, always the same for this event.
    pub event_id: String,
    /// Such as `payment.captured`.
    pub kind: String,
    pub at: Timestamp,
    /// What it is about, as it stood then.
    pub recorded: Recorded,
}

impl Views {
    /// Events of one merchant after `after` (zero: from the first), oldest first.
    pub async fn events_after(
        &self,
        merchant: MerchantId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<MerchantEvent>, ViewsError> {
        let rows = self
            .pool
            .ask(select("merchant = $1 AND n > $2 ORDER BY n LIMIT $3"))
            .bind(merchant.0.cast_signed())
            .bind(after.cast_signed())
            .bind(i64::from(limit))
            .all()
            .await?;
        Ok(self.events(rows))
    }

    /// Events of all merchants after `after`, oldest first: for whoever delivers them.
    pub async fn events_from(
        &self,
        after: u64,
        limit: u32,
    ) -> Result<Vec<MerchantEvent>, ViewsError> {
        let rows = self
            .pool
            .ask(select("n > $1 ORDER BY n LIMIT $2"))
            .bind(after.cast_signed())
            .bind(i64::from(limit))
            .all()
            .await?;
        Ok(self.events(rows))
    }

    /// One event by its number, if it is this merchant's.
    pub async fn event(
        &self,
        merchant: MerchantId,
        n: EventNumber,
    ) -> Result<Option<MerchantEvent>, ViewsError> {
        let rows = self
            .pool
            .ask(select("merchant = $1 AND n = $2"))
            .bind(merchant.0.cast_signed())
            .bind(n.0.cast_signed())
            .all()
            .await?;
        Ok(self.events(rows).pop())
    }

    fn events(&self, rows: Vec<MerchantEventRow>) -> Vec<MerchantEvent> {
        let event = |row: MerchantEventRow| {
            let n = EventNumber(row.n.cast_unsigned());
            Some(MerchantEvent {
                n,
                merchant: MerchantId(row.merchant.cast_unsigned()),
                event_id: n.event_id(&self.ids),
                at: Timestamp(row.at),
                recorded: recorded(&row)?,
                kind: row.kind,
            })
        };
        rows.into_iter().filter_map(event).collect()
    }
}

fn select(rest: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "SELECT {} FROM merchant_events WHERE {rest}",
        MerchantEventRow::COLUMNS.join(", ")
    ))
}

/// `None` for a kind that this release does not write.
fn recorded(row: &MerchantEventRow) -> Option<Recorded> {
    let object = row.object.cast_unsigned();
    let (about, what) = row.kind.split_once('.')?;
    match about {
        "payment" => {
            let decline = row.decline.as_deref();
            let snapshot = Snapshot {
                status: Status::from_name(what)?,
                captured: Amount::clamped(row.captured),
                refunded: Amount::clamped(row.refunded),
                fee: Amount::clamped(row.fee),
                tax: Amount::clamped(row.tax),
                capture_deadline: row.capture_deadline.map(Timestamp),
                decline: decline
                    .and_then(|code| Veto::ALL.into_iter().find(|veto| veto.code() == code)),
            };
            Some(Recorded::Payment(PaymentId(object), snapshot))
        }
        "refund" => {
            let status = [RefundStatus::Pending, RefundStatus::Completed]
                .into_iter()
                .find(|status| status.name() == what)?;
            Some(Recorded::Refund(RefundId(object), status))
        }
        "mandate" => {
            let status = match what {
                "resumed" => MandateStatus::Active,
                name => [
                    MandateStatus::Active,
                    MandateStatus::Suspended,
                    MandateStatus::Refused,
                    MandateStatus::Expired,
                    MandateStatus::Cancelled,
                    MandateStatus::Ended,
                ]
                .into_iter()
                .find(|status| status.name() == name)?,
            };
            Some(Recorded::Mandate(MandateId(object), status))
        }
        _ => None,
    }
}
