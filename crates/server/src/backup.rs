//! Backups: journal and subject keys copied beside the running server, and brought back to the last moment or an earlier one.
//!
//! ```text
//!   backup:   journal ─ rows, chain checked ─▶ DIR/journal.sqlite, then subject keys ─▶ DIR/subject-keys.sqlite, then manifest.json
//!   restore:  DIR ─ hashes, chain, replay ─▶ NEW/journal.sqlite up to the moment ─▶ keys ─ erased again ─▶ verify
//! ```
//! **Invariants:** keys are copied after the journal, and every subject it names had one by then. Whoever the backup's whole journal, or a
//! later table of keys, says is erased has no key after a restore, however early the moment. A folder without a manifest is no backup.
//! **Not here:** the keyring, which is kept apart from what it opens; views and deliveries; PostgreSQL, which has ways of its own.

use std::{
    collections::BTreeSet,
    fs::{self, File, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{Context, SHA256};
use paytone_domain::{subscriber::SubscriberStatus, time::Timestamp};
use paytone_engine::{Batch, BatchError, Core};
use paytone_journal::{
    JournalReader, Keyring, OpenError, ReadError, SqliteJournal, SubjectKeys,
    copy::{Copied, CopyError, Take, copy},
    subject_keys::{SubjectKeyChangeError, SubjectKeyError},
};
use serde::{Deserialize, Serialize};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    config::Config,
    edge::time,
    stores::{Place, Stores},
    verify::{self, VerifyError},
};

const FORMAT: &str = "paytone backup v1";
const JOURNAL: &str = "journal.sqlite";
const KEYS: &str = "subject-keys.sqlite";
const MANIFEST: &str = "manifest.json";

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{path}: {why}")]
    File { path: PathBuf, why: String },
    #[error(
        "the stores are in PostgreSQL: back them up with its own tools, and the keyring besides"
    )]
    InPostgres,
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error("the table of keys cannot be copied: {0}")]
    Keys(sqlx::Error),
    #[error(transparent)]
    SubjectKeys(#[from] SubjectKeyError),
    #[error(transparent)]
    Erase(#[from] SubjectKeyChangeError),
    #[error("{0}: this backup is damaged")]
    Damaged(String),
    #[error("batch {seq}: {error}")]
    Batch { seq: u64, error: BatchError },
    #[error("nothing had been decided by then")]
    BeforeTheBeginning,
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error("what was restored does not verify:\n{0}")]
    Differs(Box<verify::Report>),
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: String,
    made_at: String,
    /// The last row of the journal, and its hash.
    pub position: u64,
    pub hash: String,
    files: Vec<Content>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    name: String,
    bytes: u64,
    sha256: String,
}

impl Content {
    fn of(folder: &Path, name: &str) -> Result<Self, BackupError> {
        let path = folder.join(name);
        let mut file = File::open(&path).map_err(at(&path))?;
        let (mut context, mut bytes, mut chunk) = (Context::new(&SHA256), 0, vec![0; 1 << 20]);
        loop {
            let read = file.read(&mut chunk).map_err(at(&path))?;
            if read == 0 {
                break;
            }
            context.update(&chunk[..read]);
            bytes += read as u64;
        }
        Ok(Self {
            name: name.to_owned(),
            bytes,
            sha256: data_encoding::HEXLOWER.encode(context.finish().as_ref()),
        })
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> BackupError {
    move |error| BackupError::File {
        path: path.to_owned(),
        why: error.to_string(),
    }
}

/// A folder that only its owner can look into, made now.
fn new_folder(path: &Path) -> Result<(), BackupError> {
    if let Some(above) = path.parent() {
        fs::create_dir_all(above).map_err(at(path))?;
    }
    fs::create_dir(path).map_err(at(path))?;
    fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(at(path))
}

fn sync(path: &Path) -> Result<(), BackupError> {
    let file = File::open(path).map_err(at(path))?;
    file.sync_all().map_err(at(path))
}

/// Makes a backup in a new folder; `progress` is told rows copied and rows in all.
pub async fn back_up(
    config: &Config,
    folder: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<Manifest, BackupError> {
    let stores = Stores::of(config)?;
    if matches!(stores.views(), Place::Postgres(_)) {
        return Err(BackupError::InPostgres);
    }
    let mut journal = stores.journal_reader().await?;
    let end = journal.last().await?.map_or(0, |tip| tip.seq);
    new_folder(folder)?;
    let Copied { kept, .. } = copy(&mut journal, end, &folder.join(JOURNAL), |row| {
        progress(row.seq, end);
        Take::Keep
    })
    .await?;
    copy_keys(&config.subject_keys(), &folder.join(KEYS)).await?;
    let mut files = Vec::new();
    for name in [JOURNAL, KEYS] {
        let path = folder.join(name);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(at(&path))?;
        sync(&path)?;
        files.push(Content::of(folder, name)?);
    }
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        made_at: time::show(time::now()),
        position: kept.map_or(0, |tip| tip.seq),
        hash: kept.map_or_else(String::new, |tip| tip.hash.to_string()),
        files,
    };
    // Written last, under another name first: a backup that was cut off has none.
    let (path, half) = (folder.join(MANIFEST), folder.join("manifest.part"));
    let text = serde_json::to_string_pretty(&manifest).expect("a struct of strings is JSON");
    let mut file = File::create(&half).map_err(at(&half))?;
    file.write_all(text.as_bytes()).map_err(at(&half))?;
    file.sync_all().map_err(at(&half))?;
    fs::rename(&half, &path).map_err(at(&path))?;
    sync(folder)?;
    Ok(manifest)
}

/// As it is at one moment, without what was deleted.
async fn copy_keys(from: &Path, to: &Path) -> Result<(), BackupError> {
    let options = SqliteConnectOptions::new().filename(from);
    let mut keys = SqliteConnection::connect_with(&options)
        .await
        .map_err(BackupError::Keys)?;
    sqlx::query("VACUUM INTO $1")
        .bind(to.display().to_string())
        .execute(&mut keys)
        .await
        .map_err(BackupError::Keys)?;
    keys.close().await.map_err(BackupError::Keys)
}

fn manifest(folder: &Path) -> Result<Manifest, BackupError> {
    let path = folder.join(MANIFEST);
    let text = fs::read_to_string(&path).map_err(at(&path))?;
    let damaged =
        |why: &dyn std::fmt::Display| BackupError::Damaged(format!("{}: {why}", path.display()));
    let manifest: Manifest = serde_json::from_str(&text).map_err(|error| damaged(&error))?;
    if manifest.format != FORMAT {
        return Err(damaged(&format_args!("its format is {}", manifest.format)));
    }
    for name in [JOURNAL, KEYS] {
        let found = Content::of(folder, name)?;
        if !manifest.files.contains(&found) {
            return Err(BackupError::Damaged(
                folder.join(name).display().to_string(),
            ));
        }
    }
    Ok(manifest)
}

/// Whom another table of keys says is erased. It is copied first: opening one for use changes its file.
async fn erased_in(path: &Path, folder: &Path, keyring: &Keyring) -> Result<Vec<u64>, BackupError> {
    let copied = folder.join("later-keys.sqlite");
    copy_keys(path, &copied).await?;
    let table = SubjectKeys::open(&copied, keyring).await?;
    let erased = table.erased().await?;
    table.close().await?;
    fs::remove_file(&copied).map_err(at(&copied))?;
    // Its lock, where there is one.
    let _ = fs::remove_file(folder.join("later-keys.sqlite.lock"));
    Ok(erased)
}

/// What is there after a restore.
#[derive(Clone, Debug)]
pub struct Restored {
    pub position: u64,
    /// Engine time of the last row.
    pub time: Timestamp,
    /// Rows of the backup that came after the moment.
    pub left: u64,
    /// Subjects without a key because they were erased.
    pub erased: usize,
    pub report: verify::Report,
}

/// Brings a backup back into `config.data`, which must not exist yet: all of it, or what was decided `until` then. `later`: a table of
/// keys from after the backup, whose erasures count too.
pub async fn restore(
    folder: &Path,
    config: &Config,
    keyring: &Keyring,
    until: Option<Timestamp>,
    later: Option<&Path>,
    mut progress: impl FnMut(u64, u64),
) -> Result<Restored, BackupError> {
    let manifest = manifest(folder)?;
    let mut journal = SqliteJournal::reader(folder.join(JOURNAL)).await?;
    new_folder(&config.data)?;
    let later = match later {
        Some(path) => erased_in(path, &config.data, keyring).await?,
        None => Vec::new(),
    };
    let (mut core, mut time, mut fault) = (Core::new(), Timestamp(0), None);
    let copied = copy(&mut journal, manifest.position, &config.journal(), |row| {
        progress(row.seq, manifest.position);
        let batch: Result<Batch, BatchError> = match &fault {
            None => core.apply(row),
            Some(_) => return Take::Leave,
        };
        match batch {
            Ok(batch) if until.is_none_or(|until| batch.moment.now <= until) => {
                time = batch.moment.now;
                Take::Keep
            }
            Ok(_) => Take::Leave,
            Err(error) => {
                fault = Some((row.seq, error));
                Take::Leave
            }
        }
    })
    .await?;
    if let Some((seq, error)) = fault {
        return Err(BackupError::Batch { seq, error });
    }
    if copied
        .read
        .map(|tip| tip.hash.to_string())
        .unwrap_or_default()
        != manifest.hash
    {
        return Err(BackupError::Damaged(
            "its last row is not the one of its manifest".to_owned(),
        ));
    }
    let kept = copied.kept.ok_or(BackupError::BeforeTheBeginning)?;
    let keys = config.subject_keys();
    fs::copy(folder.join(KEYS), &keys).map_err(at(&keys))?;
    fs::set_permissions(&keys, Permissions::from_mode(0o600)).map_err(at(&keys))?;
    let erased = core
        .state()
        .subscribers
        .iter()
        .filter(|subscriber| subscriber.status == SubscriberStatus::Erased)
        .map(|subscriber| subscriber.subject);
    let erased: BTreeSet<u64> = erased.chain(later).collect();
    let erased: Vec<u64> = erased.into_iter().collect();
    let table = SubjectKeys::open(&keys, keyring).await?;
    table.erase_many(&erased).await?;
    table.close().await?;
    sync(&config.data)?;
    let report = verify::run(config, Some(keyring), |_, _| {}).await?;
    if !report.ok() {
        return Err(BackupError::Differs(Box::new(report)));
    }
    Ok(Restored {
        position: kept.seq,
        time,
        left: manifest.position - kept.seq,
        erased: erased.len(),
        report,
    })
}
