//! Endpoints by the identity of the string that names them.
//!
//! A service names an endpoint with the same object again and again: a literal, or the template of a route. Comparing one
//! pointer is much cheaper than comparing texts. Every entry holds a reference to its string, so that the address cannot come
//! to belong to another one while the entry is there.

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

struct Place {
    name: Py<PyAny>,
    method: u8,
    endpoint: Endpoint,
}

impl Default for EndpointCache {
    fn default() -> Self {
        Self { places: std::iter::repeat_with(|| None).take(PLACES).collect() }
    }
}

impl EndpointCache {
    /// The endpoint of a name and a method, by identity.
    #[inline]
    pub(crate) fn find(&self, name: &Bound<'_, PyAny>, method: u8) -> Option<&Endpoint> {
        let place = self.places[place_of(name, method)].as_ref()?;
        (place.name.as_ptr() == name.as_ptr() && place.method == method).then_some(&place.endpoint)
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
            let place = Place { name: name.clone().unbind(), method, endpoint: endpoint.clone() };
            self.places[place_of(name, method)] = Some(place);
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
fn place_of(name: &Bound<'_, PyAny>, method: u8) -> usize {
    let address = name.as_ptr() as usize >> 4;
    (address ^ (address >> 9) ^ (usize::from(method) << 5)) % PLACES
}
