//! The shop's orders: in memory, and a line in a file for each change.
//!
//! **Invariant:** an order that was paid stays paid, whichever tells it first: the webhook or the answer to a question.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    path::Path,
    sync::Arc,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::node::random;

/// Orders kept in memory; a demo never has more.
const MOST: usize = 100_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub id: String,
    /// Of the catalogue.
    pub item: String,
    pub payment: String,
    pub paid: bool,
}

/// All orders. Clones share them.
#[derive(Clone)]
pub struct Orders {
    book: Arc<Mutex<Book>>,
    changes: watch::Sender<u64>,
}

struct Book {
    by_id: HashMap<String, Order>,
    by_payment: HashMap<String, String>,
    file: File,
}

impl Orders {
    /// Reads what `path` holds; a last line cut short by a crash is left out.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        let mut book = Book {
            by_id: HashMap::new(),
            by_payment: HashMap::new(),
            file: file.try_clone()?,
        };
        for line in BufReader::new(file).lines() {
            if let Ok(order) = serde_json::from_str::<Order>(&line?) {
                book.keep(order);
            }
        }
        Ok(Self {
            book: Arc::new(Mutex::new(book)),
            changes: watch::Sender::new(0),
        })
    }

    /// A name that nobody guesses: whoever knows it may look at the order.
    pub fn new_id() -> String {
        format!("ord_{}", data_encoding::HEXLOWER.encode(&random()))
    }

    pub fn get(&self, id: &str) -> Option<Order> {
        self.book.lock().by_id.get(id).cloned()
    }

    /// Counts up with each change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub fn add(&self, order: Order) -> io::Result<()> {
        let mut book = self.book.lock();
        if book.by_id.len() >= MOST {
            return Err(io::Error::other("the shop has no room for more orders"));
        }
        book.write(&order)?;
        book.keep(order);
        self.changes.send_modify(|changes| *changes += 1);
        Ok(())
    }

    /// Notes that a payment is paid. `false`: it was known, or is no order's.
    pub fn paid(&self, payment: &str) -> io::Result<bool> {
        let mut book = self.book.lock();
        let order = book
            .by_payment
            .get(payment)
            .and_then(|id| book.by_id.get(id))
            .filter(|order| !order.paid);
        let Some(order) = order else { return Ok(false) };
        let order = Order {
            paid: true,
            ..order.clone()
        };
        book.write(&order)?;
        book.keep(order);
        self.changes.send_modify(|changes| *changes += 1);
        Ok(true)
    }
}

impl Book {
    fn keep(&mut self, order: Order) {
        self.by_payment
            .insert(order.payment.clone(), order.id.clone());
        self.by_id.insert(order.id.clone(), order);
    }

    /// One write per line, so that a crash leaves whole lines but for the last.
    fn write(&mut self, order: &Order) -> io::Result<()> {
        let mut line = serde_json::to_vec(order).map_err(io::Error::other)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paid_order_stays_paid_and_is_there_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("orders.jsonl");
        let order = Order {
            id: Orders::new_id(),
            item: "tea-year".to_owned(),
            payment: "pay_1".to_owned(),
            paid: false,
        };
        let orders = Orders::open(&path).expect("orders");
        orders.add(order.clone()).expect("an order");
        assert!(orders.paid("pay_1").expect("written"));
        assert!(!orders.paid("pay_1").expect("known"), "told twice");
        assert!(!orders.paid("pay_2").expect("known"), "not the shop's");
        drop(orders);
        let file = OpenOptions::new().append(true).open(&path);
        file.expect("the file")
            .write_all(b"{\"id\":\"ord_cut")
            .expect("a cut line");
        let orders = Orders::open(&path).expect("orders");
        let paid = Order {
            paid: true,
            ..order
        };
        assert_eq!(orders.get(&paid.id), Some(paid));
    }
}
