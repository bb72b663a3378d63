//! Endpoints that are honest, slow, huge, rude, private or badly certified.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use paytone_connectors::webhook::signature::{Secret, verify};
use paytone_connectors::webhook::{Delivery, SendError, SendFault, Sender, Sent, Settings};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

const NOW_S: i64 = 1_760_000_000;
const BODY: &[u8] = br#"{"type":"payment.captured"}"#;

/// What an endpoint does after it has read the whole request.
#[derive(Clone, Copy)]
enum Then {
    Say(&'static str),
    /// Says this and then `x` without end.
    Flood(&'static str),
    /// Says this and keeps the connection open.
    Hang(&'static str),
    HangUp,
}

struct Endpoint {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    request: Arc<Mutex<Vec<u8>>>,
}

impl Endpoint {
    async fn start(then: Then, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            request: Arc::default(),
        };
        let (connections, request) = (endpoint.connections.clone(), endpoint.request.clone());
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                let (tls, request) = (tls.clone(), request.clone());
                tokio::spawn(async move {
                    match tls {
                        None => talk(socket, then, &request).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(socket).await {
                                talk(stream, then, &request).await;
                            }
                        }
                    }
                });
            }
        });
        endpoint
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn request(&self) -> String {
        String::from_utf8(self.request.lock().unwrap().clone()).unwrap()
    }
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, then: Then, seen: &Mutex<Vec<u8>>) {
    let mut request = Vec::new();
    while !request.ends_with(BODY) {
        let mut buffer = [0; 1024];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => request.extend_from_slice(&buffer[..length]),
        }
    }
    *seen.lock().unwrap() = request;
    match then {
        Then::Say(answer) => {
            let _gone = stream.write_all(answer.as_bytes()).await;
            let _gone = stream.shutdown().await;
        }
        Then::Flood(answer) => {
            let _gone = stream.write_all(answer.as_bytes()).await;
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        }
        Then::Hang(answer) => {
            let _gone = stream.write_all(answer.as_bytes()).await;
            let _gone = stream.flush().await;
            pending::<()>().await;
        }
        Then::HangUp => {}
    }
}

fn delivery(url: &str) -> Delivery {
    Delivery {
        url: url.to_owned(),
        id: "msg_1".to_owned(),
        timestamp_s: NOW_S,
        body: BODY.to_vec(),
        secrets: vec![Secret::from_bytes(vec![7; 32]).unwrap()],
    }
}

fn patient() -> Settings {
    Settings::permissive()
}

fn impatient() -> Settings {
    Settings {
        timeout: Duration::from_secs(1),
        ..Settings::permissive()
    }
}

async fn send(settings: Settings, url: &str) -> Result<Sent, SendError> {
    Sender::new(settings).unwrap().send(delivery(url)).await
}

async fn answered(settings: Settings, then: Then) -> Result<Sent, SendError> {
    let endpoint = Endpoint::start(then, None).await;
    send(settings, &endpoint.url("/")).await
}

#[tokio::test]
async fn the_receiver_can_verify_with_either_secret() {
    let endpoint = Endpoint::start(Then::Say("HTTP/1.1 204 No Content\r\n\r\n"), None).await;
    let secrets = vec![Secret::generate().unwrap(), Secret::generate().unwrap()];
    let sent = Sender::new(patient())
        .unwrap()
        .send(Delivery {
            secrets: secrets.clone(),
            ..delivery(&endpoint.url("/hook?shop=7"))
        })
        .await
        .unwrap();
    assert_eq!((sent.status, sent.answer_excerpt.as_str()), (204, ""));

    let request = endpoint.request();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let header = |name: &str| {
        head.lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")))
            .unwrap_or_else(|| panic!("no {name} in {head}"))
    };
    assert!(head.starts_with("POST /hook?shop=7 HTTP/1.1\r\n"), "{head}");
    assert_eq!(header("host"), endpoint.address.to_string());
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("webhook-id"), "msg_1");
    for secret in &secrets {
        let verdict = verify(
            secret,
            header("webhook-id"),
            header("webhook-timestamp"),
            header("webhook-signature"),
            body.as_bytes(),
            NOW_S,
        );
        assert_eq!(verdict, Ok(()));
    }
}

#[tokio::test]
async fn statuses_are_taken_for_what_they_say() {
    for (answer, expected) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            Ok((200, "ok")),
        ),
        (
            "HTTP/1.1 202 Accepted\r\n\r\nuntil the end",
            Ok((202, "until the end")),
        ),
        (
            "HTTP/1.1 200 OK\r\n\r\n\x1b[31mred\0",
            Ok((200, " [31mred ")),
        ),
        ("HTTP/1.1 410 Gone\r\n\r\n", Err((SendFault::Gone, false))),
        (
            "HTTP/1.1 404 Not Found\r\n\r\n",
            Err((SendFault::StatusNotSuccess, true)),
        ),
        (
            "HTTP/1.1 503 Busy\r\n\r\n",
            Err((SendFault::StatusNotSuccess, true)),
        ),
        ("SSH-2.0-OpenSSH\r\n", Err((SendFault::AnswerBroken, true))),
    ] {
        let result = answered(patient(), Then::Say(answer)).await;
        match (&result, expected) {
            (Ok(sent), Ok(wanted)) => {
                assert_eq!((sent.status, sent.answer_excerpt.as_str()), wanted);
            }
            (Err(error), Err(wanted)) => assert_eq!((error.code, error.retry), wanted, "{answer}"),
            _ => panic!("{answer}: {result:?}"),
        }
    }
}

#[tokio::test]
async fn a_refusing_endpoints_words_are_kept_for_the_log() {
    let answer = "HTTP/1.1 400 Bad Request\r\n\r\nno such hook";
    let error = answered(patient(), Then::Say(answer)).await.unwrap_err();
    assert_eq!(
        (error.status, error.answer_excerpt.as_str()),
        (Some(400), "no such hook")
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Endpoint::start(Then::Say("HTTP/1.1 200 OK\r\n\r\n"), None).await;
    let answer = format!(
        "HTTP/1.1 307 Elsewhere\r\nlocation: {}\r\n\r\n",
        elsewhere.url("/")
    );
    let error = answered(patient(), Then::Say(answer.leak()))
        .await
        .unwrap_err();
    assert_eq!(
        (error.code, error.status),
        (SendFault::RedirectNotFollowed, Some(307))
    );
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_silent_endpoint_times_out() {
    for then in [Then::Hang(""), Then::Hang("HTTP/1.1 200 OK\r\nx-slow: ")] {
        let error = answered(impatient(), then).await.unwrap_err();
        assert_eq!((error.code, error.retry), (SendFault::TimedOut, true));
        assert!(error.took_ms >= 1000, "{}", error.took_ms);
    }
}

#[tokio::test]
async fn a_success_whose_body_never_ends_is_a_success() {
    let then = Then::Hang("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf");
    let sent = answered(impatient(), then).await.unwrap();
    assert_eq!((sent.status, sent.answer_excerpt.as_str()), (200, "half"));

    let sent = answered(patient(), Then::Flood("HTTP/1.1 200 OK\r\n\r\n"))
        .await
        .unwrap();
    assert_eq!(sent.answer_excerpt, "x".repeat(1024));
}

#[tokio::test]
async fn endless_headers_are_cut_off() {
    let then = Then::Flood("HTTP/1.1 200 OK\r\nx-long: ");
    let error = answered(patient(), then).await.unwrap_err();
    assert_eq!(error.code, SendFault::AnswerBroken);
}

#[tokio::test]
async fn a_dropped_connection_is_a_broken_answer() {
    for then in [Then::HangUp, Then::Say("HTTP/1.1 200")] {
        let error = answered(patient(), then).await.unwrap_err();
        assert_eq!((error.code, error.retry), (SendFault::AnswerBroken, true));
    }
}

#[tokio::test]
async fn a_closed_port_is_a_failed_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = send(patient(), &url).await.unwrap_err();
    assert_eq!((error.code, error.retry), (SendFault::ConnectFailed, true));
}

#[tokio::test]
async fn private_hosts_are_not_even_connected_to() {
    let endpoint = Endpoint::start(Then::Say("HTTP/1.1 200 OK\r\n\r\n"), None).await;
    let port = endpoint.address.port();
    let strict = Settings {
        allow_private: false,
        ..Settings::permissive()
    };
    for (host, retry) in [
        ("127.0.0.1", false),
        ("127.1", false),
        ("0x7f000001", false),
        ("0.0.0.0", false),
        ("[::1]", false),
        ("[::ffff:127.0.0.1]", false),
        // A name may lead elsewhere tomorrow.
        ("localhost", true),
        ("LOCALHOST", true),
    ] {
        let error = send(strict.clone(), &format!("http://{host}:{port}/"))
            .await
            .unwrap_err();
        assert_eq!(
            (error.code, error.retry),
            (SendFault::AddressNotPublic, retry),
            "{host}"
        );
    }
    assert_eq!(endpoint.connections(), 0);
    assert!(
        send(patient(), &format!("http://localhost:{port}/"))
            .await
            .is_ok()
    );
    assert_eq!(endpoint.connections(), 1);
}

#[tokio::test]
async fn a_name_without_addresses_is_told_apart() {
    let error = send(patient(), "http://no-such-host.invalid/")
        .await
        .unwrap_err();
    assert_eq!(
        (error.code, error.retry),
        (SendFault::NameNotResolved, true)
    );
}

#[tokio::test]
async fn an_unsigned_or_unnamed_message_is_never_sent() {
    let endpoint = Endpoint::start(Then::Say("HTTP/1.1 200 OK\r\n\r\n"), None).await;
    let sender = Sender::new(patient()).unwrap();
    let good = delivery(&endpoint.url("/"));
    for bad in [
        Delivery {
            secrets: vec![],
            ..good.clone()
        },
        Delivery {
            id: String::new(),
            ..good.clone()
        },
        Delivery {
            id: "a.b".into(),
            ..good.clone()
        },
        Delivery {
            id: "a\r\nx: y".into(),
            ..good.clone()
        },
        Delivery {
            id: "a".repeat(129),
            ..good.clone()
        },
    ] {
        let error = sender.send(bad).await.unwrap_err();
        assert_eq!(
            (error.code, error.retry),
            (SendFault::DeliveryInvalid, false)
        );
    }
    assert_eq!(endpoint.connections(), 0);
}

/// A certificate for `localhost`, signed by an authority that nobody but this test trusts.
fn localhost_certificate() -> TlsAcceptor {
    let certificate = CertificateDer::from(include_bytes!("tls/localhost.der").to_vec());
    let key = PrivatePkcs8KeyDer::from(include_bytes!("tls/localhost.key.der").to_vec());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn tls_needs_a_trusted_certificate_for_the_very_name() {
    let then = Then::Say("HTTP/1.1 200 OK\r\n\r\nsafe");
    let endpoint = Endpoint::start(then, Some(localhost_certificate())).await;
    let port = endpoint.address.port();
    let trusting = Settings {
        extra_roots: vec![include_bytes!("tls/authority.der").to_vec()],
        ..patient()
    };

    let sent = send(trusting.clone(), &format!("https://localhost:{port}/"))
        .await
        .unwrap();
    assert_eq!((sent.status, sent.answer_excerpt.as_str()), (200, "safe"));

    for (settings, host) in [(patient(), "localhost"), (trusting, "127.0.0.1")] {
        let error = send(settings, &format!("https://{host}:{port}/"))
            .await
            .unwrap_err();
        assert_eq!(
            (error.code, error.retry),
            (SendFault::TlsFailed, true),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_certificate_that_is_none_is_refused_when_configured() {
    let settings = Settings {
        extra_roots: vec![b"not a certificate".to_vec()],
        ..patient()
    };
    assert!(Sender::new(settings).is_err());
}
