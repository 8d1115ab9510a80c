//! Steps that talk over a WebSocket: `websocket = "/ws"` with a script.

use crate::file::check;
use crate::file::names::Scope;
use crate::file::reader::{Field, TableReader};
use crate::file::service::read_headers;
use crate::file::step::read_target;
use crate::file::tree::{Data, Node};
use crate::file::{Builder, json, scenario};
use crate::{Action, Condition, Escape, Extraction, Receive, Step, StepKind, WebSocketScript};

/// The most actions of a script, those that are repeated counted once.
const MAX_ACTIONS: usize = 1_000;
/// The most repetitions in a script.
const MAX_REPEAT: u64 = 1_000_000;
/// The largest file that is sent as a message, in bytes.
const MAX_MESSAGE_BYTES: usize = 16 << 20;
const ACTIONS: [&str; 7] = ["send", "send_json", "send_file", "receive", "pause", "repeat", "close"];
const EXAMPLE: &str = "[{ send = \"hello\" }, { receive = {} }]";

/// Reads what belongs to a WebSocket; `field` is the path.
pub(crate) fn read(
    builder: &Builder<'_>,
    table: &TableReader<'_>,
    field: &Field<'_>,
    scope: &Scope<'_>,
) -> Option<Step> {
    let asked = field.text("\"/ws\"").and_then(|text| read_target(field, text, text, scope));
    let headers = table.get("headers").map_or_else(Vec::new, |field| read_headers(&field, scope));
    let timeout = table.get("timeout").and_then(|field| field.time_span("\"2s\""));
    let keep = table.get("keep").and_then(|field| field.boolean("true")).unwrap_or(false);
    let mut reading = Reading { builder, scope: scope.again(), extractions: Vec::new() };
    let script = table.required("script", EXAMPLE);
    let actions = script.map(|field| reading.actions(&field, true)).unwrap_or_default();
    let (target, path) = asked?;
    let mut step = Step::new("GET", &format!("WS {path}"), target);
    (step.headers, step.timeout, step.extractions) = (headers, timeout, reading.extractions);
    step.kind = StepKind::WebSocket(Box::new(WebSocketScript { actions, keep }));
    Some(step)
}

/// A script while it is read: what a message brings is known to what comes after it.
struct Reading<'a> {
    builder: &'a Builder<'a>,
    scope: Scope<'a>,
    extractions: Vec<Extraction>,
}

impl Reading<'_> {
    fn actions(&mut self, field: &Field<'_>, may_repeat: bool) -> Vec<Action> {
        let items = field.items(EXAMPLE).unwrap_or_default();
        if items.is_empty() || items.len() > MAX_ACTIONS {
            field.error(format!("a script has 1 to {MAX_ACTIONS} actions"), format!("script = {EXAMPLE}"));
        }
        items.iter().take(MAX_ACTIONS).filter_map(|item| self.action(item, may_repeat)).collect()
    }

    fn action(&mut self, item: &Field<'_>, may_repeat: bool) -> Option<Action> {
        let table = item.table("{ send = \"hello\" }")?;
        let found = table.one_of(&ACTIONS);
        let says_nothing = found.is_none();
        let action = found.and_then(|(kind, field)| match kind {
            "send" => {
                let text = field.text("\"hello\"")?;
                Some(Action::Send(self.scope.template(&field, text, Escape::None)))
            }
            "send_json" => Some(Action::Send(json::template(&field, &self.scope))),
            "send_file" => {
                let path = field.text("\"message.bin\"")?;
                self.builder
                    .needed(&field, path, MAX_MESSAGE_BYTES)
                    .map(|bytes| Action::SendBinary(bytes.into()))
            }
            "receive" => self.receive(&field).map(Action::Receive),
            "pause" => field.duration("\"100ms\"").map(Action::Pause),
            "repeat" => self.repeat(&table, &field, may_repeat),
            _ => read_close(&field).map(Action::Close),
        });
        if table.finish() && says_nothing {
            table.error("the action does nothing", Some(format!("give one of {}", ACTIONS.join(", "))));
        }
        action
    }

    fn repeat(&mut self, table: &TableReader<'_>, field: &Field<'_>, allowed: bool) -> Option<Action> {
        if !allowed {
            field.error("a repetition within a repetition", "multiply the two numbers, or use another step");
        }
        let times = field.integer(1..=MAX_REPEAT, "10");
        let each = table.required("each", EXAMPLE)?;
        let actions = self.actions(&each, false);
        Some(Action::Repeat { times: times? as u32, actions })
    }

    fn receive(&mut self, field: &Field<'_>) -> Option<Receive> {
        let table = field.table("{ contains = \"pong\" }")?;
        let mut conditions = Vec::new();
        if let Some(field) = table.get("contains")
            && let Some(text) = field.text("\"pong\"")
        {
            conditions.push(Condition::BodyContains(self.scope.template(&field, text, Escape::None)));
        }
        match table.get("json") {
            Some(field) => {
                conditions
                    .extend(check::read_json(&field, &table, &self.scope).map(|(_, condition)| condition));
            }
            None => {
                for key in ["equals", "exists"] {
                    if let Some(field) = table.get(key) {
                        field.error(
                            format!("`{key}` goes with `json`"),
                            "json = \"/type\", equals = \"pong\"",
                        );
                    }
                }
            }
        }
        let timeout = table.get("timeout").and_then(|field| field.time_span("\"2s\""));
        let first = self.extractions.len();
        if let Some(field) = table.get("extract") {
            self.extractions.extend(check::read_message_extractions(&field, self.scope.names));
            self.scope.learn(&names(field.node));
        }
        table.finish();
        Some(Receive { conditions, timeout, extractions: first..self.extractions.len() })
    }
}

/// A code that a client may send (RFC 6455 §7.4).
fn read_close(field: &Field<'_>) -> Option<u16> {
    let code = field.integer(1000..=4999, "1000")?;
    let allowed = matches!(code, 1000..=1003 | 1007..=1011 | 3000..=4999);
    if !allowed {
        let help = "use 1000 for a usual end, or a code of the application's own from 3000 on";
        field.error(format!("the close code {code} may not be sent"), help);
    }
    allowed.then_some(code as u16)
}

/// The tables of extractions in a step's script.
pub(crate) fn extracts(step: &Node) -> Vec<&Node> {
    let within = |action| {
        let receive = scenario::child(action, "receive");
        receive.and_then(|receive| scenario::child(receive, "extract"))
    };
    let mut found = Vec::new();
    for action in scenario::list(step, "script") {
        found.extend(within(action));
        found.extend(scenario::list(action, "each").filter_map(within));
    }
    found
}

/// The names that a table of extractions gives values to.
fn names(extract: &Node) -> Vec<&str> {
    match &extract.data {
        Data::Table(table) => table.entries.iter().map(|entry| entry.key.as_str()).collect(),
        _ => Vec::new(),
    }
}
