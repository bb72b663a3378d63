//! The archive in PostgreSQL.

use paytone::verify;
use private_postgres::Cluster;
use serde_json::json;

use crate::{
    scene::{Scene, short, text},
    support::TestNode,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_postgresql_what_left_is_refunded_after_a_restart() {
    let test = TestNode::start_on(Cluster::shared()).await;
    let test = test.restart_with(short).await;
    let scene = Scene::on(test).await;
    let mut ids = Vec::new();
    for _ in 0..200 {
        ids.push(scene.charge("3.00").await);
    }
    let body = format!(
        r#"{{"amount":"3.00","mandate":"{}","description":"Music"}}"#,
        scene.mandate
    );
    let first = scene.bytes("/v1/payments", "once", &body).await;
    scene.until_in_memory(0).await;
    scene.until_keys_left().await;
    let scene = scene.restart(|_| {}).await;
    assert_eq!(scene.bytes("/v1/payments", "once", &body).await, first);
    let path = format!("/v1/payments/{}/refunds", ids[7]);
    let refund = scene.post(&path, &json!({"amount": "1.00"})).await;
    let refund = refund.expect(201).body;
    scene.until_in_memory(0).await;
    let shown = scene
        .get(&format!("/v1/refunds/{}", text(&refund, "id")))
        .await;
    assert_eq!(shown.expect(200).body, refund);
    let list = scene.get("/v1/payments?limit=100").await.expect(200).body;
    assert_eq!(list["data"].as_array().map(Vec::len), Some(100));
    let config = scene.test.node.config.clone();
    let report = verify::run(&config, None, |_, _| {}).await;
    let report = report.expect("a report");
    assert!(report.ok(), "{report}");
    assert_eq!((report.archived, report.archive_checked), (201, 201));
    scene.stop().await;
}
