//! `unread_part`: what this analysis knows nothing of.

use pulse_model::Severity;

use super::reading::View;
use super::{Rule, Weighed, finding};

pub(super) const RULE: Rule = Rule {
    code: "unread_part",
    title: "a part of the database that could not be read",
    explanation: "Tables of an extension that this program does not have, texts in an order (collation) that only the application \
        defines, sizes that were not read in time: what is said of the rest holds, and of these parts nothing is known. No \
        finding is no good news here. Where an extension is missing, analyze with the same tables in a build that has it; where \
        time ran out, the report gives what was read until then.",
    find,
};

fn find(view: &View<'_>) -> Vec<Weighed> {
    let parts = view.input.catalog.unread.iter();
    parts
        .map(|part| {
            let message = format!("{} could not be read, so that nothing is said of it", part.subject);
            let mut finding = finding(&RULE, Severity::Note, part.subject.clone(), message);
            finding.evidence.push(part.reason.clone());
            Weighed { weight: 0.0, finding }
        })
        .collect()
}
