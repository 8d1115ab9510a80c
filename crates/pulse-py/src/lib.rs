//! The extension module `pulse_perf._native`: the monitor, the judge of targets and the command, for Python.
//!
//! ```python
//! from pulse_perf import record_request
//! record_request("/api/v1/execute", 0.05, 200)
//! ```
//!
//! [`monitor`] is a monitor as an object, [`process_monitor`] the functions that record into the process's own,
//! [`measurement`] what the pytest plugin asks, [`command`] the program `pulse`. What is Python's own business (middlewares,
//! hooks, the plugin) is written in Python, in `python/pulse_perf`.
//!
//! What it does *not* do: no logic of its own. And recording never gives up the interpreter's lock, which would cost more
//! than the record.

mod arguments;
mod command;
mod endpoint_cache;
mod measurement;
mod monitor;
mod process_monitor;
mod request_probe;
mod route_recorder;
mod values;

/// What Python cannot do itself, or not fast enough.
#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use crate::command::run_command;
    #[pymodule_export]
    use crate::measurement::Measurement;
    #[pymodule_export]
    use crate::monitor::{Endpoint, PerformanceMonitor};
    #[pymodule_export]
    use crate::process_monitor::{
        configure, get_monitor, get_performance_summary, record_cache_hit, record_cache_miss,
        record_db_query, record_db_statement, record_request, record_route,
    };
    #[pymodule_export]
    use crate::request_probe::RequestProbe;
    #[pymodule_export]
    use crate::route_recorder::RouteRecorder;
}
