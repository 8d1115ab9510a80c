//! `pulse capacity`.

use std::path::Path;

use clap::Args;
use pulse_model::{Nanos, Target};
use pulse_plan::{ArrivalLaw, UrlRequest};
use pulse_suite::CapacityMode;

use crate::problem::Problem;
use crate::report_files::ReportRequest;
use crate::source::Source;

/// The smallest and the largest load, unless flags say otherwise.
const RATES: [f64; 2] = [10.0, 100_000.0];
const USERS: [f64; 2] = [1.0, 10_000.0];

/// Arguments of `pulse capacity`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CapacityArguments {
    /// What to load: a URL, or a scenario file (TOML).
    pub(crate) service: String,
    /// Search a rate of arrivals per second, which is the default.
    #[arg(long, conflicts_with = "users")]
    rate: bool,
    /// Search a number of users instead of a rate.
    #[arg(long)]
    users: bool,
    /// What the service must meet, for example "p95 < 200ms"; repeatable, replaces the defaults.
    #[arg(short, long = "target", value_name = "TARGET")]
    pub(crate) targets: Vec<Target>,
    /// The first and smallest load [default: 10/s, or 1 user].
    #[arg(long, value_name = "N")]
    start: Option<f64>,
    /// The highest load to try [default: 100000/s, or 10000 users].
    #[arg(long, value_name = "N")]
    max: Option<f64>,
    /// Length of a step, a fifth of it warm-up; the confirmation takes three times as long.
    #[arg(long, value_name = "D", default_value = "10s")]
    pub(crate) step_duration: Nanos,
    /// With --users: requests per second of each user; 0 = as fast as answers come [default: 0].
    #[arg(long, value_name = "R", requires = "users")]
    pub(crate) pace: Option<f64>,
    /// Without --users: how arrivals are spread, even or poisson [default: even].
    #[arg(long, value_name = "LAW", conflicts_with = "users")]
    pub(crate) arrivals: Option<ArrivalLaw>,
    /// Report to write, with a part for each step: text|json|csv|md|svg|png=PATH; repeatable; - is standard output.
    #[arg(short, long = "out", value_name = "FORMAT=PATH", value_parser = report)]
    pub(crate) out: Vec<ReportRequest>,
    /// No progress while it runs.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Steps beyond the capacity are missed on purpose: formats in which that would turn a build red are not offered.
fn report(text: &str) -> Result<ReportRequest, String> {
    match text.split('=').next() {
        Some("text" | "json" | "csv" | "md" | "svg" | "png") => text.parse(),
        _ => Err("a search is reported as text, json, csv, md, svg or png, for example json=capacity.json"
            .to_owned()),
    }
}

impl CapacityArguments {
    /// What is searched.
    pub(crate) fn mode(&self) -> CapacityMode {
        if self.users { CapacityMode::Users } else { CapacityMode::Rate }
    }

    /// The smallest and the largest load.
    pub(crate) fn range(&self) -> Result<[f64; 2], Problem> {
        let ([least, most], limit) = if self.users { (USERS, 1e6) } else { (RATES, 1e7) };
        let start = self.start.unwrap_or(least.min(self.max.unwrap_or(least)));
        let max = self.max.unwrap_or(most.max(start));
        let is_possible = |load: f64| load > 0.0 && load <= limit && (!self.users || load >= 1.0);
        if !is_possible(start) || !is_possible(max) || max < start {
            let least = if self.users { "1" } else { "above 0" };
            return Err(Problem::usage(format!(
                "--start {start} and --max {max} are no range: both lie between {least} and {limit}, and --max is not \
                 below --start; for example --start 10 --max 5000"
            )));
        }
        if self.step_duration == Nanos::ZERO {
            return Err(Problem::usage(
                "--step-duration must be longer than 0s; for example --step-duration 10s",
            ));
        }
        Ok([start, max])
    }

    /// What is loaded, and its URL when it is one.
    pub(crate) fn source(&self) -> Result<(Source, Option<String>), Problem> {
        if self.service.contains("://") {
            return Ok((Source::Url(UrlRequest::default()), Some(self.service.clone())));
        }
        if Path::new(&self.service).is_file() {
            return Ok((Source::File((&self.service).into()), None));
        }
        Err(Problem::usage(format!(
            "`{}` is neither a URL nor a scenario file that is there; for a URL write the scheme, too: \
             http://127.0.0.1:8000",
            self.service
        )))
    }
}
