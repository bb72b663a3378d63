//! Clients that do not stop for anything: merchants who ask, charge, cancel, capture and refund, and payers who answer.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use hyper::Method;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::{
    book::{Book, Kept, Known, major, minor},
    dice::Dice,
    support::Phone,
    wire::{Call, Over, Told, Wire},
};

/// What every client holds.
#[derive(Clone)]
pub struct Bench {
    pub wire: Wire,
    pub book: Arc<Mutex<Book>>,
    /// Counts answers, so that somebody can end the server after so many.
    pub answers: Arc<watch::Sender<u64>>,
    pub closing: Arc<AtomicBool>,
    pub drawn: Arc<AtomicU64>,
}

/// A merchant's client: one of several with the same key.
pub struct Merchant {
    pub bench: Bench,
    pub shop: usize,
    pub key: String,
    /// Per payer: the number and a mandate.
    pub payers: Vec<(String, String)>,
    /// Per payer: where to tell that a prompt waits, and its code.
    pub ask: Vec<mpsc::UnboundedSender<Asked>>,
    pub dice: Dice,
}

/// A prompt that a payer should find on the phone.
#[derive(Debug)]
pub struct Asked {
    pub payment: String,
    pub code: String,
}

pub struct Payer {
    pub bench: Bench,
    pub phone: Phone,
    pub origin: String,
    pub pin: String,
    pub asked: mpsc::UnboundedReceiver<Asked>,
    pub dice: Dice,
}

impl Bench {
    async fn ask(&self, call: &Call) -> Result<Told, Over> {
        let told = self.wire.ask(call).await?;
        self.answers.send_modify(|count| *count += 1);
        Ok(told)
    }

    fn closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }
}

impl Merchant {
    /// Works until the bench closes; what was begun is finished first.
    pub async fn work(mut self) -> Result<(), Over> {
        while !self.bench.closing() {
            match self.dice.below(100) {
                0..40 => self.charge().await?,
                40..55 => self.charge_and_capture().await?,
                55..75 => self.ask_payer().await?,
                75..90 => self.refund().await?,
                _ => self.say_it_again().await?,
            }
        }
        Ok(())
    }

    /// A request under a key of its own; the answer is kept to be compared with a later one.
    async fn post(&mut self, path: String, body: Value) -> Result<Told, Over> {
        let key = format!("kill-{}", self.bench.drawn.fetch_add(1, Ordering::Relaxed));
        let call = Call::post(path, &self.key, body).with_key(key);
        let told = self.bench.ask(&call).await?;
        self.bench.book.lock().kept.push(Kept {
            call,
            told: told.clone(),
        });
        Ok(told)
    }

    async fn create(&mut self, payer: usize, body: Value) -> Result<(String, Value), Over> {
        let told = self.post("/v1/payments".to_owned(), body).await?;
        let payment = told.json();
        assert_eq!(told.status, 201, "{payment}");
        let id = self.bench.book.lock().note(self.shop, payer, &payment);
        Ok((id, payment))
    }

    fn amount(&mut self) -> i64 {
        i64::try_from(1 + self.dice.below(500)).expect("small")
    }

    fn payer(&mut self) -> usize {
        usize::try_from(self.dice.below(self.payers.len() as u64)).expect("small")
    }

    async fn charge(&mut self) -> Result<(), Over> {
        let payer = self.payer();
        let amount = major(self.amount());
        let mandate = self.payers[payer].1.clone();
        let body = json!({"amount": amount, "mandate": mandate, "description": "Music"});
        let (_, payment) = self.create(payer, body).await?;
        assert_eq!(payment["status"], "captured", "{payment}");
        Ok(())
    }

    async fn charge_and_capture(&mut self) -> Result<(), Over> {
        let payer = self.payer();
        let amount = self.amount();
        let mandate = self.payers[payer].1.clone();
        let body = json!({
            "amount": major(amount), "mandate": mandate, "description": "Taxi", "capture": "manual",
        });
        let (id, payment) = self.create(payer, body).await?;
        assert_eq!(payment["status"], "authorized", "{payment}");
        let (verb, body, becomes) = match self.dice.below(4) {
            0 => return Ok(()),
            1 => ("cancel", json!({}), "cancelled"),
            2 => ("capture", json!({}), "captured"),
            _ => {
                let part = major(1 + amount / 2);
                ("capture", json!({ "amount": part }), "captured")
            }
        };
        let told = self.post(format!("/v1/payments/{id}/{verb}"), body).await?;
        let payment = told.json();
        assert_eq!(
            (told.status, &payment["status"]),
            (200, &json!(becomes)),
            "{payment}"
        );
        self.bench.book.lock().learn(&payment);
        Ok(())
    }

    /// Asks a phone, and now and then thinks better of it while the payer decides.
    async fn ask_payer(&mut self) -> Result<(), Over> {
        let payer = self.payer();
        let amount = major(self.amount());
        let number = self.payers[payer].0.clone();
        let capture = ["automatic", "manual"][usize::from(self.dice.below(3) == 0)];
        let body = json!({
            "amount": amount, "payer": {"phone_number": number}, "description": "Two novels",
            "capture": capture, "expires_in": 900,
        });
        let (id, payment) = self.create(payer, body).await?;
        let code = payment["match_code"].as_str().expect("a code").to_owned();
        // A payer who has gone home does not matter here.
        let asked = Asked {
            payment: id.clone(),
            code,
        };
        drop(self.ask[payer].send(asked));
        if self.dice.below(4) == 0 {
            let told = self
                .post(format!("/v1/payments/{id}/cancel"), json!({}))
                .await?;
            match told.status {
                200 => self.bench.book.lock().learn(&told.json()),
                409 => assert_eq!(told.json()["code"], "wrong_status", "{}", told.json()),
                other => panic!("cancelling was answered {other}: {}", told.json()),
            }
        }
        Ok(())
    }

    fn some_captured(&mut self) -> Option<(String, Known)> {
        let book = self.bench.book.lock();
        let ids = book.of_shop.get(&self.shop)?;
        let id = self.dice.pick(ids)?.clone();
        let known = book.payments[&id].clone();
        (known.status == "captured").then_some((id, known))
    }

    /// Part of a payment, or all that is left of it; several clients may try at the same time.
    async fn refund(&mut self) -> Result<(), Over> {
        let Some((id, known)) = self.some_captured() else {
            return Ok(());
        };
        let left = known.captured - known.refunded;
        let body = match self.dice.below(2) {
            0 => json!({}),
            _ => json!({"amount": major(1 + left / 2)}),
        };
        let told = self
            .post(format!("/v1/payments/{id}/refunds"), body)
            .await?;
        let answer = told.json();
        match told.status {
            201 => {
                let refund = answer["id"].as_str().expect("an id").to_owned();
                let amount = minor(&answer["amount"]);
                let mut book = self.bench.book.lock();
                let before = book.refunds.insert(refund, (id.clone(), amount));
                assert!(
                    before.is_none(),
                    "one refund answers two requests: {answer}"
                );
            }
            // Nothing was left, or less than asked.
            422 | 409 => {}
            other => panic!("a refund was answered {other}: {answer}"),
        }
        Ok(())
    }

    /// An old request once more: the answer is the same to the byte.
    async fn say_it_again(&mut self) -> Result<(), Over> {
        let kept = {
            let book = self.bench.book.lock();
            let Some(kept) = self.dice.pick(&book.kept) else {
                return Ok(());
            };
            kept.clone()
        };
        let told = self.bench.ask(&kept.call).await?;
        assert_eq!(
            (told.status, &told.bytes),
            (kept.told.status, &kept.told.bytes),
            "{kept:?}"
        );
        Ok(())
    }
}

impl Payer {
    pub async fn work(mut self) -> Result<Self, Over> {
        while let Some(asked) = self.asked.recv().await {
            self.answer(&asked).await?;
        }
        Ok(self)
    }

    pub async fn get(&self, path: &str) -> Result<Value, Over> {
        let call = Call::get(format!("/phone/api{path}"), &self.phone.token);
        let told = self.bench.ask(&call).await?;
        assert_eq!(told.status, 200, "{path}: {}", told.json());
        Ok(told.json())
    }

    async fn answer(&mut self, asked: &Asked) -> Result<(), Over> {
        let prompts = self.get("/prompts").await?;
        let prompts = prompts["prompts"].as_array().expect("a list");
        let Some(prompt) = prompts
            .iter()
            .find(|prompt| prompt["id"] == asked.payment.as_str())
        else {
            // The merchant was quicker and took it back.
            return Ok(());
        };
        let (path, body) = match self.dice.below(8) {
            0 => ("refuse", json!({"report": false})),
            1 => {
                let codes = prompt["codes"].as_array().expect("three codes");
                let wrong = codes.iter().find(|code| **code != asked.code.as_str());
                (
                    "approve",
                    self.approval(prompt, wrong.and_then(Value::as_str).expect("a code")),
                )
            }
            _ => ("approve", self.approval(prompt, &asked.code)),
        };
        let path = format!("/phone/api/prompts/{}/{path}", asked.payment);
        let call = Call {
            method: Method::POST,
            path,
            token: self.phone.token.clone(),
            idempotency_key: None,
            body: Some(body),
        };
        let told = self.bench.ask(&call).await?;
        let answer = told.json();
        match told.status {
            200 => {
                let status = answer["status"].as_str().expect("a status").to_owned();
                let mut book = self.bench.book.lock();
                book.decided.insert(asked.payment.clone(), status);
            }
            // A wrong code, a merchant that was quicker, or a first try that had been heard after all.
            409 => {}
            other => panic!("an answer was answered {other}: {answer}"),
        }
        Ok(())
    }

    fn approval(&self, prompt: &Value, code: &str) -> Value {
        let document = json!({
            "type": "paytone.approval",
            "version": 1,
            "action": "approve_payment",
            "id": prompt["id"],
            "merchant": prompt["merchant"]["id"],
            "merchant_name": prompt["merchant"]["name"],
            "amount": prompt["amount"],
            "currency": prompt["currency"],
            "purpose": prompt["purpose"],
            "for": prompt["for"],
            "asker_name": prompt["asker_name"],
            "mandate": prompt["mandate"],
            "payer": prompt["payer"],
            "device": self.phone.device,
            "deadline": prompt["deadline"],
            "origin": self.origin,
            "match_code": code,
        })
        .to_string();
        let signature = self.phone.sign(&format!("paytone.approval.v1\n{document}"));
        json!({"document": document, "signature": signature, "pin": self.pin})
    }
}
