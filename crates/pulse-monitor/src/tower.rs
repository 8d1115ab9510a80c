//! Recording the requests of an axum service.

mod body;
mod exchange;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::MatchedPath;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use pulse_model::endpoint;
use tower_layer::Layer;
use tower_service::Service;

pub use body::MonitoredBody;
use exchange::Exchange;

use crate::Monitor;

/// Records every request of the routes it is put around.
///
/// The endpoint is the template of the route that matched, such as `/users/{id}`, and never the path: whoever sends requests
/// could choose any number of those. What no route matched is `_unmatched`, and so is a service within
/// [`Router::nest_service`](axum::Router::nest_service), of which axum tells no template; with
/// [`Router::route_service`](axum::Router::route_service) it does. A method that HTTP does not define is `_OTHER`.
///
/// The time is from when the request reaches the layer to the last byte of the answer's body; of an event stream, whose end
/// says nothing, to its head. The status is the answer's, with these exceptions:
/// - 500 where the handler panicked, or where the body broke off because of an error of the service;
/// - 499, as in nginx's logs, where the client went away before the answer was complete (or a timeout in a layer further out
///   gave it up).
///
/// Put it on a router with [`Router::layer`](axum::Router::layer), after the routes and the fallback: only there is the route
/// known. Layers that are added later are outside of it and are not measured.
///
/// ```
/// use axum::{Router, routing::get};
/// use pulse_monitor::{Config, Monitor, MonitorLayer};
///
/// let monitor = Monitor::new(Config::default());
/// let app: Router = Router::new()
///     .route("/users/{id}", get(async || "a user"))
///     .layer(MonitorLayer::new(monitor.clone()));
/// ```
#[derive(Clone, Debug)]
pub struct MonitorLayer {
    monitor: Monitor,
}

impl MonitorLayer {
    /// A layer that records with this monitor.
    pub fn new(monitor: Monitor) -> Self {
        Self { monitor }
    }
}

impl<S> Layer<S> for MonitorLayer {
    type Service = MonitorService<S>;

    fn layer(&self, inner: S) -> MonitorService<S> {
        MonitorService { inner, monitor: self.monitor.clone() }
    }
}

/// A service within a [`MonitorLayer`].
#[derive(Clone, Debug)]
pub struct MonitorService<S> {
    inner: S,
    monitor: Monitor,
}

impl<S, In, Out> Service<Request<In>> for MonitorService<S>
where
    S: Service<Request<In>, Response = Response<Out>>,
    Out: Body,
{
    type Response = Response<MonitoredBody<Out>>;
    type Error = S::Error;
    type Future = MonitoredAnswer<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let exchange = Exchange::begin(
            self.monitor.clone(),
            request.extensions().get::<MatchedPath>().cloned(),
            request.method(),
        );
        // Should the call itself panic, the exchange is dropped as failed.
        let inner = self.inner.call(request);
        MonitoredAnswer { inner, exchange: Some(exchange) }
    }
}

pin_project! {
    /// The answer to come of a service within a [`MonitorLayer`].
    #[derive(Debug)]
    pub struct MonitoredAnswer<F> {
        #[pin]
        inner: F,
        // None once the answer is there. Dropped before, it records that the answer was given up.
        exchange: Option<Exchange>,
    }
}

impl<F, Out, E> Future for MonitoredAnswer<F>
where
    F: Future<Output = Result<Response<Out>, E>>,
    Out: Body,
{
    type Output = Result<Response<MonitoredBody<Out>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.exchange.iter_mut().for_each(Exchange::working);
        let polled = this.inner.poll(context);
        if polled.is_pending() {
            this.exchange.iter_mut().for_each(Exchange::waiting);
        }
        let answer = ready!(polled);
        let exchange = this.exchange.take();
        Poll::Ready(match answer {
            Ok(answer) => Ok(body::watch(answer, exchange)),
            Err(error) => {
                exchange.into_iter().for_each(Exchange::fail);
                Err(error)
            }
        })
    }
}

/// The endpoint of a route, or the one of requests that no route matched.
fn endpoint_name(route: Option<&MatchedPath>) -> &str {
    route.map_or(endpoint::UNMATCHED, MatchedPath::as_str)
}
