//! Operators: the first one, sign-in, roles, four eyes.

use serde_json::json;

use crate::site::{PASSWORD, Site};

#[test]
fn the_first_operator_is_added_at_the_machine_and_nobody_after_that() {
    let mut site = Site::new("");
    site.serve();
    site.run(&["operator", "add", "eve", "--role", "viewer"])
        .refused("not_signed_in");
    // Over HTTP nobody is the person at the machine.
    site.run(&[
        "operator",
        "add",
        "eve",
        "--role",
        "admin",
        "--server",
        &site.origin,
    ])
    .refused("unauthorized");
    site.add("ann", "admin");
    site.run(&["operator", "add", "eve", "--role", "admin"])
        .refused("not_signed_in");
    site.run(&["operator", "list"]).refused("sign in");
    site.sign_in("ann");
    // Alone, she adds the second one; from then on it takes two.
    site.as_("ann", &["operator", "add", "bob", "--role", "admin"])
        .done();
    let asked = site.as_(
        "ann",
        &["operator", "add", "cat", "--role", "viewer", "--json"],
    );
    assert_eq!(asked.done().json()["outcome"], "proposed");
    site.stop();
}

#[test]
fn a_wrong_password_and_an_unknown_name_are_answered_alike_and_then_have_to_wait() {
    let site = Site::running();
    let wrong = site.write("wrong", "not the password\n");
    let try_as = |name: &str| site.run(&["sign-in", name, "--password-file", &wrong]).err;
    // On a slow machine a wait may be over before the next try; the waits double, so one is soon met.
    let until_it_waits = |name: &str| {
        let first = try_as(name);
        let waits = (0..12)
            .map(|_| try_as(name))
            .find(|answer| answer.contains("too many failures"));
        (first, waits.expect("there is a wait"))
    };
    let (first, wait) = until_it_waits("ann");
    let of_nobody = until_it_waits("nobody");
    // How many seconds are left differs with the time at which each was asked.
    let without_digits = |text: &str| text.replace(|letter: char| letter.is_ascii_digit(), "");
    assert_eq!(first, of_nobody.0);
    assert_eq!(without_digits(&wait), without_digits(&of_nobody.1));
    assert!(first.contains("name or password is wrong"), "{first}");
    // The right password has to wait as well: nobody learns from the wait whether it was right.
    let right_waits = (0..5).any(|_| {
        until_it_waits("ann");
        let right = site.run(&["sign-in", "ann"]).err;
        right.contains("too many failures")
    });
    assert!(right_waits);
    let log = site.log();
    assert!(!log.contains("not the password") && !log.contains(PASSWORD));
}

#[test]
fn each_role_does_what_is_its_own() {
    let mut site = Site::running();
    for role in ["viewer", "support", "risk", "finance"] {
        site.hire(role, role);
    }
    let lines = site.write(
        "lines.csv",
        "number,activated,kind,status\n+8613800138000,2024-01-01,prepaid,active\n",
    );
    site.as_("ann", &["import", "lines", &lines]).done();
    let number = "+8613800138000";
    // A row per command: which roles may (proposing counts as being allowed).
    let table: &[(&[&str], &[&str])] = &[
        (
            &["merchant", "list"],
            &["viewer", "support", "risk", "finance"],
        ),
        (
            &["rules", "show"],
            &["viewer", "support", "risk", "finance"],
        ),
        (&["worklist"], &["viewer", "support", "risk", "finance"]),
        (
            &["payment", "list"],
            &["viewer", "support", "risk", "finance"],
        ),
        (
            &["subscriber", "show", number],
            &["support", "risk", "finance"],
        ),
        (
            &["merchant", "add", "Shop", "--category", "5411"],
            &["support"],
        ),
        (&["rules", "set", "number_age_days=8"], &["risk"]),
        (
            &["adjust", number, "1.00", "--reason", "a test"],
            &["finance"],
        ),
        (&["subscriber", "unlock-pin", number], &["support"]),
        (&["subscriber", "reset-phone", number], &["support"]),
        (&["subscriber", "erase", number], &["support"]),
        (&["import", "lines", &lines], &["support"]),
        (&["operator", "remove", "bob"], &[]),
        (&["operator", "add", "eve", "--role", "viewer"], &[]),
    ];
    for (args, allowed) in table {
        for role in ["viewer", "support", "risk", "finance"] {
            let ran = site.as_(role, args);
            if allowed.contains(&role) {
                assert!(ran.ok, "{role} {args:?}: {}", ran.err);
            } else {
                assert!(!ran.ok, "{role} {args:?}: {}", ran.out);
                assert!(
                    ran.err.contains("not_allowed"),
                    "{role} {args:?}: {}",
                    ran.err
                );
            }
        }
    }
    // Both may block, once.
    site.as_("finance", &["subscriber", "block", number])
        .refused("not_allowed");
    site.as_("risk", &["subscriber", "block", number]).done();
    site.as_("support", &["subscriber", "block", number])
        .refused("wrong_status");
    site.stop();
}

#[test]
fn whoever_proposed_cannot_approve_and_another_can_once() {
    let site = Site::running();
    let added = site
        .as_(
            "ann",
            &[
                "merchant",
                "add",
                "书店 Books",
                "--category",
                "5942",
                "--json",
            ],
        )
        .done()
        .json();
    let merchant = added["merchant"].as_str().expect("an id");
    let asked = site
        .as_("ann", &["merchant", "key", merchant, "--json"])
        .done()
        .json();
    assert_eq!(asked["outcome"], "proposed");
    let secret = asked["secret"].as_str().expect("a secret");
    assert!(secret.starts_with("sk_"));
    let proposal = asked["proposal"].as_str().expect("a proposal");
    site.as_("ann", &["approve", proposal])
        .refused("same_person");
    let shown = site.as_("bob", &["worklist", "--json"]).done().json();
    let detail = shown["data"][0]["detail"].as_str().expect("words");
    assert!(
        detail.contains("add_client_key") && detail.contains("书店"),
        "{detail}"
    );
    let keys = |site: &Site| {
        let shown = site
            .as_("bob", &["merchant", "show", "书店 Books", "--json"])
            .done()
            .json();
        shown["keys"].as_array().expect("keys").len()
    };
    assert_eq!(
        keys(&site),
        0,
        "it does not exist before a second person agreed"
    );
    let done = site
        .as_("bob", &["approve", proposal, "--json"])
        .done()
        .json();
    assert_eq!(done["outcome"], "done");
    assert_eq!(keys(&site), 1);
    site.as_("bob", &["approve", proposal]).refused("not_found");
    // Rejected, and taken back by whoever proposed.
    for who in ["bob", "ann"] {
        let asked = site
            .as_("ann", &["merchant", "key", merchant, "--json"])
            .done()
            .json();
        let proposal = asked["proposal"].as_str().expect("a proposal");
        site.as_(who, &["reject", proposal]).done();
    }
    assert_eq!(keys(&site), 1);
    // The secret stands nowhere in the stores.
    for (path, bytes) in site.files() {
        let found = bytes
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(!found, "{}", path.display());
    }
    assert!(!site.log().contains(secret));
}

#[test]
fn rules_are_shown_as_they_are_set_and_each_change_is_a_version() {
    let site = Site::running();
    let shown = site.as_("ann", &["rules", "show"]).done().out;
    assert!(shown.starts_with("# Version 1\n"), "{shown}");
    let file = site.write("rules.toml", &shown);
    // The same rules are no change, whoever says so.
    let same = site.agreed(&["rules", "set", "number_age_days=9"]);
    assert_eq!(same["version"], 2);
    let back = site.agreed(&["rules", "set", &file]);
    assert_eq!(back["version"], 3);
    let text = shown.replace("payment_limit = \"5000.00\"", "payment_limit = \"3000.00\"");
    assert_ne!(text, shown);
    let file = site.write("rules.toml", &text);
    assert_eq!(site.agreed(&["rules", "set", &file])["version"], 4);
    let shown = site.as_("ann", &["rules", "show", "--json"]).done().json();
    assert_eq!(shown["version"], 4);
    assert_eq!(
        shown["rules"][0],
        json!({"code": "payment_limit", "value": "3000.00"})
    );
    for (change, words) in [
        ("payment_limits=1.00", "there is no rule payment_limits"),
        ("payment_limit=1.005", "too_many_decimals"),
        ("payment_limit=-1", "invalid_amount"),
        ("idempotency_hours=1", "from 24"),
        ("four_eyes.rules=maybe", "true or false"),
    ] {
        site.as_("ann", &["rules", "set", change]).refused(words);
    }
    let unknown = site.write("unknown.toml", "[four_eyes]\ncolours = true\n");
    site.as_("ann", &["rules", "set", &unknown])
        .refused("four_eyes.colours");
}

#[test]
fn a_removed_operator_is_out_at_once_and_the_last_administrator_stays() {
    let mut site = Site::running();
    site.hire("eve", "viewer");
    site.as_("eve", &["merchant", "list"]).done();
    assert_eq!(
        site.agreed(&["operator", "remove", "eve"])["outcome"],
        "done"
    );
    site.as_("eve", &["merchant", "list"])
        .refused("sign in again");
    site.run(&["sign-in", "eve"])
        .refused("name or password is wrong");
    assert_eq!(
        site.agreed(&["operator", "remove", "bob"])["outcome"],
        "done"
    );
    site.as_("ann", &["operator", "remove", "ann"])
        .refused("last_admin");
}

#[test]
fn signing_out_ends_the_session_wherever_its_token_is() {
    let mut site = Site::running();
    let token = site.path("data").join("operator-token");
    // The file holds the session of bob, who signed in last; his copied token is the same one.
    site.as_("bob", &["worklist"]).done();
    site.run(&["sign-out"]).done();
    assert!(!token.exists());
    site.as_("bob", &["worklist"]).refused("sign in again");
    site.as_("ann", &["worklist"]).done();
    site.stop();
    site.serve();
    site.as_("bob", &["worklist"]).refused("sign in again");
    site.sign_in("bob");
    site.as_("bob", &["worklist"]).done();
}

#[test]
fn ones_own_password_takes_the_old_one_and_ends_every_session_and_anothers_takes_two_people() {
    let mut site = Site::running();
    site.hire("eve", "viewer");
    let old = site.write("old", &format!("{PASSWORD}\n"));
    let wrong = site.write("wrong", "not the password\n");
    let new = site.write("new", "another good one\n");
    let short = site.write("short", "short\n");
    let change = |old: &str, new: &str| {
        site.as_(
            "eve",
            &[
                "operator",
                "password",
                "--old-password-file",
                old,
                "--password-file",
                new,
            ],
        )
    };
    change(&wrong, &new).refused("wrong_password");
    change(&old, &short).refused("weak_password");
    change(&old, &new).done();
    site.as_("eve", &["worklist"]).refused("sign in again");
    site.run(&["sign-in", "eve"])
        .refused("name or password is wrong");
    site.run(&["sign-in", "eve", "--password-file", &new])
        .done();
    // Forgotten: two others set it back.
    site.as_("eve", &["operator", "password", "eve"])
        .refused("sign in again");
    site.as_("ann", &["operator", "password", "ann"])
        .refused("same_person");
    assert_eq!(
        site.agreed(&["operator", "password", "eve"])["outcome"],
        "done"
    );
    site.sign_in("eve");
    site.as_("eve", &["operator", "password", "ann"])
        .refused("not_allowed");
}

#[test]
fn the_same_key_gives_the_same_proposal_and_the_same_secret() {
    let site = Site::running();
    let add = [
        "merchant",
        "add",
        "Shop",
        "--category",
        "5411",
        "--json",
        "--key",
        "first",
    ];
    let added = site.as_("ann", &add).done().json();
    assert_eq!(site.as_("ann", &add).done().json(), added);
    let merchant = added["merchant"].as_str().expect("an id");
    let key = |label: &str| {
        let args = [
            "merchant", "key", merchant, "--label", label, "--json", "--key", "second",
        ];
        site.as_("ann", &args)
    };
    let asked = key("till").done().json();
    assert_eq!(asked["outcome"], "proposed");
    assert_eq!(key("till").done().json(), asked);
    key("shop").refused("idempotency_key_reused");
    // Without a key of one's own each command is another request.
    let again = ["merchant", "key", merchant, "--json"];
    let (one, other) = (
        site.as_("ann", &again).done().json(),
        site.as_("ann", &again).done().json(),
    );
    assert_ne!(one["proposal"], other["proposal"]);
    assert_ne!(one["secret"], other["secret"]);
    let shown = site.as_("bob", &["worklist", "--json"]).done().json();
    assert_eq!(shown["data"].as_array().expect("a list").len(), 3);
}

#[test]
fn plans_limits_and_blocks_of_a_merchant_are_set_and_shown() {
    let site = Site::running();
    let add = ["merchant", "add", "Shop", "--category", "5411"];
    site.as_("ann", &add).done();
    let shown = || {
        site.as_("bob", &["merchant", "show", "Shop", "--json"])
            .done()
            .json()
    };
    let plan = [
        "merchant",
        "plan",
        "Shop",
        "--fee-basis-points",
        "95",
        "--fee-fixed",
        "0.20",
    ];
    site.as_("ann", &plan).done();
    assert!(site.as_("ann", &plan).done().out.contains("already so"));
    assert_eq!(shown()["plan"], "0.95 % + 0.20, 6.00 % tax");
    assert_eq!(shown()["plan_version"], 2);
    let limits = |per_payment: &'static str| {
        [
            "merchant",
            "limits",
            "Shop",
            "--per-payment",
            per_payment,
            "--per-day",
            "1000.00",
        ]
    };
    // Lowering needs nobody else, raising does.
    site.as_("ann", &limits("100.00")).done();
    assert_eq!(shown()["limits"]["per_payment"], "100.00");
    assert_eq!(site.agreed(&limits("200.00"))["outcome"], "done");
    assert_eq!(shown()["limits"]["per_payment"], "200.00");
    site.as_("ann", &["merchant", "block", "Shop"]).done();
    assert_eq!(shown()["status"], "blocked");
    assert_eq!(
        site.agreed(&["merchant", "unblock", "Shop"])["outcome"],
        "done"
    );
    assert_eq!(shown()["status"], "active");
}

#[test]
fn what_is_not_there_is_refused_and_views_are_made_again_once_the_server_stopped() {
    let mut site = Site::running();
    site.as_("ann", &["payment", "show", "pay_made_up"])
        .refused("not_found");
    site.as_("ann", &["effect", "repeat", "eff_made_up"])
        .refused("not_found");
    site.as_("ann", &["effect", "to-balance", "eff_made_up"])
        .refused("not_found");
    site.as_("ann", &["merchant", "add", "Shop", "--category", "5411"])
        .done();
    site.stop();
    let rebuilt = site.run(&["views", "rebuild"]).done().out;
    assert!(
        rebuilt.contains("views rebuilt up to position"),
        "{rebuilt}"
    );
    site.run(&["verify"]).done();
    site.serve();
    site.as_("ann", &["merchant", "show", "Shop"]).done();
}
