//! Bugs that are put in on purpose, to show that the simulation finds them.
//!
//! Some are wrong steps of the process: they are where that step is. The others are wrong decisions: here, as what a batch says
//! instead. The process ends as soon as such a batch is durable and goes on from what it says, so that from then on everybody,
//! those who ask again under their keys included, is told what the wrong decision came to.

use paytone_domain::{
    Event, State,
    funding::{Direction, EffectEvent},
    grant::GrantEvent,
    ledger::{Account, Entry},
    money::Amount,
    payment::PaymentEvent,
    time::Timestamp,
};
use paytone_engine::Batch;
use paytone_journal::{Row, Tip};

/// What is wrong with the system in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Answers leave before the batch they rest on is durable.
    AnswerBeforeDurable,
    /// The journal's thread syncs nothing: what it says is durable is in the machine's memory only.
    SkipSync,
    /// After a failed sync the process goes on as if it had not failed.
    GoOnAfterFailedSync,
    /// After a restart the idempotency keys are forgotten.
    ForgetKeysOnReplay,
    /// A snapshot is written without the idempotency keys.
    SnapshotForgetsKeys,
    /// A snapshot says that it is of a row later than it is.
    SnapshotOfAnEarlierRow,
    /// The end of a payment releases nothing of what was held for it.
    KeepHold,
    /// A result of the bank is posted twice.
    PostResultTwice,
    /// The worker hears of effects, and calls the bank, before anything of it is durable.
    CallBeforeDurable,
    /// Every attempt at the bank is an order of its own.
    ReferencePerAttempt,
    /// A bank that says nothing in time is taken for one that refuses.
    SilenceMeansRefused,
    /// An expired payment's deadline is never decided.
    SkipDeadlines,
    /// A grant whose time is over stays to be spent.
    DropGrantExpiry,
    /// What a refund gives back to a grant goes to the payer's cash.
    ForgetLotOnRefund,
    /// A refund does not ask the bank to give back what it had collected.
    LoseGiveBack,
    /// Engine time follows the machine's clock when that is set back.
    ClockGoesBack,
    /// What is over leaves memory before its copy is on the disk.
    EvictBeforeWritten,
    /// An edge recalls the first copy that it ever read of a payment.
    RecallStaleCopy,
    /// An edge does not look for keys among those that left memory.
    SkipKeyLookup,
    /// Rows leave the journal before they are in a file.
    TrimBeforeExported,
    /// Rows leave for a file that nobody has read back.
    TrustExport,
}

impl Mutation {
    pub const ALL: [Self; 21] = [
        Self::AnswerBeforeDurable,
        Self::SkipSync,
        Self::GoOnAfterFailedSync,
        Self::ForgetKeysOnReplay,
        Self::SnapshotForgetsKeys,
        Self::SnapshotOfAnEarlierRow,
        Self::KeepHold,
        Self::PostResultTwice,
        Self::CallBeforeDurable,
        Self::ReferencePerAttempt,
        Self::SilenceMeansRefused,
        Self::SkipDeadlines,
        Self::DropGrantExpiry,
        Self::ForgetLotOnRefund,
        Self::LoseGiveBack,
        Self::ClockGoesBack,
        Self::EvictBeforeWritten,
        Self::RecallStaleCopy,
        Self::SkipKeyLookup,
        Self::TrimBeforeExported,
        Self::TrustExport,
    ];

    /// The row that this bug makes of `row`, decided on what follows `state`; `None` if it changes nothing of it.
    pub fn decided(self, row: &Row, state: &State, wall: Timestamp) -> Option<Row> {
        let mut batch = Batch::decode(&row.body).ok()?;
        let before = batch.clone();
        match self {
            Self::ClockGoesBack => batch.moment.now = batch.moment.now.min(wall),
            Self::DropGrantExpiry => drop_events(&mut batch, |event| {
                matches!(event, Event::Grant(GrantEvent::Expired { .. }))
            }),
            Self::LoseGiveBack => drop_events(&mut batch, is_give_back_of_refund),
            Self::ForgetLotOnRefund => {
                let items = batch.items.iter_mut();
                for event in items.flat_map(|item| &mut item.events) {
                    if let Event::Payment(PaymentEvent::Refunded { entry, .. }) = event {
                        *entry = without_lots(entry, state);
                    }
                }
            }
            _ => return None,
        }
        if batch == before {
            return None;
        }
        let previous = (row.seq > 1).then(|| Tip {
            seq: row.seq - 1,
            epoch: row.epoch,
            hash: row.previous_hash,
        });
        Some(Row::seal(previous, row.epoch, row.batch_id, batch.encode()))
    }
}

fn drop_events(batch: &mut Batch, is_lost: impl Fn(&Event) -> bool) {
    for item in &mut batch.items {
        item.events.retain(|event| !is_lost(event));
    }
}

fn is_give_back_of_refund(event: &Event) -> bool {
    matches!(
        event,
        Event::Effect(EffectEvent::Wanted { effect })
            if matches!(effect.direction, Direction::GiveBack { .. }) && effect.refund.is_some()
    )
}

/// The same amounts from the same account, but what goes to a lot goes to its holder's cash.
fn without_lots(entry: &Entry, state: &State) -> Entry {
    let mut other = Entry::default();
    let Some(from) = entry.legs().iter().find(|leg| leg.minor < 0) else {
        return entry.clone();
    };
    for leg in entry.legs().iter().filter(|leg| leg.minor > 0) {
        let to = match leg.account {
            Account::Grant(lot) => state
                .lots
                .get(&lot)
                .map_or(leg.account, |lot| Account::SubscriberCash(lot.subscriber)),
            other => other,
        };
        other.and(Amount::clamped(leg.minor), from.account, to);
    }
    other
}
