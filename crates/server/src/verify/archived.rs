//! What has left the engine's memory, checked as it leaves, and the archive against a sample of it.
//!
//! **Invariant:** of each payment that left, its sums count here until it comes back. **Not here:** more memory for a longer
//! journal: the sample gets thinner as it grows.

use std::collections::BTreeMap;

use paytone_domain::{
    Event, State,
    archive::{ArchiveEvent, Closed},
    idempotency::OldAnswer,
    ids::{MerchantId, PaymentId, RepeatKey},
    time::{HOUR, MINUTE, Timestamp},
};
use paytone_engine::{Batch, Core};
use rustc_hash::FxHashMap;

use super::{books::check_payment, report::Report};
use crate::{
    archive::{Archive, ArchiveError, answers},
    stores::Place,
};

/// Copies that are compared at most.
const SAMPLE: usize = 50_000;
/// Looked up together.
const TOGETHER: usize = 512;
/// Answers that are compared at most; each is looked for everywhere.
const ANSWERS: usize = 1_000;
/// What counts so little longer may have been forgotten by the archive already.
const MARGIN: i64 = MINUTE;

/// A copy as it left last.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Left {
    changed_at: Timestamp,
    body: Vec<u8>,
}

pub struct Archived {
    pub by_status: BTreeMap<&'static str, u64>,
    /// What its merchants are owed for what has left.
    pub owed: FxHashMap<MerchantId, i128>,
    pub count: u64,
    sample: FxHashMap<PaymentId, Left>,
    /// One of so many is in the sample.
    every: u64,
    answers: FxHashMap<RepeatKey, OldAnswer>,
    every_answer: u64,
}

impl Default for Archived {
    fn default() -> Self {
        Self {
            by_status: BTreeMap::new(),
            owed: FxHashMap::default(),
            count: 0,
            sample: FxHashMap::default(),
            every: 1,
            answers: FxHashMap::default(),
            every_answer: 1,
        }
    }
}

/// What a merchant keeps of a payment.
pub fn kept(payment: &paytone_domain::payment::Payment) -> i128 {
    let (captured, refunded) = (payment.captured.minor(), payment.refunded.minor());
    i128::from(captured - refunded - payment.fee.minor() - payment.tax.minor())
}

impl Archived {
    /// Looks at a batch that is about to be applied to `state`.
    pub fn take(&mut self, state: &State, batch: &Batch, report: &mut Report) {
        for event in batch.items.iter().flat_map(|item| &item.events) {
            for copy in state.leaving(event) {
                self.leaves(&copy, report);
            }
            for old in state.leaving_keys(event) {
                self.answer_leaves(old);
            }
            if let Event::Archive(ArchiveEvent::Recalled { copy }) = event {
                self.returns(copy, report);
            }
        }
    }

    fn leaves(&mut self, copy: &Closed, report: &mut Report) {
        let payment = &copy.payment;
        check_payment(payment, copy.refunds.iter(), report);
        *self
            .by_status
            .entry(payment.internal_status().name())
            .or_default() += 1;
        *self.owed.entry(payment.merchant).or_default() += kept(payment);
        self.count += 1;
        if payment.id.0.is_multiple_of(self.every) {
            self.sample.insert(payment.id, left(copy));
            if self.sample.len() > SAMPLE {
                self.every *= 2;
                let every = self.every;
                self.sample.retain(|id, _| id.0.is_multiple_of(every));
            }
        }
    }

    fn answer_leaves(&mut self, old: OldAnswer) {
        let place = |key: &RepeatKey| u64::from_le_bytes(key.0.as_chunks().0[0]);
        if place(&old.key).is_multiple_of(self.every_answer) {
            self.answers.insert(old.key, old);
            if self.answers.len() > ANSWERS {
                self.every_answer *= 2;
                let every = self.every_answer;
                self.answers
                    .retain(|key, _| place(key).is_multiple_of(every));
            }
        }
    }

    fn returns(&mut self, copy: &Closed, report: &mut Report) {
        let payment = &copy.payment;
        let of_status = self.by_status.entry(payment.internal_status().name());
        let of_status = of_status.or_default();
        *of_status = of_status.saturating_sub(1);
        *self.owed.entry(payment.merchant).or_default() -= kept(payment);
        self.count = self.count.saturating_sub(1);
        if self
            .sample
            .remove(&payment.id)
            .is_some_and(|known| known != left(copy))
        {
            let what = format!("payment {} came back as another than it left", payment.id.0);
            report.differs("recalled", what);
        }
    }

    /// Holds the archive against the sample. What left again since the journal's end was looked at is newer there.
    pub async fn compare(&self, place: &Place, core: &Core, report: &mut Report) {
        if self.sample.is_empty() && self.answers.is_empty() {
            return;
        }
        let archive = Archive::of(place);
        if let Err(error) = self.compare_answers(&archive, core, report).await {
            return report.differs("archive", error.to_string());
        }
        let mut ids: Vec<PaymentId> = self.sample.keys().copied().collect();
        ids.sort_unstable();
        for ids in ids.chunks(TOGETHER) {
            let copies = match archive.payments(ids).await {
                Ok(copies) => copies,
                Err(error) => {
                    report.differs("archive", error.to_string());
                    return;
                }
            };
            let found = copies
                .into_iter()
                .map(|copy| (copy.payment.id, left(&copy)));
            let found: FxHashMap<_, _> = found.collect();
            for id in ids {
                report.archive_checked += 1;
                let known = &self.sample[id];
                match found.get(id) {
                    Some(there) if there == known || there.changed_at > known.changed_at => {}
                    Some(_) => {
                        report.differs("archive", format!("payment {} is another there", id.0));
                    }
                    None => report.differs("archive", format!("payment {} is not there", id.0)),
                }
            }
        }
    }

    /// Answers count for a while; what has left within it is there.
    async fn compare_answers(
        &self,
        archive: &Archive,
        core: &Core,
        report: &mut Report,
    ) -> Result<(), ArchiveError> {
        let kept = i64::from(core.state().rules.idempotency_hours) * HOUR;
        let since = core.moment().now.plus(MARGIN - kept);
        let mut known: Vec<_> = self.answers.values().filter(|old| old.at > since).collect();
        known.sort_unstable_by_key(|old| old.key);
        for old in known {
            report.answers_checked += 1;
            match archive.answer(old.key, &[answers::EVERY]).await? {
                Some(there) if there == *old || there.at > old.at => {}
                Some(_) => report.differs("archive", "an answer is another there".to_owned()),
                None => report.differs("archive", "an answer is not there".to_owned()),
            }
        }
        Ok(())
    }
}

fn left(copy: &Closed) -> Left {
    Left {
        changed_at: copy.payment.changed_at,
        body: copy.encode(),
    }
}
