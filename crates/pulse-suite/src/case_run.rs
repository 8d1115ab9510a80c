//! One case from its first batch to its verdict.

use std::collections::BTreeMap;
use std::time::Instant;

use pulse_engine::StopHandle;
use pulse_model::{
    Ending, Estimate, EventKind, Finding, Histogram, Measured, Nanos, RunEvent, Severity, Snapshot, Subject,
    Summary, Target, TargetResult, Verdict,
};
use pulse_monitor::Process;
use pulse_plan::{Case, CaseLimits};
use pulse_stats::{CONFIDENCE, judge_estimate, mean_interval};

use crate::compare::Precision;
use crate::cpu::{cpu_per_request, cpu_share};
use crate::degradation::degradation;
use crate::estimate_judgement::judge_measured;
use crate::gathering::Gathering;
use crate::memory::memory_growth;
use crate::sampling::{Reached, Sampling, is_decided};
use crate::warm_up_check::late_warm_up;
use crate::watch::{Watch, Watched};
use crate::websocket::{count_failed_connections, lost_messages};
use crate::work::{CaseError, Work, info};

/// What is known about where a case runs.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    /// URL of the service.
    pub(crate) service: &'a str,
    /// The service's process, or why it is not known.
    pub(crate) process: Result<Process, String>,
    /// The user's wish to stop.
    pub(crate) stop: &'a StopHandle,
    /// Whether to end at the least number of samples.
    pub(crate) quick: bool,
    /// How well figures shall be known before the case passes.
    pub(crate) precision: Option<Precision>,
}

impl Surroundings<'_> {
    /// How much the case may measure.
    fn limits(&self, case: &Case) -> CaseLimits {
        let mut limits = case.limits;
        if self.precision.is_some() {
            limits.max_samples = limits.max_samples_compared;
        }
        if self.quick && limits.min_samples != u64::MAX {
            limits.max_samples = limits.min_samples;
            limits.min_duration = Nanos::ZERO;
        }
        limits
    }
}

/// Runs a case once. A case that cannot run has a summary too, without data and with the reason.
pub(crate) fn run_case(
    case: &Case,
    surroundings: &Surroundings<'_>,
    events: &mut dyn FnMut(RunEvent),
) -> CaseOutcome {
    let limits = surroundings.limits(case);
    let result = Work::prepare(case, &limits)
        .and_then(|work| CaseRun::new(case, surroundings, &work, limits)?.run(events));
    result.unwrap_or_else(|error| {
        let summary = unmeasured(case, surroundings.service, "case_not_run", &error.to_string());
        CaseOutcome { summary, intervals: Vec::new() }
    })
}

/// What came of a case.
#[derive(Debug)]
pub(crate) struct CaseOutcome {
    /// What it found out.
    pub(crate) summary: Summary,
    /// What was judged, in order of time.
    pub(crate) intervals: Vec<Snapshot>,
}

/// The summary of a case of which nothing was measured: red, with the reason.
pub(crate) fn unmeasured(case: &Case, service: &str, code: &str, reason: &str) -> Summary {
    let no_data = |target: &Target| judge_estimate(target, None, reason);
    let help = "Nothing was measured, so nothing can have passed; see the reason above.".to_owned();
    Summary {
        run: info(case, service),
        targets: case.targets.iter().map(no_data).collect(),
        verdict: Some(Verdict::NoData),
        findings: vec![Finding {
            code: code.to_owned(),
            severity: Severity::Problem,
            subject: case.info.id.clone(),
            message: reason.to_owned(),
            help: Some(help),
            ..Finding::default()
        }],
        case: Some(case.info.clone()),
        ..Summary::default()
    }
}

fn since(begin: Instant) -> Nanos {
    Nanos(u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

struct CaseRun<'a> {
    case: &'a Case,
    surroundings: &'a Surroundings<'a>,
    work: &'a Work,
    sampling: Sampling,
    gathering: Gathering,
    /// What the many users are compared with.
    reference: Gathering,
    /// Ends the case for any reason.
    stop: StopHandle,
    watch: Watch,
    /// When the warm-up was over.
    began: Instant,
    decided: bool,
    saved: u64,
}

impl<'a> CaseRun<'a> {
    fn new(
        case: &'a Case,
        surroundings: &'a Surroundings<'a>,
        work: &'a Work,
        limits: CaseLimits,
    ) -> Result<Self, CaseError> {
        let stop = StopHandle::default();
        let process = surroundings.process.as_ref().ok().copied();
        let watch = Watch::start(process, surroundings.stop.clone(), stop.clone());
        Ok(Self {
            case,
            surroundings,
            work,
            sampling: Sampling::new(limits),
            gathering: Gathering::new(work.info(case, surroundings.service)),
            reference: Gathering::new(pulse_model::RunInfo::default()),
            stop,
            watch: watch.map_err(pulse_engine::RunError::Machine)?,
            began: Instant::now(),
            decided: false,
            saved: 0,
        })
    }

    fn run(mut self, events: &mut dyn FnMut(RunEvent)) -> Result<CaseOutcome, CaseError> {
        let info = Box::new(self.work.info(self.case, self.surroundings.service));
        events(RunEvent { at: Nanos::ZERO, kind: EventKind::Started(info) });
        let warmup_requests = self.work.warm_up(&self.stop)?;
        self.began = Instant::now();
        while !self.stop.is_stopped() {
            self.reference(events)?;
            if self.stop.is_stopped() || self.sampling.is_over(self.reached()) {
                break;
            }
            self.batch(events)?;
            let reached = self.reached();
            if !self.sampling.goes_on(reached) {
                break;
            }
            if self.decided {
                // The requests that were under way have come to their end: they may have changed the answer.
                self.decided = self.is_decided(reached);
            } else {
                self.look(reached);
            }
            if self.decided {
                self.saved = self.sampling.saved(reached);
                break;
            }
        }
        Ok(self.finish(warmup_requests))
    }

    /// The part of a batch that the rest is compared with, for kinds that have one.
    fn reference(&mut self, events: &mut dyn FnMut(RunEvent)) -> Result<(), CaseError> {
        let Self { reference, gathering, sampling, work, began, .. } = self;
        let (stop, case_stop) = (StopHandle::default(), self.stop.clone());
        let end = stop.clone();
        reference.begin();
        let listen = &mut |event: RunEvent| {
            if let EventKind::Snapshot(interval) = event.kind {
                let interval = reference.add(*interval);
                let reached = Reached { samples: gathering.samples, elapsed: since(*began), blocks: 0 };
                if case_stop.is_stopped() || sampling.is_over(reached) {
                    end.stop();
                }
                events(RunEvent { at: interval.point.to, kind: EventKind::Snapshot(Box::new(interval)) });
            }
        };
        if let Some(summary) = work.run_reference(&stop, listen) {
            reference.end(summary?.elapsed, true);
        }
        Ok(())
    }

    fn batch(&mut self, events: &mut dyn FnMut(RunEvent)) -> Result<(), CaseError> {
        self.gathering.begin();
        let (work, stop) = (self.work, StopHandle::default());
        let end = stop.clone();
        let listen = &mut |event: RunEvent| match event.kind {
            EventKind::Snapshot(mut interval) => {
                if matches!(work, Work::WebSocket { .. }) {
                    count_failed_connections(&mut interval);
                }
                self.watch.note(&mut interval.point);
                let interval = self.gathering.add(*interval);
                events(RunEvent { at: interval.point.to, kind: EventKind::Snapshot(Box::new(interval)) });
                let reached = self.reached();
                self.look(reached);
                let is_enough = self.decided || self.sampling.is_over(reached);
                // A batch whose length is judged is cut short by nothing but the end of the case.
                if self.stop.is_stopped() || is_enough && !self.wants(Estimate::Duration) {
                    end.stop();
                }
            }
            EventKind::Notice(finding) => {
                let at = self.gathering.elapsed(event.at);
                events(RunEvent { at, kind: EventKind::Notice(finding) });
            }
            // The batch has its own view of targets and end; those of the case follow from all batches.
            EventKind::Started(_) | EventKind::Breach(_) | EventKind::Finished(_) => {}
        };
        let summary = work.run(&stop, listen)?;
        self.gathering.end(summary.elapsed, summary.ending == Ending::Finished);
        Ok(())
    }

    fn wants(&self, estimate: Estimate) -> bool {
        self.case.targets.iter().any(|target| target.subject == Subject::Estimate(estimate))
    }

    /// How far the case is. The time between two batches counts: what happens to a service then, or does not, is seen in the
    /// next batch, and the user waits for it all.
    fn reached(&self) -> Reached {
        let Self { gathering, began, .. } = self;
        Reached { samples: gathering.samples, elapsed: since(*began), blocks: gathering.blocks().len() }
    }

    /// An early look, when it is time for one.
    fn look(&mut self, reached: Reached) {
        if !self.decided && self.sampling.looks_at(reached) {
            self.decided = self.is_decided(reached);
        }
    }

    /// Whether what there is decides the case before its budget is used up.
    fn is_decided(&self, reached: Reached) -> bool {
        let blocks = self.gathering.blocks();
        let (results, _) = self.judge(&blocks, &self.watch.so_far());
        let passes = self.sampling.may_pass(reached) && is_decided(&results, &blocks);
        passes && self.is_precise(&blocks) || self.sampling.is_missed(reached, &results, &blocks)
    }

    /// Whether a comparison could be made with what there is.
    fn is_precise(&self, blocks: &[Snapshot]) -> bool {
        let precision = self.surroundings.precision;
        precision.is_none_or(|precision| precision.is_reached(blocks, &self.case.targets))
    }

    /// Judges all targets by the blocks that the case has so far.
    fn judge(
        &self,
        blocks: &[Snapshot],
        watched: &Watched,
    ) -> (Vec<TargetResult>, BTreeMap<Estimate, Measured>) {
        let estimates = self.estimates(blocks, watched);
        let judge = |target: &Target| match &target.subject {
            Subject::Estimate(estimate) => {
                judge_estimate(target, estimates.get(estimate), &self.missing(*estimate, watched))
            }
            _ => judge_measured(target, &self.gathering.totals, blocks),
        };
        (self.case.targets.iter().map(judge).collect(), estimates)
    }

    fn estimates(&self, blocks: &[Snapshot], watched: &Watched) -> BTreeMap<Estimate, Measured> {
        let Gathering { progress, totals, durations, warmup_requests, .. } = &self.gathering;
        let optional = [
            (Estimate::MemoryGrowth, memory_growth(&watched.readings, progress, *warmup_requests as f64)),
            (Estimate::Cpu, cpu_share(watched, progress)),
            (Estimate::CpuPerRequest, cpu_per_request(watched, progress)),
            (Estimate::Degradation, degradation(&self.reference.blocks(), blocks)),
            (Estimate::Duration, self.wants(Estimate::Duration).then(|| duration(durations)).flatten()),
            (Estimate::LostMessages, self.lost(totals)),
        ];
        optional.into_iter().filter_map(|(estimate, measured)| Some((estimate, measured?))).collect()
    }

    fn lost(&self, totals: &Snapshot) -> Option<Measured> {
        if !matches!(self.work, Work::WebSocket { .. }) {
            return None;
        }
        let (lost, sent) = lost_messages(totals);
        let value = lost as f64;
        (sent > 0).then_some(Measured { value, lo: value, hi: value, samples: sent })
    }

    /// Why there is no such estimate.
    fn missing(&self, estimate: Estimate, watched: &Watched) -> String {
        match (estimate, &self.surroundings.process) {
            (Estimate::MemoryGrowth | Estimate::Cpu | Estimate::CpuPerRequest, Err(reason)) => {
                format!("the service's process is not known: {reason}")
            }
            (Estimate::MemoryGrowth, Ok(_)) => format!(
                "{} readings of the process's memory, at too few different numbers of requests, are no trend; let the \
                 case make more requests, or take longer",
                watched.readings.len()
            ),
            (Estimate::Cpu | Estimate::CpuPerRequest, Ok(_)) => {
                "the case was too short to read CPU time".to_owned()
            }
            (Estimate::Degradation, _) => "there are fewer than 200 response times on a side".to_owned(),
            (Estimate::Duration, _) => "no batch came to its end".to_owned(),
            (Estimate::LostMessages, _) => {
                "no message was answered or lost: is the path right, and is `timeout` \
                                           shorter than the case?"
                    .to_owned()
            }
        }
    }

    fn finish(mut self, warmup_requests: u64) -> CaseOutcome {
        let is_interrupted = self.surroundings.stop.is_stopped();
        let watched = self.watch.finish();
        let intervals = self.gathering.blocks();
        let (targets, estimates) = self.judge(&intervals, &watched);
        let mut verdict = Verdict::worst(targets.iter().map(|result| result.verdict));
        let mut findings = Vec::new();
        if watched.ended.is_some() {
            verdict = verdict.max(Verdict::Fail);
            findings.push(self.process_ended());
        }
        // Under a load that is not the same throughout, another level of response times is no warm-up.
        let is_steady = self.case.limits.min_samples != u64::MAX;
        findings.extend(is_steady.then(|| late_warm_up(&self.case.info.id, &intervals)).flatten());
        let (case, saved) = (self.case, self.saved);
        let ending = if is_interrupted { Ending::Interrupted } else { Ending::Finished };
        let mut summary = self.gathering.finish(ending);
        summary.targets = targets;
        summary.estimates = estimates;
        summary.verdict = Some(verdict);
        summary.warmup_requests += warmup_requests;
        findings.append(&mut summary.findings);
        summary.findings = findings;
        summary.case = Some(pulse_model::CaseInfo { requests_saved: saved, ..case.info.clone() });
        CaseOutcome { summary, intervals }
    }

    fn process_ended(&self) -> Finding {
        let samples = self.gathering.samples;
        Finding {
            code: "process_ended".to_owned(),
            severity: Severity::Problem,
            subject: self.surroundings.service.to_owned(),
            message: format!(
                "the service's process ended in the middle of the case; the figures are those of the {samples} samples \
                 until then"
            ),
            help: Some("Look into its log for the reason, then run the case again.".to_owned()),
            ..Finding::default()
        }
    }
}

/// The mean length of the batches with Student's interval; of a single one a fact.
fn duration(durations: &[Nanos]) -> Option<Measured> {
    let mut histogram = Histogram::default();
    durations.iter().for_each(|length| histogram.record(length.0));
    let value = histogram.mean()?;
    let (lo, hi) = mean_interval(&histogram, CONFIDENCE).unwrap_or((value, value));
    Some(Measured { value, lo: lo.max(0.0), hi, samples: histogram.count() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let millis =
            |lengths: &[u64]| lengths.iter().map(|&length| Nanos::from_millis(length)).collect::<Vec<_>>();
        assert_eq!(duration(&[]), None);
        let one = duration(&millis(&[40])).unwrap();
        assert_eq!((one.value, one.lo, one.hi, one.samples), (40e6, 40e6, 40e6, 1));
        let several = duration(&millis(&[40, 42, 44])).unwrap();
        assert!(several.lo < 40e6 && (several.value - 42e6).abs() < 1.0 && several.hi > 44e6, "{several:?}");
    }
}
