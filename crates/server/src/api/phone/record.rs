//! Payments, refunds and credits as their owner's history shows them.
//!
//! **Invariant:** only what reached its payer or moved their money is here. What was vetoed unseen never comes this way;
//! who asks for a record has made sure of that.

use paytone_domain::{
    State as DomainState,
    funding::{FundingLeg, LegState, Source, SourceKind},
    grant::ExpiredRefund,
    ids::{MandateId, MerchantId, PaymentId, RefundId, Sealed, SubscriberId},
    money::Amount,
    payment::{Payment, RefundStatus, Status, Whose},
    time::Timestamp,
};
use paytone_journal::subject_keys::SubjectKey;
use serde::Serialize;

use super::{
    account::MerchantNamed,
    prompt::{Payer, merchant_card, opened, whose_name},
};
use crate::{
    archive::Known,
    edge::{
        amount,
        ids::Public,
        problem::Problem,
        text::{self, Place},
        time,
    },
    node::Node,
};

/// Where money came from or went to, a lot's name still sealed.
#[derive(Clone, Debug)]
struct LegSeen {
    source: SourceKind,
    label: Option<Sealed>,
    /// When the grant ends, or ended, as things are now: a refund may have prolonged it.
    expires_at: Option<Timestamp>,
    amount: Amount,
}

/// What the state says of a payment.
#[derive(Clone, Debug)]
pub struct PaymentSeen {
    pub id: PaymentId,
    merchant: MerchantId,
    amount: Amount,
    refunded: Amount,
    pub status: Status,
    whose: Whose,
    text: Sealed,
    mandate: Option<MandateId>,
    created_at: Timestamp,
    legs: Vec<LegSeen>,
    pub vetoed: bool,
}

#[derive(Clone, Debug)]
pub struct RefundSeen {
    id: RefundId,
    amount: Amount,
    status: RefundStatus,
    created_at: Timestamp,
    /// What it gives back for.
    of: PaymentSeen,
    legs: Vec<LegSeen>,
}

impl PaymentSeen {
    /// A payment that `payer` was asked for or charged with.
    pub fn of(known: &Known<'_>, payer: SubscriberId, id: PaymentId) -> Option<Self> {
        let payment = known.payment(id)?;
        if payment.payer != Some(payer) || payment.decline.is_some() {
            return None;
        }
        let paid = payment.status == Status::Captured;
        let leg = |leg: &FundingLeg| {
            let amount = if paid { leg.captured } else { leg.amount };
            let gone = matches!(leg.state, LegState::Released | LegState::Refused);
            (!gone && !amount.is_zero()).then(|| seen(known.state, leg.source, amount))
        };
        Some(Self {
            id,
            merchant: payment.merchant,
            amount: if paid {
                payment.captured
            } else {
                payment.amount
            },
            refunded: payment.refunded,
            status: payment.internal_status(),
            whose: payment.whose,
            text: payment.text.clone(),
            mandate: payment.mandate,
            created_at: payment.created_at,
            legs: payment.legs.iter().filter_map(leg).collect(),
            vetoed: payment.veto.is_some(),
        })
    }
}

impl RefundSeen {
    pub fn of(known: &Known<'_>, payer: SubscriberId, id: RefundId) -> Option<Self> {
        let refund = known.refund(id)?;
        let payment = known.payment(refund.payment)?;
        let parts = parts_of(known, payment, id);
        let legs = parts
            .into_iter()
            .filter_map(|(source, amount)| {
                let place = back_to(known.state, source, refund.created_at)?;
                Some(seen(known.state, place, amount))
            })
            .collect();
        Some(Self {
            id,
            amount: refund.amount,
            status: refund.status,
            created_at: refund.created_at,
            of: PaymentSeen::of(known, payer, refund.payment)?,
            legs,
        })
    }
}

fn seen(state: &DomainState, source: Source, amount: Amount) -> LegSeen {
    let lot = match source {
        Source::Grant(lot) => state.lots.get(&lot),
        Source::Balance | Source::Bill | Source::Bank => None,
    };
    LegSeen {
        source: source.kind(),
        label: lot.map(|lot| lot.label.clone()),
        expires_at: lot.and_then(|lot| lot.expires_at),
        amount,
    }
}

/// How much of one refund goes back to each source. Refunds take from the last leg first, one after the other, so each
/// one's parts follow from those before it.
fn parts_of(known: &Known<'_>, payment: &Payment, wanted: RefundId) -> Vec<(Source, Amount)> {
    let mut left: Vec<_> = payment.legs.iter().map(|leg| leg.captured).collect();
    for id in &payment.refunds {
        let Some(refund) = known.refund(*id) else {
            continue;
        };
        let mut missing = refund.amount;
        let mut parts = Vec::new();
        for (leg, left) in payment.legs.iter().zip(&mut left).rev() {
            let part = (*left).min(missing);
            if !part.is_zero() {
                parts.push((leg.source, part));
                *left = left.minus(part);
                missing = missing.minus(part);
            }
        }
        if *id == wanted {
            return parts;
        }
    }
    Vec::new()
}

/// Where money of a source went at a refund; `None` where it went back to the lot's giver.
fn back_to(state: &DomainState, source: Source, at: Timestamp) -> Option<Source> {
    let Source::Grant(lot) = source else {
        return Some(source);
    };
    match state.lots.get(&lot) {
        Some(lot) if lot.expired(at) => match lot.expired_refund {
            ExpiredRefund::Cash => Some(Source::Balance),
            ExpiredRefund::Forfeit => None,
            ExpiredRefund::Extend(_) => Some(source),
        },
        _ => Some(source),
    }
}

/// A grant as its credit shows it.
#[derive(Clone, Debug)]
pub struct GivenLot {
    pub label: Sealed,
    pub expires_at: Option<Timestamp>,
}

/// Money that came to a subscriber, or went from them, without a payment.
#[derive(Clone, Debug)]
pub struct Credit {
    pub id: String,
    pub at: Timestamp,
    /// In minor units; below zero if it was taken.
    pub minor: i64,
    /// The grant it was given as.
    pub lot: Option<GivenLot>,
    /// Whose payment it was for.
    pub merchant: Option<MerchantId>,
}

#[derive(Clone, Debug, Serialize)]
struct LegShown {
    source: &'static str,
    label: Option<String>,
    /// Of a grant that ends.
    expires_at: Option<String>,
    amount: String,
}

/// One line of a history.
#[derive(Serialize)]
pub struct Item {
    pub id: String,
    kind: &'static str,
    merchant: Option<MerchantNamed>,
    amount: String,
    currency: String,
    status: &'static str,
    at: String,
    purpose: Option<String>,
    #[serde(rename = "for")]
    whose: Option<&'static str>,
    asker_name: Option<String>,
    legs: Vec<LegShown>,
    refunded_amount: String,
    mandate: Option<String>,
}

/// Opens records of one payer.
pub struct Reader<'a> {
    pub node: &'a Node,
    pub payer: Payer,
    pub key: SubjectKey,
}

impl<'a> Reader<'a> {
    pub async fn of(node: &'a Node, payer: Payer) -> Result<Self, Problem> {
        let key = node.subjects.get(payer.subject).await?;
        Ok(Self { node, payer, key })
    }

    pub async fn payment(&self, seen: &PaymentSeen) -> Result<Item, Problem> {
        let node = self.node;
        let card = merchant_card(node, seen.merchant).await?;
        let text = opened(&card, Place::Payment, &seen.text);
        Ok(Item {
            id: seen.id.show(&node.ids),
            kind: "payment",
            merchant: Some(MerchantNamed {
                id: seen.merchant.show(&node.ids),
                name: card.name.to_string(),
            }),
            amount: self.money(seen.amount),
            currency: node.currency().code(),
            status: seen.status.name(),
            at: time::show(seen.created_at),
            purpose: Some(text.description),
            whose: Some(whose_name(seen.whose)),
            asker_name: text.asker_name,
            legs: self.legs(&seen.legs),
            refunded_amount: self.money(seen.refunded),
            mandate: seen.mandate.map(|mandate| mandate.show(&node.ids)),
        })
    }

    pub async fn refund(&self, seen: &RefundSeen) -> Result<Item, Problem> {
        let payment = self.payment(&seen.of).await?;
        Ok(Item {
            id: seen.id.show(&self.node.ids),
            kind: "refund",
            amount: self.money(seen.amount),
            status: seen.status.name(),
            at: time::show(seen.created_at),
            legs: self.legs(&seen.legs),
            refunded_amount: self.money(Amount::ZERO),
            ..payment
        })
    }

    pub async fn credit(&self, credit: &Credit) -> Result<Item, Problem> {
        let node = self.node;
        let merchant = match credit.merchant {
            Some(merchant) => Some(super::account::named(node, merchant).await?),
            None => None,
        };
        let amount = Amount::clamped(credit.minor.saturating_abs());
        let leg = LegSeen {
            source: match &credit.lot {
                Some(_) => SourceKind::Grant,
                None => SourceKind::Balance,
            },
            label: credit.lot.as_ref().map(|lot| lot.label.clone()),
            expires_at: credit.lot.as_ref().and_then(|lot| lot.expires_at),
            amount,
        };
        let legs = self.legs(&[leg]);
        Ok(Item {
            id: credit.id.clone(),
            kind: if credit.minor < 0 { "debit" } else { "credit" },
            merchant,
            amount: self.money(amount),
            currency: node.currency().code(),
            status: "completed",
            at: time::show(credit.at),
            purpose: legs.first().and_then(|leg| leg.label.clone()),
            whose: None,
            asker_name: None,
            legs,
            refunded_amount: self.money(Amount::ZERO),
            mandate: None,
        })
    }

    fn legs(&self, legs: &[LegSeen]) -> Vec<LegShown> {
        let open =
            |label: &Sealed| text::open(&self.key, self.payer.subject, Place::LotLabel, label);
        legs.iter()
            .map(|leg| LegShown {
                source: leg.source.name(),
                label: leg.label.as_ref().and_then(open),
                expires_at: leg.expires_at.map(time::show),
                amount: self.money(leg.amount),
            })
            .collect()
    }

    fn money(&self, amount: Amount) -> String {
        amount::show(amount, self.node.currency())
    }
}
