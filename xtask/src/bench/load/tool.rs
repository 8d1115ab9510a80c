//! The load generators: where each comes from, and how each is told to do the same.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use super::nginx::Ports;

/// A load generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Pulse,
    Wrk,
    Oha,
    H2load,
    Ab,
    Hey,
    Siege,
    Autocannon,
    Locust,
}

/// Who ships it.
enum Source {
    /// This repository.
    Own,
    /// A package of Debian and the program in it.
    Debian(&'static str, &'static str),
    /// A crate, in the version that is compared.
    Crate(&'static str, &'static str),
    Npm(&'static str, &'static str),
    PyPi(&'static str, &'static str),
}

/// How requests travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http1Tls,
    /// With prior knowledge.
    Http2,
    Http2Tls,
}

/// Everybody asks as fast as answers come: so many connections, on each so many requests under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closed {
    pub(super) protocol: Protocol,
    pub(super) connections: u32,
    pub(super) streams: u32,
    pub(super) seconds: u32,
}

/// The tools that are there.
pub(super) struct Tools {
    pulse: PathBuf,
    /// Where tools are installed that the system does not have.
    folder: PathBuf,
    versions: Vec<(Tool, String)>,
}

impl Tool {
    const ALL: [Self; 9] = [
        Self::Pulse,
        Self::Wrk,
        Self::Oha,
        Self::H2load,
        Self::Ab,
        Self::Hey,
        Self::Siege,
        Self::Autocannon,
        Self::Locust,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pulse => "pulse",
            Self::Wrk => "wrk",
            Self::Oha => "oha",
            Self::H2load => "h2load",
            Self::Ab => "ab",
            Self::Hey => "hey",
            Self::Siege => "siege",
            Self::Autocannon => "autocannon",
            Self::Locust => "locust",
        }
    }

    fn source(self) -> Source {
        match self {
            Self::Pulse => Source::Own,
            Self::Wrk => Source::Debian("wrk", "wrk"),
            Self::Oha => Source::Crate("oha", "1.16.0"),
            Self::H2load => Source::Debian("nghttp2-client", "h2load"),
            Self::Ab => Source::Debian("apache2-utils", "ab"),
            Self::Hey => Source::Debian("hey", "hey"),
            Self::Siege => Source::Debian("siege", "siege"),
            Self::Autocannon => Source::Npm("autocannon", "9.0.0"),
            Self::Locust => Source::PyPi("locust", "2.47.0"),
        }
    }
}

impl Protocol {
    pub(super) fn url(self, ports: Ports) -> String {
        match self {
            Self::Http1 => format!("http://127.0.0.1:{}/", ports.plain),
            Self::Http1Tls => format!("https://127.0.0.1:{}/", ports.tls),
            Self::Http2 => format!("http://127.0.0.1:{}/", ports.h2c),
            Self::Http2Tls => format!("https://127.0.0.1:{}/", ports.h2),
        }
    }

    fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Http2Tls)
    }
}

impl Tools {
    /// Looks for every tool and installs what is missing, in `folder` or by Debian's package manager.
    pub(super) fn prepare(pulse: &Path, folder: &Path) -> anyhow::Result<Self> {
        let mut tools = Self { pulse: pulse.to_owned(), folder: folder.to_owned(), versions: Vec::new() };
        for package in ["nginx", "openssl"] {
            install_debian(package, package)?;
        }
        for tool in Tool::ALL {
            let version = match tools.install(tool) {
                Ok(version) => version,
                Err(error) => {
                    crate::output::progress(&format!("{} is missing: {error:#}", tool.name()));
                    continue;
                }
            };
            tools.versions.push((tool, version));
        }
        Ok(tools)
    }

    pub(super) fn has(&self, tool: Tool) -> bool {
        self.versions.iter().any(|(known, _)| *known == tool)
    }

    /// Names with versions, and who is missing.
    pub(super) fn versions(&self) -> String {
        let named = self.versions.iter().map(|(tool, version)| format!("{} {version}", tool.name()));
        let missing = Tool::ALL.into_iter().filter(|tool| !self.has(*tool));
        let missing = missing.map(|tool| format!("{} (could not be installed)", tool.name()));
        let nginx = debian_version("nginx").map(|version| format!("nginx {version} (the server)"));
        named.chain(missing).chain(nginx).collect::<Vec<_>>().join(", ")
    }

    /// Makes sure that a tool is there; its version.
    fn install(&self, tool: Tool) -> anyhow::Result<String> {
        let program = self.program(tool);
        match tool.source() {
            Source::Own => Ok(env!("CARGO_PKG_VERSION").to_owned()),
            Source::Debian(package, program) => {
                install_debian(package, program)?;
                debian_version(package).context("Debian does not say its version")
            }
            Source::Crate(name, version) => {
                if !program.exists() {
                    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
                    let mut command = Command::new(cargo);
                    command.args(["install", "--quiet", "--locked", name, "--version", version, "--root"]);
                    succeed(command.arg(&self.folder).arg("--target-dir").arg(self.folder.join("build")))?;
                }
                Ok(version.to_owned())
            }
            Source::Npm(name, version) => {
                if !program.exists() {
                    let mut command = Command::new("npm");
                    command.args(["install", "--no-fund", "--no-audit", "--prefix"]);
                    succeed(command.arg(self.folder.join(name)).arg(format!("{name}@{version}")))?;
                }
                Ok(version.to_owned())
            }
            Source::PyPi(name, version) => {
                if !program.exists() {
                    let venv = self.folder.join(name);
                    succeed(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
                    let mut command = Command::new(venv.join("bin/pip"));
                    succeed(command.args(["install", "--quiet", &format!("{name}=={version}")]))?;
                }
                Ok(version.to_owned())
            }
        }
    }

    fn program(&self, tool: Tool) -> PathBuf {
        match tool.source() {
            Source::Own => self.pulse.clone(),
            Source::Debian(_, program) => PathBuf::from(program),
            Source::Crate(name, _) => self.folder.join("bin").join(name),
            Source::Npm(name, _) => self.folder.join(name).join("node_modules/autocannon/autocannon.js"),
            Source::PyPi(name, _) => self.folder.join(name).join("bin").join(name),
        }
    }

    /// The tool with nothing said yet.
    pub(super) fn command(&self, tool: Tool) -> Command {
        let program = self.program(tool);
        if tool != Tool::Autocannon {
            return Command::new(program);
        }
        let mut command = Command::new("node");
        command.arg(program);
        command
    }

    /// A closed load; files that a tool needs are in `folder`.
    pub(super) fn closed(&self, tool: Tool, load: Closed, ports: Ports, folder: &Path) -> Command {
        let Closed { protocol, connections, streams, seconds } = load;
        let mut command = self.command(tool);
        let mut say = |text: String| {
            command.args(text.split_whitespace());
        };
        match tool {
            Tool::Pulse => {
                let users = connections * streams;
                say(format!("load --users {users} --pace 0 --duration {seconds} --workers 1 --quiet -k"));
                if protocol.is_http2() {
                    say(format!("--http 2 --streams {streams}"));
                }
            }
            Tool::Wrk => say(format!("-t 1 -c {connections} -d {seconds}s")),
            Tool::Oha => {
                say(format!("-c {connections} -z {seconds}s --no-tui --insecure"));
                say(format!("--http-version {}", if protocol.is_http2() { "2" } else { "1.1" }));
                if protocol.is_http2() {
                    say(format!("-p {streams}"));
                }
            }
            Tool::H2load => {
                say(format!("-t 1 -c {connections} -m {streams} -D {seconds}"));
                if !protocol.is_http2() {
                    say("--h1".to_owned());
                }
            }
            // Without a number it ends after 50 000.
            Tool::Ab => say(format!("-q -k -c {connections} -t {seconds} -n 10000000")),
            Tool::Hey => say(format!("-c {connections} -z {seconds}s")),
            Tool::Siege => {
                command.arg(format!("--rc={}", folder.join("siege.conf").display()));
                command.args(["-b", &format!("-c{connections}"), &format!("-t{seconds}S")]);
            }
            Tool::Autocannon => say(format!("-c {connections} -d {seconds} --no-progress")),
            Tool::Locust => {
                command.arg("-f").arg(folder.join("locustfile.py"));
                let url = protocol.url(ports);
                let host = url.trim_end_matches('/');
                let load = format!("-u {connections} -r {connections} -t {seconds}s -H {host}");
                command.args(["--headless", "--only-summary", "--loglevel", "ERROR"]).args(load.split(' '));
                return command;
            }
        }
        command.arg(protocol.url(ports));
        command
    }
}

/// Files that tools read their orders from.
pub(super) fn write_files(folder: &Path) -> anyhow::Result<()> {
    let siege = "connection = keep-alive\nlimit = 1024\nquiet = true\nlogging = false\nprotocol = HTTP/1.1\njson_output = false\n";
    std::fs::write(folder.join("siege.conf"), siege)?;
    let locust = "from locust import FastHttpUser, task\n\n\nclass User(FastHttpUser):\n    @task\n    def root(self):\n        self.client.get(\"/\")\n";
    std::fs::write(folder.join("locustfile.py"), locust)?;
    Ok(())
}

fn install_debian(package: &str, program: &str) -> anyhow::Result<()> {
    if Command::new("which").arg(program).output().is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    succeed(Command::new("apt-get").args(["install", "-y", "-q", "--no-install-recommends", package]))
}

fn debian_version(package: &str) -> Option<String> {
    let output = Command::new("dpkg-query").args(["-W", "-f", "${Version}", package]).output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !version.is_empty()).then_some(version)
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let output =
        command.output().with_context(|| format!("{} cannot be run", command.get_program().display()))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let last = complaint.trim().lines().last().unwrap_or_default().to_owned();
        bail!("{} failed: {last}", command.get_program().display());
    }
    Ok(())
}
