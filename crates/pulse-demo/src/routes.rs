//! The table of routes and the router made from it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use pulse_monitor::{Monitor, MonitorLayer};
use tokio::sync::{Semaphore, watch};

use crate::answer::Refusal;
use crate::extract::LARGEST_BODY_BYTES;
use crate::injector::{Injector, inject};
use crate::store::Store;
use crate::{health, performance, socket, stream, trading};

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) store: Arc<Store>,
    /// Free places for quote streams.
    pub(crate) streams: Arc<Semaphore>,
    /// Becomes true when the server stops; streams would never end by themselves.
    pub(crate) closing: watch::Receiver<bool>,
    /// What the service records about itself.
    pub(crate) monitor: Monitor,
}

/// Every route; `assets/openapi.json` describes the same ones, and a test compares the two.
fn routes() -> [(Method, &'static str, MethodRouter<App>); 16] {
    [
        (Method::GET, "/", get(health::root)),
        (Method::GET, "/health", get(health::health)),
        (Method::GET, "/health/security", get(health::security)),
        (Method::GET, "/docs", get(health::docs)),
        (Method::GET, "/openapi.json", get(health::openapi)),
        (Method::GET, "/metrics", get(performance::metrics)),
        (Method::GET, "/api/v1/performance/summary", get(performance::summary)),
        (Method::GET, "/ws/quotes", get(socket::quotes)),
        (Method::GET, "/api/v1/stream", get(stream::quotes)),
        (Method::POST, "/api/v1/execute", post(trading::execute)),
        (Method::GET, "/api/v1/trades", get(trading::trades)),
        (Method::GET, "/api/v1/tools/{id}/performance", get(trading::performance)),
        (Method::GET, "/api/v1/paper/{user}/account", get(trading::account)),
        (Method::GET, "/api/v1/paper/{user}/positions", get(trading::positions)),
        (Method::POST, "/api/v1/paper/{user}/positions", post(trading::open_position)),
        (Method::POST, "/api/v1/paper/{user}/positions/{id}/close", post(trading::close_position)),
    ]
}

/// The whole service. Without a character its middleware is left out, so that it costs nothing. What the character does to
/// an answer is the service's doing for the monitor, as it is for every client.
pub(crate) fn router(app: App, injector: Option<Arc<Injector>>) -> Router {
    let monitor = MonitorLayer::new(app.monitor.clone());
    let router = routes()
        .into_iter()
        .fold(Router::new(), |router, (_, path, handler)| router.route(path, handler))
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(LARGEST_BODY_BYTES))
        .with_state(app);
    let router = match injector {
        Some(injector) => router.layer(from_fn_with_state(injector, inject)),
        None => router,
    };
    router.layer(monitor)
}

async fn unknown_route(request: Request) -> Refusal {
    let path: String = request.uri().path().chars().take(200).collect();
    Refusal::new(StatusCode::NOT_FOUND, format!("there is no {path}; /docs lists what there is"))
}

async fn wrong_method(request: Request) -> Refusal {
    let detail = format!("{} is not possible here; /docs lists what is", request.method());
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn document() -> Value {
        serde_json::from_str(include_str!("assets/openapi.json")).unwrap()
    }

    fn operations(document: &Value) -> Vec<(String, String, &Value)> {
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, methods)| {
            methods
                .as_object()
                .unwrap()
                .iter()
                .map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
        });
        operations.collect()
    }

    #[test]
    fn the_document_and_the_router_have_the_same_routes() {
        let document = document();
        let described: BTreeSet<_> =
            operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
        let served: BTreeSet<_> =
            routes().iter().map(|(method, path, _)| (method.to_string(), (*path).to_owned())).collect();
        assert_eq!(described, served);
    }

    #[test]
    fn the_document_is_sound() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        let mut ids = BTreeSet::new();
        for (method, path, operation) in operations(&document) {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} is not unique");
            assert!(operation["summary"].is_string(), "{id}");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with(['1', '2'])), "{id}");
            assert_eq!(operation["requestBody"].is_object(), method == "POST", "{id}");
            let declared: BTreeSet<String> = operation["parameters"]
                .as_array()
                .map_or(&[][..], Vec::as_slice)
                .iter()
                .map(|parameter| resolve(&document, parameter))
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
                .collect();
            let used: BTreeSet<String> = path
                .split('/')
                .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
                .map(str::to_owned)
                .collect();
            assert_eq!(declared, used, "{id}");
        }
        assert_references_resolve(&document, &document);
    }

    fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
        value["$ref"].as_str().map_or(value, |reference| {
            document.pointer(reference.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("{reference}"))
        })
    }

    fn assert_references_resolve(document: &Value, value: &Value) {
        resolve(document, value);
        match value {
            Value::Array(items) => items.iter().for_each(|item| assert_references_resolve(document, item)),
            Value::Object(fields) => {
                fields.values().for_each(|item| assert_references_resolve(document, item));
            }
            _ => {}
        }
    }

    #[test]
    fn the_page_asks_no_other_host() {
        let page = include_str!("assets/docs.html");
        for foreign in ["http:", "https:", "src=", "@import", "url("] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        assert!(page.contains("/openapi.json"));
    }
}
