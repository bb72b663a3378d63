//! The state and, beside it, copies of what it lacks.
//!
//! Whoever reads looks once at the state alone. What was missing there is looked up in the archive, and the same look is taken
//! again with the copies at hand; what has come back meanwhile counts before them.

use std::cell::RefCell;

use paytone_domain::{
    State,
    archive::{Closed, Gone},
    ids::{PaymentId, RefundId},
    payment::{Payment, Refund},
    time::{Moment, Timestamp},
};
use paytone_engine::{Answered, EngineError};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Archive, ArchiveError};
use crate::{edge::problem::Problem, node::Node};

/// A look finds out step by step what it needs: first a refund, then its payment.
const ROUNDS: usize = 6;

/// Copies out of the archive.
#[derive(Clone, Debug, Default)]
pub struct Copies {
    payments: FxHashMap<PaymentId, Closed>,
    /// Whose they are; `None` where the archive knows none.
    refunds: FxHashMap<RefundId, Option<PaymentId>>,
    absent: FxHashSet<PaymentId>,
}

impl Copies {
    pub fn add(&mut self, copy: Closed) {
        for refund in &copy.refunds {
            self.refunds.insert(refund.id, Some(copy.payment.id));
        }
        self.payments.insert(copy.payment.id, copy);
    }

    pub fn remove(&mut self, id: PaymentId) {
        self.payments.remove(&id);
    }

    /// Looks up what a look into the past missed, as it was at `at`. Says whether all of it was there: of what changed since, the
    /// archive has only what became of it.
    pub async fn fetch_as_of(
        &mut self,
        archive: &Archive,
        missing: &[Gone],
        at: Timestamp,
    ) -> Result<bool, ArchiveError> {
        let before: FxHashSet<PaymentId> = self.payments.keys().copied().collect();
        self.fetch(archive, missing).await?;
        let as_it_was = self.absent.is_empty()
            && self.refunds.values().all(Option::is_some)
            && self
                .payments
                .values()
                .filter(|copy| !before.contains(&copy.payment.id))
                .all(|copy| copy.payment.changed_at <= at);
        Ok(as_it_was)
    }

    /// Looks up what a look missed.
    async fn fetch(&mut self, archive: &Archive, missing: &[Gone]) -> Result<(), ArchiveError> {
        let refunds: Vec<RefundId> = missing
            .iter()
            .filter_map(|gone| match gone {
                Gone::Refund(id) => Some(*id),
                Gone::Payment(_) | Gone::Keys => None,
            })
            .collect();
        let owners = archive.payments_of(&refunds).await?;
        self.refunds.extend(refunds.iter().map(|id| (*id, None)));
        let mut payments: Vec<PaymentId> = owners.iter().map(|(_, payment)| *payment).collect();
        payments.extend(missing.iter().filter_map(|gone| match gone {
            Gone::Payment(id) => Some(*id),
            Gone::Refund(_) | Gone::Keys => None,
        }));
        payments.sort_unstable();
        payments.dedup();
        for (refund, payment) in owners {
            self.refunds.insert(refund, Some(payment));
        }
        let found = archive.payments(&payments).await?;
        self.absent.extend(payments);
        for copy in found {
            self.absent.remove(&copy.payment.id);
            self.add(copy);
        }
        Ok(())
    }
}

/// What can be looked at: the state, and copies of what has left it.
pub struct Known<'a> {
    pub state: &'a State,
    copies: &'a Copies,
    missing: RefCell<Vec<Gone>>,
}

impl<'a> Known<'a> {
    pub fn new(state: &'a State, copies: &'a Copies) -> Self {
        Self {
            state,
            copies,
            missing: RefCell::default(),
        }
    }

    pub fn payment(&self, id: PaymentId) -> Option<&'a Payment> {
        let state: &'a State = self.state;
        let copies: &'a Copies = self.copies;
        if let Some(payment) = state.payments.get(&id) {
            return Some(payment);
        }
        if let Some(copy) = copies.payments.get(&id) {
            return Some(&copy.payment);
        }
        if state.is_gone(Gone::Payment(id)) && !copies.absent.contains(&id) {
            self.missing.borrow_mut().push(Gone::Payment(id));
        }
        None
    }

    pub fn refund(&self, id: RefundId) -> Option<&'a Refund> {
        let state: &'a State = self.state;
        let copies: &'a Copies = self.copies;
        if let Some(refund) = state.refunds.get(&id) {
            return Some(refund);
        }
        match copies.refunds.get(&id) {
            Some(payment) => {
                let copy = copies.payments.get(&(*payment)?)?;
                copy.refunds.iter().find(|refund| refund.id == id)
            }
            None => {
                if state.is_gone(Gone::Refund(id)) {
                    self.missing.borrow_mut().push(Gone::Refund(id));
                }
                None
            }
        }
    }

    /// What was looked for in vain until now, and may be in the archive.
    pub fn missing(&self) -> Vec<Gone> {
        self.missing.borrow().clone()
    }

    /// Every payment that is here, in any order.
    pub fn payments(&self) -> impl Iterator<Item = &'a Payment> {
        let state: &'a State = self.state;
        let copies: &'a Copies = self.copies;
        let copied = copies.payments.values().map(|copy| &copy.payment);
        let copied = copied.filter(|payment| !state.payments.contains_key(&payment.id));
        state.payments.values().chain(copied)
    }
}

/// Why a look failed.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl From<LookError> for Problem {
    fn from(error: LookError) -> Self {
        match error {
            LookError::Engine(error) => error.into(),
            LookError::Archive(error) => error.into(),
        }
    }
}

impl From<ArchiveError> for Problem {
    fn from(error: ArchiveError) -> Self {
        tracing::error!(%error, "the archive");
        Self {
            retry_after_s: Some(2),
            ..Self::new(
                axum::http::StatusCode::SERVICE_UNAVAILABLE,
                "archive_unavailable",
                "what is older cannot be read now; nothing was done; try again",
            )
        }
    }
}

impl Node {
    /// Looks at the state and, where that lacks something, at the archive as well. `look` may be asked several times.
    pub async fn look<T, L>(&self, look: L) -> Result<Answered<T>, LookError>
    where
        T: Send + 'static,
        L: Fn(&Known<'_>, &Moment) -> T + Clone + Send + 'static,
    {
        let mut copies = Copies::default();
        for _ in 0..ROUNDS {
            let (look, at_hand) = (look.clone(), copies);
            let read = self.engine.read(move |state, moment| {
                let known = Known::new(state, &at_hand);
                let seen = look(&known, moment);
                let missing = known.missing.take();
                (seen, missing, at_hand)
            });
            let Answered { answer, position } = read.await?;
            let (answer, missing, at_hand) = answer;
            if missing.is_empty() {
                return Ok(Answered { answer, position });
            }
            copies = at_hand;
            copies.fetch(&self.archive, &missing).await?;
        }
        Err(LookError::Archive(ArchiveError::Damaged(
            "what it names leads nowhere".to_owned(),
        )))
    }
}
