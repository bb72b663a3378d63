//! What is over: nothing of it changes by itself any more.

use minicbor::{Decode, Encode};

use crate::{
    State,
    fifo::Fifo,
    funding::LegState,
    ids::PaymentId,
    payment::{Payment, Refund, RefundStatus, Status},
    time::{Moment, Timestamp},
};

/// A payment that is over, with all its refunds in their order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Closed {
    #[n(0)]
    pub payment: Payment,
    #[n(1)]
    pub refunds: Vec<Refund>,
}

impl Closed {
    /// What an archive keeps.
    pub fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to memory does not fail")
    }

    /// Says what is wrong with bytes that are no copy.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        minicbor::decode(bytes).map_err(|error| error.to_string())
    }

    /// `None` while something of it may still change by itself.
    pub fn of(state: &State, payment: &Payment) -> Option<Self> {
        if !is_over(state, payment) {
            return None;
        }
        let refunds = payment.refunds.iter();
        let refunds = refunds.map(|id| state.refunds.get(id).cloned());
        Some(Self {
            payment: payment.clone(),
            refunds: refunds.collect::<Option<_>>()?,
        })
    }

    /// Whether it is in one piece and names only what there is.
    pub(super) fn fits(&self, state: &State) -> bool {
        let Self { payment, refunds } = self;
        has_ended(payment)
            && state.merchants.get(payment.merchant).is_some()
            && payment
                .payer
                .is_none_or(|payer| state.subscribers.get(payer).is_some())
            && payment.refunds.len() == refunds.len()
            && payment.refunds.iter().zip(refunds).all(|(id, refund)| {
                refund.id == *id
                    && refund.payment == payment.id
                    && refund.status == RefundStatus::Completed
                    && id.0 < state.next_refund
                    && !state.refunds.contains_key(id)
            })
    }
}

fn has_ended(payment: &Payment) -> bool {
    let ended = match payment.status {
        Status::AwaitingApproval | Status::Funding | Status::Authorized => false,
        Status::Captured
        | Status::Declined
        | Status::Refused
        | Status::Expired
        | Status::Cancelled
        | Status::Failed => true,
    };
    // A result may still come for a leg that is wanted of the outside world.
    ended && payment.legs.iter().all(|leg| leg.state != LegState::Wanted)
}

pub(super) fn is_over(state: &State, payment: &Payment) -> bool {
    let completed = |id| {
        let refund: Option<&Refund> = state.refunds.get(id);
        refund.is_some_and(|refund| refund.status == RefundStatus::Completed)
    };
    has_ended(payment) && payment.refunds.iter().all(completed)
}

impl State {
    /// Something of it has just changed.
    pub(crate) fn touched(&mut self, moment: &Moment, id: PaymentId) {
        let Some(payment) = self.payments.get_mut(&id) else {
            return;
        };
        payment.changed_at = moment.now;
        if let Some(payment) = self.payments.get(&id)
            && is_over(self, payment)
        {
            self.archive.queue.push(moment.now, id);
        }
    }

    /// Makes the queue again from the payments themselves.
    pub(crate) fn queue_closed(&mut self) {
        let over = self
            .payments
            .values()
            .filter(|payment| is_over(self, payment));
        let mut over: Vec<_> = over
            .map(|payment| (payment.changed_at, payment.id))
            .collect();
        over.sort_unstable();
        self.archive.queue = Queue(over.into_iter().collect());
    }
}

/// Payments by when they were over, oldest first. One that changed since has another entry behind.
#[derive(Clone, Default)]
pub(crate) struct Queue(Fifo<(Timestamp, PaymentId)>);

/// It follows from the payments.
impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

impl Queue {
    fn push(&mut self, at: Timestamp, id: PaymentId) {
        if self.0.back() != Some(&(at, id)) {
            self.0.push_back((at, id));
        }
    }

    pub(super) fn first(&self) -> Option<(Timestamp, PaymentId)> {
        self.0.front().copied()
    }

    pub(super) fn until(
        &self,
        before: Timestamp,
    ) -> impl Iterator<Item = (Timestamp, PaymentId)> + '_ {
        let entries = self.0.iter().copied();
        entries.take_while(move |(at, _)| *at <= before)
    }

    /// Lets go of the oldest entries as long as they are of no use.
    pub(super) fn forget(&mut self, useless: impl Fn(Timestamp, PaymentId) -> bool) {
        while let Some((at, id)) = self.0.front().copied()
            && useless(at, id)
        {
            self.0.pop_front();
        }
    }
}
