//! Identifiers, each a type of its own.
//!
//! Inside, an id is a number that counts up: it is short in the journal and quick to look up. Outside it is shown only
//! through a keyed permutation made at the edge, so that it reveals no volume.

use std::sync::Arc;

use minicbor::{Decode, Encode};

use crate::sequence::Counted;

macro_rules! counted {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] pub u64);

        impl Counted for $name {
            fn number(self) -> u64 {
                self.0
            }

            fn numbered(number: u64) -> Self {
                Self(number)
            }
        }
    )*};
}

counted! {
    /// A person or firm that owns money, devices, mandates and credit.
    SubscriberId;
    /// Who is paid.
    MerchantId;
    /// One key a merchant's client signs in with.
    ClientKeyId;
    /// One attempt of a merchant to be paid by a number.
    PaymentId;
    /// Money going back to a payer.
    RefundId;
    /// A payer's signed authority for one merchant to charge without a prompt.
    MandateId;
    /// A phone app instance holding a private key.
    DeviceId;
    /// One lot of own-balance money with origin, expiry and scope.
    LotId;
    /// Something wanted of the outside world that moves money.
    EffectId;
    /// A member of the operator's staff.
    OperatorId;
    /// A change that waits for a second person.
    ProposalId;
    /// One address that a merchant's webhooks go to.
    EndpointId;
    /// A card number of the operator's own range, in a phone.
    TokenId;
    /// A place where a merchant is paid.
    StoreId;
    /// A machine in a store.
    TerminalId;
}

macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident($length:literal);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $length]);

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({:02x}{:02x}…)", stringify!($name), self.0[0], self.0[1])
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let bytes = d.bytes()?;
                <[u8; $length]>::try_from(bytes)
                    .map($name)
                    .map_err(|_| minicbor::decode::Error::message(concat!(stringify!($name), ": wrong length")))
            }
        }
    )*};
}

opaque! {
    /// Keyed hash of an E.164 number; only the edge, which holds the key, can make one.
    NumberHash(16);
    /// Keyed hash of a token's number; only the edge, which holds the key, can make one.
    TokenHash(16);
    /// Hash of a card acceptor and a terminal, as messages name them.
    TerminalKey(16);
    /// Hash of what tells one message of a till from all others.
    MessageKey(16);
    /// Unguessable name of one enrolment; whoever holds it may go on with that enrolment.
    EnrolmentId(16);
    /// Hash of a client's secret key; the key itself is stored nowhere.
    ClientKeyHash(32);
    /// Hash of client and idempotency key.
    RepeatKey(16);
    /// Hash of the body that came with an idempotency key.
    BodyHash(16);
    /// A PIN's verification value, keyed by a secret outside every database.
    PinValue(32);
    /// Uncompressed P-256 point.
    PublicKey(65);
    /// ECDSA signature as r ‖ s.
    Signature(64);
    /// Names one session of an operator or a phone.
    SessionId(16);
    /// Fingerprint of the keyring that this journal belongs to.
    KeyringFingerprint(32);
    /// A hash over a sealed day.
    DayHash(32);
    /// The public key that a sealed day is signed with (Ed25519).
    DayKey(32);
}

/// Bytes that only the edge can read: text sealed under the key of one subject.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Sealed(pub Arc<[u8]>);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

impl<C> Encode<C> for Sealed {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Sealed {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Sealed(d.bytes()?.into()))
    }
}

impl From<&[u8]> for Sealed {
    fn from(bytes: &[u8]) -> Self {
        Sealed(bytes.into())
    }
}

impl From<Vec<u8>> for Sealed {
    fn from(bytes: Vec<u8>) -> Self {
        Sealed(bytes.into())
    }
}
