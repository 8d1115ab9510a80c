//! One request of an ASGI application, from its arrival to the last byte of its response.

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Instant;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use crate::arguments;
use crate::route_recorder::RouteRecorder;

const INTERNAL_SERVER_ERROR: u16 = 500;
const CLIENT_CLOSED_REQUEST: u16 = 499;
const NO_CONTENT: u16 = 204;
const NOT_MODIFIED: u16 = 304;

/// Takes the place of `send`: sees the messages of a response and passes them on. The request is recorded *before* the message
/// with which the client has its whole answer: who was answered was counted, even if the process is killed in the next instant.
#[pyclass(module = "pulse_perf._native", frozen)]
pub(crate) struct RequestProbe {
    recorder: Py<RouteRecorder>,
    scope: Py<PyAny>,
    mounted_at: Option<Py<PyAny>>,
    send: Py<PyAny>,
    begin: Instant,
    status: AtomicU16,
    is_recorded: AtomicBool,
}

#[pymethods]
impl RequestProbe {
    /// Passes a message on, and returns what is to be awaited.
    #[pyo3(signature = (message, /))]
    fn __call__<'py>(&self, py: Python<'py>, message: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if self.is_whole_after(message).unwrap_or(false) {
            self.record(py, self.status.load(Ordering::Relaxed))?;
        }
        self.send.bind(py).call1((message,))
    }

    /// The application has returned. A server answers 500 where there was no response.
    fn end(&self, py: Python<'_>) -> PyResult<()> {
        self.record(py, self.status_or(INTERNAL_SERVER_ERROR))
    }

    /// The application has raised an exception.
    fn fail(&self, py: Python<'_>) -> PyResult<()> {
        self.record(py, INTERNAL_SERVER_ERROR)
    }

    /// The client has gone, which is no failure of a service that has begun to answer.
    fn leave(&self, py: Python<'_>) -> PyResult<()> {
        self.record(py, self.status_or(CLIENT_CLOSED_REQUEST))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.recorder)?;
        visit.call(&self.scope)?;
        visit.call(&self.send)
    }
}

impl RequestProbe {
    /// A request that arrives now.
    pub(crate) fn new(
        recorder: Py<RouteRecorder>,
        scope: Py<PyAny>,
        mounted_at: Option<Py<PyAny>>,
        send: Py<PyAny>,
    ) -> Self {
        let (status, is_recorded) = (AtomicU16::new(0), AtomicBool::new(false));
        Self { recorder, scope, mounted_at, send, begin: Instant::now(), status, is_recorded }
    }

    fn record(&self, py: Python<'_>, status: u16) -> PyResult<()> {
        // Only one task sends; the swap is for applications that do not keep to it.
        if self.is_recorded.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let mounted_at = self.mounted_at.as_ref().map(|path| path.bind(py));
        self.recorder.get().record(self.scope.bind(py), mounted_at, self.begin.elapsed(), status)
    }

    /// The status of the response that has begun; the other one where there is none.
    fn status_or(&self, other: u16) -> u16 {
        match self.status.load(Ordering::Relaxed) {
            0 => other,
            status => status,
        }
    }

    /// Whether the client has its whole answer with this message. What is not as the specification has it is for the server to
    /// refuse.
    fn is_whole_after(&self, message: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = message.py();
        let Ok(message) = message.cast::<PyDict>() else { return Ok(false) };
        let Some(kind) = message.get_item(intern!(py, "type"))? else { return Ok(false) };
        let is = |name: &Bound<'_, PyAny>| Ok::<bool, PyErr>(kind.is(name) || kind.eq(name)?);
        if is(intern!(py, "http.response.body"))? {
            let more = message.get_item(intern!(py, "more_body"))?;
            return Ok(!more.map_or(Ok(false), |more| more.is_truthy())?);
        }
        if !is(intern!(py, "http.response.start"))? {
            return is(intern!(py, "http.response.pathsend"));
        }
        let status = message.get_item(intern!(py, "status"))?;
        let status = status.and_then(|status| arguments::status(&status).ok()).unwrap_or(0);
        self.status.store(status, Ordering::Relaxed);
        Ok(matches!(status, NO_CONTENT | NOT_MODIFIED) || has_no_bytes(message)? || self.is_head(py)?)
    }

    fn is_head(&self, py: Python<'_>) -> PyResult<bool> {
        let Ok(scope) = self.scope.bind(py).cast::<PyDict>() else { return Ok(false) };
        scope.get_item(intern!(py, "method"))?.map_or(Ok(false), |method| method.eq(intern!(py, "HEAD")))
    }
}

/// Whether the head of a response says that nothing follows. Any iterable of headers is allowed, but only a list may be looked
/// at without using it up.
fn has_no_bytes(message: &Bound<'_, PyDict>) -> PyResult<bool> {
    static NO_BYTES: PyOnceLock<Py<PyTuple>> = PyOnceLock::new();
    let py = message.py();
    let Some(headers) = message.get_item(intern!(py, "headers"))? else { return Ok(false) };
    let Ok(headers) = headers.cast_exact::<PyList>() else { return Ok(false) };
    let header = NO_BYTES.get_or_try_init(py, || {
        let header = [PyBytes::new(py, b"content-length"), PyBytes::new(py, b"0")];
        PyTuple::new(py, header).map(Bound::unbind)
    })?;
    headers.contains(header)
}
