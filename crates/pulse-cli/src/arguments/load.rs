//! `pulse load`.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::Args;
use pulse_model::{Nanos, Target};
use pulse_plan::{
    ArrivalLaw, BodyFile, FormPart, HttpVersion, IdleStrategy, LoadOptions, Missed, Overrides, ProtoSources,
    ServiceOptions, Stage, StatusSet, UrlRequest, parse_form_field,
};

use super::{AccessFlags, DashboardFlags, HandlingFlags, WhenInconclusive};
use crate::problem::Problem;
use crate::report_files::ReportRequest;
use crate::source::{Source, large_body, read_file_of};

/// The largest file that is read into memory.
const MAX_BODY_BYTES: usize = 64 << 20;

/// Arguments of `pulse load`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct LoadArguments {
    /// What to load: a URL, or a scenario file (TOML).
    pub(crate) service: Option<String>,

    #[command(flatten)]
    pub(crate) load: LoadFlags,

    #[command(flatten)]
    pub(crate) request: RequestFlags,

    #[command(flatten)]
    pub(crate) result: ResultFlags,

    #[command(flatten)]
    pub(crate) dashboard: DashboardFlags,
}

/// How much load, and for how long.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Load")]
pub(crate) struct LoadFlags {
    /// Users, each waiting for its answer before the next request [default: 10].
    #[arg(short, long, value_name = "N")]
    users: Option<u64>,
    /// Length of the load, warm-up included: 90s, 5m, 1h30m, or a number of seconds [default: 30].
    #[arg(long, value_name = "D")]
    duration: Option<Nanos>,
    /// Requests per second of each user; 0 = as fast as answers come [default: 10].
    #[arg(long, value_name = "R")]
    pace: Option<f64>,
    /// What a late user does: catch-up (waiting counts as response time) or skip (missed sends are counted and left out)
    /// [default: catch-up].
    #[arg(long, value_name = "HOW")]
    missed: Option<Missed>,
    /// Arrivals per second that do not wait for answers, instead of users.
    #[arg(long, value_name = "R")]
    rate: Option<f64>,
    /// How arrivals are spread: even or poisson [default: even].
    #[arg(long, value_name = "LAW")]
    arrivals: Option<ArrivalLaw>,
    /// The most users that serve arrivals; an arrival beyond is dropped and counted
    /// [default: those of 2 seconds, between 100 and 10000].
    #[arg(long, value_name = "N")]
    max_users: Option<u64>,
    /// Linear ramps of users (or of the rate, with --rate): LENGTH:VALUE,…, for example 30s:50,2m:50,30s:0.
    #[arg(long, value_name = "STAGES", value_delimiter = ',')]
    stages: Option<Vec<Stage>>,
    /// First part of the load that is kept out of all judged figures.
    #[arg(long, value_name = "D")]
    warmup: Option<Nanos>,
    /// End after so many iterations over all users.
    #[arg(long, value_name = "N")]
    iterations: Option<u64>,
    /// End after so many requests over all users.
    #[arg(short = 'n', long, value_name = "N")]
    requests: Option<u64>,
    /// Time that running iterations get at the end [default: 5s].
    #[arg(long, value_name = "D")]
    graceful_stop: Option<Nanos>,
    /// Seed of everything random [default: 1].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How workers wait for the next moment of the schedule: sleep (woken some 40 µs late), spin (exact, at the price of CPU
    /// time), or auto (spin where that costs at most a tenth of a core) [default: auto].
    #[arg(long, value_name = "HOW")]
    idle: Option<IdleStrategy>,
    /// Worker threads [default: one per core].
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) workers: Option<u32>,
}

/// What each request looks like.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Request")]
pub(crate) struct RequestFlags {
    #[arg(
        long,
        value_name = "URL",
        help = "Base URL of the service; without a path it asks /health [default: http://127.0.0.1:8000]"
    )]
    url: Option<String>,
    /// HTTP method [default: GET, or POST with a body].
    #[arg(short = 'X', long, value_name = "METHOD")]
    method: Option<String>,
    /// Body, or @FILE; of a ws:// or wss:// URL a message that each iteration sends and waits to be answered.
    #[arg(short = 'd', long, value_name = "BODY", conflicts_with = "json")]
    data: Option<String>,
    /// Form field NAME=TEXT or NAME=@FILE;type=TYPE, sent as multipart/form-data; repeatable.
    #[arg(short = 'F', long = "form", value_name = "FIELD", conflicts_with_all = ["data", "json"])]
    form: Vec<String>,
    /// JSON body, or @FILE; sets the content type.
    #[arg(long, value_name = "JSON")]
    json: Option<String>,
    /// File with the types of a gRPC call, for a grpc:// URL; repeatable [default: the service is asked].
    #[arg(long, value_name = "FILE")]
    proto: Vec<String>,
    /// Folder that imports of --proto are relative to; repeatable [default: that of the file].
    #[arg(long, value_name = "FOLDER", requires = "proto")]
    import_path: Vec<String>,
    /// Read each answer as server-sent events, until so many have come.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    events: Option<u64>,
    /// Limit for one request, from its send to its last byte [default: 30s].
    #[arg(long, value_name = "D")]
    timeout: Option<Nanos>,
    /// Statuses that count as success: 200,204 or 2xx [default: any below 400].
    #[arg(long, value_name = "STATUS")]
    expect_status: Option<StatusSet>,
    /// Version of HTTP: 1.1, 2 (over plain TCP without asking), 3 (over QUIC; experimental) or auto (over TLS, what the
    /// service prefers) [default: 1.1].
    #[arg(long, value_name = "VERSION")]
    http: Option<HttpVersion>,
    /// Users of one worker that share an HTTP/2 connection [default: 1].
    #[arg(long, value_name = "N")]
    streams: Option<u32>,
    #[command(flatten)]
    handling: HandlingFlags,
    #[command(flatten)]
    access: AccessFlags,
}

/// What is judged and what is kept.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Result")]
pub(crate) struct ResultFlags {
    /// What the service must meet, for example "p99 < 150ms"; repeatable, replaces the defaults.
    #[arg(short, long = "target", value_name = "TARGET")]
    targets: Vec<Target>,
    /// Report to write: text|json|csv|md|junit|html|svg|png=PATH; repeatable; - is standard output.
    #[arg(short, long = "out", value_name = "FORMAT=PATH")]
    pub(crate) out: Vec<ReportRequest>,
    /// Keep the events of the run in a file, for `pulse report`.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// What an inconclusive target means for the exit code.
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub(crate) inconclusive: WhenInconclusive,
    /// No progress while it runs.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

impl LoadArguments {
    /// What is to be loaded.
    pub(crate) fn source(&self) -> Result<Source, Problem> {
        let request = &self.request;
        let path = self.service.as_deref().filter(|service| !service.contains("://"));
        let Some(path) = path else {
            if self.service.is_some() && request.url.is_some() {
                return Err(Problem::usage("the service is given twice: leave out SERVICE or --url"));
            }
            let (body, body_file) = self.body()?;
            let form = request.form()?;
            return Ok(Source::Url(UrlRequest {
                method: request.method.clone(),
                body,
                body_file,
                form,
                events: request.events,
                protos: ProtoSources {
                    files: request.proto.clone(),
                    import_paths: request.import_path.clone(),
                },
                ..UrlRequest::default()
            }));
        };
        if let Some(why) = no_scenario_file(path) {
            return Err(Problem::usage(why));
        }
        let of_url = [
            ("--method", request.method.is_some()),
            ("--data", request.data.is_some()),
            ("--json", request.json.is_some()),
            ("--events", request.events.is_some()),
            ("--proto", !request.proto.is_empty()),
            ("--form", !request.form.is_empty()),
        ];
        match of_url.into_iter().find(|&(_, given)| given) {
            Some((flag, _)) => Err(Problem::usage(format!(
                "{flag} goes with a URL; in a scenario file it stands in the steps"
            ))),
            None => Ok(Source::File(path.into())),
        }
    }

    /// What `--data` or `--json` say: bytes, or a file that is streamed.
    fn body(&self) -> Result<(Option<Vec<u8>>, Option<BodyFile>), Problem> {
        let request = &self.request;
        let (flag, text) = match (&request.data, &request.json) {
            (Some(text), _) => ("--data", text),
            (None, Some(text)) => ("--json", text),
            (None, None) => return Ok((None, None)),
        };
        let is_plain = |url: &str| url.starts_with("http://") || url.starts_with("https://");
        let url = self.service.as_deref().or(request.url.as_deref());
        // Messages and the requests that begin a stream are sent from memory.
        let may_stream = url.is_none_or(is_plain) && request.events.is_none();
        if may_stream && let Some(path) = text.strip_prefix('@') {
            let name = format!("the file {path} of {flag}");
            if let Some(file) = large_body(&name, Path::new(path))? {
                if request.json.is_some() {
                    check_json(serde_json::from_reader(BufReader::new(&**file.file())))?;
                }
                return Ok((None, Some(file)));
            }
        }
        let bytes = body(flag, text)?;
        if request.json.is_some() {
            check_json(serde_json::from_slice(&bytes))?;
        }
        Ok((Some(bytes), None))
    }

    /// What the flags say.
    pub(crate) fn overrides(&self) -> Result<Overrides, Problem> {
        let request = &self.request;
        let url =
            self.service.clone().filter(|service| service.contains("://")).or_else(|| request.url.clone());
        let access = request.access.options()?;
        let mut headers = access.headers.clone();
        let content_type = match (&request.json, &request.data) {
            (Some(_), _) => Some("application/json"),
            (None, Some(_)) => Some("application/x-www-form-urlencoded"),
            (None, None) => None,
        };
        let typed = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if let Some(content_type) = content_type.filter(|_| !typed) {
            headers.push(("Content-Type".to_owned(), content_type.to_owned()));
        }
        let service = ServiceOptions {
            url,
            headers,
            timeout: request.timeout,
            expect: request.expect_status.clone(),
            http: request.http,
            streams: request.streams,
            ..access
        };
        let service = request.handling.apply(service);
        Ok(Overrides { service, load: self.load.options(), targets: self.result.targets.clone() })
    }
}

impl RequestFlags {
    fn form(&self) -> Result<Vec<FormPart>, Problem> {
        let read = |path: &str| read_file_of("--form", Path::new(path), MAX_BODY_BYTES);
        self.form.iter().map(|field| parse_form_field(field, read).map_err(Problem::usage)?).collect()
    }
}

impl LoadFlags {
    fn options(&self) -> LoadOptions {
        LoadOptions {
            users: self.users,
            rate: self.rate,
            stages: self.stages.clone(),
            duration: self.duration,
            warmup: self.warmup,
            iterations: self.iterations,
            requests: self.requests,
            pace: self.pace,
            missed: self.missed,
            arrivals: self.arrivals,
            max_users: self.max_users,
            graceful_stop: self.graceful_stop,
            seed: self.seed,
            idle: self.idle,
        }
    }
}

/// Why a SERVICE without `://` cannot be loaded; `None` when it is a file.
fn no_scenario_file(text: &str) -> Option<String> {
    let path = Path::new(text);
    let looks_like_a_file = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
    if path.is_file() {
        None
    } else if path.is_dir() {
        Some(format!("`{text}` is a folder; name the scenario file in it, for example {text}/scenario.toml"))
    } else if path.exists() {
        Some(format!("`{text}` is not a regular file; SERVICE is a URL or a scenario file (TOML)"))
    } else if looks_like_a_file || text.contains(std::path::MAIN_SEPARATOR) && !text.contains(':') {
        Some(format!(
            "there is no scenario file `{text}`; SERVICE is a URL or the path of a scenario file (TOML)"
        ))
    } else {
        Some(format!(
            "`{text}` is neither a URL nor a scenario file; for a URL write the scheme, too: http://{text}"
        ))
    }
}

/// A JSON body, checked here: what every answer of the load would complain about is better said before it.
fn check_json(read: Result<serde::de::IgnoredAny, serde_json::Error>) -> Result<(), Problem> {
    read.map(|_| ()).map_err(|error| {
        Problem::usage(format!(
            "the body of --json is not JSON: {error}; to send it all the same, use -d BODY with -H 'Content-Type: application/json'"
        ))
    })
}

/// A body as curl takes it: the text itself, or the content of @FILE.
fn body(flag: &str, text: &str) -> Result<Vec<u8>, Problem> {
    match text.strip_prefix('@') {
        Some(path) => read_file_of(flag, Path::new(path), MAX_BODY_BYTES),
        None => Ok(text.as_bytes().to_vec()),
    }
}
