//! The pages people use, embedded in the binary.
//!
//! ```text
//!   /phone/  /operator/  /reference/  /shared/…  /messages/{language}.json     every node
//!   /  /landing/…  /till  /till/…  /shop  /shop/checkout  /shop/order/{id}  /shop/…            the demo only
//! ```
//! **Invariant:** a page reaches nothing but its own origin, and runs nothing inline: every answer carries the policy that
//! says so. **Not here:** templates, sessions, anything that differs from one reader to another.

mod files;
mod policy;

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{MethodRouter, get},
};

use crate::node::Node;
use files::{DEMO, EVERYWHERE, File, MESSAGES};

pub use policy::with_policy;

/// Pages of every node.
pub fn router() -> Router<Arc<Node>> {
    with_policy(
        add_files(add_files(Router::new(), EVERYWHERE), MESSAGES)
            .route("/phone", get(|| async { Redirect::permanent("/phone/") }))
            .route(
                "/operator",
                get(|| async { Redirect::permanent("/operator/") }),
            )
            .route(
                "/reference",
                get(|| async { Redirect::permanent("/reference/") }),
            ),
    )
}

/// Front door and shop; the demo alone serves them.
pub fn demo_router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let (landing, shop) = (page("landing/index.html"), page("shop/index.html"));
    let mut router = add_files(Router::new(), DEMO).route("/", landing);
    router = router.route("/till", page("till/index.html"));
    for address in ["/shop", "/shop/checkout", "/shop/order/{id}"] {
        router = router.route(address, shop.clone());
    }
    with_policy(router)
}

fn add_files<S: Clone + Send + Sync + 'static>(
    mut router: Router<S>,
    files: &'static [File],
) -> Router<S> {
    for file in files {
        router = router.route(&file.address(), serve(file));
    }
    router
}

/// One of the demo's files at another address.
fn page<S: Clone + Send + Sync + 'static>(path: &str) -> MethodRouter<S> {
    let file = DEMO.iter().find(|file| file.path == path);
    serve(file.expect("the demo's pages are in its list"))
}

fn serve<S: Clone + Send + Sync + 'static>(file: &'static File) -> MethodRouter<S> {
    let tag: Arc<LazyLock<HeaderValue, _>> = Arc::new(LazyLock::new(|| file.tag()));
    get(move |request: Request| {
        let tag = LazyLock::force(&tag).clone();
        async move { answer(file, tag, request.headers()) }
    })
}

/// The file, or only that it is still the same. A new release is seen at the next look: nothing is kept unasked.
fn answer(file: &'static File, tag: HeaderValue, asked: &HeaderMap) -> Response {
    let known = asked
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|known| known.trim().trim_start_matches("W/"))
        .any(|known| known == "*" || Some(known) == tag.to_str().ok());
    let cached = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    if known {
        return (StatusCode::NOT_MODIFIED, cached).into_response();
    }
    let kind = HeaderValue::from_static(file.kind());
    (cached, [(header::CONTENT_TYPE, kind)], file.bytes).into_response()
}
