//! Subscribers, devices, mandates, merchants and staff.

use paytone_domain::{
    ledger::Account,
    mandate::{EndedBy, MandateEvent, MandateStatus},
    merchant::MerchantEvent,
    operator::OperatorEvent,
    subscriber::{DeviceEvent, DeviceStatus, Line, LineEvent, LineKind, LineStatus},
};

use super::{At, Misfit, Tables, column, flag, money::on_account};
use crate::views::rows::{DeviceRow, MandateRow, MerchantRow, ProposalRow, SubscriberRow};

impl Tables {
    pub(super) fn line(&mut self, at: &At<'_>, event: &LineEvent) -> Result<(), Misfit> {
        match event {
            LineEvent::Added {
                subscriber,
                generation,
                subject,
                bank,
                line,
                ..
            } => {
                let mut row = SubscriberRow {
                    id: column(subscriber.0),
                    status: "active".to_owned(),
                    generation: i64::from(*generation),
                    subject: column(*subject),
                    has_bank: flag(bank.is_some()),
                    line_kind: String::new(),
                    line_status: String::new(),
                    activated: 0,
                    sim_changed: None,
                    device_changed: None,
                    bill_limit: 0,
                    facts_as_of: 0,
                    added_at: at.now,
                    changed_at: at.now,
                };
                set_line(&mut row, line);
                self.subscribers.add(row);
            }
            LineEvent::Updated {
                subscriber,
                line,
                bank,
                ..
            } => {
                let row = self.changed_subscriber(at, subscriber.0)?;
                set_line(row, line);
                row.has_bank |= flag(bank.is_some());
            }
            LineEvent::Renumbered { subscriber, .. } => {
                self.changed_subscriber(at, subscriber.0)?;
            }
            LineEvent::Recycled {
                subscriber, entry, ..
            } => {
                self.post(at, "recycled", None, entry);
                "closed".clone_into(&mut self.changed_subscriber(at, subscriber.0)?.status);
            }
        }
        Ok(())
    }

    fn changed_subscriber(&mut self, at: &At<'_>, id: u64) -> Result<&mut SubscriberRow, Misfit> {
        let row = self.subscribers.change(id).ok_or(Misfit {
            table: "subscribers",
            id,
        })?;
        row.changed_at = at.now;
        Ok(row)
    }

    pub(super) fn device(&mut self, at: &At<'_>, event: &DeviceEvent) -> Result<(), Misfit> {
        let (id, status) = match event {
            DeviceEvent::Added {
                device,
                subscriber,
                status,
                active_from,
                ..
            } => {
                self.devices.add(DeviceRow {
                    id: column(device.0),
                    subscriber: column(subscriber.0),
                    status: device_status(*status).to_owned(),
                    created_at: at.now,
                    active_from: active_from.map(|from| from.0),
                    removed_at: None,
                });
                return Ok(());
            }
            DeviceEvent::Approved { device, .. } | DeviceEvent::Recovered { device, .. } => {
                (device.0, DeviceStatus::Active)
            }
            DeviceEvent::Removed { device } => (device.0, DeviceStatus::Removed),
        };
        let device = self.devices.change(id).ok_or(Misfit {
            table: "devices",
            id,
        })?;
        device_status(status).clone_into(&mut device.status);
        if status == DeviceStatus::Removed {
            device.removed_at.get_or_insert(at.now);
        } else {
            device.active_from = Some(at.now);
        }
        Ok(())
    }

    pub(super) fn mandate(&mut self, at: &At<'_>, event: &MandateEvent) -> Result<(), Misfit> {
        let (id, status) = match event {
            MandateEvent::Requested {
                id,
                merchant,
                payer,
                terms,
                deadline,
                veto,
                ..
            } => {
                self.mandates.add(MandateRow {
                    id: column(id.0),
                    merchant: column(merchant.0),
                    payer: payer.map(|payer| column(payer.0)),
                    payment_limit: terms.payment_limit.minor(),
                    monthly_limit: terms.monthly_limit.minor(),
                    ends_on: i64::from(terms.ends_on.0),
                    prompted: flag(payer.is_some() && veto.is_none()),
                    status: MandateStatus::AwaitingApproval.name().to_owned(),
                    veto: veto.map(|veto| veto.code().to_owned()),
                    created_at: at.now,
                    deadline: deadline.0,
                    approved_at: None,
                    ended_by: None,
                });
                return Ok(());
            }
            MandateEvent::Approved { id, .. } | MandateEvent::Resumed { id, .. } => {
                (id.0, MandateStatus::Active)
            }
            MandateEvent::Refused { id, .. } => (id.0, MandateStatus::Refused),
            MandateEvent::Expired { id } => (id.0, MandateStatus::Expired),
            MandateEvent::Suspended { id } => (id.0, MandateStatus::Suspended),
            MandateEvent::Ended { id, .. } => (id.0, MandateStatus::Ended),
            MandateEvent::Cancelled { id, .. } => (id.0, MandateStatus::Cancelled),
            // Nobody is told: it waits and expires as an ignored one does.
            MandateEvent::Vetoed { id, veto } => {
                self.changed_mandate(id.0)?.veto = Some(veto.code().to_owned());
                return Ok(());
            }
        };
        let mandate = self.changed_mandate(id)?;
        status.name().clone_into(&mut mandate.status);
        if let MandateEvent::Approved { .. } = event {
            mandate.approved_at = Some(at.now);
        }
        if let MandateEvent::Ended { by, .. } = event {
            mandate.ended_by = Some(ended_by(*by).to_owned());
        }
        let merchant = mandate.merchant;
        let resumed = matches!(event, MandateEvent::Resumed { .. });
        self.tell_mandate(at, id, merchant, status, resumed);
        Ok(())
    }

    fn changed_mandate(&mut self, id: u64) -> Result<&mut MandateRow, Misfit> {
        self.mandates.change(id).ok_or(Misfit {
            table: "mandates",
            id,
        })
    }

    pub(super) fn merchant(&mut self, at: &At<'_>, event: &MerchantEvent) -> Result<(), Misfit> {
        let (id, what, object) = match event {
            MerchantEvent::Added {
                merchant,
                subject,
                category,
                limits,
                plan,
                ..
            } => {
                self.merchants.add(MerchantRow {
                    id: column(merchant.0),
                    subject: column(*subject),
                    category: i64::from(*category),
                    blocked: 0,
                    payment_limit: limits.payment.minor(),
                    daily_limit: limits.daily.minor(),
                    plan_version: i64::from(plan.version),
                    fee_basis_points: i64::from(plan.fee_basis_points),
                    fee_fixed: plan.fee_fixed.minor(),
                    tax_basis_points: i64::from(plan.tax_basis_points),
                    added_at: at.now,
                    changed_at: at.now,
                });
                (merchant.0, "add_merchant", None)
            }
            MerchantEvent::KeyAdded { merchant, key, .. } => {
                (merchant.0, "add_client_key", Some(key.0))
            }
            MerchantEvent::KeyRevoked { merchant, key } => {
                (merchant.0, "revoke_client_key", Some(key.0))
            }
            MerchantEvent::PlanSet { merchant, .. } => (merchant.0, "set_plan", None),
            MerchantEvent::LimitsSet { merchant, .. } => (merchant.0, "set_merchant_limits", None),
            MerchantEvent::Blocked { merchant } => (merchant.0, "block_merchant", None),
            MerchantEvent::Unblocked { merchant } => (merchant.0, "unblock_merchant", None),
        };
        let row = self.merchants.change(id).ok_or(Misfit {
            table: "merchants",
            id,
        })?;
        row.changed_at = at.now;
        match event {
            MerchantEvent::PlanSet { plan, .. } => {
                row.plan_version = i64::from(plan.version);
                row.fee_basis_points = i64::from(plan.fee_basis_points);
                row.fee_fixed = plan.fee_fixed.minor();
                row.tax_basis_points = i64::from(plan.tax_basis_points);
            }
            MerchantEvent::LimitsSet { limits, .. } => {
                row.payment_limit = limits.payment.minor();
                row.daily_limit = limits.daily.minor();
            }
            MerchantEvent::Blocked { .. } => row.blocked = 1,
            MerchantEvent::Unblocked { .. } => row.blocked = 0,
            MerchantEvent::Added { .. }
            | MerchantEvent::KeyAdded { .. }
            | MerchantEvent::KeyRevoked { .. } => {}
        }
        self.action(at, what, None, Some(id), object);
        Ok(())
    }

    pub(super) fn operator(&mut self, at: &At<'_>, event: &OperatorEvent) -> Result<(), Misfit> {
        let (what, subscriber, object) = match event {
            OperatorEvent::Added { operator, .. } => ("add_operator", None, Some(operator.0)),
            OperatorEvent::Removed { operator } => ("remove_operator", None, Some(operator.0)),
            OperatorEvent::PasswordSet { operator, .. } => ("set_password", None, Some(operator.0)),
            OperatorEvent::RulesSet { rules } => {
                ("set_rules", None, Some(u64::from(rules.version)))
            }
            OperatorEvent::Proposed {
                proposal,
                by,
                operation,
            } => {
                self.proposals.add(ProposalRow {
                    id: column(proposal.0),
                    proposed_by: column(by.0),
                    operation: operation.name().to_owned(),
                    proposed_at: at.now,
                    status: "waiting".to_owned(),
                    decided_by: None,
                    decided_at: None,
                });
                ("propose", None, Some(proposal.0))
            }
            OperatorEvent::Decided {
                proposal,
                by,
                approved,
            } => {
                let row = self.proposals.change(proposal.0).ok_or(Misfit {
                    table: "proposals",
                    id: proposal.0,
                })?;
                let (status, what) = if *approved {
                    ("approved", "approve_proposal")
                } else {
                    ("rejected", "reject_proposal")
                };
                status.clone_into(&mut row.status);
                row.decided_by = Some(column(by.0));
                row.decided_at = Some(at.now);
                (what, None, Some(proposal.0))
            }
            OperatorEvent::PersonalDataRead { subscriber, .. } => {
                ("read_personal_data", Some(subscriber.0), None)
            }
            OperatorEvent::SubscriberBlocked { subscriber } => {
                "blocked".clone_into(&mut self.changed_subscriber(at, subscriber.0)?.status);
                ("block_subscriber", Some(subscriber.0), None)
            }
            OperatorEvent::SubscriberUnblocked { subscriber } => {
                "active".clone_into(&mut self.changed_subscriber(at, subscriber.0)?.status);
                ("unblock_subscriber", Some(subscriber.0), None)
            }
            OperatorEvent::PinUnlocked { subscriber } => ("unlock_pin", Some(subscriber.0), None),
            OperatorEvent::PhoneReset { subscriber } => ("reset_phone", Some(subscriber.0), None),
            OperatorEvent::SubscriberErased { subscriber, entry } => {
                if let Some(entry) = entry {
                    self.post(at, "erased", None, entry);
                }
                let row = self.changed_subscriber(at, subscriber.0)?;
                "erased".clone_into(&mut row.status);
                row.has_bank = 0;
                ("erase_subscriber", Some(subscriber.0), None)
            }
            OperatorEvent::Adjusted {
                subscriber, entry, ..
            } => {
                self.post(at, "adjusted", None, entry);
                let minor = on_account(entry, Account::SubscriberCash(*subscriber));
                self.history(at, subscriber.0, "adjustment", subscriber.0, minor);
                ("adjust", Some(subscriber.0), None)
            }
            // Balances come in by the million; the history shows them.
            OperatorEvent::CashImported {
                subscriber, entry, ..
            } => {
                self.post(at, "cash_imported", None, entry);
                let minor = on_account(entry, Account::SubscriberCash(*subscriber));
                self.history(at, subscriber.0, "cash", subscriber.0, minor);
                return Ok(());
            }
            OperatorEvent::GrantImported { .. } => return Ok(()),
        };
        self.action(at, what, subscriber, None, object);
        Ok(())
    }
}

fn set_line(row: &mut SubscriberRow, line: &Line) {
    line_kind(line.kind).clone_into(&mut row.line_kind);
    line_status(line.status).clone_into(&mut row.line_status);
    row.activated = line.activated.0;
    row.sim_changed = line.sim_changed.map(|at| at.0);
    row.device_changed = line.device_changed.map(|at| at.0);
    row.bill_limit = line.bill_limit.minor();
    row.facts_as_of = line.as_of.0;
}

fn line_kind(kind: LineKind) -> &'static str {
    match kind {
        LineKind::Prepaid => "prepaid",
        LineKind::Postpaid => "postpaid",
    }
}

fn line_status(status: LineStatus) -> &'static str {
    match status {
        LineStatus::Active => "active",
        LineStatus::Suspended => "suspended",
        LineStatus::Terminated => "terminated",
    }
}

fn device_status(status: DeviceStatus) -> &'static str {
    match status {
        DeviceStatus::Active => "active",
        DeviceStatus::AwaitingApproval => "awaiting_approval",
        DeviceStatus::Recovering => "recovering",
        DeviceStatus::Removed => "removed",
    }
}

fn ended_by(by: EndedBy) -> &'static str {
    match by {
        EndedBy::Payer => "payer",
        EndedBy::Merchant => "merchant",
        EndedBy::NumberRecycled => "number_recycled",
        EndedBy::Operator => "operator",
    }
}
