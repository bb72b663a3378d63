//! A phone made of software: what the page does, without a page.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use data_encoding::BASE64URL_NOPAD;
use http_body_util::BodyExt;
use hyper::{Method, Response, body::Incoming};
use paytone::edge::ids::Public;
use serde_json::{Value, json};

use super::{Answer, PATIENCE, TestNode};

/// An enrolled device and its session.
pub struct Phone {
    key: EcdsaKeyPair,
    /// `dev_…`
    pub device: String,
    pub token: String,
    /// As enrolling answered: `active`, `awaiting_approval` or `recovering`.
    pub status: String,
}

fn new_key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key")
}

fn sign(key: &EcdsaKeyPair, message: &str) -> String {
    let signature = key.sign(&SystemRandom::new(), message.as_bytes());
    BASE64URL_NOPAD.encode(signature.expect("a signature").as_ref())
}

/// A code that is not `right`.
pub fn other_code(right: &str) -> String {
    let right: u32 = right.parse().expect("six digits");
    format!("{:06}", (right + 1) % 1_000_000)
}

impl Phone {
    /// The number's first device, or a further one that waits for approval, signed in.
    pub async fn enrol(test: &TestNode, number: &str, pin: &str) -> Self {
        let enrolment = Self::prove(test, number).await;
        let enrolled = Self::complete(test, &enrolment, pin, false).await;
        enrolled.unwrap_or_else(|answer| panic!("not enrolled: {}", answer.body))
    }

    /// A further device that recovers the number, signed in.
    pub async fn recover(test: &TestNode, number: &str, pin: &str) -> Self {
        let enrolment = Self::prove(test, number).await;
        let enrolled = Self::complete(test, &enrolment, pin, true).await;
        enrolled.unwrap_or_else(|answer| panic!("not recovering: {}", answer.body))
    }

    /// An enrolment of `number`, its code still to be typed.
    pub async fn begin(test: &TestNode, number: &str) -> String {
        let body = json!({"phone_number": number});
        let asked = test.post("/phone/api/enrolments", None, &body).await;
        let asked = asked.expect(202);
        asked.body["enrolment"].as_str().expect("an id").to_owned()
    }

    pub async fn screen_code(test: &TestNode, enrolment: &str) -> String {
        let path = format!("/phone/api/enrolments/{enrolment}/screen-code");
        let shown = test.get(&path, None).await.expect(200);
        shown.body["code"].as_str().expect("a code").to_owned()
    }

    pub async fn try_code(test: &TestNode, enrolment: &str, code: &str) -> Answer {
        let path = format!("/phone/api/enrolments/{enrolment}/code");
        test.post(&path, None, &json!({"code": code})).await
    }

    /// An enrolment whose code was right.
    pub async fn prove(test: &TestNode, number: &str) -> String {
        let enrolment = Self::begin(test, number).await;
        let code = Self::screen_code(test, &enrolment).await;
        Self::try_code(test, &enrolment, &code).await.expect(200);
        enrolment
    }

    /// Registers a new key under an enrolment; what was refused is given back as it was answered.
    pub async fn complete(
        test: &TestNode,
        enrolment: &str,
        pin: &str,
        recovery: bool,
    ) -> Result<Self, Answer> {
        let key = new_key();
        let body = json!({
            "public_key": BASE64URL_NOPAD.encode(key.public_key().as_ref()),
            "pin": pin,
            "label": "Test phone",
            "recovery": recovery,
        });
        let path = format!("/phone/api/enrolments/{enrolment}/device");
        let answer = test.post(&path, None, &body).await;
        if answer.status != 201 {
            return Err(answer);
        }
        let text = |name: &str| answer.body[name].as_str().expect(name).to_owned();
        let mut phone = Self {
            key,
            device: text("device"),
            token: String::new(),
            status: text("status"),
        };
        phone.sign_in(test).await.expect(200);
        Ok(phone)
    }

    /// Opens a session and keeps its token.
    pub async fn sign_in(&mut self, test: &TestNode) -> Answer {
        let body = json!({"device": self.device});
        let asked = test.post("/phone/api/challenges", None, &body).await;
        if asked.status != 200 {
            return asked;
        }
        let challenge = asked.body["challenge"].as_str().expect("a challenge");
        let signed = format!("paytone.session.v1\n{challenge}\n{}", test.origin);
        let answer = self.open_session(test, challenge, &signed).await;
        if let Some(token) = answer.body["token"].as_str() {
            self.token = token.to_owned();
        }
        answer
    }

    /// Answers a challenge with a signature over `signed`.
    pub async fn open_session(&self, test: &TestNode, challenge: &str, signed: &str) -> Answer {
        let body = json!({
            "device": self.device,
            "challenge": challenge,
            "signature": self.sign(signed),
        });
        test.post("/phone/api/sessions", None, &body).await
    }

    pub fn sign(&self, message: &str) -> String {
        sign(&self.key, message)
    }

    pub async fn get(&self, test: &TestNode, path: &str) -> Answer {
        let path = format!("/phone/api{path}");
        test.get(&path, Some(&self.token)).await
    }

    pub async fn post(&self, test: &TestNode, path: &str, body: &Value) -> Answer {
        self.send(test, Method::POST, path, Some(body)).await
    }

    pub async fn send(
        &self,
        test: &TestNode,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        let path = format!("/phone/api{path}");
        test.send(method, &path, Some(&self.token), &[], body).await
    }

    pub async fn me(&self, test: &TestNode) -> Value {
        self.get(test, "/me").await.expect(200).body
    }

    /// All that wait for an answer.
    pub async fn prompts(&self, test: &TestNode) -> Vec<Value> {
        let answer = self.get(test, "/prompts").await.expect(200);
        answer.body["prompts"].as_array().expect("a list").clone()
    }

    /// The prompt of a payment or mandate, which must be waiting.
    pub async fn prompt(&self, test: &TestNode, id: impl Public) -> Value {
        let id = id.show(&test.node.ids);
        let prompts = self.prompts(test).await;
        let found = prompts.iter().find(|prompt| prompt["id"] == id.as_str());
        found
            .unwrap_or_else(|| panic!("{id} does not wait: {prompts:?}"))
            .clone()
    }

    /// The document of what a prompt shows, as the page makes it.
    pub fn document(&self, test: &TestNode, prompt: &Value, code: Option<&str>) -> Value {
        json!({
            "type": "paytone.approval",
            "version": 1,
            "action": format!("approve_{}", prompt["kind"].as_str().expect("a kind")),
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
            "device": self.device,
            "deadline": prompt["deadline"],
            "origin": test.origin,
            "match_code": code,
        })
    }

    /// Approves what is shown with a code and a PIN.
    pub async fn approve(&self, test: &TestNode, prompt: &Value, code: &str, pin: &str) -> Answer {
        let document = self.document(test, prompt, Some(code)).to_string();
        self.send_approval(test, prompt, &document, pin).await
    }

    /// Lets another device in.
    pub async fn approve_device(&self, test: &TestNode, prompt: &Value, pin: &str) -> Answer {
        let document = self.document(test, prompt, None).to_string();
        self.send_approval(test, prompt, &document, pin).await
    }

    /// Signs and sends any document.
    pub async fn send_approval(
        &self,
        test: &TestNode,
        prompt: &Value,
        document: &str,
        pin: &str,
    ) -> Answer {
        let signature = self.sign(&format!("paytone.approval.v1\n{document}"));
        self.send_signed(test, prompt, document, &signature, pin)
            .await
    }

    pub async fn send_signed(
        &self,
        test: &TestNode,
        prompt: &Value,
        document: &str,
        signature: &str,
        pin: &str,
    ) -> Answer {
        let id = prompt["id"].as_str().expect("an id");
        let body = json!({"document": document, "signature": signature, "pin": pin});
        let path = if prompt["kind"] == "device" {
            format!("/devices/{id}/approve")
        } else {
            format!("/prompts/{id}/approve")
        };
        self.post(test, &path, &body).await
    }

    pub async fn refuse(&self, test: &TestNode, prompt: &Value, report: bool) -> Answer {
        let id = prompt["id"].as_str().expect("an id");
        let path = format!("/prompts/{id}/refuse");
        self.post(test, &path, &json!({"report": report})).await
    }

    pub async fn stop_device(&self, test: &TestNode, device: &str) -> Answer {
        self.post(test, &format!("/devices/{device}/stop"), &json!({}))
            .await
    }

    /// Listens; returns once the stream is open.
    pub async fn events(&self, test: &TestNode) -> Events {
        let response = self.open_events(test).await;
        assert_eq!(response.status(), 200);
        Events::of(response)
    }

    pub async fn open_events(&self, test: &TestNode) -> Response<Incoming> {
        let path = "/phone/api/events";
        test.open(Method::GET, path, Some(&self.token), &[], Vec::new())
            .await
    }
}

/// An open event stream.
pub struct Events {
    body: Incoming,
    text: String,
    /// Of the last event that had one.
    pub last_id: String,
}

impl Events {
    pub fn of(response: Response<Incoming>) -> Self {
        Self {
            body: response.into_body(),
            text: String::new(),
            last_id: String::new(),
        }
    }

    /// The next event's kind and data; `None` when the stream has ended.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (mut kind, mut data) = (String::new(), String::new());
                for line in block.lines() {
                    if let Some(value) = line.strip_prefix("event:") {
                        value.trim().clone_into(&mut kind);
                    } else if let Some(value) = line.strip_prefix("id:") {
                        value.trim().clone_into(&mut self.last_id);
                    } else if let Some(value) = line.strip_prefix("data:") {
                        data.push_str(value.trim_start());
                    }
                }
                self.text = rest.to_owned();
                if !data.is_empty() {
                    return Some((kind, serde_json::from_str(&data).expect("JSON")));
                }
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame())
                .await
                .expect("an event comes in time")?;
            let data = frame.ok()?.into_data().expect("only data");
            self.text
                .push_str(std::str::from_utf8(&data).expect("events are text"));
        }
    }

    /// The data of the next event of this kind; others are passed over.
    pub async fn next_of(&mut self, wanted: &str) -> Value {
        loop {
            match self.next().await {
                Some((kind, data)) if kind == wanted => return data,
                Some(_) => {}
                None => panic!("the stream ended before a {wanted}"),
            }
        }
    }
}
