//! The secret that a merchant's client signs in with: `sk_` and 32 random bytes.
//!
//! **Invariant:** only its hash is kept. It is drawn at random, so a plain hash is enough: there is nothing to guess.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64URL_NOPAD;
use paytone_domain::ids::ClientKeyHash;

const PREFIX: &str = "sk_";
const LONGEST: usize = 128;

/// A new secret out of 32 bytes that nobody can guess, to be shown once. Unlike everything else that is shown, it must not be
/// kept or logged.
pub fn of(bytes: [u8; 32]) -> String {
    format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes))
}

/// One drawn now.
pub fn generate() -> String {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&crate::node::random());
    bytes[16..].copy_from_slice(&crate::node::random());
    of(bytes)
}

/// By which a secret is known. `None` if the text is not of the right form at all.
pub fn hash(secret: &str) -> Option<ClientKeyHash> {
    if !secret.starts_with(PREFIX) || secret.len() > LONGEST {
        return None;
    }
    let digest = digest(&SHA256, secret.as_bytes());
    <[u8; 32]>::try_from(digest.as_ref())
        .ok()
        .map(ClientKeyHash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_43_characters_after_its_prefix_and_no_two_are_alike() {
        let (first, second) = (generate(), generate());
        assert_eq!(first.len(), PREFIX.len() + 43);
        assert_ne!(first, second);
        assert_ne!(hash(&first), hash(&second));
        assert!(hash(&first).is_some());
        assert!(hash("pk_something").is_none());
    }
}
