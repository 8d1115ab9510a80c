//! Tools in turns at the same closed load, and their table.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::process::{self, Spent};
use super::tool::{Closed, Protocol, Tool};
use super::{Bench, CLIENT_CPU};
use crate::output::progress;

/// Runs of a client, until one comes to its end.
const ATTEMPTS: usize = 3;

/// One table: Pulse and its peers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comparison {
    pub(super) title: &'static str,
    pub(super) protocol: Protocol,
    pub(super) connections: u32,
    pub(super) streams: u32,
    pub(super) peers: &'static [Tool],
}

/// What a request cost in one run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    pub(super) requests: u64,
    /// CPU time per request in µs: outside of the kernel, and in it.
    pub(super) user: f64,
    pub(super) system: f64,
    /// Requests per second of the whole run.
    pub(super) rate: f64,
    /// Highest resident memory in KiB.
    pub(super) peak: u64,
}

impl Cost {
    /// `None` without requests.
    pub(super) fn of(spent: &Spent, requests: u64) -> Option<Self> {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / requests as f64;
        (requests > 0).then(|| Self {
            requests,
            user: each(spent.user),
            system: each(spent.system),
            rate: requests as f64 / spent.wall.as_secs_f64(),
            peak: spent.peak,
        })
    }

    pub(super) fn cpu(self) -> f64 {
        self.user + self.system
    }
}

impl Comparison {
    pub(super) fn run(&self, bench: &Bench) -> anyhow::Result<String> {
        let peers = self.peers.iter().filter(|tool| bench.tools.has(**tool));
        let tools: Vec<Tool> = [Tool::Pulse].iter().chain(peers).copied().collect();
        let load = Closed {
            protocol: self.protocol,
            connections: self.connections,
            streams: self.streams,
            seconds: bench.seconds,
        };
        let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); tools.len()];
        for round in 0..bench.rounds as usize {
            for turn in 0..tools.len() {
                // Who comes first changes, so that what drifts disturbs all alike.
                let place = (round + turn) % tools.len();
                costs[place].push(bench.cost(tools[place], load)?);
            }
        }
        Ok(table(self.title, &tools, &costs))
    }
}

impl Bench {
    fn cost(&self, tool: Tool, load: Closed) -> anyhow::Result<Cost> {
        let command = self.tools.closed(tool, load, self.server.ports, &self.folder);
        self.measured(CLIENT_CPU, &command).map(|(cost, _)| cost)
    }

    /// Runs a client; what a request cost it, and all that was seen of it. One that hangs (siege was seen to, with four of its
    /// threads left at the end) is begun anew: a table of many tools is not lost by one.
    pub(super) fn measured(
        &self,
        cpus: &str,
        command: &std::process::Command,
    ) -> anyhow::Result<(Cost, Spent)> {
        let (name, limit) = (command.get_program().display(), self.limit());
        for _ in 0..ATTEMPTS {
            let before = self.server.requests()?;
            // Of Pulse, 98: a measurement that is not valid, with a generator at its limit; 99: a target is missed.
            let spent = process::run(cpus, command, &[0, 98, 99], &self.folder, limit)?;
            let Some(spent) = spent else {
                progress(&format!("{name} did not end within {} s and was killed", limit.as_secs()));
                continue;
            };
            let requests = self.server.requests()? - before;
            let cost = Cost::of(&spent, requests).with_context(|| format!("{name} made no request"))?;
            return Ok((cost, spent));
        }
        bail!("{name} hung in each of {ATTEMPTS} runs")
    }
}

fn table(title: &str, tools: &[Tool], costs: &[Vec<Cost>]) -> String {
    let mut text = format!(
        "**{title}**\n\n| tool | CPU per request (user + system) | pulse takes of it | requests/s | peak memory |\n\
         |---|---:|---:|---:|---:|\n"
    );
    for (tool, own) in tools.iter().zip(costs) {
        let of = |value: fn(Cost) -> f64| median(own.iter().map(|cost| value(*cost)));
        let ratios = costs[0].iter().zip(own).map(|(pulse, other)| pulse.cpu() / other.cpu());
        let ratio = if *tool == Tool::Pulse { String::new() } else { spread(ratios) };
        let _ = writeln!(
            text,
            "| {} | {:.2} µs ({:.2} + {:.2}) | {ratio} | {:.0} | {:.1} MB |",
            tool.name(),
            of(Cost::cpu),
            of(|cost| cost.user),
            of(|cost| cost.system),
            of(|cost| cost.rate),
            of(|cost| cost.peak as f64) * 1024.0 / 1e6,
        );
    }
    text
}

/// The median; of an even number of values the lower of the two in the middle. NaN without any.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// The median of ratios with their lowest and highest.
fn spread(ratios: impl Iterator<Item = f64> + Clone) -> String {
    let lowest = ratios.clone().fold(f64::INFINITY, f64::min);
    let highest = ratios.clone().fold(f64::NEG_INFINITY, f64::max);
    format!("**{:.2} ×** ({lowest:.2} – {highest:.2})", median(ratios))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(user: f64, peak: u64) -> Cost {
        Cost { requests: 1, user, system: 1.0, rate: 1e5, peak }
    }

    #[test]
    fn ratios_are_those_of_the_same_round() {
        // The machine was twice as slow in the second round.
        let costs = [
            vec![cost(1.0, 4000), cost(3.0, 5000), cost(1.0, 5000)],
            vec![cost(3.0, 1), cost(7.0, 1), cost(3.0, 1)],
        ];
        let text = table("Title", &[Tool::Pulse, Tool::Wrk], &costs);
        assert!(text.contains("| pulse | 2.00 µs (1.00 + 1.00) |  | 100000 | 5.1 MB |"), "{text}");
        assert!(text.contains("| wrk | 4.00 µs (3.00 + 1.00) | **0.50 ×** (0.50 – 0.50) |"), "{text}");
    }

    #[test]
    fn a_request_costs_what_all_cost_by_their_number() {
        let spent = Spent {
            user: Duration::from_millis(20),
            system: Duration::from_millis(80),
            wall: Duration::from_secs(2),
            ..Spent::default()
        };
        let cost = Cost::of(&spent, 20_000).unwrap();
        assert_eq!((cost.user, cost.system, cost.rate), (1.0, 4.0, 10_000.0));
        assert!(Cost::of(&spent, 0).is_none());
        assert!(median(std::iter::empty()).is_nan());
    }
}
