//! The page of `web/`: a report in a single file, and the same page without data for a server.

use std::io;

use pulse_model::Summary;

use crate::{ComparisonPage, Page, Reporter};

/// The page with a place for its data; empty where it was not built.
const PAGE: &str = include_str!(concat!(env!("OUT_DIR"), "/page.html"));
/// The page for a server, compressed.
const SERVED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/page.html.gz"));
/// Where the data goes.
const PLACE: &str = "<!--pulse-data-->";
/// Whom the served page may talk to; the report in a file talks to nobody.
const TALKS_TO_ITS_SERVER: &str = "connect-src 'self'";
const TALKS_TO_NOBODY: &str = "connect-src 'none'";
/// What stands before the page's Content-Security-Policy.
const POLICY: &str = "http-equiv=\"Content-Security-Policy\" content=\"";

/// What to tell whoever wants a page from a program that was built without one.
pub const NO_PAGE: &str = "this program was built without its page, because Node.js and npm were not there: install Node.js \
    (20.19 or newer) and build again with PULSE_WEB=required, which says what is missing";

/// The report as one HTML file that opens from disk and asks nobody for anything. Rendering fails where the page was not
/// built, see [`Html::is_there`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Html;

impl Html {
    /// Whether this program has the page; [`NO_PAGE`] says why not.
    pub const fn is_there() -> bool {
        !PAGE.is_empty()
    }

    /// Renders two runs over each other, with their differences.
    pub fn render_comparison(
        self,
        comparison: &ComparisonPage<'_>,
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        fill(|| comparison.to_json(), out)
    }
}

impl Reporter for Html {
    fn render(&self, summary: &Summary, out: &mut dyn io::Write) -> io::Result<()> {
        fill(|| Page { summary, running: false, since: None }.to_json(), out)
    }
}

/// Writes the page with its data, as a report that talks to nobody.
fn fill(data: impl FnOnce() -> io::Result<String>, out: &mut dyn io::Write) -> io::Result<()> {
    let (before, after) =
        PAGE.split_once(PLACE).ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, NO_PAGE))?;
    let data = data()?;
    out.write_all(before.replacen(TALKS_TO_ITS_SERVER, TALKS_TO_NOBODY, 1).as_bytes())?;
    out.write_all(data.as_bytes())?;
    out.write_all(after.as_bytes())
}

/// The page as a server gives it: without data, which it asks its server for.
#[derive(Clone, Debug)]
pub struct ServedPage {
    /// As it is.
    pub html: String,
    /// The same, compressed with gzip.
    pub gzip: &'static [u8],
    /// Its Content-Security-Policy, for the header of the answer.
    pub policy: &'static str,
}

/// The page for a server; `None` where it was not built.
pub fn served_page() -> Option<ServedPage> {
    let policy = PAGE.split_once(POLICY)?.1.split_once('"')?.0;
    Some(ServedPage { html: PAGE.replacen(PLACE, "null", 1), gzip: SERVED, policy })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{canonical, canonical_suite, sized};
    use pulse_model::{Aggregate, Histogram, Series, metric, tag};

    /// What the whole page may weigh, compressed.
    const PAGE_BYTES: usize = 60_000;
    /// What a report of one hour and 100 endpoints may weigh.
    const REPORT_BYTES: usize = 1_000_000;

    fn html(summary: &Summary) -> Option<String> {
        // Building without Node.js is allowed, and its tests have no page to look at; CI has one.
        let render = || {
            let mut bytes = Vec::new();
            Html.render(summary, &mut bytes).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        Html::is_there().then(|| {
            let html = render();
            assert!(html == render(), "the same summary gives the same bytes");
            html
        })
    }

    #[test]
    fn the_page_is_small() {
        assert!(SERVED.len() <= PAGE_BYTES, "{} bytes", SERVED.len());
    }

    #[test]
    fn continuous_integration_has_the_page() {
        let needed = option_env!("CI") == Some("true") && option_env!("PULSE_WEB") != Some("off");
        assert!(Html::is_there() || !needed, "{NO_PAGE}");
    }

    #[test]
    fn no_name_leaves_its_place() {
        let mut summary = canonical::full();
        let evil = "</script><img src=x onerror=alert(1)><!--<script>";
        summary.run.name = evil.to_owned();
        let mut times = Histogram::default();
        times.record(1_000_000);
        let series = Series::new(metric::RESPONSE_TIME).with(tag::ENDPOINT, evil);
        summary.totals.add(series, Aggregate::Trend(times));
        let Some(html) = html(&summary) else { return };
        assert!(!html.contains("<img") && !html.contains(evil), "the name is in the page as it is");
        let begin = html.find("id=\"pulse-data\">").unwrap();
        let data = &html[begin + "id=\"pulse-data\">".len()..];
        let data = &data[..data.find("</script>").unwrap()];
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["report"]["run"]["name"], evil);
    }

    #[test]
    fn a_report_talks_to_nobody() {
        let Some(html) = html(&canonical_suite::full()) else { return };
        assert!(html.contains("default-src 'none'") && html.contains(TALKS_TO_NOBODY));
        assert!(!html.contains(TALKS_TO_ITS_SERVER));
        assert!(!html.contains("'unsafe-inline'") && !html.contains("'unsafe-eval'"));
        // What is not data names no other place, apart from the names of XML's vocabularies.
        let page = PAGE.replace("http://www.w3.org/", "");
        assert!(!page.contains("http://") && !page.contains("https://"), "the page names another place");
        let served = served_page().unwrap();
        assert!(served.policy.contains(TALKS_TO_ITS_SERVER) && served.html.contains(">null</script>"));
    }

    #[test]
    fn the_report_of_an_hour_is_small() {
        let data =
            Page { summary: &sized::summary(3600, 100), running: false, since: None }.to_json().unwrap();
        let size = PAGE.len() + data.len();
        assert!(
            data.matches("GET /api/v1/things/").count() >= 100 + 100 + 20,
            "the run is as large as it is said"
        );
        assert!(size <= REPORT_BYTES, "{size} bytes, {} of them data", data.len());
    }
}
