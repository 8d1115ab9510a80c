//! What is asked of each server, and what must have come back.

use crate::support::load;
use std::path::Path;

/// Requests of each kind, over all users.
const REQUESTS: u64 = 200;
const USERS: u64 = 4;
/// What the servers serve as [`LARGE`]: longer than any buffer or window on the way.
pub(crate) const LARGE_BYTES: u64 = 1 << 20;
/// More than the head of any answer here, with all its framing.
const HEAD_BYTES: u64 = 3000;
/// The body of [`POST`].
const POSTED: &str = "{\"symbol\": \"PULSE\", \"quantity\": 3}";

/// Flags for a version of HTTP.
pub(crate) type Version = &'static [&'static str];
pub(crate) const HTTP_1: Version = &["--http", "1.1"];
pub(crate) const HTTP_2: Version = &["--http", "2"];
pub(crate) const HTTP_3: Version = &["--http", "3"];

/// One kind of request.
#[derive(Debug)]
pub(crate) struct Ask {
    path: &'static str,
    flags: &'static [&'static str],
    status: &'static str,
    /// Bytes of the answer's body.
    body: u64,
    /// Each answer ends its connection.
    closes: bool,
}

/// 200 with five bytes.
pub(crate) const GET: Ask = Ask { path: "/hello", flags: &[], status: "200", body: 5, closes: false };
/// 200 without a body.
pub(crate) const HEAD: Ask =
    Ask { path: "/hello", flags: &["-X", "HEAD"], status: "200", body: 0, closes: false };
/// 200 with what was sent.
pub(crate) const POST: Ask =
    Ask { path: "/echo", flags: &["-d", POSTED], status: "200", body: POSTED.len() as u64, closes: false };
/// 200 for a body that is taken and dropped.
pub(crate) const POST_DROPPED: Ask = Ask { path: "/drop", body: 0, ..POST };
/// 204.
pub(crate) const NONE: Ask = Ask { path: "/none", flags: &[], status: "204", body: 0, closes: false };
/// 404.
pub(crate) const MISSING: Ask =
    Ask { path: "/missing", flags: &["--expect-status", "404"], status: "404", body: 0, closes: false };
/// 200 with a body of [`LARGE_BYTES`].
pub(crate) const LARGE: Ask =
    Ask { path: "/large", flags: &[], status: "200", body: LARGE_BYTES, closes: false };
/// 200 with a body whose length is not announced: chunks, over HTTP/1.1.
pub(crate) const CHUNKED: Ask =
    Ask { path: "/chunked", flags: &[], status: "200", body: 5000, closes: false };
/// 200, and the end of the connection.
pub(crate) const CLOSE: Ask = Ask { path: "/close", flags: &[], status: "200", body: 5, closes: true };

/// Asks for all of it; `authority` signed the server's certificate.
#[track_caller]
pub(crate) fn assert_answers(base: &str, authority: Option<&Path>, version: Version, asks: &[Ask]) {
    for ask in asks {
        let url = format!("{base}{}", ask.path);
        let (users, requests) = (USERS.to_string(), REQUESTS.to_string());
        let mut flags = vec!["--users", &users, "--pace", "0", "-n", &requests];
        flags.extend(version.iter().chain(ask.flags));
        if let Some(authority) = authority {
            flags.extend(["--cacert", authority.to_str().unwrap()]);
        }
        let report = load(&url, &flags);
        let counts = &report["requests"];
        let seen = (&counts["total"], &counts["successful"], &counts["failed"]);
        assert_eq!(seen, (&REQUESTS.into(), &REQUESTS.into(), &0.into()), "{url} {version:?}: {report:#}");
        let statuses = report["statuses"].as_array().unwrap();
        assert_eq!(statuses.len(), 1, "{url} {version:?}: {statuses:?}");
        assert_eq!(statuses[0]["status"], ask.status, "{url} {version:?}");
        let opened = if ask.closes { REQUESTS } else { USERS };
        assert_eq!(report["connections"]["opened"], opened, "{url} {version:?}: {:#}", report["connections"]);
        let received = report["bytes"]["received"].as_u64().unwrap();
        let expected = REQUESTS * ask.body..REQUESTS * (ask.body + HEAD_BYTES);
        assert!(expected.contains(&received), "{url} {version:?}: {received} bytes, not in {expected:?}");
    }
}
