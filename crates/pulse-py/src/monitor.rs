//! `PerformanceMonitor`: a monitor as Python sees it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pulse_monitor::{Config, Group, Monitor};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::arguments;
use crate::endpoint_cache::{EndpointCache, NO_METHOD};
use crate::values::to_python;

/// Records what a service does, and says what it was. May be used by any number of threads.
#[pyclass(module = "pulse_perf._native", name = "PerformanceMonitor", frozen)]
pub(crate) struct PerformanceMonitor {
    monitor: Monitor,
    cache: Mutex<EndpointCache>,
}

/// Which processes count together, as Python says it: a name, the id of their supervisor, or nothing.
#[derive(FromPyObject)]
pub(crate) enum PythonGroup {
    #[pyo3(transparent)]
    Supervised(u32),
    #[pyo3(transparent)]
    Named(String),
}

#[pymethods]
impl PerformanceMonitor {
    /// A monitor of its own. Settings beyond their range are moved to its end; `ValueError` for NaN.
    #[new]
    #[pyo3(signature = (window_size = 300.0, *, slow_query = 0.05, max_series = 2000, error_status = 400, group = None))]
    fn new(
        window_size: f64,
        slow_query: f64,
        max_series: usize,
        error_status: u16,
        group: Option<PythonGroup>,
    ) -> PyResult<Self> {
        let config = Config {
            window: seconds("window_size", window_size)?,
            slow_query: seconds("slow_query", slow_query)?,
            max_series,
            error_status,
            group: group.map_or(Group::Private, Group::from),
        };
        Ok(Self::from(Monitor::new(config)))
    }

    /// Records a request: its route's template (never the raw path), how many seconds it took, its status.
    #[pyo3(
        signature = (endpoint, duration, status_code = None, method = None),
        text_signature = "($self, endpoint, duration, status_code=200, method=None)"
    )]
    fn record_request(
        &self,
        endpoint: &Bound<'_, PyAny>,
        duration: &Bound<'_, PyAny>,
        status_code: Option<&Bound<'_, PyAny>>,
        method: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let method = method.map_or(Ok(NO_METHOD), arguments::method)?;
        let status = status_code.map_or(Ok(200), arguments::status)?;
        self.record(endpoint, method, arguments::duration(duration)?, status)
    }

    /// The same for middlewares: fast where the route is the same object each time, whatever the method is.
    #[pyo3(signature = (method, route, duration, status, /))]
    fn record_route(
        &self,
        method: &Bound<'_, PyAny>,
        route: &Bound<'_, PyAny>,
        duration: &Bound<'_, PyAny>,
        status: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let duration = arguments::duration(duration)?;
        self.record(route, arguments::method(method)?, duration, arguments::status(status)?)
    }

    /// Records a query of a kind, for example `select`, that took so many seconds.
    #[pyo3(
        signature = (duration, query_type = None),
        text_signature = "($self, duration, query_type='other')"
    )]
    pub(crate) fn record_db_query(
        &self,
        duration: &Bound<'_, PyAny>,
        query_type: Option<&Bound<'_, PyString>>,
    ) -> PyResult<()> {
        let kind = query_type.map_or("other".into(), arguments::name);
        self.monitor.record_db_query(arguments::duration(duration)?, &kind);
        Ok(())
    }

    /// Records a statement. The kind is its first keyword; slow ones are kept with their text, literals replaced.
    pub(crate) fn record_db_statement(
        &self,
        statement: &Bound<'_, PyString>,
        duration: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.monitor.record_db_statement(&arguments::name(statement), arguments::duration(duration)?);
        Ok(())
    }

    /// A cache had what was asked for.
    #[pyo3(signature = (cache = None))]
    pub(crate) fn record_cache_hit(&self, cache: Option<&Bound<'_, PyString>>) {
        match cache {
            Some(cache) => self.monitor.cache(&arguments::name(cache)).hit(),
            None => self.monitor.record_cache_hit(),
        }
    }

    /// It did not.
    #[pyo3(signature = (cache = None))]
    pub(crate) fn record_cache_miss(&self, cache: Option<&Bound<'_, PyString>>) {
        match cache {
            Some(cache) => self.monitor.cache(&arguments::name(cache)).miss(),
            None => self.monitor.record_cache_miss(),
        }
    }

    /// Adds to a counter of the service's own.
    #[pyo3(signature = (name, count = None), text_signature = "($self, name, count=1)")]
    fn count(&self, name: &Bound<'_, PyString>, count: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let count = count.map_or(Ok(1), arguments::count)?;
        self.monitor.counter(&arguments::name(name)).add(count);
        Ok(())
    }

    /// Records a duration in seconds under a name of the service's own.
    fn record_time(&self, name: &Bound<'_, PyString>, duration: &Bound<'_, PyAny>) -> PyResult<()> {
        self.monitor.timer(&arguments::name(name)).record(arguments::duration(duration)?);
        Ok(())
    }

    /// Says how many connections a pool holds, how many are in use, and how many wait for one.
    #[pyo3(signature = (name, *, size = None, in_use = None, waiting = None))]
    fn set_pool(
        &self,
        name: &Bound<'_, PyString>,
        size: Option<&Bound<'_, PyAny>>,
        in_use: Option<&Bound<'_, PyAny>>,
        waiting: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let pool = self.monitor.pool(&arguments::name(name));
        let [size, in_use, waiting] = [size, in_use, waiting].map(|it| it.map(arguments::count).transpose());
        size?.into_iter().for_each(|size| pool.set_size(size));
        in_use?.into_iter().for_each(|in_use| pool.set_in_use(in_use));
        waiting?.into_iter().for_each(|waiting| pool.set_waiting(waiting));
        Ok(())
    }

    /// An endpoint, found once: the fastest way to record its requests.
    #[pyo3(signature = (name, *, method = None))]
    fn endpoint(&self, name: &Bound<'_, PyString>, method: Option<&Bound<'_, PyAny>>) -> PyResult<Endpoint> {
        let method = method.map_or(Ok(NO_METHOD), arguments::method)?;
        Ok(Endpoint(self.cache().learn(&self.monitor, name.as_any(), method)?))
    }

    /// All figures of the last `window_size` seconds.
    pub(crate) fn get_summary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.summary(py)
    }

    /// Requests per second.
    fn get_request_rate<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.part(py, &["requests", "rate_per_second"])
    }

    /// Share of failed requests, 0 to 1.
    fn get_error_rate<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.part(py, &["requests", "error_rate"])
    }

    /// Response times of all requests in milliseconds.
    fn get_response_time_stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.part(py, &["response_times"])
    }

    /// Figures by endpoint, or of one: empty where it had no request.
    #[pyo3(signature = (endpoint = None))]
    fn get_endpoint_stats<'py>(
        &self,
        py: Python<'py>,
        endpoint: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let all = self.part(py, &["endpoints"])?;
        match endpoint {
            None => Ok(all),
            Some(endpoint) => {
                Ok(all.cast::<PyDict>()?.get_item(endpoint)?.unwrap_or_else(|| PyDict::new(py).into_any()))
            }
        }
    }

    /// Hits and misses.
    fn get_cache_stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.part(py, &["cache"])
    }

    /// Figures of database statements.
    fn get_database_stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.part(py, &["database"])
    }

    /// CPU time and memory of the processes.
    fn get_resource_stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.part(py, &["resources"])
    }

    /// The slowest queries of this process with their text.
    fn slow_queries<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &py.detach(|| self.monitor.slow_queries()))
    }

    /// The processes that record into this monitor.
    fn workers<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let workers = py.detach(|| self.monitor.workers());
        let as_dict = |worker: &pulse_monitor::Worker| {
            let dict = PyDict::new(py);
            dict.set_item("worker", worker.number)?;
            dict.set_item("pid", worker.pid)?;
            Ok(dict)
        };
        workers.iter().map(as_dict).collect()
    }

    /// What does not work as it should, for example a group that cannot be shared.
    fn warnings(&self) -> Vec<String> {
        self.monitor.warnings()
    }

    /// Forgets what summaries are about. What is exported goes on counting.
    fn reset(&self, py: Python<'_>) {
        py.detach(|| self.monitor.reset());
    }

    /// The totals of all workers for a scraper: content type, content encoding, body.
    #[pyo3(signature = (accept = "", accept_encoding = ""))]
    fn render<'py>(
        &self,
        py: Python<'py>,
        accept: &str,
        accept_encoding: &str,
    ) -> (String, Option<String>, Bound<'py, PyBytes>) {
        let rendered = py.detach(|| pulse_export::render(&self.monitor.totals(), accept, accept_encoding));
        let encoding = rendered.content_encoding.map(str::to_owned);
        (rendered.content_type.into_owned(), encoding, PyBytes::new(py, &rendered.body))
    }
}

impl From<Monitor> for PerformanceMonitor {
    fn from(monitor: Monitor) -> Self {
        Self { monitor, cache: Mutex::default() }
    }
}

impl From<PythonGroup> for Group {
    fn from(group: PythonGroup) -> Self {
        match group {
            PythonGroup::Named(name) => Self::Named(name),
            PythonGroup::Supervised(pid) => Self::Supervised(pid),
        }
    }
}

impl PerformanceMonitor {
    /// The monitor itself.
    pub(crate) fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    fn cache(&self) -> MutexGuard<'_, EndpointCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(
        &self,
        endpoint: &Bound<'_, PyAny>,
        method: u8,
        duration: Duration,
        status: u16,
    ) -> PyResult<()> {
        let mut cache = self.cache();
        match cache.find(endpoint, method) {
            Some(endpoint) => endpoint.record(duration, status),
            None => cache.learn(&self.monitor, endpoint, method)?.record(duration, status),
        }
        Ok(())
    }

    fn summary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &py.detach(|| self.monitor.summary()))
    }

    fn part<'py>(&self, py: Python<'py>, names: &[&str]) -> PyResult<Bound<'py, PyAny>> {
        names.iter().try_fold(self.summary(py)?, |part, name| part.get_item(name))
    }
}

/// One endpoint of a monitor, found once: the fastest way to record its requests.
#[pyclass(module = "pulse_perf._native", frozen)]
pub(crate) struct Endpoint(pulse_monitor::Endpoint);

#[pymethods]
impl Endpoint {
    /// Records a request: how many seconds it took, and its status.
    #[pyo3(signature = (duration, status_code = None), text_signature = "($self, duration, status_code=200)")]
    fn record(&self, duration: &Bound<'_, PyAny>, status_code: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let status = status_code.map_or(Ok(200), arguments::status)?;
        self.0.record(arguments::duration(duration)?, status);
        Ok(())
    }
}

/// A setting in seconds; what is beyond its range is moved to the end of it by the monitor.
fn seconds(name: &str, seconds: f64) -> PyResult<Duration> {
    if seconds.is_nan() {
        return Err(PyValueError::new_err(format!("{name} is not a number of seconds")));
    }
    Ok(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
}
