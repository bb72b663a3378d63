//! What the demo remembers beside its stores: the secrets that only their owners would have, and how far it got.
//!
//! **Invariant:** a secret is on disk before anything is made with it, so that filling can stop anywhere and go on.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::people;
use crate::{edge::time, node::random, pos::player::PhoneFile};

#[derive(Clone, Serialize, Deserialize)]
pub struct WorldFile {
    #[serde(skip)]
    path: PathBuf,
    /// When the demo's world began, in engine time: what happened "three days ago" is counted from here.
    pub began_ms: i64,
    pub operators: Vec<Operator>,
    /// The merchants' client keys, in the order of [`people::MERCHANTS`].
    pub client_keys: Vec<String>,
    pub webhook: Option<Webhook>,
    /// What happened before anybody looked has happened.
    pub story_told: bool,
    /// What the phones' tokens are, by number.
    #[serde(default)]
    pub tokens: BTreeMap<String, PhoneFile>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Operator {
    pub name: String,
    pub password: String,
}

/// The shop's own endpoint.
#[derive(Clone, Serialize, Deserialize)]
pub struct Webhook {
    pub id: String,
    pub url: String,
    pub secret: String,
}

impl fmt::Debug for WorldFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorldFile({})", self.path.display())
    }
}

impl WorldFile {
    /// Reads the file in `data`, or begins a new one.
    pub fn open(data: &Path) -> io::Result<Self> {
        let path = data.join("demo.json");
        match fs::read(&path) {
            Ok(bytes) => {
                let mut file: Self = serde_json::from_slice(&bytes).map_err(|error| {
                    io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("{}: {error}", path.display()),
                    )
                })?;
                file.path = path;
                Ok(file)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = Self::begin(path);
                file.save()?;
                Ok(file)
            }
            Err(error) => Err(error),
        }
    }

    fn begin(path: PathBuf) -> Self {
        let operator = |name: &str| Operator {
            name: name.to_owned(),
            password: password(),
        };
        Self {
            path,
            began_ms: time::now().0,
            operators: vec![operator("mei"), operator("hao")],
            client_keys: people::MERCHANTS.iter().map(|_| client_key()).collect(),
            webhook: None,
            story_told: false,
            tokens: BTreeMap::new(),
        }
    }

    /// Replaces the file as a whole.
    pub fn save(&self) -> io::Result<()> {
        let bytes = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        replace(&self.path, &bytes)
    }
}

/// Writes a file that only its owner can read, as a whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// What the stand-in bank's clients send; drawn at the first start.
pub fn bank_token(path: &Path) -> io::Result<String> {
    if !path.exists() {
        let token = data_encoding::BASE64URL_NOPAD.encode(&[random(), random()].concat());
        replace(path, token.as_bytes())?;
    }
    fs::read_to_string(path)
}

fn client_key() -> String {
    let bytes = [random(), random()].concat();
    format!("sk_{}", data_encoding::BASE64URL_NOPAD.encode(&bytes))
}

/// Three groups that can be typed; drawn, since the demo may listen where others can reach it.
fn password() -> String {
    let text = data_encoding::BASE32_NOPAD.encode(&random()).to_lowercase();
    format!("{}-{}-{}", &text[..4], &text[4..8], &text[8..12])
}
