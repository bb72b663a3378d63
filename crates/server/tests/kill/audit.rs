//! What the restarted server says, held against what clients were told.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;
use serde_json::Value;

use crate::{
    book::{Book, Known, minor},
    clients::Payer,
    dice::Dice,
    wire::{Call, Wire},
};

/// How many payments and answers from before the last life are looked at again each time.
const OLDER: usize = 40;

/// A shop's key.
pub type Keys = Vec<String>;

/// Held against the server while nobody else talks to it.
pub struct Audit<'a> {
    pub wire: &'a Wire,
    pub book: &'a Mutex<Book>,
    pub keys: &'a Keys,
}

/// What had been told when the last audit ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    payments: usize,
    kept: usize,
}

impl Audit<'_> {
    async fn get(&self, path: &str, key: &str) -> Value {
        let told = self
            .wire
            .ask(&Call::get(path, key))
            .await
            .expect("a server that lives");
        assert_eq!(told.status, 200, "{path}: {}", told.json());
        told.json()
    }

    /// Everything told since `mark`, and some of what was told before.
    pub async fn recent(&self, mark: Mark, dice: &mut Dice) -> Mark {
        let (ids, kept) = self.chosen(mark, dice);
        for (shop, id) in ids {
            self.payment(shop, &id).await;
        }
        for place in kept {
            self.answer_again(place).await;
        }
        let book = self.book.lock();
        Mark {
            payments: book.payments.len(),
            kept: book.kept.len(),
        }
    }

    /// Payments with their shop, and places of kept answers.
    fn chosen(&self, mark: Mark, dice: &mut Dice) -> (Vec<(usize, String)>, Vec<usize>) {
        let book = self.book.lock();
        let mut ids: Vec<(usize, String)> = Vec::new();
        for (shop, of_shop) in &book.of_shop {
            let from = of_shop
                .len()
                .saturating_sub(book.payments.len() - mark.payments);
            ids.extend(of_shop[from..].iter().map(|id| (*shop, id.clone())));
            for _ in 0..OLDER {
                ids.extend(dice.pick(of_shop).map(|id| (*shop, id.clone())));
            }
        }
        let mut kept: Vec<usize> = (mark.kept..book.kept.len()).collect();
        for _ in 0..OLDER.min(mark.kept) {
            kept.push(usize::try_from(dice.below(mark.kept as u64)).expect("a place in a list"));
        }
        (ids, kept)
    }

    /// Everything, now that no request is under way any more.
    pub async fn whole(&self, payers: &[Payer], opening: i64) {
        self.recent(Mark::default(), &mut Dice::new(0)).await;
        self.refunds();
        for (place, payer) in payers.iter().enumerate() {
            self.balance(place, payer, opening).await;
        }
        for shop in 0..self.keys.len() {
            self.nothing_twice(shop).await;
        }
    }

    async fn payment(&self, shop: usize, id: &str) {
        let payment = self
            .get(&format!("/v1/payments/{id}"), &self.keys[shop])
            .await;
        let mut book = self.book.lock();
        book.payments[id].assert_kept(&payment);
        if let Some(decided) = book.decided.get(id) {
            assert!(
                payment["status"] == decided.as_str()
                    || decided == "authorized"
                    || decided == "funding",
                "the phone was told {decided}: {payment}"
            );
        }
        book.learn(&payment);
    }

    async fn answer_again(&self, place: usize) {
        let kept = self.book.lock().kept[place].clone();
        let told = self
            .wire
            .ask(&kept.call)
            .await
            .expect("a server that lives");
        assert_eq!(
            (told.status, &told.bytes),
            (kept.told.status, &kept.told.bytes),
            "{} {:?} was answered differently",
            kept.call.path,
            kept.call.idempotency_key
        );
    }

    /// Each payment gave back what its refunds say, no more and no less.
    fn refunds(&self) {
        let book = self.book.lock();
        let mut given_back: HashMap<&str, i64> = HashMap::new();
        for (payment, amount) in book.refunds.values() {
            *given_back.entry(payment).or_default() += amount;
        }
        for (id, known) in &book.payments {
            let expected = given_back.get(id.as_str()).copied().unwrap_or(0);
            assert_eq!(known.refunded, expected, "{id}: {known:?}");
        }
    }

    async fn balance(&self, place: usize, payer: &Payer, opening: i64) {
        let me = payer.get("/me").await.expect("a server that lives");
        let book = self.book.lock();
        let of_payer = || book.payments.values().filter(|known| known.payer == place);
        let spent: i64 = of_payer().map(Known::spent).sum();
        let held: i64 = of_payer().map(Known::held).sum();
        let balance = &me["balance"];
        assert_eq!(minor(&balance["held"]), held, "payer {place}: {balance}");
        assert_eq!(
            minor(&balance["available"]),
            opening - spent - held,
            "payer {place}: {balance}"
        );
    }

    /// The shop's list has exactly the payments that were told, and its feed tells each end once.
    async fn nothing_twice(&self, shop: usize) {
        let key = &self.keys[shop];
        let listed = self.pages("/v1/payments", key).await;
        let events = self.pages("/v1/events", key).await;
        let book = self.book.lock();
        let told: HashSet<&str> = book.of_shop[&shop].iter().map(String::as_str).collect();
        let ids: HashSet<&str> = listed
            .iter()
            .filter_map(|payment| payment["id"].as_str())
            .collect();
        assert_eq!(ids.len(), listed.len(), "a payment is listed twice");
        assert_eq!(ids, told, "the list differs from what was told");

        let mut captured: HashMap<&str, u32> = HashMap::new();
        let mut refunded: HashMap<&str, u32> = HashMap::new();
        let mut seen = HashSet::new();
        for event in &events {
            assert!(
                seen.insert(event["id"].as_str().expect("an id")),
                "twice: {event}"
            );
            let of = event["data"]["id"].as_str().expect("an id");
            match event["type"].as_str().expect("a type") {
                "payment.captured" => *captured.entry(of).or_default() += 1,
                "refund.completed" => *refunded.entry(of).or_default() += 1,
                _ => {}
            }
        }
        for id in &book.of_shop[&shop] {
            let known = &book.payments[id];
            let expected = u32::from(known.status == "captured");
            let times = captured.get(id.as_str()).copied().unwrap_or(0);
            assert_eq!(
                times, expected,
                "{id} was told captured {times} times: {known:?}"
            );
        }
        for (id, (payment, _)) in &book.refunds {
            if book.payments[payment].shop == shop {
                assert_eq!(refunded.get(id.as_str()), Some(&1), "refund {id}");
            }
        }
    }

    async fn pages(&self, path: &str, key: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("{path}?limit=100{cursor}"), key).await;
            let data = page["data"].as_array().expect("a list");
            rows.extend(data.iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) if !data.is_empty() => cursor = format!("&cursor={next}"),
                _ => return rows,
            }
        }
    }
}
