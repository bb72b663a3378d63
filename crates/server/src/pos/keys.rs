//! The issuer's master keys: sealed under the keyring in a file, ready in memory, never shown.
//!
//! **Invariant:** only check values leave this module, and keys of cards, for whoever personalises a token.

use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use data_encoding::HEXUPPER;
use io::Write as _;
use paytone_journal::Keyring;
use paytone_wire::emv::{Key, Version};
use serde::{Deserialize, Serialize};

/// What the sealed bytes belong to.
const CONTEXT: &[u8] = b"issuer master key";

/// One key, for one version of cryptogram.
#[derive(Clone, Debug)]
pub struct IssuerKey {
    /// As cards name it in their data.
    pub index: u8,
    pub version: &'static Version,
    pub key: Key,
}

impl IssuerKey {
    /// Three bytes that tell one key from another and nothing else.
    pub fn check_value(&self) -> String {
        HEXUPPER.encode(&self.key.check_value())
    }
}

/// All of them; the newest issues.
#[derive(Clone, Debug, Default)]
pub struct IssuerKeys(Vec<IssuerKey>);

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("{path}: {why}")]
    File { path: PathBuf, why: String },
    #[error("there is a key {index} of {version} already")]
    Twice { index: u8, version: &'static str },
    #[error(
        "{0} is no version of cryptogram; known are visa-10, -17, -18, -22, ccd-5, -6, mchip-10, -11, -14, -15"
    )]
    Version(String),
    #[error("this is no key: {0}")]
    Key(String),
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    key: Vec<Sealed>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    index: u8,
    version: String,
    check_value: String,
    sealed: String,
}

impl IssuerKeys {
    /// Those of a file; none if there is no file.
    pub fn load(path: &Path, keyring: &Keyring) -> Result<Self, KeyFileError> {
        let file = read(path)?;
        let wrong = |why: String| KeyFileError::File {
            path: path.to_owned(),
            why,
        };
        let mut keys = Vec::with_capacity(file.key.len());
        for sealed in &file.key {
            let version = version(&sealed.version)?;
            let bytes = HEXUPPER
                .decode(sealed.sealed.as_bytes())
                .map_err(|error| wrong(error.to_string()))?;
            let bytes = keyring
                .open(&bytes, &context(sealed.index, version))
                .map_err(|error| wrong(format!("key {}: {error}", sealed.index)))?;
            let key = Key::new(version.algorithm, &bytes)
                .map_err(|error| wrong(format!("key {}: {error}", sealed.index)))?;
            keys.push(IssuerKey {
                index: sealed.index,
                version,
                key,
            });
        }
        Ok(Self(keys))
    }

    /// Seals one more key into the file.
    pub fn add(
        path: &Path,
        keyring: &Keyring,
        index: u8,
        version_name: &str,
        bytes: &[u8],
    ) -> Result<IssuerKey, KeyFileError> {
        let version = version(version_name)?;
        let key = Key::new(version.algorithm, bytes)
            .map_err(|error| KeyFileError::Key(error.to_string()))?;
        if key.is_single_des() {
            let why = "both halves are the same, which is single DES".to_owned();
            return Err(KeyFileError::Key(why));
        }
        let mut file = read(path)?;
        let same = |known: &Sealed| known.index == index && known.version == version.name;
        if file.key.iter().any(same) {
            let version = version.name;
            return Err(KeyFileError::Twice { index, version });
        }
        let added = IssuerKey {
            index,
            version,
            key,
        };
        let sealed = keyring.seal(bytes, &context(index, version));
        file.key.push(Sealed {
            index,
            version: version.name.to_owned(),
            check_value: added.check_value(),
            sealed: HEXUPPER.encode(&sealed),
        });
        write(path, &file).map_err(|error| KeyFileError::File {
            path: path.to_owned(),
            why: error.to_string(),
        })?;
        Ok(added)
    }

    /// The key that a card names.
    pub fn find(&self, index: u8, version: &'static Version) -> Option<&IssuerKey> {
        let of = |key: &&IssuerKey| key.index == index && key.version == version;
        self.0.iter().find(of)
    }

    /// What new tokens get their keys from.
    pub fn newest(&self) -> Option<&IssuerKey> {
        self.0.last()
    }

    pub fn iter(&self) -> impl Iterator<Item = &IssuerKey> {
        self.0.iter()
    }
}

fn context(index: u8, version: &Version) -> Vec<u8> {
    [CONTEXT, &[index], version.name.as_bytes()].concat()
}

fn version(name: &str) -> Result<&'static Version, KeyFileError> {
    Version::named(name).ok_or_else(|| KeyFileError::Version(name.to_owned()))
}

fn read(path: &Path) -> Result<File, KeyFileError> {
    let wrong = |why: String| KeyFileError::File {
        path: path.to_owned(),
        why,
    };
    match fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text).map_err(|error| wrong(error.to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(File::default()),
        Err(error) => Err(wrong(error.to_string())),
    }
}

/// The old file or the new one is there, whole, whenever the machine stops.
fn write(path: &Path, file: &File) -> io::Result<()> {
    let text = toml::to_string(file).map_err(io::Error::other)?;
    let beside = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut to = options.open(&beside)?;
    to.write_all(text.as_bytes())?;
    to.sync_all()?;
    fs::rename(&beside, path)
}
