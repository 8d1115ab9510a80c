//! Does things at their moment, far more exactly than a timer of the runtime (1 ms).

use crate::server_thread::join;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The kernel wakes a sleeper about this much late, so the rest is spent awake.
const AWAKE: Duration = Duration::from_micros(80);

type Action = Box<dyn FnOnce() + Send>;

/// A thread that runs actions when they are due, those of one moment in the order they came. Stopped when dropped;
/// what is not due by then is dropped.
pub(crate) struct PreciseClock {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for PreciseClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PreciseClock")
    }
}

#[derive(Default)]
struct Shared {
    agenda: Mutex<Agenda>,
    changed: Condvar,
}

#[derive(Default)]
struct Agenda {
    entries: BinaryHeap<Entry>,
    count: u64,
    stopped: bool,
}

struct Entry {
    due: Instant,
    number: u64,
    action: Action,
}

impl PreciseClock {
    pub(crate) fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let run = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("precise-clock".to_owned())
            .spawn(move || {
                while let Some(action) = run.next() {
                    action();
                }
            })
            .expect("a thread can be started");
        Self { shared, thread: Some(thread) }
    }

    /// A handle for tasks of other threads.
    pub(crate) fn scheduler(&self) -> Scheduler {
        Scheduler(Arc::clone(&self.shared))
    }
}

#[derive(Clone)]
pub(crate) struct Scheduler(Arc<Shared>);

impl Scheduler {
    pub(crate) fn at(&self, due: Instant, action: impl FnOnce() + Send + 'static) {
        let mut agenda = self.0.agenda();
        let number = agenda.count;
        agenda.count += 1;
        agenda.entries.push(Entry { due, number, action: Box::new(action) });
        let is_next = agenda.entries.peek().is_some_and(|entry| entry.number == number);
        drop(agenda);
        if is_next {
            self.0.changed.notify_one();
        }
    }
}

impl Shared {
    fn agenda(&self) -> MutexGuard<'_, Agenda> {
        self.agenda.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next action at its moment; `None` when stopped.
    fn next(&self) -> Option<Action> {
        let mut agenda = self.agenda();
        loop {
            if agenda.stopped {
                return None;
            }
            let Some(due) = agenda.entries.peek().map(|entry| entry.due) else {
                agenda = self.changed.wait(agenda).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return agenda.entries.pop().map(|entry| entry.action);
            }
            if left > AWAKE {
                let wait = self.changed.wait_timeout(agenda, left.saturating_sub(AWAKE));
                agenda = wait.unwrap_or_else(PoisonError::into_inner).0;
            } else {
                drop(agenda);
                std::hint::spin_loop();
                agenda = self.agenda();
            }
        }
    }
}

impl Drop for PreciseClock {
    fn drop(&mut self) {
        self.shared.agenda().stopped = true;
        self.shared.changed.notify_one();
        join(self.thread.take());
        // The actions hold connections; they must not outlive the server by way of a scheduler left in a task.
        self.shared.agenda().entries.clear();
    }
}

/// The heap's greatest is the earliest, and of equals the first that came.
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.number).cmp(&(self.due, self.number))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn actions_run_in_order_and_never_early() {
        let clock = PreciseClock::start();
        let (sender, receiver) = mpsc::channel();
        let start = Instant::now();
        for (name, ms) in [(3, 9), (1, 3), (2, 3), (0, 0)] {
            let (due, sender) = (start + Duration::from_millis(ms), sender.clone());
            clock
                .scheduler()
                .at(due, move || sender.send((name, Instant::now() >= due)).expect("the test listens"));
        }
        let ran: Vec<_> = receiver.iter().take(4).collect();
        assert_eq!(ran, [(0, true), (1, true), (2, true), (3, true)]);
    }
}
