//! Two of three nodes: how they say they are, and a phone and a shop that go on at the other one.

use std::{collections::HashSet, net::SocketAddr};

use http_body_util::Full;
use hyper::{Request, body::Bytes, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use private_postgres::Cluster;
use serde_json::{Value, json};

use crate::{
    NUMBERS, World,
    nodes::{NAMES, places},
    process::Settings,
    support::Events,
    wire::{Call, Wire},
};

/// A kind of news, and what it is about.
type News = (String, Value);

/// A phone's stream at one node.
struct Stream {
    events: Events,
    heard: Vec<(String, News)>,
}

impl Stream {
    async fn open(node: SocketAddr, token: &str, last: Option<&str>) -> Self {
        let client: Client<HttpConnector, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).build_http();
        let mut request = Request::get(format!("http://{node}/phone/api/events"))
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(Full::default()).expect("a request");
        let response = client.request(request).await.expect("a node that lives");
        assert_eq!(response.status(), 200);
        let mut events = Events::of(response);
        assert_eq!(events.next().await.expect("it is open").0, "ping");
        Self {
            events,
            heard: Vec::new(),
        }
    }

    /// Listens until something of this kind is told of this payment.
    async fn until(&mut self, kind: &str, payment: &Value) {
        loop {
            let (told, data) = self.events.next().await.expect("the stream goes on");
            if told == "ping" {
                continue;
            }
            let is_it = told == kind && data["id"] == *payment;
            let id = self.events.last_id.clone();
            self.heard.push((id, (told, data["id"].clone())));
            if is_it {
                return;
            }
        }
    }

    /// The id of the first event of this kind.
    fn id_of(&self, kind: &str, payment: &Value) -> &str {
        let mut heard = self.heard.iter();
        let found = heard.find(|(_, news)| news.0 == kind && news.1 == *payment);
        &found.expect("it was heard").0
    }

    /// What was heard after an event, each thing once: prompts and their ends are one thing.
    fn after(&self, id: &str) -> Vec<(String, News)> {
        let at = self.heard.iter().position(|(own, _)| own == id);
        let heard = self.heard[at.expect("it was heard") + 1..].iter();
        let mut told = HashSet::new();
        let mut latest: Vec<_> = heard
            .rev()
            .filter(|(_, (kind, of))| {
                let kind = kind.trim_end_matches("_closed").to_owned();
                told.insert((kind, of.to_string()))
            })
            .cloned()
            .collect();
        latest.reverse();
        latest
    }
}

struct Shop {
    key: String,
    drawn: u32,
}

impl Shop {
    async fn post(&mut self, node: SocketAddr, path: &str, body: Value) -> Value {
        self.drawn += 1;
        let call = Call::post(path, &self.key, body).with_key(format!("ops-{}", self.drawn));
        let told = Wire::among(vec![node]).ask(&call).await.expect("it lives");
        assert!(told.status < 300, "{}", told.json());
        told.json()
    }

    async fn ask(&mut self, node: SocketAddr) -> Value {
        let body = json!({
            "amount": "12.00", "payer": {"phone_number": NUMBERS[0]}, "description": "A novel",
            "expires_in": 900,
        });
        self.post(node, "/v1/payments", body).await["id"].clone()
    }

    async fn cancel(&mut self, node: SocketAddr, payment: &Value) {
        let path = format!("/v1/payments/{}/cancel", payment.as_str().expect("an id"));
        self.post(node, &path, json!({})).await;
    }

    async fn get(&self, wire: &Wire, path: &str) -> Value {
        let told = wire.ask(&Call::get(path, &self.key)).await;
        let told = told.expect("it lives");
        assert_eq!(told.status, 200, "{}", told.json());
        told.json()
    }

    /// Ids of the feed from a cursor on, and where it ends.
    async fn feed(&self, wire: &Wire, mut cursor: Option<String>) -> (Vec<String>, Option<String>) {
        let mut ids = Vec::new();
        loop {
            let from = cursor.iter().map(|cursor| format!("&cursor={cursor}"));
            let path = format!("/v1/events?limit=2{}", from.collect::<String>());
            let page = self.get(wire, &path).await;
            let data = page["data"].as_array().expect("a list");
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if data.is_empty() {
                return (ids, cursor);
            }
            let id = |event: &Value| event["id"].as_str().expect("an id").to_owned();
            ids.extend(data.iter().map(id));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_and_a_shop_go_on_at_another_node_without_gap_or_repeat() {
    let cluster = Cluster::start();
    let world = World::make(Some(&cluster)).await;
    let folder = world.folder.path().to_owned();
    let names = NAMES.map(str::to_owned);
    paytone::cluster::certificates::make(&folder.join("tls"), &names).expect("certificates");
    let places = places();
    let settings: Vec<Settings> = places
        .iter()
        .take(2)
        .map(|place| Settings::write_member(&folder, &world.origin, &world.store_url, place))
        .collect();
    let mut servers: Vec<_> = settings.iter().map(Settings::start).collect();
    for server in &mut servers {
        server.address().await;
    }
    let [here, there] = [places[0].listen, places[1].listen];
    let token = world.phones[0].token.clone();
    let mut shop = Shop {
        key: world.keys[0].clone(),
        drawn: 0,
    };

    // What is done at one node is told at the other, and cursors of one are good at the other.
    let mut first = Stream::open(here, &token, None).await;
    let one = shop.ask(there).await;
    first.until("prompt", &one).await;
    let last = first.id_of("prompt", &one).to_owned();
    let (before, cursor) = shop.feed(&Wire::among(vec![here]), None).await;
    shop.cancel(here, &one).await;
    let two = shop.ask(here).await;
    first.until("prompt_closed", &one).await;
    first.until("prompt", &two).await;

    // It breaks off after the first prompt, and goes on at the other node.
    let mut second = Stream::open(there, &token, Some(&last)).await;
    second.until("prompt", &two).await;
    let three = shop.ask(there).await;
    first.until("prompt", &three).await;
    second.until("prompt", &three).await;
    assert_eq!(second.heard, first.after(&last));
    // Who heard all of it hears nothing of it again.
    let newest = first.id_of("prompt", &three).to_owned();
    let mut third = Stream::open(there, &token, Some(&newest)).await;
    shop.cancel(there, &three).await;
    third.until("prompt_closed", &three).await;
    let heard: Vec<_> = third.heard.iter().map(|(_, (_, of))| of.clone()).collect();
    assert!(
        heard.iter().all(|of| *of == three || of.is_null()),
        "{heard:?}"
    );
    // What is not known is not passed over in silence.
    let mut lost = Stream::open(here, &token, Some("evt_nonsense")).await;
    assert_eq!(lost.events.next().await.expect("an event").0, "missed");

    // A long poll at one node hears what is done at the other.
    let id = two.as_str().expect("an id").to_owned();
    let (at_here, at_there) = (Wire::among(vec![here]), Wire::among(vec![there]));
    let path = format!("/v1/payments/{id}?wait=30&status=awaiting_approval");
    let waiter = Shop {
        key: shop.key.clone(),
        drawn: 0,
    };
    let waits = tokio::spawn(async move { waiter.get(&at_there, &path).await });
    shop.cancel(here, &two).await;
    assert_eq!(waits.await.expect("it ran")["status"], "cancelled");

    // The feed goes on at the other node from where this one's ended, once its lists are there.
    let (whole, _) = loop {
        let whole = shop.feed(&at_here, None).await;
        if whole.0.len() >= before.len() + 3 {
            break whole;
        }
    };
    let rest = loop {
        let (rest, _) = shop.feed(&Wire::among(vec![there]), cursor.clone()).await;
        if before.len() + rest.len() >= whole.len() {
            break rest;
        }
    };
    assert_eq!([before, rest].concat(), whole);

    // Each says how it is, also of the one that is away.
    let said = loop {
        let said = settings[1].run(&["cluster", "status", "--json"]).await;
        let follows = |node: &&Value| node["part"] == "follows";
        let nodes = said["nodes"].as_array().expect("a list").clone();
        let compared = nodes
            .iter()
            .find(follows)
            .map(|node| node["compared"].as_u64());
        if compared.flatten() > Some(0) {
            break nodes;
        }
    };
    let parts: Vec<_> = said
        .iter()
        .map(|node| (&node["node"], &node["part"]))
        .collect();
    assert_eq!(said.len(), 3, "{parts:?}");
    let mut both = [&said[0]["part"], &said[1]["part"]].map(|part| part.as_str());
    both.sort_unstable();
    assert_eq!(both, [Some("follows"), Some("leads")]);
    assert_eq!(parts[2], (&json!("gamma"), &json!("away")));
    for node in &said[..2] {
        assert_eq!(node["epoch"], said[0]["epoch"]);
        assert_eq!(node["not_ready"], json!([]), "{node}");
    }
    for server in servers {
        server.end().await;
    }
}
