//! Keys of persons, made, used, forgotten.

use std::fs;
use std::path::PathBuf;

use private_postgres::Cluster;
use tempfile::TempDir;

use super::*;

/// Where a table is: in a file of a folder, or in a database.
struct Place {
    folder: TempDir,
    store: Option<PostgresStore>,
    keyring: Keyring,
}

impl Place {
    fn in_folder() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            store: None,
            keyring: Keyring::derived_for_simulation(1),
        }
    }

    fn in_postgres() -> Self {
        let url = Cluster::shared().database();
        Self {
            store: Some(PostgresStore::parse(&url).expect("a URL")),
            ..Self::in_folder()
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("subjects.db")
    }

    async fn open(&self) -> SubjectKeys {
        let opened = match &self.store {
            None => SubjectKeys::open(self.path(), &self.keyring).await,
            Some(store) => SubjectKeys::open_postgres(store, &self.keyring).await,
        };
        opened.expect("opened")
    }
}

/// Facts of every table, whichever database it is in.
macro_rules! facts_of_both {
    ($($fact:ident)*) => {
        mod in_a_file {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $fact() {
                super::$fact(super::Place::in_folder()).await;
            }
        )*}
        mod in_postgres {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $fact() {
                super::$fact(super::Place::in_postgres()).await;
            }
        )*}
    };
}

facts_of_both! {
    a_text_opens_for_its_subject_and_place_only
    a_key_is_there_after_opening_again_and_is_never_replaced
    an_erased_subject_is_unreadable_and_gets_no_other_key
    many_keys_are_made_at_once_all_different
    tasks_that_use_and_erase_at_once_never_see_an_erased_key_again
}

async fn a_text_opens_for_its_subject_and_place_only(place: Place) {
    let keys = place.open().await;
    assert_eq!(keys.create_many(&[1, 2]).await, Ok(2));
    let sealed = keys.seal_text(1, b"name", "王小明").await.expect("sealed");
    assert_eq!(
        keys.open_text(1, b"name", &sealed).await.as_deref(),
        Ok("王小明")
    );
    assert_eq!(
        keys.open_text(2, b"name", &sealed).await,
        Err(SubjectKeyError::Damaged(2))
    );
    assert_eq!(
        keys.open_text(1, b"number", &sealed).await,
        Err(SubjectKeyError::Damaged(1))
    );
    assert_eq!(
        keys.open_text(3, b"name", &sealed).await,
        Err(SubjectKeyError::NoKey(3))
    );
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert_eq!(
            keys.open_text(1, b"name", &changed).await,
            Err(SubjectKeyError::Damaged(1)),
            "byte {at}"
        );
        assert_eq!(
            keys.open_text(1, b"name", &sealed[..at]).await,
            Err(SubjectKeyError::Damaged(1)),
            "cut at {at}"
        );
    }
    let again = keys.seal_text(1, b"name", "王小明").await.expect("sealed");
    assert_ne!(sealed, again, "equal texts cannot be told");
}

async fn a_key_is_there_after_opening_again_and_is_never_replaced(place: Place) {
    let keys = place.open().await;
    assert_eq!(keys.create_many(&[7, 7, u64::MAX]).await, Ok(2));
    let sealed = keys.seal_text(7, b"", "text").await.expect("sealed");
    let largest = keys.seal_text(u64::MAX, b"", "text").await.expect("sealed");
    keys.close().await.expect("closed");
    let keys = place.open().await;
    assert_eq!(keys.create_many(&[6, 7, 8]).await, Ok(2));
    assert_eq!(keys.open_text(7, b"", &sealed).await.as_deref(), Ok("text"));
    assert_eq!(
        keys.open_text(u64::MAX, b"", &largest).await.as_deref(),
        Ok("text")
    );
}

async fn an_erased_subject_is_unreadable_and_gets_no_other_key(place: Place) {
    let keys = place.open().await;
    keys.create_many(&[1, 2]).await.expect("made");
    let sealed = keys.seal_text(1, b"", "text").await.expect("sealed");
    for _ in 0..2 {
        keys.erase(1).await.expect("erased");
        assert_eq!(
            keys.open_text(1, b"", &sealed).await,
            Err(SubjectKeyError::Erased(1))
        );
    }
    assert_eq!(keys.create_many(&[1, 3]).await, Ok(1));
    assert_eq!(
        keys.seal_text(1, b"", "text").await,
        Err(SubjectKeyError::Erased(1))
    );
    assert_eq!(keys.erased().await, Ok(vec![1]));
    keys.close().await.expect("closed");
    let keys = place.open().await;
    assert_eq!(
        keys.open_text(1, b"", &sealed).await,
        Err(SubjectKeyError::Erased(1))
    );
    assert!(keys.get(2).await.is_ok());
}

#[tokio::test]
async fn nothing_of_an_erased_key_stays_in_the_files() {
    let place = Place::in_folder();
    let keys = place.open().await;
    keys.create_many(&(1..=300).collect::<Vec<_>>())
        .await
        .expect("made");
    let wrapped: Vec<u8> = {
        match &keys.table {
            Table::Sqlite(table) => match table.find(150).await.expect("read") {
                Found::Key(wrapped) => wrapped,
                Found::Erased | Found::Nothing => panic!("it has a key"),
            },
            Table::Postgres(_) => panic!("it is a file"),
        }
    };
    let traces = || {
        let files = fs::read_dir(place.folder.path()).expect("listed");
        let contents = files.map(|file| fs::read(file.expect("listed").path()).expect("read"));
        contents
            .filter(|content| content.windows(wrapped.len()).any(|part| part == wrapped))
            .count()
    };
    assert!(traces() > 0);
    keys.erase(150).await.expect("erased");
    assert_eq!(traces(), 0);
}

#[tokio::test]
async fn a_restored_table_takes_the_erasures_again() {
    let place = Place::in_folder();
    let keys = place.open().await;
    keys.create_many(&[1, 2, 3]).await.expect("made");
    let sealed = keys.seal_text(2, b"", "text").await.expect("sealed");
    keys.close().await.expect("closed");
    let backup = Place::in_folder();
    fs::copy(place.path(), backup.path()).expect("copied");
    let keys = place.open().await;
    keys.erase(2).await.expect("erased");
    let erased = keys.erased().await.expect("read");

    let restored = backup.open().await;
    assert_eq!(
        restored.open_text(2, b"", &sealed).await.as_deref(),
        Ok("text")
    );
    restored.erase_many(&erased).await.expect("erased");
    assert_eq!(
        restored.open_text(2, b"", &sealed).await,
        Err(SubjectKeyError::Erased(2))
    );
    assert!(restored.get(3).await.is_ok());
}

#[tokio::test]
async fn keys_wrapped_before_a_rotation_open_after_it_and_another_keyring_opens_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ring_path, path) = (
        folder.path().join("keyring.toml"),
        folder.path().join("subjects.db"),
    );
    let keyring = Keyring::create(&ring_path).expect("made");
    let keys = SubjectKeys::open(&path, &keyring).await.expect("opened");
    keys.create_many(&[1]).await.expect("made");
    let sealed = keys.seal_text(1, b"", "text").await.expect("sealed");
    keys.close().await.expect("closed");

    let rotated = Keyring::rotate(&ring_path, crate::keyring::KeyName::Master).expect("rotated");
    let keys = SubjectKeys::open(&path, &rotated).await.expect("opened");
    keys.create_many(&[2]).await.expect("made");
    assert_eq!(keys.open_text(1, b"", &sealed).await.as_deref(), Ok("text"));
    assert!(keys.get(2).await.is_ok());
    keys.close().await.expect("closed");

    let keys = SubjectKeys::open(&path, &Keyring::derived_for_simulation(1))
        .await
        .expect("opened");
    assert_eq!(
        keys.get(1).await.map(drop),
        Err(SubjectKeyError::Damaged(1))
    );
}

async fn many_keys_are_made_at_once_all_different(place: Place) {
    let keys = place.open().await;
    let subjects: Vec<u64> = (1..=2345).collect();
    assert_eq!(keys.create_many(&subjects).await, Ok(2345));
    assert_eq!(keys.create_many(&subjects).await, Ok(0));
    keys.close().await.expect("closed");
    let keys = place.open().await;
    let mut seen = std::collections::HashSet::new();
    for subject in subjects {
        let key = keys.get(subject).await.expect("there");
        assert!(seen.insert(**key.0), "subject {subject}");
    }
}

async fn tasks_that_use_and_erase_at_once_never_see_an_erased_key_again(place: Place) {
    let keys = Arc::new(place.open().await);
    let subjects: Vec<u64> = (1..=40).collect();
    keys.create_many(&subjects).await.expect("made");
    keys.cache().clear();
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (keys, subjects) = (Arc::clone(&keys), subjects.clone());
            tokio::spawn(async move {
                for subject in subjects {
                    match keys.get(subject).await {
                        Ok(_) | Err(SubjectKeyError::Erased(_)) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            })
        })
        .collect();
    for subject in &subjects {
        keys.erase(*subject).await.expect("erased");
        assert_eq!(
            keys.get(*subject).await.map(drop),
            Err(SubjectKeyError::Erased(*subject))
        );
    }
    for reader in readers {
        reader.await.expect("no panic");
    }
    for subject in subjects {
        assert_eq!(
            keys.get(subject).await.map(drop),
            Err(SubjectKeyError::Erased(subject))
        );
    }
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let place = Place::in_folder();
    let _keys = place.open().await;
    let error = SubjectKeys::open(place.path(), &place.keyring)
        .await
        .expect_err("in use");
    assert_eq!(error.code(), "store_in_use");
}

#[tokio::test]
async fn what_one_node_erased_no_other_node_gives_a_key_again() {
    let place = Place::in_postgres();
    let (one, other) = (place.open().await, place.open().await);
    assert_eq!(one.create_many(&[1, 2]).await, Ok(2));
    assert_eq!(other.create_many(&[2, 3]).await, Ok(1));
    let sealed = one.seal_text(2, b"", "text").await.expect("sealed");
    assert_eq!(
        other.open_text(2, b"", &sealed).await.as_deref(),
        Ok("text")
    );
    one.erase_many(&[4, 3, 4]).await.expect("erased");
    assert_eq!(other.create_many(&[3, 4, 5]).await, Ok(1));
    for erased in [3, 4] {
        let key = place.open().await.get(erased).await.map(drop);
        assert_eq!(key, Err(SubjectKeyError::Erased(erased)));
    }
    assert_eq!(other.erased().await, Ok(vec![3, 4]));
}
