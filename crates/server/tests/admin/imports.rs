//! Lines and balances from files.

use serde_json::Value;

use crate::site::Site;

const AS_OF: &str = "2026-11-01T00:00:00Z";
const LATER: &str = "2026-11-02T00:00:00Z";

fn import(site: &Site, file: &str, as_of: &str) -> Value {
    let args = ["import", "lines", file, "--as-of", as_of, "--json"];
    site.as_("ann", &args).done().json()
}

#[track_caller]
fn counts(summary: &Value, expected: &[(&str, u64)]) {
    for (name, count) in expected {
        assert_eq!(summary[*name], *count, "{name} in {summary}");
    }
}

#[test]
fn the_same_file_twice_changes_nothing_and_a_newer_one_updates() {
    let site = Site::running();
    let file = site.write(
        "lines.csv",
        "number,activated,sim_changed,device_changed,kind,status,bill_limit,name,birth_date,recycled,renumbered_from,bank_account\n\
         +86 138 0013 8000,2020-01-31,,,prepaid,active,,\"Wang, Fang\",1990-05-01,,,\n\
         13900139000,2021-01-31T08:00:00+08:00,2022-01-01,,postpaid,active,300.00,李雷,,no,,6222000000000000\n",
    );
    counts(
        &import(&site, &file, AS_OF),
        &[("rows", 2), ("added", 2), ("unchanged", 0), ("rejected", 0)],
    );
    counts(
        &import(&site, &file, AS_OF),
        &[("added", 0), ("unchanged", 2)],
    );
    // The same facts, known later: they are fresher now.
    counts(
        &import(&site, &file, LATER),
        &[("updated", 2), ("unchanged", 0)],
    );
    let shown = site
        .as_("ann", &["subscriber", "show", "+8613800138000", "--json"])
        .done()
        .json();
    assert_eq!(shown["name"], "Wang, Fang");
    assert_eq!(shown["birth_date"], "1990-05-01");
    assert_eq!(shown["line"]["known_at"], "2026-11-02T00:00:00.000Z");
    let shown = site
        .as_(
            "ann",
            &["subscriber", "show", "+86 139 0013 9000", "--json"],
        )
        .done()
        .json();
    assert_eq!(shown["bill"]["limit"], "300.00");
    assert_eq!(shown["bank"], true);
    // An absent row changes nothing, and an older export nothing either.
    let one = site.write(
        "one.csv",
        "number,activated,kind,status\n+8613900139000,2021-01-31,prepaid,suspended\n",
    );
    let older = import(&site, &one, AS_OF);
    counts(&older, &[("updated", 0), ("rejected", 1)]);
    counts(
        &import(&site, &one, "2026-11-03T00:00:00Z"),
        &[("updated", 1)],
    );
    site.as_("ann", &["subscriber", "show", "+8613800138000"])
        .done();
}

#[test]
fn bad_rows_go_to_the_rejects_file_and_the_rest_goes_in() {
    let site = Site::running();
    let rows = [
        ("+8613800138000,2020-01-31,prepaid,active,,,,", ""),
        (
            "123,2020-01-31,prepaid,active,,,,",
            "number,invalid_phone_number",
        ),
        ("+8613800138001,,prepaid,active,,,,", "activated,missing"),
        (
            "+8613800138002,31.01.2020,prepaid,active,,,,",
            "activated,invalid_time",
        ),
        (
            "+8613800138003,2026-12-31,prepaid,active,,,,",
            "activated,in_the_future",
        ),
        (
            "+8613800138004,2020-01-31,rented,active,,,,",
            "kind,unknown_kind",
        ),
        (
            "+8613800138005,2020-01-31,prepaid,gone,,,,",
            "status,unknown_status",
        ),
        (
            "+8613800138006,2020-01-31,postpaid,active,1.005,,,",
            "bill_limit,too_many_decimals",
        ),
        (
            "+8613800138007,2020-01-31,prepaid,active,5.00,,,",
            "bill_limit,prepaid_has_no_bill",
        ),
        (
            "+8613800138008,2020-01-31,prepaid,active,,1990-13-01,,",
            "birth_date,invalid_date",
        ),
        (
            "+8613800138009,2020-01-31,prepaid,active,,,perhaps,",
            "recycled,invalid_answer",
        ),
        (
            "+8613800138010,2020-01-31,prepaid,active,,,,+8613800138010",
            "renumbered_from,same_number",
        ),
        ("+8613800138011,2020-01-31", ",wrong_fields"),
        ("+8613800138012,2020-01-31,postpaid,active,100.00,,,", ""),
    ];
    let mut text =
        "number,activated,kind,status,bill_limit,birth_date,recycled,renumbered_from\n".to_owned();
    for (row, _) in rows {
        text += row;
        text.push('\n');
    }
    let file = site.write("lines.csv", &text);
    let summary = import(&site, &file, AS_OF);
    counts(&summary, &[("rows", 14), ("added", 2), ("rejected", 12)]);
    let path = summary["rejects"].as_str().expect("a rejects file");
    let rejects = std::fs::read_to_string(path).expect("it is there");
    let mut reader = csv::Reader::from_reader(rejects.as_bytes());
    let found: Vec<_> = reader
        .records()
        .map(|record| record.expect("CSV"))
        .collect();
    let expected = rows
        .iter()
        .enumerate()
        .filter(|(_, (_, why))| !why.is_empty());
    for (rejected, (place, (row, why))) in found.iter().zip(expected) {
        assert_eq!(rejected[0], (place + 2).to_string(), "{row}");
        assert_eq!(format!("{},{}", &rejected[1], &rejected[2]), *why, "{row}");
        assert!(!rejected[3].is_empty());
        assert_eq!(&rejected[4], *row);
    }
    assert_eq!(found.len(), 12);
    let wrong = site.write("wrong.csv", "number,colour\n+8613800138000,red\n");
    site.as_("ann", &["import", "lines", &wrong])
        .refused("colour");
}

#[test]
fn a_renumbered_line_keeps_its_holder_and_a_recycled_one_gets_another() {
    let site = Site::running();
    let header = "number,activated,kind,status,name,recycled,renumbered_from\n";
    let import = |name: &str, rows: &str, as_of: &str| {
        let file = site.write(name, &format!("{header}{rows}"));
        import(&site, &file, as_of)
    };
    let show = |number: &str| {
        site.as_("ann", &["subscriber", "show", number, "--json"])
            .done()
            .json()
    };
    import(
        "a.csv",
        "+8613800138000,2020-01-31,prepaid,active,Old,,\n",
        AS_OF,
    );
    let old = show("+8613800138000")["id"].clone();
    let moved = "+8613900139000,2020-01-31,prepaid,active,Old,,+8613800138000\n";
    counts(&import("b.csv", moved, LATER), &[("renumbered", 1)]);
    counts(
        &import("b.csv", moved, LATER),
        &[("unchanged", 1), ("renumbered", 0)],
    );
    assert_eq!(show("+8613900139000")["id"], old);
    site.as_("ann", &["subscriber", "show", "+8613800138000"])
        .refused("not_found");
    let recycled = "+8613900139000,2026-10-01,prepaid,active,New,yes,\n";
    counts(
        &import("c.csv", recycled, "2026-11-03T00:00:00Z"),
        &[("recycled", 1)],
    );
    counts(
        &import("c.csv", recycled, "2026-11-03T00:00:00Z"),
        &[("recycled", 0), ("unchanged", 1)],
    );
    let new = show("+8613900139000");
    assert_ne!(new["id"], old);
    assert_eq!(
        (&new["name"], &new["generation"]),
        (&"New".into(), &1.into())
    );
    let closed = site
        .as_(
            "ann",
            &["subscriber", "show", old.as_str().expect("an id"), "--json"],
        )
        .done()
        .json();
    assert_eq!(closed["status"], "closed");
}

#[test]
fn rows_of_one_file_that_build_on_each_other_are_taken_in_in_order() {
    let site = Site::running();
    // More than two chunks, and a number that wanders through all of them.
    let mut text = "number,activated,kind,status,name,renumbered_from\n".to_owned();
    for row in 0..9_000 {
        let from = if row > 0 && row % 1_000 == 0 {
            format!("+86138001{:05}", row - 1_000)
        } else {
            String::new()
        };
        text += &format!("+86138001{row:05},2020-01-31,prepaid,active,Name {row},{from}\n");
    }
    let file = site.write("lines.csv", &text);
    let summary = import(&site, &file, AS_OF);
    counts(
        &summary,
        &[("rows", 9_000), ("added", 8_992), ("renumbered", 8)],
    );
    let shown = site
        .as_("ann", &["subscriber", "show", "+8613800108000", "--json"])
        .done()
        .json();
    assert_eq!(shown["name"], "Name 8000");
}

#[test]
fn balances_go_in_exactly_once_and_only_if_the_control_totals_agree() {
    let site = Site::running();
    let lines = site.write(
        "lines.csv",
        "number,activated,kind,status\n+8613800138000,2020-01-31,prepaid,active\n+8613900139000,2020-01-31,prepaid,active\n",
    );
    import(&site, &lines, AS_OF);
    let file = site.write(
        "balances.csv",
        "row,number,kind,amount,origin,label,tax_class,expires,merchants,categories,expired_refund\n\
         a1,+8613800138000,cash,100.50,,,,,,,\n\
         a2,+8613800138000,grant,20.00,gift,Birthday gift,3,2030-01-01,,5812;5814,extend:30\n\
         a3,+8613900139000,cash,0.50,,,,,,,\n\
         a3,+8613900139000,cash,7.00,,,,,,,\n\
         a4,+8613700137000,cash,7.00,,,,,,,\n\
         a5,+8613900139000,grant,7.00,lottery,Win,,,,,\n\
         a6,+8613900139000,cash,7.00,gift,,,,,,\n\
         a7,+8613900139000,grant,7.00,gift,Late,,2020-01-01,,,\n",
    );
    let run = |more: &[&str]| {
        let args = [&["import", "balances", &file, "--json"], more].concat();
        site.as_("ann", &args)
    };
    run(&["--control-total", "121.01"]).refused("the control total is 121.01");
    run(&["--control-count", "4"]).refused("the control count is 4");
    let show = |number: &str| {
        site.as_("ann", &["subscriber", "show", number, "--json"])
            .done()
            .json()
    };
    assert_eq!(show("+8613800138000")["balance"]["available"], "0.00");
    let agreed = ["--control-total", "121.00", "--control-count", "3"];
    let first = run(&agreed).done().json();
    counts(
        &first,
        &[
            ("rows", 8),
            ("good", 3),
            ("imported", 3),
            ("unchanged", 0),
            ("rejected", 5),
        ],
    );
    assert_eq!(first["imported_amount"], "121.00");
    let again = run(&agreed).done().json();
    counts(&again, &[("good", 3), ("imported", 0), ("unchanged", 3)]);
    let shown = show("+8613800138000");
    assert_eq!(shown["balance"]["available"], "100.50");
    assert_eq!(shown["grants"][0]["label"], "Birthday gift");
    assert_eq!(shown["grants"][0]["available"], "20.00");
    assert_eq!(show("+8613900139000")["balance"]["available"], "0.50");
    let rejects = std::fs::read_to_string(first["rejects"].as_str().expect("rejects")).expect("it");
    for code in [
        "repeated_row",
        "unknown_number",
        "unknown_origin",
        "cash_has_none",
        "expired",
    ] {
        assert!(rejects.contains(code), "{code} in {rejects}");
    }
}

#[test]
fn an_import_over_http_does_the_same_as_by_the_socket() {
    let site = Site::running();
    let mut text = "number,activated,kind,status,name\n".to_owned();
    for row in 0..5_000 {
        text += &format!("+86138002{row:05},2020-01-31,prepaid,active,Name {row}\n");
    }
    let file = site.write("lines.csv", &text);
    let args = [
        "import",
        "lines",
        &file,
        "--as-of",
        AS_OF,
        "--json",
        "--server",
        &site.origin,
    ];
    counts(&site.as_("ann", &args).done().json(), &[("added", 5_000)]);
    counts(&import(&site, &file, AS_OF), &[("unchanged", 5_000)]);
    let log = site.log();
    assert!(!log.contains("138002"), "a number in the log: {log}");
}
