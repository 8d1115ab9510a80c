//! Under which name, unit and labels each of Pulse's metrics leaves the program: a table.
//!
//! Names are those of the OpenTelemetry conventions where there is one (`http.server.request.duration`), else Pulse's own
//! in their style, under `pulse.` when they speak of Pulse itself. Prometheus' spelling follows from them by rule: `_` for
//! `.`, then the unit, then `_total` for a counter: `http_server_request_duration_seconds`.
//!
//! A metric that is not in the table (custom counters and timers) keeps its own name; see `exposition.rs` for what happens
//! when that is not a name for Prometheus, or is one that is taken.

use pulse_model::{Aggregate, Series, metric, tag};

/// What a family counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Instrument {
    /// Only grows.
    Counter,
    /// A level that can be added up over its series: connections, bytes. A gauge for Prometheus.
    UpDownCounter,
    /// A level.
    Gauge,
    /// A distribution.
    Histogram,
}

/// The unit of exported values. Times are recorded in nanoseconds and exported in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Bytes,
    /// A number of things, named as UCUM wants it: `{request}`.
    Count(&'static str),
}

impl Unit {
    /// The word in `# UNIT` and at the end of Prometheus' names.
    pub(crate) const fn word(self) -> Option<&'static str> {
        match self {
            Self::Seconds => Some("seconds"),
            Self::Bytes => Some("bytes"),
            Self::Count(_) => None,
        }
    }

    /// The code of the Unified Code for Units of Measure, as OTLP wants it.
    pub(crate) const fn ucum(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Bytes => "By",
            Self::Count(things) => things,
        }
    }
}

/// How an attribute's value comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The value of this tag.
    Tag(&'static str),
    /// The value of this tag, which is a whole number. Anything else is left out.
    Number(&'static str),
    /// From the tags `outcome` and `status`: nothing for what went well, else the status or `_OTHER`.
    ErrorType,
    /// Always this value.
    Always(&'static str),
    /// `true` when the tag says so.
    Flag(&'static str),
    /// Of a rate, which becomes two series: the first value for hits, the second for the rest.
    Hit(&'static str, &'static str),
}

/// A label, under its OpenTelemetry name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attribute {
    pub(crate) name: &'static str,
    pub(crate) source: Source,
}

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Definition {
    /// Pulse's name of the metric.
    pub(crate) metric: &'static str,
    /// OpenTelemetry's name of the family; several metrics may share one, told apart by a label.
    pub(crate) name: &'static str,
    pub(crate) instrument: Instrument,
    pub(crate) unit: Unit,
    pub(crate) help: &'static str,
    /// Labels that do not keep their tag's name.
    pub(crate) attributes: &'static [Attribute],
}

impl Definition {
    /// Prometheus' name of the family, without the `_total` of counters.
    pub(crate) fn prometheus_name(&self) -> String {
        let mut name = self.name.replace('.', "_");
        if let Some(word) = self.unit.word() {
            name.push('_');
            name.push_str(word);
        }
        name
    }

    /// The attribute that takes the tag.
    pub(crate) fn attribute_of(&self, tag: &str) -> Option<&'static Attribute> {
        self.attributes.iter().chain(&EVERYWHERE).find(|attribute| match attribute.source {
            Source::Tag(name) | Source::Number(name) | Source::Flag(name) => name == tag,
            Source::ErrorType => tag == tag::OUTCOME,
            Source::Always(_) | Source::Hit(..) => false,
        })
    }

    fn fits(&self, aggregate: &Aggregate) -> bool {
        match self.instrument {
            Instrument::Counter => match aggregate {
                Aggregate::Counter(_) => !self.is_rate(),
                Aggregate::Rate(_) => self.is_rate(),
                _ => false,
            },
            Instrument::UpDownCounter | Instrument::Gauge => matches!(aggregate, Aggregate::Gauge(_)),
            Instrument::Histogram => matches!(aggregate, Aggregate::Trend(_)),
        }
    }

    /// Whether its series are rates, exported as two counters each.
    pub(crate) fn is_rate(&self) -> bool {
        self.attributes.iter().any(|attribute| matches!(attribute.source, Source::Hit(..)))
    }
}

/// Labels that any metric may have.
pub(crate) const EVERYWHERE: [Attribute; 1] = [flag("otel.metric.overflow", tag::OVERFLOW)];

/// Metrics that are in Pulse's own JSON and nowhere else: their tag is the text of a statement.
const OWN_ONLY: [&str; 3] = [metric::SLOW_QUERY_COUNT, metric::SLOW_QUERY_TIME, metric::SLOW_QUERY_MAX];

/// Whether a series is for other programs, too.
pub(crate) fn is_exported(series: &Series) -> bool {
    !OWN_ONLY.contains(&&*series.metric)
}

/// The line of a metric, unless it holds another kind of value than the table says.
pub(crate) fn definition(metric: &str, aggregate: &Aggregate) -> Option<&'static Definition> {
    TABLE.iter().find(|definition| definition.metric == metric && definition.fits(aggregate))
}

const fn tag_of(name: &'static str, tag: &'static str) -> Attribute {
    Attribute { name, source: Source::Tag(tag) }
}

const fn flag(name: &'static str, tag: &'static str) -> Attribute {
    Attribute { name, source: Source::Flag(tag) }
}

const fn always(name: &'static str, value: &'static str) -> Attribute {
    Attribute { name, source: Source::Always(value) }
}

const REQUEST: &[Attribute] = &[
    tag_of("http.route", tag::ENDPOINT),
    tag_of("http.request.method", tag::METHOD),
    Attribute { name: "http.response.status_code", source: Source::Number(tag::STATUS) },
    Attribute { name: "error.type", source: Source::ErrorType },
];
const QUERY: &[Attribute] = &[tag_of("db.operation.name", tag::KIND)];
const POOL: &[Attribute] = &[tag_of("db.client.connection.pool.name", tag::POOL)];
const POOL_USED: &[Attribute] =
    &[tag_of("db.client.connection.pool.name", tag::POOL), always("db.client.connection.state", "used")];
const CACHE: &[Attribute] = &[
    tag_of("cache.name", tag::CACHE),
    Attribute { name: "cache.result", source: Source::Hit("hit", "miss") },
];
const CHECKS: &[Attribute] = &[Attribute { name: "check.result", source: Source::Hit("passed", "failed") }];
const SWITCH: &[Attribute] = &[tag_of("process.context_switch.type", tag::KIND)];
const READ: &[Attribute] = &[always("disk.io.direction", "read")];
const WRITTEN: &[Attribute] = &[always("disk.io.direction", "write")];

const REQUESTS: Unit = Unit::Count("{request}");
const CONNECTIONS: Unit = Unit::Count("{connection}");

/// All metrics of [`pulse_model::metric`]: those of a service first, those of a load test after them.
#[rustfmt::skip]
pub(crate) const TABLE: &[Definition] = &[
    line(metric::RESPONSE_TIME, "http.server.request.duration", Instrument::Histogram, Unit::Seconds, "Duration of HTTP server requests.", REQUEST),
    line(metric::DB_QUERY_TIME, "db.client.operation.duration", Instrument::Histogram, Unit::Seconds, "Duration of database client operations.", QUERY),
    line(metric::SLOW_QUERIES, "pulse.db.slow_queries", Instrument::Counter, Unit::Count("{operation}"), "Database operations that took longer than the limit of slow ones.", QUERY),
    line(metric::POOL_SIZE, "db.client.connection.max", Instrument::UpDownCounter, CONNECTIONS, "The maximum number of open connections allowed.", POOL),
    line(metric::POOL_IN_USE, "db.client.connection.count", Instrument::UpDownCounter, CONNECTIONS, "The number of connections that are currently in the state described by the label.", POOL_USED),
    line(metric::POOL_WAITING, "db.client.connection.pending_requests", Instrument::UpDownCounter, REQUESTS, "The number of current pending requests for an open connection.", POOL),
    line(metric::CACHE, "cache.requests", Instrument::Counter, REQUESTS, "Lookups in a cache.", CACHE),
    line(metric::PROCESS_CPU, "process.cpu.time", Instrument::Counter, Unit::Seconds, "CPU time of the process, user and system.", &[]),
    line(metric::PROCESS_WALL, "pulse.process.observed_time", Instrument::Counter, Unit::Seconds, "Wall time over which the CPU time was observed.", &[]),
    line(metric::PROCESS_RESIDENT, "process.memory.usage", Instrument::UpDownCounter, Unit::Bytes, "The amount of physical memory in use; shared pages count in full.", &[]),
    line(metric::PROCESS_PROPORTIONAL, "pulse.process.memory.proportional", Instrument::UpDownCounter, Unit::Bytes, "The amount of physical memory in use; a page that n processes share counts 1/n.", &[]),
    line(metric::PROCESS_THREADS, "process.thread.count", Instrument::UpDownCounter, Unit::Count("{thread}"), "Process threads count.", &[]),
    line(metric::PROCESS_DESCRIPTORS, "process.unix.file_descriptor.count", Instrument::UpDownCounter, Unit::Count("{file_descriptor}"), "Number of UNIX file descriptors in use by the process.", &[]),
    line(metric::PROCESS_CONTEXT_SWITCHES, "process.context_switches", Instrument::Counter, Unit::Count("{context_switch}"), "Number of times the process has been context switched.", SWITCH),
    line(metric::PROCESS_READ, "process.disk.io", Instrument::Counter, Unit::Bytes, "Disk bytes transferred.", READ),
    line(metric::PROCESS_WRITTEN, "process.disk.io", Instrument::Counter, Unit::Bytes, "Disk bytes transferred.", WRITTEN),
    line(metric::MEMORY_LIMIT, "pulse.memory.limit", Instrument::Gauge, Unit::Bytes, "Memory that processes may use: the machine's, or the control group's limit where it is lower.", &[]),
    line(metric::MONITOR_GAP, "pulse.monitor.gap", Instrument::Counter, Unit::Seconds, "Time of a window in which its owner did not get to look.", &[]),
    line(metric::WATCH_MISSED, "pulse.watch.missed", Instrument::Counter, Unit::Seconds, "Time of a watch in which the source could not be read and that no later reading covers.", &[]),
    line(metric::WATCH_RESTARTS, "pulse.watch.restarts", Instrument::Counter, Unit::Count("{restart}"), "Times that what is watched began to count anew.", &[]),
    line(metric::MONITOR_DROPPED, "pulse.monitor.dropped", Instrument::Counter, Unit::Count("{record}"), "What the monitor could not record or send.", &[]),
    line(metric::SERVICE_TIME, "pulse.service_time", Instrument::Histogram, Unit::Seconds, "From the send of a request to the last byte of its answer.", &[]),
    line(metric::START_LAG, "pulse.start_lag", Instrument::Histogram, Unit::Seconds, "Actual minus intended start of an iteration.", &[]),
    line(metric::DISPATCH_LAG, "pulse.dispatch_lag", Instrument::Histogram, Unit::Seconds, "The part of the start lag that is the load generator's own doing.", &[]),
    line(metric::ITERATION_TIME, "pulse.iteration_time", Instrument::Histogram, Unit::Seconds, "From the intended start of an iteration to its end.", &[]),
    line(metric::CONNECT_TIME, "pulse.connect_time", Instrument::Histogram, Unit::Seconds, "Establishing a connection.", &[]),
    line(metric::BLOCKED_TIME, "pulse.blocked_time", Instrument::Histogram, Unit::Seconds, "Waiting for a connection or for a place on one, of answered requests.", &[]),
    line(metric::DNS_TIME, "pulse.dns_time", Instrument::Histogram, Unit::Seconds, "Name resolution, of requests that opened a connection.", &[]),
    line(metric::TCP_TIME, "pulse.tcp_time", Instrument::Histogram, Unit::Seconds, "TCP, of requests that opened a connection.", &[]),
    line(metric::TLS_TIME, "pulse.tls_time", Instrument::Histogram, Unit::Seconds, "The TLS handshake, of requests that opened a connection.", &[]),
    line(metric::SEND_TIME, "pulse.send_time", Instrument::Histogram, Unit::Seconds, "Writing the request, of answered requests.", &[]),
    line(metric::WAIT_TIME, "pulse.wait_time", Instrument::Histogram, Unit::Seconds, "Time to first byte, from the end of sending, of answered requests.", &[]),
    line(metric::RECEIVE_TIME, "pulse.receive_time", Instrument::Histogram, Unit::Seconds, "From the first byte of the answer to its last, of answered requests.", &[]),
    line(metric::RESPONSES, "pulse.responses", Instrument::Counter, Unit::Count("{response}"), "Answers by status.", &[]),
    line(metric::FAILURES, "pulse.failures", Instrument::Counter, REQUESTS, "Failed requests by class.", &[]),
    line(metric::ITERATIONS, "pulse.iterations", Instrument::Counter, ITERATIONS, "Iterations that were started.", &[]),
    line(metric::DUE_ITERATIONS, "pulse.due_iterations", Instrument::Counter, ITERATIONS, "Iterations that the schedule asked for.", &[]),
    line(metric::DROPPED_ITERATIONS, "pulse.dropped_iterations", Instrument::Counter, ITERATIONS, "Arrivals that found no free user.", &[]),
    line(metric::MISSED_ITERATIONS, "pulse.missed_iterations", Instrument::Counter, ITERATIONS, "Sends that were left out because the user was late.", &[]),
    line(metric::CUT_ITERATIONS, "pulse.cut_iterations", Instrument::Counter, ITERATIONS, "Iterations that were cut off when the run ended.", &[]),
    line(metric::USERS_STARTED, "pulse.users_started", Instrument::Counter, USERS, "Users that became active.", &[]),
    line(metric::USERS_STOPPED, "pulse.users_stopped", Instrument::Counter, USERS, "Users that left.", &[]),
    line(metric::BYTES_SENT, "pulse.sent", Instrument::Counter, Unit::Bytes, "Bytes sent, heads included.", &[]),
    line(metric::BYTES_RECEIVED, "pulse.received", Instrument::Counter, Unit::Bytes, "Bytes received, heads included.", &[]),
    line(metric::CONNECTIONS_OPENED, "pulse.connections_opened", Instrument::Counter, CONNECTIONS, "Connections that were opened.", &[]),
    line(metric::TLS_HANDSHAKES, "pulse.tls_handshakes", Instrument::Counter, Unit::Count("{handshake}"), "TLS handshakes.", &[]),
    line(metric::RECONNECTS, "pulse.reconnects", Instrument::Counter, CONNECTIONS, "Idle connections that the service had closed and that were opened again.", &[]),
    line(metric::MESSAGES_SENT, "pulse.messages_sent", Instrument::Counter, MESSAGES, "Messages sent on WebSockets and other streams.", &[]),
    line(metric::MESSAGES_RECEIVED, "pulse.messages_received", Instrument::Counter, MESSAGES, "Messages or events that came on WebSockets and other streams.", &[]),
    line(metric::FIRST_MESSAGE_TIME, "pulse.first_message_time", Instrument::Histogram, Unit::Seconds, "From the send of a request that opens a stream to the first message or event.", &[]),
    line(metric::MESSAGE_GAP, "pulse.message_gap", Instrument::Histogram, Unit::Seconds, "From one message or event of a stream to the next.", &[]),
    line(metric::ECHO_TIME, "pulse.echo_time", Instrument::Histogram, Unit::Seconds, "From the moment when a message was due to the message that answers it.", &[]),
    line(metric::REDIRECTS, "pulse.redirects", Instrument::Counter, Unit::Count("{redirect}"), "Redirects that were followed.", &[]),
    line(metric::CHECKS, "pulse.checks", Instrument::Counter, Unit::Count("{check}"), "Checks of answers.", CHECKS),
    line(metric::WORKER_CPU, "pulse.worker_cpu", Instrument::Counter, Unit::Seconds, "CPU time of a worker thread.", &[]),
    line(metric::WORKER_WALL, "pulse.worker_wall", Instrument::Counter, Unit::Seconds, "Wall time of a worker thread.", &[]),
    line(metric::WORKER_SPIN, "pulse.worker_spin", Instrument::Counter, Unit::Seconds, "CPU time in which a worker thread was spinning until its next moment.", &[]),
    line(metric::WORKER_WAIT, "pulse.worker_wait", Instrument::Counter, Unit::Seconds, "Time in which a worker thread waited for a core.", &[]),
    line(metric::WORKER_GAP, "pulse.worker_gap", Instrument::Counter, Unit::Seconds, "Time in which a worker thread stood still although it had asked to be woken.", &[]),
    line(metric::LOOP_LAG, "pulse.loop_lag", Instrument::Histogram, Unit::Seconds, "How late a worker's main loop turned.", &[]),
    line(metric::LATE_SNAPSHOTS, "pulse.late_snapshots", Instrument::Counter, Unit::Count("{interval}"), "Intervals that a worker had to hold back.", &[]),
    line(metric::HOST_OWN, "pulse.host_own", Instrument::Counter, Unit::Seconds, "CPU time of the load generator's process.", &[]),
    line(metric::HOST_SUSPENDED, "pulse.host_suspended", Instrument::Counter, Unit::Seconds, "Time in which the machine was suspended.", &[]),
    line(metric::HOST_SEGMENTS, "pulse.host_segments", Instrument::Counter, Unit::Count("{segment}"), "TCP segments that the machine sent.", &[]),
    line(metric::HOST_RETRANSMITS, "pulse.host_retransmits", Instrument::Counter, Unit::Count("{segment}"), "TCP segments that the machine sent again.", &[]),
    line(metric::HOST_LISTEN_DROPS, "pulse.host_listen_drops", Instrument::Counter, CONNECTIONS, "Connections that listeners of the machine dropped.", &[]),
    line(metric::HOST_DESCRIPTORS, "pulse.host_descriptors", Instrument::Gauge, Unit::Count("{file_descriptor}"), "Open descriptors of the load generator's process.", &[]),
    line(metric::HOST_DESCRIPTOR_LIMIT, "pulse.host_descriptor_limit", Instrument::Gauge, Unit::Count("{file_descriptor}"), "The most descriptors that it may have.", &[]),
    line(metric::HOST_SOCKETS, "pulse.host_sockets", Instrument::Gauge, Unit::Count("{socket}"), "TCP sockets in use on the machine.", &[]),
    line(metric::HOST_PORTS, "pulse.host_ports", Instrument::Gauge, Unit::Count("{port}"), "Local ports that outgoing connections may have.", &[]),
    line(metric::HOST_STEAL, "pulse.host_steal", Instrument::Counter, Unit::Seconds, "Time the hypervisor gave to others, over all cores.", &[]),
    line(metric::HOST_BUSY, "pulse.host_busy", Instrument::Counter, Unit::Seconds, "Time in which the machine was busy, over all cores.", &[]),
    line(metric::HOST_WALL, "pulse.host_wall", Instrument::Counter, Unit::Seconds, "Wall time over which steal and business were observed, over all cores.", &[]),
];

const ITERATIONS: Unit = Unit::Count("{iteration}");
const MESSAGES: Unit = Unit::Count("{message}");
const USERS: Unit = Unit::Count("{user}");

const fn line(
    metric: &'static str,
    name: &'static str,
    instrument: Instrument,
    unit: Unit,
    help: &'static str,
    attributes: &'static [Attribute],
) -> Definition {
    Definition { metric, name, instrument, unit, help, attributes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{Noun, is_plain};

    #[test]
    fn every_name_is_plain_and_families_agree() {
        for definition in TABLE {
            let name = definition.prometheus_name();
            assert!(is_plain(&name, Noun::Metric), "{name}");
            for reserved in ["_total", "_count_count", "_sum", "_bucket", "_created", "_info"] {
                assert!(!name.ends_with(reserved), "{name}");
            }
            for other in TABLE.iter().filter(|other| other.name == definition.name) {
                assert_eq!(other.unit, definition.unit, "{name}");
                assert_eq!(
                    (other.instrument, other.help),
                    (definition.instrument, definition.help),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn statements_are_in_no_other_format() {
        let mut snapshot = pulse_model::Snapshot::default();
        snapshot.count(Series::new(metric::SLOW_QUERY_COUNT).with(tag::QUERY, "SELECT secret"), 1);
        for accept in ["text/plain", "application/openmetrics-text", "application/vnd.google.protobuf"] {
            let body = crate::render(&snapshot, accept, "").body;
            assert!(!String::from_utf8_lossy(&body).contains("secret"), "{accept}");
        }
        assert!(String::from_utf8_lossy(&crate::json(&snapshot)).contains("secret"));
    }

    #[test]
    fn the_documents_list_every_family() {
        let document = include_str!("../../../docs/metrics.md");
        for definition in TABLE {
            let suffix = if definition.instrument == Instrument::Counter { "_total" } else { "" };
            let kind = match definition.instrument {
                Instrument::Counter => "counter",
                Instrument::UpDownCounter | Instrument::Gauge => "gauge",
                Instrument::Histogram => "histogram",
            };
            let (metric, name, otel) = (definition.metric, definition.prometheus_name(), definition.name);
            let row = format!("| `{metric}` | `{name}{suffix}` | `{otel}` | {kind} | ");
            let row = document
                .lines()
                .find(|line| line.starts_with(&row))
                .unwrap_or_else(|| panic!("no row {row}"));
            for attribute in definition.attributes {
                let label = format!("`{}`", attribute.name.replace('.', "_"));
                assert!(row.contains(&label), "{metric}: {label}");
            }
        }
    }

    #[test]
    fn every_metric_is_listed_once() {
        for definition in TABLE {
            let lines = TABLE.iter().filter(|other| other.metric == definition.metric).count();
            assert_eq!(lines, 1, "{}", definition.metric);
        }
        // The constants of `pulse_model::metric`, from its source, so that a new one is not forgotten here.
        let source = include_str!("../../pulse-model/src/series.rs");
        let module = source.split("pub mod metric {").nth(1).unwrap().split("\n}\n").next().unwrap();
        for line in module.lines().filter(|line| line.contains("pub const")) {
            let name = line.split('"').nth(1).unwrap();
            let known = TABLE.iter().any(|definition| definition.metric == name) || OWN_ONLY.contains(&name);
            assert!(known, "`{name}` has no line");
        }
    }
}
