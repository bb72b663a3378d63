//! The past: a subscriber and a payment as they were, and a period under other rules.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use serde_json::{Value, json};

use crate::site::Site;

const NUMBER: &str = "+8613800138000";

fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

fn site() -> Site {
    let site = Site::running();
    let lines = site.write(
        "lines.csv",
        &format!("number,activated,kind,status,name\n{NUMBER},2020-01-31,prepaid,active,Mei\n"),
    );
    site.as_("ann", &["import", "lines", &lines]).done();
    site
}

#[test]
fn a_subscriber_is_shown_as_of_any_moment_and_only_to_those_who_may_see_people() {
    let before = now();
    let mut site = site();
    let empty = now();
    site.agreed(&["adjust", NUMBER, "50.00", "--reason", "goodwill"]);
    let rich = now();
    site.agreed(&["adjust", NUMBER, "-20.00", "--reason", "taken back"]);
    site.as_("ann", &["subscriber", "block", NUMBER]).done();
    let show =
        |who: &str, at: &str| site.as_("ann", &["subscriber", "show", who, "--at", at, "--json"]);
    let then = show(NUMBER, &empty).done().json();
    assert_eq!(then["balance"]["available"], "0.00");
    assert_eq!(then["name"], "Mei");
    let id = then["id"].as_str().expect("an id");
    let then = show(id, &rich).done().json();
    assert_eq!(
        (&then["balance"]["available"], &then["status"]),
        (&json!("50.00"), &json!("active"))
    );
    let then = show(NUMBER, &now()).done().json();
    assert_eq!(
        (&then["balance"]["available"], &then["status"]),
        (&json!("30.00"), &json!("blocked"))
    );
    show(NUMBER, &before).refused("not_then");
    show(NUMBER, "2999-01-01T00:00:00Z").refused("in_the_future");
    show(NUMBER, "yesterday").refused("invalid_time");
    let text = site
        .as_("ann", &["subscriber", "show", NUMBER, "--at", &rich])
        .done()
        .out;
    assert!(text.contains("50.00") && text.contains("as of"), "{text}");
    site.hire("eve", "viewer");
    site.as_("eve", &["subscriber", "show", NUMBER, "--at", &rich])
        .refused("not_allowed");
    // What is forgotten is forgotten of the past too.
    site.agreed(&["subscriber", "erase", id]);
    let then = site
        .as_("ann", &["subscriber", "show", id, "--at", &rich, "--json"])
        .done()
        .json();
    assert_eq!(then["balance"]["available"], "50.00");
    assert_eq!(
        (&then["name"], &then["number"]),
        (&Value::Null, &Value::Null)
    );
    site.stop();
}

#[test]
fn the_past_after_a_snapshot_is_the_same_with_and_without_it() {
    let mut site = site();
    let early = now();
    site.agreed(&["adjust", NUMBER, "50.00", "--reason", "goodwill"]);
    let made = site.as_("ann", &["snapshot", "--json"]).done().json();
    let position = made["position"].as_u64().expect("a position");
    site.agreed(&["adjust", NUMBER, "-20.00", "--reason", "taken back"]);
    let late = now();
    site.agreed(&["adjust", NUMBER, "1.00", "--reason", "later still"]);
    let show = |at: &str| {
        site.as_("ann", &["subscriber", "show", NUMBER, "--at", at, "--json"])
            .done()
            .json()
    };
    // It is of later than that.
    let (mut then, before) = (show(&late), show(&early));
    assert_eq!(then["balance"]["available"], "30.00");
    assert_eq!(then["as_of"]["snapshot"], position);
    assert_eq!(before["balance"]["available"], "0.00");
    assert_eq!(before["as_of"]["snapshot"], 0);
    std::fs::remove_dir_all(site.path("data/snapshots")).expect("removed");
    then["as_of"]["snapshot"] = json!(0);
    assert_eq!(show(&late), then);
    site.stop();
}

fn pay(site: &Site, key: &str, amount: &str, repeat: &str) -> Value {
    let address = site.origin.strip_prefix("http://").expect("an address");
    let body = json!({
        "amount": amount, "payer": {"phone_number": NUMBER}, "description": "Books",
    })
    .to_string();
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(
        stream,
        "POST /v1/payments HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         idempotency-key: {repeat}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let at = answer.find("\r\n\r\n").expect("a body");
    serde_json::from_str(answer[at..].trim()).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[test]
fn a_period_under_other_rules_is_told_as_a_difference_and_changes_nothing() {
    let mut site = site();
    site.as_(
        "ann",
        &["merchant", "add", "Bookshop", "--category", "5942"],
    )
    .done();
    let asked = site
        .as_("ann", &["merchant", "key", "Bookshop", "--json"])
        .done()
        .json();
    let proposal = asked["proposal"].as_str().expect("a proposal");
    site.as_("bob", &["approve", proposal]).done();
    let key = asked["secret"].as_str().expect("a secret").to_owned();
    let before = now();
    let first = pay(&site, &key, "12.00", "first");
    pay(&site, &key, "30.00", "second");
    let id = first["id"].as_str().expect("an id");
    // Nobody has a phone there: the payment was vetoed, which its merchant does not learn.
    let then = site
        .as_("ann", &["payment", "show", id, "--at", &now(), "--json"])
        .done()
        .json();
    assert_eq!(
        (&then["reason"], &then["status"]),
        (&json!("no_device"), &json!("declined"))
    );
    assert_eq!(then["payer"], NUMBER);
    site.as_("ann", &["payment", "show", id, "--at", &before])
        .refused("not_then");
    let rules = site.write(
        "other.toml",
        "merchant_prompts_per_hour = 1\n[price_plan]\nfee_basis_points = 10\n",
    );
    let replay = |rules: &str| {
        site.as_(
            "ann",
            &[
                "replay",
                "--rules",
                rules,
                "--from",
                "2020-01-01",
                "--to",
                "2999-12-31",
                "--json",
            ],
        )
    };
    let report = replay(&rules).done().json();
    assert_eq!(report["requests"], 2, "{report}");
    assert_eq!(
        report["other_reason"],
        json!([{"was": "no_device", "would_be": "merchant_too_many_prompts", "payments": 1, "amount": "30.00"}])
    );
    assert_eq!(report["same"], false);
    let same = site.as_("ann", &["rules", "show"]).done().out;
    let same = site.write("same.toml", &same);
    assert_eq!(replay(&same).done().json()["same"], true);
    let wrong = site.write("wrong.toml", "payment_limits = \"1.00\"\n");
    replay(&wrong).refused("unknown_field");
    let shown = site.as_("ann", &["rules", "show"]).done().out;
    assert!(
        !shown.contains("merchant_prompts_per_hour = 1\n"),
        "{shown}"
    );
    site.run(&["verify"]).done();
    site.stop();
}
