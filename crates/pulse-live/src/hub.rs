//! Hands events to outputs without ever letting one of them hold up the job for long.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use pulse_model::{EventKind, RunEvent};

use crate::Output;

/// Events that may wait for one output.
const QUEUE: usize = 1024;
/// How long the first and last event wait for room, and the end of the job for an output to finish.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two looks at a full queue.
const RETRY: Duration = Duration::from_millis(5);
/// How often an output without events is ticked.
const TICK: Duration = Duration::from_millis(100);

/// Feeds several outputs, each on a thread of its own through a bounded queue.
///
/// When an output does not keep up, events are left out for it and counted; only `Started` and `Finished` wait a few
/// seconds for room. An output that fails gets no more events; the others go on.
pub struct Hub {
    lanes: Vec<Lane>,
    patience: Duration,
}

/// What became of an output.
#[derive(Debug)]
pub struct OutputReport {
    /// The name it was added with.
    pub name: String,
    /// Events that were left out because it did not keep up.
    pub dropped: u64,
    /// Why it ended early, if it did.
    pub error: Option<io::Error>,
}

struct Lane {
    name: String,
    dropped: u64,
    events: SyncSender<Arc<RunEvent>>,
    done: Receiver<io::Result<()>>,
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

impl Hub {
    /// A hub without outputs.
    pub fn new() -> Self {
        Self { lanes: Vec::new(), patience: PATIENCE }
    }

    /// Adds an output; it gets the events sent from now on. Fails when no thread can be started.
    pub fn add(&mut self, name: impl Into<String>, output: impl Output + 'static) -> io::Result<()> {
        let (events, queue) = sync_channel(QUEUE);
        let (ended, done) = sync_channel(1);
        let name = name.into();
        thread::Builder::new().name(format!("output {name}")).spawn(move || {
            // Nobody may be listening any more, which is no error.
            let _ = ended.send(feed(output, &queue));
        })?;
        self.lanes.push(Lane { name, dropped: 0, events, done });
        Ok(())
    }

    /// Sends an event to all outputs.
    pub fn send(&mut self, event: RunEvent) {
        let essential = matches!(event.kind, EventKind::Started(_) | EventKind::Finished(_));
        let patience = if essential { self.patience } else { Duration::ZERO };
        let event = Arc::new(event);
        for lane in &mut self.lanes {
            lane.send(Arc::clone(&event), patience);
        }
    }

    /// Waits until the outputs have taken what was sent, and says what became of each. An output that does not finish
    /// within a few seconds is given up and reported as such.
    pub fn close(self) -> Vec<OutputReport> {
        let patience = self.patience;
        // All queues are closed before the first is waited for, so that the outputs finish side by side.
        let closed: Vec<_> =
            self.lanes.into_iter().map(|lane| (lane.name, lane.dropped, lane.done)).collect();
        let deadline = Instant::now() + patience;
        closed
            .into_iter()
            .map(|(name, dropped, done)| {
                let left = deadline.saturating_duration_since(Instant::now());
                let error = match done.recv_timeout(left) {
                    Ok(result) => result.err(),
                    Err(RecvTimeoutError::Timeout) => Some(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "it did not take the last events in time and was given up",
                    )),
                    Err(RecvTimeoutError::Disconnected) => Some(io::Error::other("it panicked")),
                };
                OutputReport { name, dropped, error }
            })
            .collect()
    }
}

impl Lane {
    fn send(&mut self, mut event: Arc<RunEvent>, patience: Duration) {
        let deadline = Instant::now() + patience;
        loop {
            match self.events.try_send(event) {
                // One that has failed takes no more; `close` says why.
                Ok(()) | Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(_)) if Instant::now() >= deadline => {
                    self.dropped += 1;
                    return;
                }
                Err(TrySendError::Full(same)) => {
                    event = same;
                    thread::sleep(RETRY);
                }
            }
        }
    }
}

fn feed(mut output: impl Output, events: &Receiver<Arc<RunEvent>>) -> io::Result<()> {
    loop {
        match events.recv_timeout(TICK) {
            Ok(event) => output.event(&event)?,
            Err(RecvTimeoutError::Timeout) => output.tick()?,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Sender;
    use std::sync::mpsc::channel;

    use super::*;
    use crate::canned;

    /// Forwards events; before each it says so and waits for a permit, as long as permits can come.
    struct Gated {
        arrived: Sender<()>,
        permits: Receiver<()>,
        taken: Sender<RunEvent>,
    }

    impl Output for Gated {
        fn event(&mut self, event: &RunEvent) -> io::Result<()> {
            let _ = self.arrived.send(());
            let _ = self.permits.recv();
            let _ = self.taken.send(event.clone());
            Ok(())
        }
    }

    struct Failing;

    impl Output for Failing {
        fn event(&mut self, _: &RunEvent) -> io::Result<()> {
            Err(io::Error::new(io::ErrorKind::StorageFull, "the disk is full"))
        }
    }

    struct Panicking;

    impl Output for Panicking {
        fn event(&mut self, _: &RunEvent) -> io::Result<()> {
            panic!("a bug in an output")
        }
    }

    struct Rig {
        hub: Hub,
        arrived: Receiver<()>,
        permits: Sender<()>,
        taken: Receiver<RunEvent>,
    }

    fn gated(patience: Duration) -> Rig {
        let mut hub = Hub { patience, ..Hub::new() };
        let (arrived_in, arrived) = channel();
        let (permits, permits_out) = channel();
        let (taken_in, taken) = channel();
        let output = Gated { arrived: arrived_in, permits: permits_out, taken: taken_in };
        hub.add("gated", output).unwrap();
        Rig { hub, arrived, permits, taken }
    }

    #[test]
    fn every_output_gets_every_event_in_order() {
        let mut rig = gated(PATIENCE);
        drop(rig.permits);
        for event in canned::run() {
            rig.hub.send(event);
        }
        let reports = rig.hub.close();
        assert_eq!((reports[0].name.as_str(), reports[0].dropped), ("gated", 0));
        assert!(reports[0].error.is_none());
        assert_eq!(rig.taken.into_iter().collect::<Vec<_>>(), canned::run());
    }

    #[test]
    fn a_slow_output_loses_snapshots_and_says_how_many_but_keeps_the_end() {
        let mut rig = gated(PATIENCE);
        rig.hub.send(canned::started());
        rig.arrived.recv().unwrap();
        for second in 0..QUEUE as u64 + 10 {
            rig.hub.send(canned::snapshot(second));
        }
        // The output goes on as soon as it can; the last event waits for it.
        drop(rig.permits);
        rig.hub.send(canned::finished());
        let reports = rig.hub.close();
        assert_eq!(reports[0].dropped, 10);
        assert!(reports[0].error.is_none());
        let taken: Vec<_> = rig.taken.into_iter().collect();
        assert_eq!(taken.len(), QUEUE + 2);
        assert_eq!(taken.last(), Some(&canned::finished()));
    }

    #[test]
    fn an_output_that_never_returns_is_given_up() {
        let mut rig = gated(Duration::ZERO);
        rig.hub.send(canned::started());
        rig.arrived.recv().unwrap();
        for second in 0..QUEUE as u64 {
            rig.hub.send(canned::snapshot(second));
        }
        rig.hub.send(canned::finished());
        let reports = rig.hub.close();
        assert_eq!(reports[0].dropped, 1, "nobody waits forever for the end");
        let error = reports[0].error.as_ref().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(rig.permits);
    }

    #[test]
    fn a_failing_output_is_reported_and_the_others_go_on() {
        let mut rig = gated(PATIENCE);
        drop(rig.permits);
        rig.hub.add("full disk", Failing).unwrap();
        rig.hub.add("buggy", Panicking).unwrap();
        for event in canned::run() {
            rig.hub.send(event);
        }
        let reports = rig.hub.close();
        let errors: Vec<_> =
            reports.iter().map(|report| report.error.as_ref().map(ToString::to_string)).collect();
        assert_eq!(errors, [None, Some("the disk is full".to_owned()), Some("it panicked".to_owned())]);
        assert_eq!(rig.taken.into_iter().count(), canned::run().len());
    }
}
