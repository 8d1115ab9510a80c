//! What the dashboard shows of suites while they run: the cases that are over, and the one under way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pulse_engine::Collector;
use pulse_live::Feed;
use pulse_model::{
    CaseInfo, Ending, EventKind, RunEvent, RunInfo, Snapshot, Summary, Validity, ValidityReason,
    ValidityState, Verdict,
};
use pulse_suite::SuiteEvent;

/// Most cases that are named in a line.
const MAX_NAMED: usize = 10;

/// Follows suites by their events.
#[derive(Clone)]
pub(crate) struct SuiteFollower {
    so_far: Arc<Mutex<SoFar>>,
    begin: Instant,
}

/// What was seen of the suites.
#[derive(Clone, Default)]
struct SoFar {
    run: RunInfo,
    /// The cases that are over, shared so that whoever asks does not hold up the measurement while they are copied.
    cases: Vec<Arc<Summary>>,
    /// What the cases that are over counted.
    totals: Snapshot,
    running: Option<Running>,
    /// The end without its cases.
    finished: Option<Box<Summary>>,
}

/// The case under way.
#[derive(Clone)]
struct Running {
    info: CaseInfo,
    /// `None` until its load begins.
    collector: Option<Box<Collector>>,
}

impl SuiteFollower {
    /// Has seen nothing yet.
    pub(crate) fn new() -> Self {
        let run = RunInfo { kind: "test".to_owned(), ..RunInfo::default() };
        Self { so_far: Arc::new(Mutex::new(SoFar { run, ..SoFar::default() })), begin: Instant::now() }
    }

    /// What a server serves of it.
    pub(crate) fn feed(&self) -> Feed {
        let (totals, summary) = (self.clone(), self.clone());
        Feed {
            totals: Arc::new(move || totals.seen().totals()),
            summary: Arc::new(move |known| summary.seen().summary(known, summary.begin)),
            window: None,
        }
    }

    /// Takes an event.
    pub(crate) fn event(&self, event: &SuiteEvent) {
        let mut so_far = self.lock();
        match event {
            SuiteEvent::Started { info, .. } => so_far.run.clone_from(info),
            SuiteEvent::CaseStarted { info, attempt, .. } => {
                let info = CaseInfo { attempts: *attempt, ..CaseInfo::clone(info) };
                so_far.running = Some(Running { info, collector: None });
            }
            SuiteEvent::CaseProgress(event) => {
                if let Some(running) = &mut so_far.running {
                    running.event(event);
                }
            }
            SuiteEvent::CaseFinished { summary, .. } => {
                so_far.running = None;
                so_far.totals.merge(&summary.totals);
                so_far.cases.push(Arc::new(Summary::clone(summary)));
            }
            _ => {}
        }
    }

    /// Takes the end: the whole tree, with what was added to it afterwards.
    pub(crate) fn finish(&self, summary: &Summary) {
        let mut so_far = self.lock();
        let mut root = summary.clone();
        so_far.cases = root.children.drain(..).map(Arc::new).collect();
        so_far.running = None;
        so_far.finished = Some(Box::new(root));
    }

    fn seen(&self) -> SoFar {
        self.lock().clone()
    }

    /// What a panic has left behind is still what was seen until then.
    fn lock(&self) -> MutexGuard<'_, SoFar> {
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SoFar {
    fn totals(mut self) -> Snapshot {
        if let Some(collector) = self.running.and_then(|running| running.collector) {
            self.totals.merge(collector.totals());
        }
        self.totals
    }

    /// The tree as of now, without its first `known` cases.
    fn summary(self, known: usize, begin: Instant) -> Summary {
        let cases = || self.cases.iter().map(AsRef::as_ref);
        let mut root = self.finished.map_or_else(
            || Summary {
                verdict: cases().filter_map(|case| case.verdict).reduce(|a, b| Verdict::worst([a, b])),
                validity: gathered_validity(&cases().collect::<Vec<_>>()),
                run: self.run,
                elapsed: begin.elapsed().into(),
                ending: Ending::Interrupted,
                ..Summary::default()
            },
            |root| *root,
        );
        root.children = cases().skip(known).cloned().chain(self.running.map(Running::summary)).collect();
        root
    }
}

impl Running {
    fn event(&mut self, event: &RunEvent) {
        match (&mut self.collector, &event.kind) {
            (collector, EventKind::Started(info)) => {
                *collector = Some(Box::new(Collector::new(RunInfo::clone(info))));
            }
            (Some(collector), EventKind::Snapshot(interval)) => collector.replay(interval),
            (Some(collector), other) => collector.note(event.at, other),
            (None, _) => {}
        }
    }

    /// The case as if it were stopped now; without a verdict, because it has none yet.
    fn summary(self) -> Summary {
        let run = || RunInfo { kind: "test".to_owned(), name: self.info.name.clone(), ..RunInfo::default() };
        let summary = match self.collector {
            Some(collector) => collector.finish(Ending::Interrupted),
            None => Summary { run: run(), ending: Ending::Interrupted, ..Summary::default() },
        };
        Summary { verdict: None, case: Some(self.info), ..summary }
    }
}

/// Says once for the whole which cases are disturbed; their own reasons stand with them.
pub(crate) fn gathered_validity(cases: &[&Summary]) -> Validity {
    let of_state = |state: ValidityState, word: &str| {
        let is_it = |case: &&&Summary| case.validity.state == state;
        let info = cases.iter().filter(is_it).filter_map(|case| case.case.as_ref());
        let mut ids: Vec<&str> = info.map(|info| info.id.as_str()).collect();
        let count = ids.len();
        ids.truncate(MAX_NAMED);
        let more = if count > MAX_NAMED { format!(" and {} more", count - MAX_NAMED) } else { String::new() };
        let cases = if count == 1 { "case is" } else { "cases are" };
        let message = format!("{count} {cases} {word}: {}{more}", ids.join(", "));
        (count > 0).then(|| ValidityReason { code: "cases".to_owned(), state, message, at: None })
    };
    let reasons = [(ValidityState::Invalid, "invalid"), (ValidityState::Suspect, "suspect")];
    Validity::from_reasons(reasons.into_iter().filter_map(|(state, word)| of_state(state, word)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Aggregate, Histogram, Interval, IntervalEvent, Nanos, Series, TimePoint, metric};
    use pulse_report::Page;

    fn case(id: &str, verdict: Option<Verdict>) -> Summary {
        let info = CaseInfo { id: id.to_owned(), ..CaseInfo::default() };
        Summary { verdict, case: Some(info), ..Summary::default() }
    }

    fn started(id: &str) -> SuiteEvent {
        let info = CaseInfo { id: id.to_owned(), name: id.to_owned(), ..CaseInfo::default() };
        SuiteEvent::CaseStarted { number: 1, total: 3, info: Box::new(info), attempt: 1 }
    }

    fn over(id: &str, verdict: Verdict) -> SuiteEvent {
        SuiteEvent::CaseFinished { summary: Box::new(case(id, Some(verdict))), intervals: Vec::new() }
    }

    fn progress(kind: EventKind) -> SuiteEvent {
        SuiteEvent::CaseProgress(Box::new(RunEvent { at: Nanos::from_secs(1), kind }))
    }

    fn second() -> EventKind {
        let mut times = Histogram::default();
        times.record_n(2_000_000, 7);
        let interval = Interval { from: Nanos::ZERO, to: Nanos::from_secs(1) };
        let mut snapshot = Snapshot { interval: Some(interval), ..Snapshot::default() };
        snapshot.add(Series::new(metric::RESPONSE_TIME), Aggregate::Trend(times));
        let point = TimePoint::of(&snapshot, 1, false);
        EventKind::Snapshot(Box::new(IntervalEvent { point, snapshot, warmup: None }))
    }

    /// The ids of the cases that a page has, with those that go on in brackets, and up to where it tells.
    fn told(follower: &SuiteFollower, since: Option<Nanos>) -> (String, u64) {
        let summary = (follower.feed().summary)(Page::cases_known(since));
        let page = Page { summary: &summary, running: true, since };
        let data: serde_json::Value = serde_json::from_str(&page.to_json().unwrap()).unwrap();
        let cases = data["cases"].as_array().unwrap().iter().map(|case| {
            let id = case["report"]["case"]["id"].as_str().unwrap();
            if case["running"] == true { format!("[{id}]") } else { id.to_owned() }
        });
        (cases.collect::<Vec<_>>().join(" "), page.until().0 / 1_000_000)
    }

    #[test]
    fn cases_are_told_once_and_the_one_under_way_each_time() {
        let follower = SuiteFollower::new();
        let info = Box::new(RunInfo { kind: "test".to_owned(), ..RunInfo::default() });
        follower.event(&SuiteEvent::Started { total: 3, info });
        assert_eq!(told(&follower, None), (String::new(), 0));
        follower.event(&started("a"));
        assert_eq!(told(&follower, None), ("[a]".to_owned(), 0));
        follower.event(&over("a", Verdict::Pass));
        follower.event(&started("b"));
        follower.event(&progress(EventKind::Started(Box::default())));
        follower.event(&progress(second()));
        assert_eq!(told(&follower, None), ("a [b]".to_owned(), 1));
        assert_eq!(told(&follower, Some(Nanos::from_millis(1))), ("[b]".to_owned(), 1));
        let summary = (follower.feed().summary)(0);
        assert_eq!((summary.verdict, summary.children[1].requests()), (Some(Verdict::Pass), 7));
        assert_eq!((follower.feed().totals)().trend(&Series::new(metric::RESPONSE_TIME)).count(), 7);
        follower.event(&over("b", Verdict::Fail));
        let skipped =
            CaseInfo { id: "c".to_owned(), skipped: Some("fail".to_owned()), ..CaseInfo::default() };
        let skipped = Box::new(Summary { case: Some(skipped), ..Summary::default() });
        follower.event(&SuiteEvent::CaseFinished { summary: skipped, intervals: Vec::new() });
        assert_eq!(told(&follower, Some(Nanos::from_millis(1))), ("b c".to_owned(), 3));
        assert_eq!((follower.feed().summary)(0).verdict, Some(Verdict::Fail));
        // More than there is: a reader of another run.
        assert_eq!(told(&follower, Some(Nanos::from_secs(9))), (String::new(), 9000));
    }

    #[test]
    fn the_end_has_what_was_added_afterwards() {
        let follower = SuiteFollower::new();
        follower.event(&over("a", Verdict::Pass));
        let mut compared = case("a", Some(Verdict::Pass));
        compared.findings = vec![pulse_model::Finding::default()];
        let run = RunInfo { kind: "test".to_owned(), ..RunInfo::default() };
        follower.finish(&Summary { run, children: vec![compared], ..Summary::default() });
        let summary = (follower.feed().summary)(0);
        assert_eq!((summary.children.len(), summary.children[0].findings.len()), (1, 1));
    }

    #[test]
    fn validity_is_said_once_for_the_whole() {
        let mut cases = [case("a", None), case("b", None), case("c", None)];
        cases[1].validity.state = ValidityState::Suspect;
        let validity = gathered_validity(&cases.iter().collect::<Vec<_>>());
        assert_eq!(validity.state, ValidityState::Suspect);
        assert_eq!(validity.reasons[0].message, "1 case is suspect: b");
    }
}
