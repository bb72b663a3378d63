//! One business day in numbers.
//!
//! | `what` in the table `daily` | `name` | counted on |
//! |---|---|---|
//! | `status` | what really became of them | the day and hour a payment was asked for |
//! | `declined` | reason code | the day and hour it was declined or vetoed |
//! | `captured` | | the day and hour it was captured |
//! | `merchant` | the merchant's id | the day it was captured, hour zero |

use std::sync::Arc;

use paytone_domain::{ids::MerchantId, time::BusinessDate};
use paytone_journal::{EitherReader, JournalReader};
use tokio::sync::Mutex;

use super::{Views, ViewsError, rows::PaymentRow};
use crate::stores::Stores;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// Payments asked for.
    pub payments: u64,
    pub captured: u64,
    /// Minor units.
    pub captured_amount: i64,
    /// What really became of the payments asked for, most first.
    pub by_status: Vec<(String, u64)>,
    /// Why payments were declined or vetoed, most first.
    pub declined_by_reason: Vec<(String, u64)>,
    /// Every hour of the day.
    pub by_hour: Vec<Hour>,
    /// Who took most, in minor units, most first.
    pub top_merchants: Vec<TopMerchant>,
    pub subscribers: u64,
    pub merchants: u64,
    /// Active ones.
    pub devices: u64,
    pub worklist_open: u64,
    pub latest: Vec<PaymentRow>,
    pub journal: JournalSize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hour {
    /// 0 to 23 in the operator's zone.
    pub hour: u8,
    /// Asked for in this hour and captured by now.
    pub captured: u64,
    /// Asked for in this hour and anything else.
    pub other: u64,
    /// Captured in this hour, in minor units.
    pub amount: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopMerchant {
    pub merchant: MerchantId,
    pub amount: i64,
    pub payments: u64,
}

/// The journal behind the views.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalSize {
    /// Rows that the views show.
    pub seq: u64,
    pub bytes: u64,
}

/// The journal, asked how long it is. Cheap to clone.
#[derive(Clone)]
pub struct SizedJournal {
    stores: Stores,
    reader: Arc<Mutex<Option<EitherReader>>>,
}

impl SizedJournal {
    pub fn of(stores: Stores) -> Self {
        Self {
            stores,
            reader: Arc::default(),
        }
    }

    /// Zero when nobody knows: it is shown, and nothing rests on it.
    async fn bytes(&self) -> u64 {
        let mut reader = self.reader.lock().await;
        if reader.is_none() {
            *reader = self.stores.journal_reader().await.ok();
        }
        match &mut *reader {
            Some(reader) => reader.size_bytes().await.unwrap_or_default(),
            None => 0,
        }
    }
}

type Counted = (String, String, i64, i64, i64);

const TOP: usize = 10;
const LATEST: u32 = 20;

impl Views {
    pub async fn overview(&self, date: BusinessDate) -> Result<Overview, ViewsError> {
        let rows: Vec<Counted> = self.pool.ask(
            "SELECT what, name, hour, payments, amount FROM daily WHERE date = $1 AND what <> 'merchant'",
        )
        .bind(i64::from(date.0)).all()
        .await?;
        let mut overview = Overview {
            by_hour: (0..24)
                .map(|hour| Hour {
                    hour,
                    ..Hour::default()
                })
                .collect(),
            top_merchants: self.top_merchants(date).await?,
            latest: self.latest_payments(None, None, None, LATEST).await?,
            journal: self.journal_size().await,
            ..Overview::default()
        };
        (
            overview.subscribers,
            overview.merchants,
            overview.devices,
            overview.worklist_open,
        ) = self.standing().await?;
        for (what, name, hour, payments, amount) in rows {
            overview.add(&what, &name, hour, payments.cast_unsigned(), amount);
        }
        overview
            .by_status
            .sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        overview
            .declined_by_reason
            .sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        Ok(overview)
    }

    async fn top_merchants(&self, date: BusinessDate) -> Result<Vec<TopMerchant>, ViewsError> {
        let rows: Vec<(String, i64, i64)> = self
            .pool
            .ask(
                "SELECT name, amount, payments FROM daily WHERE date = $1 AND what = 'merchant'
             ORDER BY amount DESC LIMIT $2",
            )
            .bind(i64::from(date.0))
            .bind(TOP as i64)
            .all()
            .await?;
        let top = |(name, amount, payments): (String, i64, i64)| {
            Some(TopMerchant {
                merchant: MerchantId(name.parse().ok()?),
                amount,
                payments: payments.cast_unsigned(),
            })
        };
        Ok(rows.into_iter().filter_map(top).collect())
    }

    async fn standing(&self) -> Result<(u64, u64, u64, u64), ViewsError> {
        // Ids are given out in order and nobody goes away, so that the last one is how many there are.
        let counts: (i64, i64, i64, i64) = self
            .pool
            .ask(
                "SELECT (SELECT coalesce(max(id), 0) FROM subscribers),
                    (SELECT coalesce(max(id), 0) FROM merchants),
                    (SELECT count(*) FROM devices WHERE status = 'active'),
                    (SELECT count(*) FROM effects WHERE state = 'stuck')
                        + (SELECT count(*) FROM proposals WHERE status = 'waiting')",
            )
            .one()
            .await?;
        Ok((
            counts.0.cast_unsigned(),
            counts.1.cast_unsigned(),
            counts.2.cast_unsigned(),
            counts.3.cast_unsigned(),
        ))
    }

    /// How long the journal is.
    pub async fn journal_size(&self) -> JournalSize {
        JournalSize {
            seq: self.position(),
            bytes: self.journal.bytes().await,
        }
    }
}

impl Overview {
    fn add(&mut self, what: &str, name: &str, hour: i64, payments: u64, amount: i64) {
        let at = usize::try_from(hour)
            .ok()
            .and_then(|hour| self.by_hour.get_mut(hour));
        match what {
            "status" => {
                self.payments += payments;
                if let Some(at) = at {
                    if name == "captured" {
                        at.captured += payments;
                    } else {
                        at.other += payments;
                    }
                }
                count(&mut self.by_status, name, payments);
            }
            "declined" => count(&mut self.declined_by_reason, name, payments),
            "captured" => {
                self.captured += payments;
                self.captured_amount += amount;
                if let Some(at) = at {
                    at.amount += amount;
                }
            }
            _ => {}
        }
    }
}

fn count(counts: &mut Vec<(String, u64)>, name: &str, payments: u64) {
    if payments == 0 {
        return;
    }
    match counts.iter_mut().find(|(known, _)| known == name) {
        Some((_, known)) => *known += payments,
        None => counts.push((name.to_owned(), payments)),
    }
}
