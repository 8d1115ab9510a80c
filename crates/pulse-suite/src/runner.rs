//! Running suites: every selected case, one after another, to one tree of summaries.

use std::time::Instant;

use pulse_engine::{StopHandle, host_info};
use pulse_model::{
    CaseInfo, Ending, Finding, Nanos, RunInfo, Severity, Summary, Validity, ValidityReason, Verdict,
};
use pulse_plan::{Case, CaseKind, ProcessSelector, Suite};

use crate::attempts::Attempts;
use crate::case_run::{CaseOutcome, Surroundings, run_case, unmeasured};
use crate::process::find_process;
use crate::readiness::Question;
use crate::run_options::{MAX_REPEAT, RunOptions};
use crate::selection::SelectionError;
use crate::service::{ServiceStartError, StartedService};
use crate::suite_event::SuiteEvent;

/// Why nothing was run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SuiteError {
    /// The suites hold no cases.
    #[error("there are no cases in {}: write a [[test]] with name, request and targets", named(names))]
    NoCases {
        /// Names of the suites.
        names: Vec<String>,
    },
    /// The selection means nothing for these cases.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// The selection is fine, but together it leaves nothing.
    #[error(
        "none of the {total} cases is selected; `pulse test --list` without a selection shows all of them"
    )]
    NothingSelected {
        /// Cases in all suites.
        total: usize,
    },
}

fn named(names: &[String]) -> String {
    if names.is_empty() { "no suite at all".to_owned() } else { names.join(", ") }
}

/// The cases that a selection leaves, in order: each with the number of its suite.
pub fn selected<'a>(suites: &'a [Suite], options: &RunOptions) -> Result<Vec<(usize, &'a Case)>, SuiteError> {
    let all =
        || suites.iter().enumerate().flat_map(|(suite, it)| it.cases.iter().map(move |case| (suite, case)));
    let total = all().count();
    if total == 0 {
        return Err(SuiteError::NoCases { names: suites.iter().map(|suite| suite.name.clone()).collect() });
    }
    options.selection.check(&all().map(|(_, case)| &case.info))?;
    let chosen: Vec<_> = all().filter(|(_, case)| options.selection.selects(&case.info)).collect();
    if chosen.is_empty() { Err(SuiteError::NothingSelected { total }) } else { Ok(chosen) }
}

/// Runs all selected cases of the suites and returns the tree: the root is the run, its children are the cases.
///
/// A case that cannot run, or whose service does not start, is red with the reason, and the others run nevertheless.
/// After `stop` the running case ends with what it has, and the others are skipped.
pub fn run_suite(
    suites: &[Suite],
    options: &RunOptions,
    stop: &StopHandle,
    events: &mut dyn FnMut(SuiteEvent),
) -> Result<Summary, SuiteError> {
    let chosen = selected(suites, options)?;
    let repeat = options.repeat.clamp(1, MAX_REPEAT) as usize;
    let total = chosen.len() * repeat;
    let started = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    let names: Vec<&str> =
        suites.iter().filter(|it| !it.cases.is_empty()).map(|it| it.name.as_str()).collect();
    let info = RunInfo {
        kind: "test".to_owned(),
        name: names.join(", "),
        service: suites.first().map(|suite| suite.service.url.clone()).unwrap_or_default(),
        started,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: host_info(),
        ..RunInfo::default()
    };
    events(SuiteEvent::Started { total, info: Box::new(info.clone()) });
    let mut runner = Runner {
        options,
        stop,
        events,
        total,
        children: Vec::new(),
        skip: None,
        begin: Instant::now(),
        reuses: false,
    };
    for (number, suite) in suites.iter().enumerate() {
        let cases: Vec<&Case> =
            chosen.iter().filter(|(of, _)| *of == number).map(|(_, case)| *case).collect();
        if !cases.is_empty() {
            runner.suite(suite, &cases, repeat);
        }
    }
    let root = root(info, runner.children, runner.begin.elapsed().into(), stop.is_stopped());
    events(SuiteEvent::Finished(Box::new(root.clone())));
    Ok(root)
}

/// The run as a whole: as good as its worst case.
fn root(run: RunInfo, children: Vec<Summary>, elapsed: Nanos, is_interrupted: bool) -> Summary {
    let verdicts = children.iter().filter_map(|child| child.verdict);
    let reasons = children.iter().flat_map(|child| {
        let name = child.case.as_ref().map(|case| case.id.clone()).unwrap_or_default();
        child.validity.reasons.iter().map(move |reason| ValidityReason {
            message: format!("{name}: {}", reason.message),
            at: None,
            ..reason.clone()
        })
    });
    let is_measured = children.iter().any(|child| child.verdict.is_some());
    Summary {
        run,
        ending: if is_interrupted { Ending::Interrupted } else { Ending::Finished },
        elapsed,
        verdict: Some(if is_measured { Verdict::worst(verdicts) } else { Verdict::NoData }),
        validity: Validity::from_reasons(reasons.collect()),
        children,
        ..Summary::default()
    }
}

struct Runner<'a> {
    options: &'a RunOptions,
    stop: &'a StopHandle,
    events: &'a mut dyn FnMut(SuiteEvent),
    total: usize,
    children: Vec<Summary>,
    /// Why the cases that are left are not run.
    skip: Option<&'static str>,
    begin: Instant,
    /// Whether the service of the suite runs without having been started here.
    reuses: bool,
}

impl Runner<'_> {
    fn suite(&mut self, suite: &Suite, cases: &[&Case], repeat: usize) {
        let (name, service) = (suite.name.clone(), suite.service.url.clone());
        (self.events)(SuiteEvent::SuiteStarted { name, service });
        // Dropped, and with that stopped, when the suite is over.
        let mut started: Option<StartedService> = None;
        self.reuses = false;
        for case in cases {
            for round in 1..=repeat {
                let case = if repeat > 1 { repeated(case, round, repeat) } else { (*case).clone() };
                let CaseOutcome { summary, intervals } = self.case(suite, &case, &mut started);
                if self.options.fail_fast && self.options.is_red(summary.verdict) {
                    self.skip = Some("a case before it was not met");
                }
                let finished = SuiteEvent::CaseFinished { summary: Box::new(summary.clone()), intervals };
                (self.events)(finished);
                self.children.push(summary);
            }
        }
    }

    /// A case with its retries, or why it was skipped.
    fn case(&mut self, suite: &Suite, case: &Case, started: &mut Option<StartedService>) -> CaseOutcome {
        let interrupted = self.stop.is_stopped().then_some("the run was stopped before it");
        if let Some(reason) = interrupted.or(self.skip) {
            let info = CaseInfo { skipped: Some(reason.to_owned()), ..case.info.clone() };
            let summary = Summary {
                run: crate::work::info(case, &suite.service.url),
                ending: Ending::Interrupted,
                case: Some(info),
                ..Summary::default()
            };
            return CaseOutcome { summary, intervals: Vec::new() };
        }
        let mut attempts = Attempts::new(self.options);
        while attempts.go_on() && !(attempts.next() > 1 && self.stop.is_stopped()) {
            let (number, info) = (self.children.len() + 1, Box::new(case.info.clone()));
            let attempt = attempts.next();
            (self.events)(SuiteEvent::CaseStarted { number, total: self.total, info, attempt });
            attempts.add(self.attempt(suite, case, started));
        }
        attempts.finish(&case.info).expect("there is at least one attempt")
    }

    fn attempt(&mut self, suite: &Suite, case: &Case, started: &mut Option<StartedService>) -> CaseOutcome {
        let uses_service = !matches!(case.kind, CaseKind::Command { .. } | CaseKind::Database { .. });
        if uses_service && let Err(error) = self.bring_up(suite, started) {
            let summary = unmeasured(case, &suite.service.url, "service_not_started", &error.to_string());
            return CaseOutcome { summary, intervals: Vec::new() };
        }
        let process = if uses_service {
            let pid = started.as_ref().map(StartedService::pid);
            let own = &suite.service.process;
            let selector =
                if self.reuses && *own == ProcessSelector::Started { &ProcessSelector::Port } else { own };
            find_process(selector, &suite.service.url, pid).map_err(|error| error.to_string())
        } else {
            Err("the case does not use the service".to_owned())
        };
        let surroundings = Surroundings {
            service: &suite.service.url,
            process,
            stop: self.stop,
            quick: self.options.quick,
            precision: self.options.precision,
        };
        let events = &mut *self.events;
        let mut tell = |event| events(SuiteEvent::CaseProgress(Box::new(event)));
        let mut outcome = run_case(case, &surroundings, &mut tell);
        if let Some(started) = started
            && let Some(status) = started.ended()
        {
            let summary = &mut outcome.summary;
            summary.verdict = summary.verdict.max(Some(Verdict::Fail));
            summary.findings.insert(0, service_ended(suite, &status, &started.output()));
        }
        outcome
    }

    /// Sees to it that the service runs, if the suite has to do that: also after it has ended during a case.
    fn bring_up(
        &mut self,
        suite: &Suite,
        started: &mut Option<StartedService>,
    ) -> Result<(), ServiceStartError> {
        let Some(command) = &suite.service.start else { return Ok(()) };
        if started.as_mut().is_some_and(|service| service.ended().is_none()) {
            return Ok(());
        }
        self.reuses =
            started.is_none() && suite.service.reuse && Question::whether_ready(&suite.service).ask().is_ok();
        if self.reuses {
            return Ok(());
        }
        (self.events)(SuiteEvent::ServiceStarting { command: command.clone() });
        let begin = Instant::now();
        *started = StartedService::start(&suite.service, self.stop)?;
        (self.events)(SuiteEvent::ServiceReady { after: begin.elapsed().into() });
        Ok(())
    }
}

/// One of several runs of a case, with an id of its own.
fn repeated(case: &Case, round: usize, repeat: usize) -> Case {
    let mut case = case.clone();
    case.info.id = format!("{}#{round}", case.info.id);
    case.info.name = format!("{} [{round}/{repeat}]", case.info.name);
    case
}

fn service_ended(suite: &Suite, status: &str, output: &str) -> Finding {
    let output = if output.is_empty() { String::new() } else { format!("; its last output: {output}") };
    Finding {
        code: "service_ended".to_owned(),
        severity: Severity::Problem,
        subject: suite.service.url.clone(),
        message: format!("the service ended in the middle of the case ({status}){output}"),
        help: Some(
            "It is started again for the next case; what was measured until its end is reported.".to_owned(),
        ),
        ..Finding::default()
    }
}
