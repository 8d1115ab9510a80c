//! The answer to a scrape.

use pulse_export::{Rendered, ScrapeFormat, render};

use crate::Monitor;

impl Monitor {
    /// The answer to a scrape of all workers' totals, with the values of its headers `Accept` and `Accept-Encoding` (the empty
    /// text for one that is missing). Send it with `Vary: Accept, Accept-Encoding`.
    ///
    /// ```
    /// use pulse_monitor::{Config, Monitor};
    /// use std::time::Duration;
    ///
    /// let monitor = Monitor::new(Config::default());
    /// monitor.record_request("/orders", Duration::from_millis(12), 200);
    /// let answer = monitor.render("text/plain", "");
    /// assert_eq!(answer.content_type, "text/plain; version=0.0.4; charset=utf-8");
    /// assert!(String::from_utf8_lossy(&answer.body).contains("http_server_request_duration_seconds_count"));
    /// ```
    pub fn render(&self, accept: &str, accept_encoding: &str) -> Rendered {
        let mut totals = self.totals();
        if ScrapeFormat::negotiate(accept) == ScrapeFormat::Json {
            self.slow_queries().iter().for_each(|slow| slow.add_to(&mut totals));
        }
        render(&totals, accept, accept_encoding)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pulse_model::{Series, metric, tag};

    use crate::{Config, Monitor};

    #[test]
    fn statements_are_for_pulse_alone() {
        let monitor = Monitor::new(Config::default());
        monitor.record_db_statement("SELECT a FROM b WHERE c = 7", Duration::from_millis(60));
        let json = monitor.render("application/json", "");
        let snapshot = pulse_export::from_json(&json.body).unwrap();
        let series = Series::new(metric::SLOW_QUERY_COUNT).with(tag::QUERY, "SELECT a FROM b WHERE c = ?");
        assert_eq!(snapshot.counter(&series), 1);
        let text = monitor.render("", "").body;
        assert!(!String::from_utf8_lossy(&text).contains("FROM b"));
    }
}
