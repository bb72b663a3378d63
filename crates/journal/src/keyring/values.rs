//! What is computed with the keys that do not rotate: number hashes, PIN values, one-time codes, session tokens.
//!
//! **Invariant:** each kind has a key and a domain tag of its own, and every input but the last has a fixed length, so
//! no value of one kind or input can be taken for another.

use aws_lc_rs::{hmac, signature::Ed25519KeyPair};
use data_encoding::BASE64URL_NOPAD;

use super::Keyring;

const KEY_ID_BYTES: usize = 4;
const MAC_BYTES: usize = 32;
const CODES: u32 = 1_000_000;
/// The largest multiple of [`CODES`] in 32 bits: draws from there on would favour small codes.
const UNBIASED_BELOW: u32 = u32::MAX - u32::MAX % CODES;

impl Keyring {
    /// The keyed hash by which a number in E.164 form (`+8613…`) is found.
    #[must_use]
    pub fn number_hash(&self, e164: &str) -> [u8; 16] {
        let mac = mac(&self.number, &[b"paytone number v1\0", e164.as_bytes()]);
        let mut hash = [0; 16];
        hash.copy_from_slice(&mac[..16]);
        hash
    }

    /// A keyed hash by which an imported row is known again; `kind` keeps rows of one import apart from those of another.
    #[must_use]
    pub fn row_hash(&self, kind: &str, fields: &[&str]) -> u64 {
        let mut context = hmac::Context::with_key(&self.number);
        context.update(b"paytone row v1\0");
        for field in std::iter::once(&kind).chain(fields) {
            // A length before each, so that no two lists of fields read the same.
            context.update(&(field.len() as u64).to_be_bytes());
            context.update(field.as_bytes());
        }
        let tag = context.sign();
        u64::from_be_bytes(std::array::from_fn(|place| tag.as_ref()[place]))
    }

    /// The value a PIN is checked against. It belongs to the subscriber: the same PIN gives another value for another.
    /// Compare with [`pin_value_matches`](Self::pin_value_matches).
    #[must_use]
    pub fn pin_value(&self, subscriber: u64, pin: &str) -> [u8; 32] {
        mac(
            &self.pin,
            &[
                b"paytone pin v1\0",
                &subscriber.to_be_bytes(),
                pin.as_bytes(),
            ],
        )
    }

    /// Whether `pin` gives `value`, in time that does not depend on where they differ.
    #[must_use]
    pub fn pin_value_matches(&self, subscriber: u64, pin: &str, value: &[u8; 32]) -> bool {
        let offered = self.pin_value(subscriber, pin);
        aws_lc_rs::constant_time::verify_slices_are_equal(&offered, value).is_ok()
    }

    /// The six digits of an enrolment's attempt. Sender and verifier both derive them; they are kept nowhere.
    #[must_use]
    pub fn one_time_code(&self, enrolment: [u8; 16], attempt: u32) -> String {
        let mut round = 0_u32;
        loop {
            let mac = mac(
                &self.code,
                &[
                    b"paytone code v1\0",
                    &enrolment,
                    &attempt.to_be_bytes(),
                    &round.to_be_bytes(),
                ],
            );
            let (draws, _) = mac.as_chunks::<4>();
            let unbiased = draws
                .iter()
                .map(|draw| u32::from_be_bytes(*draw))
                .find(|draw| *draw < UNBIASED_BELOW);
            if let Some(draw) = unbiased {
                return format!("{:06}", draw % CODES);
            }
            round += 1;
        }
    }

    /// What hides an entry of the books in a published hash until it is shown together with it.
    #[must_use]
    pub fn entry_salt(&self, row: u64, place: u32) -> [u8; 16] {
        let parts: [&[u8]; 3] = [
            b"paytone entry salt v1\0",
            &row.to_be_bytes(),
            &place.to_be_bytes(),
        ];
        let mac = mac(&self.number, &parts);
        std::array::from_fn(|place| mac[place])
    }

    /// The key that sealed days are signed with.
    ///
    /// # Panics
    ///
    /// Never: any 32 bytes are a key.
    #[must_use]
    pub fn day_key(&self) -> Ed25519KeyPair {
        let seed = mac(&self.session, &[b"paytone sealed day v1\0"]);
        Ed25519KeyPair::from_seed_unchecked(&seed).expect("any 32 bytes are a seed")
    }

    /// A value that follows from `input` and that only this keyring can compute; `purpose` keeps one use apart from the next.
    #[must_use]
    pub fn derived_value(&self, purpose: &str, input: &[u8]) -> [u8; 32] {
        mac(
            &self.session,
            &[
                b"paytone derived value v1\0",
                &(purpose.len() as u64).to_be_bytes(),
                purpose.as_bytes(),
                input,
            ],
        )
    }

    /// A token that carries `claims` in clear and that only this keyring can make.
    #[must_use]
    pub fn session_token(&self, claims: &[u8]) -> String {
        let id = self.session_id.to_be_bytes();
        let mut token = Vec::with_capacity(KEY_ID_BYTES + claims.len() + MAC_BYTES);
        token.extend_from_slice(&id);
        token.extend_from_slice(claims);
        token.extend_from_slice(&mac(&self.session, &[b"paytone session v1\0", &id, claims]));
        BASE64URL_NOPAD.encode(&token)
    }

    /// The claims of a token that this keyring made; whether they still hold is the caller's to say.
    #[must_use]
    pub fn open_session(&self, token: &str) -> Option<Vec<u8>> {
        let mut bytes = BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
        let (id, rest) = bytes.split_first_chunk::<KEY_ID_BYTES>()?;
        let (claims, found) = rest.split_last_chunk::<MAC_BYTES>()?;
        if u32::from_be_bytes(*id) != self.session_id {
            return None;
        }
        let due = mac(&self.session, &[b"paytone session v1\0", id, claims]);
        aws_lc_rs::constant_time::verify_slices_are_equal(&due, found).ok()?;
        let end = KEY_ID_BYTES + claims.len();
        bytes.truncate(end);
        bytes.drain(..KEY_ID_BYTES);
        Some(bytes)
    }
}

fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; MAC_BYTES] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let mut mac = [0; MAC_BYTES];
    mac.copy_from_slice(context.sign().as_ref());
    mac
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keyring() -> Keyring {
        Keyring::derived_for_simulation(1)
    }

    #[test]
    fn values_of_a_known_keyring_never_change() {
        let keyring = keyring();
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        assert_eq!(
            hex(&keyring.number_hash("+8613800138000")),
            "cbbd44135ddb1effcc2eea33cac8a849"
        );
        assert_eq!(
            hex(&keyring.pin_value(7, "1234")),
            "6fa80d65d542ff58b249ca63ab842f3c7727ec394bb2770bc75996d778ba9d4e"
        );
        assert_eq!(keyring.one_time_code([7; 16], 1), "038055");
        assert_eq!(
            keyring.session_token(b"claims"),
            "AAAAAWNsYWltc_6Svvd886xUs5nqenuXOXGjwocnggI6IopeVzbqTK8c"
        );
    }

    #[test]
    fn another_keyring_number_subscriber_or_attempt_gives_another_value() {
        let (keyring, other) = (keyring(), Keyring::derived_for_simulation(2));
        assert_ne!(
            keyring.number_hash("+8613800138000"),
            other.number_hash("+8613800138000")
        );
        assert_ne!(
            keyring.number_hash("+8613800138000"),
            keyring.number_hash("+8613800138001")
        );
        assert_ne!(keyring.pin_value(7, "1234"), keyring.pin_value(8, "1234"));
        assert_ne!(
            keyring.one_time_code([7; 16], 1),
            keyring.one_time_code([7; 16], 2)
        );
        assert!(keyring.pin_value_matches(7, "1234", &keyring.pin_value(7, "1234")));
        assert!(!keyring.pin_value_matches(7, "1235", &keyring.pin_value(7, "1234")));
    }

    #[test]
    fn a_rows_hash_depends_on_its_kind_and_on_where_its_fields_end() {
        let keyring = keyring();
        let hash = keyring.row_hash("line", &["ab", "c"]);
        assert_eq!(hash, keyring.row_hash("line", &["ab", "c"]));
        assert_ne!(hash, keyring.row_hash("line", &["a", "bc"]));
        assert_ne!(hash, keyring.row_hash("balance", &["ab", "c"]));
    }

    #[test]
    fn a_derived_value_depends_on_purpose_and_input_and_on_where_one_ends() {
        let keyring = keyring();
        let value = keyring.derived_value("client key", b"input");
        assert_eq!(value, keyring.derived_value("client key", b"input"));
        assert_ne!(value, keyring.derived_value("client ke", b"yinput"));
        assert_ne!(value, keyring.derived_value("client key", b"inputs"));
        let other = Keyring::derived_for_simulation(2);
        assert_ne!(value, other.derived_value("client key", b"input"));
    }

    #[test]
    fn codes_have_six_digits_and_spread_evenly() {
        let keyring = keyring();
        let mut firsts = [0_u32; 10];
        for attempt in 0..10_000 {
            let code = keyring.one_time_code([3; 16], attempt);
            assert!(
                code.len() == 6 && code.bytes().all(|digit| digit.is_ascii_digit()),
                "{code}"
            );
            firsts[usize::from(code.as_bytes()[0] - b'0')] += 1;
        }
        // Ten standard deviations of a fair draw.
        assert!(
            firsts.iter().all(|count| (700..=1300).contains(count)),
            "{firsts:?}"
        );
    }

    #[test]
    fn a_token_of_another_keyring_or_with_a_changed_byte_does_not_open() {
        let keyring = keyring();
        let token = keyring.session_token(b"operator 3");
        assert_eq!(
            keyring.open_session(&token).as_deref(),
            Some(b"operator 3".as_slice())
        );
        assert_eq!(
            Keyring::derived_for_simulation(2).open_session(&token),
            None
        );
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(keyring.open_session(&changed), None, "character {at}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_as_a_token_is_refused_without_a_fault(token in "\\PC*") {
            prop_assert_eq!(keyring().open_session(&token), None);
        }

        #[test]
        fn claims_come_back_as_they_went(claims in proptest::collection::vec(any::<u8>(), 0..200)) {
            let keyring = keyring();
            prop_assert_eq!(keyring.open_session(&keyring.session_token(&claims)), Some(claims));
        }
    }
}
