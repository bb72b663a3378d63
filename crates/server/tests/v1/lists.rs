//! Lists and the feed.

use hyper::Method;
use serde_json::{Value, json};

use crate::client::{Scene, text};

async fn list(scene: &Scene, query: &str, after: &str) -> Value {
    let headers = [("paytone-position", after)];
    let key = Some(scene.shop.key.as_str());
    let path = format!("/v1/payments{query}");
    scene
        .test
        .send(Method::GET, &path, key, &headers, None)
        .await
        .expect(200)
        .body
}

fn ids(list: &Value) -> Vec<String> {
    let data = list["data"].as_array().expect("a list");
    data.iter()
        .map(|payment| text(payment, "id").to_owned())
        .collect()
}

#[tokio::test]
async fn payments_are_listed_newest_first_page_by_page_and_filtered() {
    let scene = Scene::new().await;
    let mut made = Vec::new();
    for place in 0..5 {
        let reference = format!("r-{}", place % 2);
        made.push(scene.ask("10.00", json!({"reference": reference})).await);
    }
    scene.approve(&made[3]).await.expect(200);
    let path = format!("/v1/payments/{}", text(&made[0], "id"));
    let answer = scene.get(&path).await.expect(200);
    let after = answer.headers["paytone-position"].to_str().expect("text");
    let mut expected: Vec<_> = made
        .iter()
        .map(|payment| text(payment, "id").to_owned())
        .collect();
    expected.reverse();
    assert_eq!(ids(&list(&scene, "", after).await), expected);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = list(&scene, &format!("?limit=2{cursor}"), after).await;
        seen.extend(ids(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, expected);
    let odd = list(&scene, "?reference=r-1", after).await;
    assert_eq!(ids(&odd), [expected[1].clone(), expected[3].clone()]);
    let captured = list(&scene, "?status=captured", after).await;
    assert_eq!(ids(&captured), [text(&made[3], "id")]);
    assert_eq!(captured["data"][0], scene.payment(&made[3]).await);
    let none = list(&scene, "?reference=r-1&status=failed", after).await;
    assert_eq!(none, json!({"data": [], "next_cursor": null}));
    let other = scene.test.merchant("Elsewhere", 5411).await;
    let theirs = scene
        .test
        .get("/v1/payments?reference=r-1", Some(&other.key))
        .await;
    assert_eq!(theirs.expect(200).body["data"], json!([]));
}

#[tokio::test]
async fn the_feed_goes_on_from_its_cursor_in_order_and_without_gaps() {
    let scene = Scene::new().await;
    let begin = scene.get("/v1/events").await.expect(200).body;
    assert_eq!(begin["data"], json!([]));
    let first = scene.paid("10.00", json!({})).await;
    let second = scene.paid("20.00", json!({"capture": "manual"})).await;
    let cancel = format!("/v1/payments/{}/cancel", text(&second, "id"));
    let last = scene.post(&cancel, &json!({})).await.expect(200);
    let all = scene.feed(&last).await;
    let told: Vec<_> = all
        .iter()
        .map(|event| (text(event, "type"), &event["data"]["id"]))
        .collect();
    assert_eq!(
        told,
        [
            ("payment.captured", &first["id"]),
            ("payment.authorized", &second["id"]),
            ("payment.cancelled", &second["id"]),
        ]
    );
    assert_eq!(all[0]["data"], first);
    assert_eq!(all[1]["data"], second, "as it stood then");
    assert_eq!(all[2]["data"], last.body);
    let (mut seen, mut cursor) = (Vec::new(), text(&begin, "next_cursor").to_owned());
    loop {
        let page = scene
            .get(&format!("/v1/events?limit=1&cursor={cursor}"))
            .await
            .expect(200)
            .body;
        let data = page["data"].as_array().expect("a list");
        if data.is_empty() {
            assert_eq!(page["next_cursor"], cursor.as_str(), "nothing new");
            break;
        }
        seen.extend(data.clone());
        text(&page, "next_cursor").clone_into(&mut cursor);
    }
    assert_eq!(seen, all);
    let mut unique: Vec<_> = all.iter().map(|event| text(event, "id")).collect();
    unique.dedup();
    assert_eq!(unique.len(), 3);
    let other = scene.test.merchant("Elsewhere", 5411).await;
    let theirs = scene
        .test
        .get("/v1/events", Some(&other.key))
        .await
        .expect(200);
    assert_eq!(theirs.body["data"], json!([]));
}
