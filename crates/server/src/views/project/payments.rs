//! Payments, their refunds, and what is counted of them per day.

use paytone_domain::{
    funding::{Share, Source},
    ids::{EffectId, SubscriberId},
    money::Amount,
    payment::{CaptureMode, Ending, PaymentEvent, RefundStatus, Status, Whose, asks_on_phone},
    till::GivenBack,
};
use serde_json::{Value, json};

use super::{At, Misfit, Tables, column, flag};
use crate::views::rows::{FundingPart, FundingParts, PaymentRow, RefundRow};

impl Tables {
    pub(super) fn payment(&mut self, at: &At<'_>, event: &PaymentEvent) -> Result<(), Misfit> {
        match event {
            PaymentEvent::Requested { .. } => self.requested(at, event),
            PaymentEvent::Approved {
                id,
                device,
                shares,
                effects,
                ..
            } => {
                let parts = parts(shares, effects);
                let detail = json!({"device": device.map(|device| device.0), "funding": parts});
                let payment = self.changed_payment(id.0)?;
                payment.funding = FundingParts(parts);
                payment.approved_at = Some(at.now);
                let payer = payer_of(payment);
                let status = if effects.is_empty() {
                    Status::Authorized
                } else {
                    Status::Funding
                };
                self.set_status(id.0, status)?;
                if let Some(payer) = payer {
                    for share in shares.iter().filter(|share| !share.source.is_external()) {
                        self.hold(share.source.account(payer), share.amount.minor());
                    }
                }
                self.step(at, *id, "approved", &detail);
            }
            PaymentEvent::Authorized {
                id,
                capture_deadline,
            } => {
                let payment = self.changed_payment(id.0)?;
                let waits = payment.capture == "manual";
                if waits {
                    payment.capture_deadline = Some(capture_deadline.0);
                }
                self.set_status(id.0, Status::Authorized)?;
                self.step(at, *id, "authorized", &Value::Null);
                // Where the capture follows at once, that is what the merchant hears.
                if waits {
                    self.tell_payment(at, id.0, Status::Authorized)?;
                }
            }
            PaymentEvent::Captured {
                id,
                amount,
                fee,
                tax,
                entry,
            } => {
                self.release_holds(id.0)?;
                let payment = self.changed_payment(id.0)?;
                payment.capture_deadline = None;
                payment.captured = amount.minor();
                payment.captured_at = Some(at.now);
                (payment.fee, payment.tax) = (fee.minor(), tax.minor());
                let mut left = amount.minor();
                for part in &mut payment.funding.0 {
                    part.captured = part.amount.min(left);
                    left -= part.captured;
                }
                let merchant = payment.merchant.to_string();
                self.set_status(id.0, Status::Captured)?;
                let date = i64::from(at.moment.date.0);
                self.count(date, "captured", String::new(), at.hour, 1, amount.minor());
                self.count(date, "merchant", merchant, 0, 1, amount.minor());
                self.post(at, "capture", Some(*id), entry);
                let detail =
                    json!({"amount": amount.minor(), "fee": fee.minor(), "tax": tax.minor()});
                self.step(at, *id, "captured", &detail);
                self.tell_payment(at, id.0, Status::Captured)?;
            }
            PaymentEvent::Ended {
                id,
                ending,
                device,
                entry,
                ..
            } => {
                self.release_holds(id.0)?;
                let status = ending.status();
                let payment = self.changed_payment(id.0)?;
                payment.capture_deadline = None;
                payment.ending = Some(ending_name(*ending).to_owned());
                payment.ended_at = Some(at.now);
                self.set_status(id.0, status)?;
                self.post(at, "ended", Some(*id), entry);
                let detail = json!({
                    "ending": ending_name(*ending),
                    "device": device.map(|device| device.0),
                });
                self.step(at, *id, status.name(), &detail);
                self.tell_payment(at, id.0, status)?;
            }
            PaymentEvent::Vetoed {
                id,
                veto,
                rules_version,
            } => {
                self.changed_payment(id.0)?.veto = Some(veto.code().to_owned());
                let status = self.status_of(id.0)?;
                self.set_status(id.0, status)?;
                self.count_declined(at, veto.code());
                let detail = json!({"veto": veto.code(), "rules_version": rules_version});
                self.step(at, *id, "vetoed", &detail);
            }
            PaymentEvent::Refunded {
                id,
                refund,
                amount,
                parts,
                entry,
                status,
                extended,
                ..
            } => {
                let payment = self.changed_payment(id.0)?;
                payment.refunded += amount.minor();
                for (place, part) in parts {
                    if let Some(known) = payment.funding.0.get_mut(usize::from(*place)) {
                        known.refunded += part.minor();
                    }
                }
                let (merchant, payer) = (payment.merchant, payer_of(payment));
                self.refunds.add(RefundRow {
                    id: column(refund.0),
                    payment: column(id.0),
                    merchant,
                    amount: amount.minor(),
                    status: status.name().to_owned(),
                    created_at: at.now,
                    completed_at: (*status == RefundStatus::Completed).then_some(at.now),
                });
                self.post(at, "refund", Some(*id), entry);
                if let Some(payer) = payer {
                    self.history(at, payer.0, "refund", refund.0, amount.minor());
                }
                let detail = json!({
                    "refund": refund.0,
                    "amount": amount.minor(),
                    "status": status.name(),
                    "extended_lots": extended.iter().map(|(lot, _)| lot.0).collect::<Vec<_>>(),
                });
                self.step(at, *id, "refunded", &detail);
                self.tell_refund(at, refund.0, merchant, *status);
            }
        }
        Ok(())
    }

    /// A reversal at a till leaves no fee.
    pub(super) fn fee_given_back(&mut self, at: &At<'_>, back: &GivenBack) -> Result<(), Misfit> {
        let payment = self.changed_payment(back.payment.0)?;
        payment.fee -= back.fee.minor();
        payment.tax -= back.tax.minor();
        self.post(at, "fee given back", Some(back.payment), &back.entry);
        Ok(())
    }

    fn requested(&mut self, at: &At<'_>, event: &PaymentEvent) {
        let PaymentEvent::Requested {
            id,
            merchant,
            payer,
            amount,
            whose,
            capture,
            mandate,
            till,
            deadline,
            veto,
            decline,
            rules_version,
            reference_hash,
            ..
        } = event
        else {
            return;
        };
        let reached = veto.is_none() && decline.is_none();
        let status = if decline.is_some() {
            Status::Declined
        } else {
            Status::AwaitingApproval
        };
        let internal = internal(status, veto.is_some());
        let date = i64::from(at.moment.date.0);
        self.payments.add(PaymentRow {
            id: column(id.0),
            merchant: column(merchant.0),
            payer: payer.map(|payer| column(payer.0)),
            amount: amount.minor(),
            whose: match whose {
                Whose::Own => "own",
                Whose::Other => "other",
            }
            .to_owned(),
            capture: match capture {
                CaptureMode::Automatic => "automatic",
                CaptureMode::Manual => "manual",
            }
            .to_owned(),
            reference_hash: reference_hash.map(column),
            mandate: mandate.map(|mandate| column(mandate.0)),
            prompted: flag(reached && payer.is_some() && asks_on_phone(*mandate, *till)),
            date,
            hour: at.hour,
            created_at: at.now,
            deadline: deadline.0,
            status: status.name().to_owned(),
            internal_status: internal.name().to_owned(),
            veto: veto.map(|veto| veto.code().to_owned()),
            decline: decline.map(|decline| decline.code().to_owned()),
            rules_version: i64::from(*rules_version),
            funding: FundingParts::default(),
            approved_at: None,
            capture_deadline: None,
            captured: 0,
            captured_at: None,
            refunded: 0,
            fee: 0,
            tax: 0,
            ending: None,
            ended_at: None,
        });
        self.count(
            date,
            "status",
            internal.name().to_owned(),
            at.hour,
            1,
            amount.minor(),
        );
        if let Some(reason) = veto.or(*decline) {
            self.count_declined(at, reason.code());
        }
        if let (Some(payer), true) = (payer, reached) {
            self.history(at, payer.0, "payment", id.0, -amount.minor());
        }
        let detail = json!({
            "amount": amount.minor(),
            "veto": veto.map(|veto| veto.code()),
            "decline": decline.map(|decline| decline.code()),
            "mandate": mandate.map(|mandate| mandate.0),
            "rules_version": rules_version,
        });
        self.step(at, *id, "requested", &detail);
        if decline.is_some() {
            // It was just added.
            let _ = self.tell_payment(at, id.0, Status::Declined);
        }
    }

    pub(super) fn complete_refund(&mut self, at: &At<'_>, id: u64) -> Result<(), Misfit> {
        let refund = self.refunds.change(id).ok_or(Misfit {
            table: "refunds",
            id,
        })?;
        if refund.status == RefundStatus::Completed.name() {
            return Ok(());
        }
        refund.status = RefundStatus::Completed.name().to_owned();
        refund.completed_at = Some(at.now);
        let merchant = refund.merchant;
        self.tell_refund(at, id, merchant, RefundStatus::Completed);
        Ok(())
    }

    fn changed_payment(&mut self, id: u64) -> Result<&mut PaymentRow, Misfit> {
        self.payments.change(id).ok_or(Misfit {
            table: "payments",
            id,
        })
    }

    fn status_of(&self, id: u64) -> Result<Status, Misfit> {
        let status = self
            .payments
            .get(id)
            .and_then(|payment| Status::from_name(&payment.status));
        status.ok_or(Misfit {
            table: "payments",
            id,
        })
    }

    /// Sets both states, and counts the payment under the new one.
    fn set_status(&mut self, id: u64, status: Status) -> Result<(), Misfit> {
        let payment = self.changed_payment(id)?;
        let now = internal(status, payment.veto.is_some());
        let before = std::mem::replace(&mut payment.internal_status, now.name().to_owned());
        status.name().clone_into(&mut payment.status);
        let (date, hour, amount) = (payment.date, payment.hour, payment.amount);
        self.count(date, "status", before, hour, -1, -amount);
        self.count(date, "status", now.name().to_owned(), hour, 1, amount);
        Ok(())
    }

    /// What is held for a payment is held from its approval until it is captured or ends.
    fn release_holds(&mut self, id: u64) -> Result<(), Misfit> {
        let payment = self.changed_payment(id)?;
        let Some(payer) = payer_of(payment) else {
            return Ok(());
        };
        let held = payment
            .funding
            .0
            .iter()
            .filter(|part| part.effect.is_none());
        let held: Vec<_> = held
            .filter_map(|part| Some((source_of(part)?.account(payer), part.amount)))
            .collect();
        for (account, amount) in held {
            self.hold(account, -amount);
        }
        Ok(())
    }

    fn count_declined(&mut self, at: &At<'_>, reason: &str) {
        let date = i64::from(at.moment.date.0);
        self.count(date, "declined", reason.to_owned(), at.hour, 1, 0);
    }

    fn count(
        &mut self,
        date: i64,
        what: &'static str,
        name: String,
        hour: i64,
        payments: i64,
        amount: i64,
    ) {
        let counted = self.daily.entry((date, what, name, hour)).or_default();
        counted.0 += payments;
        counted.1 += amount;
    }
}

/// As [`paytone_domain::payment::Payment::internal_status`] says.
fn internal(status: Status, vetoed: bool) -> Status {
    match (vetoed, status) {
        (true, Status::AwaitingApproval | Status::Expired) => Status::Declined,
        (_, status) => status,
    }
}

fn payer_of(payment: &PaymentRow) -> Option<SubscriberId> {
    payment
        .payer
        .map(|payer| SubscriberId(payer.cast_unsigned()))
}

fn parts(shares: &[Share], effects: &[EffectId]) -> Vec<FundingPart> {
    let mut effects = effects.iter();
    let part = |share: &Share| FundingPart {
        source: share.source.kind().name().to_owned(),
        lot: match share.source {
            Source::Grant(lot) => Some(lot.0),
            Source::Balance | Source::Bill | Source::Bank => None,
        },
        amount: Amount::minor(share.amount),
        captured: 0,
        refunded: 0,
        effect: if share.source.is_external() {
            effects.next().map(|effect| effect.0)
        } else {
            None
        },
    };
    shares.iter().map(part).collect()
}

fn source_of(part: &FundingPart) -> Option<Source> {
    use paytone_domain::{funding::SourceKind, ids::LotId};
    Some(match SourceKind::from_name(&part.source)? {
        SourceKind::Grant => Source::Grant(LotId(part.lot?)),
        SourceKind::Balance => Source::Balance,
        SourceKind::Bill => Source::Bill,
        SourceKind::Bank => Source::Bank,
    })
}

fn ending_name(ending: Ending) -> &'static str {
    match ending {
        Ending::Refused { report: false } => "refused",
        Ending::Refused { report: true } => "reported",
        Ending::WrongCode => "wrong_code",
        Ending::Cancelled => "cancelled",
        Ending::Ignored => "ignored",
        Ending::NotFunded => "not_funded",
        Ending::NotCaptured => "not_captured",
        Ending::PayerErased => "payer_erased",
    }
}
