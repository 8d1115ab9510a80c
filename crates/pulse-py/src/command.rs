//! The command `pulse`: the wheel ships the same program as the binary.

use std::ffi::OsString;
use std::io::Write as _;

use pyo3::prelude::*;

/// Runs the command line and returns its exit code, one of those in `pulse --help`. The first argument is the program's
/// name.
#[pyfunction]
pub(crate) fn run_command(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| {
        let code = pulse_cli::main_with(arguments);
        // A binary's runtime does this at its end, an extension module has none. A reader that has gone away needs nothing.
        let _ = std::io::stdout().flush();
        code
    })
}
