//! What the running program tells while it starts: HTTP is there before the journal has been read.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::site::Site;

const PATIENCE: Duration = Duration::from_secs(120);
/// Enough to be at it for a while.
const LINES: usize = 24_000;

/// Two that nobody has at the moment.
fn addresses() -> [SocketAddr; 2] {
    let held = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    held.map(|listener| listener.local_addr().expect("an address"))
}

struct Told {
    status: u16,
    head: String,
    body: Value,
}

/// `None` while nobody answers there.
fn get(at: SocketAddr, path: &str) -> Option<Told> {
    let mut stream = TcpStream::connect(at).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some(Told {
        status: head.get(9..12)?.parse().ok()?,
        head: head.to_ascii_lowercase(),
        body: serde_json::from_str(body).ok()?,
    })
}

/// What `/readyz` said of the start, on the public listener and on the operator's, until the node was ready.
struct Watched {
    shares: Vec<Value>,
    figures: Vec<Value>,
}

fn watch(site: &mut Site, public: SocketAddr, inside: SocketAddr) -> Watched {
    let mut watched = Watched {
        shares: Vec::new(),
        figures: Vec::new(),
    };
    site.begin_to_serve();
    let begun = Instant::now();
    let mut lived = false;
    loop {
        assert!(begun.elapsed() < PATIENCE, "{}", site.log());
        let Some(told) = get(public, "/readyz") else {
            assert!(!lived, "somebody who answered once goes on answering");
            continue;
        };
        lived = true;
        if told.status == 200 {
            break;
        }
        assert_eq!(told.status, 503);
        if told.body["not_ready"] != json!(["starting"]) {
            // It is there, and catches up.
            continue;
        }
        assert_eq!(told.body["starting"].get("done"), None, "{}", told.body);
        watched.shares.push(told.body["starting"].clone());
        if let Some(told) = get(inside, "/readyz")
            && let Some(starting) = told.body.get("starting")
        {
            assert_eq!(told.status, 503);
            assert_eq!(told.body["not_ready"][0]["part"], "starting");
            watched.figures.push(starting.clone());
        }
        if let Some(alive) = get(public, "/healthz") {
            assert_eq!(alive.status, 200);
        }
        if let Some(told) = get(public, "/v1/payments")
            && told.body["code"] == "starting"
        {
            assert_eq!(told.status, 503);
            assert!(told.head.contains("retry-after: 1"), "{}", told.head);
            assert!(told.head.contains("connection: close"), "{}", told.head);
        }
    }
    site.served();
    watched
}

/// That it was told how far this was, and never less than before.
fn told_of(watched: &Watched, doing: &str, unit: &str) {
    let of = |told: &[Value]| -> Vec<Value> {
        let found = told.iter().filter(|told| told["doing"] == doing);
        found.cloned().collect()
    };
    let (shares, figures) = (of(&watched.shares), of(&watched.figures));
    assert!(!shares.is_empty(), "{doing} in {:?}", watched.shares);
    let percents: Vec<_> = shares
        .iter()
        .filter_map(|told| told["percent"].as_u64())
        .collect();
    assert!(!percents.is_empty(), "{shares:?}");
    assert!(percents.is_sorted() && percents.iter().all(|percent| *percent <= 100));
    assert!(!figures.is_empty(), "{doing} in {:?}", watched.figures);
    let done: Vec<_> = figures.iter().map(|told| told["done"].as_u64()).collect();
    assert!(done.is_sorted(), "{done:?}");
    for told in &figures {
        assert_eq!(told["unit"], unit);
        assert!(
            told["done"].as_u64() <= told["of"].as_u64() && told["of"] != json!(0),
            "{told}"
        );
    }
}

#[test]
fn while_it_starts_it_tells_what_it_does_and_how_far_it_is() {
    let [public, inside] = addresses();
    let metrics = format!("[telemetry]\nmetrics_listen = \"{inside}\"\n");
    let mut site = Site::at(&public.to_string(), &metrics);
    site.open();
    let mut lines = "number,activated,kind,status,name\n".to_owned();
    for last in 0..LINES {
        lines += &format!("+86138{last:08},2020-01-31,prepaid,active,Mei\n");
    }
    let lines = site.write("lines.csv", &lines);
    site.as_("ann", &["import", "lines", &lines]).done();
    site.kill();

    let watched = watch(&mut site, public, inside);
    told_of(&watched, "replaying_journal", "rows");

    site.as_("ann", &["snapshot"]).done();
    site.kill();
    let watched = watch(&mut site, public, inside);
    told_of(&watched, "loading_snapshot", "bytes");
    site.stop();
    assert!(get(public, "/healthz").is_none(), "it has ended");
}
