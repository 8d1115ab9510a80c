//! Sending what was recorded to a receiver, now and then, from a thread of its own.
//!
//! Requests hold totals since the start, so that one which is lost takes away a point in time and no count. Those that the
//! receiver does not take wait in a bounded queue, oldest first, and are sent again with growing waits; what does not fit, and
//! what the receiver refuses for good, is given up and counted (`monitor_dropped{reason="push"}`). Nothing that records ever
//! waits for any of this.

mod outbox;
mod receiver;
mod sender;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pulse_export::{
    OTLP_CONTENT_TYPE, OtlpOrigin, REMOTE_WRITE_HEADERS, RemoteWriteOrigin, otlp, otlp_rejected, remote_write,
};
use pulse_model::{Nanos, Snapshot};

use crate::{Monitor, ticker};
use receiver::Receiver;
use sender::{Link, Sender};

/// How long a push that is dropped may take to send what it has.
const FLUSH: Duration = Duration::from_secs(2);
/// Shortest time between two requests.
const SHORTEST_PERIOD: Duration = Duration::from_millis(10);

/// Where to push to, and how.
#[derive(Clone, PartialEq, Eq)]
pub struct PushConfig {
    /// The receiver, with its path: `http://localhost:4318/v1/metrics` of an OTLP collector,
    /// `http://localhost:9090/api/v1/write` of Prometheus.
    pub url: String,
    /// The name of the service: `service.name` in OTLP, the label `job` in Prometheus. The empty text for none.
    pub service: String,
    /// Further attributes of the service, or labels of all series.
    pub labels: Vec<(String, String)>,
    /// Further header fields, for example for authorization. Their values are never shown.
    pub headers: Vec<(String, String)>,
    /// A proxy, such as `http://proxy:3128`. The environment is not asked for one.
    pub proxy: Option<String>,
    /// Time between two requests, at least 10 ms.
    pub period: Duration,
    /// How long the receiver may take to answer.
    pub timeout: Duration,
    /// The first wait after a request that failed; each further one is twice as long, up to a minute.
    pub first_retry: Duration,
    /// Bytes of the requests that may wait.
    pub max_waiting_bytes: usize,
}

impl PushConfig {
    /// A request every 15 s, 10 s to answer, waits from 1 s on, at most 8 MiB of requests that wait.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            service: String::new(),
            labels: Vec::new(),
            headers: Vec::new(),
            proxy: None,
            period: Duration::from_secs(15),
            timeout: Duration::from_secs(10),
            first_retry: Duration::from_secs(1),
            max_waiting_bytes: 8 << 20,
        }
    }
}

/// Shows no values of header fields, no password of the URL or the proxy.
impl fmt::Debug for PushConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("PushConfig")
            .field("url", &without_password(&self.url))
            .field("service", &self.service)
            .field("labels", &self.labels)
            .field("headers", &headers)
            .field("proxy", &self.proxy.as_deref().map(without_password))
            .field("period", &self.period)
            .field("timeout", &self.timeout)
            .field("first_retry", &self.first_retry)
            .field("max_waiting_bytes", &self.max_waiting_bytes)
            .finish()
    }
}

/// A URL with `…` in place of user and password, and without its query.
fn without_password(url: &str) -> String {
    let (url, query) = url.split_once('?').map_or((url, ""), |(url, _)| (url, "?…"));
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let host = authority.rsplit_once('@').map_or(authority.to_owned(), |(_, host)| format!("…@{host}"));
    format!("{scheme}{}{host}{path}{query}", if scheme.is_empty() { "" } else { "://" })
}

/// Why a push cannot be started. Whether the receiver is there plays no part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The URL is none, or of a kind that cannot be pushed to.
    #[error("the URL to push to cannot be used: {reason}")]
    Url {
        /// What is wrong.
        reason: String,
    },
    /// A header field that HTTP does not allow.
    #[error("the header field `{name}` cannot be sent: a name has no spaces, a value no line breaks")]
    Header {
        /// Its name.
        name: String,
    },
    /// The proxy is none.
    #[error("the proxy cannot be used: {reason}")]
    Proxy {
        /// What is wrong.
        reason: String,
    },
    /// There is nothing by which to trust a receiver.
    #[error("https needs the system's certificates: {reason}; install them, or name a file in SSL_CERT_FILE")]
    Certificates {
        /// What is wrong.
        reason: String,
    },
    /// The system gives no thread.
    #[error("no thread can be started: {reason}")]
    Thread {
        /// What the system said.
        reason: String,
    },
}

/// What became of the requests so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushStats {
    /// Taken by the receiver.
    pub sent: u64,
    /// Attempts that failed and were, or will be, made again.
    pub failed: u64,
    /// Refused by the receiver, and given up.
    pub refused: u64,
    /// Given up because too many waited.
    pub dropped: u64,
    /// Not made at all, because sending took longer than the time between two.
    pub missed: u64,
    /// Waiting.
    pub waiting: u64,
    /// What the receiver, or the way to it, last objected.
    pub last_problem: Option<String>,
}

/// Makes the bodies of requests from totals.
type Encode = Box<dyn Fn(&Snapshot, Moment) -> Vec<Vec<u8>> + Send>;

/// Of when totals are, in Unix time.
#[derive(Clone, Copy, Debug)]
struct Moment {
    began: Nanos,
    now: Nanos,
}

/// Pushes by OTLP over HTTP, with exponential histograms: to an OpenTelemetry collector, and to what speaks its language.
#[derive(Debug)]
pub struct OtlpPush {
    push: Push,
}

impl OtlpPush {
    /// Starts to push. Of several processes of a group that push to one URL, one does so for all of them, and
    /// another when that has ended.
    pub fn start(monitor: &Monitor, config: PushConfig) -> Result<Self, PushError> {
        let named = (!config.service.is_empty()).then(|| ("service.name".to_owned(), config.service.clone()));
        let resource: Vec<(String, String)> =
            named.into_iter().chain(config.labels.iter().cloned()).collect();
        let encode = move |totals: &Snapshot, moment: Moment| {
            let origin = OtlpOrigin {
                resource: resource.clone(),
                start_unix_nanos: moment.began.0,
                now_unix_nanos: moment.now.0,
            };
            vec![otlp(totals, &origin)]
        };
        let headers = [("Content-Type", OTLP_CONTENT_TYPE)];
        let objection = |answer: &[u8]| {
            otlp_rejected(answer)
                .map(|rejected| format!("{} points rejected: {}", rejected.points, rejected.message))
        };
        Ok(Self { push: Push::start(monitor, config, &headers, Box::new(encode), objection)? })
    }

    /// What became of the requests so far.
    pub fn stats(&self) -> PushStats {
        self.push.stats()
    }

    /// Sends once more, and what waits, for no longer than `limit`, and ends. Dropping does the same with two seconds.
    pub fn stop(self, limit: Duration) -> PushStats {
        self.push.stop(limit)
    }
}

/// Pushes by Prometheus remote write 1.0, with native histograms.
#[derive(Debug)]
pub struct RemoteWritePush {
    push: Push,
}

impl RemoteWritePush {
    /// Starts to push. Of several processes of a group that push to one URL, one does so for all of them, and
    /// another when that has ended.
    pub fn start(monitor: &Monitor, config: PushConfig) -> Result<Self, PushError> {
        let named = (!config.service.is_empty()).then(|| ("job".to_owned(), config.service.clone()));
        let labels: Vec<(String, String)> = named.into_iter().chain(config.labels.iter().cloned()).collect();
        let encode = move |totals: &Snapshot, moment: Moment| {
            let now_unix_ms = i64::try_from(moment.now.0 / 1_000_000).unwrap_or(i64::MAX);
            remote_write(
                totals,
                &RemoteWriteOrigin { labels: labels.clone(), now_unix_ms, ..Default::default() },
            )
        };
        Ok(Self { push: Push::start(monitor, config, &REMOTE_WRITE_HEADERS, Box::new(encode), |_| None)? })
    }

    /// What became of the requests so far.
    pub fn stats(&self) -> PushStats {
        self.push.stats()
    }

    /// Sends once more, and what waits, for no longer than `limit`, and ends. Dropping does the same with two seconds.
    pub fn stop(self, limit: Duration) -> PushStats {
        self.push.stop(limit)
    }
}

/// A running push.
#[derive(Debug)]
struct Push {
    link: Arc<Link>,
    /// The thread is in this process only: the child of a fork has the handle without it.
    pid: u32,
}

impl Push {
    fn start(
        monitor: &Monitor,
        config: PushConfig,
        protocol: &[(&str, &str)],
        encode: Encode,
        objection: fn(&[u8]) -> Option<String>,
    ) -> Result<Self, PushError> {
        let protocol = protocol.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let headers = protocol.chain(config.headers.iter().cloned()).collect();
        let receiver = Receiver::new(&config.url, config.proxy.as_deref(), headers)?;
        let link = Arc::new(Link::default());
        let config = PushConfig { period: config.period.max(SHORTEST_PERIOD), ..config };
        let mut sender = Sender::new(monitor.clone(), config, receiver, encode, objection, link.clone());
        ticker::spawn("pulse-push", move || sender.run())
            .map_err(|error| PushError::Thread { reason: error.to_string() })?;
        Ok(Self { link, pid: std::process::id() })
    }

    fn stats(&self) -> PushStats {
        // In the child of a fork, the thread may have left the lock taken.
        if self.is_here() { self.link.stats() } else { PushStats::default() }
    }

    fn stop(self, limit: Duration) -> PushStats {
        self.end(limit);
        self.stats()
    }

    fn is_here(&self) -> bool {
        self.pid == std::process::id()
    }

    fn end(&self, limit: Duration) {
        if self.is_here() {
            self.link.end(limit);
        }
    }
}

impl Drop for Push {
    fn drop(&mut self) {
        self.end(FLUSH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        for (url, shown) in [
            ("http://me:secret@host:1/v1?key=secret", "http://…@host:1/v1?…"),
            ("http://host/v1", "http://host/v1"),
            ("host@x/y@z", "…@x/y@z"),
            ("", ""),
        ] {
            assert_eq!(without_password(url), shown);
        }
        let mut config = PushConfig::new("http://me:secret@host/?secret");
        config.headers.push(("authorization".to_owned(), "Bearer secret".to_owned()));
        config.proxy = Some("http://me:secret@proxy".to_owned());
        let shown = format!("{config:?}");
        assert!(!shown.contains("secret") && shown.contains("authorization"), "{shown}");
    }
}
