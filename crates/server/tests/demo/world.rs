//! The whole demo: its pages, its world, its shop, and what a restart finds.

use std::{collections::BTreeSet, fs, net::SocketAddr, path::Path, time::Duration};

use http_body_util::{BodyExt as _, Empty, Full};
use hyper::{Request, StatusCode, body::Bytes};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use paytone::{
    config::Config,
    demo::{
        Args, Demo,
        http::{Http, Reply},
        phone::Phone,
    },
    service::Service,
};
use paytone_domain::{
    State,
    ledger::{Account, Book},
};
use paytone_journal::Keyring;
use serde_json::{Value, json};

const OWN: &str = "+8613800138001";
const STRANGER: &str = "138 0013 8077";
pub const PIN: &str = "590274";

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub async fn start(data: &Path) -> Demo {
    let args = Args {
        data: data.to_owned(),
        listen: anywhere(),
        store: None,
    };
    let program = Path::new(env!("CARGO_BIN_EXE_paytone"));
    let demo = Demo::start(&args, program, &|_| {}).await;
    demo.unwrap_or_else(|error| panic!("the demo does not start: {error}"))
}

/// Status, headers and body of a page.
async fn page(
    origin: &str,
    path: &str,
    known: Option<&str>,
) -> (StatusCode, hyper::HeaderMap, Bytes) {
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::get(format!("{origin}{path}"));
    if let Some(known) = known {
        request = request.header("if-none-match", known);
    }
    let request = request.body(Empty::new()).expect("a request");
    let answer = client.request(request).await.expect("an answer");
    let (head, body) = answer.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    (head.status, head.headers, body)
}

/// Every file of the folders, as an address and its path.
fn files(folder: &Path, address: &str, into: &mut Vec<(String, std::path::PathBuf)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        let address = format!("{address}/{name}");
        if path.is_dir() {
            files(&path, &address, into);
        } else {
            into.push((address.trim_end_matches("index.html").to_owned(), path));
        }
    }
}

pub async fn look<T: Send + 'static>(
    demo: &Demo,
    look: impl FnOnce(&State) -> T + Send + 'static,
) -> T {
    let looked = demo.node().engine.read(|state, _| look(state)).await;
    looked.expect("the engine answers").answer
}

pub fn expect(reply: Reply, status: u16) -> Value {
    assert_eq!(reply.status.as_u16(), status, "{}", reply.body);
    reply.body
}

#[tokio::test]
async fn the_demo_has_its_pages_and_its_world_and_a_restart_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let demo = start(folder.path()).await;
    every_page_is_served(demo.origin()).await;
    let http = Http::new(demo.origin());
    let world = expect(http.get("/demo/api/world").send().await.expect("it"), 200);
    let phones = world["phones"].as_array().expect("phones");
    assert_eq!(phones.len(), 8);
    for address in ["/shop", "/operator/", "/phone/?number=%2B8613800138001"] {
        let whole = format!("{}{address}", demo.origin());
        assert!(demo.addresses().contains(&whole), "{whole} is printed");
    }

    let devices = look(&demo, |state| {
        let subscribers = state.subscribers.iter();
        subscribers
            .filter(|subscriber| state.has_active_device(subscriber))
            .count()
    });
    assert_eq!(devices.await, 0, "every phone is there to be set up");
    let statuses = look(&demo, |state| {
        let payments = state.payments.values();
        payments
            .map(|payment| payment.status.name())
            .collect::<BTreeSet<_>>()
    });
    let wanted = [
        "awaiting_approval",
        "cancelled",
        "captured",
        "declined",
        "refused",
    ];
    assert_eq!(statuses.await, BTreeSet::from(wanted));
    // What a partial capture gives back may still be on its way.
    let mut durable = demo.node().engine.follow();
    while !look(&demo, |state| state.effects.is_empty()).await {
        durable.recv().await.expect("the engine runs");
    }
    let (books, counts) = (book(&demo).await, count(&demo).await);
    assert_eq!(books.total(), 0);
    assert_eq!(books.balance(Account::Suspense).posted, 0);
    let bank = Http::new(demo.bank());
    expect(bank.get("/statement").send().await.expect("it"), 401);
    let token = std::fs::read_to_string(folder.path().join("stand-in-bank.token"));
    let token = token.expect("a token");
    let asked = bank.get("/statement").token(&token).send().await;
    let statement = expect(asked.expect("it"), 200);
    let totals = &statement["totals"]["CNY"];
    let total = |name: &str| totals[name].as_i64().expect("a total");
    assert_eq!(
        total("collected_minor") - total("returned_minor"),
        -books.balance(Account::BankClearing).posted
    );
    let before = demo.addresses();
    let origin = demo.origin().to_owned();
    demo.stop().await;

    let demo = start(folder.path()).await;
    assert_eq!(book(&demo).await, books);
    assert_eq!(count(&demo).await, counts);
    let after = demo.addresses().replace(demo.origin(), &origin);
    assert_eq!(after, before, "passwords and keys are the same");
    shop_still_hears(&demo).await;
    demo.stop().await;
}

async fn book(demo: &Demo) -> Book {
    look(demo, |state| state.book.clone()).await
}

/// How many there are of each kind.
async fn count(demo: &Demo) -> [usize; 6] {
    look(demo, |state| {
        [
            state.payments.len(),
            state.subscribers.len(),
            state.merchants.len(),
            state.operators.by_id.len(),
            state.lots.len(),
            state.mandates.len(),
        ]
    })
    .await
}

async fn every_page_is_served(origin: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut addresses = Vec::new();
    files(&root.join("pages"), "", &mut addresses);
    files(&root.join("messages"), "/messages", &mut addresses);
    let landing = root.join("pages/landing/index.html");
    let shop = root.join("pages/shop/index.html");
    addresses.push(("/".to_owned(), landing));
    for address in ["/shop", "/shop/checkout?item=tea-year", "/shop/order/ord_1"] {
        addresses.push((address.to_owned(), shop.clone()));
    }
    for (address, file) in addresses {
        let (status, headers, body) = page(origin, &address, None).await;
        assert_eq!(status, StatusCode::OK, "{address}");
        assert_eq!(body, fs::read(&file).expect("the file"), "{address}");
        let policy = headers["content-security-policy"].to_str().expect("text");
        assert!(policy.starts_with("default-src 'self'"), "{address}");
        assert!(!policy.contains("unsafe"), "{address}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{address}");
        let tag = headers["etag"].to_str().expect("a tag").to_owned();
        let (status, _, body) = page(origin, &address, Some(&tag)).await;
        assert_eq!(
            (status, body.len()),
            (StatusCode::NOT_MODIFIED, 0),
            "{address}"
        );
        let (status, _, _) = page(origin, &address, Some("\"another\"")).await;
        assert_eq!(status, StatusCode::OK, "{address}");
    }
    let (status, headers, _) = page(origin, "/phone", None).await;
    assert_eq!(status, StatusCode::PERMANENT_REDIRECT);
    assert_eq!(headers["location"], "/phone/");
}

/// A payment with the shopper's own number, from the checkout to the webhook.
async fn shop_still_hears(demo: &Demo) {
    let http = Http::new(demo.origin());
    // As somebody's browser spells it who did not take the address that was printed.
    let spelled = demo.origin().replace("127.0.0.1", "localhost");
    assert_ne!(spelled, demo.origin());
    let phone = Phone::enrol(&http, &spelled, OWN, PIN).await;
    let phone = phone.unwrap_or_else(|error| panic!("{error}"));
    let asked = json!({"item": "night-market", "phone_number": OWN, "whose": "mine"});
    let bought = http.post("/shop/api/checkout", asked).send().await;
    let bought = expect(bought.expect("an answer"), 201);
    let order = bought["order"].as_str().expect("an order").to_owned();
    let payment = &bought["payment"];
    assert_eq!(
        (&payment["amount"], &payment["for"], &payment["status"]),
        (&json!("39.90"), &json!("self"), &json!("awaiting_approval"))
    );
    let (id, code) = (payment["id"].as_str(), payment["match_code"].as_str());
    let approved = phone.approve(id.expect("an id"), code.expect("a code"));
    approved.await.unwrap_or_else(|error| panic!("{error}"));
    // Nobody asks: it is the webhook that tells.
    let mut changes = demo.orders().changes();
    let paid = async {
        while !demo.orders().get(&order).is_some_and(|order| order.paid) {
            changes.changed().await.expect("the shop is open");
        }
    };
    let paid = tokio::time::timeout(Duration::from_secs(20), paid).await;
    assert!(paid.is_ok(), "the shop was not told that it is paid");
    let wait = format!("/shop/api/orders/{order}?wait=25&status=awaiting_approval");
    let seen = expect(http.get(wait).send().await.expect("an answer"), 200);
    assert_eq!(seen["item"], "night-market");
    assert_eq!(seen["payment"]["status"], "captured");
}

#[tokio::test]
async fn the_shop_asks_anybodys_number_and_says_what_is_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let demo = start(folder.path()).await;
    let http = Http::new(demo.origin());
    let checkout = async |body: Value| {
        let sent = http.post("/shop/api/checkout", body).send().await;
        sent.expect("an answer")
    };
    let asked = json!({
        "item": "tea-year", "phone_number": STRANGER, "whose": "other", "asker_name": "小王",
    });
    let bought = expect(checkout(asked).await, 201);
    let payment = &bought["payment"];
    assert_eq!(
        (&payment["status"], &payment["for"], &payment["asker_name"]),
        (&json!("awaiting_approval"), &json!("other"), &json!("小王"))
    );
    assert_eq!(payment["match_code"].as_str().map(str::len), Some(2));
    let order = format!("/shop/api/orders/{}", bought["order"].as_str().expect("it"));
    for _ in 0..2 {
        let cancel = http.post(format!("{order}/cancel"), json!({})).send().await;
        let cancelled = expect(cancel.expect("an answer"), 200);
        assert_eq!(cancelled["payment"]["status"], "cancelled");
    }
    let seen = expect(http.get(&order).send().await.expect("an answer"), 200);
    assert_eq!(seen["payment"]["status"], "cancelled");

    for (body, status, code, field) in [
        (
            json!({"item": "gold", "phone_number": OWN, "whose": "mine"}),
            422,
            "unknown_item",
            "item",
        ),
        (
            json!({"item": "tea-year", "phone_number": "12", "whose": "mine"}),
            422,
            "invalid_phone_number",
            "payer.phone_number",
        ),
        (
            json!({"item": "tea-year", "phone_number": OWN, "whose": "mine", "price": "0.01"}),
            400,
            "unknown_field",
            "price",
        ),
        (
            json!({"item": "tea-year", "phone_number": OWN, "whose": "mine", "asker_name": "x"}),
            422,
            "asker_name_not_allowed",
            "asker_name",
        ),
        (
            json!({"item": "tea-year", "whose": "mine"}),
            400,
            "missing_field",
            "phone_number",
        ),
    ] {
        let problem = expect(checkout(body).await, status);
        assert_eq!(
            (&problem["code"], &problem["field"]),
            (&json!(code), &json!(field))
        );
    }
    let unknown = http.get("/shop/api/orders/ord_1").send().await;
    expect(unknown.expect("an answer"), 404);
    a_forged_webhook_is_refused(demo.origin()).await;
    demo.stop().await;
}

async fn a_forged_webhook_is_refused(origin: &str) {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::post(format!("{origin}/shop/api/webhooks"))
        .header("webhook-id", "evt_1")
        .header("webhook-timestamp", "1")
        .header("webhook-signature", "v1,AAAA")
        .body(Full::new(Bytes::from_static(b"{}")))
        .expect("a request");
    let answer = client.request(request).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_only_the_demo_has_is_nowhere_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let keyring = folder.path().join("keyring.toml");
    Keyring::create(&keyring).expect("a keyring");
    let config = Config {
        data: folder.path().join("data"),
        keyring,
        listen: anywhere(),
        ..Config::default()
    };
    let service = Service::start(config, false).await;
    let service = service.unwrap_or_else(|error| panic!("{error}"));
    let origin = format!("http://{}", service.address);
    for (address, status) in [
        ("/phone/", StatusCode::OK),
        ("/operator/", StatusCode::OK),
        ("/", StatusCode::NOT_FOUND),
        ("/shop", StatusCode::NOT_FOUND),
        ("/landing/landing.js", StatusCode::NOT_FOUND),
        ("/demo/api/world", StatusCode::NOT_FOUND),
    ] {
        let (found, _, _) = page(&origin, address, None).await;
        assert_eq!(found, status, "{address}");
    }
    service.stop().await;
}
