//! The dispatcher on a simulated clock: schedules as tables, and laws for any load.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use proptest::prelude::*;
use pulse_engine::{Action, Control, Dispatcher, UserId};
use pulse_model::Nanos;
use pulse_plan::{
    ArrivalLaw, Arrivals, Budget, Closed, LoadModel, Missed, Open, Profile, Segment, Stage, UserPool,
};

/// What a simulated run did.
#[derive(Debug, Default)]
struct Played {
    /// (user, intended start, actual start) in order of starting.
    starts: Vec<(UserId, Nanos, Nanos)>,
    dropped: u64,
    missed: u64,
    cut: usize,
    spawned: usize,
    most_busy: usize,
    end: Nanos,
}

/// Plays a dispatcher to its end. The n-th iteration takes `service(n)`; the caller's wake-ups are late by `late(n)`.
fn play(
    mut dispatcher: Dispatcher,
    service: impl Fn(usize) -> Nanos,
    late: impl Fn(usize) -> Nanos,
    stop_at: Option<Nanos>,
) -> Played {
    let mut played = Played::default();
    let mut busy: BTreeMap<UserId, Nanos> = BTreeMap::new();
    let mut ends: BinaryHeap<Reverse<(Nanos, UserId)>> = BinaryHeap::new();
    let mut present = BTreeSet::new();
    let mut now = Nanos::ZERO;
    let mut stop_at = stop_at;
    dispatcher.handle_timeout(now);
    for turn in 0_usize.. {
        assert!(turn < 2_000_000, "the schedule does not end: {dispatcher:?}");
        while let Some(action) = dispatcher.poll_action() {
            match action {
                Action::Spawn { user, .. } => {
                    played.spawned += 1;
                    assert!(present.insert(user), "{user:?} is there already");
                }
                Action::Start { user, due, .. } => {
                    assert!(present.contains(&user) && due <= now, "{action:?} at {now:?}");
                    assert!(busy.insert(user, now).is_none(), "{user:?} is busy");
                    ends.push(Reverse((now + service(played.starts.len()), user)));
                    played.starts.push((user, due, now));
                    played.most_busy = played.most_busy.max(busy.len());
                }
                Action::Retire { user } => assert!(present.remove(&user) && !busy.contains_key(&user)),
                Action::Cut { user } => {
                    played.cut += 1;
                    assert!(present.remove(&user) && busy.remove(&user).is_some());
                }
                Action::Drop { count, .. } => played.dropped += count,
                Action::Miss { count, .. } => played.missed += count,
                Action::Finish => {
                    assert!(busy.is_empty() && present.is_empty() && dispatcher.is_finished());
                    played.end = now;
                    return played;
                }
            }
        }
        while ends.peek().is_some_and(|Reverse((_, user))| !busy.contains_key(user)) {
            ends.pop();
        }
        let timeout = dispatcher.poll_timeout().map(|at| at + late(turn));
        let end = ends.peek().map(|&Reverse((at, _))| at);
        let next = [timeout, end, stop_at].into_iter().flatten().min().expect("something happens next");
        now = now.max(next);
        if stop_at == Some(next) {
            stop_at = None;
            dispatcher.handle_control(Control::Stop, now);
        } else if end == Some(next) {
            let Some(Reverse((_, user))) = ends.pop() else { continue };
            busy.remove(&user);
            dispatcher.handle_idle(user, now);
        } else {
            dispatcher.handle_timeout(now);
        }
    }
    unreachable!("the loop returns")
}

fn ms(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

fn closed(users: Profile, pacing: Option<Nanos>, missed: Missed) -> LoadModel {
    LoadModel::Closed(Closed { users, pacing, missed, budget: Budget::default() })
}

fn open(rate: Profile, arrivals: ArrivalLaw, max: u64) -> LoadModel {
    let users = UserPool { initial: max.min(2), max };
    LoadModel::Open(Open { rate, arrivals, users, budget: Budget::default() })
}

fn whole(load: &LoadModel) -> Dispatcher {
    Dispatcher::new(load, Segment::WHOLE, Nanos::ZERO, ms(500), None, 7)
}

fn punctual(_: usize) -> Nanos {
    Nanos::ZERO
}

#[test]
fn paced_users_start_spread_over_the_interval() {
    let load = closed(Profile::constant(4.0, Some(ms(200))), Some(ms(100)), Missed::CatchUp);
    let played = play(whole(&load), |_| ms(1), punctual, None);
    let dues: Vec<Nanos> = played.starts.iter().map(|&(_, due, _)| due).collect();
    assert_eq!(dues, [0, 25, 50, 75, 100, 125, 150, 175].map(ms));
    assert_eq!((played.end, played.dropped, played.spawned), (ms(200), 0, 4));
}

#[test]
fn users_of_schedules_beside_each_other_take_turns() {
    let load = closed(Profile::constant(2.0, Some(ms(200))), Some(ms(120)), Missed::CatchUp);
    let dues = |place| {
        let played = play(whole(&load).interleaved(place, 3), |_| ms(1), punctual, None);
        played.starts.iter().map(|&(_, due, _)| due).collect::<Vec<_>>()
    };
    assert_eq!(dues(0), [0, 60, 120, 180].map(ms));
    assert_eq!(dues(1), [20, 80, 140].map(ms));
    assert_eq!(dues(2), [40, 100, 160].map(ms));
    // Nothing else has a pace to be spread over.
    let unpaced = closed(Profile::constant(2.0, Some(ms(10))), None, Missed::CatchUp);
    let played = play(whole(&unpaced).interleaved(2, 3), |_| ms(10), punctual, None);
    assert_eq!(played.starts.iter().map(|&(_, due, _)| due).collect::<Vec<_>>(), [ms(0), ms(0)]);
}

#[test]
fn a_late_user_catches_up_and_keeps_the_intended_starts() {
    let load = closed(Profile::constant(1.0, Some(ms(1000))), Some(ms(100)), Missed::CatchUp);
    // The first iteration stalls for 350 ms, the others take 10 ms.
    let played = play(whole(&load), |n| if n == 0 { ms(350) } else { ms(10) }, punctual, None);
    let expected: Vec<(u64, u64)> = [(0, 0), (100, 350), (200, 360), (300, 370)]
        .into_iter()
        .chain((4..10).map(|n| (n * 100, n * 100)))
        .collect();
    let starts: Vec<(u64, u64)> =
        played.starts.iter().map(|&(_, due, at)| (due.0 / 1_000_000, at.0 / 1_000_000)).collect();
    assert_eq!(starts, expected);
}

#[test]
fn skipping_counts_what_was_left_out_and_rebases() {
    let load = closed(Profile::constant(1.0, Some(ms(1000))), Some(ms(100)), Missed::Skip);
    let played = play(whole(&load), |n| if n == 0 { ms(350) } else { ms(10) }, punctual, None);
    let starts: Vec<u64> = played.starts.iter().map(|&(_, due, _)| due.0 / 1_000_000).collect();
    assert_eq!(starts, [0, 350, 450, 550, 650, 750, 850, 950]);
    assert_eq!((played.missed, played.dropped), (2, 0));
}

#[test]
fn a_hopeless_service_drops_what_never_started() {
    let load = closed(Profile::constant(1.0, Some(ms(1000))), Some(ms(100)), Missed::CatchUp);
    let played = play(whole(&load), |_| ms(400), punctual, None);
    assert_eq!((played.starts.len(), played.dropped, played.cut), (3, 7, 0));
}

#[test]
fn the_graceful_stop_cuts_what_does_not_end() {
    let load = closed(Profile::constant(2.0, Some(ms(100))), None, Missed::CatchUp);
    let played = play(whole(&load), |_| ms(10_000), punctual, None);
    assert_eq!((played.starts.len(), played.cut, played.end), (2, 2, ms(600)));
}

#[test]
fn a_full_pool_drops_arrivals() {
    let load = open(Profile::constant(10.0, Some(ms(1000))), ArrivalLaw::Even, 3);
    let played = play(whole(&load), |_| ms(500), punctual, None);
    assert_eq!((played.starts.len(), played.dropped, played.most_busy, played.spawned), (6, 4, 3, 3));
    assert_eq!(played.end, ms(1200));
}

#[test]
fn a_scenario_may_start_later() {
    let load = open(Profile::constant(10.0, Some(ms(300))), ArrivalLaw::Even, 3);
    let dispatcher = Dispatcher::new(&load, Segment::WHOLE, ms(5000), ms(500), None, 7);
    let played = play(dispatcher, |_| ms(1), punctual, None);
    let dues: Vec<Nanos> = played.starts.iter().map(|&(_, due, _)| due).collect();
    assert_eq!(dues, [5000, 5100, 5200].map(ms));
    assert_eq!(played.end, ms(5300));
}

#[test]
fn users_ramp_up_and_down_and_come_back() {
    let stage = |millis, value| Stage { length: ms(millis), value };
    let profile =
        Profile::stages(&[stage(100, 2.0), stage(100, 0.0), stage(100, 2.0)]).expect("valid stages");
    let played = play(whole(&closed(profile, None, Missed::CatchUp)), |_| ms(7), punctual, None);
    // User 0 never leaves: the profile only touches its level. User 1 comes back.
    assert_eq!(played.spawned, 3);
    assert_eq!(played.most_busy, 2);
}

/// A user whose last iteration takes longer than its next active span was due in that span all the same.
#[test]
fn a_span_that_was_slept_through_is_dropped() {
    let stage = |millis, value| Stage { length: ms(millis), value };
    let stages =
        [stage(0, 1.0), stage(50, 1.0), stage(0, 0.0), stage(50, 0.0), stage(0, 1.0), stage(100, 1.0)];
    let profile = Profile::stages(&stages).expect("valid stages");
    for (missed, stop_at) in [(Missed::CatchUp, None), (Missed::CatchUp, Some(ms(150)))] {
        let load = closed(profile.clone(), Some(ms(10)), missed);
        let played = play(whole(&load), |_| ms(300), punctual, stop_at);
        let due = due(&load, stop_at.unwrap_or(Nanos::MAX)).expect("paced");
        assert_eq!((played.starts.len() as u64, played.dropped), (1, due - 1));
    }
}

/// The worker hears of the last arrival only when a user comes back after the end.
#[test]
fn an_arrival_whose_timeout_is_late_is_not_forgotten() {
    let load = open(Profile::constant(10.0, Some(ms(200))), ArrivalLaw::Even, 1);
    let played = play(whole(&load), |_| ms(250), |_| ms(500), None);
    assert_eq!((played.starts.len(), played.dropped), (1, 1));
}

/// As an arrival does: the worker that wakes behind the end is late, not the user.
#[test]
fn a_user_who_was_ready_in_time_starts_behind_the_end() {
    let load = closed(Profile::constant(1.0, Some(ms(200))), Some(ms(100)), Missed::CatchUp);
    let played = play(whole(&load), |_| ms(1), |_| ms(150), None);
    let starts: Vec<_> = played.starts.iter().map(|&(_, due, start)| (due, start)).collect();
    assert_eq!(starts, [(ms(0), ms(0)), (ms(100), ms(250))]);
    assert_eq!(played.dropped, 0);
    // A user who is late by its own iteration asks for nothing any more.
    let played = play(whole(&load), |_| ms(220), punctual, None);
    assert_eq!((played.starts.len(), played.dropped), (1, 1));
}

#[test]
fn a_part_without_users_ends_at_once() {
    let load = closed(Profile::constant(1.0, None), Some(ms(10)), Missed::CatchUp);
    let mut idle = Dispatcher::new(&load, Segment::WHOLE.part(1, 2), Nanos::ZERO, ms(500), None, 7);
    idle.handle_timeout(Nanos::ZERO);
    assert_eq!((idle.poll_action(), idle.poll_timeout()), (Some(Action::Finish), None));
}

fn loads() -> impl Strategy<Value = LoadModel> {
    let profile = prop::collection::vec((1..300_u64, 0..12_u32), 1..4).prop_map(|stages| {
        let stages: Vec<Stage> = stages
            .into_iter()
            .map(|(millis, value)| Stage { length: ms(millis), value: f64::from(value) })
            .collect();
        Profile::stages(&stages).expect("stages with a length")
    });
    prop_oneof![
        (profile.clone(), prop::option::of(1..200_u64), any::<bool>()).prop_map(|(users, pacing, skip)| {
            closed(users, pacing.map(ms), if skip { Missed::Skip } else { Missed::CatchUp })
        }),
        (profile, any::<bool>(), 1..20_u64).prop_map(|(rate, even, max)| {
            let law = if even { ArrivalLaw::Even } else { ArrivalLaw::Poisson };
            open(rate.scaled(20.0), law, max)
        }),
    ]
}

/// How many starts the schedule asks for, counted independently of the dispatcher. `None`: unpaced.
fn due(load: &LoadModel, until: Nanos) -> Option<u64> {
    match load {
        LoadModel::Open(open) => {
            let mut arrivals = Arrivals::new(open.rate.clone(), open.arrivals, 7);
            Some((0..).map_while(|n| arrivals.at(n)).take_while(|&at| at < until).count() as u64)
        }
        LoadModel::Closed(closed) => {
            let interval = closed.pacing?;
            let count = closed.users.peak().ceil() as u64;
            let mut due = 0;
            for user in 0..count {
                let phase = Nanos(interval.0 * user / count);
                for span in closed.users.spans_above(user as f64) {
                    let (first, end) = (span.from + phase, span.to.min(until));
                    due += if first < end { 1 + (end.0 - 1 - first.0) / interval.0 } else { 0 };
                }
            }
            Some(due)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever the load, the service and the lateness of the worker: what was due was started, missed or dropped.
    #[test]
    fn started_and_missed_and_dropped_are_due(
        load in loads(), takes in prop::collection::vec(1..400_u64, 1..20), delays in prop::collection::vec(0..90_u64, 1..9)
    ) {
        let played = play(
            whole(&load), |n| ms(takes[n % takes.len()]), |n| ms(delays[n % delays.len()]), None,
        );
        if let Some(due) = due(&load, Nanos::MAX) {
            let accounted = played.starts.len() as u64 + played.missed + played.dropped;
            let skips = matches!(&load, LoadModel::Closed(Closed { missed: Missed::Skip, .. }));
            // A re-based schedule may have lost, or gained, the fraction of an interval per active span of a user.
            let slack = if skips { played.spawned as u64 } else { 0 };
            prop_assert!(accounted.abs_diff(due) <= slack, "{accounted} of {due}: {played:?}");
        }
        prop_assert!(played.most_busy as u64 <= load.max_users());
        if matches!(load, LoadModel::Open(_)) {
            prop_assert!(played.starts.is_sorted_by_key(|&(_, due, _)| due), "{played:?}");
        }
    }

    #[test]
    fn any_partition_of_segments_starts_the_same(load in loads(), workers in 1..7_u32) {
        // Iterations shorter than any pace, so that nobody is late and users do not matter.
        let load = match load {
            LoadModel::Open(open) => LoadModel::Open(Open { users: UserPool { initial: 500, max: 50_000 }, ..open }),
            closed @ LoadModel::Closed(_) => closed,
        };
        if due(&load, Nanos::MAX).is_none() { return Ok(()) }
        let starts = |segment| {
            let dispatcher = Dispatcher::new(&load, segment, Nanos::ZERO, ms(500), None, 7);
            play(dispatcher, |_| Nanos(1), punctual, None).starts.into_iter().map(|(_, due, _)| due)
        };
        let mut split: Vec<Nanos> =
            (0..workers).flat_map(|worker| starts(Segment::WHOLE.part(worker, workers))).collect();
        let mut whole: Vec<Nanos> = starts(Segment::WHOLE).collect();
        split.sort_unstable();
        whole.sort_unstable();
        prop_assert_eq!(split, whole);
    }

    #[test]
    fn a_budget_of_iterations_is_used_exactly(load in loads(), budget in 0..60_u64, take in 1..50_u64) {
        let unlimited = play(whole(&load), |_| ms(take), punctual, None).starts.len() as u64;
        let limited = Dispatcher::new(&load, Segment::WHOLE, Nanos::ZERO, ms(500), Some(budget), 7);
        let played = play(limited, |_| ms(take), punctual, None);
        prop_assert_eq!(played.starts.len() as u64, budget.min(unlimited));
    }

    #[test]
    fn a_stop_ends_within_the_graceful_stop(load in loads(), at in 1..600_u64, take in 1..2000_u64) {
        let played = play(whole(&load), |_| ms(take), punctual, Some(ms(at)));
        prop_assert!(played.end <= ms(at + 500).max(Nanos::ZERO));
        if let Some(due) = due(&load, ms(at)) {
            let accounted = played.starts.len() as u64 + played.missed + played.dropped;
            let skips = matches!(&load, LoadModel::Closed(Closed { missed: Missed::Skip, .. }));
            let slack = if skips { played.spawned as u64 } else { 0 };
            prop_assert!(accounted.abs_diff(due) <= slack, "{accounted} of {due}: {played:?}");
        }
    }
}
