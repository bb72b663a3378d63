//! Speaks to the admin API of a running server: by its local socket, or over HTTP.

use std::{
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, StatusCode, Uri, body::Incoming, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as HttpClient, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use serde_json::Value;
use tokio::net::UnixStream;

use super::Failure;
use crate::config::Config;

/// Which server, and as whom.
#[derive(clap::Args, Clone, Debug)]
pub struct Reach {
    /// The node's settings, for where its data folder is
    #[arg(long, value_name = "FILE", env = "PAYTONE_CONFIG", global = true)]
    config: Option<PathBuf>,
    /// The node's data folder, where its local socket is
    #[arg(long, value_name = "DIR", env = "PAYTONE_DATA", global = true)]
    data: Option<PathBuf>,
    /// Reach the server by this address instead of the local socket
    #[arg(long, value_name = "URL", env = "PAYTONE_SERVER", global = true)]
    server: Option<String>,
    /// The key of an earlier try of the same command, so that it is not done twice
    #[arg(long, value_name = "KEY", global = true)]
    key: Option<String>,
    /// Print the answer as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

enum Place {
    Socket(PathBuf),
    Server {
        base: String,
        client: Box<HttpClient<HttpsConnector<HttpConnector>, Full<Bytes>>>,
    },
}

/// An answer: its status and its body.
pub struct Reply {
    pub status: StatusCode,
    pub body: Value,
}

/// Cheap to clone; requests may be under way at the same time.
#[derive(Clone)]
pub struct Client {
    place: Arc<Place>,
    token: Option<Arc<str>>,
    token_file: Arc<Path>,
    key: Option<Arc<str>>,
}

impl Reach {
    pub fn client(&self) -> Result<Client, Failure> {
        let place = match &self.server {
            Some(url) => server(url)?,
            None => Place::Socket(self.data()?.join("admin.sock")),
        };
        let token_file = self.token_file()?;
        let token = match std::env::var("PAYTONE_TOKEN") {
            Ok(token) => Some(token),
            Err(_) => std::fs::read_to_string(&token_file).ok(),
        };
        Ok(Client {
            place: Arc::new(place),
            token: token.map(|token| token.trim().into()),
            token_file: token_file.into(),
            key: self.key.as_deref().map(Into::into),
        })
    }

    /// Settings of the node, for commands that work on its files.
    pub fn settings(&self) -> Result<Config, Failure> {
        let mut config = match &self.config {
            Some(path) => Config::read(path).map_err(Failure::new)?,
            None => Config::default(),
        };
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        Ok(config)
    }

    fn data(&self) -> Result<PathBuf, Failure> {
        Ok(self.settings()?.data)
    }

    /// One per server: a token is of no use elsewhere.
    fn token_file(&self) -> Result<PathBuf, Failure> {
        let Some(url) = &self.server else {
            return Ok(self.data()?.join("operator-token"));
        };
        let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
        let folder = state
            .or(home)
            .ok_or_else(|| Failure::new("neither XDG_STATE_HOME nor HOME is set"))?;
        let server: String = url
            .chars()
            .map(|letter| {
                if letter.is_ascii_alphanumeric() {
                    letter
                } else {
                    '-'
                }
            })
            .collect();
        Ok(folder.join("paytone").join(format!("token-{server}")))
    }
}

fn server(url: &str) -> Result<Place, Failure> {
    let base = url.trim_end_matches('/').to_owned();
    let parsed: Uri = base
        .parse()
        .map_err(|error| Failure::doing("--server", error))?;
    if !matches!(parsed.scheme_str(), Some("http" | "https")) || parsed.host().is_none() {
        return Err(Failure::new(
            "--server is an address such as https://pay.example",
        ));
    }
    let connector = HttpsConnectorBuilder::new()
        .with_webpki_roots()
        .https_or_http()
        .enable_http1()
        .build();
    Ok(Place::Server {
        base,
        client: Box::new(HttpClient::builder(TokioExecutor::new()).build(connector)),
    })
}

impl Client {
    /// A request with the operator's session; anything but success is a failure with the server's own words.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let bytes = body.map(|body| Bytes::from(body.to_string()));
        let body = bytes.map(|bytes| (bytes, "application/json"));
        if method == Method::GET {
            return self.send_keyed(method, path, body, None).await?.success();
        }
        let key = match &self.key {
            Some(key) => key.to_string(),
            None => data_encoding::HEXLOWER.encode(&crate::node::random()),
        };
        match self.send_keyed(method, path, body, Some(&key)).await {
            Ok(reply) => reply.success(),
            // Whether it was done is not known: the same key tells, and does it once.
            Err(failure) => Err(Failure::new(format_args!(
                "{failure}; if it may have been done, the same command with --key {key} does it no second time"
            ))),
        }
    }

    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Sends a body of any kind; `path` begins after `/admin/api`.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(Bytes, &str)>,
    ) -> Result<Reply, Failure> {
        self.send_keyed(method, path, body, None).await
    }

    async fn send_keyed(
        &self,
        method: Method,
        path: &str,
        body: Option<(Bytes, &str)>,
        key: Option<&str>,
    ) -> Result<Reply, Failure> {
        let path = format!("/admin/api{path}");
        let mut request = Request::builder().method(method);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some((_, kind)) = &body {
            request = request.header(header::CONTENT_TYPE, *kind);
        }
        let body = Full::new(body.map_or_else(Bytes::new, |(bytes, _)| bytes));
        let answer = match &*self.place {
            Place::Socket(socket) => {
                let request = request
                    .uri(path)
                    .header(header::HOST, "localhost")
                    .body(body)
                    .map_err(Failure::new)?;
                by_socket(socket, request).await?
            }
            Place::Server { base, client } => {
                let request = request
                    .uri(format!("{base}{path}"))
                    .body(body)
                    .map_err(Failure::new)?;
                client.request(request).await.map_err(|error| {
                    Failure::doing(
                        format_args!("no answer from {base}"),
                        std::error::Error::source(&error)
                            .map_or_else(|| error.to_string(), ToString::to_string),
                    )
                })?
            }
        };
        let status = answer.status();
        let bytes = answer
            .into_body()
            .collect()
            .await
            .map_err(|error| Failure::doing("the answer broke off", error))?
            .to_bytes();
        let body = match serde_json::from_slice(&bytes) {
            Ok(body) => body,
            Err(_) => Value::String(String::from_utf8_lossy(&bytes).into_owned()),
        };
        Ok(Reply { status, body })
    }

    /// Keeps a session's token where only its owner can read it.
    pub fn keep_token(&self, token: &str) -> Result<(), Failure> {
        let doing = format!("cannot keep the token in {}", self.token_file.display());
        if let Some(folder) = self.token_file.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Failure::doing(&doing, error))?;
        }
        // Written anew: an old file might have been made with other rights.
        let _ = std::fs::remove_file(&self.token_file);
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.token_file)
            .and_then(|mut file| file.write_all(token.as_bytes()))
            .map_err(|error| Failure::doing(&doing, error))
    }

    pub fn forget_token(&self) {
        // It may never have been kept.
        let _ = std::fs::remove_file(&self.token_file);
    }
}

async fn by_socket(
    socket: &Path,
    request: Request<Full<Bytes>>,
) -> Result<hyper::Response<Incoming>, Failure> {
    let stream = UnixStream::connect(socket).await.map_err(|error| {
        Failure::new(format_args!(
            "no server answers at {}: {error} (is it running? --data, --config or --server say where)",
            socket.display()
        ))
    })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(Failure::new)?;
    // It ends with the answer; a fault shows there.
    tokio::spawn(connection);
    sender
        .send_request(request)
        .await
        .map_err(|error| Failure::doing("no answer", error))
}

impl Reply {
    pub fn success(self) -> Result<Value, Failure> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        let code = self.body["code"].as_str();
        let detail = self.body["detail"].as_str();
        let field = self.body["field"].as_str();
        let mut text = match (code, detail) {
            (Some(code), Some(detail)) => format!("{detail} ({code})"),
            _ => format!("the server answered {}", self.status),
        };
        if let Some(field) = field
            && !text.contains(field)
        {
            text = format!("{field}: {text}");
        }
        if self.status == StatusCode::UNAUTHORIZED && code == Some("unauthorized") {
            text += "; `paytone sign-in NAME` opens a session";
        }
        Err(Failure::new(text))
    }
}

/// A part of a path, so that a `+` or a space arrives as it is.
pub fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
