//! Targets about what the requests of a case can never have: checks without a check, and endpoints that are not there.

use pulse_model::{Subject, Target, tag};

use crate::file::error::Diagnostics;
use crate::file::reader::did_you_mean;
use crate::file::targets::PlacedTarget;
use crate::{CaseKind, Plan, Step};

/// Names that a help lists.
const NAMED: usize = 8;
/// What the messages of a WebSocket case are called.
const MESSAGES: [&str; 2] = ["message", "connect"];

/// Reports targets that could only end without data, whatever the service does.
pub(crate) fn check(notes: &Diagnostics<'_>, targets: &[PlacedTarget], kind: &CaseKind) {
    for placed in targets {
        if let Some((message, help)) = hopeless(&placed.target, kind) {
            notes.report(placed.span.clone(), &placed.path, message, Some(help));
        }
    }
}

/// Why nothing can be measured for a target, and what to do.
fn hopeless(target: &Target, kind: &CaseKind) -> Option<(String, String)> {
    let plans = kind.plans();
    let steps = || plans.iter().flat_map(|plan| &plan.scenarios).flat_map(|scenario| &scenario.steps);
    // What is taken from an answer is checked as well: it has to be there.
    let is_checked = |step: &Step| !step.checks.is_empty() || !step.extractions.is_empty();
    if target.subject == Subject::Checks && !plans.is_empty() && !steps().any(is_checked) {
        let message = format!("`{target}` can never be judged: no request of the case has a check");
        let help = "add for example checks = [{ status = 200 }], or judge errors instead";
        return Some((message, help.to_owned()));
    }
    let known = |name: &str| names(name, &plans, kind);
    let mut wanted = target.tags.iter().filter_map(|(name, value)| Some((name, value, known(name)?)));
    let (name, value, known) =
        wanted.find(|(_, value, known)| !known.iter().any(|it| *it == value.as_ref()))?;
    let message = format!("`{target}` can never be judged: the case has no {name} `{value}`");
    let help = did_you_mean(value, known.iter().copied()).unwrap_or_else(|| listed(name, &known));
    Some((message, help))
}

/// What a tag can be in a case; `None` where that shows only as it runs.
fn names<'a>(tag: &str, plans: &[&'a Plan], kind: &CaseKind) -> Option<Vec<&'a str>> {
    let scenarios = || plans.iter().flat_map(|plan| &plan.scenarios);
    let steps = || scenarios().flat_map(|scenario| &scenario.steps);
    let mut names: Vec<&str> = match (tag, kind) {
        (tag::ENDPOINT, CaseKind::WebSocket { .. }) => MESSAGES.to_vec(),
        (_, CaseKind::WebSocket { .. } | CaseKind::Command { .. } | CaseKind::Database { .. }) => {
            return None;
        }
        (tag::ENDPOINT, _) => steps().map(|step| step.name.as_ref()).collect(),
        (tag::SCENARIO, _) => scenarios().map(|scenario| scenario.name.as_ref()).collect(),
        (tag::GROUP, _) => steps().filter_map(|step| step.group.as_deref()).collect(),
        _ => return None,
    };
    names.sort_unstable();
    names.dedup();
    Some(names)
}

fn listed(name: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return format!("leave {name} out: the case has none");
    }
    let more = if known.len() > NAMED { ", …" } else { "" };
    format!("it has {}{more}", known[..known.len().min(NAMED)].join(", "))
}
