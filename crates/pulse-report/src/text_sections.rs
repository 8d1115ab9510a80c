//! What the text report says after its fixed block.

use pulse_model::{Severity, Summary, metric};

use unicode_width::UnicodeWidthStr;

use crate::figures::Figures;
use crate::monitor_text::{self, is_monitor};
use crate::number::{self, NONE, printable};
use crate::spread::Spread;
use crate::table::{Column, Table};
use crate::text::{Page, Tone};
use crate::wording;

/// Between the columns of the success criteria.
const GAP: &str = "  ";

/// All sections in order; those without anything to say are left out.
pub(crate) fn all(page: &mut Page, figures: &Figures<'_>) {
    endpoints(page, figures);
    errors(page, figures);
    if is_monitor(&figures.summary.run.kind) {
        statuses(page, figures);
        monitor_text::sections(page, figures);
        monitor_text::watch(page, figures);
    } else {
        times(page, figures);
        phases(page, figures);
        messages(page, figures);
        scenarios(page, figures);
        statuses(page, figures);
        checks(page, figures);
        load(page, figures);
    }
    findings(page, figures.summary);
    criteria(page, figures);
    validity(page, figures);
}

/// Milliseconds without the unit, which the title names.
fn bare(nanos: Option<f64>) -> String {
    number::rate(nanos.map(|nanos| nanos / 1e6))
}

fn endpoints(page: &mut Page, figures: &Figures<'_>) {
    if figures.endpoints.is_empty() {
        return;
    }
    page.title("ENDPOINTS (response times in ms)");
    let mut table = Table::new([
        ("name", Column::Name),
        ("requests", Column::Figure),
        ("failed", Column::Figure),
        ("req/s", Column::Figure),
        ("avg", Column::Figure),
        ("p50", Column::Spare),
        ("p95", Column::Figure),
        ("p99", Column::Figure),
        ("max", Column::Figure),
        ("time", Column::Spare),
    ]);
    for endpoint in &figures.endpoints {
        let Spread { count, mean, median, p95, p99, max, .. } = endpoint.response;
        table.row([
            endpoint.name.clone(),
            count.to_string(),
            endpoint.failed.to_string(),
            number::rate(endpoint.rate),
            bare(mean),
            bare(median),
            bare(p95),
            bare(p99),
            bare(max),
            number::share(endpoint.time_share),
        ]);
    }
    page.block(&table.render(page.width()));
}

fn errors(page: &mut Page, figures: &Figures<'_>) {
    if figures.errors.is_empty() {
        return;
    }
    page.title("ERRORS");
    let mut table = Table::new([
        ("class", Column::Label),
        ("count", Column::Figure),
        ("share", Column::Figure),
        ("first", Column::Figure),
        ("last", Column::Figure),
        ("first message", Column::Name),
    ]);
    for error in &figures.errors {
        let sample = error
            .sample
            .map_or_else(|| NONE.to_owned(), |(endpoint, message)| format!("{endpoint}: {message}"));
        table.row([
            error.class.to_owned(),
            error.count.to_string(),
            number::percent(error.count, figures.requests()),
            wording::moment(error.first),
            wording::moment(error.last),
            sample,
        ]);
    }
    page.block(&table.render(page.width()));
}

fn times(page: &mut Page, figures: &Figures<'_>) {
    page.title("TIMES (ms)");
    let rows = [
        ("response time", &figures.response),
        ("service time", &figures.service),
        ("start lag", &figures.start_lag),
        ("dispatch lag", &figures.dispatch_lag),
        ("connect time", &figures.connect),
    ];
    spreads(page, &rows);
    page.wrapped(
        2,
        "  Response time counts from the intended start, service time from the actual send. Start lag is how late \
         iterations began, dispatch lag the generator's part of it.",
    );
}

/// Where the service time went; phases that took no time at all are left out.
fn phases(page: &mut Page, figures: &Figures<'_>) {
    let rows = wording::phases(&figures.phases);
    if rows.is_empty() {
        return;
    }
    page.title("PHASES (ms)");
    spreads(page, &rows);
    page.wrapped(
        2,
        "  The parts of the service time of answered requests. Wait is the time to first byte; resolve, connect and TLS count \
         only requests that opened a connection.",
    );
}

fn spreads(page: &mut Page, rows: &[(&str, &Spread)]) {
    let mut table = Table::new([
        ("", Column::Label),
        ("min", Column::Figure),
        ("avg", Column::Figure),
        ("p50", Column::Figure),
        ("p95", Column::Figure),
        ("p99", Column::Figure),
        ("max", Column::Figure),
        ("n", Column::Spare),
    ]);
    for (name, spread) in rows {
        table.row([
            (*name).to_owned(),
            bare(spread.min),
            bare(spread.mean),
            bare(spread.median),
            bare(spread.p95),
            bare(spread.p99),
            bare(spread.max),
            spread.count.to_string(),
        ]);
    }
    page.block(&table.render(page.width()));
}

fn messages(page: &mut Page, figures: &Figures<'_>) {
    if figures.messages.is_empty() {
        return;
    }
    page.title("MESSAGES (times in ms)");
    let mut table = Table::new([
        ("name", Column::Name),
        ("sent", Column::Figure),
        ("received", Column::Figure),
        ("received/s", Column::Spare),
        ("echo p50", Column::Spare),
        ("echo p95", Column::Figure),
        ("echo p99", Column::Figure),
        ("echo max", Column::Spare),
        ("first p95", Column::Figure),
        ("gap p95", Column::Figure),
        ("gap max", Column::Spare),
    ]);
    for messages in &figures.messages {
        table.row([
            messages.endpoint.clone(),
            messages.sent.to_string(),
            messages.received.to_string(),
            number::rate(figures.per_second(messages.received)),
            bare(messages.echo.median),
            bare(messages.echo.p95),
            bare(messages.echo.p99),
            bare(messages.echo.max),
            bare(messages.first.p95),
            bare(messages.gap.p95),
            bare(messages.gap.max),
        ]);
    }
    page.block(&table.render(page.width()));
    page.wrapped(
        2,
        "  Echo is the time from the moment when a message was due to the message that answers it, first the time to \
         a stream's first message, gap that from one message to the next.",
    );
}

fn scenarios(page: &mut Page, figures: &Figures<'_>) {
    if figures.scenarios.is_empty() {
        return;
    }
    page.title("SCENARIOS");
    let mut table = Table::new([
        ("name", Column::Name),
        ("requests", Column::Figure),
        ("failed", Column::Figure),
        ("load model", Column::Label),
    ]);
    for scenario in &figures.scenarios {
        table.row([
            scenario.name.to_owned(),
            scenario.requests.to_string(),
            scenario.failed.to_string(),
            scenario.load.to_owned(),
        ]);
    }
    page.block(&table.render(page.width()));
}

fn statuses(page: &mut Page, figures: &Figures<'_>) {
    if figures.statuses.is_empty() {
        return;
    }
    page.title("STATUSES");
    let mut table =
        Table::new([("status", Column::Label), ("answers", Column::Figure), ("share", Column::Figure)]);
    let answers = figures.statuses.iter().map(|(_, count)| count).sum();
    for (status, count) in &figures.statuses {
        table.row([(*status).to_owned(), count.to_string(), number::percent(*count, answers)]);
    }
    page.block(&table.render(page.width()));
}

fn checks(page: &mut Page, figures: &Figures<'_>) {
    if figures.checks.is_empty() {
        return;
    }
    page.title("CHECKS");
    let mut table =
        Table::new([("name", Column::Name), ("passed", Column::Figure), ("share", Column::Figure)]);
    for (name, rate) in &figures.checks {
        table.row([
            (*name).to_owned(),
            format!("{}/{}", rate.hits, rate.total),
            number::percent(rate.hits, rate.total),
        ]);
    }
    page.block(&table.render(page.width()));
}

fn load(page: &mut Page, figures: &Figures<'_>) {
    let summary = figures.summary;
    let run = &summary.run;
    page.title("LOAD");
    page.row("  Iterations", wording::iterations(figures.iterations));
    page.row("  Rate", wording::rates(figures));
    page.row("  Warm-up", wording::warmup(summary));
    for (label, name) in [("  Sent", metric::BYTES_SENT), ("  Received", metric::BYTES_RECEIVED)] {
        let size = summary.counter(name);
        let rate = figures.per_second(size).unwrap_or(f64::NAN);
        page.row(label, format!("{} ({}/s)", number::bytes(size as f64), number::bytes(rate)));
    }
    page.wrapped(
        4,
        &format!(
            "  Connections: {} opened, {} of them again after the service had closed an idle one",
            summary.counter(metric::CONNECTIONS_OPENED),
            summary.counter(metric::RECONNECTS)
        ),
    );
    for &(protocol, opened) in &figures.protocols {
        page.row(&format!("  {}", wording::protocol(protocol)), counted(opened, "connection"));
    }
    let [full, resumed] = figures.handshakes;
    if full + resumed > 0 {
        page.row("  TLS handshakes", format!("{full} full, {resumed} that resumed a session"));
    }
    let users: u64 = run.scenarios.iter().map(|scenario| scenario.users).sum();
    page.wrapped(
        4,
        &format!(
            "  Generator: {} at most, {}, seed {}, {} {} with {}, pulse {}",
            counted(users, "user"),
            counted(run.workers.into(), "worker"),
            run.seed,
            printable(&run.host.os),
            printable(&run.host.arch),
            counted(run.host.cores.into(), "core"),
            printable(&run.version)
        ),
    );
    if let Some(idle) = wording::idle(figures) {
        page.wrapped(4, &format!("  Idle strategy: {idle}"));
    }
    page.row("  Started", printable(&run.started));
    page.wrapped(
        4,
        &format!(
            "  Precision: {}; counts, minima, maxima and averages are exact",
            wording::precision(figures)
        ),
    );
}

/// `1 user`, `2 users`.
fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

pub(crate) fn findings(page: &mut Page, summary: &Summary) {
    if summary.findings.is_empty() {
        return;
    }
    page.title("FINDINGS");
    for finding in &summary.findings {
        let (tone, word) = match finding.severity {
            Severity::Note => (Tone::Good, "note"),
            Severity::Warning => (Tone::Doubtful, "warning"),
            Severity::Problem => (Tone::Bad, "problem"),
        };
        let word = page.toned(tone, word);
        let subject = printable(&finding.subject);
        // What is said of the service as a whole needs no name before it.
        let subject = if subject.is_empty() || finding.subject == summary.run.service {
            String::new()
        } else {
            format!("{subject}: ")
        };
        // The rules of databases can be asked about by their codes.
        let code =
            if summary.database.is_some() { format!(" {}", printable(&finding.code)) } else { String::new() };
        page.wrapped(4, &format!("  {word}{code}: {subject}{}", printable(&finding.message)));
        if let Some(help) = &finding.help {
            page.wrapped(6, &format!("    help: {}", printable(help)));
        }
        for line in &finding.evidence {
            page.wrapped(8, &format!("      {}", printable(line)));
        }
        if let Some(fix) = &finding.fix {
            for (word, statements) in [("fix", &fix.sql), ("undo", &fix.undo)] {
                for statement in statements {
                    page.wrapped(8, &format!("    {word}: {};", printable(statement)));
                }
            }
        }
    }
}

pub(crate) fn criteria(page: &mut Page, figures: &Figures<'_>) {
    page.title("SUCCESS CRITERIA");
    let results = &figures.summary.targets;
    if results.is_empty() {
        page.line("none were set");
    }
    let targets: Vec<String> = results.iter().map(wording::target).collect();
    let verdict_width = results.iter().map(|result| result.verdict.as_str().width());
    let verdict_width = verdict_width.max().unwrap_or(0);
    let target_width = targets.iter().map(|target| target.width()).max().unwrap_or(0);
    for (result, target) in results.iter().zip(&targets) {
        let word = result.verdict.as_str();
        let padding = " ".repeat(verdict_width - word.width());
        let word = page.toned(Tone::of_verdict(result.verdict), word);
        let gap = " ".repeat(target_width - target.width());
        let value = wording::value(result);
        let certainty = wording::certainty(result).map_or_else(String::new, |text| format!("  ({text})"));
        let reason = wording::reason(result).map_or_else(String::new, |text| format!("; {text}"));
        let line = format!("{word}{padding}{GAP}{target}{gap}   measured {value}");
        let details = format!("{certainty}{reason}");
        // What does not fit beside the figure stands below it.
        if page.fits(&format!("{line}{details}")) {
            page.line(&format!("{line}{details}"));
        } else {
            let indent = verdict_width + GAP.len();
            page.wrapped(indent, &line);
            let details = details.trim_start_matches([' ', ';']);
            page.wrapped(indent, &format!("{}{details}", " ".repeat(indent)));
        }
    }
}

pub(crate) fn validity(page: &mut Page, figures: &Figures<'_>) {
    let summary = figures.summary;
    page.line("");
    if let Some(ending) = wording::ending(&summary.ending) {
        page.wrapped(2, &format!("Ending: {ending}"));
    }
    let state = summary.validity.state;
    let word = page.toned(Tone::of_validity(state), wording::validity(state));
    let reasons = &summary.validity.reasons;
    match (state, reasons.as_slice()) {
        (_, []) => page.row("Measurement", word),
        (_, [only]) => page.wrapped(2, &format!("Measurement: {word}: {}", reason(only))),
        (_, several) => {
            page.row("Measurement", format!("{word}:"));
            for each in several {
                let tone = Tone::of_validity(each.state);
                let word = page.toned(tone, &wording::validity(each.state).to_lowercase());
                page.wrapped(4, &format!("  {word}: {}", reason(each)));
            }
        }
    }
}

fn reason(reason: &pulse_model::ValidityReason) -> String {
    let message = printable(&reason.message);
    match reason.at {
        Some(at) => format!("{message} (at {})", wording::moment(Some(at))),
        None => message.into_owned(),
    }
}
