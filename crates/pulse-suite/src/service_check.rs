//! Whether the services that suites test are there, and answer what they should.

use std::thread;

use pulse_plan::SuiteService;

use crate::check::Check;
use crate::readiness::Question;

const NAME: &str = "target";

/// Asks each of the services that should be running already: `ready` where the suite names it, else the URL itself.
///
/// Two suites that ask the same of the same service ask once.
pub fn check_services(services: &[SuiteService]) -> Check {
    let mut questions: Vec<(Question, &SuiteService)> = Vec::new();
    for service in services.iter().filter(|service| service.start.is_none()) {
        let question = Question::what_it_answers(service);
        if questions.iter().all(|(other, _)| other.url != question.url) {
            questions.push((question, service));
        }
    }
    if questions.is_empty() {
        let started = "the suite starts it itself";
        return Check::skipped(
            NAME,
            if services.is_empty() { "no --url and no suite names one" } else { started },
        );
    }
    // Side by side, so that many services that are silent do not add up their timeouts.
    let answers: Vec<Check> = thread::scope(|scope| {
        let asked = questions.iter();
        let asked =
            asked.map(|(question, service)| scope.spawn(|| answer(question, service.ready.is_some())));
        let asked: Vec<_> = asked.collect();
        asked.into_iter().filter_map(|answer| answer.join().ok()).collect()
    });
    // The worst of them says what to do; all of them are told.
    let measured: Vec<&str> = answers.iter().map(|check| check.measured.as_str()).collect();
    let worst = answers.iter().max_by_key(|check| check.state);
    let (state, next_step) = worst.map(|check| (check.state, check.next_step.clone())).unwrap_or_default();
    Check { state, next_step, ..Check::ok(NAME, measured.join("\n")) }
}

/// What came of one question.
fn answer(question: &Question, must_be_ready: bool) -> Check {
    let url = &question.url;
    let status = match question.ask() {
        Ok(status) => status.unwrap_or_else(|| "nothing".to_owned()),
        Err(reason) => {
            let next = "start the service, or correct the URL; `pulse demo serve` starts one to try";
            return Check::failed(NAME, format!("{url}: {reason}"), next);
        }
    };
    let measured = format!("{url} answers with {status}");
    match status.as_bytes().first() {
        Some(b'2' | b'3') => Check::ok(NAME, measured),
        _ if must_be_ready => {
            let next = "a service that is ready answers `ready` with 200 to 399: look into its log, or correct `ready`";
            Check::failed(NAME, measured, next)
        }
        Some(b'5') => Check::failed(NAME, measured, "look into the log of the service"),
        _ => {
            let next = "is it the right URL? A path that says whether the service works can be named in its suite: \
                        ready = \"/health\" in [service]";
            Check::warning(NAME, measured, next)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::CheckState;
    use pulse_model::Nanos;
    use pulse_plan::{
        AnswerLimits, ConnectionOptions, ConnectionReuse, HttpVersion, Service, StatusSet, TlsSettings,
    };
    use pulse_testkit::{Script, ScriptedServer, Step};

    fn service(url: &str, ready: Option<&str>, start: Option<&str>) -> SuiteService {
        let plan = Service {
            url: url.to_owned(),
            base_path: String::new(),
            timeout: Nanos::from_secs(1),
            connect_timeout: Nanos::from_secs(1),
            insecure: false,
            ca_certificate: None,
            http: HttpVersion::default(),
            streams: 1,
            connection: ConnectionOptions::default(),
            tls: TlsSettings::default(),
            connections: ConnectionReuse::default(),
            redirects: 0,
            compression: false,
            limits: AnswerLimits::default(),
            expect: StatusSet::default(),
        };
        let (ready, start) = (ready.map(str::to_owned), start.map(str::to_owned));
        SuiteService { ready, start, ..SuiteService::running(plan) }
    }

    #[test]
    fn a_service_must_answer_and_not_only_listen() {
        for (status, ready, state) in [
            ("200 OK", None, CheckState::Ok),
            ("307 Temporary Redirect", None, CheckState::Ok),
            ("404 Not Found", None, CheckState::Warning),
            ("503 Service Unavailable", None, CheckState::Failed),
            ("200 OK", Some("/health"), CheckState::Ok),
            ("404 Not Found", Some("health"), CheckState::Failed),
        ] {
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            let server =
                ScriptedServer::start(Script::each(vec![Step::ReadRequest, Step::send(answer), Step::Loop]));
            let check = check_services(&[service(&server.url(), ready, None)]);
            assert_eq!(check.state, state, "{status}, {ready:?}: {check:?}");
            assert!(check.measured.contains(&status[..3]), "{check:?}");
            let asked = String::from_utf8_lossy(&server.requests()[0]).into_owned();
            let path = if ready.is_some() { "GET /health " } else { "GET / " };
            assert!(asked.starts_with(path), "{asked}");
        }
    }

    #[test]
    fn the_worst_of_several_services_counts() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        let server =
            ScriptedServer::start(Script::each(vec![Step::ReadRequest, Step::send(answer), Step::Loop]));
        let there = service(&server.url(), None, None);
        let gone = service("http://127.0.0.1:1", None, None);
        let check = check_services(&[there.clone(), gone, there]);
        assert_eq!((check.state, check.measured.lines().count()), (CheckState::Failed, 2), "{check:?}");
        assert_eq!(server.requests().len(), 1, "the same question is asked once");
        for (services, said) in
            [(vec![], "no --url"), (vec![service("http://h", None, Some("x"))], "starts it itself")]
        {
            let check = check_services(&services);
            assert_eq!(check.state, CheckState::Skipped);
            assert!(check.measured.contains(said), "{check:?}");
        }
    }
}
