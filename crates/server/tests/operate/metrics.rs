//! What the figures say after payments whose outcome is known.

use std::collections::BTreeMap;

use http_body_util::BodyExt as _;
use hyper::{Method, StatusCode};
use paytone::{http::serve, metrics};
use paytone_wire::till::{Code, Kind};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    ALICE, NOBODY, PIN,
    support::{Ask, PATIENCE, Phone, TestNode, code_of},
};

/// The page of metrics, by name and labels, as the listener of its own serves it.
pub async fn scrape(test: &TestNode) -> BTreeMap<String, f64> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let router = metrics::router(std::sync::Arc::clone(&test.node));
    let served = serve(listener, router, &test.node.config.limits).expect("it listens");
    let (status, page) = fetch(&format!("http://{}/metrics", served.address)).await;
    served.stop(PATIENCE).await;
    assert_eq!(status, StatusCode::OK);
    read(&page)
}

/// Reads the text format, strictly: every sample belongs to a family announced before it.
fn read(page: &str) -> BTreeMap<String, f64> {
    let mut families = BTreeMap::new();
    let mut samples = BTreeMap::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a kind");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            let again = families.insert(name.to_owned(), kind.to_owned());
            assert!(again.is_none(), "announced twice: {line}");
        } else if !line.starts_with("# HELP ") {
            let (key, value) = line.rsplit_once(' ').expect("a value");
            let name = key.split('{').next().expect("a name");
            let stem = ["_bucket", "_sum", "_count"]
                .into_iter()
                .filter_map(|end| name.strip_suffix(end))
                .find(|stem| families.contains_key(*stem));
            let family = stem.unwrap_or(name);
            assert!(families.contains_key(family), "{line}");
            let value = value
                .parse()
                .unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(
                samples.insert(key.to_owned(), value).is_none(),
                "twice: {line}"
            );
        }
    }
    samples
}

/// One GET on a connection of its own.
pub async fn fetch(url: &str) -> (StatusCode, String) {
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http::<http_body_util::Empty<hyper::body::Bytes>>();
    let url = url.parse().expect("an address");
    let answer = client.get(url).await.expect("an answer");
    let status = answer.status();
    let body = answer.into_body().collect().await.expect("a body");
    let text = String::from_utf8(body.to_bytes().to_vec()).expect("text");
    (status, text)
}

/// Scrapes until a sample has a value.
async fn until(test: &TestNode, sample: &str, value: f64) -> BTreeMap<String, f64> {
    let seen = async {
        loop {
            let page = scrape(test).await;
            if page.get(sample) == Some(&value) {
                return page;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, seen)
        .await
        .unwrap_or_else(|_| panic!("{sample} never was {value}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_count_once_by_what_became_of_them() {
    let test = TestNode::start().await;
    let shop = test.merchant("Bookshop", 5942).await;
    let alice = test.line(ALICE).await;
    test.give_cash(alice, 50_000).await;
    let phone = Phone::enrol(&test, ALICE, PIN).await;
    let mut events = phone.events(&test).await;

    let paid = test.ask(&shop, Ask::of(ALICE, 12_800)).await;
    let event = events.next_of("prompt").await;
    assert!(event.is_object(), "{event}");
    let prompt = phone.prompt(&test, paid.id).await;
    let answer = phone.approve(&test, &prompt, &code_of(&paid), PIN).await;
    assert_eq!(answer.body["status"], "captured", "{}", answer.body);
    let cancelled = test.ask(&shop, Ask::of(ALICE, 100)).await;
    test.cancel(&shop, cancelled.id).await;
    // Nobody's number: vetoed, and cancelled as its merchant sees it.
    let unseen = test.ask(&shop, Ask::of(NOBODY, 100)).await;
    test.cancel(&shop, unseen.id).await;
    test.refund(&shop, paid.id, Some(100)).await;

    let page = until(&test, "paytone_refunds_total", 1.0).await;
    let of = |name: &str| page.get(name).copied();
    assert_eq!(of("paytone_payments_requested_total"), Some(3.0));
    for (outcome, count) in [
        ("captured", 1.0),
        ("cancelled", 1.0),
        ("vetoed", 1.0),
        ("expired", 0.0),
        ("declined", 0.0),
    ] {
        let sample = format!("paytone_payments_total{{outcome=\"{outcome}\"}}");
        assert_eq!(of(&sample), Some(count), "{outcome}");
    }
    let veto = "paytone_payment_vetoes_total{reason=\"unknown_number\"}";
    assert_eq!(of(veto), Some(1.0));
    assert_eq!(of("paytone_captured_minor_total"), Some(12_800.0));
    assert_eq!(of("paytone_approval_seconds_count"), Some(1.0));
    assert!(of("paytone_prompt_seconds_count").is_some_and(|seen| seen >= 1.0));
    assert_eq!(of("paytone_state_items{part=\"subscribers\"}"), Some(1.0));
    assert_eq!(of("paytone_state_items{part=\"payments\"}"), Some(3.0));
    assert!(of("paytone_resident_bytes").is_some_and(|bytes| bytes > 1_000_000.0));
    assert!(of("paytone_commit_seconds_count").is_some_and(|rows| rows > 5.0));
    assert_eq!(of("paytone_http_streams"), Some(1.0));
    assert_eq!(of("paytone_ready"), Some(1.0));
    assert_eq!(of("paytone_metrics_batches_missed_total"), Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_vetoed_before_a_restart_counts_once() {
    let test = TestNode::start().await;
    let shop = test.merchant("Bookshop", 5942).await;
    let unseen = test.ask(&shop, Ask::of(NOBODY, 100)).await;
    let test = test.restart().await;
    test.cancel(&shop, unseen.id).await;
    // Counted after that.
    test.ask(&shop, Ask::of(NOBODY, 100)).await;
    let page = until(&test, "paytone_payments_requested_total", 1.0).await;
    let cancelled = "paytone_payments_total{outcome=\"cancelled\"}";
    assert_eq!(page.get(cancelled), Some(&0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_count_by_route_and_never_by_what_was_sent() {
    let test = TestNode::start().await;
    let shop = test.merchant("Bookshop", 5942).await;
    test.get("/v1/me", Some(&shop.key)).await.expect(200);
    test.get("/v1/payments/pay_nonsense", Some(&shop.key))
        .await
        .expect(404);
    test.get("/v1/payments/pay_other", None).await.expect(401);
    test.get("/no/such/place", None).await.expect(404);
    let body = json!({"colour": "red"});
    test.send(
        Method::POST,
        "/v1/payments",
        Some(&shop.key),
        &[],
        Some(&body),
    )
    .await
    .expect(400);
    let page = scrape(&test).await;
    let labels = [
        ("/v1/me", "GET", 200),
        ("/v1/payments/{id}", "GET", 404),
        ("/v1/payments/{id}", "GET", 401),
        ("/v1/payments", "POST", 400),
        ("none", "GET", 404),
    ];
    for (route, method, status) in labels {
        let sample = format!(
            "paytone_http_requests_total{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}}"
        );
        assert_eq!(page.get(&sample), Some(&1.0), "{sample}");
    }
    let text: String = page.keys().map(String::as_str).collect();
    for sent in ["nonsense", "pay_other", "such", shop.key.as_str()] {
        assert!(!text.contains(sent), "{sent} is in a label");
    }
    assert_eq!(page.get("paytone_http_requests_under_way"), Some(&0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_listener_tells_no_figures() {
    let test = TestNode::start().await;
    test.get("/metrics", None).await.expect(404);
    let healthy = test.get("/healthz", None).await.expect(200);
    assert_eq!(healthy.body, json!({"status": "ok"}));
    let ready = test.get("/readyz", None).await.expect(200);
    assert_eq!(ready.body, json!({"ready": true, "not_ready": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_asks_for_what_is_measured() {
    let test = TestNode::start().await;
    test.get("/healthz", None).await.expect(200);
    let link = test.node.metrics.tills.link("counter");
    link.answered(Kind::Purchase, Code::Approved, 400);
    // A veto and a decline with their reasons.
    let shop = test.merchant("Bookshop", 5942).await;
    test.ask(&shop, Ask::of(NOBODY, 100)).await;
    test.ask(&shop, Ask::of(NOBODY, 100_000_001)).await;
    let page = until(&test, "paytone_payments_requested_total", 2.0).await;
    let names: std::collections::BTreeSet<_> = page
        .keys()
        .map(|sample| sample.split('{').next().expect("a name"))
        .collect();
    let dashboard = include_str!("../../../../grafana/paytone.json");
    let dashboard: serde_json::Value = serde_json::from_str(dashboard).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut asked = 0;
    for target in panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array())
        .flatten()
    {
        let expression = target["expr"].as_str().expect("an expression");
        let words =
            expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        for word in words.filter(|word| word.starts_with("paytone_")) {
            assert!(names.contains(word), "{word} is not measured");
            asked += 1;
        }
    }
    assert!(asked > 20, "only {asked}");
}
