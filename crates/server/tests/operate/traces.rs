//! Traces reach a collector. One test: a process has one set of logs and traces.

use std::sync::Arc;

use axum::{Router, body::Bytes, extract::State, http::Uri};
use hyper::Method;
use parking_lot::Mutex;
use paytone::{config, telemetry};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{NOBODY, support::TestNode};

type Taken = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

async fn take(State(taken): State<Taken>, uri: Uri, body: Bytes) {
    taken.lock().push((uri.path().to_owned(), body.to_vec()));
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|part| part == wanted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payments_spans_reach_the_collector_and_continue_its_clients_trace() {
    let taken = Taken::default();
    let collector = Router::new().fallback(take).with_state(Arc::clone(&taken));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, collector).await });

    let settings = config::Telemetry {
        otlp_endpoint: format!("http://{address}/"),
        ..config::Telemetry::default()
    };
    let telemetry = telemetry::start("off", &settings).expect("it starts");
    let test = TestNode::start().await;
    let shop = test.merchant("Bookshop", 5942).await;
    let body = json!({
        "amount": "1.00",
        "payer": {"phone_number": NOBODY},
        "description": "A secret wish",
    });
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let headers = [("idempotency-key", "traced"), ("traceparent", &parent)];
    test.send(
        Method::POST,
        "/v1/payments",
        Some(&shop.key),
        &headers,
        Some(&body),
    )
    .await
    .expect(201);
    // It sends what is left and waits for the collector.
    tokio::task::spawn_blocking(move || telemetry.stop())
        .await
        .expect("it ends");

    let taken = taken.lock();
    assert!(taken.iter().all(|(path, _)| path == "/v1/traces"));
    let sent: Vec<u8> = taken.iter().flat_map(|(_, body)| body.clone()).collect();
    for wanted in [
        "paytone",
        "POST /v1/payments",
        "decide and make durable",
        "http.route",
    ] {
        assert!(contains(&sent, wanted.as_bytes()), "no {wanted}");
    }
    let trace = data_encoding::HEXLOWER
        .decode(trace.as_bytes())
        .expect("hex");
    assert!(
        contains(&sent, &trace),
        "the client's trace is not continued"
    );
    for secret in ["A secret wish", NOBODY, shop.key.as_str()] {
        assert!(!contains(&sent, secret.as_bytes()), "{secret} was sent");
    }
}
