//! Lists: a merchant's payments, a subscriber's history, a payment's timeline, what staff did and what waits for them.

use paytone_domain::{
    ids::{
        ClientKeyId, DeviceId, EffectId, LotId, MandateId, MerchantId, OperatorId, PaymentId,
        ProposalId, RefundId, SubscriberId,
    },
    payment::Status,
    time::Timestamp,
};
use serde_json::Value;
use sqlx::AssertSqlSafe;

use super::{
    EventNumber, Views, ViewsError,
    rows::{
        EffectRow, HistoryRow, OperatorActionRow, PaymentRow, ProposalRow, RefundRow, RejectedRow,
        Row, TimelineRow,
    },
};
use crate::{database::Built, edge::ids::Public};

/// Which of a merchant's payments.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// As the merchant sees it.
    pub status: Option<Status>,
    pub reference_hash: Option<u64>,
}

/// What a line of a history is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryKind {
    Payment(PaymentId),
    Refund(RefundId),
    /// A grant was given.
    Grant(LotId),
    /// What was held as cash in an earlier system.
    Cash,
    /// By the operator's staff.
    Adjustment,
    /// Money that could not go back to the bank went to the balance.
    PaidToBalance(PaymentId),
}

/// One line of a subscriber's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryItem {
    /// What a cursor is made of.
    pub n: EventNumber,
    pub kind: HistoryKind,
    pub at: Timestamp,
    /// In minor units; below zero for what was asked of the subscriber or taken.
    pub minor: i64,
    /// The payment as it stands, for payments, and for refunds and what else came of one.
    pub payment: Option<PaymentRow>,
    /// For refunds.
    pub refund: Option<RefundRow>,
}

/// One step of a payment, internal ones included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineStep {
    pub n: EventNumber,
    pub at: Timestamp,
    /// Such as `approved` or `effect_unknown`.
    pub what: String,
    /// `system`, `operator`, `client`, `device`, `connector`, `enrolling` or `console`.
    pub actor: String,
    /// The actor's id as the outside writes it.
    pub actor_id: Option<String>,
    /// The request, as in logs; zero for none.
    pub cause: u64,
    /// Ids as the outside writes them, amounts in minor units.
    pub detail: Value,
}

/// What waits for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worklist {
    /// Money that the outside world would not take back.
    pub stuck: Vec<EffectRow>,
    /// Changes that a second person decides.
    pub proposals: Vec<ProposalRow>,
}

/// All columns of a table.
fn select<R: Row>(rest: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "SELECT {} FROM {} {rest}",
        R::COLUMNS.join(", "),
        R::TABLE
    ))
}

impl Views {
    /// A merchant's payments before `before` (`None`: from the newest), newest first.
    pub async fn payments_of(
        &self,
        merchant: MerchantId,
        filter: Filter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<PaymentId>, ViewsError> {
        let mut query = Built::new("SELECT id FROM payments WHERE merchant = ");
        query.value(merchant.0.cast_signed());
        if let Some(status) = filter.status {
            query.text(" AND status = ").value(status.name());
        }
        if let Some(reference) = filter.reference_hash {
            query
                .text(" AND reference_hash = ")
                .value(reference.cast_signed());
        }
        if let Some(before) = before {
            query.text(" AND id < ").value(before.cast_signed());
        }
        query
            .text(" ORDER BY id DESC LIMIT ")
            .value(i64::from(limit));
        let ids: Vec<(i64,)> = query.ask(&self.pool).all().await?;
        Ok(ids
            .into_iter()
            .map(|(id,)| PaymentId(id.cast_unsigned()))
            .collect())
    }

    /// One payment as the views have it.
    pub async fn payment(&self, id: PaymentId) -> Result<Option<PaymentRow>, ViewsError> {
        Ok(self
            .pool
            .ask(select::<PaymentRow>("WHERE id = $1"))
            .bind(id.0.cast_signed())
            .first()
            .await?)
    }

    /// Payments before `before`, newest first, in all or of one payer; for staff.
    pub async fn latest_payments(
        &self,
        payer: Option<SubscriberId>,
        internal_status: Option<Status>,
        before: Option<PaymentId>,
        limit: u32,
    ) -> Result<Vec<PaymentRow>, ViewsError> {
        let columns = PaymentRow::COLUMNS
            .iter()
            .map(|column| format!("payments.{column}"))
            .collect::<Vec<_>>()
            .join(", ");
        let mut query = Built::new(&format!("SELECT {columns} FROM payments "));
        if let Some(payer) = payer {
            query
                .text("JOIN history ON history.kind = 'payment' AND history.object = payments.id AND history.subscriber = ")
                .value(payer.0.cast_signed());
        }
        query.text(" WHERE 1 = 1");
        if let Some(status) = internal_status {
            query.text(" AND internal_status = ").value(status.name());
        }
        if let Some(before) = before {
            query
                .text(" AND payments.id < ")
                .value(before.0.cast_signed());
        }
        query
            .text(" ORDER BY payments.id DESC LIMIT ")
            .value(i64::from(limit));
        Ok(query.ask(&self.pool).all().await?)
    }

    /// A payment's refunds, oldest first.
    pub async fn refunds_of(&self, payment: PaymentId) -> Result<Vec<RefundRow>, ViewsError> {
        Ok(self
            .pool
            .ask(select::<RefundRow>("WHERE payment = $1 ORDER BY id"))
            .bind(payment.0.cast_signed())
            .all()
            .await?)
    }

    /// What reached a subscriber or moved their money, before `before` (`None`: from the newest), newest first.
    pub async fn history_of(
        &self,
        subscriber: SubscriberId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryItem>, ViewsError> {
        let before = before.map_or(i64::MAX, u64::cast_signed);
        let rows: Vec<HistoryRow> = self
            .pool
            .ask(select::<HistoryRow>(
                "WHERE subscriber = $1 AND n < $2 ORDER BY n DESC LIMIT $3",
            ))
            .bind(subscriber.0.cast_signed())
            .bind(before)
            .bind(i64::from(limit))
            .all()
            .await?;
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            items.extend(self.history_item(row).await?);
        }
        Ok(items)
    }

    /// One line of a subscriber's history by its number.
    pub async fn history_at(
        &self,
        subscriber: SubscriberId,
        n: EventNumber,
    ) -> Result<Option<HistoryItem>, ViewsError> {
        let row: Option<HistoryRow> = self
            .pool
            .ask(select::<HistoryRow>("WHERE subscriber = $1 AND n = $2"))
            .bind(subscriber.0.cast_signed())
            .bind(n.0.cast_signed())
            .first()
            .await?;
        match row {
            Some(row) => self.history_item(row).await,
            None => Ok(None),
        }
    }

    async fn history_item(&self, row: HistoryRow) -> Result<Option<HistoryItem>, ViewsError> {
        let object = row.object.cast_unsigned();
        let kind = match row.kind.as_str() {
            "payment" => HistoryKind::Payment(PaymentId(object)),
            "refund" => HistoryKind::Refund(RefundId(object)),
            "grant" => HistoryKind::Grant(LotId(object)),
            "cash" => HistoryKind::Cash,
            "adjustment" => HistoryKind::Adjustment,
            "paid_to_balance" => HistoryKind::PaidToBalance(PaymentId(object)),
            _ => return Ok(None),
        };
        let refund: Option<RefundRow> = match kind {
            HistoryKind::Refund(id) => {
                self.pool
                    .ask(select::<RefundRow>("WHERE id = $1"))
                    .bind(id.0.cast_signed())
                    .first()
                    .await?
            }
            HistoryKind::Payment(_)
            | HistoryKind::Grant(_)
            | HistoryKind::Cash
            | HistoryKind::Adjustment
            | HistoryKind::PaidToBalance(_) => None,
        };
        let payment = match (kind, &refund) {
            (HistoryKind::Payment(id) | HistoryKind::PaidToBalance(id), _) => {
                self.payment(id).await?
            }
            (HistoryKind::Refund(_), Some(refund)) => {
                self.payment(PaymentId(refund.payment.cast_unsigned()))
                    .await?
            }
            _ => None,
        };
        Ok(Some(HistoryItem {
            n: EventNumber(row.n.cast_unsigned()),
            kind,
            at: Timestamp(row.at),
            minor: row.amount,
            payment,
            refund,
        }))
    }

    /// Everything that happened to a payment, oldest first. For staff: it shows what its merchant never sees.
    pub async fn timeline_of(&self, payment: PaymentId) -> Result<Vec<TimelineStep>, ViewsError> {
        let rows: Vec<TimelineRow> = self
            .pool
            .ask(select::<TimelineRow>("WHERE payment = $1 ORDER BY n"))
            .bind(payment.0.cast_signed())
            .all()
            .await?;
        Ok(rows.into_iter().map(|row| self.step(row)).collect())
    }

    fn step(&self, row: TimelineRow) -> TimelineStep {
        let mut detail: Value = serde_json::from_str(&row.detail).unwrap_or(Value::Null);
        self.show_ids(&mut detail);
        let actor_id = row
            .actor_id
            .and_then(|id| self.show(&row.actor, id.cast_unsigned()));
        TimelineStep {
            n: EventNumber(row.n.cast_unsigned()),
            at: Timestamp(row.at),
            what: row.what,
            actor: row.actor,
            actor_id,
            cause: row.cause.cast_unsigned(),
            detail,
        }
    }

    /// Inner ids become those that the outside knows.
    fn show_ids(&self, detail: &mut Value) {
        match detail {
            Value::Object(facts) => {
                for (name, fact) in facts.iter_mut() {
                    match fact.as_u64().and_then(|id| self.show(name, id)) {
                        Some(id) => *fact = Value::String(id),
                        None => self.show_ids(fact),
                    }
                }
            }
            Value::Array(facts) => facts.iter_mut().for_each(|fact| self.show_ids(fact)),
            _ => {}
        }
    }

    fn show(&self, what: &str, id: u64) -> Option<String> {
        Some(match what {
            "operator" => OperatorId(id).show(&self.ids),
            "client" => ClientKeyId(id).show(&self.ids),
            "device" => DeviceId(id).show(&self.ids),
            "mandate" => MandateId(id).show(&self.ids),
            "refund" => RefundId(id).show(&self.ids),
            "lot" => LotId(id).show(&self.ids),
            "effect" => self.ids.encode("eff", EffectId(id).0),
            _ => return None,
        })
    }

    /// What waits for a person, oldest first.
    pub async fn worklist(&self, limit: u32) -> Result<Worklist, ViewsError> {
        Ok(Worklist {
            stuck: self
                .pool
                .ask(select::<EffectRow>(
                    "WHERE state = 'stuck' ORDER BY id LIMIT $1",
                ))
                .bind(i64::from(limit))
                .all()
                .await?,
            proposals: self
                .pool
                .ask(select::<ProposalRow>(
                    "WHERE status = 'waiting' ORDER BY id LIMIT $1",
                ))
                .bind(i64::from(limit))
                .all()
                .await?,
        })
    }

    /// What became of a proposal.
    pub async fn proposal(&self, id: ProposalId) -> Result<Option<ProposalRow>, ViewsError> {
        Ok(self
            .pool
            .ask(select::<ProposalRow>("WHERE id = $1"))
            .bind(id.0.cast_signed())
            .first()
            .await?)
    }

    /// What staff did, before `before` (`None`: from the newest), newest first.
    pub async fn actions(
        &self,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<OperatorActionRow>, ViewsError> {
        Ok(self
            .pool
            .ask(select::<OperatorActionRow>(
                "WHERE n < $1 ORDER BY n DESC LIMIT $2",
            ))
            .bind(before.map_or(i64::MAX, u64::cast_signed))
            .bind(i64::from(limit))
            .all()
            .await?)
    }

    /// Approvals of a subscriber that did not count, newest first.
    pub async fn rejected_of(
        &self,
        subscriber: SubscriberId,
        limit: u32,
    ) -> Result<Vec<RejectedRow>, ViewsError> {
        Ok(self
            .pool
            .ask(select::<RejectedRow>(
                "WHERE subscriber = $1 ORDER BY n DESC LIMIT $2",
            ))
            .bind(subscriber.0.cast_signed())
            .bind(i64::from(limit))
            .all()
            .await?)
    }
}
