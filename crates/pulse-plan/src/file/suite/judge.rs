//! Whether the targets of a case can be met at all, and whether its kind measures what they are about.

use pulse_model::{Estimate, Subject, metric_group};

use crate::CaseKind;
use crate::file::error::Diagnostics;
use crate::file::reader::did_you_mean;
use crate::file::suite::case::Work;
use crate::file::targets::PlacedTarget;
use crate::target_conflict::{contradict, impossible};

/// What a kind of case can be judged by.
pub(crate) struct Offer {
    /// What the case does, with its article.
    what: &'static str,
    estimates: &'static [Estimate],
    /// Names of trends.
    metrics: &'static [&'static str],
    /// Whether there are checks and dropped iterations.
    iterations: bool,
}

impl Offer {
    pub(crate) fn of(work: &Work) -> Self {
        use Estimate::{Cpu, CpuPerRequest, Degradation, Duration, LostMessages, MemoryGrowth};
        let timed = &metric_group::OF_REQUESTS[..1];
        let (what, estimates, metrics): (_, &[Estimate], &'static [&'static str]) = match work {
            Work::Requests(requests) if requests.compare.is_some() => {
                ("a case with `compare_users`", &[Degradation], &metric_group::OF_REQUESTS)
            }
            Work::Requests(_) => (
                "a case of requests",
                &[MemoryGrowth, Cpu, CpuPerRequest, Duration],
                &metric_group::OF_REQUESTS,
            ),
            Work::WebSocket { .. } => ("a WebSocket case", &[LostMessages, Duration], timed),
            Work::Done { kind: CaseKind::Database { .. }, .. } => ("a database case", &[Duration], timed),
            Work::Done { .. } => ("a command case", &[Duration], timed),
        };
        Self { what, estimates, metrics, iterations: matches!(work, Work::Requests(_)) }
    }

    /// Why a target cannot be judged, and what to do; `None` when it can.
    fn lacks(&self, subject: &Subject) -> Option<(String, String)> {
        let what = self.what;
        match subject {
            Subject::Estimate(Estimate::Degradation)
                if self.iterations && !self.estimates.contains(&Estimate::Degradation) =>
            {
                let message = "`degradation` compares two numbers of users, and this case has one".to_owned();
                Some((message, "add for example compare_users = [5, 100]".to_owned()))
            }
            Subject::Estimate(estimate) if !self.estimates.contains(estimate) => {
                let offered: Vec<&str> = self.estimates.iter().map(|estimate| estimate.name()).collect();
                let message = format!("{what} has no `{}`", estimate.name());
                Some((message, format!("it has {}, and response times", offered.join(", "))))
            }
            Subject::Trend { metric, .. } | Subject::Ratio { metric, .. }
                if !self.metrics.contains(&metric.as_str()) =>
            {
                let help = did_you_mean(metric, self.metrics.iter().copied())
                    .unwrap_or_else(|| format!("it has {}", self.metrics.join(", ")));
                Some((format!("{what} has no times called `{metric}`"), help))
            }
            Subject::Checks | Subject::Dropped if !self.iterations => {
                let name = if *subject == Subject::Checks { "checks" } else { "dropped iterations" };
                Some((format!("{what} has no {name}"), "use errors or success".to_owned()))
            }
            _ => None,
        }
    }
}

/// Reports targets that can never hold, contradict each other, or are about something that the case does not measure.
pub(crate) fn check(notes: &Diagnostics<'_>, targets: &[PlacedTarget], offer: Option<&Offer>) {
    let line_of = |placed: &PlacedTarget| notes.text[..placed.span.start].matches('\n').count() + 1;
    for (i, placed) in targets.iter().enumerate() {
        let report = |message: String, help: String| {
            notes.report(placed.span.clone(), &placed.path, message, Some(help));
        };
        let target = &placed.target;
        if let Some((reason, help)) = offer.and_then(|offer| offer.lacks(&target.subject)) {
            report(reason, help);
        } else if let Some(reason) = impossible(target) {
            report(format!("`{target}` can never hold: {reason}"), "give a limit that can be met".to_owned());
        } else if let Some(other) = targets[..i].iter().find(|other| contradict(&other.target, target)) {
            let message = format!("`{target}` contradicts `{}` on line {}", other.target, line_of(other));
            report(message, "no measurement meets both; keep one of them".to_owned());
        }
    }
}
