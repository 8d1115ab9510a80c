//! A right value for every flag, shown where a wrong one was given.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};

/// What `pulse load --help` ends with.
pub(crate) const LOAD: &str = "\
Examples:
  pulse load --users 100 --duration 60 --url http://127.0.0.1:8000
  pulse load https://api.example.com/orders --rate 200 --arrivals poisson --warmup 10s --duration 5m
  pulse load http://127.0.0.1:8000/api/v1/execute --json '{\"tool_id\": 1, \"user_id\": \"u1\"}' \\
      --target 'p99 < 150ms' --target 'errors < 0.1%' --out junit=report.xml
  pulse load scenario.toml --stages 30s:50,2m:50,30s:0 --record run.pulse";

/// What `pulse test --help` ends with.
pub(crate) const TEST: &str = "\
Examples:
  pulse test                                    # pulse.toml and perf/**/*.toml
  pulse test perf/demo.toml --list
  pulse test api::health -k 'not slow' -m smoke --fail-fast
  pulse test --url http://staging:8000 --out github --out junit=report.xml
  pulse test --save-baseline main               # and later, or on another branch:
  pulse test --baseline main --retries 1
  pulse test --ab './old --batch' './new --batch' --rounds 30";

/// What `pulse capacity --help` ends with.
pub(crate) const CAPACITY: &str = "\
Examples:
  pulse capacity http://127.0.0.1:8000 --target 'p95 < 50ms' --target 'errors < 0.1%'
  pulse capacity http://127.0.0.1:8000/api/v1/trades --users --max 500
  pulse capacity scenario.toml --start 100 --max 5000 --step-duration 30s --out json=capacity.json";

/// What `pulse monitor --help` ends with.
pub(crate) const MONITOR: &str = "\
Examples:
  pulse monitor http://127.0.0.1:8000
  pulse monitor https://api.example.com/internal/metrics --bearer TOKEN --for 5m --target 'p95 < 200ms'
  pulse monitor 4711 --record process.pulse     # a process and its children
  pulse monitor shm:orders --window 5m --serve  # workers that were started with PULSE_GROUP=orders";

/// What `pulse db --help` ends with.
pub(crate) const DB: &str = "\
Examples:
  pulse db app.db                                        # structure, sizes, settings
  pulse db app.db --workload app.log                     # what is slow, and which indexes would help
  pulse db app.db --workload app.log --add-indexes --dry-run
  pulse db app.db --workload app.log --add-indexes --vacuum --analyze-stats
  pulse db record -- python app.py                       # keep what a program asks, as workload.jsonl
  pulse db undo app.db
  pulse db explain missing_index";

/// What `pulse validate --help` ends with.
pub(crate) const VALIDATE: &str = "\
Examples:
  pulse validate
  pulse validate --url http://127.0.0.1:8000 perf/demo.toml
  pulse validate --json > validate.json

It exits with 0 when no check failed (warnings are no failures), else with 1.";

/// What `pulse compare --help` ends with.
pub(crate) const COMPARE: &str = "\
Examples:
  pulse compare before.pulse after.pulse        # recordings of `pulse load --record`
  pulse compare main.json 12 --min-effect 10%   # a baseline file, and run 12 of `pulse history`
  pulse compare main feature --out md=compare.md --out json=-";

/// What `pulse history --help` ends with.
pub(crate) const HISTORY: &str = "\
Examples:
  pulse history
  pulse history api::health
  pulse history --changes --limit 200";

/// What `pulse report --help` ends with.
pub(crate) const REPORT: &str = "\
Examples:
  pulse report run.pulse
  pulse report run.pulse --out md=report.md --out json=-";

/// What `pulse demo --help` ends with.
pub(crate) const DEMO: &str = "\
Examples:
  pulse demo
  pulse demo serve --port 8000
  pulse demo serve --latency lognormal:p50=12ms,p99=90ms --stall 1s/10s --error-rate 0.1%";

/// By the long name of the flag.
const RIGHT: [(&str, &str); 92] = [
    ("--ab", "'./old' './new'"),
    ("--arrivals", "poisson"),
    ("--attach", "archive=data/archive.db"),
    ("--baseline", "main"),
    ("--bearer", "TOKEN"),
    ("--budget", "100MB"),
    ("--busy-timeout", "60s"),
    ("--cacert", "ca.pem"),
    ("--cert", "client.pem"),
    ("--connect-timeout", "2s"),
    ("--connect-to", "api.example.com:80:127.0.0.1:8000"),
    ("--connections", "per-request"),
    ("--data", "@body.bin"),
    ("--db", "demo.sqlite"),
    ("--db-path", "app.db"),
    ("--dns-order", "round-robin"),
    ("--dns-refresh", "30s"),
    ("--dns-server", "127.0.0.53"),
    ("--duration", "90s"),
    ("--error-rate", "0.1%"),
    ("--events", "10"),
    ("--every", "1s"),
    ("--expect-status", "200,204"),
    ("--for", "5m"),
    ("--form", "photo=@photo.png"),
    ("--graceful-stop", "5s"),
    ("--group", "orders"),
    ("--header", "'Accept: application/json'"),
    ("--history", ".pulse/history.db"),
    ("--http", "2"),
    ("--idle", "spin"),
    ("--import-path", "protos"),
    ("--inconclusive", "fail"),
    ("--iterations", "1000"),
    ("--json", "'{\"id\": 1}'"),
    ("--key", "client.key"),
    ("--keyword", "'health and not slow'"),
    ("--latency", "lognormal:p50=12ms,p99=90ms"),
    ("--leak", "10KB/request"),
    ("--limit", "50"),
    ("--listen", "127.0.0.1:9900"),
    ("--mark", "smoke"),
    ("--max", "5000"),
    ("--max-body", "10MB"),
    ("--max-head", "16KB"),
    ("--max-indexes", "5"),
    ("--max-kept-body", "1MB"),
    ("--max-users", "500"),
    ("--method", "POST"),
    ("--min-effect", "5%"),
    ("--min-gain", "10%"),
    ("--missed", "skip"),
    ("--noproxy", "localhost,.internal"),
    ("--out", "json=report.json"),
    ("--output", "workload.jsonl"),
    ("--pace", "10"),
    ("--port", "8000"),
    ("--proto", "trading.proto"),
    ("--proxy", "http://127.0.0.1:3128"),
    ("--rate", "200"),
    ("--record", "run.pulse"),
    ("--redirects", "5"),
    ("--repeat", "3"),
    ("--requests", "1000"),
    ("--resolve", "api.example.com:443:127.0.0.1"),
    ("--retries", "2"),
    ("--rounds", "30"),
    ("--save-baseline", "main"),
    ("--seed", "7"),
    ("--serve", "127.0.0.1:9900"),
    ("--server-name", "api.example.com"),
    ("--source-address", "127.0.0.2"),
    ("--stages", "30s:50,2m:50,30s:0"),
    ("--stall", "1s/10s"),
    ("--start", "10"),
    ("--step-duration", "10s"),
    ("--streams", "16"),
    ("--target", "'p99 < 150ms'"),
    ("--timeout", "10s"),
    ("--tls-max", "1.3"),
    ("--tls-min", "1.2"),
    ("--token", "a-long-secret"),
    ("--trades", "10000"),
    ("--trial-time", "60s"),
    ("--unix-socket", "/run/api.sock"),
    ("--url", "http://127.0.0.1:8000"),
    ("--user", "NAME:PASSWORD"),
    ("--users", "100"),
    ("--warmup", "10s"),
    ("--window", "5m"),
    ("--workers", "2"),
    ("--workload", "app.log"),
];

/// Adds a right value to an error about a wrong one.
pub(crate) fn with_example(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return error };
    // As in `--users <N>`.
    let flag = argument.split([' ', '=']).next().unwrap_or_default();
    let value_is_wrong = error.get(ContextKind::InvalidValue).is_some();
    if let Some((flag, value)) = RIGHT.iter().find(|(name, _)| *name == flag)
        && value_is_wrong
    {
        let tip = StyledStr::from(format!("a right value is for example `{flag} {value}`"));
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Arguments;
    use clap::{CommandFactory as _, Parser as _};

    fn flags_with_values(command: &clap::Command) -> Vec<String> {
        let own = command.get_arguments().filter(|argument| argument.get_action().takes_values());
        let own = own.filter_map(|argument| argument.get_long().map(|long| format!("--{long}")));
        own.chain(command.get_subcommands().flat_map(flags_with_values)).collect()
    }

    #[test]
    fn every_flag_with_a_value_has_an_example_that_the_parser_takes() {
        let mut flags = flags_with_values(&Arguments::command());
        flags.sort();
        flags.dedup();
        for flag in flags {
            let value =
                RIGHT.iter().find(|(name, _)| *name == flag).map(|(_, value)| value.trim_matches('\''));
            let value = value.unwrap_or_else(|| panic!("{flag} has no example"));
            let commands: [&[&str]; 12] = [
                &["pulse", "load"],
                &["pulse", "load", "--cert", "client.pem"],
                &["pulse", "load", "--proto", "trading.proto"],
                &["pulse", "load", "--dashboard"],
                &["pulse", "demo"],
                &["pulse", "demo", "serve"],
                &["pulse", "test"],
                &["pulse", "test", "--ab", "./old", "./new"],
                &["pulse", "compare", "main", "feature"],
                &["pulse", "capacity", "http://127.0.0.1:8000"],
                &["pulse", "monitor", "http://127.0.0.1:8000"],
                &["pulse", "monitor", "http://127.0.0.1:8000", "--serve"],
            ];
            let values: Vec<&str> = value.split("' '").collect();
            let accepted = commands
                .iter()
                .chain([&&["pulse", "history"][..], &&["pulse", "db"][..]])
                .any(|command| Arguments::try_parse_from([*command, &[&flag], &values].concat()).is_ok());
            let recording = [&["pulse", "db", "record", &flag][..], &values, &["--", "true"]].concat();
            let accepted = accepted || Arguments::try_parse_from(recording).is_ok();
            assert!(accepted, "{flag} {value}");
        }
    }

    #[test]
    fn a_wrong_value_is_answered_with_a_right_one() {
        for (wrong, right) in [
            (["--users", "many"], "--users 100"),
            (["--missed", "maybe"], "--missed skip"),
            (["--inconclusive", "maybe"], "--inconclusive fail"),
            (["--workers", "0"], "--workers 2"),
        ] {
            let error = Arguments::try_parse_from(["pulse", "load", wrong[0], wrong[1]]).unwrap_err();
            let text = with_example(error).to_string();
            assert!(text.contains(right), "{text}");
        }
    }
}
