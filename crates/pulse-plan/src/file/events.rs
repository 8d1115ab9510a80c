//! Steps that read server-sent events: `events = "GET /stream"`.

use crate::file::Builder;
use crate::file::names::Scope;
use crate::file::reader::{Field, TableReader};
use crate::file::step::{BodyUse, read_pattern, read_request};
use crate::{Escape, EventsUntil, Step, StepKind};

const MAX_EVENTS: u64 = 1_000_000_000;

/// Reads what belongs to a stream of events; `field` is the request.
pub(crate) fn read(
    builder: &Builder<'_>,
    table: &TableReader<'_>,
    field: &Field<'_>,
    scope: &Scope<'_>,
) -> Option<Step> {
    let asked = read_request(field, scope);
    let mut step = read_pattern(builder, table, scope, BodyUse::Opening);
    if let Some(checks) = table.get("checks")
        && step.needs_body()
    {
        checks.error(
            "a stream of events has no body that could be checked",
            "check the head, or wait for a text with until = \"text\"",
        );
    }
    let until = EventsUntil {
        count: table.get("count").and_then(|field| field.integer(1..=MAX_EVENTS, "10")),
        length: table.get("for").and_then(|field| field.time_span("\"10s\"")),
        text: table.get("until").and_then(|field| {
            let text = field.text("\"done\"")?;
            Some(scope.template(&field, text, Escape::None))
        }),
    };
    if until == EventsUntil::default() {
        let help = "write count = 10, for = \"10s\" or until = \"text\"".to_owned();
        table.error("nothing says when the stream has been read long enough", Some(help));
    }
    if !step.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept")) {
        step.headers.push(("Accept".into(), crate::Template::literal("text/event-stream")));
    }
    step.ask(asked?);
    step.kind = StepKind::Events(Box::new(until));
    Some(step)
}
