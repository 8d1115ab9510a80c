//! What is printed when the load begins.

use std::fmt::Write;

use pulse_model::{Nanos, RunInfo, ScenarioInfo};

use crate::monitor_text::{self, is_monitor};
use crate::number::printable;

/// Width of the rules above and below the figures.
pub(crate) const RULE: usize = 60;

/// The lines that announce a load test, up to and with the rule of dashes; of a watch, what is watched.
///
/// Wording and order are fixed: scripts read these lines. Hence `1 users` and `1 seconds`, and figures that the plan
/// does not determine are left out rather than guessed.
///
/// ```
/// use pulse_model::{Nanos, RunInfo, ScenarioInfo};
///
/// let run = RunInfo {
///     service: "http://127.0.0.1:8000".into(),
///     duration: Some(Nanos::from_secs(60)),
///     scenarios: vec![ScenarioInfo { users: 100, planned_requests: Some(60_000), ..ScenarioInfo::default() }],
///     ..RunInfo::default()
/// };
/// assert!(pulse_report::header(&run).starts_with("Starting load test: 100 users for 60 seconds\n"));
/// ```
pub fn header(run: &RunInfo) -> String {
    let rule = "-".repeat(RULE) + "\n";
    if is_monitor(&run.kind) {
        return monitor_text::header(&run.service, run.duration) + &rule;
    }
    let mut text = format!("Starting load test: {}{}\n", load(run), length(run));
    let mut line = |label: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{label}: {value}");
    };
    line("Target", &printable(&run.service));
    if let Some(requests) = planned_requests(run) {
        if closed(run) && users(run) > 0 {
            let per_user = requests as f64 / users(run) as f64;
            line("Expected requests per user", &format!("~{per_user:.0}"));
        }
        line("Expected total requests", &format!("~{requests}"));
    }
    text + &rule
}

/// `100 users`, `500 requests/s`, or both when scenarios of both models run.
fn load(run: &RunInfo) -> String {
    let closed_users: u64 = of_model(run, false).map(|scenario| scenario.users).sum();
    let mut parts = Vec::new();
    if closed_users > 0 || closed(run) {
        parts.push(format!("{closed_users} users"));
    }
    let rates: Option<Vec<f64>> = of_model(run, true).map(requests_per_second).collect();
    match rates {
        Some(rates) if !rates.is_empty() => parts.push(format!("{} requests/s", rounded(rates.iter().sum()))),
        Some(_) => {}
        None => {
            let iterations = of_model(run, true).filter_map(|scenario| scenario.rate).sum();
            parts.push(format!("{} iterations/s", rounded(iterations)));
        }
    }
    parts.join(" and ")
}

/// ` for 60 seconds`; without a duration the budget: ` for 1000 requests`.
fn length(run: &RunInfo) -> String {
    if let Some(duration) = run.duration {
        let warmup = if run.warmup == Nanos::ZERO {
            String::new()
        } else {
            format!(", the first {} as warm-up", run.warmup)
        };
        return format!(" for {} seconds{warmup}", rounded(duration.as_secs_f64()));
    }
    if let Some(requests) = planned_requests(run) {
        return format!(" for {requests} requests");
    }
    let iterations = run.scenarios.iter().map(|scenario| scenario.planned_iterations);
    match iterations.sum::<Option<u64>>() {
        Some(iterations) if iterations > 0 => format!(" for {iterations} iterations"),
        _ => String::new(),
    }
}

/// The scenarios of the open model, or those of the closed.
fn of_model(run: &RunInfo, open: bool) -> impl Iterator<Item = &ScenarioInfo> {
    let scenarios = run.scenarios.iter();
    scenarios.filter(move |scenario| scenario.rate.is_some() == open)
}

fn closed(run: &RunInfo) -> bool {
    of_model(run, true).next().is_none()
}

fn users(run: &RunInfo) -> u64 {
    run.scenarios.iter().map(|scenario| scenario.users).sum()
}

/// All planned requests; `None` when some scenario has no definite number of them.
fn planned_requests(run: &RunInfo) -> Option<u64> {
    if run.scenarios.is_empty() {
        return None;
    }
    let planned = run.scenarios.iter().map(|scenario| scenario.planned_requests);
    planned.sum()
}

/// Requests per second of an open scenario; `None` when an iteration has no definite number of requests.
fn requests_per_second(scenario: &ScenarioInfo) -> Option<f64> {
    let (requests, iterations) = (scenario.planned_requests?, scenario.planned_iterations?);
    (iterations > 0).then(|| scenario.rate.unwrap_or(0.0) * requests as f64 / iterations as f64)
}

/// At most two decimals, and none that are zero: `60`, `0.5`.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed_scenario(requests: Option<u64>) -> ScenarioInfo {
        ScenarioInfo {
            users: 100,
            planned_requests: requests,
            planned_iterations: requests,
            ..ScenarioInfo::default()
        }
    }

    fn open_scenario(rate: f64, iterations: Option<u64>, requests: Option<u64>) -> ScenarioInfo {
        ScenarioInfo {
            users: 50,
            rate: Some(rate),
            planned_iterations: iterations,
            planned_requests: requests,
            ..ScenarioInfo::default()
        }
    }

    fn run(secs: Option<u64>, scenarios: Vec<ScenarioInfo>) -> RunInfo {
        RunInfo {
            service: "http://127.0.0.1:8000".into(),
            duration: secs.map(Nanos::from_secs),
            scenarios,
            ..RunInfo::default()
        }
    }

    #[test]
    fn the_documented_block() {
        let run = run(Some(60), vec![closed_scenario(Some(60_000))]);
        assert_eq!(
            header(&run),
            "Starting load test: 100 users for 60 seconds\n\
             Target: http://127.0.0.1:8000\n\
             Expected requests per user: ~600\n\
             Expected total requests: ~60000\n\
             ------------------------------------------------------------\n"
        );
    }

    #[test]
    fn the_first_line_for_every_kind_of_plan() {
        let closed = || closed_scenario(None);
        for (secs, scenarios, line) in [
            (
                Some(60),
                vec![open_scenario(500.0, Some(30_000), Some(30_000))],
                "500 requests/s for 60 seconds",
            ),
            (Some(60), vec![open_scenario(500.0, Some(10), Some(30))], "1500 requests/s for 60 seconds"),
            (Some(60), vec![open_scenario(0.5, None, None)], "0.5 iterations/s for 60 seconds"),
            (None, vec![closed_scenario(Some(1000))], "100 users for 1000 requests"),
            (
                None,
                vec![ScenarioInfo { planned_iterations: Some(7), ..closed() }],
                "100 users for 7 iterations",
            ),
            (None, vec![closed()], "100 users"),
            (Some(5), vec![closed(), closed()], "200 users for 5 seconds"),
            (
                Some(5),
                vec![closed(), open_scenario(5.0, None, None)],
                "100 users and 5 iterations/s for 5 seconds",
            ),
            (None, vec![], "0 users"),
        ] {
            let text = header(&run(secs, scenarios));
            let first = text.lines().next().unwrap();
            assert_eq!(first, format!("Starting load test: {line}"));
        }
    }

    #[test]
    fn what_the_plan_does_not_determine_is_left_out() {
        let open = header(&run(Some(60), vec![open_scenario(10.0, Some(600), Some(600))]));
        assert!(!open.contains("per user") && open.contains("Expected total requests: ~600\n"), "{open}");
        let indefinite = header(&run(Some(60), vec![closed_scenario(Some(5)), closed_scenario(None)]));
        assert!(!indefinite.contains("Expected"), "{indefinite}");
    }

    #[test]
    fn the_warm_up_is_named_and_the_service_cannot_steer_the_terminal() {
        let mut run = run(Some(70), vec![closed_scenario(None)]);
        run.warmup = Nanos::from_secs(10);
        run.service = "http://x/\u{1b}[2J".into();
        assert_eq!(
            header(&run).lines().take(2).collect::<Vec<_>>(),
            [
                "Starting load test: 100 users for 70 seconds, the first 10s as warm-up",
                "Target: http://x/\u{fffd}[2J"
            ]
        );
    }
}
