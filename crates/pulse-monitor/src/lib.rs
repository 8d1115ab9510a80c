//! Records what a service does, at a cost nobody notices: requests, database queries, caches, pools, and whatever it counts
//! itself. Any number of threads and processes record into one memory, and any of them reads what all have recorded.
//!
//! **Main types**
//! - [`Monitor`]: where everything is recorded and asked for; [`get_monitor`] is the one of the process;
//! - [`Endpoint`], [`Cache`], [`Pool`], [`Counter`], [`Timer`]: handles, found by name once, then used by all threads;
//! - [`Group`]: which processes count together; [`Worker`]: one of them;
//! - [`MonitorSummary`]: the figures of a span; [`SlowQuery`]: a statement that took long;
//! - [`SharedReader`]: a look at a group from outside.
//!
//! ```
//! use std::time::Duration;
//! use pulse_monitor::{Config, Monitor};
//!
//! let monitor = Monitor::new(Config::default());
//! let execute = monitor.endpoint_with_method("POST", "/api/v1/execute");
//! execute.record(Duration::from_millis(50), 200);
//! execute.timer().finish(503);
//! monitor.record_db_statement("SELECT * FROM orders WHERE id = 7", Duration::from_millis(80));
//!
//! let summary = monitor.summary();
//! assert_eq!((summary.requests.total, summary.requests.error_count), (2, 1));
//! assert_eq!(monitor.slow_queries()[0].query, "SELECT * FROM orders WHERE id = ?");
//! ```
//!
//! **Cost.** A handle finds the calling thread's own cell of a series and adds to it: no lock, no locked instruction, no
//! allocation, no clock. Memory grows with the number of series, threads at a time and processes at a time, not with what is
//! recorded, nor with threads and processes that have ended.
//!
//! **Limits.** [`Config::max_series`] series are kept apart; what comes later is recorded under the endpoint `_other` with
//! the tag `overflow="true"`, by status, so that totals stay whole. What cannot be recorded at all is counted in
//! `monitor_dropped`, by `reason`: a value that cannot be true (`invalid`), no memory (`memory`), no place for another thread or
//! process (`threads`), no room for another series (`series`), another process that holds the common lock and does not go on
//! (`busy`). Nothing here panics or blocks on what a service, a file or another process does; what the host should know is
//! said once ([`Monitor::warnings`], [`set_warning_hook`]).
//!
//! **Processes.** With [`Group::Named`] and the others, the memory is a file in `/dev/shm` (or `$XDG_RUNTIME_DIR`, or the folder
//! of temporary files). A process that is killed leaves its counts there and its place to the next; a child of a fork gets a
//! place of its own when it first records. Where no file can be had, the process counts alone and says so.
//!
//! What it does *not* do: it makes no requests and no plans, it judges nothing (see `pulse-stats`), and it starts one thread,
//! which looks at the monitors once a second. Recording from a signal handler is not supported.

mod backing;
mod cell;
mod clock;
mod config;
mod core;
mod custom;
mod dropped;
mod endpoint;
mod entry;
mod fork;
mod global;
mod group;
mod group_file;
mod hot;
mod layout;
#[cfg(feature = "trend")]
mod leak;
mod liveness;
mod lock_file;
mod mapping;
mod monitor;
mod name_table;
mod names;
mod process;
#[cfg(feature = "push")]
mod push;
mod reading;
mod region;
mod registry;
mod resources;
#[cfg(feature = "export")]
mod scrape;
mod shared_reader;
mod slow_queries;
mod summary;
mod sync;
mod ticker;
mod totals;
#[cfg(feature = "tower")]
mod tower;
mod warning;
mod window;
mod worker;
mod writer;

pub use config::{Config, Group};
pub use custom::{Cache, Counter, Pool, RunningTimer, Timer};
pub use endpoint::{Endpoint, RequestTimer};
pub use global::{get_monitor, record_cache_hit, record_cache_miss, record_db_query, record_request};
#[cfg(feature = "trend")]
pub use leak::{LeakSettings, LeakTrend, LeakWatch};
pub use monitor::Monitor;
pub use process::{Activity, ListenerError, Process, Usage, cpu_percent, memory_limit_bytes};
#[cfg(feature = "export")]
pub use pulse_export::Rendered;
pub use pulse_model::statement_kind;
#[cfg(feature = "push")]
pub use push::{OtlpPush, PushConfig, PushError, PushStats, RemoteWritePush};
pub use shared_reader::{SharedReader, SharedReaderError};
pub use slow_queries::SlowQuery;
pub use summary::{
    CacheSummary, Covered, DatabaseSummary, EndpointSummary, MonitorSummary, PoolSummary, Requests,
    ResourceSummary, ResponseTimes,
};
#[cfg(feature = "tower")]
pub use tower::{MonitorLayer, MonitorService, MonitoredAnswer, MonitoredBody};
pub use warning::set_warning_hook;
pub use worker::Worker;

/// The longest duration that is recorded: 30 days. Nothing that is measured from start to end takes longer; what claims to is
/// a mistake in units or clocks, and one of them would spoil every sum.
pub const LONGEST: std::time::Duration = std::time::Duration::from_hours(30 * 24);
