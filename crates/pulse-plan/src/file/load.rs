//! The `[load]` table, of a file and of a scenario.

use crate::file::reader::{Field, TableReader};
use crate::{LoadError, LoadOptions, Stage};

/// Reads a table of load options that make a load by themselves (with the defaults, and with `inherited` for what a
/// scenario takes from the file).
pub(crate) fn read(field: &Field<'_>, inherited: Option<&LoadOptions>) -> Option<LoadOptions> {
    let table = field.table("{ users = 10 }")?;
    let mut options = read_shape(&table);
    options.iterations = table.get("iterations").and_then(|field| field.integer(1..=i64::MAX as u64, "1000"));
    options.requests = table.get("requests").and_then(|field| field.integer(1..=i64::MAX as u64, "1000"));
    read_run_wide(&table, inherited.is_some(), &mut options);
    if let Some(inherited) = inherited {
        options = inherit(&options, inherited);
    }
    // Whether the warm-up is shorter than the run is known when all scenarios are.
    let alone = LoadOptions { warmup: None, ..options.clone() };
    if let Err(error) = alone.to_model() {
        report(&table, &error);
    }
    table.finish();
    Some(options)
}

/// The keys that say how much load there is over time.
pub(crate) fn read_shape(table: &TableReader<'_>) -> LoadOptions {
    LoadOptions {
        users: table.get("users").and_then(|field| field.integer(1..=crate::MAX_USERS, "20")),
        rate: table.get("rate").and_then(|field| field.number("100")),
        stages: table.get("stages").and_then(|field| read_stages(&field)),
        duration: table.get("duration").and_then(|field| field.duration("\"30s\"")),
        pace: table.get("pace").and_then(|field| field.number("10")),
        missed: table.get("missed").and_then(|field| field.parsed("\"catch-up\"")),
        arrivals: table.get("arrivals").and_then(|field| field.parsed("\"poisson\"")),
        max_users: table.get("max_users").and_then(|field| field.integer(1..=crate::MAX_USERS, "200")),
        graceful_stop: table.get("graceful_stop").and_then(|field| field.duration("\"5s\"")),
        ..LoadOptions::default()
    }
}

/// `warmup`, `seed` and `idle` are of the whole run.
fn read_run_wide(table: &TableReader<'_>, in_scenario: bool, options: &mut LoadOptions) {
    if !in_scenario {
        options.warmup = table.get("warmup").and_then(|field| field.duration("\"2s\""));
        options.seed = table.get("seed").and_then(|field| field.integer(0..=i64::MAX as u64, "1"));
        options.idle = table.get("idle").and_then(|field| field.parsed("\"spin\""));
        return;
    }
    for key in ["warmup", "seed", "idle"] {
        if let Some(field) = table.get(key) {
            field.error(format!("`{key}` is of the whole run"), "write it in the file's [load]");
        }
    }
}

/// A scenario with a load of its own lasts as long as the others, unless it says how long or how much itself.
fn inherit(options: &LoadOptions, file: &LoadOptions) -> LoadOptions {
    let bounded = options.stages.is_some() || options.iterations.is_some() || options.requests.is_some();
    LoadOptions {
        duration: options.duration.or_else(|| file.duration.filter(|_| !bounded)),
        graceful_stop: options.graceful_stop.or(file.graceful_stop),
        ..options.clone()
    }
}

/// Points at the option that the error is about.
pub(crate) fn report(table: &TableReader<'_>, error: &LoadError) {
    match table.get(error.option()) {
        Some(field) => field.error_at(field.node.span.clone(), error.to_string(), None),
        None => table.error(error.to_string(), None),
    }
}

fn read_stages(field: &Field<'_>) -> Option<Vec<Stage>> {
    const EXAMPLE: &str = "[\"30s:50\", \"2m:50\"]";
    let items = field.items(EXAMPLE)?;
    let count = items.len();
    let stages: Vec<Stage> = items.iter().filter_map(|item| item.parsed("\"30s:50\"")).collect();
    // A half-read list would cause errors that nobody can understand.
    (stages.len() == count).then_some(stages)
}
