//! The body that asks for a payment, checked field by field.

use paytone_domain::{
    ids::{MandateId, MerchantId},
    payment::{PayerRef, Whose},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    fields::{self, AmountText},
    objects::{Capture, For},
};
use crate::{
    edge::{ids::Public, problem::Problem, text::PaymentText},
    node::Node,
};

pub const DESCRIPTION_CHARS: usize = 140;
pub const REFERENCE_CHARS: usize = 64;
const ASKER_CHARS: usize = 40;
const SECONDS: std::ops::RangeInclusive<u32> = 30..=900;

/// Who is to pay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Payer {
    /// E.164, in any usual spelling; without a country code it is one of the operator's country.
    #[schema(example = "+86 138 0013 8000", max_length = 40)]
    pub phone_number: String,
}

/// Asks a phone number for a payment, or charges a mandate: either `payer` or `mandate`, never both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePayment {
    /// Decimal text in major units, above zero.
    #[schema(value_type = String, example = "128.00", pattern = r"^[0-9]+(\.[0-9]+)?$", max_length = 20)]
    pub amount: AmountText,
    /// ISO 4217; the operator's if left out.
    #[schema(example = "CNY")]
    pub currency: Option<String>,
    pub payer: Option<Payer>,
    /// Charges this mandate at once, without a prompt.
    pub mandate: Option<String>,
    /// Whose phone it is; `self` if left out.
    #[serde(rename = "for")]
    pub whose: Option<For>,
    /// Shown to the payer as unverified; only with `for: "other"`.
    #[schema(max_length = 40)]
    pub asker_name: Option<String>,
    /// What the payer pays for.
    #[schema(example = "Moon Garden, hardcover", min_length = 1, max_length = 140)]
    pub description: String,
    /// Yours, to find it again.
    #[schema(example = "order-1042", max_length = 64)]
    pub reference: Option<String>,
    /// How long the payer is asked, in seconds; 180 if left out. Not with `mandate`.
    #[schema(minimum = 30, maximum = 900)]
    pub expires_in: Option<u32>,
    /// `automatic` if left out.
    pub capture: Option<Capture>,
}

/// What [`CreatePayment`] says, checked.
pub struct Checked {
    pub payer: PayerRef,
    pub whose: Whose,
    pub text: PaymentText,
    pub reference_hash: Option<u64>,
}

impl CreatePayment {
    /// Takes the texts out; amount, capture and `expires_in` stay.
    pub fn check(&mut self, node: &Node, merchant: MerchantId) -> Result<Checked, Problem> {
        fields::currency(self.currency.as_deref(), node.currency())?;
        let whose = self.whose.unwrap_or_default();
        let payer = match (&self.payer, &self.mandate) {
            (Some(payer), None) => {
                let number = fields::number(node, "payer.phone_number", &payer.phone_number)?;
                PayerRef::Number(number)
            }
            (None, Some(mandate)) => self.of_mandate(node, mandate)?,
            (Some(_), Some(_)) | (None, None) => {
                return Err(Problem::unprocessable(
                    "payer_or_mandate",
                    "say who pays: either payer or mandate",
                )
                .field("payer"));
            }
        };
        if self.asker_name.is_some() && whose != For::Other {
            let detail = "asker_name goes with for: \"other\" alone";
            return Err(Problem::unprocessable("not_for_self", detail).field("asker_name"));
        }
        if self
            .expires_in
            .is_some_and(|seconds| !SECONDS.contains(&seconds))
        {
            let detail = "expires_in must be a number of seconds from 30 to 900";
            return Err(Problem::unprocessable("invalid_expires_in", detail).field("expires_in"));
        }
        let description = std::mem::take(&mut self.description);
        let reference = self
            .reference
            .take()
            .map(|text| reference(node, merchant, text))
            .transpose()?;
        let asker = self.asker_name.take();
        let (reference, reference_hash) = reference.unzip();
        Ok(Checked {
            payer,
            whose: whose.into(),
            text: PaymentText {
                description: fields::words("description", description, DESCRIPTION_CHARS)?,
                reference,
                asker_name: asker
                    .map(|name| fields::words("asker_name", name, ASKER_CHARS))
                    .transpose()?,
            },
            reference_hash,
        })
    }

    fn of_mandate(&self, node: &Node, mandate: &str) -> Result<PayerRef, Problem> {
        let prompts_only = [
            ("for", self.whose.is_some()),
            ("asker_name", self.asker_name.is_some()),
            ("expires_in", self.expires_in.is_some()),
        ];
        if let Some((field, _)) = prompts_only.into_iter().find(|(_, given)| *given) {
            let detail = format!("{field} does not go with mandate: nobody is asked");
            return Err(Problem::unprocessable("not_with_mandate", detail).field(field));
        }
        MandateId::read(&node.ids, mandate)
            .map(PayerRef::Mandate)
            .ok_or_else(no_mandate)
    }
}

pub fn no_mandate() -> Problem {
    Problem::unprocessable("mandate_not_found", "there is no such mandate of yours")
        .field("mandate")
}

/// The reference and the keyed hash by which it is found again.
pub fn reference(
    node: &Node,
    merchant: MerchantId,
    text: String,
) -> Result<(String, u64), Problem> {
    let text = fields::words("reference", text, REFERENCE_CHARS)?;
    let hash = node
        .keyring
        .number_hash(&format!("ref:{}:{text}", merchant.0));
    let mut short = [0; 8];
    short.copy_from_slice(&hash[..8]);
    Ok((text, u64::from_be_bytes(short)))
}
