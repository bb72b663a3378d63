//! The keyring's file: TOML, mode 0600, written whole or not at all.
//!
//! ```toml
//! format = 1
//!
//! [[key]]
//! name = "master"
//! id = 1
//! created = "2026-01-31T08:00:00Z"
//! secret = "…"            # 32 bytes, base64
//! ```
//!
//! **Invariant:** a file that others can read is never loaded, one that exists is never overwritten, and a rotation
//! replaces it atomically. **Known limit:** the TOML parser's own short-lived copies are not wiped.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use data_encoding::BASE64;
use jiff::{Timestamp, Unit};
use serde::Deserialize;
use zeroize::{Zeroize, Zeroizing};

use super::{Key, KeyName, Keyring, KeyringError};

const FORMAT: u32 = 1;
const HEADER: &str = "\
# The secrets of a Paytone installation. Every node needs the same file; keep a copy in a safe place, apart from
# backups of the databases. Without it the names, numbers and secrets in them can never be read again.
";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyringFile {
    format: u32,
    key: Vec<KeyEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    name: String,
    id: u32,
    created: String,
    secret: SecretText,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct SecretText(String);

impl Drop for SecretText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Keyring {
    /// Draws new secrets and writes them to a file that must not exist yet.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, KeyringError> {
        let path = path.as_ref();
        let keys = KeyName::ALL.map(|name| draw(name, 1));
        write_new(path, &keys)?;
        sync_folder(path)?;
        Ok(Self::from_keys(Vec::from(keys)))
    }

    /// Reads a keyring, if nobody but its owner can.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, KeyringError> {
        Ok(Self::from_keys(read(path.as_ref())?))
    }

    /// Adds a new key of `name` to the file; from the next load on it writes, and the older ones still read.
    /// Give the file to every node before one of them loads it.
    pub fn rotate(path: impl AsRef<Path>, name: KeyName) -> Result<Self, KeyringError> {
        let path = path.as_ref();
        if !name.rotates() {
            return Err(KeyringError::DoesNotRotate(name.as_str()));
        }
        let mut keys = read(path)?;
        let last = keys
            .iter()
            .rposition(|key| key.name == name)
            .ok_or_else(|| malformed(path, "a key is missing"))?;
        let id = keys[last]
            .id
            .checked_add(1)
            .ok_or_else(|| malformed(path, "key ids are used up"))?;
        keys.insert(last + 1, draw(name, id));
        let mut next = path.as_os_str().to_owned();
        next.push(".next");
        let next = PathBuf::from(next);
        write_new(&next, &keys)?;
        fs::rename(&next, path).map_err(|error| failed(path, &error))?;
        sync_folder(path)?;
        Ok(Self::from_keys(keys))
    }
}

fn draw(name: KeyName, id: u32) -> Key {
    let mut secret = Zeroizing::new([0; 32]);
    rand::fill(secret.as_mut_slice()).expect("the system has a source of randomness");
    let now = Timestamp::now();
    Key {
        name,
        id,
        created: now.round(Unit::Second).unwrap_or(now),
        secret,
    }
}

fn read(path: &Path) -> Result<Vec<Key>, KeyringError> {
    let mut file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => KeyringError::Missing(path.display().to_string()),
        _ => failed(path, &error),
    })?;
    // Asked of the open file, so that nobody can exchange it in between.
    let mode = file
        .metadata()
        .map_err(|error| failed(path, &error))?
        .permissions()
        .mode()
        & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyringError::TooOpen {
            path: path.display().to_string(),
            mode,
        });
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text)
        .map_err(|error| failed(path, &error))?;
    // The parser's own message would quote the line, and with it perhaps a secret.
    let parsed: KeyringFile = toml::from_str(&text).map_err(|error| {
        let line = error
            .span()
            .and_then(|span| text.get(..span.start))
            .map_or(0, |before| before.matches('\n').count());
        malformed(
            path,
            &format!("line {}: not the TOML of a keyring", line + 1),
        )
    })?;
    if parsed.format != FORMAT {
        return Err(malformed(
            path,
            &format!("its format is {}, not {FORMAT}", parsed.format),
        ));
    }
    let mut keys = Vec::with_capacity(parsed.key.len());
    for entry in parsed.key {
        keys.push(key_of(entry).map_err(|why| malformed(path, &why))?);
    }
    keys.sort_by_key(|key| (key.name, key.id));
    check(&keys).map_err(|why| malformed(path, &why))?;
    Ok(keys)
}

fn key_of(entry: KeyEntry) -> Result<Key, String> {
    let name = KeyName::ALL
        .into_iter()
        .find(|name| name.as_str() == entry.name)
        .ok_or_else(|| format!("no key is called `{}`", entry.name.escape_debug()))?;
    let place = format!("key `{}` {}", entry.name, entry.id);
    let created = entry
        .created
        .parse()
        .map_err(|_| format!("{place}: `created` is not a time"))?;
    let bytes = BASE64.decode(entry.secret.0.as_bytes()).map(Zeroizing::new);
    let bytes = bytes.map_err(|_| format!("{place}: `secret` is not base64"))?;
    if bytes.len() != 32 {
        return Err(format!(
            "{place}: `secret` has {} bytes, not 32",
            bytes.len()
        ));
    }
    let mut secret = Zeroizing::new([0; 32]);
    secret.copy_from_slice(&bytes);
    Ok(Key {
        name,
        id: entry.id,
        created,
        secret,
    })
}

/// `keys` are sorted by name and id.
fn check(keys: &[Key]) -> Result<(), String> {
    for name in KeyName::ALL {
        let ids: Vec<u32> = keys
            .iter()
            .filter(|key| key.name == name)
            .map(|key| key.id)
            .collect();
        let name_text = name.as_str();
        if ids.is_empty() {
            return Err(format!("the key `{name_text}` is missing"));
        }
        if ids.first() == Some(&0) {
            return Err(format!("key `{name_text}`: ids count from 1"));
        }
        if !name.rotates() && ids.len() > 1 {
            return Err(format!("the key `{name_text}` can be there only once"));
        }
        if ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(format!("key `{name_text}`: an id is there twice"));
        }
    }
    for (index, key) in keys.iter().enumerate() {
        if keys
            .iter()
            .skip(index + 1)
            .any(|other| other.secret == key.secret)
        {
            return Err(format!(
                "key `{}` {} has the secret of another",
                key.name.as_str(),
                key.id
            ));
        }
    }
    Ok(())
}

fn write_new(path: &Path, keys: &[Key]) -> Result<(), KeyringError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => KeyringError::Exists(path.display().to_string()),
            _ => failed(path, &error),
        })?;
    let written = file
        .write_all(text_of(keys).as_bytes())
        .and_then(|()| file.sync_all());
    written.map_err(|error| {
        // Half a keyring is none; it was made by this call, so nothing of value goes.
        let _ = fs::remove_file(path);
        failed(path, &error)
    })
}

fn text_of(keys: &[Key]) -> Zeroizing<String> {
    // Large enough that it never moves and leaves a copy behind.
    let mut text = Zeroizing::new(String::with_capacity(HEADER.len() + 64 + keys.len() * 200));
    text.push_str(HEADER);
    text.push_str(&format!("\nformat = {FORMAT}\n"));
    for key in keys {
        let (name, id, created) = (key.name.as_str(), key.id, key.created);
        text.push_str(&format!(
            "\n[[key]]\nname = \"{name}\"\nid = {id}\ncreated = \"{created}\"\nsecret = \""
        ));
        let mut secret = BASE64.encode(key.secret.as_slice());
        text.push_str(&secret);
        secret.zeroize();
        text.push_str("\"\n");
    }
    text
}

/// A new name is durable once its folder is.
fn sync_folder(path: &Path) -> Result<(), KeyringError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &std::io::Error) -> KeyringError {
    KeyringError::Failed {
        path: path.display().to_string(),
        why: error.to_string(),
    }
}

fn malformed(path: &Path, why: &str) -> KeyringError {
    KeyringError::Malformed {
        path: path.display().to_string(),
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keyring.toml");
        (folder, path)
    }

    #[test]
    fn a_keyring_comes_back_from_its_file() {
        let (_folder, path) = fresh();
        let made = Keyring::create(&path).expect("made");
        let loaded = Keyring::load(&path).expect("loaded");
        assert_eq!(made.fingerprint(), loaded.fingerprint());
        assert_eq!(
            made.number_hash("+8613800138000"),
            loaded.number_hash("+8613800138000")
        );
        assert_eq!(
            made.key_ids(KeyName::Pin).collect::<Vec<_>>(),
            loaded.key_ids(KeyName::Pin).collect::<Vec<_>>()
        );
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_keyring_is_never_overwritten() {
        let (_folder, path) = fresh();
        let first = Keyring::create(&path).expect("made").fingerprint();
        assert_eq!(
            Keyring::create(&path).expect_err("there already").code(),
            "keyring_exists"
        );
        assert_eq!(Keyring::load(&path).expect("loaded").fingerprint(), first);
    }

    #[test]
    fn a_keyring_that_others_can_read_is_refused() {
        let (_folder, path) = fresh();
        Keyring::create(&path).expect("made");
        for (mode, fits) in [
            (0o600, true),
            (0o400, true),
            (0o640, false),
            (0o604, false),
            (0o620, false),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            let loaded = Keyring::load(&path);
            assert_eq!(loaded.is_ok(), fits, "mode {mode:o}");
            if let Err(error) = loaded {
                assert_eq!(error.code(), "keyring_too_open");
            }
        }
    }

    #[test]
    fn a_rotated_name_writes_with_the_newest_key_and_reads_with_all() {
        let (_folder, path) = fresh();
        let before = Keyring::create(&path).expect("made");
        let sealed = before.seal(b"whsec", b"merchant 7");
        let after = Keyring::rotate(&path, KeyName::Seal).expect("rotated");
        assert_eq!(
            after.open(&sealed, b"merchant 7").expect("old").as_slice(),
            b"whsec"
        );
        let newer = after.seal(b"whsec", b"merchant 7");
        assert!(before.open(&newer, b"merchant 7").is_err());
        let loaded = Keyring::load(&path).expect("loaded");
        assert_eq!(
            loaded.open(&newer, b"merchant 7").expect("new").as_slice(),
            b"whsec"
        );
        assert_eq!(
            loaded
                .key_ids(KeyName::Seal)
                .map(|(id, _)| id)
                .collect::<Vec<_>>(),
            [1, 2]
        );
        assert_eq!(
            loaded.fingerprint(),
            before.fingerprint(),
            "a node with either belongs to the same journal"
        );
        let refused = Keyring::rotate(&path, KeyName::Number).expect_err("one only");
        assert_eq!(refused.code(), "keyring_does_not_rotate");
    }

    #[test]
    fn a_spoiled_file_is_refused_by_what_is_wrong_and_without_showing_a_secret() {
        let (_folder, path) = fresh();
        Keyring::create(&path).expect("made");
        let good = fs::read_to_string(&path).expect("read");
        let secret = good
            .split("secret = \"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .expect("a secret");
        let second = good
            .split("secret = \"")
            .nth(2)
            .and_then(|rest| rest.split('"').next())
            .expect("a secret");
        let spoiled = [
            (good.replace("format = 1", "format = 2"), "format is 2"),
            (good.replace("\"pin\"", "\"pan\""), "no key is called `pan`"),
            (
                good.replace("\"pin\"", "\"code\""),
                "the key `pin` is missing",
            ),
            (good.replacen("id = 1", "id = 0", 1), "ids count from 1"),
            (
                good.replacen("created = \"", "created = \"x", 1),
                "`created` is not a time",
            ),
            (good.replace(secret, "short"), "`secret` is not base64"),
            (good.replace(secret, &secret[4..]), "`secret` has 29 bytes"),
            (good.replace(secret, second), "has the secret of another"),
            (
                good.replace(&format!("\"{secret}\""), secret),
                "line 10: not the TOML of a keyring",
            ),
            (format!("{good}surplus = 1\n"), "not the TOML of a keyring"),
        ];
        for (text, why) in spoiled {
            fs::write(&path, text).expect("written");
            let message = Keyring::load(&path).expect_err(why).to_string();
            assert!(message.contains(why), "{message} instead of {why}");
            assert!(!message.contains(&secret[..8]), "{message}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let (_folder, path) = fresh();
        let shown = format!("{:?}", Keyring::create(&path).expect("made"));
        assert!(shown.contains("master:1"), "{shown}");
        assert!(shown.len() < 300, "{shown}");
    }
}
