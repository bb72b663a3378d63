//! Where a node's stores are: SQLite files in its folder, or one PostgreSQL database.
//!
//! ```text
//!   [store] url ── empty ──▶ data/journal.sqlite  snapshots/  subject-keys.sqlite  deliveries.sqlite  views.sqlite  archive.sqlite
//!                            exports/, or where the settings say, of either
//!               └─ set ────▶ paytone.journal  paytone.snapshots  paytone.subject_keys  paytone_webhooks.*  paytone_views.*  paytone_archive.*
//! ```
//! **Invariant:** one setting moves all of them. **Not here:** what is in them.

use std::path::PathBuf;

use paytone_journal::{
    EitherJournal, EitherReader, Keyring, OpenError, PostgresJournal, PostgresStore, Snapshots,
    SqliteJournal, SubjectKeys, exports::Exports, postgres_store, trim::Trimmer,
};

use crate::{archive, config::Config, views::store, webhooks};

/// Opens them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stores {
    files: Files,
    postgres: Option<PostgresStore>,
}

#[derive(Clone, Debug)]
struct Files {
    journal: PathBuf,
    exports: PathBuf,
    snapshots: PathBuf,
    subject_keys: PathBuf,
    deliveries: PathBuf,
    views: PathBuf,
    archive: PathBuf,
}

/// A file, or the database.
#[derive(Clone, Debug)]
pub enum Place {
    File(PathBuf),
    Postgres(Box<PostgresStore>),
}

impl Stores {
    /// What the settings say. A password is asked for nowhere else and shown nowhere.
    pub fn of(config: &Config) -> Result<Self, OpenError> {
        Ok(Self {
            files: Files {
                journal: config.journal(),
                exports: config.exports(),
                snapshots: config.snapshots(),
                subject_keys: config.subject_keys(),
                deliveries: config.deliveries(),
                views: config.views(),
                archive: config.archive(),
            },
            postgres: postgres(config)?,
        })
    }

    /// The journal, for writing.
    pub async fn journal(&self) -> Result<EitherJournal, OpenError> {
        Ok(match &self.postgres {
            None => EitherJournal::Sqlite(SqliteJournal::open(&self.files.journal).await?),
            Some(store) => {
                let journal = PostgresJournal::open(store).await?;
                EitherJournal::Postgres(Box::new(journal))
            }
        })
    }

    /// The journal, for reading, with what was exported and taken out of it.
    pub async fn journal_reader(&self) -> Result<EitherReader, OpenError> {
        let reader = match &self.postgres {
            None => EitherReader::from(SqliteJournal::reader(&self.files.journal).await?),
            Some(store) => EitherReader::from(PostgresJournal::reader(store).await?),
        };
        Ok(reader.with_exports(self.exports()))
    }

    /// Rows that were written out of the journal.
    pub fn exports(&self) -> Exports {
        Exports::folder(&self.files.exports)
    }

    /// Takes rows out of the journal.
    pub async fn trimmer(&self) -> Result<Trimmer, OpenError> {
        match &self.postgres {
            None => Trimmer::sqlite(&self.files.journal).await,
            Some(store) => Trimmer::postgres(store).await,
        }
    }

    /// The snapshots beside the journal.
    pub async fn snapshots(&self) -> Result<Snapshots, OpenError> {
        match &self.postgres {
            None => Ok(Snapshots::folder(&self.files.snapshots)),
            Some(store) => Snapshots::postgres(store).await,
        }
    }

    /// The same, with nothing made where there are none.
    pub async fn snapshots_as_they_are(&self) -> Result<Snapshots, OpenError> {
        match &self.postgres {
            None => Ok(Snapshots::folder(&self.files.snapshots)),
            Some(store) => Snapshots::in_postgres_as_it_is(store).await,
        }
    }

    pub async fn subject_keys(&self, keyring: &Keyring) -> Result<SubjectKeys, OpenError> {
        match &self.postgres {
            None => SubjectKeys::open(&self.files.subject_keys, keyring).await,
            Some(store) => SubjectKeys::open_postgres(store, keyring).await,
        }
    }

    pub fn deliveries(&self) -> Place {
        self.place(&self.files.deliveries)
    }

    pub fn views(&self) -> Place {
        self.place(&self.files.views)
    }

    pub fn archive(&self) -> Place {
        self.place(&self.files.archive)
    }

    fn place(&self, file: &std::path::Path) -> Place {
        match &self.postgres {
            None => Place::File(file.to_owned()),
            Some(store) => Place::Postgres(Box::new(store.clone())),
        }
    }
}

/// What the owner of a PostgreSQL database runs once, for nodes that sign in as `role` and can change nothing in the journal, unless it
/// `trims`: then they may take old rows out.
pub fn script(role: &str, trims: bool) -> String {
    let mut script = postgres_store::script(
        &[
            store::POSTGRES_SCHEMA,
            webhooks::store::POSTGRES_SCHEMA,
            archive::store::POSTGRES_SCHEMA,
        ],
        role,
    );
    if trims {
        let role = role.replace('"', "\"\"");
        script += &format!("GRANT DELETE ON paytone.journal TO \"{role}\";\n");
    }
    script
}

fn postgres(config: &Config) -> Result<Option<PostgresStore>, OpenError> {
    let store = &config.store;
    let unfit = |why: &str| OpenError::Unfit {
        path: "the setting store".to_owned(),
        why: why.to_owned(),
    };
    let in_file = !store.url_file.as_os_str().is_empty();
    let url = match (store.url.is_empty(), in_file) {
        (true, false) if store.ha => {
            return Err(unfit("ha needs PostgreSQL: url names none"));
        }
        (true, false) => return Ok(None),
        (false, false) => store.url.clone(),
        (true, true) => {
            let read = std::fs::read_to_string(&store.url_file);
            let read = read.map_err(|error| OpenError::Failed {
                path: store.url_file.display().to_string(),
                why: error.to_string(),
            });
            read?.trim().to_owned()
        }
        (false, true) => return Err(unfit("url and url_file are both there")),
    };
    let standby = store.ha && !store.allow_without_standby;
    Ok(Some(PostgresStore::parse(&url)?.requiring_standby(standby)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Store;

    fn of(store: Store) -> Result<Stores, OpenError> {
        Stores::of(&Config {
            store,
            ..Config::default()
        })
    }

    #[test]
    fn the_url_is_here_or_in_a_file_and_not_in_both() {
        let url = "postgresql://paytone:s3cret@db/books";
        let folder = tempfile::tempdir().expect("a folder");
        let url_file = folder.path().join("url");
        std::fs::write(&url_file, format!("{url}\n")).expect("written");
        let here = Store {
            url: url.to_owned(),
            ..Store::default()
        };
        let there = Store {
            url_file,
            ..Store::default()
        };
        let both = Store {
            url: url.to_owned(),
            ..there.clone()
        };
        for store in [here, there] {
            let stores = of(store).expect("a URL");
            let Place::Postgres(found) = stores.views() else {
                panic!("it is PostgreSQL");
            };
            assert_eq!(found.to_string(), "postgresql://paytone@db:5432/books");
            assert!(!format!("{stores:?}").contains("s3cret"));
        }
        let error = of(both).expect_err("which one?");
        assert!(!error.to_string().contains("s3cret"), "{error}");
        let stores = of(Store::default()).expect("files");
        assert!(matches!(stores.deliveries(), Place::File(_)));
    }

    #[test]
    fn high_availability_needs_postgresql() {
        let error = of(Store {
            ha: true,
            ..Store::default()
        });
        assert_eq!(error.expect_err("a file").code(), "store_unfit");
    }
}
