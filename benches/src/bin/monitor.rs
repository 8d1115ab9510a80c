//! Prints what a record costs, as the table of `docs/benchmarks.md`: all libraries in turns, the median of the rounds.
#![allow(clippy::print_stdout, reason = "the table is the product")]

use pulse_benches::{Batch, Recorder, Workload, limits, recorders, timing};

/// Rounds unless the first argument says otherwise; the figure shown is their median.
const ROUNDS: usize = 11;
/// Batches of a round on one thread: half a million records.
const BATCHES: usize = 500;
/// Threads that record at the same time, many more than there are cores.
const THREADS: usize = 64;
/// Batches of each of these threads in a round.
const BATCHES_PER_THREAD: usize = 40;
/// Different paths, far beyond the limit of series.
const PATHS: usize = 1_000_000;
/// Endpoints of the scraped monitors: as many as make ten thousand series in the text formats, and ten thousand.
const ENDPOINTS: [usize; 2] = [450, 10_000];

/// Figures of one library, one per round.
#[derive(Default)]
struct Figures {
    handle: Vec<f64>,
    threads: Vec<f64>,
    name: Vec<f64>,
}

fn main() {
    let workload = Workload::default();
    let recorders = recorders();
    let mut kept: Vec<(Option<Batch>, Option<Batch>, Figures)> = recorders
        .iter()
        .map(|recorder| {
            let batch =
                |make: &Option<Box<dyn Fn() -> Batch + Send + Sync>>| make.as_ref().map(|make| make());
            (batch(&recorder.by_handle), batch(&recorder.by_name), Figures::default())
        })
        .collect();
    let rounds = std::env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    for _ in 0..rounds {
        for (recorder, (by_handle, by_name, figures)) in recorders.iter().zip(&mut kept) {
            measure(recorder, by_handle, by_name, figures, &workload);
        }
    }
    print(&recorders, kept.into_iter().map(|(_, _, figures)| figures));
    print_limits(rounds);
}

fn measure(
    recorder: &Recorder,
    by_handle: &mut Option<Batch>,
    by_name: &mut Option<Batch>,
    figures: &mut Figures,
    workload: &Workload,
) {
    if let Some(batch) = by_handle {
        figures.handle.push(timing::one_thread(batch, recorder, workload, BATCHES));
    }
    if let Some(batch) = by_name {
        figures.name.push(timing::one_thread(batch, recorder, workload, BATCHES));
    }
    if let Some(make) = &recorder.by_handle {
        figures.threads.push(timing::many_threads(make, recorder, workload, THREADS, BATCHES_PER_THREAD));
    }
}

fn print(recorders: &[Recorder], figures: impl Iterator<Item = Figures>) {
    println!("| library | by handle, 1 thread | by handle, {THREADS} threads | by name, 1 thread |");
    println!("|---|---|---|---|");
    let mut ours: Option<[f64; 3]> = None;
    for (recorder, figures) in recorders.iter().zip(figures) {
        let medians = [figures.handle, figures.threads, figures.name].map(timing::median);
        let ours = *ours.get_or_insert(medians);
        let cells: Vec<String> = medians.iter().zip(ours).map(|(median, ours)| cell(*median, ours)).collect();
        println!("| {} | {} |", recorder.name, cells.join(" | "));
    }
    println!("\nA read of the clock: {:.1} ns", timing::clock_read());
}

/// A figure and its ratio to ours.
fn cell(median: f64, ours: f64) -> String {
    if median.is_nan() { "–".to_owned() } else { format!("{median:.1} ns ({:.1} ×)", median / ours) }
}

/// The second table: what happens beyond the ordinary record.
fn print_limits(rounds: usize) {
    let paths = timing::median((0..rounds).map(|_| limits::distinct_paths(PATHS)).collect());
    println!("\n| beyond the single record | |\n|---|---|");
    println!("| a record when each of {PATHS} requests has a path of its own | {paths:.1} ns |");
    let monitors = ENDPOINTS.map(limits::with_series);
    let (alone, scraped) = limits::while_scraped(&monitors[0], rounds);
    println!("| a record by handle, alone | {alone:.1} ns |");
    println!("| a record by handle while another thread scrapes without a pause | {scraped:.1} ns |");
    for (monitor, endpoints) in monitors.iter().zip(ENDPOINTS) {
        for scrape in limits::scrapes(monitor, rounds) {
            let (format, millis, kib) = (scrape.format, scrape.millis, scrape.bytes / 1024);
            let lines = if scrape.is_text { format!(", {} series", scrape.lines) } else { String::new() };
            println!("| a scrape of {endpoints} endpoints, {format} | {millis:.2} ms, {kib} KiB{lines} |");
        }
    }
}
