//! What Python hands over, made fit for the monitor. Values that cannot be true are no error of the program that records
//! them: they are counted as invalid. Only a wrong type is a `TypeError`.

use std::borrow::Cow;
use std::time::Duration;

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt, PyString};

/// What the monitor counts as invalid instead of recording it.
const INVALID: Duration = Duration::MAX;
/// Longest name that is looked at, in bytes: far more than the monitor keeps.
const NAME_BYTES: usize = 1024;

/// Methods that are told apart; all others are one, since they are the client's choice.
pub(crate) const METHODS: [&str; 11] =
    ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "QUERY", OTHER_METHOD];
const OTHER_METHOD: &str = "_OTHER";

/// A duration from seconds. Negative ones, NaN and infinities are invalid, and so is an integer beyond all floats.
#[inline]
pub(crate) fn duration(seconds: &Bound<'_, PyAny>) -> PyResult<Duration> {
    if let Ok(seconds) = seconds.cast_exact::<PyFloat>() {
        return Ok(from_seconds(seconds.value()));
    }
    match seconds.extract::<f64>() {
        Ok(seconds) => Ok(from_seconds(seconds)),
        Err(error) if error.is_instance_of::<PyOverflowError>(seconds.py()) => Ok(INVALID),
        Err(error) => Err(error),
    }
}

#[inline]
fn from_seconds(seconds: f64) -> Duration {
    let nanos = seconds * 1e9;
    // NaN is in no range.
    if (0.0..u64::MAX as f64).contains(&nanos) { Duration::from_nanos((nanos + 0.5) as u64) } else { INVALID }
}

/// An HTTP status; whatever is none becomes one that the monitor calls unknown.
#[inline]
pub(crate) fn status(status: &Bound<'_, PyAny>) -> PyResult<u16> {
    match status.cast::<PyInt>()?.extract::<u16>() {
        Ok(status) => Ok(status),
        Err(error) if error.is_instance_of::<PyOverflowError>(status.py()) => Ok(0),
        Err(error) => Err(error),
    }
}

/// A non-negative count; what is beyond its range is moved to the end of it.
pub(crate) fn count(count: &Bound<'_, PyAny>) -> PyResult<u64> {
    match count.cast::<PyInt>()?.extract::<u64>() {
        Ok(count) => Ok(count),
        Err(error) if error.is_instance_of::<PyOverflowError>(count.py()) => {
            Ok(if count.lt(0)? { 0 } else { u64::MAX })
        }
        Err(error) => Err(error),
    }
}

/// A name. Lone surrogates, which no UTF-8 has, are replaced.
pub(crate) fn name<'a>(name: &'a Bound<'_, PyString>) -> Cow<'a, str> {
    name.to_str().map_or_else(|_| lossy(name), Cow::Borrowed)
}

/// Only the beginning, which is all that is kept: a megabyte is not copied for it.
fn lossy(name: &Bound<'_, PyString>) -> Cow<'static, str> {
    let text = name.to_string_lossy();
    Cow::Owned(text[..text.floor_char_boundary(NAME_BYTES)].to_owned())
}

/// The place of a method in [`METHODS`].
#[inline]
pub(crate) fn method(method: &Bound<'_, PyAny>) -> PyResult<u8> {
    let method = method.cast::<PyString>()?;
    let other = METHODS.len() - 1;
    // Servers make a new object for each request, so that only the text says which one it is.
    let known = method.to_str().ok().and_then(|text| METHODS.iter().position(|method| *method == text));
    Ok(known.unwrap_or(other) as u8)
}
