//! Records what a service does, at a cost nobody notices.

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
mod statement;
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
#[cfg(feature = "push")]
pub use push::{OtlpPush, PushConfig, PushError, PushStats, RemoteWritePush};
pub use shared_reader::{SharedReader, SharedReaderError};
pub use slow_queries::SlowQuery;
pub use statement::statement_kind;
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
