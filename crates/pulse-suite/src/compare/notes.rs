//! What makes two runs unlike, so that a reader knows what else could explain a difference.

use pulse_model::{Ending, Finding, RunInfo, ScenarioInfo, Severity, ValidityState};

use super::figures::is_too_short;
use crate::run_data::RunData;

/// Most names that one message lists.
const MAX_NAMES: usize = 5;

/// Whether the same load was planned, so that throughput may be compared.
pub(super) fn same_plan(before: &RunData, after: &RunData) -> bool {
    let load = |run: &RunData| run.summary.run.scenarios.iter().map(load_of).collect::<Vec<_>>();
    load(before) == load(after)
}

type Load = (String, String, u64, Option<u64>);

fn load_of(scenario: &ScenarioInfo) -> Load {
    (scenario.name.clone(), scenario.load.clone(), scenario.users, scenario.rate.map(f64::to_bits))
}

/// All differences worth naming, the heaviest first.
pub(super) fn differences(before: &RunData, after: &RunData) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (side, run) in [("the baseline", before), ("this run", after)] {
        findings.extend(trust(side, run));
    }
    findings.extend(machine(before, after));
    findings.extend(plan(&before.summary.run, &after.summary.run));
    findings.extend(endpoints(before, after));
    findings.extend(version(&before.summary.run, &after.summary.run));
    findings.extend(targets(&before.summary.run, &after.summary.run));
    for (side, run) in [("the baseline", before), ("this run", after)] {
        findings.extend(too_short(side, run));
    }
    for (side, run) in [("the baseline", before), ("this run", after)] {
        if run.intervals.is_empty() {
            findings.push(finding(
                "no_intervals",
                Severity::Warning,
                side,
                format!("{side} was saved without its intervals, so that response times cannot be compared"),
                "save the baseline again, or compare with a newer run",
            ));
        }
    }
    findings
}

fn finding(code: &str, severity: Severity, subject: &str, message: String, help: &str) -> Finding {
    Finding {
        code: code.into(),
        severity,
        subject: subject.into(),
        message,
        help: Some(help.into()),
        ..Finding::default()
    }
}

/// Why a run's figures are unclear however far they are apart.
fn too_short(side: &str, run: &RunData) -> Option<Finding> {
    let ends = run.intervals.first().zip(run.intervals.last());
    let span = ends.and_then(|(first, last)| Some(last.interval?.to.since(first.interval?.from)));
    let length = span.map_or_else(String::new, |span| format!(" over {span}"));
    is_too_short(run).then(|| {
        finding(
            "too_short",
            Severity::Warning,
            side,
            format!(
                "{side} was observed in {} intervals{length}, too few to know how its figures scatter; nothing follows from \
                 their differences",
                run.intervals.len()
            ),
            "let the case take longer: at least a second, and eight intervals; `samples` and `duration` say how long",
        )
    })
}

fn trust(side: &str, run: &RunData) -> Option<Finding> {
    let validity = &run.summary.validity;
    let reason = validity.reasons.first().map_or("no reason was saved", |reason| reason.message.as_str());
    match (validity.state, &run.summary.ending) {
        (ValidityState::Invalid, _) => Some(finding(
            "not_trusted",
            Severity::Problem,
            side,
            format!("{side} was invalid: {reason}; its numbers do not describe the service"),
            "measure that side again before drawing a conclusion",
        )),
        (ValidityState::Suspect, _) => Some(finding(
            "not_trusted",
            Severity::Warning,
            side,
            format!("{side} was suspect: {reason}"),
            "a difference may come from the measurement; measure that side again",
        )),
        (ValidityState::Valid, Ending::Interrupted | Ending::Truncated) => Some(finding(
            "cut_short",
            Severity::Note,
            side,
            format!("{side} ended before its plan did"),
            "compare with a complete run for the tightest intervals",
        )),
        (ValidityState::Valid, Ending::Finished) => None,
    }
}

fn machine(before: &RunData, after: &RunData) -> Option<Finding> {
    let (a, b) = (&before.summary.run.host, &after.summary.run.host);
    let mut differences = Vec::new();
    if !before.machine.is_empty() && !after.machine.is_empty() && before.machine != after.machine {
        differences.push(format!("{} → {}", before.machine, after.machine));
    }
    if (&a.os, &a.arch) != (&b.os, &b.arch) {
        differences.push(format!("{}/{} → {}/{}", a.os, a.arch, b.os, b.arch));
    }
    if a.cores != b.cores {
        differences.push(format!("{} cores → {} cores", a.cores, b.cores));
    }
    (!differences.is_empty()).then(|| {
        finding(
            "machine_differs",
            Severity::Warning,
            "machine",
            format!("the runs come from different machines ({})", differences.join(", ")),
            "a difference may be the machine's; measure both sides on one, for example with `--ab`",
        )
    })
}

fn plan(before: &RunInfo, after: &RunInfo) -> Option<Finding> {
    let mut differences = Vec::new();
    if before.service != after.service {
        differences.push(format!("service {} → {}", before.service, after.service));
    }
    let length = |run: &RunInfo| run.duration.map_or("open end".to_owned(), |length| length.to_string());
    if before.duration != after.duration {
        differences.push(format!("duration {} → {}", length(before), length(after)));
    }
    if before.warmup != after.warmup {
        differences.push(format!("warm-up {} → {}", before.warmup, after.warmup));
    }
    if before.workers != after.workers {
        differences.push(format!("{} workers → {}", before.workers, after.workers));
    }
    for scenario in &after.scenarios {
        match before.scenarios.iter().find(|known| known.name == scenario.name) {
            None => differences.push(format!("scenario {} is new", scenario.name)),
            Some(known) if load_of(known) != load_of(scenario) => {
                differences.push(format!("{}: {} → {}", scenario.name, known.load, scenario.load));
            }
            Some(_) => {}
        }
    }
    let gone =
        before.scenarios.iter().filter(|known| after.scenarios.iter().all(|now| now.name != known.name));
    differences.extend(gone.map(|known| format!("scenario {} is gone", known.name)));
    (!differences.is_empty()).then(|| {
        finding(
            "plan_differs",
            Severity::Warning,
            "plan",
            format!("the runs had different plans ({})", listed(&differences)),
            "a difference may be the plan's; run both sides with the same plan",
        )
    })
}

fn endpoints(before: &RunData, after: &RunData) -> Option<Finding> {
    let (known, now) = (before.summary.endpoints(), after.summary.endpoints());
    let missing = |from: &[&str], of: &[&str]| -> Vec<String> {
        from.iter().filter(|name| of.binary_search(name).is_err()).map(|name| (*name).to_owned()).collect()
    };
    let (gone, new) = (missing(&known, &now), missing(&now, &known));
    let mut parts = Vec::new();
    for (names, side) in [(gone, "the baseline"), (new, "this run")] {
        if !names.is_empty() {
            parts.push(format!("only in {side}: {}", listed(&names)));
        }
    }
    (!parts.is_empty()).then(|| {
        finding(
            "endpoints_differ",
            Severity::Warning,
            "endpoints",
            format!("not all endpoints are in both runs; {}", parts.join("; ")),
            "they are not compared, and the figures of the whole run mix different requests",
        )
    })
}

fn version(before: &RunInfo, after: &RunInfo) -> Option<Finding> {
    (before.version != after.version).then(|| {
        finding(
            "version_differs",
            Severity::Note,
            "pulse",
            format!(
                "the runs were made by different versions of Pulse ({} → {})",
                before.version, after.version
            ),
            "save the baseline again with the version in use",
        )
    })
}

fn targets(before: &RunInfo, after: &RunInfo) -> Option<Finding> {
    let texts = |run: &RunInfo| run.targets.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (known, now) = (texts(before), texts(after));
    (known != now).then(|| {
        finding(
            "targets_differ",
            Severity::Note,
            "targets",
            format!("the targets were changed ({} → {})", listed(&known), listed(&now)),
            "the comparison does not depend on them",
        )
    })
}

fn listed(names: &[String]) -> String {
    match names.len() {
        0 => "none".to_owned(),
        n if n <= MAX_NAMES => names.join(", "),
        n => format!("{} and {} more", names[..MAX_NAMES].join(", "), n - MAX_NAMES),
    }
}
