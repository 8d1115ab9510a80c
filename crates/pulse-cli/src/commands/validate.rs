//! `pulse validate`: can this machine and this set-up give true numbers?

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use pulse_engine::StopHandle;
use pulse_plan::{Overrides, Plan, ServiceOptions, Suite, SuiteService, UrlRequest};
use pulse_suite::{
    Check, CheckState, MachineReadings, RunOptions, calibrate, check_databases, check_services,
    judge_calibration, selected,
};
use serde::Serialize;

use crate::arguments::{ValidateArguments, of_environment};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::self_tests::SELF_TESTS;
use crate::source::Source;
use crate::suite_files::{FoundFiles, is_scenario, read_suite_files};
use crate::terminal::Stream;

/// Name and version of the JSON document.
const FORMAT: &str = "pulse-validate";
const VERSION: u32 = 1;
/// After this nothing is measured any more, and what was measured until then is judged: the whole stays below 20 s.
const BUDGET: Duration = Duration::from_secs(17);

/// The JSON document.
#[derive(Serialize)]
struct Document<'a> {
    format: &'a str,
    version: u32,
    passed: bool,
    /// How long it took.
    seconds: f64,
    checks: &'a [Check],
}

pub(crate) fn run(arguments: &ValidateArguments) -> Result<Exit, Problem> {
    let begin = Instant::now();
    let stop = StopHandle::default();
    // Ends with this function, at the latest when the time is up.
    let (_done, is_done) = mpsc::channel::<()>();
    let watched = stop.clone();
    thread::spawn(move || {
        if is_done.recv_timeout(BUDGET) == Err(mpsc::RecvTimeoutError::Timeout) {
            watched.stop();
        }
    });
    let checks = checks(arguments, &stop);
    let exit = exit(&checks);
    let seconds = (begin.elapsed().as_secs_f64() * 10.0).round() / 10.0;
    let text = if arguments.as_json {
        let passed = exit == Exit::Success;
        let document = Document { format: FORMAT, version: VERSION, passed, seconds, checks: &checks };
        let json = serde_json::to_string_pretty(&document);
        json.map_err(|error| Problem::internal(format!("the checks cannot be written: {error}")))? + "\n"
    } else {
        drawn(&checks, seconds)
    };
    Stream::Out
        .write(&text)
        .map_err(|error| Problem::usage(format!("the checks cannot be printed: {error}")))?;
    Ok(exit)
}

/// What the checks mean for the shell: warnings do not matter, failures do.
fn exit(checks: &[Check]) -> Exit {
    let has_failed = checks.iter().any(|check| check.state == CheckState::Failed);
    if has_failed { Exit::Internal } else { Exit::Success }
}

/// All checks in the order in which people think. Files are looked at first: their mistakes are cheap to find.
fn checks(arguments: &ValidateArguments, stop: &StopHandle) -> Vec<Check> {
    let (files, suites) = check_files(arguments);
    let mut checks = MachineReadings::read().judge();
    checks.push(match services(arguments, &suites) {
        Ok(services) => check_services(&services),
        Err(reason) => Check::failed("target", reason, "write for example --url http://127.0.0.1:8000"),
    });
    checks.push(files);
    checks.push(check_databases(&suites));
    match calibrate(stop) {
        Ok(found) => checks.extend(judge_calibration(&found)),
        Err(error) => checks.push(Check::failed(
            "calibration",
            error.to_string(),
            "without it nothing can be measured on this machine",
        )),
    }
    checks.extend(SELF_TESTS.iter().map(|test| test(stop)));
    checks
}

/// A line per check, with what to do below it.
fn drawn(checks: &[Check], seconds: f64) -> String {
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
    let _ = writeln!(text, "\n{verdict} ({} in {seconds:.1}s)", counted(checks.len(), "check"));
    text
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Reads all suites and scenarios that are named, or those of the project.
fn check_files(arguments: &ValidateArguments) -> (Check, Vec<Suite>) {
    let name = "files";
    let paths = &arguments.paths;
    if paths.is_empty() && !Path::new("pulse.toml").is_file() && !Path::new("perf").is_dir() {
        let none = "there is neither pulse.toml nor perf/ here, and no file was named";
        return (Check::skipped(name, none), Vec::new());
    }
    let found = match FoundFiles::of(paths) {
        Ok(found) => found,
        Err(problem) => return (Check::failed(name, problem.text(), "correct the paths"), Vec::new()),
    };
    let (named, suite_paths): (Vec<PathBuf>, Vec<PathBuf>) =
        found.suites.into_iter().partition(|path| is_scenario(path));
    let scenarios: Vec<PathBuf> = named.into_iter().chain(found.scenarios).collect();
    let mut mistakes = Vec::new();
    for path in &scenarios {
        if let Err(problem) = Source::File(path.clone()).plan(&Overrides::default()) {
            mistakes.push(problem);
        }
    }
    let suites = read_suite_files(&suite_paths, &overrides(arguments)).unwrap_or_else(|problem| {
        mistakes.push(problem);
        Vec::new()
    });
    if !mistakes.is_empty() {
        let texts: Vec<&str> = mistakes.iter().map(|problem| problem.text().trim()).collect();
        return (Check::failed(name, texts.join("\n"), "correct what is marked"), suites);
    }
    (counted_files(&suites, scenarios.len()), suites)
}

/// What there is, none of it with a mistake.
fn counted_files(suites: &[Suite], scenarios: usize) -> Check {
    let name = "files";
    let cases = suites.iter().map(|suite| suite.cases.len()).sum();
    let measured = format!(
        "{} with {}, {}, all valid",
        counted(suites.len(), "suite"),
        counted(cases, "case"),
        counted(scenarios, "scenario file")
    );
    match selected(suites, &RunOptions::default()) {
        Ok(_) => Check::ok(name, measured),
        // Scenarios are for `pulse load`, which needs no suites.
        Err(_) if suites.is_empty() && scenarios > 0 => Check::ok(name, measured),
        Err(error) if scenarios > 0 => {
            Check::warning(name, format!("{error}; {}, valid", counted(scenarios, "scenario file")), NO_CASES)
        }
        Err(error) => Check::failed(name, error.to_string(), NO_CASES),
    }
}

/// What to do about a project that `pulse test` would refuse.
const NO_CASES: &str = "`pulse test` would refuse it; docs/test.md shows a first suite";

fn overrides(arguments: &ValidateArguments) -> Overrides {
    let service = ServiceOptions { url: arguments.url.clone(), ..of_environment() };
    Overrides { service, ..Overrides::default() }
}

/// The services of the suites, at `--url` if there is one; without suites what `--url` says.
fn services(arguments: &ValidateArguments, suites: &[Suite]) -> Result<Vec<SuiteService>, String> {
    if arguments.url.is_none() || !suites.is_empty() {
        return Ok(suites.iter().map(|suite| suite.service.clone()).collect());
    }
    let plan =
        Plan::for_url(&UrlRequest::default(), &overrides(arguments)).map_err(|error| error.to_string())?;
    Ok(vec![SuiteService::running(plan.service)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const SERVICE: &str = "[service]\nurl = \"http://127.0.0.1:1\"\n";
    const GOOD: &str = "[[test]]\nname = \"a\"\nrequest = \"GET /\"\ntargets = [\"errors = 0\"]\n";
    const SCENARIO: &str = "[[scenario]]\nname = \"a\"\n[[scenario.step]]\nrequest = \"GET /\"\n";
    const BROKEN: &str = "[[scenario]]\nname = \"a\"\n[[scenario.step]]\nreqest = \"GET /\"\n";

    #[test]
    fn every_file_of_the_project_is_read() {
        use CheckState::{Failed, Ok, Warning};
        #[expect(clippy::type_complexity, reason = "a table of cases")]
        let cases: [(&[(&str, &str)], CheckState, &str); 7] = [
            (
                &[("perf/a.toml", GOOD), ("perf/flow.toml", SCENARIO)],
                Ok,
                "1 suite with 1 case, 1 scenario file",
            ),
            (&[("perf/flow.toml", SCENARIO)], Ok, "0 suites with 0 cases, 1 scenario file"),
            (&[("perf/a.toml", GOOD), ("perf/x/flow.toml", BROKEN)], Failed, "perf/x/flow.toml:4:1"),
            (&[("perf/a.toml", "[[test]]\nnme = 1\n")], Failed, "perf/a.toml:2:1"),
            (&[("pulse.toml", SERVICE)], Failed, "there are no cases in pulse"),
            (&[("pulse.toml", SERVICE), ("perf/a.toml", GOOD)], Ok, "2 suites with 1 case"),
            (
                &[("pulse.toml", SERVICE), ("perf/flow.toml", SCENARIO)],
                Warning,
                "there are no cases in pulse",
            ),
        ];
        for (files, state, said) in cases {
            let folder = tempfile::tempdir().unwrap();
            for (path, text) in files {
                let path = folder.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            let paths = vec![folder.path().to_owned()];
            let (check, _) = check_files(&ValidateArguments { paths, url: None, as_json: false });
            assert_eq!(check.state, state, "{files:?}: {check:?}");
            assert!(check.measured.contains(said), "{said}: {check:?}");
        }
    }

    #[test]
    fn lists_end_with_a_verdict() {
        for (check, verdict, code) in [
            (Check::ok("a_check", "1"), "can give true numbers", Exit::Success),
            (Check::skipped("a_check", "1"), "can give true numbers", Exit::Success),
            (Check::warning("a_check", "1\n2", "do"), "1 warning.", Exit::Success),
            (Check::failed("a_check", "1", "do"), "1 check failed", Exit::Internal),
        ] {
            assert_eq!(exit(std::slice::from_ref(&check)), code);
            let text = drawn(std::slice::from_ref(&check), 1.25);
            assert!(text.trim_end().ends_with("(1 check in 1.2s)"), "{text}");
            assert!(text.contains(verdict) && text.contains("a check  1"), "{text}");
            assert_eq!(text.contains("→ do"), check.next_step.is_some(), "{text}");
        }
    }
}
