//! Old rows exported and taken out of the journal of the running program, and everything that goes on reading them.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use private_postgres::Cluster;
use serde_json::{Value, json};

use crate::site::Site;

const MEI: &str = "+8613800138000";
/// Longest wait for the views.
const PATIENCE: Duration = Duration::from_secs(60);

fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

struct Lived {
    site: Site,
    /// When there were 50 yuan.
    early: String,
    /// Where the older of two snapshots was made.
    snapshot: u64,
}

/// Money came three times, with a snapshot after the first and the second.
fn lived() -> Lived {
    lived_in(Site::running())
}

fn lived_in(site: Site) -> Lived {
    let lines = site.write(
        "lines.csv",
        &format!("number,activated,kind,status,name\n{MEI},2020-01-31,prepaid,active,Mei\n"),
    );
    site.as_("ann", &["import", "lines", &lines]).done();
    let give = |amount: &str| {
        site.agreed(&["adjust", MEI, amount, "--reason", "goodwill"]);
    };
    give("50.00");
    let early = now();
    trim(&site).refused("no_snapshot");
    give("1.00");
    let made = site.as_("ann", &["snapshot", "--json"]).done().json();
    give("2.00");
    site.as_("ann", &["snapshot"]).done();
    give("3.00");
    Lived {
        snapshot: made["position"].as_u64().expect("a position"),
        early,
        site,
    }
}

fn trim(site: &Site) -> crate::site::Ran {
    let now = now();
    site.as_("ann", &["journal", "trim", "--before", &now, "--json"])
}

/// Trims until no more may leave; says how many rows were exported and taken out in all, and up to which.
fn trimmed(lived: &Lived) -> (u64, u64, u64) {
    let begun = Instant::now();
    let (mut exported, mut removed) = (0, 0);
    loop {
        let done = trim(&lived.site).done().json();
        let number = |name: &str| done[name].as_u64().expect("a number");
        exported += number("exported");
        removed += number("removed");
        if number("through") == lived.snapshot - 1 {
            assert_eq!(done["held_by"], "snapshots", "{done}");
            return (exported, removed, number("through"));
        }
        // The views are not there yet.
        assert!(begun.elapsed() < PATIENCE, "{done}");
    }
}

fn balance(site: &Site, at: &str) -> Value {
    let shown = site.as_("ann", &["subscriber", "show", MEI, "--at", at, "--json"]);
    shown.done().json()["balance"]["available"].clone()
}

fn exports(site: &Site) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(site.path("data/exports")).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.collect()
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            copy_all(&entry.path(), &to);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), to).expect("copied");
        }
    }
}

#[test]
fn what_left_the_journal_is_read_from_its_exports_by_all_who_need_it() {
    let mut lived = lived();
    let (exported, removed, through) = trimmed(&lived);
    assert_eq!((exported, removed), (through, through));
    let (site, early) = (&mut lived.site, lived.early.clone());
    for file in exports(site) {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&file)
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file:?}");
    }
    assert_eq!(balance(site, &early), "50.00");
    assert_eq!(balance(site, &now()), "56.00");
    // More happens, and a backup has all of it.
    site.agreed(&["adjust", MEI, "4.00", "--reason", "goes on"]);
    site.run(&["backup", site.path("backup").to_str().expect("text")])
        .done();
    site.kill();
    site.serve();
    assert_eq!(balance(site, &now()), "60.00");
    site.stop();
    // Without a snapshot a start takes the exports.
    std::fs::remove_dir_all(site.path("data/snapshots")).expect("removed");
    site.serve();
    assert_eq!(balance(site, &now()), "60.00");
    site.stop();
    site.run(&["views", "rebuild"]).done();
    let verified = site.run(&["verify"]).done().out;
    let read = format!("of exports      {through:>16}");
    assert!(
        verified.contains("Nothing differs") && verified.contains(&read),
        "{verified}"
    );

    // Where they are gone it is said which rows are missing.
    let (there, away) = (site.path("data/exports"), site.path("away"));
    std::fs::rename(&there, &away).expect("moved");
    let missing = format!("rows 1 to {through} were trimmed");
    site.run(&["verify"]).refused(&missing);
    assert!(!site.serve_in_vain().ok);
    std::fs::rename(&away, &there).expect("moved");
    site.serve();
    site.as_("ann", &["snapshot"]).done();
    std::fs::rename(&there, &away).expect("moved");
    let args = ["subscriber", "show", MEI, "--at", &early];
    site.as_("ann", &args).refused("journal_trimmed");
    assert_eq!(balance(site, &now()), "60.00");
    std::fs::rename(&away, &there).expect("moved");
    assert_eq!(balance(site, &early), "50.00");
    site.stop();

    let (from, to) = (site.path("backup"), site.path("restored"));
    let (from, to) = (from.to_str().expect("text"), to.to_str().expect("text"));
    let restored = site.run(&["restore", from, "--data", to]).done().out;
    assert!(restored.contains("Nothing differs"), "{restored}");
    assert!(
        !restored.contains("of exports"),
        "it is whole again: {restored}"
    );
}

#[test]
fn cut_off_after_the_export_it_goes_on_and_never_believes_a_file_unread() {
    let mut lived = lived();
    lived.site.stop();
    let (data, before) = (lived.site.path("data"), lived.site.path("before"));
    copy_all(&data, &before);
    lived.site.serve();
    let (exported, _, through) = trimmed(&lived);
    assert_eq!(exported, through);
    lived.site.stop();
    // As a kill between the two leaves it: files, and all rows still there; and one that was only begun.
    copy_all(&data.join("exports"), &before.join("exports"));
    std::fs::remove_dir_all(&data).expect("removed");
    std::fs::rename(&before, &data).expect("moved");
    std::fs::write(data.join("exports/00000000000000009999.part"), "half").expect("written");
    let file = exports(&lived.site).into_iter().find(|file| {
        file.extension()
            .is_some_and(|extension| extension == "rows")
    });
    let file = file.expect("an export");
    let good = std::fs::read(&file).expect("it reads");
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    std::fs::write(&file, bad).expect("written");
    lived.site.serve();
    trim(&lived.site).refused("export");
    lived.site.stop();
    let verified = lived.site.run(&["verify"]).done().out;
    assert!(!verified.contains("of exports"), "nothing left: {verified}");
    std::fs::write(&file, good).expect("written");
    lived.site.serve();
    let (exported, removed, again) = trimmed(&lived);
    assert_eq!((exported, removed, again), (0, through, through));
    assert_eq!(balance(&lived.site, &lived.early), json!("50.00"));
    lived.site.stop();
    lived.site.run(&["verify"]).done();
    assert_eq!(exports(&lived.site).len(), 1, "what was only begun is gone");
}

#[test]
fn in_postgresql_rows_leave_the_table_and_are_read_from_their_exports() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let database = url.rsplit('/').next().expect("a database");
    let mut lived = lived_in(Site::running_with(&format!("[store]\nurl = {url:?}\n")));
    let (exported, removed, through) = trimmed(&lived);
    assert_eq!((exported, removed), (through, through));
    let first = cluster.sql(database, "SELECT min(seq) FROM paytone.journal");
    assert_eq!(first.trim(), (through + 1).to_string());
    let (site, early) = (&mut lived.site, lived.early.clone());
    assert_eq!(balance(site, &early), "50.00");
    site.kill();
    // Without a snapshot a start takes the exports.
    cluster.sql(database, "DELETE FROM paytone.snapshots");
    site.serve();
    assert_eq!(balance(site, &early), "50.00");
    assert_eq!(balance(site, &now()), "56.00");
    trim(site).refused("no_snapshot");
    site.stop();
    let verified = site.run(&["verify"]).done().out;
    assert!(verified.contains("of exports"), "{verified}");
    std::fs::remove_dir_all(site.path("data/exports")).expect("removed");
    let told = site.serve_in_vain();
    told.refused(&format!("rows 1 to {through}"));
}
