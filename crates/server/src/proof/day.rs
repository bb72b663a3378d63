//! A business date's entries as leaves, and the statement that is signed over their root.
//!
//! **Invariant:** what a leaf and a statement say is text that anybody can read and hash; its form is fixed, since published roots
//! hang on it. Ids are those the outside knows.

use std::borrow::Cow;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use paytone_domain::{
    Event,
    funding::EffectEvent,
    ids::{DayHash, DayKey, PaymentId, Signature},
    ledger::{Account, Entry, Leg},
    payment::PaymentEvent,
    sealed_day::SealedDay,
    time::BusinessDate,
};
use paytone_engine::Batch;
use paytone_journal::{Keyring, PublicIds};
use serde_json::json;

use super::tree::{self, Hash, Roots};
use crate::{edge::ids::Public as _, verify::books::entry_of, views::project::account_key};

/// One posted entry of a batch.
pub struct Posted<'a> {
    pub event: Cow<'a, Event>,
    /// Its place among the events of the batch.
    pub place: u32,
}

/// What a batch posted, in order.
pub fn posted(batch: &Batch) -> impl Iterator<Item = Posted<'_>> {
    let posts = |event: &Event| entry_of(event).is_some_and(|entry| !entry.is_empty());
    let events = (0_u32..).zip(batch.steps());
    events
        .filter(move |(_, event)| posts(event))
        .map(|(place, event)| Posted { event, place })
}

impl Posted<'_> {
    pub fn legs(&self) -> &[Leg] {
        entry_of(&self.event).map_or(&[], Entry::legs)
    }
}

/// The payment an entry belongs to, where it says so itself.
pub fn payment_of(event: &Event) -> Option<PaymentId> {
    match event {
        Event::Payment(
            PaymentEvent::Captured { id, .. }
            | PaymentEvent::Ended { id, .. }
            | PaymentEvent::Refunded { id, .. },
        ) => Some(*id),
        _ => None,
    }
}

fn what(event: &Event) -> &'static str {
    match event {
        Event::Payment(PaymentEvent::Captured { .. }) => "captured",
        Event::Payment(PaymentEvent::Refunded { .. }) => "refunded",
        Event::Payment(_) => "ended",
        Event::Effect(EffectEvent::Settled { .. }) => "settled",
        Event::Effect(_) => "paid_to_balance",
        Event::Grant(_) => "grant",
        Event::Line(_) => "recycled",
        _ => "operator",
    }
}

/// The account's kind and, for those that are somebody's, whose.
fn account(ids: &PublicIds, account: Account) -> [Option<String>; 2] {
    let owner = match account {
        Account::SubscriberCash(owner)
        | Account::BillReceivable(owner)
        | Account::Unclaimed(owner) => Some(owner.show(ids)),
        Account::Grant(lot) => Some(lot.show(ids)),
        Account::MerchantPayable(merchant) => Some(merchant.show(ids)),
        Account::SafeguardingBank
        | Account::BankClearing
        | Account::Collected
        | Account::FeeIncome
        | Account::FeeTax
        | Account::CampaignExpense
        | Account::Suspense
        | Account::OpeningBalances
        | Account::WriteOff => None,
    };
    [Some(account_key(account).0.to_owned()), owner]
}

/// What is under the hash of a leaf, apart from its salt: one line of JSON.
pub fn text(ids: &PublicIds, row: u64, date: BusinessDate, posted: &Posted<'_>) -> String {
    let legs = posted.legs().iter();
    let legs: Vec<_> = legs
        .map(|leg| {
            let [kind, owner] = account(ids, leg.account);
            json!([kind, owner, leg.minor])
        })
        .collect();
    json!({
        "date": date.civil().to_string(),
        "legs": legs,
        "payment": payment_of(&posted.event).map(|payment| payment.show(ids)),
        "place": posted.place,
        "row": row,
        "what": what(&posted.event),
    })
    .to_string()
}

/// The leaf of an entry.
pub fn leaf(keyring: &Keyring, row: u64, date: BusinessDate, posted: &Posted<'_>) -> Hash {
    let text = text(keyring.public_ids(), row, date, posted);
    tree::leaf(&keyring.entry_salt(row, posted.place), text.as_bytes())
}

/// Adds up a day while its rows go by.
#[derive(Clone, Debug)]
pub struct Day {
    pub date: BusinessDate,
    pub roots: Roots,
    /// The last row that counts.
    pub row: u64,
}

impl Day {
    pub fn new(date: BusinessDate) -> Self {
        Self {
            date,
            roots: Roots::default(),
            row: 0,
        }
    }

    pub fn take(&mut self, keyring: &Keyring, row: u64, batch: &Batch) {
        self.row = row;
        for posted in posted(batch) {
            self.roots.add(leaf(keyring, row, self.date, &posted));
        }
    }

    /// Signs it as the one after `last`.
    pub fn seal(&self, keys: &Ed25519KeyPair, last: Option<&SealedDay>) -> SealedDay {
        let mut day = SealedDay {
            date: self.date,
            entries: self.roots.leaves(),
            root: DayHash(self.roots.root()),
            previous: last.map_or(DayHash([0; 32]), |last| last.head),
            head: DayHash([0; 32]),
            row: self.row,
            key: DayKey([0; 32]),
            signature: Signature([0; 64]),
        };
        let statement = statement(&day);
        day.head = DayHash(tree::plain(statement.as_bytes()));
        day.key.0.copy_from_slice(keys.public_key().as_ref());
        let signature = keys.sign(statement.as_bytes());
        day.signature.0.copy_from_slice(signature.as_ref());
        day
    }
}

pub fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// What is signed, and hashed to the head that the next day carries.
pub fn statement(day: &SealedDay) -> String {
    format!(
        "paytone sealed day v1\ndate {}\nentries {}\nroot {}\nprevious {}\nrow {}\n",
        day.date.civil(),
        day.entries,
        hex(&day.root.0),
        hex(&day.previous.0),
        day.row,
    )
}

/// Why a sealed day does not hold by itself; `None` if it does.
pub fn fault(day: &SealedDay) -> Option<&'static str> {
    let statement = statement(day);
    if tree::plain(statement.as_bytes()) != day.head.0 {
        return Some("its head is not the hash of what it states");
    }
    UnparsedPublicKey::new(&ED25519, &day.key.0)
        .verify(statement.as_bytes(), &day.signature.0)
        .err()
        .map(|_| "its signature does not fit")
}

/// A sealed day as a witness keeps it: one line of JSON.
pub fn line(day: &SealedDay) -> String {
    json!({
        "statement": statement(day),
        "head": hex(&day.head.0),
        "key": hex(&day.key.0),
        "signature": hex(&day.signature.0),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_day_holds_and_one_changed_in_anything_does_not() {
        let keyring = Keyring::derived_for_simulation(1);
        let mut day = Day::new(BusinessDate(20_000));
        day.roots.add([3; 32]);
        day.row = 7;
        let first = day.seal(&keyring.day_key(), None);
        assert_eq!(fault(&first), None);
        let second = Day::new(BusinessDate(20_001)).seal(&keyring.day_key(), Some(&first));
        assert_eq!((fault(&second), second.previous), (None, first.head));
        let changes: [fn(&mut SealedDay); 7] = [
            |day| day.date.0 += 1,
            |day| day.entries += 1,
            |day| day.root.0[0] ^= 1,
            |day| day.previous.0[0] ^= 1,
            |day| day.head.0[0] ^= 1,
            |day| day.row += 1,
            |day| day.signature.0[0] ^= 1,
        ];
        for change in changes {
            let mut other = first.clone();
            change(&mut other);
            assert!(fault(&other).is_some(), "{other:?}");
        }
    }
}
