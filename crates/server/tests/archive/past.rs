//! The past of what has left memory: from a snapshot and the archive where they tell, from the first row where they do not.

use std::{sync::Arc, time::Duration};

use paytone::{
    edge::ids::Public as _,
    past::{self, Begins, Progress, Then},
};
use paytone_domain::{ids::PaymentId, time::Timestamp};
use serde_json::json;

use crate::scene::Scene;

async fn then(scene: &Scene, at: Timestamp, begins: Begins) -> Then {
    let progress = Arc::new(Progress::new(Duration::from_secs(60)));
    past::state_at(&scene.test.node.config, at, begins, progress, |_| true)
        .await
        .expect("the journal is sound")
}

/// What was refunded of a payment by then; `None` where it takes a replay from the first row, or there was no such payment.
async fn refunded(scene: &Scene, then: &mut Then, id: &str) -> Option<Option<i64>> {
    let id = PaymentId::read(&scene.test.node.ids, id).expect("an id");
    then.look(&scene.test.node.archive, |known| {
        known.payment(id).map(|payment| payment.refunded.minor())
    })
    .await
    .expect("the archive can be read")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_left_before_the_snapshot_is_in_the_archive_unless_it_changed_since() {
    let scene = Scene::new().await;
    let node = &scene.test.node;
    let (stays, changes) = (scene.charge("3.00").await, scene.charge("4.00").await);
    scene.until_in_memory(0).await;
    let made = node.snapshots.make(&node.config, |_, _| {}).await;
    let snapshot = made.expect("a snapshot").listed.seq;
    let recent = scene.charge("5.00").await;
    let at = node.engine.read(|_, moment| moment.now).await;
    let at = at.expect("the engine runs").answer;
    let path = |id: &str| format!("/v1/payments/{id}/refunds");
    let refund = json!({"amount": "1.00"});
    scene.post(&path(&changes), &refund).await.expect(201);
    scene.post(&path(&recent), &refund).await.expect(201);
    let later = scene.charge("6.00").await;
    // The archive has them as they are now.
    scene.until_in_memory(0).await;

    let from_snapshot = then(&scene, at, Begins::AtSnapshot).await;
    assert_eq!(from_snapshot.reached.snapshot, snapshot);
    let mut from_first = then(&scene, at, Begins::AtFirstRow).await;
    assert_eq!(from_first.reached.snapshot, 0);
    assert_eq!(from_first.reached.row, from_snapshot.reached.row);
    let digest = |then: &Then| paytone_engine::digest(then.state());
    assert_eq!(digest(&from_snapshot), digest(&from_first));
    for (id, there, anew) in [
        (&stays, Some(Some(0)), Some(Some(0))),
        (&changes, None, Some(Some(0))),
        (&recent, Some(Some(0)), Some(Some(0))),
        (&later, Some(None), Some(None)),
    ] {
        // Each on its own: one that changed leaves the others as they were.
        let mut from_snapshot = then(&scene, at, Begins::AtSnapshot).await;
        assert_eq!(refunded(&scene, &mut from_snapshot, id).await, there);
        assert_eq!(refunded(&scene, &mut from_first, id).await, anew);
    }
    // A snapshot of later is of no use.
    let before = then(&scene, Timestamp(at.0 - 86_400_000), Begins::AtSnapshot).await;
    assert_eq!((before.reached.snapshot, before.reached.row), (0, 0));
    scene.stop().await;
}
