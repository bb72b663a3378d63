//! The pages' files, without a browser: what a missing text or a stray inline script would break is found here first.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn files(under: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(under).expect("the folder is there") {
        let path = entry.expect("a folder entry can be read").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|known| known == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn messages(language: &str) -> BTreeMap<String, String> {
    let path = folder("messages").join(format!("{language}.json"));
    serde_json::from_str(&text(&path)).expect("a flat object of texts")
}

/// The `{name}` places of a text.
fn places(message: &str) -> BTreeSet<&str> {
    message
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
        .collect()
}

/// What stands in quotes right after each `call(`, as in `t("action.back")`.
fn first_arguments<'a>(source: &'a str, call: &str) -> Vec<&'a str> {
    source
        .match_indices(call)
        .filter(|(at, _)| {
            !source[..*at].ends_with(|before: char| before.is_alphanumeric() || before == '.')
        })
        .filter_map(|(at, _)| source[at + call.len()..].split_once('"'))
        .map(|(argument, _)| argument)
        .collect()
}

#[test]
fn both_languages_have_the_same_texts_with_the_same_places() {
    let (english, chinese) = (messages("en"), messages("zh"));
    assert_eq!(
        english.keys().collect::<Vec<_>>(),
        chinese.keys().collect::<Vec<_>>()
    );
    for (key, message) in &english {
        assert_eq!(places(message), places(&chinese[key]), "{key}");
        assert!(!message.is_empty() && !chinese[key].is_empty(), "{key}");
    }
}

#[test]
fn every_text_that_the_pages_name_exists() {
    let known = messages("en");
    for path in files(&folder("pages"), "js") {
        let source = text(&path);
        for key in first_arguments(&source, "t(\"") {
            assert!(known.contains_key(key), "{}: {key}", path.display());
        }
        for key in first_arguments(&source, "tCount(\"") {
            let other = format!("{key}.other");
            assert!(known.contains_key(&other), "{}: {other}", path.display());
        }
    }
}

#[test]
fn no_page_needs_more_than_its_own_origin_or_anything_inline() {
    let forbidden = [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "style=\"",
        "<style",
        "onclick=\"",
        "src=\"http",
        "href=\"http",
        "import(",
    ];
    for extension in ["html", "js", "css"] {
        for path in files(&folder("pages"), extension) {
            let source = text(&path);
            for word in forbidden {
                assert!(!source.contains(word), "{}: {word}", path.display());
            }
            assert!(
                !source.contains("<script") || !source.contains("<script>"),
                "{}: inline script",
                path.display()
            );
        }
    }
}

#[test]
fn the_phone_keeps_every_file_of_its_shell_for_later() {
    let worker = text(&folder("pages/phone/service-worker.js"));
    let pages = folder("pages");
    let own = files(&pages.join("phone"), "js")
        .into_iter()
        .chain(files(&pages.join("phone"), "css"))
        .chain(files(&pages.join("shared"), "js"))
        .chain(files(&pages.join("shared"), "css"));
    for path in own {
        let address = format!(
            "/{}",
            path.strip_prefix(&pages)
                .expect("a page is under pages")
                .display()
        );
        if address != "/phone/service-worker.js" {
            assert!(worker.contains(&format!("\"{address}\"")), "{address}");
        }
    }
    for line in worker.lines().filter(|line| line.starts_with("  \"/")) {
        let address = line.trim().trim_matches(|at| at == '"' || at == ',');
        let file = match address {
            "/phone/" => pages.join("phone/index.html"),
            _ if address.starts_with("/messages/") => folder(&address[1..]),
            _ => pages.join(&address[1..]),
        };
        assert!(file.is_file(), "{address}");
    }
}

#[test]
fn every_book_of_the_shop_has_its_picture_and_an_exact_price() {
    let catalogue: serde_json::Value =
        serde_json::from_str(&text(&folder("pages/shop/catalogue.json"))).expect("JSON");
    for item in catalogue["items"].as_array().expect("a list of items") {
        let id = item["id"].as_str().expect("an id");
        let picture = folder("pages/shop/pictures").join(format!("{id}.svg"));
        assert!(picture.is_file(), "{id}");
        let price = item["price"].as_str().expect("a price is a decimal string");
        assert!(
            price
                .split_once('.')
                .is_some_and(|(_, cents)| cents.len() == 2),
            "{id}"
        );
        for field in ["title", "author", "about"] {
            assert!(item[field]["en"].is_string() && item[field]["zh"].is_string());
        }
    }
}
