//! JSON bodies: read strictly, with an error that names the field.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

use super::problem::Problem;

/// A payment as it is answered is shorter than this.
const USUAL_BYTES: usize = 1_024;

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
                if serde_json::from_slice::<IgnoredAny>(bytes).is_err() {
                    return Err(Problem::bad_request("malformed_json", detail));
                }
                // The reader of names says so of whatever is no name.
                let detail = format!("{path} must be one of its names, as a text");
                return Err(Problem::bad_request("invalid_field", detail).field(path));
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
            let words = in_words(&path, &detail);
            Err(Problem::bad_request("invalid_field", words.unwrap_or(detail)).field(path))
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

/// What a value is instead of what it must be, without names of our own types. `None` where the reader's words are for people already.
fn in_words(path: &str, detail: &str) -> Option<String> {
    let field = if path == "." { "the body" } else { path };
    let what = detail.split(" at line ").next().unwrap_or(detail);
    let said = what
        .strip_prefix("invalid type: ")
        .or_else(|| what.strip_prefix("invalid value: "))?;
    let (found, expected) = said.rsplit_once(", expected ")?;
    let found = match found.split(' ').next()? {
        "map" => "an object".to_owned(),
        "sequence" => "a list".to_owned(),
        "string" => "a text".to_owned(),
        "boolean" => "true or false".to_owned(),
        "null" => "null".to_owned(),
        "integer" | "floating" => {
            let number = found.split('`').nth(1);
            number.map_or_else(|| "a number".to_owned(), |number| format!("{number:.30}"))
        }
        _ => return None,
    };
    let wanted = match expected {
        "a string" | "string or map" | "a borrowed string" => "a text",
        "a map" => "an object",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number that is not negative",
        "i32" | "i64" => "a whole number",
        ours if ours.starts_with("struct ") => "an object",
        ours if ours.starts_with("enum ") || ours.starts_with("variant ") => "one of its names",
        // Said by a reader of ours, for people.
        words => words,
    };
    Some(format!("{field} must be {wanted}, not {found}"))
}

/// A JSON answer.
pub fn answer(status: StatusCode, value: &impl Serialize) -> Response {
    let mut body = Vec::with_capacity(USUAL_BYTES);
    match serde_json::to_writer(&mut body, value) {
        Ok(()) => {
            let mut response = Response::new(body.into());
            *response.status_mut() = status;
            let kind = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
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

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what cannot be read is looked at")]
    struct Whole {
        part: Option<Part>,
        parts: Option<Vec<Part>>,
        count: Option<u32>,
        name: Option<String>,
        kind: Option<Kind>,
        yes: Option<bool>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what cannot be read is looked at")]
    struct Part {
        name: String,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Small,
        Large,
    }

    #[test]
    fn what_is_wrong_is_told_by_field_and_in_words() {
        let mut wrong = Vec::new();
        for (body, code, field, detail) in [
            (
                r#"{"part": "x"}"#,
                "invalid_field",
                "part",
                "part must be an object, not a text",
            ),
            (
                r#"{"part": 5}"#,
                "invalid_field",
                "part",
                "part must be an object, not 5",
            ),
            (
                r#"{"part": {"name": 5}}"#,
                "invalid_field",
                "part.name",
                "part.name must be a text, not 5",
            ),
            (
                r#"{"parts": {}}"#,
                "invalid_field",
                "parts",
                "parts must be a list, not an object",
            ),
            (
                r#"{"parts": [true]}"#,
                "invalid_field",
                "parts[0]",
                "parts[0] must be an object, not true or false",
            ),
            (
                r#"{"count": -1}"#,
                "invalid_field",
                "count",
                "count must be a whole number from 0 to 4294967295, not -1",
            ),
            (
                r#"{"count": 1.5}"#,
                "invalid_field",
                "count",
                "count must be a whole number from 0 to 4294967295, not 1.5",
            ),
            (
                r#"{"name": "a, expected b", "count": "7, expected u8"}"#,
                "invalid_field",
                "count",
                "count must be a whole number from 0 to 4294967295, not a text",
            ),
            (
                r#"{"yes": 1}"#,
                "invalid_field",
                "yes",
                "yes must be true or false, not 1",
            ),
            (
                r#"{"kind": 1}"#,
                "invalid_field",
                "kind",
                "kind must be one of its names, as a text",
            ),
            (
                r#""x""#,
                "invalid_field",
                ".",
                "the body must be an object, not a text",
            ),
            (
                r#"{"part": {}}"#,
                "missing_field",
                "part.name",
                "part.name is required",
            ),
            (
                r#"{"whole": 1}"#,
                "unknown_field",
                "whole",
                "there is no field whole",
            ),
        ] {
            let problem = read::<Whole>(body.as_bytes()).expect_err(body);
            let told = (problem.code, problem.field.as_deref(), &*problem.detail);
            if told != (code, Some(field), detail) {
                wrong.push(format!("{body}: {told:?}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        let kind = read::<Whole>(br#"{"kind": "huge"}"#).expect_err("a kind");
        assert!(
            kind.detail.contains("`small` or `large`"),
            "{}",
            kind.detail
        );
    }
}
