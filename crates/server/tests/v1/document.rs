//! The OpenAPI document says what the server does.

use std::{collections::BTreeSet, path::Path};

use http_body_util::BodyExt;
use hyper::Method;
use paytone::api::v1;

use crate::support::TestNode;

fn committed() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs/openapi.json")
}

/// Set PAYTONE_WRITE_SPECS to write the file instead of comparing it.
#[tokio::test]
async fn the_committed_document_is_what_the_server_serves() {
    let test = TestNode::start().await;
    let response = test
        .open(Method::GET, "/openapi.json", None, &[], Vec::new())
        .await;
    assert_eq!(response.headers()["content-type"], "application/json");
    let body = response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    let served = String::from_utf8(body.to_vec()).expect("text");
    if std::env::var_os("PAYTONE_WRITE_SPECS").is_some() {
        std::fs::write(committed(), &served).expect("the file can be written");
    }
    let file = std::fs::read_to_string(committed()).expect("specs/openapi.json is there");
    assert!(
        file == served,
        "run the test with PAYTONE_WRITE_SPECS=1 and commit specs/openapi.json"
    );
}

#[test]
fn every_route_is_in_the_document_and_the_other_way_round() {
    let routes: BTreeSet<_> = v1::routes()
        .iter()
        .map(|route| (route.path.to_owned(), route.method.to_string()))
        .collect();
    let mut documented = BTreeSet::new();
    for (path, item) in &v1::openapi().paths.paths {
        for (method, operation) in [
            (Method::GET, &item.get),
            (Method::POST, &item.post),
            (Method::PUT, &item.put),
            (Method::DELETE, &item.delete),
            (Method::PATCH, &item.patch),
        ] {
            if let Some(operation) = operation {
                assert!(operation.operation_id.is_some(), "{path}");
                documented.insert((path.clone(), method.to_string()));
            }
        }
    }
    assert_eq!(routes, documented);
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    let document = serde_json::to_value(v1::openapi()).expect("JSON");
    let text = document.to_string();
    for part in text.split("\"$ref\":\"#").skip(1) {
        let pointer = part.split('"').next().expect("a pointer");
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
    assert_eq!(document["openapi"], "3.1.0");
}
