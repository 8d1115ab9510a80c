//! Two commands, run in turns: does the second take longer than the first?
//!
//! A machine drifts: it warms up, a neighbour wakes. Run one after the other, the second variant would carry the drift
//! alone. In the order A B B A A B B A… each variant comes first as often as second, so that a steady drift falls on both
//! and cancels. Each pair of neighbours gives one ratio. Their centre is the pseudo-median of the logarithms: a run that was
//! held up for a second gives a wild ratio, which would move a mean by any amount, and this by no more than a slightly slow one.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};
use pulse_model::{Effect, Measured, Nanos};
use pulse_stats::{CONFIDENCE, Estimate, pseudo_median};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde::{Deserialize, Serialize};

use crate::invocation::{Invocation, InvocationError};
use crate::output_tail::OutputTail;

/// Most pairs of one comparison.
pub const MAX_PAIRS: u32 = 10_000;
/// Fewest pairs whose interval is worth the name.
pub const MIN_PAIRS: u32 = 6;
/// How often a stop is looked for while a command runs.
const STOP_CHECK: Duration = Duration::from_millis(50);

/// One of the two commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// The first, what is compared with.
    A,
    /// The second.
    B,
}

/// What to run and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbPlan {
    /// First command line; a shell runs it only where it has to.
    pub a: String,
    /// Second command line.
    pub b: String,
    /// Runs of each command that are not counted, so that caches are filled.
    pub warmup: u32,
    /// Counted pairs, from 6 to 10 000.
    pub pairs: u32,
    /// Longest time a single run may take.
    pub timeout: Duration,
}

impl AbPlan {
    /// Twenty pairs after one round of warm-up, with at most five minutes for a single run.
    pub fn new(a: &str, b: &str) -> Self {
        Self { a: a.to_owned(), b: b.to_owned(), warmup: 1, pairs: 20, timeout: Duration::from_mins(5) }
    }
}

/// The order of the counted runs: A B, B A, A B, …
fn schedule(pairs: u32) -> impl Iterator<Item = Variant> {
    (0..pairs).flat_map(|pair| {
        if pair.is_multiple_of(2) { [Variant::A, Variant::B] } else { [Variant::B, Variant::A] }
    })
}

/// How long a run took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbRun {
    /// Which command.
    pub variant: Variant,
    /// Wall-clock time from start to end.
    pub wall: Nanos,
    /// CPU time of the command and of the processes that it waited for, to the microsecond.
    pub cpu: Nanos,
}

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AbResult {
    /// The counted runs in order. After a stop the last pair may be incomplete.
    pub runs: Vec<AbRun>,
    /// Wall-clock time of B over that of A, with its 95 % interval; `None` for fewer than six pairs.
    pub wall: Option<Measured>,
    /// CPU time of B over that of A; `None` also where a command uses none that can be measured.
    pub cpu: Option<Measured>,
    /// What the ratio of wall-clock times means.
    pub effect: Effect,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

/// Why two commands cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum AbError {
    /// A command line cannot be read.
    #[error("command {variant:?}: {source}")]
    Command {
        /// Which command.
        variant: Variant,
        /// What is wrong with it.
        source: InvocationError,
    },
    /// Too few or too many pairs.
    #[error("{pairs} pairs are not between {MIN_PAIRS} and {MAX_PAIRS}; 20 is a good start")]
    Pairs {
        /// The number asked for.
        pairs: u32,
    },
    /// A command cannot be started.
    #[error("command {variant:?} cannot be started: {source}; check the path of its program")]
    Start {
        /// Which command.
        variant: Variant,
        /// Why.
        source: io::Error,
    },
    /// A command failed; a failing run measures nothing.
    #[error("command {variant:?} failed in run {run} ({status}), so that its time means nothing; make it succeed first{}",
        if output.is_empty() { String::new() } else { format!(": {output}") })]
    Failed {
        /// Which command.
        variant: Variant,
        /// Number of the run, counted from 1, warm-up included.
        run: u32,
        /// How it ended.
        status: ExitStatus,
        /// The last lines that it wrote to standard error.
        output: String,
    },
    /// A command did not end in time.
    #[error("command {variant:?} did not end within {timeout} in run {run}; give it less to do or more time")]
    TimedOut {
        /// Which command.
        variant: Variant,
        /// Number of the run, counted from 1, warm-up included.
        run: u32,
        /// The limit.
        timeout: Nanos,
    },
    /// The system refused.
    #[error("command {variant:?} cannot be watched: {source}")]
    Watch {
        /// Which command.
        variant: Variant,
        /// Why.
        source: io::Error,
    },
}

/// Stops a comparison from another thread: the running command is killed, and what was measured until then is kept.
#[derive(Clone, Debug, Default)]
pub struct AbStop(Arc<AtomicBool>);

impl AbStop {
    /// Stops.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Runs both commands in turns and compares their times. `progress` is told of each counted run.
///
/// Standard output and input of the commands are closed. CPU time is that of all children of this process that end
/// meanwhile; run no others beside it.
pub fn run_ab(
    plan: &AbPlan,
    min_effect: f64,
    stop: &AbStop,
    mut progress: impl FnMut(&AbRun),
) -> Result<AbResult, AbError> {
    if !(MIN_PAIRS..=MAX_PAIRS).contains(&plan.pairs) {
        return Err(AbError::Pairs { pairs: plan.pairs });
    }
    let read = |variant, command: &str| {
        Invocation::parse(command).map_err(|source| AbError::Command { variant, source })
    };
    let (a, b) = (read(Variant::A, &plan.a)?, read(Variant::B, &plan.b)?);
    let warmup = plan.warmup.min(MAX_PAIRS);
    let order = schedule(warmup).chain(schedule(plan.pairs));
    let mut runs = Vec::new();
    for (variant, number) in order.zip(1..) {
        let command = if variant == Variant::A { &a } else { &b };
        match run_once(variant, number, command, plan.timeout, stop)? {
            Some(run) if number > 2 * warmup => {
                progress(&run);
                runs.push(run);
            }
            Some(_) => {}
            None => return Ok(result(runs, min_effect, true)),
        }
    }
    Ok(result(runs, min_effect, false))
}

/// From counted runs to the answer; pure.
///
/// The rule is that of [`compare`](crate::compare): the interval must exclude 1, and the ratio must lie beyond the boundary.
fn result(runs: Vec<AbRun>, min_effect: f64, stopped: bool) -> AbResult {
    let ratios = |time: fn(&AbRun) -> Nanos| -> Vec<f64> {
        let pairs = runs.chunks_exact(2);
        pairs
            .filter_map(|pair| {
                let of =
                    |variant| pair.iter().find(|run| run.variant == variant).map(|run| time(run).0 as f64);
                Some(of(Variant::B)? / of(Variant::A)?)
            })
            .collect()
    };
    let measured = |ratios: Vec<f64>| {
        let logarithms: Vec<f64> = ratios.iter().map(|ratio| ratio.ln()).collect();
        let Estimate { value, lo, hi } = pseudo_median(&logarithms, CONFIDENCE)?;
        Some(Measured { value: value.exp(), lo: lo.exp(), hi: hi.exp(), samples: ratios.len() as u64 })
    };
    let wall = measured(ratios(|run| run.wall));
    let cpu = measured(ratios(|run| run.cpu));
    let effect = wall.map_or(Effect::Unclear, |wall| effect(wall, min_effect));
    AbResult { runs, wall, cpu, effect, stopped }
}

fn effect(ratio: Measured, min_effect: f64) -> Effect {
    let options = crate::compare::CompareOptions { min_effect, ..Default::default() };
    let (boundary, limit) = (options.boundary(), 1.0 + min_effect.max(0.0));
    if ratio.lo > 1.0 && ratio.value > boundary {
        Effect::Regression
    } else if ratio.hi < 1.0 && ratio.value < 1.0 / boundary {
        Effect::Improvement
    } else if ratio.lo >= 1.0 / limit && ratio.hi <= limit {
        Effect::Unchanged
    } else {
        Effect::Unclear
    }
}

/// How a run ended.
enum End {
    Exited(ExitStatus),
    TimedOut,
    Stopped,
}

/// Runs a command once; `None` when it was stopped.
fn run_once(
    variant: Variant,
    number: u32,
    command: &Invocation,
    timeout: Duration,
    stop: &AbStop,
) -> Result<Option<AbRun>, AbError> {
    if stop.is_set() {
        return Ok(None);
    }
    let watch = |source: io::Error| AbError::Watch { variant, source };
    let cpu_before = children_cpu().map_err(watch)?;
    let start = Instant::now();
    let mut child = command
        .command()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|source| AbError::Start { variant, source })?;
    let tail = OutputTail::default();
    if let Some(stderr) = child.stderr.take() {
        tail.follow(stderr).map_err(watch)?;
    }
    let (end, wall) = wait(&mut child, start, timeout, stop).map_err(watch)?;
    let status = match end {
        End::Exited(status) => status,
        End::Stopped => return Ok(None),
        End::TimedOut => {
            return Err(AbError::TimedOut { variant, run: number, timeout: Nanos::from(timeout) });
        }
    };
    let cpu = children_cpu().map_err(watch)?.since(cpu_before);
    if !status.success() {
        return Err(AbError::Failed { variant, run: number, status, output: tail.text() });
    }
    Ok(Some(AbRun { variant, wall, cpu }))
}

/// Waits for the end of a command, kills it and its children when it takes too long or is stopped, and says how long it
/// ran.
fn wait(child: &mut Child, start: Instant, timeout: Duration, stop: &AbStop) -> io::Result<(End, Nanos)> {
    let leader = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let leader = leader.ok_or_else(|| io::Error::other("the system gave it no number"))?;
    let (over, is_over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let watchdog = scope.spawn(move || {
            loop {
                let left = timeout.saturating_sub(start.elapsed());
                match is_over.recv_timeout(STOP_CHECK.min(left)) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return None,
                }
                let end = if stop.is_set() {
                    Some(End::Stopped)
                } else {
                    (start.elapsed() >= timeout).then_some(End::TimedOut)
                };
                if end.is_some() {
                    // The leader has not been reaped, so that the number is still its own.
                    let _ = kill_process_group(leader, Signal::KILL);
                    return end;
                }
            }
        });
        let ended = loop {
            match waitid(WaitId::Pid(leader), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                Err(Errno::INTR) => {}
                ended => break ended,
            }
        };
        let wall = Nanos::from(start.elapsed());
        drop(over);
        let given_up = watchdog.join().map_err(|_| io::Error::other("the watchdog failed"))?;
        let status = child.wait()?;
        ended?;
        Ok((given_up.unwrap_or(End::Exited(status)), wall))
    })
}

/// CPU time of all children that have ended, and of those that they waited for.
fn children_cpu() -> io::Result<Nanos> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: TimeVal| u64::try_from(time.num_microseconds()).unwrap_or(0);
    Ok(Nanos::from_micros(micros(usage.user_time()) + micros(usage.system_time())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_order_is_balanced() {
        use Variant::{A, B};
        assert_eq!(schedule(4).collect::<Vec<_>>(), [A, B, B, A, A, B, B, A]);
        assert_eq!(schedule(0).count(), 0);
    }

    fn runs(pairs: u32, time: impl Fn(usize, Variant) -> f64) -> Vec<AbRun> {
        let nanos = |at, variant| Nanos((time(at, variant) * 1e6) as u64);
        let run = |(at, variant)| AbRun { variant, wall: nanos(at, variant), cpu: nanos(at, variant) };
        schedule(pairs).enumerate().map(run).collect()
    }

    /// Each run is one per mille slower than the one before, which A B A B … would take for a slower B.
    #[test]
    fn a_steady_drift_cancels() {
        let found = result(runs(40, |at, _| 100.0 + at as f64 / 10.0), 0.05, false);
        let wall = found.wall.unwrap();
        assert!((wall.value - 1.0).abs() < 1e-4, "{wall:?}");
        assert_eq!(found.effect, Effect::Unchanged);
    }

    /// Two of twenty runs of B were held up by something else for half a second, one of A for longer: the commands are the
    /// same all the same. The geometric mean of the ratios would say +12 %, with an interval from −27 % to +71 %.
    #[test]
    fn what_held_up_a_few_runs_does_not_count() {
        let time = |at: usize, _| {
            let noise = 1.0 + (at * 7919 % 101) as f64 / 2000.0;
            match at {
                3 | 22 => 600.0,
                16 => 900.0,
                _ => 100.0 * noise,
            }
        };
        let found = result(runs(20, time), 0.05, false);
        let wall = found.wall.unwrap();
        assert!((wall.value - 1.0).abs() < 0.02 && wall.hi - wall.lo < 0.1, "{wall:?}");
        assert_ne!(found.effect, Effect::Regression);
    }

    #[test]
    fn effects() {
        let slower = |share: f64| {
            let time = move |at: usize, variant| {
                let noise = 1.0 + (at * 7919 % 101) as f64 / 2000.0;
                if variant == Variant::B { 100.0 * share * noise } else { 100.0 * noise }
            };
            result(runs(40, time), 0.05, false)
        };
        for (share, expected) in [
            (1.0, Effect::Unchanged),
            (1.01, Effect::Unchanged),
            (1.06, Effect::Regression),
            (0.9, Effect::Improvement),
        ] {
            assert_eq!(slower(share).effect, expected, "{share}: {:?}", slower(share).wall);
        }
        let few = result(runs(5, |_, _| 1.0), 0.05, true);
        assert_eq!((few.wall, few.effect, few.stopped), (None, Effect::Unclear, true));
        assert_eq!(result(runs(9, |_, _| 0.0), 0.05, false).wall, None);
    }

    #[test]
    fn commands_are_run_in_turns() {
        let plan = AbPlan { pairs: 6, ..AbPlan::new("true", "sh -c 'exit 0'") };
        let mut told = Vec::new();
        let found = run_ab(&plan, 0.05, &AbStop::default(), |run| told.push(*run)).unwrap();
        assert_eq!(found.runs, told);
        let order: Vec<Variant> = found.runs.iter().map(|run| run.variant).collect();
        assert_eq!(order, schedule(6).collect::<Vec<_>>());
        assert!(found.wall.is_some() && found.runs.iter().all(|run| run.wall > Nanos::ZERO));
    }

    #[test]
    fn what_goes_wrong_is_named() {
        let short = Duration::from_millis(20);
        let row = |a: &str, b: &str, pairs, timeout| {
            let plan = AbPlan { a: a.into(), b: b.into(), warmup: 0, pairs, timeout };
            run_ab(&plan, 0.05, &AbStop::default(), |_| {}).unwrap_err().to_string()
        };
        let long = Duration::from_mins(1);
        for (error, message) in [
            (row("true", "true", 5, long), "5 pairs are not between 6 and 10000"),
            (row("true", "echo 'x", 6, long), "command B: `echo 'x` cannot be split"),
            (row(" ", "true", 6, long), "command A: the command is empty"),
            (row("true", "/no/such/program", 6, long), "command B cannot be started"),
            (row("true", "sh -c 'exit 3'", 6, long), "command B failed in run 2 (exit status: 3)"),
            (row("sleep 100", "true", 6, short), "command A did not end within 20ms in run 1"),
        ] {
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn a_stop_keeps_what_was_measured() {
        let stop = AbStop::default();
        let plan = AbPlan { pairs: 100, ..AbPlan::new("true", "true") };
        let mut count = 0;
        let found = run_ab(&plan, 0.05, &stop, |_| {
            count += 1;
            if count == 14 {
                stop.stop();
            }
        })
        .unwrap();
        assert!(found.stopped && found.runs.len() == 14 && found.wall.is_some());
    }

    proptest! {
        #[test]
        fn any_times_have_an_answer(
            times in prop::collection::vec((any::<bool>(), any::<u64>(), 0_u64..3), 0..40),
            min_effect in any::<f64>(),
        ) {
            let run = |(b, wall, cpu)| {
                AbRun { variant: if b { Variant::B } else { Variant::A }, wall: Nanos(wall), cpu: Nanos(cpu) }
            };
            let found = result(times.into_iter().map(run).collect(), min_effect, false);
            prop_assert!(found.wall.is_none_or(|wall| wall.lo <= wall.value && wall.value <= wall.hi));
        }
    }
}
