//! Runs scenario files against a server of the test, the way the command line does.

use std::collections::BTreeMap;
use std::sync::Arc;

use pulse_engine::{INTERVAL, Job, StopHandle, host_info, raise_descriptor_limit, run};
use pulse_model::{Nanos, RunEvent, RunInfo, Summary};
use pulse_plan::{BodyFile, Overrides, ScenarioFile, Segment, ServiceOptions};

/// A run to be made.
pub(crate) struct Run<'a> {
    /// The scenario file.
    pub(crate) text: &'a str,
    /// The service; replaces that of the file.
    pub(crate) url: String,
    /// The files that the scenario file names, with their content.
    pub(crate) files: &'a [(&'a str, &'a str)],
    /// Those that are streamed.
    pub(crate) bodies: &'a [(&'a str, BodyFile)],
    /// Worker threads.
    pub(crate) workers: u32,
    /// Told to stop when this says so of an event.
    pub(crate) stop_when: fn(&RunEvent) -> bool,
    /// Length of an interval.
    pub(crate) interval: Nanos,
    /// Told of every event, on the thread that merges.
    pub(crate) watch: &'a (dyn Fn(&RunEvent) + Sync),
}

impl Default for Run<'_> {
    fn default() -> Self {
        Self {
            text: "",
            url: String::new(),
            files: &[],
            bodies: &[],
            workers: 1,
            stop_when: |_| false,
            interval: INTERVAL,
            watch: &|_| {},
        }
    }
}

impl Run<'_> {
    /// Makes it; panics where there is no run. All events, with the summary of the last one apart.
    pub(crate) fn make(&self) -> (Summary, Vec<RunEvent>) {
        // Some tests have more users than the usual limit of descriptors allows.
        raise_descriptor_limit();
        let files: BTreeMap<String, Vec<u8>> =
            self.files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
        let service = ServiceOptions { url: Some(self.url.clone()), ..ServiceOptions::default() };
        let overrides = Overrides { service, ..Overrides::default() };
        let mut file =
            ScenarioFile::parse("test.toml", self.text, &|_| None).unwrap_or_else(|error| panic!("{error}"));
        self.bodies.iter().for_each(|(name, body)| file.stream(name, body.clone()));
        let plan = file.into_plan(&files, &overrides).unwrap_or_else(|error| panic!("{error}"));
        let info = RunInfo {
            kind: "load".to_owned(),
            name: plan.name.clone(),
            service: plan.service.url.clone(),
            scenarios: plan.scenario_info(),
            duration: plan.duration(),
            warmup: plan.warmup,
            targets: plan.targets.clone(),
            workers: self.workers,
            seed: plan.seed,
            started: "2026-01-01T00:00:00.000Z".to_owned(),
            version: "0.0.0".to_owned(),
            host: host_info(),
            notices: Vec::new(),
        };
        let job = Job {
            plan: Arc::new(plan),
            workers: self.workers,
            segment: Segment::WHOLE,
            interval: self.interval,
            info,
        };
        let stop = StopHandle::default();
        let mut events = Vec::new();
        let mut watch = |event: RunEvent| {
            if (self.stop_when)(&event) {
                stop.stop();
            }
            (self.watch)(&event);
            events.push(event);
        };
        let summary = run(&job, &stop, &mut watch).unwrap_or_else(|error| panic!("{error}"));
        (summary, events)
    }
}
