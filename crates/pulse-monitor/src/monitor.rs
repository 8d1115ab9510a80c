//! The monitor: what a service holds to record and to ask.

use std::sync::Arc;
use std::time::Duration;

use pulse_model::{Nanos, Snapshot, metric};

use crate::backing::Backing;
use crate::clock;
use crate::config::{Config, Group};
use crate::core::Core;
use crate::custom::{Cache, Counter, Pool, Timer};
use crate::dropped::Dropped;
use crate::endpoint::{Endpoint, nanos};
use crate::entry::{Space, status_place};
use crate::fork;
use crate::group;
use crate::group_file;
use crate::layout::{CHUNKS, Geometry, SERIES_RANGE};
use crate::mapping::Mapping;
use crate::region::Region;
use crate::slow_queries::{SlowQuery, SlowQueryTable};
use crate::summary::{MonitorSummary, Occasion};
use crate::window::{MAX_SPAN, Window};
use crate::worker::Worker;
use pulse_model::statement_kind;

/// Records what a service does. Cheap to clone; all clones are one monitor.
#[derive(Clone, Debug)]
pub struct Monitor {
    core: Arc<Core>,
    /// The cache without a name.
    cache: Cache,
    slow: Counter,
    config: Arc<Config>,
    since: Nanos,
}

impl Monitor {
    /// A monitor. It never fails: where a group cannot be shared, the process counts alone, and
    /// [`warnings`](Self::warnings) says why.
    pub fn new(config: Config) -> Self {
        let max_series = config.max_series.clamp(*SERIES_RANGE.start(), *SERIES_RANGE.end());
        let mut warnings = Vec::new();
        let core = fork::watched(|| {
            let (region, backing, said) = storage(&config.group, max_series);
            warnings = said;
            Core::new(region, backing, config.error_status)
        });
        core.local(|registry| warnings.into_iter().for_each(|warning| core.warn(registry, warning)));
        core.tell();
        let entry = core.entry(Space::Cache, "", "").clone();
        let cache = Cache { core: core.clone(), entry };
        let entry = core.entry(Space::Own, metric::SLOW_QUERIES, "").clone();
        let slow = Counter { core: core.clone(), entry };
        Self { core, cache, slow, config: Arc::new(config), since: clock::now() }
    }

    // Handles.

    /// An endpoint, by its route template (never the raw path). Names are cut after 128 bytes and freed of control
    /// characters.
    pub fn endpoint(&self, route: &str) -> Endpoint {
        self.endpoint_with_method("", route)
    }

    /// An endpoint that is kept apart by the method of its requests.
    pub fn endpoint_with_method(&self, method: &str, route: &str) -> Endpoint {
        Endpoint { core: self.core.clone(), entry: self.core.entry(Space::Endpoint, route, method).clone() }
    }

    /// A cache with a name.
    pub fn cache(&self, name: &str) -> Cache {
        Cache { core: self.core.clone(), entry: self.core.entry(Space::Cache, name, "").clone() }
    }

    /// A pool with a name.
    pub fn pool(&self, name: &str) -> Pool {
        Pool { core: self.core.clone(), entry: self.core.entry(Space::Pool, name, "").clone() }
    }

    /// A counter of the service's own.
    pub fn counter(&self, name: &str) -> Counter {
        Counter { core: self.core.clone(), entry: self.core.entry(Space::Counter, name, "").clone() }
    }

    /// A timer of the service's own.
    pub fn timer(&self, name: &str) -> Timer {
        Timer { core: self.core.clone(), entry: self.core.entry(Space::Timer, name, "").clone() }
    }

    // Recording under a name.

    /// Records an answered request under its endpoint's name. See [`Endpoint::record`]; a handle is faster.
    #[inline]
    pub fn record_request(&self, endpoint: &str, duration: Duration, status: u16) {
        self.record_request_with_method("", endpoint, duration, status);
    }

    /// The same, kept apart by method.
    #[inline]
    pub fn record_request_with_method(&self, method: &str, endpoint: &str, duration: Duration, status: u16) {
        self.record(Space::Endpoint, endpoint, method, status_place(status), duration);
    }

    /// Records a query by its kind, for example `select`. One that took at least [`Config::slow_query`] is also counted as slow.
    #[inline]
    pub fn record_db_query(&self, duration: Duration, kind: &str) {
        self.record(Space::Query, kind, "", 0, duration);
        if self.is_slow(duration) {
            self.slow.add(1);
        }
    }

    /// Records a statement by its first keyword. One that is slow is also kept, without its values, among the
    /// [`slow_queries`](Self::slow_queries).
    pub fn record_db_statement(&self, sql: &str, duration: Duration) {
        self.record_db_query(duration, statement_kind(sql));
        if self.is_slow(duration) {
            self.keep_slow(sql, duration);
        }
    }

    #[inline]
    fn is_slow(&self, duration: Duration) -> bool {
        duration >= self.config.slow_query && nanos(duration).is_some()
    }

    #[cold]
    fn keep_slow(&self, sql: &str, duration: Duration) {
        let entered = self.core.locked(|_| {
            let table = self.core.region().slow_queries().ok_or(Dropped::Memory)?;
            table.record(sql, duration.into(), clock::unix_now());
            Ok(())
        });
        if let Err(reason) = entered {
            self.core.count_dropped(reason);
        }
    }

    #[inline]
    fn record(&self, space: Space, name: &str, method: &str, place: usize, duration: Duration) {
        let Some(nanos) = nanos(duration) else {
            return self.core.count_dropped(Dropped::Invalid);
        };
        self.core.trend(self.core.entry(space, name, method), place, nanos);
    }

    /// The cache without a name had what was asked for.
    #[inline]
    pub fn record_cache_hit(&self) {
        self.cache.hit();
    }

    /// It did not.
    #[inline]
    pub fn record_cache_miss(&self) {
        self.cache.miss();
    }

    // Asking.

    /// Everything recorded since the start, by all workers: what exporters send.
    pub fn totals(&self) -> Snapshot {
        self.core.totals().snapshot()
    }

    /// What was recorded in the last `span` (at most an hour), by all workers. The snapshot's interval says what it really covers.
    pub fn window(&self, span: Duration) -> Snapshot {
        self.core.read(|window, now, totals| window.over(Nanos::from(span), now, totals))
    }

    /// The figures of the last [`Config::window`], by all workers.
    pub fn summary(&self) -> MonitorSummary {
        let unix_seconds = clock::unix_now().as_secs_f64();
        self.core.read(|window, now, totals| {
            let requested = Nanos::from(self.config.window).clamp(Nanos::from_secs(1), MAX_SPAN);
            let occasion = Occasion { requested, uptime: now.since(self.since), unix_seconds };
            MonitorSummary::new(&window.over(requested, now, totals), occasion)
        })
    }

    /// Whether memory grows with time and with requests: of all workers, as long as this process and its fellows have been
    /// running. `None` in the first minutes.
    #[cfg(feature = "trend")]
    pub fn leak_trend(&self) -> Option<crate::LeakTrend> {
        self.core.leak_trend()
    }

    /// The slowest statements, without their values, the one that took most time first; of all workers.
    pub fn slow_queries(&self) -> Vec<SlowQuery> {
        self.core.region().slow_queries().map(SlowQueryTable::list).unwrap_or_default()
    }

    /// The processes that record here: this one, or all of the group.
    pub fn workers(&self) -> Vec<Worker> {
        self.core.workers()
    }

    /// The memory that holds what is recorded, of all workers together, in bytes. It grows with the number of series and of
    /// threads at a time, never with what is recorded.
    pub fn storage_bytes(&self) -> usize {
        self.core.region().used_bytes()
    }

    /// What the host should know, each thing once: that a group could not be shared, for example.
    pub fn warnings(&self) -> Vec<String> {
        self.core.local(|registry| registry.warnings.list().to_vec())
    }

    /// Forgets this process's windows, and the slow statements of all workers. [`totals`](Self::totals) go on, because who reads
    /// them takes a counter that fell for one that began anew.
    pub fn reset(&self) {
        let cleared = self.core.locked(|_| {
            self.core.region().slow_queries().into_iter().for_each(SlowQueryTable::clear);
            Ok(())
        });
        if let Err(reason) = cleared {
            self.core.count_dropped(reason);
        }
        self.core.read(Window::reset);
    }

    /// When the totals began, in Unix time: when the first process of the group did, or this one.
    pub fn began(&self) -> Nanos {
        self.core.region().began()
    }

    /// See [`Core::take_task`].
    #[cfg(feature = "push")]
    pub(crate) fn take_task(&self, task: u64) -> bool {
        self.core.take_task(task)
    }

    #[cfg(feature = "push")]
    pub(crate) fn leave_task(&self, task: u64) {
        self.core.leave_task(task);
    }

    #[cfg(feature = "push")]
    pub(crate) fn count_dropped(&self, reason: Dropped) {
        self.core.count_dropped(reason);
    }

    /// Adds a warning and tells the host.
    #[cfg(feature = "push")]
    pub(crate) fn warn(&self, warning: String) {
        self.core.local(|registry| self.core.warn(registry, warning));
        self.core.tell();
    }

    /// The settings with which it was made.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// The memory of a group, or else of this process alone, and what is to be said about it.
fn storage(group: &Group, max_series: usize) -> (Region, Backing, Vec<String>) {
    let mut refusals = Vec::new();
    let place = group::place(group);
    for path in place.iter().flat_map(|place| &place.paths) {
        let identity = place.as_ref().map_or(0, |place| place.identity);
        match group_file::open(path, identity, max_series) {
            Ok(opened) => {
                let (region, backing) = opened.into();
                return (region, backing, refusals);
            }
            Err(refused) => refusals.push(format!("{} cannot be shared: {refused}", path.display())),
        }
    }
    let warning = place.map(|place| {
        let reasons = refusals.join("; ");
        format!("this process counts alone, not with the group `{}`: {reasons}", place.name)
    });
    let (region, backing) = private(max_series);
    (region, backing, warning.into_iter().collect())
}

/// Memory of this process alone. With little address space, it is less of it.
fn private(max_series: usize) -> (Region, Backing) {
    let sizes = [CHUNKS, CHUNKS / 16, CHUNKS / 256, 1];
    let region = sizes.iter().find_map(|&chunks| {
        let geometry = Geometry::new(max_series, chunks)?;
        Some(Region::new(Mapping::private(geometry.len).ok()?, geometry))
    });
    let region =
        region.expect("a process that cannot have a megabyte of address space could not have started");
    let mut backing = Backing::Private;
    region.format(0, &mut backing).expect("private memory is never refused later");
    (region, backing)
}
