//! Repeated calls of a function, judged against targets: what the pytest plugin asks.

use std::str::FromStr as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pulse_model::{
    Aggregate, Histogram, Interval, Nanos, Series, Snapshot, Statistic, Subject, Target, TargetResult,
    metric, tag,
};
use pulse_stats::judge_over;
use pulse_suite::is_decided;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Intervals that are kept. Beyond it neighbours are merged, so that a measurement of any length is judged at the same
/// cost; it is many more than the statistics of clustered samples need.
const MAX_INTERVALS: usize = 64;

/// Samples of a function with the targets it must meet.
#[pyclass(module = "pulse_perf._native", frozen)]
pub(crate) struct Measurement {
    targets: Vec<Target>,
    gathered: Mutex<Gathered>,
}

/// What was measured until now.
#[derive(Default)]
struct Gathered {
    totals: Snapshot,
    intervals: Vec<Snapshot>,
    /// Batches per interval, doubled whenever neighbours are merged.
    batches_per_interval: usize,
    /// Batches in the last interval.
    batches_in_last: usize,
}

#[pymethods]
impl Measurement {
    /// A measurement that is judged against `targets`, texts such as `p95 < 50ms`. `ValueError` for a text that is not a
    /// target, and for a target that calling a function cannot measure.
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "a list of Python is extracted into one of its own")]
    fn new(targets: Vec<String>) -> PyResult<Self> {
        let targets = targets.iter().map(|text| parse(text)).collect::<PyResult<Vec<Target>>>()?;
        Ok(Self { targets, gathered: Mutex::default() })
    }

    /// Adds a batch: the durations in nanoseconds of calls that succeeded and of those that failed, in order, and how long
    /// the batch took.
    #[expect(clippy::needless_pass_by_value, reason = "a list of Python is extracted into one of its own")]
    fn add(&self, succeeded: Vec<u64>, failed: Vec<u64>, elapsed_ns: u64) {
        self.lock().add(&succeeded, &failed, Nanos(elapsed_ns));
    }

    /// Number of samples.
    #[getter]
    fn samples(&self) -> u64 {
        self.lock().totals.trend(&Series::new(metric::RESPONSE_TIME)).count()
    }

    /// Whether the evidence decides all targets so clearly that more samples would hardly change the answer.
    fn is_decided(&self) -> bool {
        let gathered = self.lock();
        is_decided(&self.judged(&gathered), &gathered.intervals)
    }

    /// A dictionary per target: `target`, `verdict`, `value`, `lo`, `hi`, `samples` and `reason`; the figures are texts with
    /// their units, and `None` where nothing was measured.
    fn results<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let results = self.judged(&self.lock());
        results.iter().map(|result| dict(py, result)).collect()
    }

    /// Statistics of all samples in milliseconds: `min`, `median`, `mean`, `p95`, `p99`, `max`; `None` without samples.
    fn statistics<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let trend = self.lock().totals.trend(&Series::new(metric::RESPONSE_TIME));
        let statistics = PyDict::new(py);
        for (name, statistic) in [
            ("min", Statistic::Min),
            ("median", Statistic::Quantile(0.5)),
            ("mean", Statistic::Mean),
            ("p95", Statistic::Quantile(0.95)),
            ("p99", Statistic::Quantile(0.99)),
            ("max", Statistic::Max),
        ] {
            let Some(value) = statistic.of(&trend) else { return Ok(None) };
            statistics.set_item(name, value / 1e6)?;
        }
        Ok(Some(statistics))
    }
}

impl Measurement {
    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn judged(&self, gathered: &Gathered) -> Vec<TargetResult> {
        self.targets.iter().map(|target| judge_over(target, &gathered.totals, &gathered.intervals)).collect()
    }
}

impl Gathered {
    fn add(&mut self, succeeded: &[u64], failed: &[u64], elapsed: Nanos) {
        let from = self.totals.interval.map_or(Nanos::ZERO, |interval| interval.to);
        let to = Nanos(from.0.saturating_add(elapsed.0));
        let mut batch = Snapshot { interval: Some(Interval { from, to }), ..Snapshot::default() };
        for (outcome, durations) in [("ok", succeeded), ("failed", failed)] {
            let mut trend = Histogram::default();
            durations.iter().for_each(|&duration| trend.record(duration));
            if !trend.is_empty() {
                let series = Series::new(metric::RESPONSE_TIME).with(tag::OUTCOME, outcome);
                batch.add(series, Aggregate::Trend(trend));
            }
        }
        self.totals.merge(&batch);
        match self.intervals.last_mut() {
            Some(last) if self.batches_in_last < self.batches_per_interval => {
                last.merge(&batch);
                self.batches_in_last += 1;
            }
            _ => self.begin_interval(batch),
        }
    }

    fn begin_interval(&mut self, batch: Snapshot) {
        if self.intervals.len() == MAX_INTERVALS {
            self.intervals = self
                .intervals
                .chunks(2)
                .map(|pair| {
                    let mut both = pair[0].clone();
                    pair[1..].iter().for_each(|other| both.merge(other));
                    both
                })
                .collect();
            self.batches_per_interval *= 2;
        }
        self.batches_per_interval = self.batches_per_interval.max(1);
        self.batches_in_last = 1;
        self.intervals.push(batch);
    }
}

fn parse(text: &str) -> PyResult<Target> {
    let target = Target::from_str(text).map_err(|error| PyValueError::new_err(error.to_string()))?;
    let is_measured = match &target.subject {
        Subject::Trend { metric, .. } | Subject::Ratio { metric, .. } => metric == metric::RESPONSE_TIME,
        Subject::Errors | Subject::Success | Subject::Throughput => true,
        Subject::Dropped | Subject::Checks | Subject::Estimate(_) => false,
    };
    if is_measured && target.tags.is_empty() {
        return Ok(target);
    }
    Err(PyValueError::new_err(format!(
        "`{text}` cannot be measured by calling a function: use min, max, avg, median, stddev, p95 and other quantiles, \
         errors, success or throughput, without tags"
    )))
}

fn dict<'py>(py: Python<'py>, result: &TargetResult) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let shown = |value: Option<f64>| value.map(|value| result.target.show(value));
    dict.set_item("target", result.target.to_string())?;
    dict.set_item("verdict", result.verdict.as_str())?;
    dict.set_item("value", shown(result.measured.map(|measured| measured.value)))?;
    dict.set_item("lo", shown(result.measured.map(|measured| measured.lo)))?;
    dict.set_item("hi", shown(result.measured.map(|measured| measured.hi)))?;
    dict.set_item("samples", result.measured.map_or(0, |measured| measured.samples))?;
    dict.set_item("reason", result.reason.as_deref())?;
    Ok(dict)
}
