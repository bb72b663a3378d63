//! Who caused something.

use minicbor::{Decode, Encode};

use crate::ids::{ClientKeyId, DeviceId, MerchantId, OperatorId};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Actor {
    /// The engine itself: deadlines.
    #[n(0)]
    System,
    #[n(1)]
    Operator(#[n(0)] OperatorId),
    /// A merchant's client, by the key it signed in with.
    #[n(2)]
    Client(#[n(0)] MerchantId, #[n(1)] ClientKeyId),
    #[n(3)]
    Device(#[n(0)] DeviceId),
    /// A connector to the outside world.
    #[n(4)]
    Connector,
    /// Somebody who is enrolling and is nobody yet.
    #[n(5)]
    Enrolling,
    /// The person at the machine that runs Paytone, before there are operator users.
    #[n(6)]
    Console,
}
