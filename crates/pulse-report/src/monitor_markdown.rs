//! What the Markdown report says of a service that was watched, after targets, figures and endpoints.

use crate::figures::Figures;
use crate::markdown_page::{Page, escaped};
use crate::number::{self, NONE};
use crate::service::{ServiceFigures, Times};
use crate::wording;

pub(crate) fn all(page: &mut Page, figures: &Figures<'_>) {
    let service = ServiceFigures::of(&figures.summary.totals);
    times(page, "Database", &service.statements);
    let slow = service.slow_statements.iter().map(|slow| {
        let [total, max] = [slow.total, slow.max].map(|nanos| number::millis(Some(nanos as f64)));
        vec![escaped(&slow.query), slow.count.to_string(), total, max]
    });
    page.table("Slow statements", &["Statement", ">n", ">Total", ">Max"], slow.collect());
    times(page, "Timers", &service.timers);
    let caches = service.caches.iter().map(|(name, rate)| {
        let share = number::percent(rate.hits, rate.total);
        vec![escaped(name), rate.hits.to_string(), rate.total.to_string(), share]
    });
    page.table("Caches", &["Name", ">Hits", ">Lookups", ">Hit rate"], caches.collect());
    let pools = service.pools.iter().map(|(name, pool)| {
        vec![escaped(name), pool.size.to_string(), pool.in_use.to_string(), pool.waiting.to_string()]
    });
    page.table("Pools", &["Name", ">Size", ">In use", ">Waiting"], pools.collect());
    let processes = service.processes.iter().map(|(name, process)| {
        let level = |level: Option<u64>| level.map_or_else(|| NONE.to_owned(), |level| level.to_string());
        let size =
            |size: Option<u64>| size.map_or_else(|| NONE.to_owned(), |size| number::bytes(size as f64));
        vec![
            escaped(name),
            process.cpu.map_or_else(|| NONE.to_owned(), number::share),
            size(process.resident),
            size(process.proportional),
            level(process.threads),
            level(process.descriptors),
        ]
    });
    page.table(
        "Processes",
        &["Worker", ">CPU", ">RSS", ">PSS", ">Threads", ">Descriptors"],
        processes.collect(),
    );
    let counters = service.counters.iter().map(|(name, count)| vec![escaped(name), count.to_string()]);
    page.table("Counters", &["Name", ">Count"], counters.collect());
    let summary = figures.summary;
    let mut lines = vec![
        format!("- Source: {}", escaped(&summary.run.service)),
        format!("- Covered: {}", wording::covered(summary)),
        format!("- Precision: {}", wording::precision(figures)),
    ];
    if service.slow_queries > 0 {
        lines.insert(1, format!("- Slow statements: {}", service.slow_queries));
    }
    page.details("Conditions", &lines);
}

fn times(page: &mut Page, title: &str, rows: &[(String, Times)]) {
    let rows = rows.iter().map(|(name, times)| {
        let quantile = |quantile: Option<pulse_model::Quantile>| {
            number::millis(quantile.map(|quantile| quantile.estimate as f64))
        };
        vec![
            escaped(name),
            times.count.to_string(),
            number::rate(times.per_second),
            number::millis(times.mean),
            quantile(times.p95),
            quantile(times.p99),
            number::millis(times.max.map(|max| max as f64)),
        ]
    });
    page.table(title, &["Name", ">n", ">Per second", ">Avg", ">p95", ">p99", ">Max"], rows.collect());
}
