//! Backups of the running program, brought back.

use crate::site::{Ran, Site};

const MEI: &str = "+8613800138000";
const HAO: &str = "+8613800138001";

fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

fn site() -> Site {
    let site = Site::running();
    let lines = site.write(
        "lines.csv",
        &format!("number,activated,kind,status,name\n{MEI},2020-01-31,prepaid,active,Mei\n{HAO},2020-01-31,prepaid,active,Hao\n"),
    );
    site.as_("ann", &["import", "lines", &lines]).done();
    site
}

fn restore(site: &Site, from: &str, to: &str, more: &[&str]) -> Ran {
    let (from, to) = (site.path(from), site.path(to));
    let args = [
        "restore",
        from.to_str().expect("text"),
        "--data",
        to.to_str().expect("text"),
    ];
    site.run(&[&args, more].concat())
}

fn back_up(site: &Site, to: &str) -> Ran {
    site.run(&["backup", site.path(to).to_str().expect("text")])
}

/// The server's data are those that were restored.
fn move_in(site: &Site, restored: &str) {
    std::fs::remove_dir_all(site.path("data")).expect("removed");
    std::fs::rename(site.path(restored), site.path("data")).expect("moved");
}

#[test]
fn a_backup_of_the_running_server_comes_back_whole_or_to_a_moment() {
    let mut site = site();
    site.agreed(&["adjust", MEI, "50.00", "--reason", "goodwill"]);
    let moment = now();
    site.agreed(&["adjust", MEI, "25.00", "--reason", "more of it"]);
    back_up(&site, "backup").done();
    site.agreed(&["adjust", MEI, "5.00", "--reason", "after it"]);
    back_up(&site, "backup").refused("exists");
    site.stop();
    let whole = restore(&site, "backup", "whole", &[]).done().out;
    assert!(
        whole.contains("Nothing differs") && whole.contains(" 0 rows left out"),
        "{whole}"
    );
    restore(&site, "backup", "whole", &[]).refused("exists");
    restore(
        &site,
        "backup",
        "nothing",
        &["--to", "2020-01-01T00:00:00Z"],
    )
    .refused("nothing had been decided");
    let early = restore(&site, "backup", "early", &["--to", &moment])
        .done()
        .out;
    assert!(
        early.contains("Nothing differs") && !early.contains(" 0 rows left out"),
        "{early}"
    );
    for (restored, available) in [("whole", "75.00"), ("early", "50.00")] {
        move_in(&site, restored);
        site.serve();
        let shown = site
            .as_("ann", &["subscriber", "show", MEI, "--json"])
            .done()
            .json();
        assert_eq!(shown["balance"]["available"], available);
        assert_eq!(shown["name"], "Mei");
        site.as_("ann", &["subscriber", "block", MEI]).done();
        site.stop();
        site.run(&["verify"]).done();
    }
}

#[test]
fn whoever_was_erased_stays_erased_however_early_the_restore() {
    let mut site = site();
    let moment = now();
    back_up(&site, "before").done();
    site.agreed(&["subscriber", "erase", MEI]);
    back_up(&site, "after").done();
    site.stop();
    let keys = site.path("after/subject-keys.sqlite").display().to_string();
    // The journal of the second backup tells of it, to whichever moment; of the first one, later keys do.
    let moments: [(&str, &str, &[&str]); 3] = [
        ("after", "one", &[]),
        ("after", "two", &["--to", &moment]),
        ("before", "three", &["--erased-in", &keys]),
    ];
    for (from, to, more) in moments {
        let told = restore(&site, from, to, more).done().out;
        assert!(told.contains("1 erased."), "{told}");
        let bytes = std::fs::read(site.path(to).join("subject-keys.sqlite")).expect("keys");
        assert!(!bytes.is_empty());
        move_in(&site, to);
        site.serve();
        let lines = site
            .as_("ann", &["subscriber", "show", HAO, "--json"])
            .done()
            .json();
        assert_eq!(lines["name"], "Hao", "{from} {to}");
        let shown = site.as_("ann", &["subscriber", "show", MEI, "--json"]);
        // Still bound to the number where the erasure itself is left out, and nameless.
        if shown.ok {
            assert_eq!(shown.json()["name"], serde_json::Value::Null, "{from} {to}");
        } else {
            shown.refused("not_found");
        }
        site.stop();
    }
}

#[test]
fn a_backup_with_a_byte_changed_or_without_its_manifest_is_refused() {
    let mut site = site();
    back_up(&site, "backup").done();
    site.stop();
    for name in ["journal.sqlite", "subject-keys.sqlite"] {
        let path = site.path("backup").join(name);
        let good = std::fs::read(&path).expect("it reads");
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        std::fs::write(&path, bad).expect("written");
        restore(&site, "backup", "never", &[]).refused("damaged");
        std::fs::write(&path, good).expect("written");
    }
    let manifest = site.path("backup/manifest.json");
    let text = std::fs::read_to_string(&manifest).expect("it reads");
    let at = text.find("\"hash\": \"").expect("a hash") + 9;
    let other = if &text[at..=at] == "0" { "1" } else { "0" };
    std::fs::write(
        &manifest,
        format!("{}{other}{}", &text[..at], &text[at + 1..]),
    )
    .expect("written");
    restore(&site, "backup", "other", &[]).refused("damaged");
    std::fs::remove_file(&manifest).expect("removed");
    restore(&site, "backup", "none", &[]).refused("manifest.json");
}
