//! What Pulse alone costs in the shapes that other tools do not have: a scenario, many users, idle users, two workers, time.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::comparison::median;
use super::tool::{Protocol, Tool};
use super::{Bench, CLIENT_CPU};

/// Users that each ask once per second.
const MANY_USERS: u32 = 10_000;
/// Users that have asked once and keep their connection.
const IDLE_USERS: u32 = 15_000;
/// Requests per second of the active user beside them.
const ACTIVE_PACE: u32 = 500;
/// How long idle users have to connect.
const WARMUP_SECONDS: u32 = 5;
/// When memory is looked at.
const EARLY: Duration = Duration::from_secs(2);
const LATE: Duration = Duration::from_secs(20);

/// A scenario that looks at each answer, as against the bare URL.
pub(super) fn scenario(bench: &Bench) -> anyhow::Result<String> {
    let url = Protocol::Http1.url(bench.server.ports);
    let file = bench.folder.join("scenario.toml");
    fs::write(
        &file,
        format!(
            "[service]\nurl = \"{url}\"\n[load]\nusers = 64\npace = 0\nduration = {}\n[variables]\nvenue = \"XPLS\"\nid = \"0\"\n\
             [[scenario]]\n[[scenario.step]]\nname = \"quote\"\nrequest = \"GET /?venue=${{venue}}&id=${{id}}\"\n\
             checks = [{{ status = 200 }}, {{ body_contains = \"PULSE\" }}, {{ json = \"/status\", equals = \"ready\" }}]\n\
             extract = {{ id = {{ json = \"/id\" }} }}\n",
            bench.seconds
        ),
    )?;
    let loads = [vec!["--users".to_owned(), "64".to_owned()], vec![file.display().to_string()]];
    let mut costs: [Vec<f64>; 2] = Default::default();
    for round in 0..bench.rounds as usize {
        for turn in 0..2 {
            let place = (round + turn) % 2;
            let mut command = bench.pulse(&loads[place]);
            if place == 0 {
                command.args(["--pace", "0", "--duration", &bench.seconds.to_string(), &url]);
            }
            costs[place].push(bench.measured(CLIENT_CPU, &command)?.0.cpu());
        }
    }
    let difference = median(costs[0].iter().zip(&costs[1]).map(|(bare, scenario)| scenario - bare));
    let [bare, full] = costs.map(|costs| median(costs.into_iter()));
    Ok(format!(
        "**A scenario file**\n\n| 64 users, closed loop | CPU per request |\n|---|---:|\n| the URL alone | {bare:.2} µs |\n\
         | scenario: two variables in the URL, checks of status, text and JSON, one extraction | {full:.2} µs |\n\
         | difference (within a round) | **{difference:+.2} µs** |\n"
    ))
}

/// Ten thousand users that each ask once per second.
pub(super) fn users(bench: &Bench) -> anyhow::Result<String> {
    let run = |users: u32| {
        let seconds = bench.seconds.max(5) * 3;
        let mut command = bench.pulse(&["--pace".to_owned(), "1".to_owned()]);
        command.args(["--users", &users.to_string(), "--duration", &seconds.to_string()]);
        command.arg(Protocol::Http1.url(bench.server.ports));
        bench.measured(CLIENT_CPU, &command)
    };
    let (_, one) = run(1)?;
    let (cost, many) = run(MANY_USERS)?;
    let each = many.peak.saturating_sub(one.peak) as f64 * 1024.0 / f64::from(MANY_USERS) / 1000.0;
    let share = 100.0 * many.cpu().as_secs_f64() / many.wall.as_secs_f64();
    Ok(format!(
        "**{MANY_USERS} users at 1 request/s each**\n\n| | |\n|---|---:|\n\
         | requests | {} in {:.1} s |\n| CPU | **{share:.0} %** of a core |\n\
         | resident memory of each user beyond that of a run with 1 user | **{each:.1} KB** |\n\
         | peak memory | {:.0} MB |\n",
        cost.requests,
        many.wall.as_secs_f64(),
        many.peak as f64 * 1024.0 / 1e6
    ))
}

/// Whether idle users disturb an active one.
pub(super) fn idle(bench: &Bench) -> anyhow::Result<String> {
    let mut rows = String::new();
    for (idle, name) in [(0, "alone"), (IDLE_USERS, "beside 15 000 idle users")] {
        let report = bench.report(&idle_scenario(bench, idle)?)?;
        let lag = |quantile| number(&report, &["dispatch_lag", quantile]).map(|ms| ms * 1000.0);
        let _ = writeln!(rows, "| {name} | {:.0} µs | {:.0} µs |", lag("median")?, lag("p99")?);
    }
    Ok(format!(
        "**One user at {ACTIVE_PACE} requests/s**\n\n| dispatch lag | p50 | p99 |\n|---|---:|---:|\n{rows}"
    ))
}

/// One user at a pace, beside others that ask once and keep their connection; these connect while the run warms up.
fn idle_scenario(bench: &Bench, idle: u32) -> anyhow::Result<Command> {
    let seconds = WARMUP_SECONDS + bench.seconds.max(5);
    let mut text = format!(
        "[service]\nurl = \"{}\"\n[load]\nwarmup = {WARMUP_SECONDS}\nduration = {seconds}\ngraceful_stop = 0\n\
         [[scenario]]\nname = \"active\"\nload = {{ users = 1, pace = {ACTIVE_PACE} }}\n\
         [[scenario.step]]\nrequest = \"GET /\"\n",
        Protocol::Http1.url(bench.server.ports)
    );
    if idle > 0 {
        let _ = write!(
            text,
            "[[scenario]]\nname = \"idle\"\nload = {{ users = {idle} }}\n\
             [[scenario.step]]\nrequest = \"GET /\"\nthink = \"1h\"\n"
        );
    }
    let file = bench.folder.join("idle.toml");
    fs::write(&file, text)?;
    Ok(bench.pulse(&[file.display().to_string()]))
}

/// Two workers on two CPUs, one of which the server has, too: by CPU time per request.
pub(super) fn workers(bench: &Bench) -> anyhow::Result<String> {
    let mut costs: [Vec<f64>; 2] = Default::default();
    for round in 0..bench.rounds as usize {
        for turn in 0..2 {
            let place = (round + turn) % 2;
            let (workers, cpus) = [("1", CLIENT_CPU), ("2", "0,1")][place];
            let mut command = bench.tools.command(Tool::Pulse);
            command.args(["load", "--quiet", "--users", "64", "--pace", "0", "--workers", workers]);
            command.args(["--duration", &bench.seconds.to_string()]);
            command.arg(Protocol::Http1.url(bench.server.ports));
            costs[place].push(bench.measured(cpus, &command)?.0.cpu());
        }
    }
    let gain = median(costs[0].iter().zip(&costs[1]).map(|(one, two)| 2.0 * one / two));
    let [one, two] = costs.map(|costs| median(costs.into_iter()));
    Ok(format!(
        "**Two workers**\n\n| workers | CPU per request |\n|---|---:|\n| 1 on one CPU | {one:.2} µs |\n\
         | 2 on two CPUs (one of them the server's) | {two:.2} µs |\n\
         | requests that two CPUs pay for, as against one | **{gain:.2} ×** |\n"
    ))
}

/// Whether memory grows with the requests made.
pub(super) fn memory(bench: &Bench) -> anyhow::Result<String> {
    let mut command = bench.pulse(&["--users".to_owned(), "64".to_owned()]);
    let seconds = (LATE.as_secs() + 1).to_string();
    command.args(["--pace", "0", "--duration", &seconds]).arg(Protocol::Http1.url(bench.server.ports));
    let (cost, spent) = bench.measured(CLIENT_CPU, &command)?;
    let at = |time| {
        let kib = spent.resident_at(time).context("nothing was seen of the memory")?;
        anyhow::Ok(kib as f64 * 1024.0 / 1e6)
    };
    let requests = cost.requests as f64 / 1e6;
    Ok(format!(
        "**Memory over time**\n\n| 64 users, closed loop | resident |\n|---|---:|\n| after 2 s | {:.2} MB |\n\
         | after 20 s ({requests:.1} million requests) | {:.2} MB |\n| peak | {:.2} MB |\n",
        at(EARLY)?,
        at(LATE)?,
        spent.peak as f64 * 1024.0 / 1e6
    ))
}

impl Bench {
    /// `pulse load` of one worker with further arguments.
    pub(super) fn pulse(&self, arguments: &[String]) -> Command {
        let mut command = self.tools.command(Tool::Pulse);
        command.args(["load", "--quiet", "--workers", "1"]).args(arguments);
        command
    }

    /// The JSON report of a load.
    pub(super) fn report(&self, load: &Command) -> anyhow::Result<Value> {
        let mut command = Command::new(load.get_program());
        command.args(load.get_args()).args(["--out", "json=-"]);
        let (_, spent) = self.measured(CLIENT_CPU, &command)?;
        serde_json::from_str(&spent.output).context("the report is no JSON")
    }
}

/// A number of a report.
pub(super) fn number(report: &Value, path: &[&str]) -> anyhow::Result<f64> {
    let value = path.iter().fold(report, |value, key| &value[key]);
    value.as_f64().with_context(|| format!("the report has no number {}", path.join(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_their_path() {
        let report = serde_json::json!({ "dispatch_lag": { "p99": 0.25 } });
        assert!((number(&report, &["dispatch_lag", "p99"]).unwrap() - 0.25).abs() < f64::EPSILON);
        assert!(
            number(&report, &["dispatch_lag", "p50"]).unwrap_err().to_string().contains("dispatch_lag.p50")
        );
    }
}
