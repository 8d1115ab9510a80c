//! A target: a limit that a service must meet, such as `p95 < 200ms`.
//!
//! The grammar, for load tests, suites, the monitor and the database alike:
//!
//! ```text
//! target     = subject [ "{" tag "=" value { "," tag "=" value } "}" ] comparison limit [ "per" number "requests" ]
//! subject    = [ metric "." ] statistic [ "/" statistic ] | estimate
//!            | "errors" | "success" | "throughput" | "dropped" | "checks"
//! estimate   = "memory_growth" | "cpu" | "cpu_per_request" | "degradation" | "duration" | "lost_messages"
//! metric     = name of a trend; response_time when left out
//! statistic  = "min" | "max" | "avg" | "median" | "stddev" | "p" number     (mean = avg, med = median)
//! comparison = "<" | "<=" | ">" | ">=" | "="                                (== = "=", ≤ and ≥ too)
//! limit      = number unit     unit: ns us ms s m h for times, B KB MB GB KiB MiB GiB for sizes,
//!                              % for shares, /s for throughput, none for counts and ratios
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::series::{metric, read_tags, tag, write_tags};
use crate::{Histogram, Nanos, Series, Snapshot, Tags};

/// What a target looks at.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// A statistic of a trend metric.
    Trend {
        /// Metric name, such as [`metric::RESPONSE_TIME`].
        metric: String,
        /// Which statistic of it.
        statistic: Statistic,
    },
    /// The ratio of two statistics of a trend metric, such as `p99 / p50`.
    Ratio {
        /// Metric name, such as [`metric::RESPONSE_TIME`].
        metric: String,
        /// What is divided.
        statistic: Statistic,
        /// By what.
        by: Statistic,
    },
    /// A value that a job works out itself and states with an interval, in [`Summary::estimates`](crate::Summary).
    Estimate(Estimate),
    /// Failed requests: a share (limit in %) or a count.
    Errors,
    /// Successful requests: a share (limit in %) or a count.
    Success,
    /// Requests completed per second.
    Throughput,
    /// Arrivals that found no free user: a share (limit in %) or a count.
    Dropped,
    /// Passed checks: a share (limit in %) or a count.
    Checks,
}

/// A value that is not recorded but worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Estimate {
    /// Growth of the service's resident memory, bytes per request.
    MemoryGrowth,
    /// CPU time of the service as a share of the cores that it may use.
    Cpu,
    /// CPU time of the service per request, nanoseconds.
    CpuPerRequest,
    /// How many times slower the service is under more load: ratio of the 95th percentiles.
    Degradation,
    /// Length of the whole case, nanoseconds.
    Duration,
    /// Messages that were sent and never came back.
    LostMessages,
}

impl Estimate {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::MemoryGrowth,
        Self::Cpu,
        Self::CpuPerRequest,
        Self::Degradation,
        Self::Duration,
        Self::LostMessages,
    ];

    /// The name in targets and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MemoryGrowth => "memory_growth",
            Self::Cpu => "cpu",
            Self::CpuPerRequest => "cpu_per_request",
            Self::Degradation => "degradation",
            Self::Duration => "duration",
            Self::LostMessages => "lost_messages",
        }
    }

    /// The units that a limit of it may have; the first is that of the estimate.
    const fn units(self) -> &'static [Unit] {
        match self {
            Self::MemoryGrowth => &[Unit::Bytes],
            Self::Cpu => &[Unit::Share],
            Self::CpuPerRequest | Self::Duration => &[Unit::Nanoseconds],
            Self::Degradation | Self::LostMessages => &[Unit::Count],
        }
    }
}

/// A statistic of a trend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
    /// Arithmetic mean.
    Mean,
    /// Sample standard deviation.
    Stddev,
    /// Nearest-rank quantile, in (0, 1).
    Quantile(f64),
}

impl Statistic {
    /// The statistic's value in the unit of the trend; `None` without values.
    pub fn of(self, trend: &Histogram) -> Option<f64> {
        match self {
            Self::Min => trend.min().map(|value| value as f64),
            Self::Max => trend.max().map(|value| value as f64),
            Self::Mean => trend.mean(),
            Self::Stddev => trend.stddev(),
            Self::Quantile(q) => trend.quantile(q).map(|quantile| quantile.estimate as f64),
        }
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Min => f.write_str("min"),
            Self::Max => f.write_str("max"),
            Self::Mean => f.write_str("avg"),
            Self::Stddev => f.write_str("stddev"),
            Self::Quantile(q) => write!(f, "p{}", percent(*q)),
        }
    }
}

/// How the measured value must compare with the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Strictly below.
    Less,
    /// At most.
    AtMost,
    /// Strictly above.
    Greater,
    /// At least.
    AtLeast,
    /// Equal.
    Equal,
}

impl Comparison {
    /// Whether `value` meets `limit`.
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Less => value < limit,
            Self::AtMost => value <= limit,
            Self::Greater => value > limit,
            Self::AtLeast => value >= limit,
            Self::Equal => (value - limit).abs() <= f64::EPSILON * limit.abs().max(1.0),
        }
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Equal => "=",
        }
    }
}

/// The unit of a limit and of the measured value beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Nanoseconds.
    Nanoseconds,
    /// Bytes.
    Bytes,
    /// A share of 1; written in percent.
    Share,
    /// Events per second.
    PerSecond,
    /// A number of events.
    Count,
}

/// A limit that a service must meet.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// What is looked at.
    pub subject: Subject,
    /// Restricts the subject to series with these tags.
    pub tags: Tags,
    /// How it must compare.
    pub comparison: Comparison,
    /// The limit in `unit`.
    pub limit: f64,
    /// Unit of `limit`.
    pub unit: Unit,
    /// What the limit was written for: with `50MB per 1000 requests`, `limit` is 50 000 bytes and `per` is 1000.
    pub per: u64,
}

impl Target {
    /// The measured value in the target's unit; `None` when nothing was measured, and for estimates, which a snapshot
    /// does not hold.
    pub fn measure(&self, snapshot: &Snapshot) -> Option<f64> {
        let (part, whole) = match &self.subject {
            Subject::Trend { statistic, .. } => return statistic.of(&self.trend(snapshot)),
            Subject::Ratio { statistic, by, .. } => {
                let trend = self.trend(snapshot);
                let divisor = by.of(&trend).filter(|&divisor| divisor > 0.0)?;
                return statistic.of(&trend).map(|value| value / divisor);
            }
            Subject::Estimate(_) => return None,
            Subject::Throughput => {
                let seconds = snapshot.length().as_secs_f64();
                return (seconds > 0.0).then(|| self.requests(snapshot) as f64 / seconds);
            }
            Subject::Errors => (self.failed(snapshot), self.requests(snapshot)),
            Subject::Success => {
                let requests = self.requests(snapshot);
                (requests - self.failed(snapshot).min(requests), requests)
            }
            Subject::Dropped => {
                let count = |name| snapshot.counter(&self.selector(name));
                (count(metric::DROPPED_ITERATIONS), count(metric::DUE_ITERATIONS))
            }
            Subject::Checks => {
                let rate = snapshot.rate(&self.selector(metric::CHECKS));
                (rate.hits, rate.total)
            }
        };
        let value = if self.unit == Unit::Share { part as f64 / whole as f64 } else { part as f64 };
        (whole > 0).then_some(value)
    }

    /// The merged trend that a [`Subject::Trend`] looks at; for the other subjects that of response times.
    pub fn trend(&self, snapshot: &Snapshot) -> Histogram {
        match &self.subject {
            Subject::Trend { metric, .. } | Subject::Ratio { metric, .. } => {
                snapshot.trend(&self.selector(metric))
            }
            _ => snapshot.trend(&self.selector(metric::RESPONSE_TIME)),
        }
    }

    /// The series whose trend is judged; `None` for subjects that are counts or estimates.
    pub fn judged_series(&self) -> Option<Series> {
        match &self.subject {
            Subject::Trend { metric, .. } | Subject::Ratio { metric, .. } => Some(self.selector(metric)),
            _ => None,
        }
    }

    /// Whether `value` meets the limit.
    pub fn holds(&self, value: f64) -> bool {
        self.comparison.holds(value, self.limit)
    }

    /// Writes a value in the target's unit as people read it: `12.40ms`, `99.99%`, `999.17 req/s`.
    pub fn show(&self, value: f64) -> String {
        let value = value * self.per as f64;
        match self.unit {
            Unit::Nanoseconds => format!("{:.2}ms", value / 1e6),
            Unit::Bytes => format!("{:.2}MB", value / 1e6),
            Unit::Share => format!("{:.2}%", value * 100.0),
            Unit::PerSecond => format!("{value:.2} req/s"),
            Unit::Count => format!("{}", (value * 1000.0).round() / 1000.0),
        }
    }

    fn selector(&self, name: &str) -> Series {
        Series { metric: name.into(), tags: self.tags.clone() }
    }

    fn requests(&self, snapshot: &Snapshot) -> u64 {
        self.trend(snapshot).count()
    }

    fn failed(&self, snapshot: &Snapshot) -> u64 {
        snapshot.trend(&self.selector(metric::RESPONSE_TIME).with(tag::OUTCOME, "failed")).count()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Subject::Trend { metric: name, statistic } => {
                if name != metric::RESPONSE_TIME {
                    write!(f, "{name}.")?;
                }
                write!(f, "{statistic}")?;
            }
            Subject::Ratio { metric: name, statistic, by } => {
                if name != metric::RESPONSE_TIME {
                    write!(f, "{name}.")?;
                }
                write!(f, "{statistic} / {by}")?;
            }
            Subject::Estimate(estimate) => f.write_str(estimate.name())?,
            Subject::Errors => f.write_str("errors")?,
            Subject::Success => f.write_str("success")?,
            Subject::Throughput => f.write_str("throughput")?,
            Subject::Dropped => f.write_str("dropped")?,
            Subject::Checks => f.write_str("checks")?,
        }
        write_tags(&self.tags, f)?;
        write!(f, " {} ", self.comparison.symbol())?;
        let limit = self.limit * self.per as f64;
        match self.unit {
            Unit::Nanoseconds => write!(f, "{}", Nanos(limit as u64))?,
            Unit::Bytes => write!(f, "{limit}B")?,
            Unit::Share => write!(f, "{}%", percent(limit))?,
            Unit::PerSecond => write!(f, "{limit}/s")?,
            Unit::Count => write!(f, "{limit}")?,
        }
        if self.per == 1 { Ok(()) } else { write!(f, " per {} requests", self.per) }
    }
}

/// A share in percent without the noise of binary fractions: 0.999 is 99.9, not 99.90000000000001.
fn percent(share: f64) -> f64 {
    (share * 100.0 * 1e9).round() / 1e9
}

/// Why a text is not a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a target: {reason} (column {})", at + 1)]
pub struct TargetError {
    /// The offending text.
    pub text: String,
    /// Byte offset of the mistake.
    pub at: usize,
    /// What is wrong there and what would be right.
    pub reason: String,
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let fail = |at: usize, reason: String| TargetError { text: text.to_owned(), at, reason };
        let subject_end = text.find(['{', '<', '>', '=', '≤', '≥']).ok_or_else(|| {
            fail(
                text.len(),
                "a comparison (<, <=, >, >= or =) is missing; write for example p95 < 200ms".into(),
            )
        })?;
        let mut at = subject_end;
        let mut tags = Tags::new();
        if text[at..].starts_with('{') {
            (tags, at) = read_tags(text, at).map_err(|error| fail(error.at, error.reason.into()))?;
        }
        let subject =
            read_subject(&text[..subject_end]).map_err(|reason| fail(leading_blanks(text), reason))?;
        at += leading_blanks(&text[at..]);
        let (comparison, len) = read_comparison(&text[at..])
            .ok_or_else(|| fail(at, "a comparison (<, <=, >, >= or =) is expected here".into()))?;
        at += len;
        at += leading_blanks(&text[at..]);
        let (limit_text, per) = split_per(text[at..].trim_end()).map_err(|reason| fail(at, reason))?;
        let (limit, unit) = read_limit(limit_text).map_err(|reason| fail(at, reason))?;
        let target = Self { subject, tags, comparison, limit: limit / per as f64, unit, per };
        target.check_unit().map_err(|reason| fail(at, reason))?;
        Ok(target)
    }
}

fn leading_blanks(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

fn read_subject(text: &str) -> Result<Subject, String> {
    let text = text.trim();
    let subject = match text {
        "" => return Err("what to compare is missing; write for example p95 < 200ms".into()),
        "errors" | "error_rate" => Subject::Errors,
        "success" | "success_rate" => Subject::Success,
        "throughput" | "rate" | "rps" => Subject::Throughput,
        "dropped" | "dropped_iterations" => Subject::Dropped,
        "checks" => Subject::Checks,
        _ => {
            if let Some(estimate) = Estimate::ALL.into_iter().find(|estimate| estimate.name() == text) {
                return Ok(Subject::Estimate(estimate));
            }
            if let Some((part, by)) = text.split_once('/') {
                let (metric, statistic) =
                    split_metric(part.trim()).unwrap_or((metric::RESPONSE_TIME, part.trim()));
                let (statistic, by) = (read_statistic(statistic)?, read_statistic(by.trim())?);
                return Ok(Subject::Ratio { metric: metric.to_owned(), statistic, by });
            }
            let (metric, statistic) = split_metric(text).unwrap_or((metric::RESPONSE_TIME, text));
            Subject::Trend { metric: metric.to_owned(), statistic: read_statistic(statistic)? }
        }
    };
    Ok(subject)
}

/// Splits `metric.statistic`. The dot in `p99.9` is not a separator: a metric's name does not end in `p` and digits
/// directly before a numeric rest.
fn split_metric(text: &str) -> Option<(&str, &str)> {
    text.match_indices('.').find_map(|(at, _)| {
        let (name, statistic) = (text[..at].trim(), text[at + 1..].trim());
        let named = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.is_empty();
        let numeric = statistic.starts_with(|c: char| c.is_ascii_digit());
        (named && !numeric).then_some((name, statistic))
    })
}

fn read_statistic(text: &str) -> Result<Statistic, String> {
    match text {
        "min" => return Ok(Statistic::Min),
        "max" => return Ok(Statistic::Max),
        "avg" | "mean" | "average" => return Ok(Statistic::Mean),
        "median" | "med" => return Ok(Statistic::Quantile(0.5)),
        "stddev" => return Ok(Statistic::Stddev),
        _ => {}
    }
    let digits = text
        .strip_prefix('p')
        .map(|rest| rest.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(rest));
    match digits.and_then(|digits| digits.parse::<f64>().ok()) {
        Some(p) if p > 0.0 && p < 100.0 => Ok(Statistic::Quantile(percent(p / 10_000.0))),
        Some(p) => Err(format!("percentile p{p} is not between p0 and p100 (use min and max for the ends)")),
        None => Err(format!(
            "`{text}` is not a statistic; known are p50 … p99.999, min, max, avg, median, stddev, errors, success, \
             throughput, dropped and checks"
        )),
    }
}

fn read_comparison(text: &str) -> Option<(Comparison, usize)> {
    [
        ("<=", Comparison::AtMost),
        (">=", Comparison::AtLeast),
        ("==", Comparison::Equal),
        ("≤", Comparison::AtMost),
        ("≥", Comparison::AtLeast),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
        ("=", Comparison::Equal),
    ]
    .into_iter()
    .find_map(|(symbol, comparison)| text.starts_with(symbol).then_some((comparison, symbol.len())))
}

/// Splits `50MB per 1000 requests` into the limit and 1000.
fn split_per(text: &str) -> Result<(&str, u64), String> {
    let Some((limit, per)) = text.split_once(" per ") else { return Ok((text, 1)) };
    let number = per.trim().trim_end_matches("requests").trim_end_matches("request").trim();
    match number.parse() {
        Ok(per @ 1..=1_000_000_000) => Ok((limit.trim_end(), per)),
        _ => {
            Err(format!("`{}` is not a number of requests; write for example per 1000 requests", per.trim()))
        }
    }
}

/// Reads a number of bytes as targets write it: `100MB`, `1.5GiB`; a bare number is bytes.
///
/// ```
/// use pulse_model::parse_bytes;
///
/// assert_eq!(parse_bytes("1.5KB"), Ok(1500));
/// assert!(parse_bytes("3ms").is_err());
/// ```
///
/// # Errors
/// What is wrong with the text, for people.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    match read_limit(text.trim())? {
        (number, Unit::Bytes | Unit::Count) => Ok(number.round() as u64),
        _ => Err(format!("`{text}` is not a size; write for example 100MB or 1GiB")),
    }
}

fn read_limit(text: &str) -> Result<(f64, Unit), String> {
    if text.is_empty() {
        return Err("a limit is missing; write for example 200ms, 1% or 100/s".into());
    }
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits]
        .parse()
        .map_err(|_| format!("`{text}` does not start with a number (no sign, no exponent)"))?;
    let unit = text[digits..].trim();
    let scaled = match unit {
        "" => (number, Unit::Count),
        "%" => (percent(number / 10_000.0), Unit::Share),
        "/s" | "req/s" | "rps" => (number, Unit::PerSecond),
        "B" => (number, Unit::Bytes),
        "kB" | "KB" => (number * 1e3, Unit::Bytes),
        "MB" => (number * 1e6, Unit::Bytes),
        "GB" => (number * 1e9, Unit::Bytes),
        "KiB" => (number * 1024.0, Unit::Bytes),
        "MiB" => (number * 1024.0 * 1024.0, Unit::Bytes),
        "GiB" => (number * 1024.0 * 1024.0 * 1024.0, Unit::Bytes),
        _ => {
            let compact: String = text.split_whitespace().collect();
            let nanos = compact.parse::<Nanos>().map_err(|_| {
                format!("`{unit}` is not a unit; known are ns us ms s m h, B KB MB GB KiB MiB GiB, % and /s")
            })?;
            (nanos.0 as f64, Unit::Nanoseconds)
        }
    };
    Ok(scaled)
}

impl Target {
    /// A limit must be in the unit of what it limits. A bare number of requests per second is taken as such.
    fn check_unit(&self) -> Result<(), String> {
        let allowed: &[Unit] = match &self.subject {
            Subject::Trend { metric: name, .. } if name.starts_with("bytes") || name.ends_with("bytes") => {
                &[Unit::Bytes]
            }
            Subject::Trend { .. } => &[Unit::Nanoseconds],
            Subject::Ratio { .. } => &[Unit::Count],
            Subject::Estimate(estimate) => estimate.units(),
            Subject::Throughput => &[Unit::PerSecond],
            Subject::Errors | Subject::Success | Subject::Dropped | Subject::Checks => {
                &[Unit::Share, Unit::Count]
            }
        };
        if allowed.contains(&self.unit) {
            if self.per != 1 && self.subject != Subject::Estimate(Estimate::MemoryGrowth) {
                return Err("only memory_growth has a limit per number of requests".into());
            }
            let may_exceed_whole = self.subject == Subject::Estimate(Estimate::Cpu);
            if self.unit == Unit::Share && self.limit > 1.0 && !may_exceed_whole {
                return Err("a share cannot be above 100%".into());
            }
            return Ok(());
        }
        Err(match allowed[0] {
            Unit::Nanoseconds => "a time limit needs a unit of time, for example 200ms".into(),
            Unit::Bytes => "a size limit needs a unit of size, for example 10KB".into(),
            Unit::PerSecond => "a throughput limit is written per second, for example 100/s".into(),
            Unit::Share if allowed.len() == 1 => "the limit is a share, for example 80%".into(),
            Unit::Count if allowed.len() == 1 => "the limit is a plain number, for example 5".into(),
            Unit::Share | Unit::Count => "the limit must be a share (1%) or a count (0)".into(),
        })
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
