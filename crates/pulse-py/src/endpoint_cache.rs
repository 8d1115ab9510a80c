//! Endpoints by the identity of the object that stands for them.
//!
//! A service names an endpoint with the same object again and again: a literal, the template of a route, or the route itself.
//! Comparing one pointer is much cheaper than comparing texts. Every entry holds a reference to its object, so that the
//! address cannot come to belong to another one while the entry is there.

use pulse_monitor::{Endpoint, Monitor};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::arguments::{self, METHODS};

/// Places. More endpoints than that work as well, a little slower.
const PLACES: usize = 512;
/// Longer strings are not kept alive: the cache is bounded in bytes too.
const KEPT_CHARACTERS: usize = 512;
/// Stands for a request without a method.
pub(crate) const NO_METHOD: u8 = u8::MAX;

/// A bounded cache; a new entry takes the place of an old one.
pub(crate) struct EndpointCache {
    places: Box<[Option<Place>]>,
}

/// An object and a method with their endpoint.
pub(crate) struct Place {
    key: Py<PyAny>,
    method: u8,
    endpoint: Endpoint,
}

impl Default for EndpointCache {
    fn default() -> Self {
        Self { places: std::iter::repeat_with(|| None).take(PLACES).collect() }
    }
}

impl EndpointCache {
    /// The endpoint of an object and a method, by identity.
    #[inline]
    pub(crate) fn find(&self, key: &Bound<'_, PyAny>, method: u8) -> Option<&Endpoint> {
        let place = self.places[place_of(key, method)].as_ref()?;
        (place.key.as_ptr() == key.as_ptr() && place.method == method).then_some(&place.endpoint)
    }

    /// Remembers the endpoint of an object and a method. The object is kept alive until another takes its place.
    ///
    /// What had the place before is returned. It must be dropped without any lock: where it was the last reference to an
    /// object, Python code may run.
    #[must_use]
    pub(crate) fn remember(
        &mut self,
        key: &Bound<'_, PyAny>,
        method: u8,
        endpoint: Endpoint,
    ) -> Option<Place> {
        self.places[place_of(key, method)].replace(Place { key: key.clone().unbind(), method, endpoint })
    }

    /// The endpoint of a name and a method by its text, remembered for the next time. `TypeError` for what is no `str`.
    #[cold]
    pub(crate) fn learn(
        &mut self,
        monitor: &Monitor,
        name: &Bound<'_, PyAny>,
        method: u8,
    ) -> PyResult<Endpoint> {
        let text = name.cast::<PyString>()?;
        let endpoint = resolve(monitor, &arguments::name(text), method);
        // A subclass may be as large as it likes.
        if name.is_exact_instance_of::<PyString>() && text.len()? <= KEPT_CHARACTERS {
            // In a cache that is filled by this function everything is a plain string, whose end runs no code.
            drop(self.remember(name, method, endpoint.clone()));
        }
        Ok(endpoint)
    }
}

fn resolve(monitor: &Monitor, name: &str, method: u8) -> Endpoint {
    match METHODS.get(usize::from(method)) {
        Some(method) => monitor.endpoint_with_method(method, name),
        None => monitor.endpoint(name),
    }
}

/// Objects lie at multiples of 16, and those that are made together lie near each other: the low bits tell them apart, once
/// the constant ones are gone.
#[inline]
fn place_of(key: &Bound<'_, PyAny>, method: u8) -> usize {
    let address = key.as_ptr() as usize >> 4;
    (address ^ (address >> 9) ^ (usize::from(method) << 5)) % PLACES
}
