//! The process's own monitor, and the functions of the module that record into it.

use std::cell::RefCell;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};

use crate::arguments;
use crate::endpoint_cache::{EndpointCache, NO_METHOD};
use crate::monitor::PerformanceMonitor;

static OWN: PyOnceLock<Py<PerformanceMonitor>> = PyOnceLock::new();

thread_local! {
    /// Per thread, so that finding an endpoint takes no lock.
    static ENDPOINTS: RefCell<EndpointCache> = RefCell::default();
}

/// The process's monitor, made on first use: only then is it known which group the process belongs to.
#[pyfunction]
pub(crate) fn get_monitor(py: Python<'_>) -> PyResult<&Py<PerformanceMonitor>> {
    OWN.get_or_try_init(py, || make(py, &PyDict::new(py)))
}

/// Makes the process's monitor with settings other than the usual ones. `RuntimeError` when it is there already.
#[pyfunction]
#[pyo3(
    signature = (**settings),
    text_signature = "(*, window_size=300.0, slow_query=0.05, max_series=2000, error_status=400, group=None)"
)]
pub(crate) fn configure(py: Python<'_>, settings: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
    let in_use =
        || pyo3::exceptions::PyRuntimeError::new_err("the monitor is in use already: configure it first");
    if OWN.get(py).is_some() {
        return Err(in_use());
    }
    let monitor = make(py, settings.unwrap_or(&PyDict::new(py)))?;
    OWN.set(py, monitor).map_err(|_| in_use())
}

fn make(py: Python<'_>, settings: &Bound<'_, PyDict>) -> PyResult<Py<PerformanceMonitor>> {
    let settings = settings.copy()?;
    if !settings.contains("group")? {
        settings.set_item("group", py.import("pulse_perf._group")?.call_method0("own_group")?)?;
    }
    let made = py.get_type::<PerformanceMonitor>().call((), Some(&settings))?;
    Ok(made.cast_into::<PerformanceMonitor>()?.unbind())
}

/// Records a request: its route's template (never the raw path), how many seconds it took, its status.
#[pyfunction]
#[pyo3(
    signature = (endpoint, duration, status_code = None, method = None),
    text_signature = "(endpoint, duration, status_code=200, method=None)"
)]
pub(crate) fn record_request(
    endpoint: &Bound<'_, PyAny>,
    duration: &Bound<'_, PyAny>,
    status_code: Option<&Bound<'_, PyAny>>,
    method: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let method = method.map_or(Ok(NO_METHOD), arguments::method)?;
    let status = status_code.map_or(Ok(200), arguments::status)?;
    record(endpoint, method, arguments::duration(duration)?, status)
}

/// The same for middlewares: fast where the route is the same object each time, whatever the method is.
#[pyfunction]
#[pyo3(signature = (method, route, duration, status, /))]
pub(crate) fn record_route(
    method: &Bound<'_, PyAny>,
    route: &Bound<'_, PyAny>,
    duration: &Bound<'_, PyAny>,
    status: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let duration = arguments::duration(duration)?;
    record(route, arguments::method(method)?, duration, arguments::status(status)?)
}

#[inline]
fn record(endpoint: &Bound<'_, PyAny>, method: u8, duration: Duration, status: u16) -> PyResult<()> {
    let found = ENDPOINTS.try_with(|cache| {
        let cache = cache.borrow();
        cache.find(endpoint, method).map(|endpoint| endpoint.record(duration, status)).is_some()
    });
    if found == Ok(true) { Ok(()) } else { record_first(endpoint, method, duration, status) }
}

/// A name that this thread has not seen, or a thread that is ending, whose cache is gone.
#[cold]
fn record_first(endpoint: &Bound<'_, PyAny>, method: u8, duration: Duration, status: u16) -> PyResult<()> {
    let monitor = get_monitor(endpoint.py())?.get().monitor();
    let learnt = ENDPOINTS.try_with(|cache| cache.borrow_mut().learn(monitor, endpoint, method));
    let handle = learnt.unwrap_or_else(|_| EndpointCache::default().learn(monitor, endpoint, method))?;
    handle.record(duration, status);
    Ok(())
}

/// Records a query of a kind, for example `select`, that took so many seconds.
#[pyfunction]
#[pyo3(
    signature = (duration, query_type = None),
    text_signature = "(duration, query_type='other')"
)]
pub(crate) fn record_db_query(
    py: Python<'_>,
    duration: &Bound<'_, PyAny>,
    query_type: Option<&Bound<'_, PyString>>,
) -> PyResult<()> {
    get_monitor(py)?.get().record_db_query(duration, query_type)
}

/// Records a statement. The kind is its first keyword; slow ones are kept with their text, literals replaced.
#[pyfunction]
pub(crate) fn record_db_statement(
    py: Python<'_>,
    statement: &Bound<'_, PyString>,
    duration: &Bound<'_, PyAny>,
) -> PyResult<()> {
    get_monitor(py)?.get().record_db_statement(statement, duration)
}

/// A cache had what was asked for.
#[pyfunction]
#[pyo3(signature = (cache = None))]
pub(crate) fn record_cache_hit(py: Python<'_>, cache: Option<&Bound<'_, PyString>>) -> PyResult<()> {
    get_monitor(py)?.get().record_cache_hit(cache);
    Ok(())
}

/// It did not.
#[pyfunction]
#[pyo3(signature = (cache = None))]
pub(crate) fn record_cache_miss(py: Python<'_>, cache: Option<&Bound<'_, PyString>>) -> PyResult<()> {
    get_monitor(py)?.get().record_cache_miss(cache);
    Ok(())
}

/// `get_monitor().get_summary()`.
#[pyfunction]
pub(crate) fn get_performance_summary(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    get_monitor(py)?.get().get_summary(py)
}
