//! Readiness, and the admin API's status that `paytone top` reads.

use std::sync::Arc;

use paytone::{http::serve, metrics, metrics::Reading};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::{
    NOBODY,
    metrics::fetch,
    support::{Ask, PATIENCE, TestNode},
};

/// Asks until the node says that it is (not) ready.
async fn ready(test: &TestNode, wanted: bool) -> Value {
    let asked = async {
        loop {
            let answer = test.get("/readyz", None).await;
            if (answer.status == 200) == wanted {
                return answer.body;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asked)
        .await
        .expect("it says so in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_views_stay_behind_is_not_ready_until_they_caught_up() {
    let test = TestNode::start_with(|config| config.telemetry.views_behind_seconds = 0).await;
    let shop = test.merchant("Bookshop", 5942).await;
    ready(&test, true).await;
    test.node.views.pause(true);
    // What is under way when they pause may still be shown: a few more make it certain that one is not.
    for _ in 0..3 {
        test.ask(&shop, Ask::of(NOBODY, 100)).await;
    }
    let answer = ready(&test, false).await;
    assert_eq!(answer["not_ready"], serde_json::json!(["views"]));

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let router = metrics::router(Arc::clone(&test.node));
    let served = serve(listener, router, &test.node.config.limits).expect("it listens");
    let (status, text) = fetch(&format!("http://{}/readyz", served.address)).await;
    assert_eq!(status, 503);
    assert!(text.contains("positions and"), "{text}");
    served.stop(PATIENCE).await;

    test.node.views.pause(false);
    ready(&test, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_engine_stopped_is_not_ready_and_still_answers_that_it_lives() {
    let test = TestNode::start().await;
    test.node.engine.stop();
    let answer = ready(&test, false).await;
    assert_eq!(answer["not_ready"], serde_json::json!(["engine"]));
    test.get("/healthz", None).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_is_for_those_who_signed_in_and_holds_what_was_measured() {
    let test = TestNode::start().await;
    test.get("/admin/api/status", None)
        .await
        .refused(401, "unauthorized");
    let shop = test.merchant("Bookshop", 5942).await;
    test.get("/admin/api/status", Some(&shop.key))
        .await
        .refused(401, "unauthorized");
    test.ask(&shop, Ask::of(NOBODY, 100)).await;
    let reading = Reading::of(&test.node).await;
    let again: Reading =
        serde_json::from_value(serde_json::to_value(&reading).expect("JSON")).expect("a reading");
    assert_eq!(again, reading);
    assert!(reading.not_ready.is_empty());
    assert!(reading.engine.position > 0 && reading.commit_us.total() > 0);
}
