//! Errors as RFC 9457 problem details that name the field.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use paytone_engine::EngineError;
use paytone_journal::subject_keys::SubjectKeyError;
use serde_json::{Map, Value};

use crate::views::ViewsError;

/// One problem; `code` is stable, `detail` is for people.
#[derive(Clone, Debug)]
pub struct Problem {
    pub status: StatusCode,
    pub code: &'static str,
    pub detail: String,
    /// The field of the request that is wrong, as a path such as `payer.phone_number`.
    pub field: Option<String>,
    /// Members of its own, such as `tries_left`.
    pub extra: Map<String, Value>,
    pub retry_after_s: Option<u32>,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            field: None,
            extra: Map::new(),
            retry_after_s: None,
        }
    }

    /// 400: the request is not of the right form.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 422: well-formed, and a value is not acceptable.
    pub fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is nothing of that name here",
        )
    }

    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// 500: a bug. What it was is in the log, never in the answer.
    pub fn internal(what: &str) -> Self {
        tracing::error!(what, "an answer could not be given");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong here",
        )
    }

    /// 429: one client or phone asks for more at once than its share.
    pub fn too_much(detail: &str) -> Self {
        Self {
            retry_after_s: Some(1),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail)
        }
    }

    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    /// The body as JSON.
    pub fn body(&self) -> Vec<u8> {
        let mut body = Map::new();
        body.insert("type".into(), format!("/problems/{}", self.code).into());
        body.insert("title".into(), self.code.replace('_', " ").into());
        body.insert("status".into(), self.status.as_u16().into());
        body.insert("detail".into(), self.detail.clone().into());
        body.insert("code".into(), self.code.into());
        if let Some(field) = &self.field {
            body.insert("field".into(), field.clone().into());
        }
        body.extend(self.extra.clone());
        Value::Object(body).to_string().into_bytes()
    }
}

/// Marks an answer of a node that does not lead: it can be asked of the one that does.
#[derive(Clone, Copy, Debug)]
pub struct NotLeading;

const NOT_LEADING: &str = "not_leading";

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Overloaded => Self {
                retry_after_s: Some(1),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "overloaded",
                    "too much is waiting; nothing was done; try again",
                )
            },
            EngineError::NotLeading => Self {
                retry_after_s: Some(1),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    NOT_LEADING,
                    "another node leads, or is about to; try again with the same key",
                )
            },
            EngineError::Stopped => Self {
                retry_after_s: Some(2),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "stopping",
                    "this node is stopping; try again with the same key",
                )
            },
        }
    }
}

impl From<SubjectKeyError> for Problem {
    fn from(error: SubjectKeyError) -> Self {
        match error {
            SubjectKeyError::Erased(_) => Self::new(
                StatusCode::GONE,
                "erased",
                "whom this was about has been forgotten",
            ),
            SubjectKeyError::NoKey(_) | SubjectKeyError::Damaged(_) => Self::internal(error.code()),
            SubjectKeyError::Unavailable(_) => Self {
                retry_after_s: Some(1),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "keys_unavailable",
                    "the keys cannot be read now; try again",
                )
            },
        }
    }
}

impl From<ViewsError> for Problem {
    fn from(error: ViewsError) -> Self {
        tracing::error!(%error, "a list could not be read");
        Self {
            retry_after_s: Some(1),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "lists_unavailable",
                "lists cannot be read now; try again",
            )
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.code == NOT_LEADING {
            response.extensions_mut().insert(NotLeading);
        }
        response
    }
}
