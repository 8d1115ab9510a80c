//! A series: one metric with its tags, and the text form `metric{tag="value"}` used in targets, reports and files.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Names of the metrics that Pulse records, with unit and meaning.
pub mod metric {
    /// Trend, nanoseconds: from the intended start of a request to its last byte (or its failure). Of a service that
    /// monitors itself: from the request's arrival in the service to the last byte of its answer.
    pub const RESPONSE_TIME: &str = "response_time";
    /// Trend, nanoseconds: from the actual send of a request to its last byte (or its failure).
    pub const SERVICE_TIME: &str = "service_time";
    /// Trend, nanoseconds: actual minus intended start of an iteration.
    pub const START_LAG: &str = "start_lag";
    /// Trend, nanoseconds: the part of the start lag that is the generator's own doing: from the moment when an iteration
    /// was due *and* its user was free to its actual start.
    pub const DISPATCH_LAG: &str = "dispatch_lag";
    /// Trend, nanoseconds: from the intended start of an iteration to its end.
    pub const ITERATION_TIME: &str = "iteration_time";
    /// Trend, nanoseconds: establishing a connection (name resolution, TCP and TLS).
    pub const CONNECT_TIME: &str = "connect_time";

    // The phases of a request that was answered, in their order. Together they are the service time.

    /// Trend, nanoseconds, of every answered request: waiting for a connection or for a place on one.
    pub const BLOCKED_TIME: &str = "blocked_time";
    /// Trend, nanoseconds, of requests that opened a connection: name resolution. Zero for addresses and known names.
    pub const DNS_TIME: &str = "dns_time";
    /// Trend, nanoseconds, of requests that opened a connection: TCP.
    pub const TCP_TIME: &str = "tcp_time";
    /// Trend, nanoseconds, of requests that opened a connection: the TLS handshake. Zero without TLS.
    pub const TLS_TIME: &str = "tls_time";
    /// Trend, nanoseconds, of every answered request: writing it. Zero where the first write took all of it.
    pub const SEND_TIME: &str = "send_time";
    /// Trend, nanoseconds, of every answered request: time to first byte, from the end of sending to the first byte of the
    /// answer.
    pub const WAIT_TIME: &str = "wait_time";
    /// Trend, nanoseconds, of every answered request: from the first byte of the answer to its last. Zero where one read
    /// brought everything.
    pub const RECEIVE_TIME: &str = "receive_time";

    /// Counter: answers by status; tag `status`.
    pub const RESPONSES: &str = "responses";
    /// Counter: failed requests by class; tag `class`.
    pub const FAILURES: &str = "failures";
    /// Counter: iterations that were started.
    pub const ITERATIONS: &str = "iterations";
    /// Counter: iterations that the schedule asked for, started or not.
    pub const DUE_ITERATIONS: &str = "due_iterations";
    /// Counter: arrivals that found no free user (open model).
    pub const DROPPED_ITERATIONS: &str = "dropped_iterations";
    /// Counter: sends left out because the user was late (`--missed skip`).
    pub const MISSED_ITERATIONS: &str = "missed_iterations";
    /// Counter: iterations that were cut off when the run ended.
    pub const CUT_ITERATIONS: &str = "cut_iterations";
    /// Counter: users that became active.
    pub const USERS_STARTED: &str = "users_started";
    /// Counter: users that left.
    pub const USERS_STOPPED: &str = "users_stopped";
    /// Counter, bytes: sent, heads included.
    pub const BYTES_SENT: &str = "bytes_sent";
    /// Counter, bytes: received, heads included.
    pub const BYTES_RECEIVED: &str = "bytes_received";
    /// Counter: connections that were opened; tag `protocol`.
    pub const CONNECTIONS_OPENED: &str = "connections_opened";
    /// Counter: TLS handshakes of connections over TCP or a local socket; tag `kind`: `full`, or `resumed` where an earlier
    /// session was continued.
    pub const TLS_HANDSHAKES: &str = "tls_handshakes";
    /// Counter: idle connections that the service had closed and that were opened again.
    pub const RECONNECTS: &str = "reconnects";
    /// Counter: messages that were sent on `WebSockets` and other streams.
    pub const MESSAGES_SENT: &str = "messages_sent";
    /// Counter: messages or events that came on `WebSockets` and other streams.
    pub const MESSAGES_RECEIVED: &str = "messages_received";
    /// Trend, nanoseconds: from the send of a request that opens a stream to the stream's first message or event.
    pub const FIRST_MESSAGE_TIME: &str = "first_message_time";
    /// Trend, nanoseconds: from one message or event of a stream to the next.
    pub const MESSAGE_GAP: &str = "message_gap";
    /// Trend, nanoseconds: from the moment when a message was due to the message that answers it.
    pub const ECHO_TIME: &str = "echo_time";
    /// Counter: redirects that were followed. The times of a request are those of its whole way.
    pub const REDIRECTS: &str = "redirects";
    /// Rate: passed checks; tag `check`.
    pub const CHECKS: &str = "checks";
    /// Counter, nanoseconds: CPU time of a worker thread; tag `worker`.
    pub const WORKER_CPU: &str = "worker_cpu";
    /// Counter, nanoseconds: wall time of a worker thread; tag `worker`.
    pub const WORKER_WALL: &str = "worker_wall";
    /// Counter, nanoseconds: CPU time in which a worker thread was spinning until its next moment: part of its CPU time,
    /// and no work; tag `worker`.
    pub const WORKER_SPIN: &str = "worker_spin";
    /// Counter, nanoseconds: time in which a worker thread could have run and waited for a core; tag `worker`.
    pub const WORKER_WAIT: &str = "worker_wait";
    /// Counter, nanoseconds: time in which a worker thread stood still although it had asked to be woken; tag `worker`.
    pub const WORKER_GAP: &str = "worker_gap";
    /// Trend, nanoseconds: how late a worker's main loop turned after the moment it wanted to be awake at; tag `worker`.
    pub const LOOP_LAG: &str = "loop_lag";
    /// Counter: intervals that a worker had to hold back because whoever merges them was behind; tag `worker`.
    pub const LATE_SNAPSHOTS: &str = "late_snapshots";
    /// Counter, nanoseconds: CPU time of the load generator's process, all threads.
    pub const HOST_OWN: &str = "host_own";
    /// Counter, nanoseconds: time in which the generator's machine was suspended.
    pub const HOST_SUSPENDED: &str = "host_suspended";
    /// Counter: TCP segments that the generator's machine sent.
    pub const HOST_SEGMENTS: &str = "host_segments";
    /// Counter: those of them that were sent again.
    pub const HOST_RETRANSMITS: &str = "host_retransmits";
    /// Counter: connections that found the queue of a listener on the generator's machine full, or were dropped there for
    /// another reason.
    pub const HOST_LISTEN_DROPS: &str = "host_listen_drops";
    /// Gauge: open descriptors of the load generator's process.
    pub const HOST_DESCRIPTORS: &str = "host_descriptors";
    /// Gauge: the most that it may have.
    pub const HOST_DESCRIPTOR_LIMIT: &str = "host_descriptor_limit";
    /// Gauge: TCP sockets in use on the generator's machine, those that wait for their port to be free included.
    pub const HOST_SOCKETS: &str = "host_sockets";
    /// Gauge: local ports that outgoing connections may have.
    pub const HOST_PORTS: &str = "host_ports";
    /// Counter, nanoseconds: time the hypervisor gave to others, summed over all cores.
    pub const HOST_STEAL: &str = "host_steal";
    /// Counter, nanoseconds: time in which the generator's machine was busy with anything, summed over all cores.
    pub const HOST_BUSY: &str = "host_busy";
    /// Counter, nanoseconds: wall time over which steal and business were observed, summed over all cores.
    pub const HOST_WALL: &str = "host_wall";

    // What a service records about itself.

    /// Trend, nanoseconds: statements sent to a database, tag `kind`.
    pub const DB_QUERY_TIME: &str = "db_query_time";
    /// Counter: database statements that took longer than the limit of slow ones.
    pub const SLOW_QUERIES: &str = "slow_queries";
    /// Counter: how often a form of statement was slow; tag `query`. Of the slowest forms only, and only in Pulse's own JSON:
    /// texts are no labels for a time series database.
    pub const SLOW_QUERY_COUNT: &str = "slow_query_count";
    /// Counter, nanoseconds: the time of these occurrences; tag `query`.
    pub const SLOW_QUERY_TIME: &str = "slow_query_time";
    /// Gauge, nanoseconds: the longest of them; tag `query`.
    pub const SLOW_QUERY_MAX: &str = "slow_query_max";
    /// Rate: lookups in a cache that found something, of all; tag `cache` where it has a name.
    pub const CACHE: &str = "cache";
    /// Gauge: connections (or whatever it holds) of a pool; tags `pool` and `worker`.
    pub const POOL_SIZE: &str = "pool_size";
    /// Gauge: those of a pool that are in use; tags `pool` and `worker`.
    pub const POOL_IN_USE: &str = "pool_in_use";
    /// Gauge: those who wait for one of a pool; tags `pool` and `worker`.
    pub const POOL_WAITING: &str = "pool_waiting";
    /// Counter, nanoseconds: CPU time of a process, user and system; tag `worker`.
    pub const PROCESS_CPU: &str = "process_cpu";
    /// Counter, nanoseconds: wall time over which a process's CPU time was observed; tag `worker`.
    pub const PROCESS_WALL: &str = "process_wall";
    /// Gauge, bytes: resident memory of a process; pages shared with other processes count in full. Tag `worker`.
    pub const PROCESS_RESIDENT: &str = "process_resident";
    /// Gauge, bytes: memory of a process in which a page that n processes share counts 1/n, so that the sum over workers
    /// is true; tag `worker`.
    pub const PROCESS_PROPORTIONAL: &str = "process_proportional";
    /// Gauge: threads of a process; tag `worker`.
    pub const PROCESS_THREADS: &str = "process_threads";
    /// Gauge: open descriptors of a process; tag `worker`.
    pub const PROCESS_DESCRIPTORS: &str = "process_descriptors";
    /// Counter: switches of a process's threads to others; tag `worker`, and `kind`: `voluntary` or `involuntary`.
    pub const PROCESS_CONTEXT_SWITCHES: &str = "process_context_switches";
    /// Counter, bytes: read from storage by a process; tag `worker`.
    pub const PROCESS_READ: &str = "process_read";
    /// Counter, bytes: written to storage by a process; tag `worker`.
    pub const PROCESS_WRITTEN: &str = "process_written";
    /// Gauge, bytes: memory that processes may use: the machine's, or the control group's limit where it is lower.
    pub const MEMORY_LIMIT: &str = "memory_limit";
    /// Counter, nanoseconds: time of a window in which its owner did not get to look: what was recorded then has no place
    /// within it.
    pub const MONITOR_GAP: &str = "monitor_gap";
    /// Counter, nanoseconds: time of a watch in which the source could not be read and that no later reading covers.
    pub const WATCH_MISSED: &str = "watch_missed";
    /// Counter: times that what is watched began to count anew.
    pub const WATCH_RESTARTS: &str = "watch_restarts";
    /// Counter: what a monitor could not record or send; tag `reason`.
    pub const MONITOR_DROPPED: &str = "monitor_dropped";
}

/// Metrics that belong together.
pub mod metric_group {
    use super::metric::{
        BLOCKED_TIME, CONNECT_TIME, DISPATCH_LAG, DNS_TIME, ECHO_TIME, FIRST_MESSAGE_TIME, ITERATION_TIME,
        MESSAGE_GAP, RECEIVE_TIME, RESPONSE_TIME, SEND_TIME, SERVICE_TIME, START_LAG, TCP_TIME, TLS_TIME,
        WAIT_TIME,
    };

    /// The phases in their order.
    pub const PHASES: [&str; 7] =
        [BLOCKED_TIME, DNS_TIME, TCP_TIME, TLS_TIME, SEND_TIME, WAIT_TIME, RECEIVE_TIME];

    /// The trends that requests and their iterations have; the first is the one that every kind of work has.
    pub const OF_REQUESTS: [&str; 16] = [
        RESPONSE_TIME,
        SERVICE_TIME,
        ITERATION_TIME,
        CONNECT_TIME,
        START_LAG,
        DISPATCH_LAG,
        BLOCKED_TIME,
        DNS_TIME,
        TCP_TIME,
        TLS_TIME,
        SEND_TIME,
        WAIT_TIME,
        RECEIVE_TIME,
        ECHO_TIME,
        FIRST_MESSAGE_TIME,
        MESSAGE_GAP,
    ];
}

/// Names of the tags that Pulse sets itself.
pub mod tag {
    /// The step's name; never the raw path, so that the number of series stays bounded.
    pub const ENDPOINT: &str = "endpoint";
    /// The scenario's name.
    pub const SCENARIO: &str = "scenario";
    /// The step's group.
    pub const GROUP: &str = "group";
    /// `ok` or `failed`.
    pub const OUTCOME: &str = "outcome";
    /// HTTP status code.
    pub const STATUS: &str = "status";
    /// Failure class.
    pub const CLASS: &str = "class";
    /// Check name.
    pub const CHECK: &str = "check";
    /// Worker number. Of a service: the number of its process among those that share a monitor, never a process id.
    pub const WORKER: &str = "worker";
    /// The version of HTTP that is spoken, as registered for TLS (ALPN): `http/1.1`, `h2` or `h3`.
    pub const PROTOCOL: &str = "protocol";
    /// HTTP method.
    pub const METHOD: &str = "method";
    /// Which sort of what the metric counts, for example `select` of database statements.
    pub const KIND: &str = "kind";
    /// A form of database statement, without its values.
    pub const QUERY: &str = "query";
    /// A cache's name.
    pub const CACHE: &str = "cache";
    /// A pool's name.
    pub const POOL: &str = "pool";
    /// Why something was dropped.
    pub const REASON: &str = "reason";
    /// `true` for the series that takes what found no room in the list of series.
    pub const OVERFLOW: &str = "overflow";
}

/// Endpoints that stand for more than one.
pub mod endpoint {
    /// All endpoints that found no room in the list of series.
    pub const OTHER: &str = "_other";
    /// All requests that no route matched: their paths are the client's choice, and would be without number.
    pub const UNMATCHED: &str = "_unmatched";
}

/// Tags of a series, sorted by name.
pub type Tags = BTreeMap<Arc<str>, Arc<str>>;

/// A metric and the tags that select one of its series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// Metric name, one of [`metric`] or a custom one.
    pub metric: Arc<str>,
    /// Tags, possibly none.
    pub tags: Tags,
}

impl Series {
    /// A series without tags.
    pub fn new(metric: &str) -> Self {
        Self { metric: metric.into(), tags: Tags::new() }
    }

    /// The same series with one more tag.
    #[must_use]
    pub fn with(mut self, tag: &str, value: &str) -> Self {
        self.tags.insert(tag.into(), value.into());
        self
    }

    /// The value of a tag.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.get(name).map(AsRef::as_ref)
    }

    /// What the series' endpoint is called: `GET /orders`, or the endpoint alone where the method is not known.
    pub fn endpoint_name(&self) -> Option<String> {
        let endpoint = self.tag(tag::ENDPOINT)?;
        Some(
            self.tag(tag::METHOD)
                .map_or_else(|| endpoint.to_owned(), |method| format!("{method} {endpoint}")),
        )
    }

    /// True when `self` is of the same metric and has at least the tags of `selector`.
    pub fn matches(&self, selector: &Self) -> bool {
        self.metric == selector.metric
            && selector.tags.iter().all(|(name, value)| self.tags.get(name) == Some(value))
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.metric)?;
        write_tags(&self.tags, f)
    }
}

/// Writes `{name="value",…}`, or nothing when there are no tags.
pub(crate) fn write_tags(tags: &Tags, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (i, (name, value)) in tags.iter().enumerate() {
        let escaped = value.replace('\\', r"\\").replace('"', "\\\"");
        write!(f, "{}{name}=\"{escaped}\"", if i == 0 { '{' } else { ',' })?;
    }
    if tags.is_empty() { Ok(()) } else { f.write_str("}") }
}

/// Why a text is not a series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at column {}", at + 1)]
pub struct SeriesError {
    /// Byte offset in the text.
    pub at: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

/// Reads the tags after the opening brace at `open`; returns them with the offset after the closing brace.
///
/// Values may be quoted (`"`, with `\` as escape) or bare up to the next `,` or `}`.
pub(crate) fn read_tags(text: &str, open: usize) -> Result<(Tags, usize), SeriesError> {
    let mut tags = Tags::new();
    let mut at = open + 1;
    loop {
        let fail = |at, reason| SeriesError { at, reason };
        let rest = &text[at..];
        let name_len = rest.find(['=', ',', '}']).ok_or(fail(at, "a closing } is missing"))?;
        if !rest[name_len..].starts_with('=') {
            if tags.is_empty() && rest[..name_len].trim().is_empty() && rest[name_len..].starts_with('}') {
                return Ok((tags, at + name_len + 1));
            }
            return Err(fail(at, "a tag is written name=value"));
        }
        let name = rest[..name_len].trim();
        if name.is_empty() {
            return Err(fail(at, "a tag name is missing"));
        }
        let (value, end) = read_value(text, at + name_len + 1)?;
        tags.insert(name.into(), value.as_str().into());
        at = end;
        match text[at..].chars().next() {
            Some('}') => return Ok((tags, at + 1)),
            Some(',') => at += 1,
            _ => return Err(fail(at, "a , or } is expected")),
        }
    }
}

fn read_value(text: &str, start: usize) -> Result<(String, usize), SeriesError> {
    let fail = |at, reason| SeriesError { at, reason };
    let rest = &text[start..];
    let start = start + (rest.len() - rest.trim_start().len());
    let rest = &text[start..];
    if !rest.starts_with('"') {
        let len = rest.find([',', '}']).ok_or(fail(start, "a closing } is missing"))?;
        return Ok((rest[..len].trim().to_owned(), start + len));
    }
    let mut value = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((offset, c)) = chars.next() {
        match c {
            '"' => {
                let after = start + offset + 1;
                let blanks = text[after..].len() - text[after..].trim_start().len();
                return Ok((value, after + blanks));
            }
            '\\' => match chars.next() {
                Some((_, escaped)) => value.push(escaped),
                None => break,
            },
            _ => value.push(c),
        }
    }
    Err(fail(start, "a closing quote is missing"))
}

impl FromStr for Series {
    type Err = SeriesError;

    fn from_str(text: &str) -> Result<Self, SeriesError> {
        let Some(open) = text.find('{') else {
            return if text.trim().is_empty() {
                Err(SeriesError { at: 0, reason: "a metric name is missing" })
            } else {
                Ok(Self::new(text.trim()))
            };
        };
        let (tags, end) = read_tags(text, open)?;
        if !text[end..].trim().is_empty() {
            return Err(SeriesError { at: end, reason: "nothing may follow the closing }" });
        }
        Ok(Self { metric: text[..open].trim().into(), tags })
    }
}

impl Serialize for Series {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Series {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error| serde::de::Error::custom(format!("`{text}` is not a series: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn matching_ignores_tags_that_the_selector_does_not_name() {
        let series = Series::new("response_time").with("endpoint", "health").with("outcome", "ok");
        assert!(series.matches(&Series::new("response_time")));
        assert!(series.matches(&Series::new("response_time").with("outcome", "ok")));
        assert!(!series.matches(&Series::new("response_time").with("outcome", "failed")));
        assert!(!series.matches(&Series::new("service_time")));
    }

    #[test]
    fn broken_text_says_where() {
        for (text, at) in
            [("", 0), ("a{b", 2), ("a{b=", 4), ("a{b}", 2), ("a{=1}", 2), ("a{b=\"c}", 4), ("a{b=1}x", 6)]
        {
            assert_eq!(text.parse::<Series>().unwrap_err().at, at, "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_form_reads_back(metric in "[a-z_]{1,12}", tags in prop::collection::btree_map("[a-z]{1,6}", ".{0,12}", 0..4)) {
            let tags = tags.into_iter().map(|(n, v)| (n.as_str().into(), v.as_str().into())).collect();
            let series = Series { metric: metric.as_str().into(), tags };
            prop_assert_eq!(series.to_string().parse::<Series>().unwrap(), series);
        }

        #[test]
        fn arbitrary_text_never_panics(text in ".{0,40}") {
            let _ = text.parse::<Series>();
        }
    }
}
