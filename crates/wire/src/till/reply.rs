//! What was decided, as an answer to a request.

use super::{
    code::Code,
    profile::Profile,
    request::{Kind, Request},
};
use crate::{
    emv::chip_data::tags,
    iso8583::{Message, message_type::MessageClass},
    tlv,
};

/// A decision.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    pub code: Code,
    /// Field 38, six characters, of an approval.
    pub approval: Option<String>,
    /// Field 37, twelve characters, unless the request brought one.
    pub reference: Option<String>,
    /// The value of tag 91: the issuer's cryptogram and what it vouches for.
    pub issuer_authentication: Option<Vec<u8>>,
    /// Field 4, if it is not what was asked for.
    pub amount: Option<u64>,
    /// Field 44: something for people, at most 25 characters.
    pub remark: Option<String>,
}

impl Reply {
    pub fn new(code: Code) -> Self {
        Self {
            code,
            approval: None,
            reference: None,
            issuer_authentication: None,
            amount: None,
            remark: None,
        }
    }

    /// The answer to `request`; `None` if its type is never answered.
    pub(super) fn message(&self, request: &Request, profile: &Profile) -> Option<Message> {
        let mut message = self.answer(request.message(), profile)?;
        if request.kind == Kind::Reconciliation && message.message_type.version() == 0 {
            // 1993 says it in field 39.
            let in_balance = self.code == Code::Approved;
            message.set(66, if in_balance { "1" } else { "2" });
        }
        Some(message)
    }

    /// As [`Self::message`], for a message that no request could be made of.
    pub(super) fn answer(&self, asked: &Message, profile: &Profile) -> Option<Message> {
        let mut message = asked.answer(&profile.repeated)?;
        message.set(39, self.code.text(message.message_type));
        if let Some(amount) = self.amount {
            message.set(4, format!("{amount:012}"));
        }
        if let (Some(reference), false) = (&self.reference, message.has(37)) {
            message.set(37, reference);
        }
        if let (Some(approval), true) = (&self.approval, self.code.is_approval()) {
            message.set(38, approval);
        }
        let has_chip = matches!(
            message.message_type.class(),
            MessageClass::Authorization | MessageClass::Financial
        ) && asked.has(55);
        if let (Some(authentication), true) = (&self.issuer_authentication, has_chip) {
            let mut value = Vec::with_capacity(authentication.len() + 2);
            tlv::put(&mut value, tags::ISSUER_AUTHENTICATION, authentication);
            message.set(55, value);
        }
        if let Some(remark) = &self.remark {
            message.set(44, remark);
        }
        Some(message)
    }
}
