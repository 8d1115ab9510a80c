//! A client, its deadlines and somebody who sweeps them: what a worker provides in the program.
#![allow(dead_code, clippy::allow_attributes, reason = "every test file compiles this and uses its part")]

use pulse_http::{
    Client, Connector, ConnectorConfig, Exchange, Failure, Keep, Limits, Origin, Request, RequestBody,
    RequestWriter, Timeouts,
};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Long enough never to end in a test that passes.
pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) struct Session {
    pub(crate) client: Client,
    authority: String,
    timeouts: Rc<Timeouts>,
}

impl Session {
    pub(crate) fn new(url: &str) -> Self {
        Self::with(url, ConnectorConfig::default(), Limits::default())
    }

    pub(crate) fn with(url: &str, config: ConnectorConfig, limits: Limits) -> Self {
        let origin = Origin::parse(url).expect("the server's URL");
        let authority = origin.authority();
        let connector = Rc::new(Connector::new(origin, config).expect("a connector"));
        let timeouts = Rc::new(Timeouts::new());
        Self { client: Client::new(connector, &timeouts, limits), authority, timeouts }
    }

    pub(crate) async fn get(&mut self) -> Result<Exchange, Failure> {
        self.ask("GET", None, LONG, Keep::Body).await
    }

    pub(crate) async fn post(&mut self, body: &[u8]) -> Result<Exchange, Failure> {
        self.ask("POST", Some(body), LONG, Keep::Body).await
    }

    pub(crate) async fn ask(
        &mut self,
        method: &str,
        body: Option<&[u8]>,
        timeout: Duration,
        keep: Keep,
    ) -> Result<Exchange, Failure> {
        let mut bytes = Vec::new();
        RequestWriter::start(&mut bytes, method, "/", &self.authority)
            .and_then(|writer| writer.finish(body))
            .expect("a valid request");
        self.send(Request::of(method, &bytes), timeout, keep).await
    }

    /// A request whose body stands apart from its head.
    pub(crate) async fn send_apart(
        &mut self,
        method: &str,
        body: RequestBody<'_>,
        timeout: Duration,
    ) -> Result<Exchange, Failure> {
        let mut head = Vec::new();
        RequestWriter::start(&mut head, method, "/", &self.authority)
            .and_then(|writer| writer.finish_head(Some(body.length())))
            .expect("a valid request");
        self.send(Request { body, ..Request::of(method, &head) }, timeout, Keep::Body).await
    }

    async fn send(
        &mut self,
        request: Request<'_>,
        timeout: Duration,
        keep: Keep,
    ) -> Result<Exchange, Failure> {
        let timeouts = Rc::clone(&self.timeouts);
        let sweeping = async move {
            loop {
                tokio::time::sleep(Duration::from_millis(2)).await;
                timeouts.sweep(Instant::now());
            }
        };
        tokio::select! {
            result = self.client.exchange(request, timeout, keep) => result,
            () = sweeping => unreachable!("it sweeps for ever"),
        }
    }
}
