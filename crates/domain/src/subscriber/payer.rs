//! What a subscriber has that was ever used, apart from those who never were.
//!
//! **Invariant:** a subscriber without one is the same as with one in which nothing was changed.

use std::ops;

use minicbor::{Decode, Encode};

use super::{PromptRef, Subscriber};
use crate::{
    counters::{Daily, Spent},
    funding::SourceKind,
    ids::{DeviceId, LotId, MandateId, MerchantId, PinValue, Sealed},
    time::Timestamp,
};

/// What each charge looks at comes first and lies together.
#[derive(Clone, Debug, Encode, Decode)]
#[repr(C)]
pub struct Payer {
    #[n(0)]
    pub pin_failures: u8,
    #[n(1)]
    pub sources: [SourceKind; 4],
    /// Until then only small amounts pass, and no new mandates.
    #[n(2)]
    pub reduced_until: Timestamp,
    #[n(3)]
    pub spent: Spent,
    /// What went on this month's phone bill.
    #[n(4)]
    pub billed: Spent,
    #[n(5)]
    pub attention: Daily,
    /// Those of `lots` with money on them, sorted. Follows from lots and book, so it is never written down.
    #[cbor(skip)]
    pub funded_lots: Vec<LotId>,
    #[n(7)]
    pub blocked_merchants: Vec<MerchantId>,
    #[n(6)]
    pub lots: Vec<LotId>,
    #[n(8)]
    pub prompts: Vec<PromptRef>,
    #[n(9)]
    pub devices: Vec<DeviceId>,
    #[n(10)]
    pub mandates: Vec<MandateId>,
    /// Bank account, sealed.
    #[n(11)]
    pub bank: Option<Sealed>,
    #[n(12)]
    pub pin: Option<PinValue>,
}

static UNUSED: Payer = Payer {
    pin_failures: 0,
    sources: SourceKind::DEFAULT_ORDER,
    reduced_until: Timestamp(0),
    spent: Spent::NOTHING,
    billed: Spent::NOTHING,
    attention: Daily::NOTHING,
    funded_lots: Vec::new(),
    lots: Vec::new(),
    blocked_merchants: Vec::new(),
    prompts: Vec::new(),
    devices: Vec::new(),
    mandates: Vec::new(),
    bank: None,
    pin: None,
};

impl ops::Deref for Subscriber {
    type Target = Payer;

    fn deref(&self) -> &Payer {
        self.payer.as_deref().unwrap_or(&UNUSED)
    }
}

impl ops::DerefMut for Subscriber {
    fn deref_mut(&mut self) -> &mut Payer {
        self.payer.get_or_insert_with(|| Box::new(UNUSED.clone()))
    }
}

/// A [`Sealed`] of one owner, which needs no count of them.
#[derive(Clone, Debug)]
pub struct Profile(pub(super) Box<[u8]>);

impl From<&Sealed> for Profile {
    fn from(sealed: &Sealed) -> Self {
        Self(Box::from(&sealed.0[..]))
    }
}

impl<C> Encode<C> for Profile {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Profile {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Self(d.bytes()?.into()))
    }
}
