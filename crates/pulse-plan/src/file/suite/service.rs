//! The `[service]` table of a suite: that of scenario files, and how the service is brought up.

use std::collections::BTreeMap;

use pulse_model::Nanos;

use crate::ProcessSelector;
use crate::file::names::{Names, Scope};
use crate::file::reader::{Field, TableReader};
use crate::file::service::{self, ServiceTable};
use crate::file::{Builder, MAX_NAME};

/// How long a service may take to be ready when nobody says.
pub(crate) const DEFAULT_READY_TIMEOUT: Nanos = Nanos::from_secs(30);
/// The longest command line, in bytes.
const MAX_COMMAND_BYTES: usize = 64 << 10;

/// What `[service]` says.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServiceEntry {
    pub(crate) table: ServiceTable,
    pub(crate) start: Option<String>,
    /// Whether one that runs already is taken instead.
    pub(crate) reuse: bool,
    pub(crate) ready: Option<String>,
    pub(crate) ready_timeout: Option<Nanos>,
    /// `pid` or `pid_file`.
    pub(crate) process: Option<ProcessSelector>,
}

pub(crate) fn read(builder: &Builder<'_>, field: &Field<'_>, names: &Names<'_>) -> Option<ServiceEntry> {
    let table = field.table("{ url = \"http://127.0.0.1:8000\" }")?;
    let alone = Names {
        env: names.env,
        constants: names.constants.clone(),
        slots: BTreeMap::new(),
        feeds: Vec::new(),
    };
    let scope = Scope { names: &alone, extracted: Vec::new(), later: Vec::new(), per_iteration: true };
    let keys = service::read_keys(builder, &table, &scope);
    let start = table.get("start").and_then(|field| read_command(&field, "\"uvicorn server:app\""));
    let reuse = table.get("reuse").is_some_and(|field| {
        let reuse = field.boolean("true") == Some(true);
        if reuse && table.get("start").is_none() {
            field
                .error("`reuse` is about a service that the suite starts", "add start, or leave `reuse` out");
        }
        reuse
    });
    let ready = table.get("ready").and_then(|field| read_ready(&field));
    let ready_timeout = table.get("ready_timeout").and_then(|field| field.time_span("\"30s\""));
    let process = read_process(&table, &Scope::fixed(&alone));
    table.finish();
    Some(ServiceEntry { table: keys, start, reuse, ready, ready_timeout, process })
}

/// A command line as it is handed to the shell; `$` in it is the shell's.
pub(crate) fn read_command(field: &Field<'_>, example: &str) -> Option<String> {
    let text = field.text(example)?;
    if text.trim().is_empty() || text.len() > MAX_COMMAND_BYTES || text.contains('\0') {
        let message =
            format!("a command has 1 to {MAX_COMMAND_BYTES} bytes, and none of them is a null byte");
        field.error(message, format!("write for example {example}"));
        return None;
    }
    Some(text.to_owned())
}

fn read_ready(field: &Field<'_>) -> Option<String> {
    let path = field.text("\"/health\"")?;
    let fine = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    if !fine {
        let message = format!("`{path}` is not a path: it must start with a slash and have no blanks");
        field.error(message, "write for example ready = \"/health\"");
    }
    fine.then(|| path.to_owned())
}

fn read_process(table: &TableReader<'_>, fixed: &Scope<'_>) -> Option<ProcessSelector> {
    match table.one_of(&["pid", "pid_file"])? {
        ("pid", field) => {
            let pid = field.integer(1..=u64::from(u32::MAX), "4711")?;
            Some(ProcessSelector::Pid(pid as u32))
        }
        (_, field) => {
            let path = fixed.text(&field, "\"server.pid\"")?;
            if path.trim().is_empty() || path.len() > 20 * MAX_NAME || path.contains('\0') {
                field.error("the name of the file is missing", "write for example pid_file = \"server.pid\"");
                return None;
            }
            Some(ProcessSelector::PidFile(path))
        }
    }
}
