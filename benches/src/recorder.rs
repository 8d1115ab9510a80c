//! A library under measurement.

use std::time::Duration;

use crate::peers;

/// Records a batch of response times, the i-th under the endpoint of the i-th label (of one label: under that one).
pub type Batch = Box<dyn FnMut(&[Duration], &[String])>;

/// A library that records requests.
pub struct Recorder {
    /// Name of the library, and what is special about its use.
    pub name: &'static str,
    /// Makes what one thread needs to record by a handle that was looked up once, if the library has such a thing.
    pub by_handle: Option<Box<dyn Fn() -> Batch + Send + Sync>>,
    /// Makes what one thread needs to record by the endpoint's name, looked up every time.
    pub by_name: Option<Box<dyn Fn() -> Batch + Send + Sync>>,
    /// Work that the library wants done now and then; part of its cost.
    pub upkeep: Box<dyn Fn() + Send + Sync>,
}

impl Recorder {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, by_handle: None, by_name: None, upkeep: Box::new(|| ()) }
    }

    pub(crate) fn handle(mut self, make: impl Fn() -> Batch + Send + Sync + 'static) -> Self {
        self.by_handle = Some(Box::new(make));
        self
    }

    pub(crate) fn named(mut self, make: impl Fn() -> Batch + Send + Sync + 'static) -> Self {
        self.by_name = Some(Box::new(make));
        self
    }
}

/// All of them, our own first.
pub fn recorders() -> Vec<Recorder> {
    vec![
        peers::pulse::recorder(),
        peers::metrics::recorder(),
        peers::prometheus_client::recorder(),
        peers::prometheus::recorder(),
        peers::opentelemetry::recorder(),
        peers::hdrhistogram::recorder(),
    ]
}
