//! JSON bodies: read strictly, with an error that names the field.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};

use super::problem::Problem;

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

/// A JSON body and the bytes it came as. Types derive `deny_unknown_fields`.
#[derive(Debug)]
pub struct Body<T> {
    pub value: T,
    pub bytes: Bytes,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        is_json(request.headers())?;
        let bytes = bytes_of(request, state).await?;
        let value = read(&bytes)?;
        Ok(Self { value, bytes })
    }
}

/// As [`Body`], for requests whose body may be left out.
#[derive(Debug)]
pub struct OptionalBody<T> {
    pub value: T,
    pub bytes: Bytes,
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = is_json(request.headers());
        let bytes = bytes_of(request, state).await?;
        let value = if bytes.is_empty() {
            T::default()
        } else {
            kind?;
            read(&bytes)?
        };
        Ok(Self { value, bytes })
    }
}

async fn bytes_of<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let reading = Bytes::from_request(request, state);
    let Ok(read) = tokio::time::timeout(BODY_TIME, reading).await else {
        return Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_too_slow",
            "the body did not arrive in time",
        ));
    };
    read.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "the body is larger than this accepts",
            )
        } else {
            Problem::bad_request("body_unreadable", rejection.body_text())
        }
    })
}

fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "send the body as content-type application/json",
    ))
}

/// Reads a value; a second look, taken only on failure, finds the field.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(error) => {
            let path = error.path().to_string();
            let cause = error.into_inner();
            let detail = cause.to_string();
            if cause.is_syntax() || cause.is_eof() {
                return Err(Problem::bad_request("malformed_json", detail));
            }
            let named = detail.split('`').nth(1).map(str::to_owned);
            if let (true, Some(name)) = (detail.starts_with("unknown field"), &named) {
                let field = join(&path, name);
                return Err(Problem::bad_request(
                    "unknown_field",
                    format!("there is no field {field}"),
                )
                .field(field));
            }
            if let (true, Some(name)) = (detail.starts_with("missing field"), &named) {
                let field = join(&path, name);
                return Err(
                    Problem::bad_request("missing_field", format!("{field} is required"))
                        .field(field),
                );
            }
            Err(Problem::bad_request("invalid_field", detail).field(path))
        }
        // The value is whole and something follows it.
        Ok(_) => Err(Problem::bad_request(
            "malformed_json",
            "something follows the JSON value",
        )),
    }
}

/// The path's last part is the field itself where the error is about one inside it.
fn join(path: &str, name: &str) -> String {
    if path == "." || path.is_empty() || path == name {
        name.to_owned()
    } else if path.ends_with(&format!(".{name}")) {
        path.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// A JSON answer.
pub fn answer(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "the answer could not be written",
            )
            .into_response()
        }
    }
}
