//! Signatures of the [Standard Webhooks](https://www.standardwebhooks.com) convention.
//!
//! ```text
//!   secret     whsec_<base64 of 24 to 64 bytes>
//!   signature  v1,<base64 of HMAC-SHA256(secret, "id.timestamp.body")>   one per secret, spaces between
//! ```
//! **Invariant:** a secret is printed only by [`Secret::reveal`]; comparison takes constant time.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const PREFIX: &str = "whsec_";
const GENERATED_BYTES: usize = 32;

/// How far a receiver's clock and the sender's may differ.
pub const TOLERANCE_S: i64 = 5 * 60;

/// A shared secret of one webhook endpoint.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("a webhook secret starts with whsec_")]
    Prefix,
    #[error("what follows whsec_ is not base64")]
    Encoding,
    #[error("a webhook secret holds 24 to 64 bytes")]
    Length,
    #[error("the system's random source failed")]
    Random,
}

impl SecretError {
    pub fn code(self) -> &'static str {
        match self {
            Self::Prefix => "webhook_secret_prefix",
            Self::Encoding => "webhook_secret_encoding",
            Self::Length => "webhook_secret_length",
            Self::Random => "webhook_secret_random",
        }
    }
}

impl Secret {
    pub fn generate() -> Result<Self, SecretError> {
        let mut bytes = vec![0; GENERATED_BYTES];
        rand::fill(&mut bytes).map_err(|_| SecretError::Random)?;
        Ok(Self(bytes))
    }

    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(SecretError::Prefix)?;
        let bytes = STANDARD
            .decode(encoded)
            .map_err(|_| SecretError::Encoding)?;
        Self::from_bytes(bytes)
    }

    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, SecretError> {
        if (24..=64).contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(SecretError::Length)
        }
    }

    /// The `whsec_…` form, to be shown once to its owner.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// The bare bytes, to be sealed.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(whsec_***)")
    }
}

fn signed_content(id: &str, timestamp_s: i64, body: &[u8]) -> Vec<u8> {
    let mut content = format!("{id}.{timestamp_s}.").into_bytes();
    content.extend_from_slice(body);
    content
}

/// The value of `webhook-signature`: one signature per secret, so that a receiver accepts the
/// message with the old secret or the new one while they are exchanged.
pub fn sign(secrets: &[Secret], id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let content = signed_content(id, timestamp_s, body);
    let signatures: Vec<String> = secrets
        .iter()
        .map(|secret| {
            format!(
                "v1,{}",
                STANDARD.encode(hmac::sign(&secret.key(), &content))
            )
        })
        .collect();
    signatures.join(" ")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    #[error("the timestamp is not a number of seconds")]
    Timestamp,
    #[error("the message is too old, or from the future")]
    OutOfTime,
    #[error("no signature fits")]
    Mismatch,
}

/// What a receiver does: checks a message's three headers against one secret.
pub fn verify(
    secret: &Secret,
    id: &str,
    timestamp: &str,
    signature: &str,
    body: &[u8],
    now_s: i64,
) -> Result<(), VerifyError> {
    let timestamp_s: i64 = timestamp.parse().map_err(|_| VerifyError::Timestamp)?;
    if now_s.abs_diff(timestamp_s) > TOLERANCE_S.unsigned_abs() {
        return Err(VerifyError::OutOfTime);
    }
    let content = signed_content(id, timestamp_s, body);
    let key = secret.key();
    let fits = signature
        .split(' ')
        .filter_map(|part| part.strip_prefix("v1,"))
        .filter_map(|encoded| STANDARD.decode(encoded).ok())
        .any(|tag| hmac::verify(&key, &content, &tag).is_ok());
    if fits {
        Ok(())
    } else {
        Err(VerifyError::Mismatch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of the Standard Webhooks reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIMESTAMP_S: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn the_published_example_is_signed_alike() {
        let secret = Secret::parse(SECRET).unwrap();
        assert_eq!(sign(&[secret], ID, TIMESTAMP_S, BODY), SIGNATURE);
    }

    #[test]
    fn each_secret_of_a_rotation_verifies_and_others_do_not() {
        let (old, new) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        let stamp = TIMESTAMP_S.to_string();
        let header = sign(&[new.clone(), old.clone()], ID, TIMESTAMP_S, BODY);
        assert_eq!(header.split(' ').count(), 2);
        for secret in [&old, &new] {
            assert_eq!(
                verify(secret, ID, &stamp, &header, BODY, TIMESTAMP_S),
                Ok(())
            );
        }
        let stranger = Secret::generate().unwrap();
        assert_eq!(
            verify(&stranger, ID, &stamp, &header, BODY, TIMESTAMP_S),
            Err(VerifyError::Mismatch)
        );
    }

    #[test]
    fn changed_id_time_body_or_version_does_not_verify() {
        let secret = Secret::parse(SECRET).unwrap();
        let check =
            |id, stamp, signature, body| verify(&secret, id, stamp, signature, body, TIMESTAMP_S);
        let other_version = SIGNATURE.replace("v1", "v2");
        assert_eq!(check(ID, "1614265330", SIGNATURE, BODY), Ok(()));
        assert_eq!(
            check("msg_x", "1614265330", SIGNATURE, BODY),
            Err(VerifyError::Mismatch)
        );
        assert_eq!(
            check(ID, "1614265331", SIGNATURE, BODY),
            Err(VerifyError::Mismatch)
        );
        assert_eq!(
            check(ID, "1614265330", SIGNATURE, b"{}"),
            Err(VerifyError::Mismatch)
        );
        assert_eq!(
            check(ID, "1614265330", &other_version, BODY),
            Err(VerifyError::Mismatch)
        );
        assert_eq!(
            check(ID, "1614265330", "", BODY),
            Err(VerifyError::Mismatch)
        );
        assert_eq!(
            check(ID, "soon", SIGNATURE, BODY),
            Err(VerifyError::Timestamp)
        );
    }

    #[test]
    fn five_minutes_either_way_is_in_time_and_a_second_more_is_not() {
        let secret = Secret::parse(SECRET).unwrap();
        let at = |now_s| verify(&secret, ID, "1614265330", SIGNATURE, BODY, now_s);
        assert_eq!(at(TIMESTAMP_S + 300), Ok(()));
        assert_eq!(at(TIMESTAMP_S - 300), Ok(()));
        assert_eq!(at(TIMESTAMP_S + 301), Err(VerifyError::OutOfTime));
        assert_eq!(at(TIMESTAMP_S - 301), Err(VerifyError::OutOfTime));
        assert_eq!(at(i64::MIN), Err(VerifyError::OutOfTime));
    }

    #[test]
    fn a_secret_holds_24_to_64_bytes_of_base64_after_its_prefix() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        assert_eq!(Secret::parse(&of(23)), Err(SecretError::Length));
        assert!(Secret::parse(&of(24)).is_ok());
        assert!(Secret::parse(&of(64)).is_ok());
        assert_eq!(Secret::parse(&of(65)), Err(SecretError::Length));
        assert_eq!(
            Secret::parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            Err(SecretError::Prefix)
        );
        assert_eq!(Secret::parse("whsec_*"), Err(SecretError::Encoding));
        let secret = Secret::generate().unwrap();
        assert_eq!(Secret::parse(&secret.reveal()), Ok(secret.clone()));
        assert_eq!(format!("{secret:?}"), "Secret(whsec_***)");
    }
}
