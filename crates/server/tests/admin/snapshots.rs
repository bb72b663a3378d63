//! Snapshots of the running program, ended the hard way and started again.

use std::path::PathBuf;

use serde_json::Value;

use crate::site::Site;

const MEI: &str = "+8613800138000";

/// With subscribers, and money on one of them.
fn site() -> Site {
    let site = Site::running();
    let mut lines = "number,activated,kind,status,name\n".to_owned();
    for last in 0..200 {
        lines += &format!(
            "+861380013{},2020-01-31,prepaid,active,Unmistakable Mei {last}\n",
            8_000 + last
        );
    }
    let lines = site.write("lines.csv", &lines);
    site.as_("ann", &["import", "lines", &lines]).done();
    site.agreed(&["adjust", MEI, "50.00", "--reason", "goodwill"]);
    site
}

fn snapshots(site: &Site, kind: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(site.path("data/snapshots")) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|found| found == kind))
        .collect();
    paths.sort();
    paths
}

fn take(site: &Site) -> Value {
    site.as_("ann", &["snapshot", "--json"]).done().json()
}

fn shown(site: &Site) -> Value {
    site.as_("ann", &["subscriber", "show", MEI, "--json"])
        .done()
        .json()
}

/// Where the last start began, and how many rows it replayed.
fn began(site: &Site) -> (u64, u64) {
    let log = site.log();
    let line = log
        .lines()
        .find(|line| line.contains("journal replayed"))
        .unwrap_or_else(|| panic!("{log}"));
    let number = |name: &str| {
        let (_, rest) = line.split_once(name).unwrap_or_else(|| panic!("{line}"));
        let digits: String = rest
            .chars()
            .skip_while(|letter| !letter.is_ascii_digit())
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse().unwrap_or_else(|_| panic!("{line}"))
    };
    (number("snapshot="), number("rows="))
}

#[test]
fn after_a_kill_only_the_rows_after_the_snapshot_are_replayed() {
    let mut site = site();
    let made = take(&site);
    let position = made["position"].as_u64().expect("a position");
    assert_eq!(made["new"], true);
    assert_eq!(take(&site)["new"], false, "nothing happened since");
    site.agreed(&["adjust", MEI, "25.00", "--reason", "after it"]);
    let before = shown(&site);
    assert_eq!(before["balance"]["available"], "75.00");
    site.kill();
    site.serve();
    let (from, rows) = began(&site);
    assert_eq!(from, position);
    assert!((1..10).contains(&rows), "{rows} rows");
    assert_eq!(shown(&site), before);
    // What was done under a key before is not done again, and what is new is.
    site.agreed(&["adjust", MEI, "5.00", "--reason", "goes on"]);
    assert_eq!(shown(&site)["balance"]["available"], "80.00");
    site.stop();
    let verified = site.run(&["verify"]).done().out;
    let compared = format!("Snapshots       compared at row {position}");
    assert!(verified.contains(&compared), "{verified}");
}

#[test]
fn a_damaged_snapshot_is_told_by_verify_and_set_aside_by_the_next_start() {
    let mut site = site();
    let older = take(&site)["position"].as_u64().expect("a position");
    site.agreed(&["adjust", MEI, "25.00", "--reason", "more"]);
    take(&site);
    let before = shown(&site);
    site.stop();
    let newest = snapshots(&site, "snapshot").pop().expect("a snapshot");
    let mut bytes = std::fs::read(&newest).expect("it reads");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&newest, bytes).expect("it is written");
    let verified = site.run(&["verify"]);
    assert!(
        !verified.ok && verified.out.contains("[snapshot]"),
        "{verified:?}"
    );
    site.serve();
    assert_eq!(began(&site).0, older);
    assert_eq!(shown(&site), before);
    assert_eq!(snapshots(&site, "set-aside").len(), 1);
    assert!(site.log().contains("snapshot_damaged"), "{}", site.log());
    // A folder of snapshots that is gone is no more than a longer start.
    site.stop();
    std::fs::remove_dir_all(site.path("data/snapshots")).expect("removed");
    site.serve();
    assert_eq!(began(&site).0, 0);
    assert_eq!(shown(&site), before);
}

#[test]
fn a_snapshot_of_a_journal_that_went_on_otherwise_is_not_used() {
    let mut site = site();
    site.run(&["backup", &site.path("backup").display().to_string()])
        .done();
    site.agreed(&["adjust", MEI, "25.00", "--reason", "after the backup"]);
    take(&site);
    site.stop();
    let restored = site.path("restored").display().to_string();
    let backup = site.path("backup").display().to_string();
    site.run(&["restore", &backup, "--data", &restored]).done();
    std::fs::rename(site.path("data/snapshots"), site.path("restored/snapshots")).expect("moved");
    std::fs::remove_dir_all(site.path("data")).expect("removed");
    std::fs::rename(&restored, site.path("data")).expect("moved");
    site.serve();
    assert_eq!(began(&site).0, 0);
    assert_eq!(shown(&site)["balance"]["available"], "50.00");
    assert!(
        site.log().contains("snapshot_not_in_journal"),
        "{}",
        site.log()
    );
}

#[test]
fn fewer_than_two_snapshots_cannot_be_asked_for() {
    Site::new("[snapshot]\nkeep = 1\n")
        .serve_in_vain()
        .refused("snapshot.keep");
}

#[test]
fn as_many_snapshots_stay_as_the_settings_say() {
    let mut site = Site::running_with("[snapshot]\nkeep = 3\nkeep_days = 0\n");
    let mut made = Vec::new();
    for name in ["cay", "dee", "eve", "fay", "guy"] {
        site.agreed(&["operator", "add", name, "--role", "viewer"]);
        made.push(take(&site)["position"].as_u64().expect("a position"));
    }
    let kept = snapshots(&site, "snapshot");
    let kept: Vec<u64> = kept
        .iter()
        .map(|path| path.file_stem().and_then(|stem| stem.to_str()))
        .map(|stem| stem.and_then(|stem| stem.parse().ok()).expect("a position"))
        .collect();
    assert_eq!(kept, made[2..]);
    site.stop();
    let verified = site.run(&["verify"]).done().out;
    assert!(
        verified.contains(&format!("compared at row {}", made[4])),
        "{verified}"
    );
}

#[test]
fn snapshots_are_made_by_the_number_of_events_and_of_one_day_the_newest_two_stay() {
    let mut site = Site::running_with("[snapshot]\nevery_events = 40\n");
    for chunk in 0..6 {
        let mut lines = "number,activated,kind,status,name\n".to_owned();
        for last in 0..50 {
            lines += &format!("+861380{chunk}138{last:03},2020-01-31,prepaid,active,Mei\n");
        }
        let lines = site.write("lines.csv", &lines);
        site.as_("ann", &["import", "lines", &lines]).done();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        let wanted = (chunk + 1).min(2);
        while snapshots(&site, "snapshot").len() < wanted {
            assert!(std::time::Instant::now() < deadline, "{}", site.log());
            std::thread::yield_now();
        }
    }
    site.stop();
    assert_eq!(snapshots(&site, "snapshot").len(), 2);
    let verified = site.run(&["verify"]).done().out;
    assert!(verified.contains(" and "), "{verified}");
}

#[test]
fn a_snapshot_is_the_administrators_and_gives_no_name_away() {
    let mut site = site();
    site.hire("vic", "viewer");
    site.as_("vic", &["snapshot"]).refused("not_allowed");
    take(&site);
    let file = snapshots(&site, "snapshot").pop().expect("a snapshot");
    let bytes = std::fs::read(&file).expect("it reads");
    for clear in ["Unmistakable", "13800138", "goodwill"] {
        let found = bytes
            .windows(clear.len())
            .any(|window| window == clear.as_bytes());
        assert!(!found, "{clear}");
    }
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(&file)
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}
