//! Approving and refusing what was asked.
//!
//! The phone signs a document of exactly what it showed. Here its signature is verified and each of its fields compared
//! with the prompt as the state makes it; what that means, and whether the PIN and the code are right, is decided by the
//! domain. **Invariant:** the bytes that were signed are the bytes that are kept.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use paytone_domain::{
    Actor, Answer, Command,
    approval::{Evidence, SignatureCheck},
    ids::{MandateId, PaymentId, Signature},
    mandate::{MandateApproval, MandateCommand},
    payment::{PaymentApproval, PaymentCommand},
    subscriber::{DeviceCommand, PromptRef},
};
use serde::Deserialize;

use super::{
    device::{self, status_name},
    pin::TypedPin,
    prompt::{self, Asked, Prompt, TermsShown},
    session::{ActiveDevice, SignedIn, is_signed, read_signature},
};
use crate::{
    config::Config,
    edge::{
        ids::Public,
        json::{self, Body},
        problem::Problem,
        text::{self, Place},
    },
    node::Node,
};

/// Far more than any prompt needs.
const LONGEST_DOCUMENT: usize = 4_096;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    document: String,
    signature: String,
    pin: TypedPin,
}

/// What the device signed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "type")]
    kind: String,
    version: u32,
    action: String,
    id: String,
    merchant: Option<String>,
    merchant_name: Option<String>,
    amount: Option<String>,
    currency: Option<String>,
    purpose: Option<String>,
    #[serde(rename = "for")]
    whose: Option<String>,
    asker_name: Option<String>,
    mandate: Option<TermsShown>,
    payer: String,
    device: String,
    deadline: Option<String>,
    origin: String,
    match_code: Option<String>,
}

impl Document {
    /// Whether it says what `prompt` asks, on this device at this node's origin. The match code is the domain's to judge.
    fn says(&self, prompt: &Prompt, device: &str, config: &Config) -> bool {
        let action = match prompt.kind {
            "payment" => "approve_payment",
            "mandate" => "approve_mandate",
            _ => "approve_device",
        };
        let merchant = prompt.merchant.as_ref();
        self.kind == "paytone.approval"
            && self.version == 1
            && self.action == action
            && self.id == prompt.id
            && self.merchant.as_ref() == merchant.map(|merchant| &merchant.id)
            && self.merchant_name.as_ref() == merchant.map(|merchant| &merchant.name)
            && self.amount == prompt.amount
            && self.currency == prompt.currency
            && self.purpose == prompt.purpose
            && self.whose.as_deref() == prompt.whose
            && self.asker_name == prompt.asker_name
            && self.mandate == prompt.mandate
            && self.payer == prompt.payer
            && self.device == device
            && self.deadline == prompt.deadline
            && config.origins().any(|origin| self.origin == origin)
            && self.match_code.is_some() != prompt.codes.is_empty()
    }

    /// Two digits.
    fn code(&self) -> Option<u8> {
        let code = self.match_code.as_deref()?;
        (code.len() == 2 && code.bytes().all(|digit| digit.is_ascii_digit()))
            .then(|| code.parse().ok())
            .flatten()
    }
}

/// `POST /phone/api/prompts/{id}/approve`
pub async fn approve(
    State(node): State<Arc<Node>>,
    ActiveDevice(device): ActiveDevice,
    Path(id): Path<String>,
    body: Body<Approve>,
) -> Result<Response, Problem> {
    let prompt = prompt::read_ref(&node.ids, &id).ok_or_else(Problem::not_found)?;
    approve_prompt(&node, device, prompt, body.value).await
}

/// `POST /phone/api/devices/{id}/approve`
pub async fn approve_device(
    State(node): State<Arc<Node>>,
    ActiveDevice(device): ActiveDevice,
    Path(id): Path<String>,
    body: Body<Approve>,
) -> Result<Response, Problem> {
    match prompt::read_ref(&node.ids, &id) {
        Some(prompt @ PromptRef::Device(_)) => {
            approve_prompt(&node, device, prompt, body.value).await
        }
        Some(PromptRef::Payment(_) | PromptRef::Mandate(_)) | None => Err(Problem::not_found()),
    }
}

async fn approve_prompt(
    node: &Node,
    by: SignedIn,
    prompt: PromptRef,
    approve: Approve,
) -> Result<Response, Problem> {
    let payer = by.payer();
    let pin = approve.pin.value(&node.keyring, payer.id)?;
    let (document, signature) = read_signed(&approve)?;
    let asked = node
        .look(move |known, _| Asked::of(known, payer.id, prompt))
        .await?
        .answer
        .ok_or_else(Problem::not_found)?;
    let shown = prompt::show(node, &asked, payer).await?;
    let signed = format!("paytone.approval.v1\n{}", approve.document);
    let says = document.says(&shown, &by.device.show(&node.ids), &node.config);
    let check = if !is_signed(&by.card.key, &signed, &signature) {
        SignatureCheck::BadSignature
    } else if says && (document.code().is_some() || shown.codes.is_empty()) {
        SignatureCheck::Valid
    } else {
        SignatureCheck::FactsDiffer
    };
    let key = node.subjects.get(payer.subject).await?;
    let evidence = Evidence {
        document: text::seal(&key, payer.subject, Place::Evidence, &approve.document),
        signature,
    };
    let code = document.code().unwrap_or_default();
    let device = by.device;
    match prompt {
        PromptRef::Payment(id) => {
            let approval = PaymentApproval {
                device,
                id,
                pin,
                code,
                check,
                evidence,
            };
            payment(node, by, PaymentCommand::Approve(Box::new(approval))).await
        }
        PromptRef::Mandate(id) => {
            let approval = MandateApproval {
                device,
                id,
                pin,
                code,
                check,
                evidence,
            };
            mandate(node, by, MandateCommand::Approve(Box::new(approval))).await
        }
        PromptRef::Device(target) => {
            let command = DeviceCommand::Approve {
                by: device,
                target,
                pin,
                check,
                evidence,
            };
            let answered = device::submit(node, device, command).await?;
            Ok(super::status_answer(
                node,
                status_name(answered.answer),
                answered.position,
            ))
        }
    }
}

fn read_signed(approve: &Approve) -> Result<(Document, Signature), Problem> {
    if approve.document.len() > LONGEST_DOCUMENT {
        return Err(
            Problem::unprocessable("invalid_document", "document is too long").field("document"),
        );
    }
    let document = json::read(approve.document.as_bytes()).map_err(|problem| {
        Problem::unprocessable(
            "invalid_document",
            format!("document is not an approval: {}", problem.detail),
        )
        .field("document")
    })?;
    let signature = read_signature(&approve.signature).ok_or_else(|| {
        Problem::unprocessable(
            "invalid_signature",
            "signature must be the base64url of 64 bytes, r and s",
        )
        .field("signature")
    })?;
    Ok((document, signature))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refuse {
    /// Also blocks the merchant and counts against it.
    report: bool,
}

/// `POST /phone/api/prompts/{id}/refuse`
pub async fn refuse(
    State(node): State<Arc<Node>>,
    ActiveDevice(by): ActiveDevice,
    Path(id): Path<String>,
    body: Body<Refuse>,
) -> Result<Response, Problem> {
    let device = by.device;
    let report = body.value.report;
    if let Some(id) = PaymentId::read(&node.ids, &id) {
        let command = PaymentCommand::Refuse { device, id, report };
        return payment(&node, by, command).await;
    }
    if let Some(id) = MandateId::read(&node.ids, &id) {
        let command = MandateCommand::Refuse { device, id, report };
        return mandate(&node, by, command).await;
    }
    match prompt::read_ref(&node.ids, &id) {
        Some(PromptRef::Device(target)) => {
            let answered = device::stop_device(&node, device, target).await?;
            Ok(super::status_answer(
                &node,
                status_name(answered.answer),
                answered.position,
            ))
        }
        Some(PromptRef::Payment(_) | PromptRef::Mandate(_)) | None => Err(Problem::not_found()),
    }
}

async fn payment(node: &Node, by: SignedIn, command: PaymentCommand) -> Result<Response, Problem> {
    let answered = node
        .submit(Actor::Device(by.device), Command::Payment(command))
        .await?;
    match answered.answer {
        Answer::PaymentOnPhone(answer) => Ok(super::status_answer(
            node,
            answer?.name(),
            answered.position,
        )),
        _ => Err(Problem::internal(
            "an approval was answered as something else",
        )),
    }
}

pub async fn mandate(
    node: &Node,
    by: SignedIn,
    command: MandateCommand,
) -> Result<Response, Problem> {
    let answered = node
        .submit(Actor::Device(by.device), Command::Mandate(command))
        .await?;
    match answered.answer {
        Answer::MandateOnPhone(answer) => Ok(super::status_answer(
            node,
            answer?.name(),
            answered.position,
        )),
        _ => Err(Problem::internal(
            "a mandate was answered as something else",
        )),
    }
}
