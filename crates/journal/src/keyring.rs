//! The secrets that live outside every database, and what is computed with them.
//!
//! | name | what for | rotates |
//! |---|---|---|
//! | `master` | wraps the keys of [`subject_keys`](crate::subject_keys) | yes |
//! | `seal` | seals webhook secrets | yes |
//! | `number` | finds a phone number by its keyed hash | no |
//! | `pin` | PIN verification values | no |
//! | `code` | one-time codes, derived and never kept | no |
//! | `session` | signs sign-in tokens, derives secrets that are made anew at a retry | no |
//! | `id` | permutes the ids shown outside | no |
//!
//! A name that rotates has several keys: the newest writes, all read, none is ever removed, because what an old one
//! sealed may stand in the journal. Each of the others has one, since what was computed with it is compared later.
//!
//! **Invariant:** no secret leaves this module except as the result of a keyed function; `Debug` shows names and ids
//! only, and memory is wiped when a keyring is dropped. **Not here:** the policy of who may try a PIN or code how often.

mod cipher;
mod file;
mod values;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::{digest, hmac};
use zeroize::Zeroizing;

use crate::public_ids::PublicIds;
pub use cipher::OpenSealedError;
pub(crate) use cipher::{CipherKeys, cipher, open_from, seal_into};

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyName {
    /// Wraps the keys of persons.
    Master,
    /// Hashes phone numbers.
    Number,
    /// Makes PIN verification values.
    Pin,
    /// Derives one-time codes.
    Code,
    /// Signs session tokens.
    Session,
    /// Seals webhook secrets.
    Seal,
    /// Permutes public ids.
    Id,
}

impl KeyName {
    /// Every name, in the order of the file.
    pub const ALL: [Self; 7] = [
        Self::Master,
        Self::Number,
        Self::Pin,
        Self::Code,
        Self::Session,
        Self::Seal,
        Self::Id,
    ];

    /// As the file spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Number => "number",
            Self::Pin => "pin",
            Self::Code => "code",
            Self::Session => "session",
            Self::Seal => "seal",
            Self::Id => "id",
        }
    }

    /// Whether there can be more than one key of this name.
    #[must_use]
    pub const fn rotates(self) -> bool {
        match self {
            Self::Master | Self::Seal => true,
            Self::Number | Self::Pin | Self::Code | Self::Session | Self::Id => false,
        }
    }
}

/// Why a keyring could not be made, read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// `create` never replaces a keyring: everything sealed with it would be lost.
    #[error("{0} exists already; a keyring is never overwritten")]
    Exists(String),
    /// There is no such file.
    #[error("there is no keyring at {0}")]
    Missing(String),
    /// Others than the owner may read or write it.
    #[error("{path} has mode {mode:04o}; others than its owner must have no access (chmod 600)")]
    TooOpen {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// It does not say what a keyring must say. The message names fields, never their content.
    #[error("{path} is not a keyring: {why}")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// Keys of this name have exactly one generation.
    #[error("the key `{0}` cannot be rotated")]
    DoesNotRotate(&'static str),
    /// The operating system refused.
    #[error("{path}: {why}")]
    Failed {
        /// The file.
        path: String,
        /// What was said.
        why: String,
    },
}

impl KeyringError {
    /// A stable name for logs and exit messages.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Exists(_) => "keyring_exists",
            Self::Missing(_) => "keyring_missing",
            Self::TooOpen { .. } => "keyring_too_open",
            Self::Malformed { .. } => "keyring_malformed",
            Self::DoesNotRotate(_) => "keyring_does_not_rotate",
            Self::Failed { .. } => "keyring_failed",
        }
    }
}

/// All secrets of an installation, ready for use. Every method takes `&self`; share it in an `Arc`.
pub struct Keyring {
    keys: Vec<Key>,
    number: hmac::Key,
    pin: hmac::Key,
    code: hmac::Key,
    session: hmac::Key,
    session_id: u32,
    seal: CipherKeys,
    master: Arc<CipherKeys>,
    public_ids: PublicIds,
}

struct Key {
    name: KeyName,
    id: u32,
    created: jiff::Timestamp,
    secret: Zeroizing<[u8; 32]>,
}

impl Keyring {
    /// A keyring that follows from `seed` alone, so that a simulation can be rerun. It protects nothing.
    #[must_use]
    pub fn derived_for_simulation(seed: u64) -> Self {
        let keys = KeyName::ALL.map(|name| {
            let mut context = digest::Context::new(&digest::SHA256);
            context.update(b"paytone simulated key v1\0");
            context.update(&seed.to_be_bytes());
            context.update(name.as_str().as_bytes());
            let mut secret = Zeroizing::new([0; 32]);
            secret.copy_from_slice(context.finish().as_ref());
            Key {
                name,
                id: 1,
                created: jiff::Timestamp::UNIX_EPOCH,
                secret,
            }
        });
        Self::from_keys(Vec::from(keys))
    }

    /// Tells whether two nodes, or a node and a journal, belong together: a hash over the names, ids and check values
    /// of the first key of each name. It gives nothing away about a secret, and a rotation does not change it.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"paytone keyring fingerprint v1\0");
        for name in KeyName::ALL {
            let key = self.first(name);
            let check = hmac::sign(
                &hmac::Key::new(hmac::HMAC_SHA256, key.secret.as_slice()),
                b"paytone key check v1\0",
            );
            context.update(name.as_str().as_bytes());
            context.update(&[0]);
            context.update(&key.id.to_be_bytes());
            context.update(check.as_ref());
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(context.finish().as_ref());
        fingerprint
    }

    /// The ids of the keys of a name and when each was made, oldest first.
    pub fn key_ids(&self, name: KeyName) -> impl Iterator<Item = (u32, jiff::Timestamp)> {
        self.keys
            .iter()
            .filter(move |key| key.name == name)
            .map(|key| (key.id, key.created))
    }

    /// Turns internal ids into those shown outside and back.
    #[must_use]
    pub const fn public_ids(&self) -> &PublicIds {
        &self.public_ids
    }

    /// The keys that wrap the keys of persons.
    pub(crate) fn master(&self) -> Arc<CipherKeys> {
        Arc::clone(&self.master)
    }

    /// `keys` has at least one key per name, those of a name in ascending order of id.
    fn from_keys(keys: Vec<Key>) -> Self {
        let first = |name| first_of(&keys, name);
        let signing = |name| hmac::Key::new(hmac::HMAC_SHA256, first(name).secret.as_slice());
        let ciphers = |name, domain| {
            let of_name = keys.iter().filter(|key| key.name == name);
            CipherKeys::new(domain, of_name.map(|key| (key.id, &*key.secret)))
        };
        Self {
            number: signing(KeyName::Number),
            pin: signing(KeyName::Pin),
            code: signing(KeyName::Code),
            session: signing(KeyName::Session),
            session_id: first(KeyName::Session).id,
            seal: ciphers(KeyName::Seal, b"paytone sealed secret v1\0"),
            master: Arc::new(ciphers(KeyName::Master, b"paytone subject key v1\0")),
            public_ids: PublicIds::new(&first(KeyName::Id).secret),
            keys,
        }
    }

    fn first(&self, name: KeyName) -> &Key {
        first_of(&self.keys, name)
    }
}

fn first_of(keys: &[Key], name: KeyName) -> &Key {
    keys.iter()
        .find(|key| key.name == name)
        .expect("a keyring has at least one key of every name")
}

impl fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = formatter.debug_map();
        for key in &self.keys {
            map.entry(
                &format_args!("{}:{}", key.name.as_str(), key.id),
                &"(secret)",
            );
        }
        map.finish()
    }
}
