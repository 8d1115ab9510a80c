//! Two runs beside each other, for the page.

use std::io;

use pulse_model::{Effect, Summary};
use serde::Serialize;

use crate::Page;
use crate::page::{PageDocument, json};

/// Two runs as the page shows them: over each other, each from its own start, with their differences.
#[derive(Clone, Debug)]
pub struct ComparisonPage<'a> {
    /// What the first run and the second are called.
    pub names: [&'a str; 2],
    /// The worst that happened from the first to the second.
    pub effect: Effect,
    /// Smallest change that matters, a share.
    pub min_effect: f64,
    /// The first run.
    pub before: &'a Summary,
    /// The second run, whose changes, and those of its cases, are the differences from the first.
    pub after: &'a Summary,
    /// What each case of the second run is compared with, in their order; what is missing has no counterpart.
    pub counterparts: Vec<Option<&'a Summary>>,
    /// What makes the runs unlike, and what could not be compared.
    pub notes: Vec<String>,
}

/// The part of the page's data that says what is compared.
#[derive(Serialize)]
pub(crate) struct ComparedRuns<'a> {
    names: [&'a str; 2],
    effect: Effect,
    min_effect: f64,
    notes: &'a [String],
}

impl ComparisonPage<'_> {
    /// The page's data, as [`Page::to_json`] writes it.
    pub(crate) fn to_json(&self) -> io::Result<String> {
        let document = |summary| PageDocument::of(&Page { summary, running: false, since: None });
        let mut page = document(self.after);
        // The cases of the first run stand beside those of the second.
        let mut before = document(self.before);
        before.cases.clear();
        page.before = Some(Box::new(before));
        for (case, counterpart) in page.cases.iter_mut().zip(&self.counterparts) {
            case.before = counterpart.map(|summary| Box::new(document(summary)));
        }
        page.comparison = Some(ComparedRuns {
            names: self.names,
            effect: self.effect,
            min_effect: self.min_effect,
            notes: &self.notes,
        });
        json(&page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{canonical, canonical_suite};
    use serde_json::{Value, json};

    #[test]
    fn each_case_has_its_counterpart_beside_it() {
        let (before, after) = (canonical_suite::full(), canonical_suite::full());
        let mut counterparts: Vec<_> = before.children.iter().map(Some).collect();
        counterparts[1] = None;
        let page = ComparisonPage {
            names: ["main", "</script>"],
            effect: Effect::Regression,
            min_effect: 0.05,
            before: &before,
            after: &after,
            counterparts,
            notes: vec!["only in main: gone".to_owned()],
        };
        let text = page.to_json().unwrap();
        assert!(!text.contains("</script>"));
        let page: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            page["comparison"],
            json!({
                "names": ["main", "</script>"],
                "effect": "regression",
                "min_effect": 0.05,
                "notes": ["only in main: gone"],
            })
        );
        assert_eq!(
            (&page["before"]["cases"], &page["before"]["report"]["run"]["kind"]),
            (&json!([]), &json!("test"))
        );
        assert_eq!(
            page["cases"][0]["before"]["report"]["case"]["id"],
            page["cases"][0]["report"]["case"]["id"]
        );
        assert_eq!(page["cases"][1].get("before"), None);
    }

    #[test]
    fn a_report_alone_compares_nothing() {
        let text = Page { summary: &canonical::full(), running: false, since: None }.to_json().unwrap();
        let page: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((page.get("comparison"), page.get("before")), (None, None));
    }
}
