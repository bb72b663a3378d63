//! The PIN's verification value and its tries, which belong to the subscriber and not to a device.

use subtle::ConstantTimeEq;

use super::Subscriber;
use crate::{ids::PinValue, risk::Rules};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PinCheck {
    Passed,
    /// How many tries are left now.
    Wrong(u8),
    Locked,
}

/// Compares in constant time. A subscriber without a PIN passes none.
pub(crate) fn check(subscriber: &Subscriber, rules: &Rules, pin: &PinValue) -> PinCheck {
    if subscriber.pin_locked(rules) {
        return PinCheck::Locked;
    }
    match &subscriber.pin {
        Some(expected) if bool::from(expected.0.ct_eq(&pin.0)) => PinCheck::Passed,
        _ => PinCheck::Wrong(
            rules
                .pin_tries
                .saturating_sub(subscriber.pin_failures.saturating_add(1)),
        ),
    }
}
