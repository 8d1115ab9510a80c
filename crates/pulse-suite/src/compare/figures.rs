//! The figures of two runs side by side, with the uncertainty of their ratio.

use pulse_model::{Estimate, Finding, Histogram, Interval, Measured, Series, Severity, Statistic, Unit, tag};
use pulse_stats::{
    Bootstrap, CONFIDENCE, MIN_INTERVALS, TwoSamples, compare_intervals, mean_interval_over,
    quantile_interval_over,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF as _, Normal, StudentsT};

use super::{CompareOptions, Pair, Spread, Spreads, Z_95, spans};
use crate::run_data::{RunData, selector};

/// What is compared of response times.
const STATISTICS: [Statistic; 4] =
    [Statistic::Quantile(0.5), Statistic::Quantile(0.95), Statistic::Quantile(0.99), Statistic::Mean];
/// Most endpoints that are compared; a run has a few thousand series at most.
const MAX_ENDPOINTS: usize = 1000;
/// Parts into which the samples of a short run are dealt out.
const PARTS: usize = 40;
/// The resolution of response times that are worth a ratio, 1 µs.
const MIN_TIME: f64 = 1_000.0;
/// Requests per second below which a service is as good as silent.
const MIN_RATE: f64 = 1e-3;
/// Rates are kept as whole numbers of millionths.
const RATE_SCALE: f64 = 1e6;

/// One figure of two runs, before significance is corrected.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    pub(super) subject: String,
    pub(super) unit: Unit,
    pub(super) before: Measured,
    pub(super) after: Measured,
    pub(super) ratio: Measured,
    pub(super) p_value: f64,
    pub(super) more_is_worse: bool,
    /// Whether the whole interval of the difference is less than the smallest amount that matters.
    pub(super) negligible: bool,
    /// Whether a run was too short to know how its figures scatter.
    pub(super) too_short: bool,
}

/// All figures that both runs have. What could not be compared is added to the findings.
pub(super) fn figures(pair: &Pair<'_>, options: &CompareOptions, findings: &mut Vec<Finding>) -> Vec<Figure> {
    let Pair { before, after, .. } = *pair;
    let mut figures = Vec::new();
    let mut too_few = Vec::new();
    for endpoint in subjects(before, after) {
        let sides = Sides::of(pair, endpoint, options);
        for statistic in STATISTICS {
            match sides.response_time(statistic) {
                Some(figure) => figures.push(figure),
                None => too_few.push(sides.subject(&statistic.to_string())),
            }
        }
        figures.extend(sides.errors(options.min_errors));
    }
    if super::notes::same_plan(before, after) {
        figures.extend(throughput(pair, options));
    }
    figures.extend(estimates(pair, options));
    let too_short = [before, after].into_iter().any(is_too_short);
    figures.iter_mut().for_each(|figure| figure.too_short = too_short);
    if let Some(first) = too_few.first() {
        let rest = too_few.len() - 1;
        let others = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        findings.push(Finding {
            code: "too_few_to_compare".into(),
            severity: Severity::Note,
            subject: first.clone(),
            message: format!("{first}{others} cannot be compared: one of the runs has too few samples of it"),
            help: Some("run longer, or with more load, on both sides".into()),
            ..Finding::default()
        });
    }
    figures
}

/// Whether nothing can follow from a run that has response times, because it ended too soon.
pub(super) fn is_too_short(run: &RunData) -> bool {
    !run.intervals.is_empty() && (run.intervals.len() < MIN_INTERVALS || !spans(&run.intervals))
}

/// The run as a whole, then its endpoints where there are several.
fn subjects<'a>(before: &RunData, after: &'a RunData) -> Vec<Option<&'a str>> {
    let known = before.summary.endpoints();
    let endpoints = after.summary.endpoints();
    if endpoints.len() < 2 && known.len() < 2 {
        return vec![None];
    }
    let both = endpoints.into_iter().filter(|name| known.binary_search(name).is_ok());
    std::iter::once(None).chain(both.map(Some).take(MAX_ENDPOINTS)).collect()
}

/// The intervals of one endpoint, or of all, in both runs.
struct Sides<'a> {
    endpoint: Option<&'a str>,
    times: [Vec<Histogram>; 2],
    outcomes: [Vec<Histogram>; 2],
    bootstrap: Bootstrap,
    between: Between<'a>,
}

impl<'a> Sides<'a> {
    fn of(pair: &Pair<'a>, endpoint: Option<&'a str>, options: &CompareOptions) -> Self {
        let bootstrap = options.bootstrap;
        let runs = [pair.before, pair.after];
        let mut sides = Self {
            endpoint,
            times: runs.map(|run| run.response_times(endpoint)),
            outcomes: runs.map(|run| outcomes(run, endpoint)),
            bootstrap,
            between: Between::of(pair, options),
        };
        if sides.times.iter().any(|times| times.len() < MIN_INTERVALS) {
            let deal =
                |[a, b]: &[Vec<Histogram>; 2]| [dealt(a, bootstrap.seed), dealt(b, bootstrap.seed ^ 1)];
            sides.times = deal(&sides.times);
            sides.outcomes = deal(&sides.outcomes);
            sides.bootstrap.block = Some(1);
        }
        sides
    }

    /// The name of a figure, in the form of a series.
    fn subject(&self, figure: &str) -> String {
        let series = Series::new(figure);
        match self.endpoint {
            Some(endpoint) => series.with(tag::ENDPOINT, endpoint).to_string(),
            None => series.to_string(),
        }
    }

    fn compared(&self, pair: &[Vec<Histogram>; 2], statistic: Statistic) -> Option<TwoSamples> {
        compare_intervals(&pair[0], &pair[1], statistic, &self.bootstrap)
    }

    fn response_time(&self, statistic: Statistic) -> Option<Figure> {
        let [before, after] = [measured(&self.times[0], statistic)?, measured(&self.times[1], statistic)?];
        // Endpoints have no history of their own; they differ between runs as the whole does.
        let found = self.between.widened(self.compared(&self.times, statistic)?, &statistic.to_string());
        let before = Measured { value: found.before, ..before };
        let after = Measured { value: found.after, ..after };
        Some(Figure {
            subject: self.subject(&statistic.to_string()),
            unit: Unit::Nanoseconds,
            before,
            after,
            ratio: ratio(&found, MIN_TIME, before.samples.min(after.samples)),
            p_value: found.p_value,
            more_is_worse: true,
            negligible: negligible(&found, MIN_TIME),
            too_short: false,
        })
    }

    /// Failures are noughts and ones whose mean is their share; blocks of intervals know that failures come in bursts.
    fn errors(&self, least: f64) -> Option<Figure> {
        let found = self.compared(&self.outcomes, Statistic::Mean)?;
        let side = |outcomes: &[Histogram], value: f64| {
            let samples = count(outcomes);
            let (lo, hi) = mean_interval_over(outcomes, CONFIDENCE)
                .map_or((value, value), |over| (over.estimate.lo.max(0.0), over.estimate.hi.min(1.0)));
            Measured { value, lo: lo.min(value), hi: hi.max(value), samples }
        };
        let before = side(&self.outcomes[0], found.before);
        let after = side(&self.outcomes[1], found.after);
        let samples = before.samples.min(after.samples);
        Some(Figure {
            subject: self.subject("errors"),
            unit: Unit::Share,
            before,
            after,
            ratio: raised_ratio(&found, least, samples),
            p_value: found.p_value,
            more_is_worse: true,
            negligible: negligible(&found, least),
            too_short: false,
        })
    }
}

fn count(histograms: &[Histogram]) -> u64 {
    histograms.iter().map(Histogram::count).sum()
}

/// A statistic with its own interval; `None` when there are too few samples for one.
fn measured(times: &[Histogram], statistic: Statistic) -> Option<Measured> {
    let over = match statistic {
        Statistic::Quantile(q) => quantile_interval_over(times, q, CONFIDENCE)?,
        _ => mean_interval_over(times, CONFIDENCE)?,
    };
    let estimate = over.estimate;
    Some(Measured { value: estimate.value, lo: estimate.lo, hi: estimate.hi, samples: count(times) })
}

/// Requests of each interval as noughts (ok) and ones (failed).
fn outcomes(run: &RunData, endpoint: Option<&str>) -> Vec<Histogram> {
    let all = selector(endpoint);
    let failed = all.clone().with(tag::OUTCOME, "failed");
    run.intervals
        .iter()
        .map(|interval| {
            let failures = interval.trend(&failed).count();
            let mut outcomes = Histogram::default();
            outcomes.record_n(0, interval.trend(&all).count().saturating_sub(failures));
            outcomes.record_n(1, failures);
            outcomes
        })
        .collect()
}

/// Deals the samples of a run out at random, so that its parts scatter as parts of independent samples do.
fn dealt(histograms: &[Histogram], seed: u64) -> Vec<Histogram> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let mut parts = vec![Histogram::default(); PARTS];
    for bucket in histograms.iter().flat_map(Histogram::buckets) {
        let middle = bucket.lower + (bucket.upper - bucket.lower) / 2;
        (0..bucket.count).for_each(|_| parts[chance.random_range(0..PARTS)].record(middle));
    }
    parts
}

fn ratio(found: &TwoSamples, least: f64, samples: u64) -> Measured {
    match found.ratio {
        Some(ratio) => Measured { value: ratio.value, lo: ratio.lo, hi: ratio.hi, samples },
        None => raised_ratio(found, least, samples),
    }
}

/// What two runs of one program differ by.
struct Between<'a> {
    /// Relative standard deviation.
    spread: f64,
    /// Standard deviation of times in nanoseconds.
    jitter: f64,
    known: Option<&'a Spreads>,
}

impl<'a> Between<'a> {
    fn of(pair: &Pair<'a>, options: &CompareOptions) -> Self {
        Self { spread: options.run_spread.max(0.0), jitter: options.run_jitter.max(0.0), known: pair.spreads }
    }

    /// Adds to the standard error of a ratio what two runs of one program differ by. The p-value never becomes smaller.
    ///
    /// A spread from the history holds the scatter within the runs as well; where it is larger than the rest it is the
    /// standard error, with its own degrees of freedom.
    fn widened(&self, found: TwoSamples, figure: &str) -> TwoSamples {
        let Some(ratio) = found.ratio else { return found };
        let log = ratio.value.ln();
        // With few blocks behind it this is more than the standard error, as it should be.
        let within = (ratio.hi / ratio.lo).ln() / (2.0 * Z_95);
        let jitter = |value: f64| if value > 0.0 { self.jitter / value } else { 0.0 };
        let apart =
            (self.spread * std::f64::consts::SQRT_2).hypot(jitter(found.before).hypot(jitter(found.after)));
        let (error, student) = self.error(within.hypot(apart), figure);
        let half = error * student.map_or(Z_95, |student| student.inverse_cdf(0.975));
        if !(half.is_finite() && error > 0.0) {
            return found;
        }
        let chance =
            student.map_or_else(|| tails(log / error), |student| 2.0 * student.cdf(-(log / error).abs()));
        let p_value = chance.clamp(0.0, 1.0).max(found.p_value);
        let ratio =
            pulse_stats::Estimate { value: ratio.value, lo: (log - half).exp(), hi: (log + half).exp() };
        TwoSamples { ratio: Some(ratio), p_value, ..found }
    }

    /// The standard error of the logarithm of a ratio, with its law where that is Student's.
    fn error(&self, assumed: f64, figure: &str) -> (f64, Option<StudentsT>) {
        let known = self.known.and_then(|spreads| spreads.of(figure));
        let known = known.map(|Spread { deviation, freedom }| {
            (deviation * std::f64::consts::SQRT_2, StudentsT::new(0.0, 1.0, freedom as f64).ok())
        });
        match known {
            Some((error, law)) if error > assumed => (error, law),
            _ => (assumed, None),
        }
    }
}

/// P(|Z| ≥ |z|) for a standard normal Z; 1 for what is not a number.
fn tails(z: f64) -> f64 {
    if z.is_nan() { 1.0 } else { (2.0 * Normal::standard().cdf(-z.abs())).clamp(0.0, 1.0) }
}

fn negligible(found: &TwoSamples, least: f64) -> bool {
    -least <= found.difference.lo && found.difference.hi <= least
}

/// The ratio with both sides raised to the smallest amount that matters; its interval is that of the difference.
fn raised_ratio(found: &TwoSamples, least: f64, samples: u64) -> Measured {
    let raised = |value: f64| value.max(least) / found.before.max(least);
    Measured {
        value: raised(found.after),
        lo: raised(found.before + found.difference.lo),
        hi: raised(found.before + found.difference.hi),
        samples,
    }
}

/// Completed requests per second, by interval.
fn throughput(pair: &Pair<'_>, options: &CompareOptions) -> Option<Figure> {
    let Pair { before, after, .. } = *pair;
    let rates = [rates(before), rates(after)];
    if rates.iter().any(|rates| rates.len() < MIN_INTERVALS) {
        return None;
    }
    let found = compare_intervals(&rates[0], &rates[1], Statistic::Mean, &options.bootstrap)?;
    let found = Between { jitter: 0.0, ..Between::of(pair, options) }.widened(found, "throughput");
    let side = |run: &RunData, rates: &[Histogram]| {
        let over = mean_interval_over(rates, CONFIDENCE)?.estimate;
        let value = over.value / RATE_SCALE;
        let (lo, hi) = (over.lo.max(0.0) / RATE_SCALE, over.hi / RATE_SCALE);
        Some(Measured { value, lo, hi, samples: run.summary.requests() })
    };
    let (before, after) = (side(before, &rates[0])?, side(after, &rates[1])?);
    Some(Figure {
        subject: "throughput".into(),
        unit: Unit::PerSecond,
        before,
        after,
        ratio: ratio(&found, MIN_RATE * RATE_SCALE, before.samples.min(after.samples)),
        p_value: found.p_value,
        more_is_worse: false,
        negligible: false,
        too_short: false,
    })
}

/// The rate of each interval as a histogram of one value. Intervals that were cut short say little and are left out.
fn rates(run: &RunData) -> Vec<Histogram> {
    let length =
        |interval: Option<Interval>| interval.map_or(0.0, |interval| interval.length().as_secs_f64());
    let longest = run.intervals.iter().map(|kept| length(kept.interval)).fold(0.0, f64::max);
    let all = selector(None);
    run.intervals
        .iter()
        .filter(|kept| longest > 0.0 && length(kept.interval) > longest / 2.0)
        .map(|kept| {
            let rate = kept.trend(&all).count() as f64 / length(kept.interval);
            let mut one = Histogram::default();
            one.record((rate * RATE_SCALE) as u64);
            one
        })
        .collect()
}

/// What both runs worked out themselves with an interval. A duration and a number of lost messages are facts of a run,
/// whose scatter nothing tells.
fn estimates(pair: &Pair<'_>, options: &CompareOptions) -> Vec<Figure> {
    let between = Between::of(pair, options);
    let compared = [
        (Estimate::MemoryGrowth, Unit::Bytes, options.min_growth_bytes),
        (Estimate::Cpu, Unit::Share, 0.01),
        (Estimate::CpuPerRequest, Unit::Nanoseconds, MIN_TIME),
        (Estimate::Degradation, Unit::Count, 0.01),
    ];
    compared
        .into_iter()
        .filter_map(|(estimate, unit, least)| {
            let side = |run: &RunData| run.summary.estimates.get(&estimate).copied().filter(has_interval);
            let (before, after) = (side(pair.before)?, side(pair.after)?);
            let found = difference(before, after, &between, estimate)?;
            Some(Figure {
                subject: estimate.name().into(),
                unit,
                before,
                after,
                ratio: raised_ratio(&found, least, before.samples.min(after.samples)),
                p_value: found.p_value,
                more_is_worse: true,
                negligible: negligible(&found, least),
                too_short: false,
            })
        })
        .collect()
}

fn has_interval(measured: &Measured) -> bool {
    let Measured { value, lo, hi, .. } = *measured;
    value.is_finite() && lo.is_finite() && hi.is_finite() && lo < hi
}

/// The difference of two estimates whose standard errors follow from their intervals, by the normal law, or from what runs of
/// one program are known to differ by, when that is more. Growth of memory is about zero, where a relative spread says nothing.
fn difference(before: Measured, after: Measured, between: &Between<'_>, of: Estimate) -> Option<TwoSamples> {
    let known = between.known.and_then(|spreads| spreads.of(of.name()));
    let relative = known.map_or(between.spread, |known| known.deviation.max(between.spread));
    let relative = if of == Estimate::MemoryGrowth { 0.0 } else { relative };
    let error = |side: Measured| ((side.hi - side.lo) / (2.0 * Z_95)).max(relative * side.value.abs());
    let error = error(before).hypot(error(after));
    let value = after.value - before.value;
    let p_value = tails(value / error);
    let half = Z_95 * error;
    let difference = pulse_stats::Estimate { value, lo: value - half, hi: value + half };
    let found = TwoSamples { before: before.value, after: after.value, ratio: None, difference, p_value };
    half.is_finite().then_some(found)
}
