//! Tokens as support hands them out.

use serde_json::Value;

use crate::site::Site;

const ALICE: &str = "+8613800138000";

#[test]
fn a_token_whose_answer_was_lost_is_handed_out_again_under_the_same_key_and_is_no_second_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().join("issuer-keys.toml");
    let mut site = Site::new(&format!(
        "[till]\nrange = \"88880012\"\nkey_file = {keys:?}\n"
    ));
    site.run(&["till", "key", "add", "--generate"]).done();
    site.open();
    let lines =
        format!("number,activated,kind,status,name\n{ALICE},2020-01-31,prepaid,active,Mei\n");
    let lines = site.write("lines.csv", &lines);
    site.as_("ann", &["import", "lines", &lines]).done();
    let issue = |key: &str| -> Value {
        let asked = ["token", "issue", ALICE, "--json", "--key", key];
        site.as_("ann", &asked).done().json()
    };
    let first = issue("first");
    assert!(first["phone"]["key"].is_string(), "{first}");
    assert_eq!(issue("first"), first, "the same number and key");
    let second = issue("second");
    assert_ne!(second["phone"]["number"], first["phone"]["number"]);
    let listed = site.as_("ann", &["token", "list", ALICE, "--json"]);
    let listed = listed.done().json();
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(2), "{listed}");
    site.stop();
}
