//! What merchants are told: the merchant projection, as events in the order of the journal.
//!
//! **Invariant:** a stranger's number, a vetoed payer and one who stays silent give the same events at the same times.

use paytone_domain::{
    mandate::MandateStatus,
    payment::{RefundStatus, Status},
};

use super::{At, Misfit, Tables, column};
use crate::views::rows::MerchantEventRow;

impl Tables {
    pub(super) fn tell_payment(
        &mut self,
        at: &At<'_>,
        id: u64,
        status: Status,
    ) -> Result<(), Misfit> {
        let payment = self.payments.get(id).ok_or(Misfit {
            table: "payments",
            id,
        })?;
        self.merchant_events.push(MerchantEventRow {
            n: at.n,
            merchant: payment.merchant,
            kind: format!("payment.{}", status.name()),
            object: payment.id,
            at: at.now,
            captured: payment.captured,
            refunded: payment.refunded,
            fee: payment.fee,
            tax: payment.tax,
            capture_deadline: payment.capture_deadline,
            decline: payment.decline.clone(),
        });
        Ok(())
    }

    pub(super) fn tell_refund(
        &mut self,
        at: &At<'_>,
        id: u64,
        merchant: i64,
        status: RefundStatus,
    ) {
        self.tell(at, merchant, format!("refund.{}", status.name()), id);
    }

    pub(super) fn tell_mandate(
        &mut self,
        at: &At<'_>,
        id: u64,
        merchant: i64,
        status: MandateStatus,
        resumed: bool,
    ) {
        let name = if resumed { "resumed" } else { status.name() };
        self.tell(at, merchant, format!("mandate.{name}"), id);
    }

    fn tell(&mut self, at: &At<'_>, merchant: i64, kind: String, object: u64) {
        self.merchant_events.push(MerchantEventRow {
            n: at.n,
            merchant,
            kind,
            object: column(object),
            at: at.now,
            captured: 0,
            refunded: 0,
            fee: 0,
            tax: 0,
            capture_deadline: None,
            decline: None,
        });
    }
}
