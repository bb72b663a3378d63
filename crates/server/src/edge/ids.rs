//! Ids as the outside sees them: a kind and a keyed permutation of the inner number.

use paytone_domain::ids::{
    ClientKeyId, DeviceId, EndpointId, EnrolmentId, LotId, MandateId, MerchantId, OperatorId,
    PaymentId, ProposalId, RefundId, StoreId, SubscriberId, TerminalId, TokenId,
};
use paytone_journal::PublicIds;

/// Ids that are shown outside.
pub trait Public: Sized {
    /// The prefix, such as `pay`.
    const KIND: &'static str;
    fn number(self) -> u64;
    fn from_number(number: u64) -> Self;

    fn show(self, ids: &PublicIds) -> String {
        ids.encode(Self::KIND, self.number())
    }

    /// `None` if the text is not an id of this kind and of this operator.
    fn read(ids: &PublicIds, text: &str) -> Option<Self> {
        ids.decode(Self::KIND, text).map(Self::from_number)
    }
}

macro_rules! public {
    ($($id:ident $kind:literal;)*) => {$(
        impl Public for $id {
            const KIND: &'static str = $kind;
            fn number(self) -> u64 {
                self.0
            }
            fn from_number(number: u64) -> Self {
                Self(number)
            }
        }
    )*};
}

public! {
    SubscriberId "sub";
    MerchantId "mer";
    ClientKeyId "key";
    PaymentId "pay";
    RefundId "ref";
    MandateId "man";
    DeviceId "dev";
    LotId "lot";
    OperatorId "opr";
    ProposalId "prp";
    EndpointId "whk";
    TokenId "tok";
    StoreId "sto";
    TerminalId "ter";
}

/// `enr_` and 32 hexadecimal digits: unguessable by itself.
pub fn show_enrolment(id: EnrolmentId) -> String {
    format!("enr_{}", data_encoding::HEXLOWER.encode(&id.0))
}

pub fn read_enrolment(text: &str) -> Option<EnrolmentId> {
    let bytes = data_encoding::HEXLOWER
        .decode(text.strip_prefix("enr_")?.as_bytes())
        .ok()?;
    <[u8; 16]>::try_from(bytes).ok().map(EnrolmentId)
}
