//! What is over leaves memory, and now and then something comes back because somebody asks for it.

use super::*;

/// Copied at once, at most.
const COPIES: u32 = 12;

impl Scenario {
    pub(super) fn archive(&mut self) {
        match self.draw(3) {
            0 => self.recall(),
            _ => self.evict(),
        }
    }

    fn evict(&mut self) {
        let most = 1 + self.draw(COPIES) as usize;
        let moment = *self.core.moment();
        let state = self.core.state();
        let copies = state.oldest_closed(&moment, QUIET, most);
        let before = moment.now.plus(-QUIET);
        let (_, keys_before) = state.repeats.oldest(before, most);
        let payments = copies.iter();
        let command = ArchiveCommand::Evict {
            number: state.archive.evictions + 1,
            payments: payments
                .map(|copy| (copy.payment.id, copy.payment.changed_at))
                .collect(),
            keys_before,
        };
        self.decide(Actor::System, Command::Archive(command));
        let left = copies
            .into_iter()
            .map(|copy| (copy.payment.id, copy))
            .filter(|(id, _)| !self.core.state().payments.contains_key(id));
        self.left.extend(left);
    }

    /// A refund of what has left brings it back.
    fn recall(&mut self) {
        let ids: Vec<_> = self.left.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        let drawn = self.draw(u32::try_from(ids.len()).expect("few"));
        let Some(copy) = self.left.remove(&ids[drawn as usize]) else {
            return;
        };
        let (id, merchant) = (copy.payment.id, copy.payment.merchant);
        let command = ArchiveCommand::Recall {
            copy: Box::new(copy),
            as_of: self.core.moment().now,
        };
        let came = self.decide(Actor::System, Command::Archive(command));
        assert_eq!(came, Answer::Archive(Ok(1)), "it left as it was");
        let refund = PaymentCommand::Refund {
            merchant,
            id,
            amount: Some(Amount::clamped(1)),
            text: sealed(9),
            repeat: self.repeat(),
        };
        self.decide(client(merchant), Command::Payment(refund));
    }
}
