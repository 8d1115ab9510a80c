//! The single-server queue: what the engine measures is what theory and a simulation say, within the statistical error.

#[path = "support/mod.rs"]
mod support;
#[path = "support/undisturbed.rs"]
mod undisturbed;

use std::time::Duration;

use pulse_model::{Histogram, Nanos, Series, metric};
use pulse_plan::{ArrivalLaw, Arrivals, Profile};
use pulse_testkit::{Discipline, Law, QueueServer, Schedule, ServiceLaw};

use support::Run;

/// 1/μ. Long against the ~0.1 ms that loopback, timers and two thread switches take.
const SERVICE: Duration = Duration::from_millis(5);
/// λ, at which the queue is half busy: ρ = λ/μ = 0.5.
const RATE: f64 = 100.0;
const LENGTH: Nanos = Nanos::from_secs(10);
/// Seeds of arrivals and of service times. Not the same: both come from the same generator, and a caller who comes early
/// would always be served fast.
const SEEDS: (u64, u64) = (11, 12);
/// Simulated runs behind the acceptance region.
const SIMULATIONS: u64 = 1000;
/// Loopback and two thread switches take ~0.1 ms; five times that.
const OVERHEAD_OF_MEAN: f64 = 0.5e6;
/// To that comes how late the generator says it was itself (dispatch lag, ~0.05 ms in the mean). A request that is late makes
/// those behind it late as well, at most as much: a busy period is 1/(1 − ρ) = 2 requests long. The server is scheduled by
/// the same machine and late in the same way.
const LAG_COUNTS: f64 = 4.0;
/// The 99th percentile of a thousand is the tenth slowest, and the slowest come from one or two busy periods: a single
/// slice of a few milliseconds that the scheduler takes from the server (the generator cannot see it, and says so of its own)
/// moves it as a whole. It is a tenth of the figure, and a fraction of the acceptance region.
const OVERHEAD_OF_P99: f64 = 5e6;

fn law(seed: u64) -> Law {
    Law::new(Discipline::Fifo, ServiceLaw::Exponential { mean: SERVICE, seed })
}

/// Response times of a run without any overhead.
fn simulated(arrival_seed: u64, service_seed: u64) -> Histogram {
    let mut arrivals =
        Arrivals::new(Profile::constant(RATE, Some(LENGTH)), ArrivalLaw::Poisson, arrival_seed);
    let mut schedule = Schedule::new(&law(service_seed));
    let mut times = Histogram::default();
    for arrival in (0..).map_while(|n| arrivals.at(n)).map(Duration::from) {
        times.record(Nanos::from(schedule.due(arrival)).since(arrival.into()).0);
    }
    times
}

fn mean_and_p99(times: &Histogram) -> [f64; 2] {
    let p99 = times.quantile(0.99).expect("there are samples");
    [times.mean().expect("there are samples"), p99.estimate as f64]
}

/// The 0.1 % and 99.9 % quantiles of mean and p99 over runs of this length.
fn acceptance_regions() -> [[f64; 2]; 2] {
    let runs: Vec<[f64; 2]> =
        (0..SIMULATIONS).map(|seed| mean_and_p99(&simulated(seed, seed + 500_000))).collect();
    [0, 1].map(|figure| {
        let mut values: Vec<f64> = runs.iter().map(|run| run[figure]).collect();
        values.sort_unstable_by(f64::total_cmp);
        [values[1], values[values.len() - 2]]
    })
}

#[test]
fn response_times_of_a_queue_are_those_of_theory() {
    let _machine = undisturbed::machine();
    let text = format!(
        "[load]\nrate = {RATE}\narrivals = \"poisson\"\nseed = {}\nduration = \"{LENGTH}\"\nmax_users = 500\n\
         [[scenario]]\n[[scenario.step]]\nrequest = \"GET /\"",
        SEEDS.0
    );
    let (summary, counts) = undisturbed::undisturbed(
        |_| false,
        || {
            let server = QueueServer::start(law(SEEDS.1));
            let (summary, _) = Run { text: &text, url: server.url(), workers: 2, ..Run::default() }.make();
            (summary, server.counts())
        },
    );
    let measured = summary.response_time();
    let exact = simulated(SEEDS.0, SEEDS.1);
    assert_eq!((measured.count(), summary.failed()), (exact.count(), 0));
    assert_eq!(counts.requests, exact.count());
    assert_eq!(summary.counter(metric::DROPPED_ITERATIONS), 0);

    // 1/(μ − λ) and ln(100)/(μ − λ), in nanoseconds.
    let residual = 1.0 / SERVICE.as_secs_f64() - RATE;
    let theory = [1e9 / residual, 100_f64.ln() * 1e9 / residual];
    let regions = acceptance_regions();
    let (measured, exact) = (mean_and_p99(&measured), mean_and_p99(&exact));
    let lag = mean_and_p99(&summary.totals.trend(&Series::new(metric::DISPATCH_LAG)));
    let shown = format!(
        "mean and p99 in ns: measured {measured:?}, simulated with the same seeds {exact:?}, theory {theory:?}, regions \
         {regions:?}, dispatch lag {lag:?}, {:?}",
        summary.validity
    );
    let overheads = [OVERHEAD_OF_MEAN + LAG_COUNTS * lag[0], OVERHEAD_OF_P99 + lag[1]];
    for figure in 0..2 {
        let [low, high] = regions[figure];
        assert!(low < theory[figure] && theory[figure] < high, "{shown}");
        // The simulated runs have no overhead.
        assert!(low <= measured[figure] && measured[figure] <= high + overheads[figure], "{shown}");
        // Nothing can be faster than the law. Only where two requests overtake each other on the way to the server do
        // they swap their service times, which changes a mean over a thousand by microseconds.
        let slack = exact[figure] * 0.005;
        let overhead = measured[figure] - exact[figure];
        assert!(-slack <= overhead && overhead <= overheads[figure] + slack, "{shown}");
    }
}
