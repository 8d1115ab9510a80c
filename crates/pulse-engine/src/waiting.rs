//! How a worker's main loop passes the time until its next moment, and what that cost.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use pulse_model::{Aggregate, Histogram, Nanos, Series, Snapshot, metric};
use pulse_plan::IdleStrategy;

use crate::alarm::Alarm;
use crate::host::{ThreadProbe, thread_cpu};
use crate::idle::{Idle, Wait, Wake};
use crate::iteration::Shared;

/// A main loop that turns so late was not merely busy: it stood still.
const GAP: Nanos = Nanos::from_millis(200);

/// The waiting of one main loop.
#[derive(Debug)]
pub(crate) struct Waiting {
    alarm: Alarm,
    idle: Idle,
    /// Tells how long the thread waited for a core, where the system does.
    thread: Option<ThreadProbe>,
    // Since the last sealing:
    spun: Nanos,
    lag: Histogram,
    gap: Nanos,
}

impl Waiting {
    /// On the worker's own thread.
    pub(crate) fn new(strategy: IdleStrategy) -> io::Result<Self> {
        Ok(Self {
            alarm: Alarm::new()?,
            idle: Idle::new(strategy),
            thread: ThreadProbe::of_this_thread(),
            spun: Nanos::ZERO,
            lag: Histogram::default(),
            gap: Nanos::ZERO,
        })
    }

    /// Waits until a moment, or until something is due earlier.
    ///
    /// Whoever spins still lets the runtime turn: users are served, and answers are read when they come.
    pub(crate) async fn until(&mut self, wake: Wake, shared: &Shared) -> io::Result<()> {
        shared.kick.arm(wake.at);
        let (mut asleep, mut awake) = (None, None);
        poll_fn(|cx| {
            if let Some(before) = awake.take() {
                let cpu = thread_cpu();
                if !shared.worked.take() {
                    self.spun += cpu.since(before);
                }
                awake = Some(cpu);
            }
            if shared.kick.poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            loop {
                let now = shared.clock.now();
                if let Some(until) = asleep.take() {
                    self.idle.slept(now.since(until));
                }
                match self.idle.wait(wake, now) {
                    Wait::Over => return Poll::Ready(Ok(())),
                    Wait::Sleep(until) => match self.alarm.poll(until, now, cx) {
                        Poll::Ready(Ok(())) => asleep = Some(until),
                        other => return other,
                    },
                    Wait::Spin => {
                        if awake.is_none() {
                            shared.worked.set(false);
                            awake = Some(thread_cpu());
                        }
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
            }
        })
        .await
    }

    /// The main loop turns at `now`, having waited for `wake`.
    pub(crate) fn turned(&mut self, wake: Wake, now: Nanos) {
        if now < wake.at {
            return;
        }
        if wake.exact {
            self.idle.reached(wake.at);
        }
        let lag = now.since(wake.at);
        self.lag.record(lag.0);
        if lag >= GAP {
            self.gap += lag;
        }
    }

    /// Moves what was noted since the last time to a snapshot; `tagged` makes the worker's series.
    pub(crate) fn seal(&mut self, snapshot: &mut Snapshot, tagged: impl Fn(&str) -> Series) {
        if self.idle.may_spin() {
            snapshot.count(tagged(metric::WORKER_SPIN), std::mem::take(&mut self.spun).0);
        }
        if let Some(waited) = self.thread.as_mut().and_then(ThreadProbe::waited) {
            snapshot.count(tagged(metric::WORKER_WAIT), waited.0);
        }
        if self.gap > Nanos::ZERO {
            snapshot.count(tagged(metric::WORKER_GAP), std::mem::take(&mut self.gap).0);
        }
        if !self.lag.is_empty() {
            snapshot.add(tagged(metric::LOOP_LAG), Aggregate::Trend(self.lag.clone()));
            self.lag.clear();
        }
    }
}
