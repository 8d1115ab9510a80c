//! What the text report says of a service that was watched, after its fixed block.

use pulse_model::{Nanos, Quantile};

use crate::figures::Figures;
use crate::number::{self, NONE, printable};
use crate::service::{ProcessFigures, ServiceFigures, Times};
use crate::table::{Column, Table};
use crate::text::Page;
use crate::wording;

/// Whether a summary is of something that was watched rather than loaded.
pub(crate) fn is_monitor(kind: &str) -> bool {
    kind == "monitor"
}

/// What is printed when a watch begins.
pub(crate) fn header(service: &str, duration: Option<Nanos>) -> String {
    let length = duration.map_or_else(String::new, |duration| format!(" for {duration}"));
    format!("Watching {}{length}\n", printable(service))
}

/// The sections that a load does not have.
pub(crate) fn sections(page: &mut Page, figures: &Figures<'_>) {
    let service = ServiceFigures::of(&figures.summary.totals);
    times(page, "DATABASE (ms)", ("statements", &service.statements));
    if service.slow_queries > 0 {
        page.row("  Slower than the service's limit", service.slow_queries);
    }
    slow_statements(page, &service);
    times(page, "TIMERS (ms)", ("name", &service.timers));
    caches(page, &service);
    pools(page, &service);
    processes(page, &service);
    counters(page, &service);
}

fn times(page: &mut Page, title: &str, (noun, rows): (&str, &[(String, Times)])) {
    if rows.is_empty() {
        return;
    }
    page.title(title);
    let mut table = Table::new([
        (noun, Column::Name),
        ("n", Column::Figure),
        ("per s", Column::Figure),
        ("avg", Column::Figure),
        ("p50", Column::Spare),
        ("p95", Column::Figure),
        ("p99", Column::Spare),
        ("max", Column::Figure),
    ]);
    for (name, times) in rows {
        table.row([
            name.clone(),
            times.count.to_string(),
            number::rate(times.per_second),
            millis(times.mean),
            quantile(times.p50),
            quantile(times.p95),
            quantile(times.p99),
            millis(times.max.map(|max| max as f64)),
        ]);
    }
    page.block(&table.render(page.width()));
}

/// Milliseconds without the unit, which the title names.
fn millis(nanos: Option<f64>) -> String {
    number::rate(nanos.map(|nanos| nanos / 1e6))
}

fn quantile(quantile: Option<Quantile>) -> String {
    millis(quantile.map(|quantile| quantile.estimate as f64))
}

/// Forms of slow statements that are shown; the other formats have all.
const SLOW_STATEMENTS: usize = 10;

fn slow_statements(page: &mut Page, service: &ServiceFigures) {
    if service.slow_statements.is_empty() {
        return;
    }
    page.title("SLOW STATEMENTS (ms)");
    let mut table = Table::new([
        ("n", Column::Figure),
        ("total", Column::Figure),
        ("max", Column::Figure),
        ("statement", Column::Name),
    ]);
    for slow in service.slow_statements.iter().take(SLOW_STATEMENTS) {
        let [total, max] = [slow.total, slow.max].map(|nanos| millis(Some(nanos as f64)));
        table.row([slow.count.to_string(), total, max, slow.query.clone()]);
    }
    page.block(&table.render(page.width()));
    let more = service.slow_statements.len().saturating_sub(SLOW_STATEMENTS);
    if more > 0 {
        page.line(&format!("  and {more} more, which the other formats show"));
    }
}

fn caches(page: &mut Page, service: &ServiceFigures) {
    if service.caches.is_empty() {
        return;
    }
    page.title("CACHES");
    let mut table = Table::new([
        ("name", Column::Name),
        ("hits", Column::Figure),
        ("lookups", Column::Figure),
        ("hit rate", Column::Figure),
    ]);
    for (name, rate) in &service.caches {
        table.row([
            name.clone(),
            rate.hits.to_string(),
            rate.total.to_string(),
            number::percent(rate.hits, rate.total),
        ]);
    }
    page.block(&table.render(page.width()));
}

fn pools(page: &mut Page, service: &ServiceFigures) {
    if service.pools.is_empty() {
        return;
    }
    page.title("POOLS (at the end)");
    let mut table = Table::new([
        ("name", Column::Name),
        ("size", Column::Figure),
        ("in use", Column::Figure),
        ("waiting", Column::Figure),
    ]);
    for (name, pool) in &service.pools {
        table.row([name.clone(), pool.size.to_string(), pool.in_use.to_string(), pool.waiting.to_string()]);
    }
    page.block(&table.render(page.width()));
}

fn processes(page: &mut Page, service: &ServiceFigures) {
    if service.processes.is_empty() {
        return;
    }
    page.title("PROCESSES (CPU and rates over the whole time, levels at the end)");
    let mut table = Table::new([
        ("worker", Column::Name),
        ("cpu", Column::Figure),
        ("rss", Column::Figure),
        ("pss", Column::Figure),
        ("threads", Column::Figure),
        ("fds", Column::Figure),
        ("switches/s", Column::Spare),
        ("read/s", Column::Spare),
        ("written/s", Column::Spare),
    ]);
    for (name, process) in &service.processes {
        table.row(process_row(name, process));
    }
    if let Some(all) = service.process().filter(|_| service.processes.len() > 1) {
        table.row(process_row("all", &all));
    }
    page.block(&table.render(page.width()));
}

fn process_row(name: &str, process: &ProcessFigures) -> [String; 9] {
    let level = |level: Option<u64>| level.map_or_else(|| NONE.to_owned(), |level| level.to_string());
    let bytes = |bytes: Option<f64>| bytes.map_or_else(|| NONE.to_owned(), number::bytes);
    let size = |size: Option<u64>| bytes(size.map(|size| size as f64));
    [
        name.to_owned(),
        process.cpu.map_or_else(|| NONE.to_owned(), number::share),
        size(process.resident),
        size(process.proportional),
        level(process.threads),
        level(process.descriptors),
        number::rate(process.switches),
        bytes(process.read),
        bytes(process.written),
    ]
}

fn counters(page: &mut Page, service: &ServiceFigures) {
    if service.counters.is_empty() {
        return;
    }
    page.title("COUNTERS");
    let mut table =
        Table::new([("name", Column::Name), ("count", Column::Figure), ("per s", Column::Figure)]);
    let seconds = service.length.as_secs_f64();
    for (name, count) in &service.counters {
        let rate = (seconds > 0.0).then(|| *count as f64 / seconds);
        table.row([name.clone(), count.to_string(), number::rate(rate)]);
    }
    page.block(&table.render(page.width()));
}

/// How it was watched.
pub(crate) fn watch(page: &mut Page, figures: &Figures<'_>) {
    let summary = figures.summary;
    page.title("WATCH");
    page.row("  Source", printable(&summary.run.service));
    page.row("  Covered", wording::covered(summary));
    page.row("  Started", printable(&summary.run.started));
    let pulse = format!("pulse {}", printable(&summary.run.version));
    page.row(
        "  Watched by",
        format!("{pulse}, {} {}", printable(&summary.run.host.os), printable(&summary.run.host.arch)),
    );
    if figures.requests() == 0 {
        return;
    }
    page.wrapped(
        4,
        &format!(
            "  Precision: {}; counts and averages are exact, minima and maxima lie in the right bucket",
            wording::precision(figures)
        ),
    );
}
