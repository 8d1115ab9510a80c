//! Requests of an ASGI application, recorded by the route that its router has left in the scope.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pulse_model::endpoint::UNMATCHED;
use pyo3::exceptions::PyException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use pyo3::{PyTraverseError, PyVisit};

use crate::arguments;
use crate::endpoint_cache::{EndpointCache, NO_METHOD};
use crate::monitor::PerformanceMonitor;
use crate::process_monitor::get_monitor;
use crate::request_probe::RequestProbe;

/// What a middleware does for every request: finds the endpoint by the identity of the route, and records. What is done once
/// per route, finding its name, is Python's: `names(scope, mounted_at)` gives the name, or `None` for a route that is not
/// recorded, and whether every request of that route has this name.
#[pyclass(module = "pulse_perf._native", frozen)]
pub(crate) struct RouteRecorder {
    names: Py<PyAny>,
    monitor: Option<Py<PerformanceMonitor>>,
    endpoints: Mutex<Endpoints>,
}

#[derive(Default)]
struct Endpoints {
    by_route: EndpointCache,
    /// For routes whose name depends on more than themselves.
    by_name: EndpointCache,
}

#[pymethods]
impl RouteRecorder {
    /// For a monitor, by default the process's own.
    #[new]
    #[pyo3(signature = (names, monitor = None))]
    fn new(names: Py<PyAny>, monitor: Option<Py<PerformanceMonitor>>) -> Self {
        Self { names, monitor, endpoints: Mutex::default() }
    }

    /// Begins a request: what is returned takes the place of `send`.
    #[pyo3(signature = (scope, send, /))]
    fn begin(
        slf: Bound<'_, Self>,
        scope: Bound<'_, PyAny>,
        send: Bound<'_, PyAny>,
    ) -> PyResult<RequestProbe> {
        let mounted_at = mounted_at(&scope)?;
        Ok(RequestProbe::new(slf.unbind(), scope.unbind(), mounted_at, send.unbind()))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // The endpoints' keys are strings and routes; routes never lead back here without passing through a dictionary.
        visit.call(&self.names)?;
        self.monitor.iter().try_for_each(|monitor| visit.call(monitor))
    }
}

impl RouteRecorder {
    /// Records the request of a scope. Whatever the application has left in there, it raises nothing.
    pub(crate) fn record(
        &self,
        scope: &Bound<'_, PyAny>,
        mounted_at: Option<&Bound<'_, PyAny>>,
        duration: Duration,
        status: u16,
    ) -> PyResult<()> {
        let method = method(scope);
        let route = route(scope).unwrap_or_default();
        if let Some(route) = &route
            && let Some(endpoint) = self.endpoints().by_route.find(route, method)
        {
            endpoint.record(duration, status);
            return Ok(());
        }
        let py = scope.py();
        let Some((name, is_fixed)) = self.name(scope, mounted_at)? else { return Ok(()) };
        let monitor = match &self.monitor {
            Some(monitor) => monitor,
            None => get_monitor(py)?,
        };
        let mut endpoints = self.endpoints();
        let endpoint = match endpoints.by_name.find(&name, method) {
            Some(endpoint) => endpoint.clone(),
            None => endpoints.by_name.learn(monitor.get().monitor(), &name, method)?,
        };
        endpoint.record(duration, status);
        if let Some(route) = route.filter(|_| is_fixed) {
            let forgotten = endpoints.by_route.remember(&route, method, endpoint);
            drop(endpoints);
            drop(forgotten);
        }
        Ok(())
    }

    fn name<'py>(
        &self,
        scope: &Bound<'py, PyAny>,
        mounted_at: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<(Bound<'py, PyAny>, bool)>> {
        let py = scope.py();
        let found = self.names.bind(py).call1((scope, mounted_at));
        match found.and_then(|found| found.extract::<(Bound<'py, PyAny>, bool)>()) {
            Ok((name, _)) if name.is_none() => Ok(None),
            Ok(found) => Ok(Some(found)),
            // A router that leaves something else behind than those that are known.
            Err(error) if error.is_instance_of::<PyException>(py) => {
                Ok(Some((PyString::intern(py, UNMATCHED).into_any(), false)))
            }
            Err(error) => Err(error),
        }
    }

    fn endpoints(&self) -> MutexGuard<'_, Endpoints> {
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the middleware itself is below a mount, the `root_path` below which names begin.
fn mounted_at(scope: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
    let py = scope.py();
    let Ok(scope) = scope.cast::<PyDict>() else { return Ok(None) };
    if !scope.contains(intern!(py, "app_root_path"))? {
        return Ok(None);
    }
    Ok(scope.get_item(intern!(py, "root_path"))?.map(Bound::unbind))
}

fn method(scope: &Bound<'_, PyAny>) -> u8 {
    let scope = scope.cast::<PyDict>().ok();
    let method = scope.and_then(|scope| scope.get_item(intern!(scope.py(), "method")).ok().flatten());
    method.and_then(|method| arguments::method(&method).ok()).unwrap_or(NO_METHOD)
}

/// The object that stands for the route of a scope; the twin of `RouteNames.of` in `_routes.py` for the common case. `None`
/// where the name depends on more: nothing matched, or the application is below a mount.
fn route<'py>(scope: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = scope.py();
    // Any mapping is allowed, and every server makes a dictionary.
    let Ok(scope) = scope.cast::<PyDict>() else { return Ok(None) };
    let Some(route) = scope.get_item(intern!(py, "route"))? else { return Ok(None) };
    if scope.contains(intern!(py, "app_root_path"))? {
        return Ok(None);
    }
    let Some(inner) = scope.get_item(intern!(py, "fastapi"))? else { return Ok(Some(route)) };
    let Ok(inner) = inner.cast::<PyDict>() else { return Ok(None) };
    let context = inner.get_item(intern!(py, "effective_route_context"))?;
    let original = match &context {
        Some(context) => context.getattr_opt(intern!(py, "original_route"))?,
        None => None,
    };
    Ok(if original.is_some_and(|it| it.is(&route)) { context } else { Some(route) })
}
