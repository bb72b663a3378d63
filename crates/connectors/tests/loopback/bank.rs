//! The bank connector against the stand-in bank, each behaviour over real HTTP.
//!
//! One piece although it is long: each test is one behaviour, and all share the bank they are tried on.

use std::sync::Arc;
use std::time::Duration;

use paytone_connectors::funding::{
    self, Collection, Funding, Outcome, Reference, Return, Settings, Status, Token,
};
use paytone_connectors::stand_in_bank::{State, serve};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const TOKEN: &str = "the-bank-knows-this-token";

struct World {
    bank: State,
    address: String,
    funding: Arc<dyn Funding>,
    /// Gives up after a second.
    hasty: Arc<dyn Funding>,
}

async fn world() -> World {
    let world = world_of(State::in_memory(Token::new(TOKEN))).await;
    world.bank.open_account("ann", 1000, "EUR").unwrap();
    world
}

async fn world_of(bank: State) -> World {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(serve(listener, bank.clone()));
    let settings = Settings {
        allow_http: true,
        token: Some(Token::new(TOKEN)),
        ..Settings::new(format!("http://{address}"))
    };
    let hasty = Settings {
        timeout: Duration::from_secs(1),
        ..settings.clone()
    };
    World {
        bank,
        address,
        funding: funding::open("bank", &settings).unwrap(),
        hasty: funding::open("bank", &hasty).unwrap(),
    }
}

impl World {
    /// One request of a test to the bank's own pages.
    async fn call(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let token = format!("authorization: Bearer {TOKEN}\r\n");
        self.call_as(&token, method, path, body).await
    }

    /// As [`Self::call`], with another header instead of the token's.
    async fn call_as(
        &self,
        authorization: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> (u16, Value) {
        let mut socket = TcpStream::connect(&self.address).await.unwrap();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: bank\r\nconnection: close\r\n{authorization}\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let status = answer
            .get(9..12)
            .map_or(0, |digits| digits.parse().unwrap());
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    async fn behave(&self, behaviour: Value) {
        let body = json!({"behaviour": behaviour, "times": 1}).to_string();
        assert_eq!(self.call("PUT", "/behaviour", &body).await.0, 200);
    }

    async fn collect(&self, reference: &str, amount_minor: i64) -> Outcome {
        self.funding
            .collect(&collection(reference, amount_minor))
            .await
    }

    async fn give_back(&self, original: &str, reference: &str, amount_minor: i64) -> Outcome {
        let order = Return {
            reference: name(reference),
            original: name(original),
            amount_minor,
            currency: "EUR".into(),
        };
        self.funding.give_back(&order).await
    }

    async fn status(&self, reference: &str) -> Status {
        self.funding.status(&name(reference)).await
    }

    fn balance(&self) -> i64 {
        self.bank.statement().unwrap().accounts["ann"].balance_minor
    }
}

fn name(reference: &str) -> Reference {
    Reference::new(reference).unwrap()
}

fn collection(reference: &str, amount_minor: i64) -> Collection {
    Collection {
        reference: name(reference),
        account: "ann".into(),
        amount_minor,
        currency: "EUR".into(),
    }
}

fn done(number: u64) -> Outcome {
    Outcome::Done {
        bank_reference: format!("SB{number:010}"),
    }
}

fn seen(number: u64, amount_minor: i64) -> Status {
    Status::Done {
        bank_reference: format!("SB{number:010}"),
        amount_minor,
        currency: "EUR".into(),
    }
}

fn refused(reason: &str) -> Outcome {
    Outcome::Refused {
        reason: reason.into(),
    }
}

fn unknown(why: &str) -> Outcome {
    Outcome::Unknown { why: why.into() }
}

#[tokio::test]
async fn collecting_and_giving_back_move_money_once_per_reference() {
    let world = world().await;
    assert_eq!(world.collect("c1", 600).await, done(1));
    assert_eq!(world.collect("c1", 600).await, done(1));
    assert_eq!(world.balance(), 400);
    assert_eq!(
        world.collect("c2", 401).await,
        refused("insufficient_funds")
    );
    assert_eq!(world.give_back("c1", "r1", 500).await, done(3));
    assert_eq!(world.give_back("c1", "r1", 500).await, done(3));
    assert_eq!(
        world.give_back("c1", "r2", 101).await,
        refused("exceeds_original")
    );
    assert_eq!(world.give_back("c1", "r3", 100).await, done(5));
    assert_eq!(
        world.give_back("c9", "r4", 1).await,
        refused("original_unknown")
    );
    assert_eq!(
        world.give_back("c2", "r5", 1).await,
        refused("original_refused")
    );
    assert_eq!(world.balance(), 1000);
    assert_eq!(world.status("c1").await, seen(1, 600));
    assert_eq!(
        world.status("c2").await,
        Status::Refused {
            reason: "insufficient_funds".into()
        }
    );
    assert_eq!(world.status("c3").await, Status::NotFound);
}

#[tokio::test]
async fn a_reference_used_for_something_else_is_not_taken_for_a_refusal() {
    let world = world().await;
    assert_eq!(world.collect("c1", 600).await, done(1));
    assert_eq!(world.collect("c1", 601).await, unknown("reference_reused"));
    assert_eq!(world.status("c1").await, seen(1, 600));
    assert_eq!(world.balance(), 400);
}

#[tokio::test]
async fn what_cannot_be_right_is_refused_without_asking_the_bank() {
    let world = world().await;
    let good = collection("c1", 1);
    for bad in [
        Collection {
            amount_minor: 0,
            ..good.clone()
        },
        Collection {
            amount_minor: -1,
            ..good.clone()
        },
        Collection {
            currency: "eur".into(),
            ..good.clone()
        },
        Collection {
            currency: "EURO".into(),
            ..good.clone()
        },
        Collection {
            account: String::new(),
            ..good.clone()
        },
        Collection {
            account: "a".repeat(65),
            ..good.clone()
        },
    ] {
        assert_eq!(
            world.funding.collect(&bad).await,
            refused("request_invalid")
        );
    }
    assert_eq!(
        world.give_back("c1", "r1", 0).await,
        refused("request_invalid")
    );
    assert!(world.bank.statement().unwrap().operations.is_empty());
}

#[tokio::test]
async fn a_lost_answer_is_unknown_then_known_and_done_once() {
    let world = world().await;
    world.behave(json!({"kind": "lose_answer"})).await;
    assert_eq!(world.collect("c1", 600).await, unknown("connection_lost"));
    assert_eq!(world.status("c1").await, seen(1, 600));
    assert_eq!(world.collect("c1", 600).await, done(1));
    assert_eq!(world.balance(), 400);
}

#[tokio::test]
async fn a_lost_request_is_unknown_then_not_found_and_repeatable() {
    let world = world().await;
    world.behave(json!({"kind": "lose_request"})).await;
    assert_eq!(world.collect("c1", 600).await, unknown("connection_lost"));
    assert_eq!(world.balance(), 1000);
    assert_eq!(world.status("c1").await, Status::NotFound);
    assert_eq!(world.collect("c1", 600).await, done(1));
}

#[tokio::test]
async fn a_refusal_on_demand_stays_a_refusal() {
    let world = world().await;
    world
        .behave(json!({"kind": "refuse", "reason": "account_closed"}))
        .await;
    assert_eq!(world.collect("c1", 600).await, refused("account_closed"));
    assert_eq!(world.collect("c1", 600).await, refused("account_closed"));
    assert_eq!(
        world.status("c1").await,
        Status::Refused {
            reason: "account_closed".into()
        }
    );
    assert_eq!(world.balance(), 1000);
}

#[tokio::test]
async fn a_late_answer_is_unknown_although_it_is_done() {
    let world = world().await;
    world.behave(json!({"kind": "delay", "ms": 600_000})).await;
    let outcome = world.hasty.collect(&collection("c1", 600)).await;
    assert_eq!(outcome, unknown("timed_out"));
    assert_eq!(world.status("c1").await, seen(1, 600));
}

#[tokio::test]
async fn a_short_delay_is_only_a_delay() {
    let world = world().await;
    world.behave(json!({"kind": "delay", "ms": 20})).await;
    assert_eq!(world.collect("c1", 600).await, done(1));
}

#[tokio::test]
async fn a_request_on_its_way_is_not_found_yet() {
    let world = world().await;
    world
        .behave(json!({"kind": "delay_request", "ms": 600_000}))
        .await;
    let outcome = world.hasty.collect(&collection("c1", 600)).await;
    assert_eq!(outcome, unknown("timed_out"));
    assert_eq!(world.status("c1").await, Status::NotFound);
    assert_eq!(world.collect("c1", 600).await, done(1));
    assert_eq!(world.balance(), 400);
}

#[tokio::test]
async fn a_late_success_is_pending_until_enough_questions_or_a_hand_decides() {
    let world = world().await;
    world
        .behave(json!({"kind": "late_success", "after_status_calls": 2}))
        .await;
    assert_eq!(world.collect("c1", 100).await, unknown("pending"));
    assert_eq!(
        world.status("c1").await,
        Status::Unknown {
            why: "pending".into()
        }
    );
    assert_eq!(world.balance(), 1000);
    assert_eq!(world.status("c1").await, seen(1, 100));

    world.behave(json!({"kind": "late_success"})).await;
    assert_eq!(world.collect("c2", 100).await, unknown("pending"));
    assert_eq!(
        world.give_back("c2", "r2", 100).await,
        refused("original_pending")
    );
    assert_eq!(
        world.call("POST", "/operations/c2/complete", "").await.0,
        200
    );
    assert_eq!(
        world.call("POST", "/operations/c2/complete", "").await.0,
        409
    );
    assert_eq!(world.status("c2").await, seen(2, 100));

    world.behave(json!({"kind": "late_success"})).await;
    assert_eq!(world.collect("c3", 100).await, unknown("pending"));
    let body = json!({"reason": "fraud_suspected"}).to_string();
    assert_eq!(
        world.call("POST", "/operations/c3/fail", &body).await.0,
        200
    );
    assert_eq!(
        world.status("c3").await,
        Status::Refused {
            reason: "fraud_suspected".into()
        }
    );
    assert_eq!(world.balance(), 800);

    world
        .behave(json!({"kind": "late_success", "after_ms": 1}))
        .await;
    assert_eq!(world.collect("c4", 100).await, unknown("pending"));
    while world.status("c4").await != seen(5, 100) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_bank_that_is_down_is_unknown_for_orders_and_questions() {
    let world = world().await;
    world.behave(json!({"kind": "unavailable"})).await;
    assert_eq!(world.collect("c1", 1).await, unknown("http_503"));
    world.behave(json!({"kind": "unavailable"})).await;
    assert_eq!(
        world.status("c1").await,
        Status::Unknown {
            why: "http_503".into()
        }
    );
    assert_eq!(world.status("c1").await, Status::NotFound);
}

#[tokio::test]
async fn a_behaviour_can_be_one_accounts_own() {
    let world = world().await;
    world.bank.open_account("bob", 1000, "EUR").unwrap();
    let body = json!({"account": "bob", "behaviour": {"kind": "refuse", "reason": "no"}});
    world.call("PUT", "/behaviour", &body.to_string()).await;
    assert_eq!(world.collect("c1", 1).await, done(1));
    let bobs = |reference: &str| Collection {
        account: "bob".into(),
        ..collection(reference, 1)
    };
    assert_eq!(world.funding.collect(&bobs("c2")).await, refused("no"));
    assert_eq!(world.funding.collect(&bobs("c3")).await, refused("no"));
}

#[tokio::test]
async fn malformed_requests_are_no_refusals_and_change_nothing() {
    let world = world().await;
    let good = json!({"reference": "c1", "account": "ann", "amount_minor": 1, "currency": "EUR"});
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body.to_string()
    };
    for body in [
        with("amount_minor", json!(1.5)),
        with("amount_minor", json!(-1)),
        with("amount_minor", json!("1")),
        with("reference", json!("a/b")),
        with("currency", json!("euro")),
        with("account", json!("")),
        with("colour", json!("red")),
        "{".to_owned(),
    ] {
        let (status, answer) = world.call("POST", "/collections", &body).await;
        assert_eq!(
            (status, &answer["status"]),
            (400, &json!("malformed")),
            "{body}"
        );
    }
    let big = with("account", json!("a".repeat(20_000)));
    assert_eq!(world.call("POST", "/collections", &big).await.0, 413);
    assert!(world.bank.statement().unwrap().operations.is_empty());
}

#[tokio::test]
async fn books_survive_a_restart_of_the_bank() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.jsonl");
    let before = {
        let world = world_of(State::open(&path, Token::new(TOKEN)).unwrap()).await;
        world.bank.open_account("ann", 1000, "EUR").unwrap();
        assert_eq!(world.collect("c1", 600).await, done(1));
        world.behave(json!({"kind": "late_success"})).await;
        assert_eq!(world.collect("c2", 100).await, unknown("pending"));
        assert_eq!(world.give_back("c1", "r1", 50).await, done(3));
        world.bank.statement().unwrap()
    };
    let bank = State::open(&path, Token::new(TOKEN)).unwrap();
    assert_eq!(bank.statement().unwrap(), before);

    let world = world_of(bank).await;
    assert_eq!(world.collect("c1", 600).await, done(1));
    assert_eq!(world.give_back("c1", "r1", 50).await, done(3));
    assert_eq!(
        world.call("POST", "/operations/c2/complete", "").await.0,
        200
    );
    assert_eq!(world.balance(), 1000 - 600 + 50 - 100);
    let (status, statement) = world.call("GET", "/statement", "").await;
    assert_eq!(status, 200);
    assert_eq!(
        statement["totals"]["EUR"],
        json!({
            "collections_done": 2, "collected_minor": 700,
            "returns_done": 1, "returned_minor": 50,
            "refused": 0, "pending": 0,
        })
    );
}

/// A bank that says `answer` to whatever it is asked, byte for byte.
async fn parrot(answer: Vec<u8>) -> (Arc<dyn Funding>, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = Settings {
        allow_http: true,
        token: Some(Token::new("t0ken")),
        ..Settings::new(format!("http://{}/api", listener.local_addr().unwrap()))
    };
    let heard = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            let mut buffer = [0; 1024];
            let length = socket.read(&mut buffer).await.unwrap();
            request.extend_from_slice(&buffer[..length]);
        }
        let _gone = socket.write_all(&answer).await;
        let _gone = socket.shutdown().await;
        String::from_utf8(request).unwrap()
    });
    (funding::open("bank", &settings).unwrap(), heard)
}

#[tokio::test]
async fn anything_but_a_clear_answer_is_unknown() {
    let huge = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(64 * 1024));
    for (answer, why) in [
        (huge.as_str(), "answer_broken_or_too_large"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{",
            "answer_broken_or_too_large",
        ),
        ("HTTP/1.1 200 OK\r\n\r\n<html>", "answer_not_understood"),
        (
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\r\n",
            "http_302",
        ),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "http_502"),
        ("what?\r\n\r\n", "connection_lost"),
        ("", "connection_lost"),
    ] {
        let (funding, _heard) = parrot(answer.into()).await;
        assert_eq!(funding.collect(&collection("c1", 1)).await, unknown(why));
    }
}

#[tokio::test]
async fn the_request_says_what_is_wanted_and_by_whom() {
    let (funding, heard) = parrot(b"HTTP/1.1 503 Busy\r\n\r\n".to_vec()).await;
    funding.collect(&collection("c1", 42)).await;
    let request = heard.await.unwrap();
    assert!(
        request.starts_with("POST /api/collections HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains("\r\nauthorization: Bearer t0ken\r\n"),
        "{request}"
    );
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(body).unwrap(),
        json!({"reference": "c1", "account": "ann", "amount_minor": 42, "currency": "EUR"})
    );
}

#[tokio::test]
async fn a_bank_that_is_not_there_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let settings = Settings {
        allow_http: true,
        ..Settings::new(url)
    };
    let funding = funding::open("bank", &settings).unwrap();
    assert_eq!(
        funding.collect(&collection("c1", 1)).await,
        unknown("unreachable")
    );
    assert_eq!(
        funding.status(&name("c1")).await,
        Status::Unknown {
            why: "unreachable".into()
        }
    );
}

#[tokio::test]
async fn without_its_token_the_bank_does_and_tells_nothing() {
    let world = world().await;
    let order = json!({"reference": "c1", "account": "ann", "amount_minor": 1, "currency": "EUR"});
    let behave = json!({"behaviour": {"kind": "lose_answer"}});
    let open = json!({"balance_minor": 5_000, "currency": "EUR"});
    let requests = [
        ("PUT", "/accounts/ann", open.to_string()),
        ("POST", "/collections", order.to_string()),
        ("POST", "/returns", "not json".to_owned()),
        ("GET", "/operations/c1", String::new()),
        ("POST", "/operations/c1/complete", String::new()),
        ("POST", "/operations/c1/fail", String::new()),
        ("PUT", "/behaviour", behave.to_string()),
        ("GET", "/statement", String::new()),
        ("GET", "/nowhere", String::new()),
    ];
    let longer = format!("authorization: Bearer {TOKEN}x\r\n");
    let shorter = format!("authorization: Bearer {}\r\n", &TOKEN[1..]);
    let bare = format!("authorization: {TOKEN}\r\n");
    for authorization in ["", "authorization: Bearer \r\n", &longer, &shorter, &bare] {
        for (method, path, body) in &requests {
            let (status, told) = world.call_as(authorization, method, path, body).await;
            assert_eq!(status, 401, "{method} {path} with {authorization:?}");
            assert_eq!(told["status"], "unauthorized");
        }
    }
    let statement = world.bank.statement().unwrap();
    assert!(statement.operations.is_empty());
    assert_eq!(statement.accounts["ann"].balance_minor, 1000);

    // A connector without it, or with another, knows nothing of what became of its order.
    for token in [None, Some(Token::new("another"))] {
        let settings = Settings {
            allow_http: true,
            token,
            ..Settings::new(format!("http://{}", world.address))
        };
        let funding = funding::open("bank", &settings).unwrap();
        let outcome = funding.collect(&collection("c1", 1)).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
        let status = funding.status(&Reference::new("c1").unwrap()).await;
        assert!(matches!(status, Status::Unknown { .. }), "{status:?}");
    }
    assert!(matches!(world.collect("c1", 1).await, Outcome::Done { .. }));
}
