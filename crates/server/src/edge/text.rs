//! Texts that belong to somebody: sealed under their key, opened for who may read them.

use paytone_domain::ids::Sealed;
use paytone_journal::subject_keys::SubjectKey;
use serde::{Deserialize, Serialize};

/// Binds a ciphertext to where it stands, so that it cannot be moved elsewhere.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// [`Profile`], under the subscriber's key.
    Profile,
    /// Bank account, under the subscriber's key.
    Bank,
    /// A device's name, under the subscriber's key.
    DeviceLabel,
    /// A signed document, under the subscriber's key.
    Evidence,
    /// A lot's label, under the subscriber's key.
    LotLabel,
    /// Why an amount was adjusted, under the subscriber's key.
    AdjustmentReason,
    /// A merchant's name, under its key.
    MerchantName,
    /// [`PaymentText`], under the merchant's key.
    Payment,
    /// A refund's reason, under the merchant's key.
    Refund,
    /// [`PaymentText`] of a mandate, under the merchant's key.
    Mandate,
    /// A store's name, under the merchant's key.
    StoreName,
    /// A token's number, under the subscriber's key.
    TokenNumber,
}

impl Place {
    pub fn context(self) -> &'static [u8] {
        match self {
            Self::Profile => b"profile",
            Self::Bank => b"bank",
            Self::DeviceLabel => b"device label",
            Self::Evidence => b"evidence",
            Self::LotLabel => b"lot label",
            Self::AdjustmentReason => b"adjustment reason",
            Self::MerchantName => b"merchant name",
            Self::Payment => b"payment",
            Self::Refund => b"refund",
            Self::Mandate => b"mandate",
            Self::StoreName => b"store name",
            Self::TokenNumber => b"token number",
        }
    }
}

/// Who a subscriber is.
#[derive(Clone, Serialize, Deserialize)]
pub struct Profile {
    pub number: String,
    pub name: String,
    pub birth_date: Option<String>,
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Profile(…)")
    }
}

/// What a merchant wrote about a payment or mandate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentText {
    #[serde(rename = "d")]
    pub description: String,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub asker_name: Option<String>,
}

/// Seals a text of `subject` under its key.
pub fn seal(key: &SubjectKey, subject: u64, place: Place, text: &str) -> Sealed {
    key.seal_text(subject, place.context(), text).into()
}

/// `None` if it is not what was sealed there: damaged, or of somebody erased whose key this is not.
pub fn open(key: &SubjectKey, subject: u64, place: Place, sealed: &Sealed) -> Option<String> {
    key.open_text(subject, place.context(), &sealed.0).ok()
}

pub fn seal_payment(key: &SubjectKey, subject: u64, place: Place, text: &PaymentText) -> Sealed {
    let json = serde_json::to_string(text).expect("a struct of strings is JSON");
    seal(key, subject, place, &json)
}

pub fn open_payment(
    key: &SubjectKey,
    subject: u64,
    place: Place,
    sealed: &Sealed,
) -> Option<PaymentText> {
    serde_json::from_str(&open(key, subject, place, sealed)?).ok()
}
