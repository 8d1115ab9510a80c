//! `pulse test --ab`: two commands in turns.

use std::fmt::Write as _;
use std::thread;
use std::time::Duration;

use pulse_engine::StopHandle;
use pulse_model::{Effect, Measured};
use pulse_report::number;
use pulse_suite::{AbError, AbPlan, AbResult, AbStop, Variant, run_ab};

use crate::arguments::TestArguments;
use crate::commands::test::print;
use crate::comparison::{difference, effect_word, interval};
use crate::exit::Exit;
use crate::interrupt::stop_on_signal;
use crate::problem::Problem;
use crate::terminal::Stream;

/// How often the stop of this process is passed on.
const STOP_CHECK: Duration = Duration::from_millis(50);

pub(crate) fn run(a: &str, b: &str, arguments: &TestArguments) -> Result<Exit, Problem> {
    let stop = StopHandle::default();
    let stop_ab = AbStop::default();
    stop_on_signal(&stop, Some("Stopping."))
        .map_err(|error| Problem::internal(format!("signals cannot be handled: {error}")))?;
    let (watched, passed_on) = (stop.clone(), stop_ab.clone());
    thread::spawn(move || {
        while !watched.is_stopped() {
            thread::park_timeout(STOP_CHECK);
        }
        passed_on.stop();
    });
    let plan = AbPlan { pairs: arguments.rounds, ..AbPlan::new(a, b) };
    let total = plan.pairs * 2;
    let stream = Stream::Out;
    let is_live = stream.is_terminal() && !arguments.quiet;
    let mut done = 0;
    let result = run_ab(&plan, arguments.min_effect, &stop_ab, |run| {
        done += 1;
        if is_live {
            let took = number::millis(Some(run.wall.0 as f64));
            // A status line that cannot be written is none that anybody misses.
            let _ = stream.write(&format!("\r\u{1b}[K[{done}/{total}] {:?} {took}", run.variant));
        }
    });
    if is_live {
        print(stream, "\r\u{1b}[K")?;
    }
    let result = result.map_err(|error| match error {
        AbError::Watch { .. } => Problem::internal(error),
        error => Problem::usage(error),
    })?;
    print(stream, &text(&result, a, b, arguments.min_effect))?;
    Ok(match result.effect {
        _ if result.stopped => Exit::Interrupted,
        Effect::Regression => Exit::Regression,
        Effect::Improvement | Effect::Unchanged | Effect::Unclear => Exit::Success,
    })
}

fn text(result: &AbResult, a: &str, b: &str, min_effect: f64) -> String {
    let mut text = String::new();
    for (variant, command) in [(Variant::A, a), (Variant::B, b)] {
        let times = |figure: fn(&pulse_suite::AbRun) -> u64| {
            let mut times: Vec<u64> =
                result.runs.iter().filter(|run| run.variant == variant).map(figure).collect();
            times.sort_unstable();
            times.get(times.len().saturating_sub(1) / 2).map(|&nanos| nanos as f64)
        };
        let runs = result.runs.iter().filter(|run| run.variant == variant).count();
        let _ = writeln!(
            text,
            "{variant:?}  {}\n   median {}, CPU {} ({runs} runs)",
            number::printable(command),
            number::millis(times(|run| run.wall.0)),
            number::millis(times(|run| run.cpu.0)),
        );
    }
    let ratio = |measured: &Option<Measured>| {
        measured.as_ref().map_or_else(
            || "not measured".to_owned(),
            |ratio| format!("{} (95% interval {})", difference(ratio.value), interval(ratio)),
        )
    };
    let _ = writeln!(text, "\nB against A: {}", ratio(&result.wall));
    let _ = writeln!(text, "CPU time:    {}", ratio(&result.cpu));
    let stopped = if result.stopped { "; stopped before its end" } else { "" };
    let _ = writeln!(
        text,
        "{} (smallest change that matters: {}){stopped}",
        effect_word(result.effect),
        number::share(min_effect)
    );
    text
}
