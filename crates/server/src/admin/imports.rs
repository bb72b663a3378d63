//! Imports over the admin API: opened, sent chunk after chunk, closed.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, Uri, header},
    response::Response,
    routing::{delete, post},
};
use jiff::tz::TimeZone;
use paytone_domain::{
    operator::{OperatorRefusal, Role},
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::json;

use super::{operation, session::SignedIn};
use crate::{
    edge::{
        amount,
        json::{self, Body},
        problem::Problem,
        query::Parameters,
        time,
    },
    import::{
        Import, Kind, Read, Turn, balances,
        lines::{self, ImportError},
    },
    node::Node,
};

/// A chunk's largest size. It is read only after its sender's session was checked.
const CHUNK_BYTES: usize = 8 << 20;
/// How long a chunk waits for those before it.
const PATIENCE: Duration = Duration::from_secs(30);
const ID: &str = "imp";

/// With a limit on bodies of its own.
pub fn router() -> Router<Arc<Node>> {
    let one = "/admin/api/imports/{id}";
    Router::new()
        .route("/admin/api/imports", post(open))
        .route(one, delete(close))
        .route(&format!("{one}/lines"), post(take_lines))
        .route(&format!("{one}/balances"), post(take_balances))
        .layer(DefaultBodyLimit::max(CHUNK_BYTES))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewImport {
    kind: String,
    /// How old the file's knowledge is; for lines.
    #[serde(default)]
    as_of: Option<String>,
    /// Checks everything and changes nothing; for balances.
    #[serde(default)]
    check: bool,
}

async fn open(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Body { value, .. }: Body<NewImport>,
) -> Result<Response, Problem> {
    let kind = match value.kind.as_str() {
        "lines" => Kind::Lines,
        "balances" => Kind::Balances,
        _ => {
            return Err(
                Problem::unprocessable("unknown_kind", "kind is lines or balances").field("kind"),
            );
        }
    };
    may(&operator, kind)?;
    let now = time::now();
    let as_of = match &value.as_of {
        None => now,
        Some(text) => text
            .parse::<jiff::Timestamp>()
            .map(|at| Timestamp(at.as_millisecond()))
            .map_err(|_| {
                Problem::unprocessable("invalid_time", "as_of is an RFC 3339 time").field("as_of")
            })?,
    };
    if as_of > now {
        return Err(
            Problem::unprocessable("in_the_future", "as_of is not in the future").field("as_of"),
        );
    }
    if kind == Kind::Lines && value.check {
        return Err(
            Problem::unprocessable("invalid_field", "only balances are checked first")
                .field("check"),
        );
    }
    let id = node.imports.open(kind, as_of, value.check).ok_or_else(|| {
        Problem::new(
            StatusCode::CONFLICT,
            "too_many_imports",
            "other imports are under way; close them or wait ten minutes",
        )
    })?;
    Ok(json::answer(
        StatusCode::CREATED,
        &json!({"import": node.ids.encode(ID, id), "as_of": time::show(as_of)}),
    ))
}

/// Lines are support's, money is finance's.
fn may(operator: &SignedIn, kind: Kind) -> Result<(), Problem> {
    let allowed = match kind {
        Kind::Lines => matches!(operator.role, Role::Admin | Role::Support),
        Kind::Balances => matches!(operator.role, Role::Admin | Role::Finance),
    };
    if allowed {
        Ok(())
    } else {
        Err(operation::problem(OperatorRefusal::NotAllowed))
    }
}

async fn close(
    State(node): State<Arc<Node>>,
    _: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = node.ids.decode(ID, &id).ok_or_else(Problem::not_found)?;
    node.imports.close(id);
    Ok(json::answer(StatusCode::OK, &json!({})))
}

/// Where a chunk belongs.
struct Place {
    import: Arc<Import>,
    chunk: u64,
    first_line: u64,
}

fn place(
    node: &Node,
    operator: &SignedIn,
    kind: Kind,
    id: &str,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Place, Problem> {
    may(operator, kind)?;
    let content = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    if content != Some("text/csv") {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "send a chunk as content-type text/csv",
        ));
    }
    let mut asked = Parameters::of(uri)?;
    let chunk = asked.number("chunk", 0, u64::MAX >> 1)?;
    let first_line = asked.number("line", 1, u64::MAX >> 1)?;
    asked.finish()?;
    let (Some(chunk), Some(first_line)) = (chunk, first_line) else {
        return Err(Problem::bad_request(
            "missing_parameter",
            "chunk and line say where the chunk belongs",
        ));
    };
    let id = node.ids.decode(ID, id);
    let import = id
        .and_then(|id| node.imports.get(id, kind))
        .ok_or_else(Problem::not_found)?;
    Ok(Place {
        import,
        chunk,
        first_line,
    })
}

impl Place {
    async fn turn(&self) -> Result<Turn, Problem> {
        self.import.turn(self.chunk, PATIENCE).await.ok_or_else(|| {
            Problem::new(
                StatusCode::CONFLICT,
                "out_of_turn",
                "this chunk was taken in already, or one before it never came",
            )
        })
    }
}

/// The operator's zone, in which dates begin.
async fn zone(node: &Node) -> Result<TimeZone, Problem> {
    let name = node
        .engine
        .read(|state, _| {
            state
                .settings
                .as_ref()
                .map(|settings| settings.zone.clone())
        })
        .await?
        .answer
        .unwrap_or_default();
    TimeZone::get(&name).map_err(|error| {
        tracing::error!(%error, "the operator's time zone");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the operator's time zone is not known on this machine",
        )
    })
}

fn failed(error: ImportError) -> Problem {
    match error {
        ImportError::Engine(error) => error.into(),
        ImportError::Keys(error) => super::key_problem(error),
        ImportError::Task => Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the chunk could not be read",
        ),
    }
}

fn whole(chunk: Result<Bytes, BytesRejection>) -> Result<Bytes, Problem> {
    chunk.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                format!("a chunk is at most {CHUNK_BYTES} bytes"),
            )
        } else {
            Problem::bad_request("body_unreadable", rejection.body_text())
        }
    })
}

fn malformed(why: String) -> Problem {
    Problem::unprocessable("wrong_columns", why)
}

/// A chunk that came, with its place in the file.
struct Chunk {
    place: Place,
    bytes: Bytes,
    zone: TimeZone,
}

impl Chunk {
    async fn of(
        node: &Node,
        operator: &SignedIn,
        kind: Kind,
        id: &str,
        (uri, headers): (&Uri, &HeaderMap),
        bytes: Result<Bytes, BytesRejection>,
    ) -> Result<Self, Problem> {
        Ok(Self {
            place: place(node, operator, kind, id, uri, headers)?,
            bytes: whole(bytes)?,
            zone: zone(node).await?,
        })
    }

    /// Reads its rows where nothing waits for it.
    async fn read<T: Send + 'static>(
        &self,
        node: &Arc<Node>,
        read: impl FnOnce(&Node, &[u8], u64) -> Result<Read<T>, String> + Send + 'static,
    ) -> Result<Read<T>, Problem> {
        let (node, bytes, first_line) =
            (Arc::clone(node), self.bytes.clone(), self.place.first_line);
        tokio::task::spawn_blocking(move || read(&node, &bytes, first_line))
            .await
            .map_err(|_| failed(ImportError::Task))?
            .map_err(malformed)
    }
}

async fn take_lines(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let asked = (&uri, &headers);
    let chunk = Chunk::of(&node, &operator, Kind::Lines, &id, asked, bytes).await?;
    let context = lines::Context {
        home: node.config.home_country.clone(),
        currency: node.currency(),
        zone: chunk.zone.clone(),
        as_of: chunk.place.import.as_of,
    };
    let Read { rows, rejected } = chunk
        .read(&node, move |node, bytes, first_line| {
            lines::parse(&node.keyring, &context, bytes, first_line)
        })
        .await?;
    let mut summary = lines::Summary {
        rows: (rows.len() + rejected.len()) as u64,
        rejected,
        ..lines::Summary::default()
    };
    let ready = lines::prepare(&node, rows).await.map_err(failed)?;
    let turn = chunk.place.turn().await?;
    lines::decide(&node, operator.actor(), ready, &mut summary)
        .await
        .map_err(failed)?;
    drop(turn);
    summary.rejected.sort_by_key(|rejected| rejected.line);
    Ok(json::answer(StatusCode::OK, &summary))
}

async fn take_balances(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let asked = (&uri, &headers);
    let chunk = Chunk::of(&node, &operator, Kind::Balances, &id, asked, bytes).await?;
    let context = balances::Context {
        home: node.config.home_country.clone(),
        currency: node.currency(),
        zone: chunk.zone.clone(),
        ids: node.ids.clone(),
    };
    let Read { rows, rejected } = chunk
        .read(&node, move |node, bytes, first_line| {
            balances::parse(&node.keyring, &context, bytes, first_line)
        })
        .await?;
    let mut summary = balances::Summary {
        rows: (rows.len() + rejected.len()) as u64,
        rejected,
        ..balances::Summary::default()
    };
    let turn = chunk.place.turn().await?;
    let import = &chunk.place.import;
    balances::decide(&node, operator.actor(), import, rows, &mut summary)
        .await
        .map_err(failed)?;
    drop(turn);
    summary.rejected.sort_by_key(|rejected| rejected.line);
    let currency = node.currency();
    Ok(json::answer(
        StatusCode::OK,
        &json!({
            "rows": summary.rows,
            "imported": summary.imported,
            "imported_amount": amount::show_signed(summary.imported_minor, currency),
            "unchanged": summary.unchanged,
            "good": summary.good,
            "good_amount": amount::show_signed(summary.good_minor, currency),
            "currency": currency.code(),
            "rejected": summary.rejected,
        }),
    ))
}
