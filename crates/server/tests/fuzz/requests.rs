//! Requests as bytes on a connection, to every kind of route.

use paytone::edge::ids::Public as _;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    mutation::{Mutation, rounds},
    support::{Ask, PATIENCE, Phone, TestNode},
};

const ALICE: &str = "+8613800138000";
const PIN: &str = "284617";

/// Good requests: method, path, whether a merchant or a phone asks, body.
fn corpus(payment: &str) -> Vec<(&'static str, String, bool, String)> {
    let merchant =
        |method, path: &str, body: &str| (method, path.to_owned(), true, body.to_owned());
    let phone = |method, path: &str, body: &str| (method, path.to_owned(), false, body.to_owned());
    vec![
        merchant(
            "POST",
            "/v1/payments",
            r#"{"amount":"12.50","payer":{"phone_number":"+86 138 0013 8000"},"for":"other","asker_name":"Li","description":"Two novels","reference":"r-1","expires_in":60,"capture":"manual"}"#,
        ),
        merchant(
            "GET",
            "/v1/payments?status=captured&reference=r-1&limit=5",
            "",
        ),
        merchant("GET", &format!("/v1/payments/{payment}?status=expired"), ""),
        merchant("POST", &format!("/v1/payments/{payment}/cancel"), "{}"),
        merchant(
            "POST",
            &format!("/v1/payments/{payment}/capture"),
            r#"{"amount":"1.00"}"#,
        ),
        merchant(
            "POST",
            &format!("/v1/payments/{payment}/refunds"),
            r#"{"amount":"1.00","reason":"broken"}"#,
        ),
        merchant(
            "POST",
            "/v1/mandates",
            r#"{"payer":{"phone_number":"13800138000"},"max_per_payment":"5.00","max_per_month":"20.00","ends_on":"2027-11-23","description":"Rent"}"#,
        ),
        merchant("GET", "/v1/events?limit=3", ""),
        merchant(
            "POST",
            "/v1/webhook_endpoints",
            r#"{"url":"https://[::ffff:127.0.0.1]/x"}"#,
        ),
        phone(
            "POST",
            "/phone/api/challenges",
            r#"{"device":"dev_aaaaaaaaaaaaaaaaaaaaaaaaaa"}"#,
        ),
        phone(
            "POST",
            "/phone/api/sessions",
            r#"{"device":"dev_a","challenge":"x","signature":"eA"}"#,
        ),
        phone(
            "POST",
            "/phone/api/enrolments",
            r#"{"number":"+8613800138000"}"#,
        ),
        phone("GET", "/phone/api/prompts", ""),
        phone(
            "POST",
            &format!("/phone/api/prompts/{payment}/approve"),
            r#"{"document":"{\"type\":\"paytone.approval\",\"version\":1}","signature":"eA","pin":"284617"}"#,
        ),
        phone("GET", "/phone/api/history?limit=3", ""),
        phone("GET", "/phone/api/me", ""),
        phone("GET", "/admin/api/worklist", ""),
        phone(
            "POST",
            "/admin/api/sessions",
            r#"{"name":"mei","password":"x"}"#,
        ),
        phone("GET", "/reference/", ""),
        phone("GET", "/openapi.json", ""),
    ]
}

/// Sends it and reads the status; `None` where the node only closed the connection, as it may on what is no HTTP.
async fn send(address: &str, request: &[u8]) -> Option<u16> {
    let asking = async {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        // A node that closes early, on too long a head for example, need not read all of it.
        let _ = stream.write_all(request).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let line = String::from_utf8_lossy(&answer);
        line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
    };
    timeout(PATIENCE, asking)
        .await
        .expect("an answer or an end in time")
}

#[tokio::test]
async fn whatever_is_asked_the_node_answers_and_lives() {
    let mut mutation = Mutation::new();
    let test = TestNode::start().await;
    let shop = test.merchant("Bookshop", 5_942).await;
    let alice = test.line(ALICE).await;
    test.give_cash(alice, 50_000).await;
    let phone = Phone::enrol(&test, ALICE, PIN).await;
    let asked = test.ask(&shop, Ask::of(ALICE, 1_280)).await;
    let payment = asked.id.show(&test.node.ids);
    let address = test
        .origin
        .strip_prefix("http://")
        .expect("plain HTTP")
        .to_owned();
    let corpus = corpus(&payment);
    let mut good = 0_u32;
    for round in 0..rounds(1_500) {
        let (method, path, by_merchant, body) = mutation.one_of(&corpus).clone();
        let token = if by_merchant { &shop.key } else { &phone.token };
        // Each round one part is wrong, and now and then the whole of it.
        let part = mutation.below(4);
        let path = if part == 0 {
            mutation.of_text(&path)
        } else {
            path
        };
        let body = if part == 1 {
            mutation.of(body.as_bytes())
        } else {
            body.into_bytes()
        };
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nidempotency-key: k{round}\r\n\
             content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(&body);
        if part == 2 {
            request = mutation.of(&request);
        }
        let status = send(&address, &request).await;
        let seen = String::from_utf8_lossy(&request);
        assert!(
            status.is_none_or(|status| status < 500),
            "seed {}: {status:?} for {seen}",
            mutation.seed
        );
        good += u32::from(status.is_some_and(|status| status < 300));
    }
    // It was not deaf all the time, and it still works.
    assert!(
        good > 0,
        "seed {}: nothing was ever accepted",
        mutation.seed
    );
    test.get("/v1/me", Some(&shop.key)).await.expect(200);
    let read = test.node.engine.read(|state, _| state.book.total()).await;
    assert_eq!(read.expect("the engine runs").answer, 0);
}
