//! A Prometheus of its own for a test: free port, folder that vanishes, ended by its process id.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::http::{Answer, percent_encoded, send};
use crate::tools::{program, wait_for};

/// A running server; it ends when it is dropped.
pub(crate) struct Prometheus {
    port: u16,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// Starts it with one job for each `(name, port, path)`. `None` after saying that Prometheus is missing.
    pub(crate) fn start(flags: &[&str], jobs: &[(&str, u16, &str)]) -> Option<Self> {
        let places = [PathBuf::from("prometheus"), "/usr/bin/prometheus".into()];
        let install = "`apt-get install prometheus` adds it";
        let binary = program("Prometheus", &places, &["--version"], install)?;
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yml");
        let jobs: Vec<String> = jobs
            .iter()
            .map(|(name, port, path)| {
                format!(
                    "- {{job_name: {name}, metrics_path: {path}, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}\n"
                )
            })
            .collect();
        let text = format!(
            "global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}\nscrape_configs:\n{}",
            jobs.concat()
        );
        std::fs::write(&config, text).unwrap();
        let mut process = Command::new(binary)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .args(flags)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let port = port_of(&mut process);
        let server = Self { port, process, _folder: folder };
        wait_for("Prometheus to be ready", || match send(port, "GET", "/-/ready", &[], b"") {
            Ok(answer) if answer.status == 200 => Ok(()),
            other => Err(format!("{other:?}")),
        });
        Some(server)
    }

    /// The result of an instant query: label set and value of each series.
    pub(crate) fn query(&self, query: &str) -> Result<Vec<(Value, f64)>, String> {
        let target = format!("/api/v1/query?query={}", percent_encoded(query));
        let answer = send(self.port, "GET", &target, &[], b"").map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let answer: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        let result = answer["data"]["result"].as_array().ok_or_else(|| text.clone())?;
        let value = |series: &Value| series["value"][1].as_str().and_then(|text| text.parse().ok());
        result
            .iter()
            .map(|series| Ok((series["metric"].clone(), value(series).ok_or(text.clone())?)))
            .collect()
    }

    /// The value of a query that has one; waits for it.
    pub(crate) fn value(&self, query: &str) -> f64 {
        wait_for(query, || match &*self.query(query)? {
            [(_, value)] => Ok(*value),
            other => Err(format!("{other:?}")),
        })
    }

    /// The `count` series of a query; waits for them, since a scrape that came too late makes them vanish for a moment.
    pub(crate) fn series(&self, query: &str, count: usize) -> Vec<(Value, f64)> {
        wait_for(query, || match self.query(query)? {
            series if series.len() == count => Ok(series),
            other => Err(format!("{other:?}")),
        })
    }

    /// Sends a body to the receiver of remote write.
    pub(crate) fn receive(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        send(self.port, "POST", "/api/v1/write", headers, body).unwrap()
    }
}

/// The port that Prometheus says in its log that it listens on. The rest of the log is read and forgotten, so that a full
/// pipe does not stop it.
fn port_of(process: &mut Child) -> u16 {
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut log = String::new();
    let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
        log.push_str(&line);
        let address = line.contains("Listening on").then(|| line.split("address=127.0.0.1:").nth(1))??;
        address.split_whitespace().next()?.parse().ok()
    });
    let port = port.unwrap_or_else(|| panic!("Prometheus did not start: {log}"));
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    port
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
