//! Users over HTTP/2 on one thread: what a worker provides in the program.
#![allow(dead_code, clippy::allow_attributes, reason = "every test file compiles this and uses its part")]

use pulse_http::{
    Client, Connector, ConnectorConfig, Exchange, Failure, HttpVersion, Keep, Limits, Origin, Request,
    RequestBody, RequestWriter, Timeouts,
};
use std::future::Future;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Long enough never to end in a test that passes.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Runs a test on a thread's own runtime and tasks.
pub(crate) fn on_this_thread(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

/// Clients of one connector, whose deadlines are swept.
pub(crate) struct Users {
    connector: Rc<Connector>,
    timeouts: Rc<Timeouts>,
    limits: Limits,
}

/// HTTP/2 with so many users per connection.
pub(crate) fn shared_by(streams: usize) -> ConnectorConfig {
    ConnectorConfig { http: HttpVersion::Http2, streams, ..ConnectorConfig::default() }
}

impl Users {
    pub(crate) fn new(url: &str, config: ConnectorConfig) -> Self {
        Self::with(url, config, Limits::default())
    }

    pub(crate) fn with(url: &str, config: ConnectorConfig, limits: Limits) -> Self {
        let origin = Origin::parse(url).expect("the server's URL");
        let connector = Rc::new(Connector::new(origin, config).expect("a connector"));
        let timeouts = Rc::new(Timeouts::new());
        let swept = Rc::clone(&timeouts);
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(2)).await;
                swept.sweep(Instant::now());
            }
        });
        Self { connector, timeouts, limits }
    }

    pub(crate) fn user(&self) -> User {
        let client = Client::new(Rc::clone(&self.connector), &self.timeouts, self.limits);
        User { client, authority: self.connector.origin().authority(), timeout: LONG, keep: Keep::Body }
    }
}

pub(crate) struct User {
    pub(crate) client: Client,
    authority: String,
    pub(crate) timeout: Duration,
    pub(crate) keep: Keep,
}

impl User {
    pub(crate) async fn get(&mut self, path: &str) -> Result<Exchange, Failure> {
        self.ask("GET", path, None).await
    }

    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&[u8]>,
    ) -> Result<Exchange, Failure> {
        let mut bytes = Vec::new();
        RequestWriter::start(&mut bytes, method, path, &self.authority)
            .and_then(|writer| writer.header("X-Test", "1"))
            .and_then(|writer| writer.finish(body))
            .expect("a valid request");
        self.client.exchange(Request::of(method, &bytes), self.timeout, self.keep).await
    }

    /// A POST whose body stands apart from its head.
    pub(crate) async fn post_apart(&mut self, body: RequestBody<'_>) -> Result<Exchange, Failure> {
        let mut head = Vec::new();
        RequestWriter::start(&mut head, "POST", "/", &self.authority)
            .and_then(|writer| writer.finish_head(Some(body.length())))
            .expect("a valid request");
        let request = Request { body, ..Request::of("POST", &head) };
        self.client.exchange(request, self.timeout, self.keep).await
    }
}
