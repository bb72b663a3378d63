//! Prompts: what waits on a payer's phone for an answer.
//!
//! ```text
//!   state ──▶ Asked (sealed texts) ──▶ Prompt (opened) ──▶ shown, and what an approval is compared with
//! ```
//! **Invariant:** a prompt is made of the state alone, so what a payer is shown and what a signature must cover are one
//! and the same. What was vetoed before it reached the payer is nobody's prompt.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use paytone_domain::{
    State as DomainState,
    ids::{DeviceId, MandateId, MerchantId, PaymentId, Sealed, SubscriberId},
    mandate::Terms,
    money::Amount,
    payment::Whose,
    subscriber::{DeviceStatus, PromptRef},
    time::{Moment, Timestamp},
};
use paytone_journal::{
    PublicIds,
    subject_keys::{SubjectKey, SubjectKeyError},
};
use serde::{Deserialize, Serialize};

use super::session::ActiveDevice;
use crate::{
    archive::{Known, known::Copies},
    edge::{
        amount, category,
        directory::MerchantCard,
        ids::Public,
        json,
        position::stamp,
        problem::Problem,
        text::{self, PaymentText, Place},
        time,
    },
    node::Node,
};

/// What the state says of a prompt, its texts still sealed.
#[derive(Clone, Debug)]
pub enum Asked {
    Payment {
        id: PaymentId,
        merchant: MerchantId,
        amount: Amount,
        whose: Whose,
        text: Sealed,
        /// None at a till: the phone itself was there.
        codes: Option<[u8; 3]>,
        created_at: Timestamp,
        deadline: Timestamp,
    },
    Mandate {
        id: MandateId,
        merchant: MerchantId,
        terms: Terms,
        text: Sealed,
        codes: [u8; 3],
        created_at: Timestamp,
        deadline: Timestamp,
    },
    Device {
        id: DeviceId,
        label: Sealed,
        recovering: bool,
        created_at: Timestamp,
        /// When a recovery is over, or a phone that waits to be let in no longer does.
        deadline: Option<Timestamp>,
    },
}

impl Asked {
    /// What `payer` was asked, open or over; `None` if this payer never was.
    pub fn of(known: &Known<'_>, payer: SubscriberId, prompt: PromptRef) -> Option<Self> {
        let state = known.state;
        match prompt {
            PromptRef::Payment(id) => {
                let payment = known.payment(id)?;
                let unseen = payment.veto.is_some() || payment.decline.is_some();
                if payment.payer != Some(payer) || unseen || !payment.asks_on_phone() {
                    return None;
                }
                Some(Self::Payment {
                    id,
                    merchant: payment.merchant,
                    amount: payment.amount,
                    whose: payment.whose,
                    text: payment.text.clone(),
                    codes: payment.codes.map(|codes| codes.choices()),
                    created_at: payment.created_at,
                    deadline: payment.deadline,
                })
            }
            PromptRef::Mandate(id) => {
                let mandate = state.mandates.get(&id)?;
                if mandate.payer != Some(payer) || mandate.veto.is_some() {
                    return None;
                }
                Some(Self::Mandate {
                    id,
                    merchant: mandate.merchant,
                    terms: mandate.terms,
                    text: mandate.text.clone(),
                    codes: mandate.codes.choices(),
                    created_at: mandate.created_at,
                    deadline: mandate.deadline,
                })
            }
            PromptRef::Device(id) => {
                let device = state.devices.get(&id)?;
                if device.subscriber != payer {
                    return None;
                }
                let recovering = device.status == DeviceStatus::Recovering;
                Some(Self::Device {
                    id,
                    label: device.label.clone(),
                    recovering,
                    created_at: device.created_at,
                    deadline: device
                        .active_from
                        .filter(|_| recovering)
                        .or(device.expires_at),
                })
            }
        }
    }

    /// All that wait for `payer` now, oldest first.
    pub fn open(state: &DomainState, moment: &Moment, payer: SubscriberId) -> Vec<Self> {
        let Some(payer) = state.subscribers.get(payer) else {
            return Vec::new();
        };
        // What waits is in memory.
        let copies = Copies::default();
        let known = Known::new(state, &copies);
        let prompts = payer.prompts.iter();
        let asked = prompts.filter_map(|prompt| Self::of(&known, payer.id, *prompt));
        asked.filter(|asked| asked.is_open(moment)).collect()
    }

    /// Whether its deadline is still to come.
    pub fn is_open(&self, moment: &Moment) -> bool {
        self.deadline().is_none_or(|deadline| moment.now < deadline)
    }

    fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Payment { deadline, .. } | Self::Mandate { deadline, .. } => Some(*deadline),
            Self::Device { deadline, .. } => *deadline,
        }
    }
}

/// `pay_…`, `man_…` or `dev_…`.
pub fn read_ref(ids: &PublicIds, text: &str) -> Option<PromptRef> {
    PaymentId::read(ids, text)
        .map(PromptRef::Payment)
        .or_else(|| MandateId::read(ids, text).map(PromptRef::Mandate))
        .or_else(|| DeviceId::read(ids, text).map(PromptRef::Device))
}

pub fn show_ref(ids: &PublicIds, prompt: PromptRef) -> String {
    match prompt {
        PromptRef::Payment(id) => id.show(ids),
        PromptRef::Mandate(id) => id.show(ids),
        PromptRef::Device(id) => id.show(ids),
    }
}

pub fn whose_name(whose: Whose) -> &'static str {
    match whose {
        Whose::Own => "self",
        Whose::Other => "other",
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct PromptMerchant {
    pub id: String,
    pub name: String,
    pub category: &'static str,
}

/// What a mandate allows; also a part of the signed document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermsShown {
    pub max_per_payment: String,
    pub max_per_month: String,
    pub ends_on: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct PromptDevice {
    pub id: String,
    pub label: String,
    pub recovering: bool,
}

/// As the phone shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Prompt {
    pub id: String,
    pub kind: &'static str,
    pub merchant: Option<PromptMerchant>,
    pub amount: Option<String>,
    pub currency: Option<String>,
    pub purpose: Option<String>,
    #[serde(rename = "for")]
    pub whose: Option<&'static str>,
    pub asker_name: Option<String>,
    pub codes: Vec<String>,
    pub deadline: Option<String>,
    pub created_at: String,
    pub mandate: Option<TermsShown>,
    pub device: Option<PromptDevice>,
    pub payer: String,
}

/// Whom a prompt is shown to.
#[derive(Clone, Copy, Debug)]
pub struct Payer {
    pub id: SubscriberId,
    pub subject: u64,
}

pub async fn show(node: &Node, asked: &Asked, payer: Payer) -> Result<Prompt, Problem> {
    let currency = node.currency();
    match asked {
        Asked::Payment {
            id,
            merchant,
            amount,
            whose,
            text,
            codes,
            created_at,
            deadline,
        } => {
            let card = merchant_card(node, *merchant).await?;
            let text = to_be_signed(&card, Place::Payment, text)?;
            Ok(Prompt {
                id: id.show(&node.ids),
                kind: "payment",
                amount: Some(amount::show(*amount, currency)),
                whose: Some(whose_name(*whose)),
                asker_name: text.asker_name,
                ..by_merchant(
                    node,
                    payer,
                    &card,
                    text.description,
                    codes.as_ref().map_or(&[], |codes| &codes[..]),
                    *created_at,
                    *deadline,
                )
            })
        }
        Asked::Mandate {
            id,
            merchant,
            terms,
            text,
            codes,
            created_at,
            deadline,
        } => {
            let card = merchant_card(node, *merchant).await?;
            let text = to_be_signed(&card, Place::Mandate, text)?;
            Ok(Prompt {
                id: id.show(&node.ids),
                kind: "mandate",
                mandate: Some(TermsShown {
                    max_per_payment: amount::show(terms.payment_limit, currency),
                    max_per_month: amount::show(terms.monthly_limit, currency),
                    ends_on: terms.ends_on.civil().to_string(),
                }),
                ..by_merchant(
                    node,
                    payer,
                    &card,
                    text.description,
                    codes,
                    *created_at,
                    *deadline,
                )
            })
        }
        Asked::Device {
            id,
            label,
            recovering,
            created_at,
            deadline,
        } => {
            let key = node.subjects.get(payer.subject).await?;
            Ok(Prompt {
                id: id.show(&node.ids),
                kind: "device",
                merchant: None,
                amount: None,
                currency: None,
                purpose: None,
                whose: None,
                asker_name: None,
                codes: Vec::new(),
                deadline: deadline.map(time::show),
                created_at: time::show(*created_at),
                mandate: None,
                device: Some(PromptDevice {
                    id: id.show(&node.ids),
                    label: device_label(&key, payer.subject, label),
                    recovering: *recovering,
                }),
                payer: payer.id.show(&node.ids),
            })
        }
    }
}

/// What prompts that a merchant caused have in common.
fn by_merchant(
    node: &Node,
    payer: Payer,
    card: &MerchantCard,
    purpose: String,
    codes: &[u8],
    created_at: Timestamp,
    deadline: Timestamp,
) -> Prompt {
    Prompt {
        id: String::new(),
        kind: "",
        merchant: Some(PromptMerchant {
            id: card.id.show(&node.ids),
            name: card.name.to_string(),
            category: category::name(card.category),
        }),
        amount: None,
        currency: Some(node.currency().code()),
        purpose: Some(purpose),
        whose: None,
        asker_name: None,
        codes: codes.iter().map(|code| format!("{code:02}")).collect(),
        deadline: Some(time::show(deadline)),
        created_at: time::show(created_at),
        mandate: None,
        device: None,
        payer: payer.id.show(&node.ids),
    }
}

fn device_label(key: &SubjectKey, subject: u64, label: &Sealed) -> String {
    text::open(key, subject, Place::DeviceLabel, label).unwrap_or_default()
}

pub async fn merchant_card(node: &Node, id: MerchantId) -> Result<Arc<MerchantCard>, Problem> {
    node.directory
        .merchant(id, &node.subjects)
        .await?
        .ok_or_else(|| Problem::internal("a merchant is not in the directory"))
}

/// What a merchant wrote and a payer is to sign: whole, or not at all.
fn to_be_signed(card: &MerchantCard, place: Place, text: &Sealed) -> Result<PaymentText, Problem> {
    let opened = text::open_payment(&card.key, card.subject, place, text);
    Ok(opened.ok_or(SubjectKeyError::Damaged(card.subject))?)
}

/// What a merchant wrote; empty where it cannot be read any more.
pub fn opened(card: &MerchantCard, place: Place, text: &Sealed) -> PaymentText {
    text::open_payment(&card.key, card.subject, place, text).unwrap_or_default()
}

#[derive(Serialize)]
struct Prompts {
    prompts: Vec<PromptHere>,
    server_time: String,
}

/// A prompt on one device of its payer.
#[derive(Serialize)]
struct PromptHere {
    #[serde(flatten)]
    prompt: Prompt,
    this_device: String,
}

/// `GET /phone/api/prompts`
pub async fn list(
    State(node): State<Arc<Node>>,
    ActiveDevice(device): ActiveDevice,
) -> Result<Response, Problem> {
    let payer = device.payer();
    let read = node
        .engine
        .read(move |state, moment| Asked::open(state, moment, payer.id))
        .await?;
    let mut prompts = Vec::with_capacity(read.answer.len());
    for asked in &read.answer {
        prompts.push(PromptHere {
            prompt: show(&node, asked, payer).await?,
            this_device: device.device.show(&node.ids),
        });
    }
    let prompts = Prompts {
        prompts,
        server_time: time::show(time::now()),
    };
    Ok(stamp(
        json::answer(StatusCode::OK, &prompts),
        &node,
        read.position,
    ))
}
