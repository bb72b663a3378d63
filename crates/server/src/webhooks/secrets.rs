//! Addresses and secrets of endpoints: sealed by the keyring in the journal, opened to send.

use paytone_connectors::webhook::signature::Secret;
use paytone_domain::{
    ids::{MerchantId, Sealed},
    merchant::Endpoint,
    time::Timestamp,
};
use paytone_journal::Keyring;

#[derive(Clone, Copy)]
enum Kind {
    Url,
    Secret,
}

/// Binds what is sealed to its merchant and kind.
fn context(kind: Kind, merchant: MerchantId) -> Vec<u8> {
    let kind: &[u8] = match kind {
        Kind::Url => b"webhook url\0",
        Kind::Secret => b"webhook secret\0",
    };
    [kind, &merchant.0.to_be_bytes()].concat()
}

pub fn seal_url(keyring: &Keyring, merchant: MerchantId, url: &str) -> Sealed {
    let context = context(Kind::Url, merchant);
    keyring.seal(url.as_bytes(), &context).into()
}

/// `None` if it was not sealed by this keyring for this merchant.
pub fn open_url(keyring: &Keyring, merchant: MerchantId, endpoint: &Endpoint) -> Option<String> {
    let context = context(Kind::Url, merchant);
    let bytes = keyring.open(&endpoint.url.0, &context).ok()?;
    String::from_utf8(bytes.to_vec()).ok()
}

pub fn seal_secret(keyring: &Keyring, merchant: MerchantId, secret: &Secret) -> Sealed {
    let context = context(Kind::Secret, merchant);
    keyring.seal(secret.bytes(), &context).into()
}

/// The secrets that sign at `now`: the present one first, and the one before while it still counts.
pub fn open_secrets(
    keyring: &Keyring,
    merchant: MerchantId,
    endpoint: &Endpoint,
    now: Timestamp,
) -> Vec<Secret> {
    let context = context(Kind::Secret, merchant);
    let previous = endpoint
        .previous
        .as_ref()
        .filter(|(_, until)| now < *until)
        .map(|(secret, _)| secret);
    std::iter::once(&endpoint.secret)
        .chain(previous)
        .filter_map(|sealed| keyring.open(&sealed.0, &context).ok())
        .filter_map(|bytes| Secret::from_bytes(bytes.to_vec()).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_secret_signs_beside_the_new_one_until_its_time_is_over() {
        let keyring = Keyring::derived_for_simulation(1);
        let merchant = MerchantId(7);
        let draw = || Secret::generate().expect("the system gives random bytes");
        let (old, new) = (draw(), draw());
        let endpoint = Endpoint {
            id: paytone_domain::ids::EndpointId(1),
            url: seal_url(&keyring, merchant, "https://shop.example/hooks"),
            secret: seal_secret(&keyring, merchant, &new),
            previous: Some((seal_secret(&keyring, merchant, &old), Timestamp(1_000))),
        };
        let at = |now| open_secrets(&keyring, merchant, &endpoint, Timestamp(now));
        assert_eq!(at(999), [new.clone(), old]);
        assert_eq!(at(1_000), [new]);
        assert!(open_secrets(&keyring, MerchantId(8), &endpoint, Timestamp(0)).is_empty());
        assert_eq!(
            open_url(&keyring, merchant, &endpoint).as_deref(),
            Some("https://shop.example/hooks")
        );
    }
}
