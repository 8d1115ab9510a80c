//! The time of every database statement, for the monitor.
//!
//! `SQLite` tells when a statement begins and when it is finished. Its own figure for what lies between is in whole
//! milliseconds, so the time is taken here.

use std::time::Instant;

use pulse_db::hook::Recorder;
use pulse_monitor::Monitor;
use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};

/// Statements of a connection that may run within each other.
const DEPTH: usize = 16;

/// From now on every statement of this connection is recorded, and written by the recorder if there is one. Some make `SQLite`
/// run others within them.
pub(crate) fn record(
    connection: &mut Connection,
    monitor: &Monitor,
    recorder: Option<&Recorder>,
) -> rusqlite::Result<()> {
    let monitor = monitor.clone();
    if let Some(recorder) = recorder {
        let also = move |sql: &str, duration| monitor.record_db_statement(sql, duration);
        return recorder.attach_with(connection, also);
    }
    let mut began: Vec<Instant> = Vec::with_capacity(DEPTH);
    let events = TraceEventCodes::SQLITE_TRACE_STMT | TraceEventCodes::SQLITE_TRACE_PROFILE;
    let note = move |event: TraceEvent<'_>| match event {
        // A comment is the text of a trigger, which ends with its statement.
        TraceEvent::Stmt(_, text) if began.len() < DEPTH && !text.starts_with("--") => {
            began.push(Instant::now());
        }
        TraceEvent::Profile(statement, _) => {
            if let Some(began) = began.pop() {
                monitor.record_db_statement(&statement.sql(), began.elapsed());
            }
        }
        _ => {}
    };
    connection.trace_v2(events, Some(note))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Series, metric, tag};
    use pulse_monitor::Config;

    #[test]
    fn every_statement_counts_under_its_kind() {
        let monitor = Monitor::new(Config::default());
        let mut connection = Connection::open_in_memory().unwrap();
        record(&mut connection, &monitor, None).unwrap();
        connection
            .execute_batch("CREATE TABLE a (b); INSERT INTO a VALUES (1); INSERT INTO a VALUES (2)")
            .unwrap();
        let mut statement = connection.prepare("SELECT b FROM a").unwrap();
        assert_eq!(statement.query_map([], |row| row.get::<_, i64>(0)).unwrap().count(), 2);
        let count = |kind| {
            let series = Series::new(metric::DB_QUERY_TIME).with(tag::KIND, kind);
            monitor.totals().trend(&series).count()
        };
        assert_eq!([count("schema"), count("insert"), count("select")], [1, 2, 1]);
    }
}
