//! What a server must be set to, and what a URL may say.

use super::*;

fn set(url: &str, setting: &str) {
    let name = name_of(url);
    Cluster::shared().sql(name, &format!("ALTER DATABASE {name} SET {setting}"));
}

#[tokio::test]
async fn a_server_that_acknowledges_too_early_is_refused() {
    for (commit, fits) in [
        ("off", false),
        ("local", false),
        ("remote_write", false),
        ("on", true),
        ("remote_apply", true),
    ] {
        let url = Cluster::shared().database();
        set(&url, &format!("synchronous_commit = {commit}"));
        let store = PostgresStore::parse(&url).expect("a URL");
        let opened = PostgresJournal::open(&store).await;
        assert_eq!(opened.is_ok(), fits, "{commit}");
        if let Err(error) = opened {
            assert_eq!(error.code(), "store_unfit");
            let text = error.to_string();
            assert!(
                text.contains(&format!("synchronous_commit is {commit}")),
                "{text}"
            );
            let tables =
                "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'paytone'";
            assert_eq!(Cluster::shared().sql(name_of(&url), tables), "0");
        }
    }
}

#[tokio::test]
async fn where_a_standby_is_required_a_server_that_names_none_is_refused() {
    let place = InDatabase::new();
    let strict = place.store.clone().requiring_standby(true);
    let error = PostgresJournal::open(&strict).await.expect_err("none");
    assert_eq!(error.code(), "store_unfit");
    assert!(
        error
            .to_string()
            .contains("synchronous_standby_names is empty"),
        "{error}"
    );
    place.open().await;
}

#[tokio::test]
async fn a_journal_that_is_set_too_weak_meanwhile_is_not_written_until_it_is_put_right() {
    let url = Cluster::shared().database();
    let store = PostgresStore::parse(&url).expect("a URL");
    let mut journal = PostgresJournal::open(&store).await.expect("opened");
    set(&url, "synchronous_commit = off");
    drop(journal.reader.open.take());
    let row = next(&[]);
    let unknown = journal.append(&row).await.expect_err("too weak");
    assert_eq!(unknown.code(), "journal_unknown", "{unknown}");
    assert_eq!(all(&store).await, []);
    set(&url, "synchronous_commit = on");
    assert_eq!(journal.append(&row).await, Ok(()));
}

#[tokio::test]
async fn what_is_not_a_journal_of_this_version_is_refused_untouched() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let name = name_of(&url);
    let store = PostgresStore::parse(&url).expect("a URL");
    let missing = PostgresJournal::reader(&store).await.expect_err("none");
    assert_eq!(missing.code(), "store_missing");

    cluster.sql(
        name,
        "CREATE SCHEMA paytone; CREATE TABLE paytone.journal (theirs TEXT)",
    );
    let theirs = PostgresJournal::open(&store).await.expect_err("theirs");
    assert_eq!(theirs.code(), "store_unfit", "{theirs}");
    let columns = "SELECT string_agg(table_name || '.' || column_name, ',') FROM information_schema.columns \
                   WHERE table_schema = 'paytone'";
    assert_eq!(cluster.sql(name, columns), "journal.theirs");

    cluster.sql(name, "DROP SCHEMA paytone CASCADE");
    drop(PostgresJournal::open(&store).await.expect("made"));
    cluster.sql(name, "UPDATE paytone.stores SET version = 2");
    let newer = PostgresJournal::open(&store).await.expect_err("newer");
    assert!(
        newer
            .to_string()
            .contains("its tables journal have format 2, not 1"),
        "{newer}"
    );
}

#[test]
fn the_password_is_shown_nowhere() {
    let url = "postgresql://paytone:s3cret@db.example:6432/books?sslmode=require";
    let store = PostgresStore::parse(url).expect("a URL");
    assert_eq!(
        store.to_string(),
        "postgresql://paytone@db.example:6432/books"
    );
    assert_eq!(
        format!("{store:?}"),
        "PostgresStore(postgresql://paytone@db.example:6432/books)"
    );
    let unfit = store.unfit("why".to_owned());
    for text in [unfit.to_string(), format!("{unfit:?}")] {
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn a_url_that_cannot_be_used_says_why_without_being_repeated() {
    for (url, why) in [
        (
            "mysql://paytone:s3cret@db/books",
            "does not begin with postgresql://",
        ),
        (
            "postgresql://paytone:s3cret@db:port/books",
            "invalid port number",
        ),
        (
            "postgresql://paytone:s3cret@db/books?sslmode=perhaps",
            "ssl_mode",
        ),
        (
            "postgresql://db/books?user=paytone&passwort=s3cret",
            "no parameter \"passwort\"",
        ),
    ] {
        let error = PostgresStore::parse(url).expect_err(url);
        assert_eq!(error.code(), "store_unfit");
        let text = format!("{error} {error:?}");
        assert!(text.contains(why), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[tokio::test]
async fn a_password_that_is_wrong_is_not_in_the_error_and_a_right_one_is_let_in() {
    let cluster = Cluster::start();
    let url = cluster.database();
    let name = name_of(&url).to_owned();
    cluster.sql(&name, "CREATE ROLE node LOGIN SUPERUSER PASSWORD 's3cret'");
    cluster.demand_passwords_of("node");
    let with = |password: &str| {
        let url = cluster.url(&name, &format!("node:{password}"));
        PostgresStore::parse(&url).expect("a URL")
    };
    let error = PostgresJournal::open(&with("wr0ng"))
        .await
        .expect_err("wrong");
    assert_eq!(error.code(), "store_failed");
    let text = format!("{error} {error:?}");
    assert!(text.contains("password authentication failed"), "{text}");
    assert!(!text.contains("wr0ng"), "{text}");
    PostgresJournal::open(&with("s3cret")).await.expect("right");
}
