//! The monitor of the process, for whoever does not want to hand one around.

use std::sync::OnceLock;
use std::time::Duration;

use crate::config::{Config, Group};
use crate::monitor::Monitor;

/// The monitor of this process, made when it is first asked for, with default settings and [`Group::FromEnvironment`].
pub fn get_monitor() -> &'static Monitor {
    static MONITOR: OnceLock<Monitor> = OnceLock::new();
    MONITOR.get_or_init(|| Monitor::new(Config { group: Group::FromEnvironment, ..Config::default() }))
}

/// [`Monitor::record_request`] of [`get_monitor`].
#[inline]
pub fn record_request(endpoint: &str, duration: Duration, status: u16) {
    get_monitor().record_request(endpoint, duration, status);
}

/// [`Monitor::record_db_query`] of [`get_monitor`].
#[inline]
pub fn record_db_query(duration: Duration, kind: &str) {
    get_monitor().record_db_query(duration, kind);
}

/// [`Monitor::record_cache_hit`] of [`get_monitor`].
#[inline]
pub fn record_cache_hit() {
    get_monitor().record_cache_hit();
}

/// [`Monitor::record_cache_miss`] of [`get_monitor`].
#[inline]
pub fn record_cache_miss() {
    get_monitor().record_cache_miss();
}
