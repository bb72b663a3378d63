//! Adjustments, erasure, and what is left of people in the files.

use std::path::PathBuf;

use crate::site::Site;

const NUMBER: &str = "+8613800138000";
const NAME: &str = "Unmistakable Name";

fn site() -> Site {
    let site = Site::running();
    let lines = site.write(
        "lines.csv",
        &format!(
            "number,activated,kind,status,name,bank_account\n{NUMBER},2020-01-31,prepaid,active,{NAME},6222000000007777\n"
        ),
    );
    site.as_("ann", &["import", "lines", &lines]).done();
    site
}

#[test]
fn an_adjustment_takes_a_reason_and_two_people_and_never_overdraws() {
    let site = site();
    let done = site.agreed(&[
        "adjust",
        NUMBER,
        "50.00",
        "--reason",
        "goodwill after a fault",
    ]);
    assert_eq!(done["outcome"], "done");
    site.as_(
        "ann",
        &["adjust", NUMBER, "-50.01", "--reason", "taken back"],
    )
    .refused("would_overdraw");
    site.as_("ann", &["adjust", NUMBER, "1.00", "--reason", ""])
        .refused("reason");
    let asked = site
        .as_(
            "ann",
            &[
                "adjust",
                NUMBER,
                "-20.00",
                "--reason",
                "taken back",
                "--json",
            ],
        )
        .done()
        .json();
    let shown = site.as_("bob", &["worklist"]).done().out;
    assert!(shown.contains("-20.00 CNY: taken back"), "{shown}");
    site.as_(
        "bob",
        &["approve", asked["proposal"].as_str().expect("an id")],
    )
    .done();
    let shown = site
        .as_("ann", &["subscriber", "show", NUMBER, "--json"])
        .done()
        .json();
    assert_eq!(shown["balance"]["available"], "30.00");
}

#[test]
fn an_erased_subscriber_can_be_read_by_nobody_and_the_books_stay() {
    let mut site = site();
    site.agreed(&[
        "adjust",
        NUMBER,
        "50.00",
        "--reason",
        "goodwill after a fault",
    ]);
    let shown = site
        .as_("ann", &["subscriber", "show", NUMBER, "--json"])
        .done()
        .json();
    let id = shown["id"].as_str().expect("an id").to_owned();
    assert_eq!(shown["name"], NAME);
    site.stop();
    let keys = wrapped_keys(&site);
    let before = key_files(&site);
    site.serve();
    assert_eq!(
        site.agreed(&["subscriber", "erase", NUMBER])["outcome"],
        "done"
    );
    site.as_("ann", &["subscriber", "show", NUMBER])
        .refused("not_found");
    let shown = site
        .as_("ann", &["subscriber", "show", &id, "--json"])
        .done()
        .json();
    assert_eq!(shown["status"], "erased");
    assert!(
        shown["name"].is_null() && shown["number"].is_null(),
        "{shown}"
    );
    assert_eq!(shown["balance"]["available"], "0.00");
    assert_eq!(shown["unclaimed"], "50.00");
    site.as_("ann", &["adjust", &id, "1.00", "--reason", "too late"])
        .refused("erased");
    site.stop();
    site.run(&["verify"]).done();
    let left = wrapped_keys(&site);
    let gone: Vec<_> = keys.iter().filter(|key| !left.contains(key)).collect();
    assert_eq!(gone.len(), 1, "one key is gone from the table");
    for (path, bytes) in site.files() {
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(!holds(gone[0]), "the key is left in {}", path.display());
        for text in [NAME, NUMBER, "13800138000", "6222000000007777"] {
            assert!(!holds(text.as_bytes()), "{text} in {}", path.display());
        }
    }
    let log = site.log();
    assert!(!log.contains(NAME) && !log.contains("13800138000"), "{log}");
    // A key table restored from before the erasure: the next start erases again.
    for (path, _) in key_files(&site) {
        std::fs::remove_file(path).expect("it goes");
    }
    for (path, bytes) in before {
        std::fs::write(path, bytes).expect("a restore");
    }
    assert_eq!(wrapped_keys(&site), keys);
    site.serve();
    let shown = site
        .as_("ann", &["subscriber", "show", &id, "--json"])
        .done()
        .json();
    assert_eq!(shown["status"], "erased");
    assert!(shown["name"].is_null(), "{shown}");
    assert_eq!(wrapped_keys(&site).len(), left.len());
    site.stop();
}

/// The table of keys and what SQLite keeps beside it.
fn key_files(site: &Site) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = site.files();
    files.retain(|(path, _)| path.display().to_string().contains("subject-keys.sqlite"));
    files
}

/// The wrapped keys in the table, as they stand in the file.
fn wrapped_keys(site: &Site) -> Vec<Vec<u8>> {
    let path = site.path("data").join("subject-keys.sqlite");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        use sqlx::Connection as _;
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(&path)
            .read_only(true);
        let mut connection = sqlx::SqliteConnection::connect_with(&options)
            .await
            .expect("it opens");
        let keys = sqlx::query_scalar("SELECT wrapped FROM subject_keys")
            .fetch_all(&mut connection)
            .await
            .expect("it reads");
        connection.close().await.expect("it closes");
        keys
    })
}
