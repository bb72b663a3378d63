//! The archive follows from the journal: one that is lost or old is made again, one that lies is found out.

use std::path::Path;

use paytone::{archive, verify};
use serde_json::json;

use crate::scene::{Scene, text};

async fn report(config: &paytone::config::Config) -> verify::Report {
    verify::run(config, None, |_, _| {})
        .await
        .expect("a report")
}

fn remove(data: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(data.join(format!("archive.sqlite{suffix}")));
    }
}

/// A scene in which some payments left, one came back and was refunded, and left again.
async fn lived() -> (Scene, Vec<String>) {
    let scene = Scene::new().await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(scene.charge("3.00").await);
    }
    scene.until_in_memory(0).await;
    let path = format!("/v1/payments/{}/refunds", ids[0]);
    scene
        .post(&path, &json!({"amount": "1.00"}))
        .await
        .expect(201);
    scene.until_in_memory(0).await;
    (scene, ids)
}

async fn is_all_there(scene: &Scene, ids: &[String]) {
    for (place, id) in ids.iter().enumerate() {
        let shown = scene.get(&format!("/v1/payments/{id}")).await.expect(200);
        let refunded = if place == 0 { "1.00" } else { "0.00" };
        assert_eq!(text(&shown.body, "refunded_amount"), refunded);
    }
    let path = format!("/v1/payments/{}/refunds", ids[0]);
    let too_much = scene.post(&path, &json!({"amount": "2.01"})).await;
    too_much.refused(422, "more_than_captured");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_is_lost_is_made_again_at_the_start() {
    let (scene, ids) = lived().await;
    if !scene.test.store_url().is_empty() {
        return scene.stop().await;
    }
    let path = format!("/v1/payments/{}/cancel", ids[0]);
    let refused = scene.bytes(&path, "once", "{}").await;
    scene.until_keys_left().await;
    let scene = scene.restart(|_| {}).await;
    is_all_there(&scene, &ids).await;
    let scene = scene.restart(remove).await;
    is_all_there(&scene, &ids).await;
    assert_eq!(scene.bytes(&path, "once", "{}").await, refused);
    let found = report(&scene.test.node.config).await;
    assert!(found.ok(), "{found}");
    assert!(found.archive_checked > 0, "{found}");
    assert!(found.answers_checked > 0, "{found}");
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_of_before_the_last_evictions_is_made_again_at_the_start() {
    let (scene, ids) = lived().await;
    if !scene.test.store_url().is_empty() {
        return scene.stop().await;
    }
    let kept = tempfile::tempdir().expect("a folder");
    let old = kept.path().join("old.sqlite");
    let scene = scene
        .restart(|data| {
            std::fs::copy(data.join("archive.sqlite"), &old).expect("copied");
        })
        .await;
    let later = scene.charge("3.00").await;
    scene.until_in_memory(0).await;
    let path = format!("/v1/payments/{}/refunds", ids[1]);
    scene
        .post(&path, &json!({"amount": "3.00"}))
        .await
        .expect(201);
    scene.until_in_memory(0).await;
    let scene = scene
        .restart(|data| {
            remove(data);
            std::fs::copy(&old, data.join("archive.sqlite")).expect("copied");
        })
        .await;
    let shown = scene
        .get(&format!("/v1/payments/{later}"))
        .await
        .expect(200);
    assert_eq!(text(&shown.body, "refunded_amount"), "0.00");
    // The old copy says that all of it is left.
    let again = scene.post(&path, &json!({"amount": "0.01"})).await;
    again.refused(422, "more_than_captured");
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_finds_what_is_missing_or_another_in_the_archive_and_rebuild_mends_it() {
    let (scene, _) = lived().await;
    if !scene.test.store_url().is_empty() {
        return scene.stop().await;
    }
    let scene = scene.restart(|_| {}).await;
    scene.until_in_memory(0).await;
    let config = scene.test.node.config.clone();
    let found = report(&config).await;
    assert!(found.ok(), "{found}");
    assert_eq!((found.archived, found.archive_checked), (20, 20), "{found}");
    let kept = scene.end().await;
    let file = config.archive();
    let connect = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let mut tampering = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&connect)
        .await
        .expect("it opens");
    for change in [
        "DELETE FROM payments WHERE id = 3",
        "UPDATE payments SET body = (SELECT body FROM payments WHERE id = 5) WHERE id = 4",
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(change))
            .execute(&mut tampering)
            .await
            .expect("changed");
    }
    sqlx::Connection::close(tampering).await.expect("closed");
    let found = report(&config).await;
    let codes: Vec<_> = found.differences.iter().map(|one| one.code).collect();
    assert_eq!(codes, ["archive", "archive"], "{found}");
    let copies = archive::rebuild(&config, |_, _| {}).await.expect("rebuilt");
    assert_eq!(copies, 20);
    let found = report(&config).await;
    assert!(found.ok(), "{found}");
    drop(kept);
}
