//! The OpenAPI document, made from the code and served at `/openapi.json`.

use std::sync::LazyLock;

use axum::{
    body::Bytes,
    http::header,
    response::{IntoResponse, Response},
};
use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::{
        ContentBuilder, HeaderBuilder, OpenApi as Document, Ref, RefOr, Required, ResponseBuilder,
        path::{Operation, ParameterBuilder, ParameterIn},
        schema::{ObjectBuilder, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{events, lists, mandates, me, payments, refunds, stores, webhook_endpoints};

/// What every error looks like (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "/problems/too_many_decimals",
    "title": "too many decimals",
    "status": 422,
    "detail": "CNY has 2 decimals; amount has 3",
    "code": "too_many_decimals",
    "field": "amount"
}))]
#[expect(
    dead_code,
    reason = "a schema: problems themselves are made by the edge"
)]
struct ProblemSchema {
    r#type: String,
    title: String,
    status: u16,
    /// For people.
    detail: String,
    /// Stable, for programs.
    code: String,
    /// The field of the request that is wrong, as a path such as `payer.phone_number`.
    field: Option<String>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Paytone merchant API",
        version = "1.0.0",
        description = "Take payments from phone numbers.\n\nAmounts are decimal strings in major units, never JSON numbers. \
            Times are RFC 3339 in UTC. Ids are opaque. Unknown fields and parameters are refused by name.\n\n\
            Every POST that changes a payment, refund or mandate carries an `Idempotency-Key`; the same key with the same \
            request gets the same answer, byte for byte, for at least 24 hours.\n\n\
            Every answer carries `Paytone-Position`; a list or feed that is asked with it shows at least what that answer showed.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "payments", description = "One attempt each to be paid by a phone number."),
        (name = "refunds", description = "Money going back."),
        (name = "mandates", description = "Charging without a prompt, as the payer allowed."),
        (name = "events", description = "What happened, in order: the feed."),
        (name = "webhooks", description = "The same events, sent to you."),
        (name = "merchant", description = "Yourself."),
    ),
    paths(
        payments::create, lists::payments, payments::get, payments::cancel, payments::capture,
        refunds::create, refunds::list, refunds::get,
        mandates::create, mandates::get, mandates::end,
        events::list,
        webhook_endpoints::create, webhook_endpoints::list, webhook_endpoints::get, webhook_endpoints::remove,
        webhook_endpoints::rotate, webhook_endpoints::deliveries, webhook_endpoints::redeliver,
        me::get, stores::list,
    ),
    components(schemas(ProblemSchema)),
    modifiers(&Everywhere),
)]
struct Api;

/// What holds for every operation.
struct Everywhere;

impl Modify for Everywhere {
    fn modify(&self, document: &mut Document) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A client key: `sk_` and 43 characters."))
            .build();
        if let Some(components) = &mut document.components {
            components.add_security_scheme("client_key", SecurityScheme::Http(bearer));
        }
        let required =
            utoipa::openapi::SecurityRequirement::new("client_key", Vec::<String>::new());
        document.security = Some(vec![required]);
        for (path, item) in &mut document.paths.paths {
            let one = path.contains("{id}");
            if let Some(operation) = &mut item.get {
                problems(operation, &[(401, KEY)]);
                if one {
                    problems(operation, &[(404, NOT_FOUND)]);
                }
                problems(operation, &[(400, MALFORMED), (422, WRONG), (503, BUSY)]);
                told_position(operation);
            }
            if let Some(operation) = &mut item.delete {
                problems(operation, &[(401, KEY), (404, NOT_FOUND), (503, BUSY)]);
                told_position(operation);
            }
            if let Some(operation) = &mut item.post {
                if one {
                    problems(operation, &[(404, NOT_FOUND)]);
                }
                problems(
                    operation,
                    &[
                        (400, MALFORMED),
                        (401, KEY),
                        (413, LARGE),
                        (415, MEDIA),
                        (422, WRONG),
                        (503, BUSY),
                    ],
                );
                if path == "/v1/webhook_endpoints" {
                    problems(operation, &[(409, TOO_MANY)]);
                }
                if path == "/v1/mandates" {
                    problems(operation, &[(403, DECLINED)]);
                }
                if !path.starts_with("/v1/webhook_endpoints") {
                    idempotent(operation);
                    problems(operation, &[(409, CONFLICT)]);
                }
                told_position(operation);
            }
        }
    }
}

const MALFORMED: &str = "The request is not of the right form";
const KEY: &str = "The key is missing or not in use";
const NOT_FOUND: &str = "There is nothing of that id of yours";
const CONFLICT: &str = "Its status does not allow it, or a request with this key is under way";
const TOO_MANY: &str = "There are ten endpoints already";
const DECLINED: &str = "Declined by your own limits; `reason` says which";
const LARGE: &str = "The body is too large";
const MEDIA: &str = "The body is not application/json";
const WRONG: &str =
    "A value is not acceptable, or the idempotency key came with another request before";
const BUSY: &str = "Nothing was done, try again; see Retry-After";

fn problems(operation: &mut Operation, known: &[(u16, &str)]) {
    for (status, words) in known {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("Problem")))
            .build();
        let response = ResponseBuilder::new()
            .description(*words)
            .content("application/problem+json", content)
            .build();
        operation
            .responses
            .responses
            .insert(status.to_string(), RefOr::T(response));
    }
}

fn text(most: usize) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(most))
}

fn idempotent(operation: &mut Operation) {
    let key = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::True)
        .description(Some(
            "1 to 64 visible ASCII characters of your own, the same for every try of this request",
        ))
        .schema(Some(text(64).min_length(Some(1)).build()))
        .build();
    operation
        .parameters
        .get_or_insert_default()
        .push(RefOr::T(key));
}

fn told_position(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let (true, RefOr::T(response)) = (status.starts_with('2'), response) {
            let header = HeaderBuilder::new()
                .schema(Some(text(30).build()))
                .description(Some("What this answer rests on; send it with a later read"))
                .build();
            response
                .headers
                .insert("Paytone-Position".to_owned(), RefOr::T(header));
        }
    }
}

/// The document itself.
pub fn openapi() -> Document {
    Api::openapi()
}

static TEXT: LazyLock<Bytes> = LazyLock::new(|| {
    let text = openapi()
        .to_pretty_json()
        .expect("an OpenAPI document is JSON");
    Bytes::from(text + "\n")
});

pub async fn serve() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], TEXT.clone()).into_response()
}
