//! `pulse validate`: can this machine and this set-up give true numbers?

use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use pulse_demo::{DemoConfig, DemoServer, TOOLS, execute_tool};
use pulse_engine::{StopHandle, probe};
use pulse_model::Nanos;
use pulse_plan::{LoadOptions, Overrides, Plan, ServiceOptions, Suite, UrlRequest};
use pulse_suite::{
    Check, CheckState, MachineReadings, calibrate, check_databases, judge_calibration, measure_url,
};
use serde::Serialize;

use crate::arguments::ValidateArguments;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::source::Source;
use crate::suite_files::{is_scenario, read_suites};
use crate::terminal::Stream;

/// Name and version of the JSON document.
const FORMAT: &str = "pulse-validate";
const VERSION: u32 = 1;
/// Where GitHub looks for workflows.
const WORKFLOWS: &str = ".github/workflows";
/// Arrivals per second of the load's self-test, which lasts a second.
const SELF_TEST_RATE: f64 = 100.0;

/// The JSON document.
#[derive(Serialize)]
struct Document<'a> {
    format: &'a str,
    version: u32,
    passed: bool,
    checks: &'a [Check],
}

pub(crate) fn run(arguments: &ValidateArguments) -> Result<Exit, Problem> {
    // Files before the machine: their mistakes are cheap to find. Shown in the order in which people think.
    let (files, suites) = check_files(&arguments.paths);
    let mut checks = MachineReadings::read().judge();
    checks.push(check_target(arguments.url.as_deref(), &suites));
    checks.push(files);
    checks.push(check_databases(&suites));
    match calibrate(&StopHandle::default()) {
        Ok(found) => checks.extend(judge_calibration(&found)),
        Err(error) => checks.push(Check::failed(
            "calibration",
            error.to_string(),
            "without it nothing can be measured on this machine",
        )),
    }
    checks.extend([check_tools(), check_load(), check_workflow(Path::new(WORKFLOWS))]);
    let passed = checks.iter().all(|check| check.state != CheckState::Failed);
    let text = if arguments.as_json {
        let document = Document { format: FORMAT, version: VERSION, passed, checks: &checks };
        let json = serde_json::to_string_pretty(&document);
        json.map_err(|error| Problem::internal(format!("the checks cannot be written: {error}")))? + "\n"
    } else {
        drawn(&checks)
    };
    Stream::Out
        .write(&text)
        .map_err(|error| Problem::usage(format!("the checks cannot be printed: {error}")))?;
    Ok(if passed { Exit::Success } else { Exit::Internal })
}

/// A line per check, with what to do below it.
fn drawn(checks: &[Check]) -> String {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let indent = " ".repeat(width + 4);
    let mut text = String::new();
    // Writing to a string does not fail.
    for check in checks {
        let measured = check.measured.trim_end().replace('\n', &format!("\n{indent}"));
        let _ = writeln!(text, "{} {:width$}  {measured}", check.state.sign(), check.name.replace('_', " "));
        if let Some(next) = &check.next_step {
            let _ = writeln!(text, "{indent}→ {next}");
        }
    }
    let count = |state| checks.iter().filter(|check| check.state == state).count();
    let verdict = match (count(CheckState::Failed), count(CheckState::Warning)) {
        (0, 0) => "This machine and this set-up can give true numbers.".to_owned(),
        (0, warnings) => format!("Numbers will do, with a grain of salt: {}.", counted(warnings, "warning")),
        (failed, _) => {
            format!("{} failed: do not trust numbers until that is mended.", counted(failed, "check"))
        }
    };
    let _ = writeln!(text, "\n{verdict}");
    text
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Reads all suites and scenarios that are named, or those of the project.
fn check_files(paths: &[PathBuf]) -> (Check, Vec<Suite>) {
    let name = "files";
    if paths.is_empty() && !Path::new("pulse.toml").is_file() && !Path::new("perf").is_dir() {
        let none = "there is neither pulse.toml nor perf/ here, and no file was named";
        return (Check::skipped(name, none), Vec::new());
    }
    let (scenarios, suite_paths): (Vec<_>, Vec<_>) =
        paths.iter().cloned().partition(|path| path.is_file() && is_scenario(path));
    let mut mistakes = Vec::new();
    for path in &scenarios {
        if let Err(problem) = Source::File(path.clone()).plan(&Overrides::default()) {
            mistakes.push(problem);
        }
    }
    let mut suites = Vec::new();
    if paths.is_empty() || !suite_paths.is_empty() {
        match read_suites(&suite_paths, &Overrides::default()) {
            Ok(read) => suites = read,
            Err(problem) => mistakes.push(problem),
        }
    }
    if !mistakes.is_empty() {
        let texts: Vec<&str> = mistakes.iter().map(|problem| problem.text().trim()).collect();
        return (Check::failed(name, texts.join("\n"), "correct what is marked"), suites);
    }
    let cases = suites.iter().map(|suite| suite.cases.len()).sum();
    let measured = format!(
        "{} with {}, {}, all valid",
        counted(suites.len(), "suite"),
        counted(cases, "case"),
        counted(scenarios.len(), "scenario file")
    );
    (Check::ok(name, measured), suites)
}

fn check_target(url: Option<&str>, suites: &[Suite]) -> Check {
    let name = "target";
    let mut urls: Vec<&str> = Vec::new();
    match url {
        Some(url) => urls.push(url),
        None => {
            for suite in suites.iter().filter(|suite| suite.service.start.is_none()) {
                if !urls.contains(&suite.service.url.as_str()) {
                    urls.push(&suite.service.url);
                }
            }
        }
    }
    if urls.is_empty() {
        let why =
            if suites.is_empty() { "no --url and no suite names one" } else { "the suite starts it itself" };
        return Check::skipped(name, why);
    }
    let reached = urls.iter().map(|url| reach(url)).collect::<Result<Vec<_>, _>>();
    match reached {
        Ok(reached) => Check::ok(name, reached.join(", ")),
        Err(reason) => Check::failed(
            name,
            reason,
            "start the service, or correct the URL; `pulse demo serve` starts one to try",
        ),
    }
}

fn reach(url: &str) -> Result<String, String> {
    let service = ServiceOptions { url: Some(url.to_owned()), ..ServiceOptions::default() };
    let load = LoadOptions { users: Some(1), iterations: Some(1), ..LoadOptions::default() };
    let overrides = Overrides { service, load, targets: Vec::new() };
    let plan = Plan::for_url(&UrlRequest::default(), &overrides).map_err(|error| error.to_string())?;
    probe(&plan).map_err(|error| error.to_string())?;
    Ok(format!("{} accepts connections", plan.service.url))
}

/// The mock tools give the same answer twice.
fn check_tools() -> Check {
    let data = serde_json::json!({"price": 501.25, "volume": 1_000});
    let differing =
        (1..=TOOLS).filter(|&id| execute_tool(id, &data, "SPY") != execute_tool(id, &data, "SPY")).count();
    match differing {
        0 => Check::ok("tool_executor", format!("{TOOLS} tools answer the same question alike")),
        _ => Check::failed("tool_executor", format!("{differing} tools do not repeat their answers"), BUG),
    }
}

const BUG: &str = "this is a bug of Pulse; please report it";

/// A second of load against the demo in this process.
fn check_load() -> Check {
    let name = "load";
    let config = DemoConfig { listen: (Ipv4Addr::LOCALHOST, 0).into(), trades: 100, ..DemoConfig::default() };
    let server = match DemoServer::start(config) {
        Ok(server) => server,
        Err(error) => return Check::failed(name, format!("the demo does not start: {error}"), BUG),
    };
    let service = ServiceOptions { url: Some(server.url()), ..ServiceOptions::default() };
    let load = LoadOptions {
        rate: Some(SELF_TEST_RATE),
        duration: Some(Nanos::from_secs(1)),
        ..LoadOptions::default()
    };
    let measured = measure_url(service, load, &StopHandle::default());
    // What it did is known; how it ends is of no interest.
    let _ = server.stop();
    match measured {
        Ok(summary) if summary.failed() == 0 && summary.requests() as f64 >= SELF_TEST_RATE => {
            Check::ok(name, format!("{} requests to the demo, none failed", summary.requests()))
        }
        Ok(summary) => {
            let measured =
                format!("{} of {} requests to the demo failed", summary.failed(), summary.requests());
            Check::failed(name, measured, "look at the other checks first; if they pass, report it as a bug")
        }
        Err(error) => Check::failed(name, error.to_string(), "allow programs to listen on 127.0.0.1"),
    }
}

/// A workflow that runs Pulse; a hint, since not everybody uses GitHub.
fn check_workflow(folder: &Path) -> Check {
    let name = "ci_workflow";
    let next = "let a workflow run `pulse test` on every change; docs/ci.md has one to copy";
    let Ok(entries) = fs::read_dir(folder) else {
        return Check {
            next_step: Some(next.to_owned()),
            ..Check::skipped(name, format!("there is no {WORKFLOWS} here"))
        };
    };
    let is_workflow = |path: &PathBuf| path.extension().is_some_and(|end| end == "yml" || end == "yaml");
    let mut files: Vec<PathBuf> =
        entries.filter_map(Result::ok).map(|entry| entry.path()).filter(is_workflow).collect();
    files.sort();
    let runs_pulse = |path: &&PathBuf| fs::read_to_string(path).is_ok_and(|text| text.contains("pulse"));
    match files.iter().find(runs_pulse) {
        Some(path) => Check::ok(name, format!("{} mentions pulse", path.display())),
        None => Check {
            next_step: Some(next.to_owned()),
            ..Check::skipped(name, format!("no workflow in {WORKFLOWS} mentions pulse"))
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workflows_are_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(check_workflow(&folder.path().join("missing")).state, CheckState::Skipped);
        fs::write(folder.path().join("a.yml"), "run: make").unwrap();
        fs::write(folder.path().join("note.txt"), "pulse").unwrap();
        assert_eq!(check_workflow(folder.path()).state, CheckState::Skipped);
        fs::write(folder.path().join("b.yml"), "run: pulse test").unwrap();
        assert_eq!(check_workflow(folder.path()).state, CheckState::Ok);
    }

    #[test]
    fn lists_end_with_a_verdict() {
        for (check, verdict) in [
            (Check::ok("a_check", "1"), "can give true numbers"),
            (Check::skipped("a_check", "1"), "can give true numbers"),
            (Check::warning("a_check", "1\n2", "do"), "1 warning."),
            (Check::failed("a_check", "1", "do"), "1 check failed"),
        ] {
            let text = drawn(std::slice::from_ref(&check));
            assert!(text.contains(verdict) && text.contains("a check  1"), "{text}");
            assert_eq!(text.contains("→ do"), check.next_step.is_some(), "{text}");
        }
    }
}
