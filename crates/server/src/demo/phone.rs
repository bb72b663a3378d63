//! A phone without a screen: a key, an enrolment, and approvals signed as the phone page signs them.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::{DemoError, http::Http};

/// An enrolled phone with an open session.
pub struct Phone {
    http: Http,
    origin: String,
    key: EcdsaKeyPair,
    device: String,
    token: String,
    pin: &'static str,
}

impl Phone {
    /// Enrols the first device of `number`; the code is read off the page.
    pub async fn enrol(
        http: &Http,
        origin: &str,
        number: &str,
        pin: &'static str,
    ) -> Result<Self, DemoError> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|error| DemoError::World(error.to_string()))?;
        let asked = ok(http
            .post("/phone/api/enrolments", json!({"phone_number": number}))
            .send()
            .await?)?;
        let enrolment = format!("/phone/api/enrolments/{}", text(&asked, "enrolment")?);
        let shown = ok(http.get(format!("{enrolment}/screen-code")).send().await?)?;
        let code = json!({"code": text(&shown, "code")?});
        ok(http.post(format!("{enrolment}/code"), code).send().await?)?;
        let device = json!({
            "public_key": BASE64URL_NOPAD.encode(key.public_key().as_ref()),
            "pin": pin,
            "label": "Demo",
            "recovery": false,
        });
        let made = ok(http
            .post(format!("{enrolment}/device"), device)
            .send()
            .await?)?;
        let device = text(&made, "device")?.to_owned();
        let mut phone = Self {
            http: http.clone(),
            origin: origin.to_owned(),
            key,
            device,
            token: String::new(),
            pin,
        };
        phone.sign_in().await?;
        Ok(phone)
    }

    async fn sign_in(&mut self) -> Result<(), DemoError> {
        let asked = ok(self
            .http
            .post("/phone/api/challenges", json!({"device": self.device}))
            .send()
            .await?)?;
        let challenge = text(&asked, "challenge")?;
        let signed = format!("paytone.session.v1\n{challenge}\n{}", self.origin);
        let session = json!({
            "device": self.device,
            "challenge": challenge,
            "signature": self.sign(&signed)?,
        });
        let session = ok(self
            .http
            .post("/phone/api/sessions", session)
            .send()
            .await?)?;
        self.token = text(&session, "token")?.to_owned();
        Ok(())
    }

    fn sign(&self, words: &str) -> Result<String, DemoError> {
        let signature = self
            .key
            .sign(&SystemRandom::new(), words.as_bytes())
            .map_err(|error| DemoError::World(error.to_string()))?;
        Ok(BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    /// Approves the prompt of a payment or mandate with the code that the merchant shows.
    pub async fn approve(&self, id: &str, code: &str) -> Result<(), DemoError> {
        let prompt = self.prompt(id).await?;
        let action = match text(&prompt, "kind")? {
            "mandate" => "approve_mandate",
            _ => "approve_payment",
        };
        let document = json!({
            "type": "paytone.approval",
            "version": 1,
            "action": action,
            "id": id,
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
            "origin": self.origin,
            "match_code": code,
        })
        .to_string();
        let signature = self.sign(&format!("paytone.approval.v1\n{document}"))?;
        let approval = json!({"document": document, "signature": signature, "pin": self.pin});
        ok(self
            .http
            .post(format!("/phone/api/prompts/{id}/approve"), approval)
            .token(&self.token)
            .send()
            .await?)?;
        Ok(())
    }

    pub async fn refuse(&self, id: &str) -> Result<(), DemoError> {
        ok(self
            .http
            .post(
                format!("/phone/api/prompts/{id}/refuse"),
                json!({"report": false}),
            )
            .token(&self.token)
            .send()
            .await?)?;
        Ok(())
    }

    async fn prompt(&self, id: &str) -> Result<Value, DemoError> {
        let answer = ok(self
            .http
            .get("/phone/api/prompts")
            .token(&self.token)
            .send()
            .await?)?;
        let prompts = answer["prompts"].as_array().cloned().unwrap_or_default();
        prompts
            .into_iter()
            .find(|prompt| prompt["id"] == id)
            .ok_or_else(|| DemoError::World(format!("{id} did not reach its phone")))
    }
}

/// The body of a success.
pub fn ok(reply: super::http::Reply) -> Result<Value, DemoError> {
    if reply.status.is_success() {
        Ok(reply.body)
    } else {
        Err(DemoError::World(format!(
            "answered {}: {}",
            reply.status, reply.body
        )))
    }
}

/// A text that has to be there.
pub fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str, DemoError> {
    body[name]
        .as_str()
        .ok_or_else(|| DemoError::World(format!("no {name} in {body}")))
}
