//! A request that is being answered.

use std::time::Instant;

use axum::extract::MatchedPath;
use http::{Method, StatusCode};

use super::endpoint_name;
use crate::Monitor;

/// What stands for "the client went away": nginx's number for it.
const CLIENT_GONE: u16 = 499;
const FAILED: u16 = 500;
/// What OpenTelemetry's conventions write for a method that HTTP does not define.
const OTHER_METHOD: &str = "_OTHER";

/// Records itself exactly once: when it is ended, or else when it is dropped, as given up.
#[derive(Debug)]
pub(super) struct Exchange {
    monitor: Monitor,
    route: Option<MatchedPath>,
    method: &'static str,
    started: Instant,
    /// What is recorded when it is dropped.
    if_dropped: u16,
}

impl Exchange {
    pub(super) fn begin(monitor: Monitor, route: Option<MatchedPath>, method: &Method) -> Self {
        Self { monitor, route, method: known(method), started: Instant::now(), if_dropped: FAILED }
    }

    /// The service works on the answer: if that panics, it has failed. (That is noted before, since what is unwound may well be
    /// caught, and this dropped later like any other.)
    pub(super) fn working(&mut self) {
        self.if_dropped = FAILED;
    }

    /// The service waits for something: if the answer is given up now, it was not the service's doing.
    pub(super) fn waiting(&mut self) {
        self.if_dropped = CLIENT_GONE;
    }

    /// Whether the answer has a head only.
    pub(super) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// The answer is complete.
    pub(super) fn complete(mut self, status: StatusCode) {
        self.if_dropped = status.as_u16();
    }

    /// The service failed.
    pub(super) fn fail(mut self) {
        self.if_dropped = FAILED;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let (route, time) = (endpoint_name(self.route.as_ref()), self.started.elapsed());
        self.monitor.record_request_with_method(self.method, route, time, self.if_dropped);
    }
}

fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "PATCH" => "PATCH",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        "CONNECT" => "CONNECT",
        "TRACE" => "TRACE",
        _ => OTHER_METHOD,
    }
}
