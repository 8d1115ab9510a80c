//! Lists of targets.

use std::ops::Range;

use pulse_model::{Target, TargetError};

use crate::file::reader::Field;

const MAX_TARGETS: usize = 1_000;

/// A target and where it stands.
pub(crate) struct PlacedTarget {
    pub(crate) target: Target,
    pub(crate) span: Range<usize>,
    /// Dotted path of the entry, such as `test[0].targets[1]`.
    pub(crate) path: String,
}

pub(crate) fn read(field: &Field<'_>) -> Vec<PlacedTarget> {
    const EXAMPLE: &str = "\"p95 < 200ms\"";
    let items = field.items("[\"p95 < 200ms\"]").unwrap_or_default();
    if items.len() > MAX_TARGETS {
        field.error(format!("there are more than {MAX_TARGETS} targets"), "leave some out");
    }
    let read = |item: &Field<'_>| {
        let text = item.text(EXAMPLE)?;
        let target = text
            .parse()
            .map_err(|TargetError { at, reason, .. }| {
                let at = at.min(text.len());
                let span = item.span_within(at..text.len());
                let help = format!("write for example {EXAMPLE}");
                let reason = reason.split("; write").next().unwrap_or_default();
                item.error_at(span, format!("`{text}` is not a target: {reason}"), Some(help));
            })
            .ok()?;
        Some(PlacedTarget { target, span: item.node.span.clone(), path: item.path.clone() })
    };
    items.iter().take(MAX_TARGETS).filter_map(read).collect()
}
