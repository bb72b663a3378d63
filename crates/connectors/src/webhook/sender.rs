//! Delivers one message over a connection of its own.
//!
//! **Invariant:** the address is checked twice: before connecting, and on the connected socket.
//! Between the two nothing is resolved again, so a name cannot change its mind.
//!
//! A connection is not kept: endpoints are many, messages to one are few, and a kept connection
//! would have to be checked again anyway.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use url::{Host, Url};

use super::address::{Reach, reach};
use super::{Delivery, SendError, SendFault, Sent, Settings, signature};

const BODY_CAP_BYTES: usize = 64 * 1024;
const EXCERPT_BYTES: usize = 1024;
const HEAD_CAP_BYTES: usize = 64 * 1024;
const URL_CAP_BYTES: usize = 2048;
/// A host with more addresses than this is tried at the first few.
const CANDIDATES: usize = 4;

pub struct Sender {
    settings: Settings,
    tls: TlsConnector,
}

impl Sender {
    /// Fails only if one of `extra_roots` is not a certificate.
    pub fn new(settings: Settings) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        for der in &settings.extra_roots {
            roots.add(CertificateDer::from(der.clone()))?;
        }
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            settings,
            tls: TlsConnector::from(Arc::new(config)),
        })
    }

    /// What can be said about a URL without asking anybody: for the moment it is registered.
    pub fn check_url(&self, url: &str) -> Result<(), SendError> {
        self.target(url).map(drop)
    }

    /// One attempt. Returns within the settings' timeout.
    pub async fn send(&self, delivery: Delivery) -> Result<Sent, SendError> {
        let started = Instant::now();
        let result = self
            .exchange(&delivery, started + self.settings.timeout)
            .await;
        let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match result {
            Ok((status, answer_excerpt)) => Ok(Sent {
                status,
                took_ms,
                answer_excerpt,
            }),
            Err(error) => Err(SendError { took_ms, ..error }),
        }
    }

    async fn exchange(
        &self,
        delivery: &Delivery,
        deadline: Instant,
    ) -> Result<(u16, String), SendError> {
        let target = self.target(&delivery.url)?;
        let request = request(&target, delivery)?;
        let socket = by(deadline, self.connect(&target)).await??;
        let (status, excerpt) = if target.tls {
            let name = ServerName::try_from(target.host_name()).map_err(|_| {
                SendError::new(SendFault::UrlInvalid, "no certificate can name this host")
            })?;
            let stream = by(deadline, self.tls.connect(name, socket))
                .await?
                .map_err(|error| SendError::new(SendFault::TlsFailed, format!("TLS: {error}")))?;
            post(stream, request, deadline).await?
        } else {
            post(socket, request, deadline).await?
        };
        judge(status, excerpt)
    }

    fn target(&self, text: &str) -> Result<Target, SendError> {
        if text.len() > URL_CAP_BYTES {
            return Err(SendError::new(SendFault::UrlInvalid, "the URL is too long"));
        }
        let url = Url::parse(text)
            .map_err(|error| SendError::new(SendFault::UrlInvalid, error.to_string()))?;
        let tls = match url.scheme() {
            "https" => true,
            "http" if self.settings.allow_http => false,
            other => {
                let detail = format!("{other} is not allowed, only https");
                return Err(SendError::new(SendFault::SchemeNotAllowed, detail));
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            let detail = "a webhook URL carries no user name or password";
            return Err(SendError::new(SendFault::CredentialsInUrl, detail));
        }
        let host = match url.host() {
            Some(host) => host.to_owned(),
            None => {
                return Err(SendError::new(
                    SendFault::UrlInvalid,
                    "the URL names no host",
                ));
            }
        };
        let port = url.port_or_known_default().unwrap_or(443);
        let usual = if tls { [443, 8443] } else { [80, 8080] };
        if port == 0 || !(self.settings.allow_any_port || usual.contains(&port)) {
            let detail = format!("port {port} is not allowed");
            return Err(SendError::new(SendFault::PortNotAllowed, detail));
        }
        let literal = match host {
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
            Host::Domain(_) => None,
        };
        if literal.is_some_and(|address| !self.allows(address)) {
            return Err(SendError {
                retry: false,
                ..not_public()
            });
        }
        Ok(Target {
            tls,
            host,
            literal,
            port,
            url,
        })
    }

    fn allows(&self, address: IpAddr) -> bool {
        match reach(address) {
            Reach::Public => true,
            Reach::Private => self.settings.allow_private,
            Reach::Special => false,
        }
    }

    async fn connect(&self, target: &Target) -> Result<TcpStream, SendError> {
        let candidates = match target.literal {
            Some(address) => vec![SocketAddr::new(address, target.port)],
            None => {
                let name = target.host_name();
                let found = tokio::net::lookup_host((name, target.port))
                    .await
                    .map_err(|_| {
                        SendError::new(SendFault::NameNotResolved, "the host name has no address")
                    })?;
                found.collect()
            }
        };
        if candidates.is_empty() {
            let detail = "the host name has no address";
            return Err(SendError::new(SendFault::NameNotResolved, detail));
        }
        let allowed = self.only_allowed(candidates);
        if allowed.is_empty() {
            return Err(not_public());
        }
        let mut last = String::new();
        for candidate in allowed {
            match timeout(self.settings.connect_timeout, TcpStream::connect(candidate)).await {
                Ok(Ok(socket)) => return self.checked(socket, candidate),
                Ok(Err(error)) => last = error.kind().to_string(),
                Err(_) => last = "no connection in time".to_owned(),
            }
        }
        Err(SendError::new(SendFault::ConnectFailed, last))
    }

    /// Addresses that are not allowed are never tried, whatever else the name resolves to.
    fn only_allowed(&self, candidates: Vec<SocketAddr>) -> Vec<SocketAddr> {
        candidates
            .into_iter()
            .filter(|one| self.allows(one.ip()))
            .take(CANDIDATES)
            .collect()
    }

    /// Believes the socket, not the plan.
    fn checked(&self, socket: TcpStream, wanted: SocketAddr) -> Result<TcpStream, SendError> {
        let peer = socket
            .peer_addr()
            .map_err(|error| SendError::new(SendFault::ConnectFailed, error.kind().to_string()))?;
        if peer.ip() != wanted.ip() || peer.port() != wanted.port() || !self.allows(peer.ip()) {
            return Err(not_public());
        }
        Ok(socket)
    }
}

async fn by<T>(deadline: Instant, work: impl Future<Output = T>) -> Result<T, SendError> {
    timeout_at(deadline, work)
        .await
        .map_err(|_| SendError::new(SendFault::TimedOut, "the endpoint took too long"))
}

fn not_public() -> SendError {
    SendError::new(
        SendFault::AddressNotPublic,
        "the host has no public address",
    )
}

/// A URL that passed the policy.
struct Target {
    tls: bool,
    host: Host<String>,
    literal: Option<IpAddr>,
    port: u16,
    url: Url,
}

impl Target {
    /// Without the brackets of an IPv6 literal.
    fn host_name(&self) -> String {
        match (&self.host, self.literal) {
            (_, Some(address)) => address.to_string(),
            (host, None) => host.to_string(),
        }
    }
}

fn request(target: &Target, delivery: &Delivery) -> Result<Request<Full<Bytes>>, SendError> {
    let invalid = |detail: &str| SendError::new(SendFault::DeliveryInvalid, detail);
    if delivery.secrets.is_empty() {
        return Err(invalid("an unsigned message is not sent"));
    }
    // The id is signed with dots around it, so it holds none itself.
    if delivery.id.is_empty()
        || delivery.id.len() > 128
        || !delivery
            .id
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'.')
    {
        return Err(invalid(
            "the id is 1 to 128 visible characters without dots",
        ));
    }
    let signature = signature::sign(
        &delivery.secrets,
        &delivery.id,
        delivery.timestamp_s,
        &delivery.body,
    );
    let host = match target.url.port() {
        Some(port) => format!("{}:{port}", target.host),
        None => target.host.to_string(),
    };
    let path = match target.url.query() {
        Some(query) => format!("{}?{query}", target.url.path()),
        None => target.url.path().to_owned(),
    };
    Request::post(path)
        .header(HOST, host)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(USER_AGENT, concat!("Paytone/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", &delivery.id)
        .header("webhook-timestamp", delivery.timestamp_s)
        .header("webhook-signature", signature)
        .body(Full::new(Bytes::copy_from_slice(&delivery.body)))
        .map_err(|error| SendError::new(SendFault::UrlInvalid, error.to_string()))
}

/// Sends the request and reads the status and the answer's beginning.
async fn post<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    deadline: Instant,
) -> Result<(u16, String), SendError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| SendError::new(SendFault::AnswerBroken, error.to_string());
    let (mut send, connection) = http1::Builder::new()
        .max_buf_size(HEAD_CAP_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let talk = async {
        let answer = by(deadline, send.send_request(request))
            .await?
            .map_err(broken)?;
        let status = answer.status().as_u16();
        Ok((status, excerpt(answer, deadline).await))
    };
    // Both halves live in this future, so that giving up closes the socket at once.
    tokio::pin!(talk, connection);
    tokio::select! {
        biased;
        said = &mut talk => said,
        ended = &mut connection => match ended {
            // The connection may be done when the last bytes of the answer still wait to be read.
            Ok(()) => talk.await,
            Err(error) => match timeout(Duration::ZERO, talk).await {
                Ok(said) => said,
                Err(_) => Err(broken(error)),
            },
        },
    }
}

/// Reads at most the cap. The status has already said whether the message was taken, so a body
/// that breaks, drags on or never ends changes nothing.
async fn excerpt(answer: Response<Incoming>, deadline: Instant) -> String {
    let mut body = answer.into_body();
    let mut kept = Vec::new();
    let reading = async {
        let mut seen = 0;
        while let Some(Ok(frame)) = body.frame().await {
            let Some(data) = frame.data_ref() else {
                continue;
            };
            seen += data.len();
            let room = EXCERPT_BYTES - kept.len();
            kept.extend_from_slice(&data[..data.len().min(room)]);
            if seen >= BODY_CAP_BYTES {
                break;
            }
        }
    };
    // Late or not, what has been read is kept.
    let _late = timeout_at(deadline, reading).await;
    String::from_utf8_lossy(&kept)
        .chars()
        .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
        .collect()
}

fn judge(status: u16, excerpt: String) -> Result<(u16, String), SendError> {
    let code = match status {
        200..=299 => return Ok((status, excerpt)),
        300..=399 => SendFault::RedirectNotFollowed,
        410 => SendFault::Gone,
        _ => SendFault::StatusNotSuccess,
    };
    Err(SendError {
        status: Some(status),
        answer_excerpt: excerpt,
        ..SendError::new(code, format!("the endpoint answered {status}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(settings: Settings) -> Sender {
        Sender::new(settings).unwrap()
    }

    fn refusal(settings: &Settings, url: &str) -> (&'static str, bool) {
        match sender(settings.clone()).check_url(url) {
            Ok(()) => ("ok", false),
            Err(error) => (error.code.as_str(), error.retry),
        }
    }

    #[test]
    fn only_https_to_usual_ports_of_public_hosts_without_credentials() {
        let strict = Settings::default();
        for (url, expected) in [
            ("https://shop.example/hooks?x=1", "ok"),
            ("https://shop.example:443/", "ok"),
            ("https://shop.example:8443/", "ok"),
            ("https://8.8.8.8/", "ok"),
            ("https://[2606:4700::1111]/", "ok"),
            ("https://shop.example:22/", "port_not_allowed"),
            ("https://shop.example:0/", "port_not_allowed"),
            ("https://shop.example:80/", "port_not_allowed"),
            ("http://shop.example/", "scheme_not_allowed"),
            ("ftp://shop.example/", "scheme_not_allowed"),
            ("file:///etc/passwd", "scheme_not_allowed"),
            ("https://me@shop.example/", "credentials_in_url"),
            ("https://:pw@shop.example/", "credentials_in_url"),
            ("https://", "url_invalid"),
            ("shop.example", "url_invalid"),
            ("https://127.0.0.1/", "address_not_public"),
            ("https://127.1/", "address_not_public"),
            ("https://0x7f000001/", "address_not_public"),
            ("https://2130706433/", "address_not_public"),
            ("https://0177.0.0.1/", "address_not_public"),
            ("https://169.254.169.254/latest", "address_not_public"),
            ("https://[::1]/", "address_not_public"),
            ("https://[::ffff:10.0.0.1]/", "address_not_public"),
            ("https://[64:ff9b::7f00:1]/", "address_not_public"),
        ] {
            assert_eq!(refusal(&strict, url), (expected, false), "{url}");
        }
        let long = format!("https://shop.example/{}", "a".repeat(URL_CAP_BYTES));
        assert_eq!(refusal(&strict, &long).0, "url_invalid");
    }

    #[test]
    fn allowing_private_hosts_does_not_allow_special_ones() {
        let open = Settings::permissive();
        for (url, expected) in [
            ("http://127.0.0.1:3000/", "ok"),
            ("http://10.1.2.3/", "ok"),
            ("http://[fd00::1]/", "ok"),
            ("http://169.254.169.254/", "address_not_public"),
            ("http://[fe80::1]/", "address_not_public"),
            ("http://[::ffff:127.0.0.1]/", "address_not_public"),
            ("http://0.0.0.0/", "address_not_public"),
        ] {
            assert_eq!(refusal(&open, url).0, expected, "{url}");
        }
    }

    #[test]
    fn of_mixed_addresses_only_public_ones_are_tried() {
        let mixed: Vec<SocketAddr> = [
            "10.0.0.1:443",
            "8.8.8.8:443",
            "[::1]:443",
            "[2606:4700::1]:443",
        ]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
        let kept = sender(Settings::default()).only_allowed(mixed.clone());
        assert_eq!(kept, [mixed[1], mixed[3]]);
        assert!(
            sender(Settings::default())
                .only_allowed(vec![mixed[0], mixed[2]])
                .is_empty()
        );
    }

    #[tokio::test]
    async fn a_socket_to_another_peer_than_planned_is_refused() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let elsewhere: SocketAddr = "127.0.0.2:443".parse().unwrap();
        let connect = || TcpStream::connect(here);
        let code = |sender: &Sender, socket, wanted| {
            sender
                .checked(socket, wanted)
                .map(drop)
                .map_err(|error| error.code)
        };
        let open = sender(Settings::permissive());
        assert_eq!(code(&open, connect().await.unwrap(), here), Ok(()));
        assert_eq!(
            code(&open, connect().await.unwrap(), elsewhere),
            Err(SendFault::AddressNotPublic)
        );
        let strict = sender(Settings::default());
        assert_eq!(
            code(&strict, connect().await.unwrap(), here),
            Err(SendFault::AddressNotPublic)
        );
    }
}
