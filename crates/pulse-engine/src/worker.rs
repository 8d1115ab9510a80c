//! One worker: an OS thread with its own runtime, users, connections and recorder.

use std::cell::{Cell, RefCell};
use std::future::{Future as _, poll_fn};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::task::{Poll, Waker};

use pulse_model::{Interval, Nanos, Series, Snapshot, metric, tag};
use pulse_plan::IdleStrategy;
use tokio::task::{AbortHandle, LocalSet};

use crate::behavior::{Behavior, Outcome, VirtualUser as _};
use crate::clock::Clock;
use crate::dispatcher::{Action, Control, Dispatcher, UserId};
use crate::endpoints::Endpoints;
use crate::host::thread_cpu;
use crate::idle::Wake;
use crate::iteration::{Iteration, Shared};
use crate::kick::Kick;
use crate::pauses::Pauses;
use crate::recorder::{Recorder, Sheets};
use crate::waiting::Waiting;

/// The longest sleep of the main loop: how late a stop or a far-away timeout may be noticed.
const LONGEST_SLEEP: Nanos = Nanos::from_millis(100);
/// The same while a timeout is less than a second away.
const SHORT_SLEEP: Nanos = Nanos::from_millis(10);

/// What a worker does, apart from its behavior.
#[derive(Debug)]
pub(crate) struct WorkerPlan {
    pub(crate) number: u32,
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) warmup: Nanos,
    pub(crate) idle: IdleStrategy,
    /// Length of an interval; more than 0.
    pub(crate) interval: Nanos,
    /// Intervals that may wait for the aggregator before they are held back.
    pub(crate) most_waiting: usize,
    /// One schedule per scenario, each with this worker's share of the budget of requests.
    pub(crate) schedules: Vec<(Dispatcher, Option<u64>)>,
}

/// A worker's interval, on its way to the aggregator.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) worker: u32,
    pub(crate) interval: Interval,
    /// What its users did; to be sent back when it is taken out.
    pub(crate) sheets: Sheets,
    /// What the worker says of itself.
    pub(crate) own: Snapshot,
    /// The worker has ended; nothing follows.
    pub(crate) last: bool,
}

/// The way of intervals to the aggregator, and of what is used again back. Neither end ever waits for the other.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) sealed: Sender<Sealed>,
    pub(crate) emptied: Receiver<Sheets>,
}

struct Worker<B> {
    number: u32,
    behavior: B,
    shared: Shared,
    schedules: Vec<Schedule>,
    /// Length of an interval.
    interval: Nanos,
    sealed_until: Cell<Nanos>,
    next_seal: Cell<Nanos>,
    cpu: Cell<Nanos>,
    stopping: Cell<bool>,
    /// Sheets that are on their way, and how many may be.
    waiting: Cell<usize>,
    most_waiting: usize,
    /// Intervals that were not sealed in time and are not told of yet.
    late: Cell<u64>,
    idle: IdleStrategy,
    /// A user's iteration has panicked: a bug that must not look like a user who never ends.
    panicked: Cell<bool>,
}

/// Notes when a user's task ends by a panic, which the runtime would keep to itself.
struct PanicWatch<'a> {
    panicked: &'a Cell<bool>,
    kick: &'a Kick,
}

impl Drop for PanicWatch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.panicked.set(true);
            self.kick.by(Nanos::ZERO);
        }
    }
}

struct Schedule {
    dispatcher: RefCell<Dispatcher>,
    requests_left: Cell<Option<u64>>,
    /// By [`UserId`].
    seats: RefCell<Vec<Option<Rc<Seat>>>>,
}

/// Where a user waits for what to do next.
#[derive(Default)]
struct Seat {
    mail: Cell<Option<Mail>>,
    waker: RefCell<Option<Waker>>,
    task: RefCell<Option<AbortHandle>>,
    /// When the user ended its last iteration: before that it could not have started.
    free_since: Cell<Nanos>,
}

#[derive(Clone, Copy)]
enum Mail {
    Start { due: Nanos, number: u64 },
    Leave,
}

/// Runs a worker to its end on the current thread.
pub(crate) fn work<B: Behavior>(
    plan: WorkerPlan,
    behavior: B,
    clock: Clock,
    stop: &AtomicBool,
    outbox: &Outbox,
    runtime: &tokio::runtime::Runtime,
) -> io::Result<()> {
    let shared = Shared {
        clock,
        recorder: RefCell::new(Recorder::new(plan.endpoints, plan.warmup)),
        pauses: Rc::new(Pauses::default()),
        kick: Kick::default(),
        worked: Cell::default(),
    };
    let schedules = plan.schedules.into_iter().map(|(dispatcher, requests)| Schedule {
        dispatcher: RefCell::new(dispatcher),
        requests_left: Cell::new(requests),
        seats: RefCell::default(),
    });
    let worker = Rc::new(Worker {
        number: plan.number,
        behavior,
        shared,
        schedules: schedules.collect(),
        interval: plan.interval,
        sealed_until: Cell::new(Nanos::ZERO),
        next_seal: Cell::new(plan.interval),
        cpu: Cell::new(thread_cpu()),
        stopping: Cell::new(false),
        waiting: Cell::default(),
        most_waiting: plan.most_waiting,
        late: Cell::default(),
        idle: plan.idle,
        panicked: Cell::new(false),
    });
    LocalSet::new().block_on(runtime, worker.drive(stop, outbox))
}

impl<B: Behavior> Worker<B> {
    /// The main loop: everything that happens at a time and not because of an answer.
    async fn drive(self: Rc<Self>, stop: &AtomicBool, outbox: &Outbox) -> io::Result<()> {
        let mut waiting = Waiting::new(self.idle)?;
        let mut now = self.shared.clock.now();
        loop {
            assert!(!self.panicked.get(), "a user's iteration has panicked; its message stands above");
            self.turn(now);
            // After the turn, so that what is due by now is started and not dropped.
            if stop.load(Ordering::Relaxed) && !self.stopping.replace(true) {
                (0..self.schedules.len()).for_each(|scenario| self.stop(scenario, now));
            }
            if self.schedules.iter().all(|schedule| schedule.dispatcher.borrow().is_finished()) {
                self.seal(now, true, &mut waiting, outbox);
                return Ok(());
            }
            if now >= self.next_seal.get() {
                // Who is due on the stroke of an interval has been woken just now, and goes first.
                tokio::task::yield_now().await;
                let until = Nanos(now.0 / self.interval.0 * self.interval.0);
                self.seal(until, false, &mut waiting, outbox);
            }
            let wake = self.next_wake(now);
            waiting.until(wake, &self.shared).await?;
            now = self.shared.clock.now();
            waiting.turned(wake, now);
        }
    }

    fn turn(self: &Rc<Self>, now: Nanos) {
        for scenario in 0..self.schedules.len() {
            self.schedules[scenario].dispatcher.borrow_mut().handle_timeout(now);
            self.perform(scenario, now);
        }
        self.shared.pauses.wake_until(now);
        if self.behavior.next_deadline().is_some_and(|deadline| self.shared.clock.at(deadline) <= now) {
            self.behavior.sweep(self.shared.clock.instant(now));
        }
    }

    fn next_wake(&self, now: Nanos) -> Wake {
        let timeouts =
            self.schedules.iter().filter_map(|schedule| schedule.dispatcher.borrow().poll_timeout());
        let exact = timeouts.chain(self.shared.pauses.next()).min();
        let near = now + Nanos::from_secs(1);
        let deadline = self.behavior.next_deadline().map(|deadline| self.shared.clock.at(deadline));
        let longest =
            if deadline.is_some_and(|deadline| deadline < near) { SHORT_SLEEP } else { LONGEST_SLEEP };
        let loose = self.next_seal.get().min(now + longest);
        let loose = deadline.map_or(loose, |deadline| loose.min(deadline));
        // What is overdue is wanted from now on: the loop is not late for what it has just looked at.
        match exact.filter(|&exact| exact <= loose) {
            Some(at) => Wake { at: at.max(now), exact: true },
            None => Wake { at: loose.max(now), exact: false },
        }
    }

    fn stop(self: &Rc<Self>, scenario: usize, now: Nanos) {
        self.schedules[scenario].dispatcher.borrow_mut().handle_control(Control::Stop, now);
        self.perform(scenario, now);
    }

    /// Does what the dispatcher has decided.
    fn perform(self: &Rc<Self>, scenario: usize, now: Nanos) {
        let schedule = &self.schedules[scenario];
        loop {
            // The borrow must end before a user's task is touched.
            let Some(action) = schedule.dispatcher.borrow_mut().poll_action() else { break };
            let count = |due, name, n| self.shared.recorder.borrow_mut().count(scenario, due, name, n);
            match action {
                Action::Spawn { user, number } => {
                    self.spawn(scenario, user, number, now);
                    count(now, metric::USERS_STARTED, 1);
                }
                Action::Start { user, due, number } => {
                    count(due, metric::DUE_ITERATIONS, 1);
                    count(due, metric::ITERATIONS, 1);
                    schedule.seat(user).deliver(Mail::Start { due, number });
                }
                Action::Retire { user } => {
                    schedule.seat(user).deliver(Mail::Leave);
                    count(now, metric::USERS_STOPPED, 1);
                }
                Action::Cut { user } => {
                    if let Some(task) = schedule.seat(user).task.take() {
                        task.abort();
                    }
                    count(now, metric::CUT_ITERATIONS, 1);
                    count(now, metric::USERS_STOPPED, 1);
                }
                Action::Drop { due, count: dropped } => {
                    count(due, metric::DUE_ITERATIONS, dropped);
                    count(due, metric::DROPPED_ITERATIONS, dropped);
                }
                Action::Miss { due, count: missed } => {
                    count(due, metric::DUE_ITERATIONS, missed);
                    count(due, metric::MISSED_ITERATIONS, missed);
                }
                Action::Finish => self.shared.kick.by(Nanos::ZERO),
            }
        }
        if let Some(timeout) = schedule.dispatcher.borrow().poll_timeout() {
            self.shared.kick.by(timeout);
        }
    }

    fn spawn(self: &Rc<Self>, scenario: usize, user: UserId, number: u64, now: Nanos) {
        let seat = Rc::new(Seat { free_since: Cell::new(now), ..Seat::default() });
        let life = Rc::clone(self).attend(scenario, user, number, Rc::clone(&seat));
        let task = if self.idle == IdleStrategy::Sleep {
            tokio::task::spawn_local(life)
        } else {
            // What users do while the main loop stays awake is not spinning.
            let (worker, mut life) = (Rc::clone(self), Box::pin(life));
            tokio::task::spawn_local(poll_fn(move |cx| {
                worker.shared.worked.set(true);
                life.as_mut().poll(cx)
            }))
        };
        *seat.task.borrow_mut() = Some(task.abort_handle());
        let mut seats = self.schedules[scenario].seats.borrow_mut();
        let place = user.0 as usize;
        if seats.len() <= place {
            seats.resize_with(place + 1, || None);
        }
        seats[place] = Some(seat);
    }

    /// A user's life: wait for a start, do an iteration, say that it is over.
    async fn attend(self: Rc<Self>, scenario: usize, id: UserId, number: u64, seat: Rc<Seat>) {
        let schedule = &self.schedules[scenario];
        let clock = self.shared.clock;
        let _watch = PanicWatch { panicked: &self.panicked, kick: &self.shared.kick };
        let mut user = self.behavior.user(scenario, number);
        // When the last iteration ended, if the next follows at once: the clock is not asked again.
        let mut ended = None;
        while let Mail::Start { due, number } = seat.next(&mut ended).await {
            let ready = due.max(seat.free_since.get());
            let now = ended.take().unwrap_or_else(|| clock.now());
            self.shared.recorder.borrow_mut().start(scenario, due, ready, now);
            let mut iteration = Iteration::new(&self.shared, &schedule.requests_left, number, due);
            let outcome = user.iterate(&mut iteration).await;
            let now = iteration.end();
            ended = Some(now);
            seat.free_since.set(now);
            let mut dispatcher = schedule.dispatcher.borrow_mut();
            let mut recorder = self.shared.recorder.borrow_mut();
            match outcome {
                Outcome::Completed => recorder.iteration(scenario, due, now),
                Outcome::Cut => recorder.count(scenario, due, metric::CUT_ITERATIONS, 1),
                Outcome::Exhausted => dispatcher.handle_control(Control::Exhaust, now),
            }
            dispatcher.handle_idle(id, now);
            drop((dispatcher, recorder));
            self.perform(scenario, now);
        }
    }

    /// Hands the interval up to `until` to the aggregator. Where too many wait there already, the interval grows instead:
    /// nothing is lost, and the worker does not wait.
    fn seal(&self, until: Nanos, last: bool, waiting: &mut Waiting, outbox: &Outbox) {
        self.next_seal.set(until + self.interval);
        let mut emptied = None;
        for sheets in outbox.emptied.try_iter() {
            self.waiting.set(self.waiting.get() - 1);
            // One is enough to go on with: what piled up behind an aggregator that was busy is given up.
            emptied = Some(sheets);
        }
        if self.waiting.get() >= self.most_waiting && !last {
            self.late.set(self.late.get() + 1);
            return;
        }
        self.waiting.set(self.waiting.get() + 1);
        let interval = Interval { from: self.sealed_until.replace(until), to: until };
        let sheets = self.shared.recorder.borrow_mut().swap(emptied);
        let mut own = Snapshot::default();
        let cpu = thread_cpu();
        let tagged = |name: &str| Series::new(name).with(tag::WORKER, &self.number.to_string());
        own.count(tagged(metric::WORKER_CPU), cpu.since(self.cpu.replace(cpu)).0);
        own.count(tagged(metric::WORKER_WALL), interval.length().0);
        waiting.seal(&mut own, tagged);
        if self.late.get() > 0 {
            own.count(tagged(metric::LATE_SNAPSHOTS), self.late.take());
        }
        // The aggregator outlives the workers; should it be gone after all, nobody is left to tell.
        let _ = outbox.sealed.send(Sealed { worker: self.number, interval, sheets, own, last });
    }
}

impl Schedule {
    fn seat(&self, user: UserId) -> Rc<Seat> {
        let seats = self.seats.borrow();
        let seat = seats.get(user.0 as usize).and_then(Option::as_ref);
        Rc::clone(seat.expect("a user is spawned before anything else happens to it"))
    }
}

impl Seat {
    fn deliver(&self, mail: Mail) {
        self.mail.set(Some(mail));
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// The next thing to do. `ended` is emptied where it has to be waited for.
    async fn next(&self, ended: &mut Option<Nanos>) -> Mail {
        poll_fn(|cx| {
            let Some(mail) = self.mail.take() else {
                *ended = None;
                *self.waker.borrow_mut() = Some(cx.waker().clone());
                return Poll::Pending;
            };
            Poll::Ready(mail)
        })
        .await
    }
}
