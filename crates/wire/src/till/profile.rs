//! What a link's messages must have and what its answers repeat, as data.

use std::borrow::Cow;

use super::request::Kind;
use crate::iso8583::dialect::Version;

/// The tables of one link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Profile {
    /// The fields that a message of a kind must have.
    pub required: Cow<'static, [(Kind, &'static [u8])]>,
    /// The fields of a request that its answer repeats if it has them.
    pub repeated: Cow<'static, [u8]>,
    /// Nothing but signing on is let through before signing on.
    pub sign_on_first: bool,
}

impl Profile {
    pub fn of(version: Version) -> Self {
        let (required, repeated) = match version {
            Version::V1987 => (REQUIRED_1987, REPEATED_1987),
            Version::V1993 => (REQUIRED_1993, REPEATED_1993),
        };
        Self {
            required: Cow::Borrowed(required),
            repeated: Cow::Borrowed(repeated),
            sign_on_first: false,
        }
    }

    pub fn required(&self, kind: Kind) -> &[u8] {
        self.required
            .iter()
            .find(|(of, _)| *of == kind)
            .map_or(&[], |(_, fields)| *fields)
    }
}

const REQUIRED_1987: &[(Kind, &[u8])] = &[
    (Kind::Authorization, &[3, 4, 7, 11, 12, 13, 22, 41, 42, 49]),
    (
        Kind::AuthorizationAdvice,
        &[3, 4, 7, 11, 12, 13, 39, 41, 42, 49],
    ),
    (Kind::Purchase, &[3, 4, 7, 11, 12, 13, 22, 41, 42, 49]),
    (Kind::PurchaseAdvice, &[3, 4, 7, 11, 12, 13, 41, 42, 49]),
    (Kind::Reversal, &[3, 4, 7, 11, 41, 42, 49, 90]),
    (Kind::ReversalAdvice, &[3, 4, 7, 11, 41, 42, 49, 90]),
    (Kind::Reconciliation, &[7, 11, 41, 42]),
    (Kind::NetworkManagement, &[7, 11, 70]),
];

const REQUIRED_1993: &[(Kind, &[u8])] = &[
    (Kind::Authorization, &[3, 4, 7, 11, 12, 22, 41, 42, 49]),
    (
        Kind::AuthorizationAdvice,
        &[3, 4, 7, 11, 12, 39, 41, 42, 49],
    ),
    (Kind::Purchase, &[3, 4, 7, 11, 12, 22, 41, 42, 49]),
    (Kind::PurchaseAdvice, &[3, 4, 7, 11, 12, 41, 42, 49]),
    (Kind::Reversal, &[3, 4, 7, 11, 12, 41, 42, 49, 56]),
    (Kind::ReversalAdvice, &[3, 4, 7, 11, 12, 41, 42, 49, 56]),
    (Kind::Reconciliation, &[7, 11, 41, 42]),
    (Kind::NetworkManagement, &[7, 11, 24]),
];

const REPEATED_1987: &[u8] = &[
    2, 3, 4, 7, 11, 12, 13, 15, 23, 24, 32, 33, 37, 41, 42, 49, 50, 70, 90,
];

const REPEATED_1993: &[u8] = &[
    2, 3, 4, 7, 11, 12, 15, 23, 24, 28, 32, 33, 37, 41, 42, 49, 50, 56,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iso8583::{Codec, dialects};

    #[test]
    fn every_dialect_has_the_fields_that_its_profile_asks_for_and_repeats() {
        for dialect in dialects::ALL {
            let codec = Codec::new(dialect).expect("a codec");
            let profile = Profile::of(dialect.version);
            let required = profile.required.iter().flat_map(|(_, fields)| *fields);
            for field in required.chain(profile.repeated.iter()) {
                assert!(codec.field(*field).is_some(), "{}: {field}", dialect.name);
            }
        }
    }
}
