//! A user who does the steps of a scenario.

use std::borrow::Cow;
use std::rc::Rc;

use pulse_http::{Client, Decoder, Exchange, Failure, Request, RequestBody};
use pulse_model::Nanos;
use pulse_plan::{ConnectionReuse, Plan, StepKind};

use super::data::Feeds;
use super::inspection::{Answer, Desk};
use super::jar::Jar;
use super::program::{CompiledStep, Program};
use super::redirect::{is_redirect, resolve, rewritten};
use super::streams::Streams;
use super::values::Values;
use super::wire::Pen;
use crate::behavior::{Outcome, VirtualUser};
use crate::connections::Connections;
use crate::iteration::{Iteration, Measurement};
use crate::phases::Phases;
use crate::recorder::RequestEnd;

/// Class of a request whose status is not among the expected ones.
pub(super) const STATUS: &str = "status";
/// Class of a request that could not be written with the values of its variables.
const BAD_REQUEST: &str = "bad_request";
/// Class of a request whose redirects lead astray.
const REDIRECT: &str = "redirect";

pub(crate) struct StepsUser {
    pub(super) program: Rc<Program>,
    client: Client,
    /// For steps that are more than request and answer, where the program has any.
    pub(super) streams: Option<Box<Streams>>,
    pub(super) feeds: Rc<Feeds>,
    pub(super) jar: Jar,
    pub(super) values: Values,
    /// The request that is being sent, when it is not always the same.
    pub(super) buffer: Vec<u8>,
    pub(super) scratch: Vec<u8>,
    pub(super) desk: Desk,
    /// Of a user who has met a compressed body.
    decoder: Option<Box<Decoder>>,
}

/// What became of a request that was answered, its redirects included.
struct Answered {
    /// The last exchange, with the start of the first one and the bytes of all.
    exchange: Exchange,
    phases: Phases,
    redirects: u64,
    /// Why it failed all the same: class and message.
    problem: Option<(&'static str, Cow<'static, str>)>,
}

impl Answered {
    fn new(exchange: Exchange) -> Self {
        Self { exchange, phases: (&exchange).into(), redirects: 0, problem: None }
    }

    /// Goes on with the exchange that a redirect led to.
    fn redirected(&mut self, next: Exchange) {
        let before = self.exchange;
        self.redirects += 1;
        self.phases += (&next).into();
        self.exchange = Exchange {
            started: before.started,
            connect: next.connect.or(before.connect),
            bytes_sent: before.bytes_sent + next.bytes_sent,
            bytes_received: before.bytes_received + next.bytes_received,
            ..next
        };
    }
}

impl StepsUser {
    pub(super) fn new(
        program: Rc<Program>,
        client: Client,
        streams: Option<Box<Streams>>,
        feeds: Rc<Feeds>,
        plan: &Plan,
        (scenario, number): (usize, u64),
    ) -> Self {
        Self {
            program,
            client,
            streams,
            feeds,
            jar: Jar::default(),
            values: Values::new(plan, scenario, number),
            buffer: Vec::new(),
            scratch: Vec::new(),
            desk: Desk::default(),
            decoder: None,
        }
    }

    /// One request with everything that belongs to it; `false` when the iteration has to end.
    async fn request(&mut self, step: &CompiledStep, iteration: &mut Iteration<'_>) -> bool {
        if !iteration.take_request() {
            return false;
        }
        let clock = iteration.clock();
        let Self { client, feeds, jar, values, buffer, scratch, program, .. } = self;
        let secure = program.is_secure();
        let (bytes, parts) = match step.wire.prepare(Pen { values, feeds, jar, secure, scratch }, buffer) {
            Ok(prepared) => prepared,
            Err(error) => {
                let now = clock.now();
                iteration.record(step.endpoint, unsent(now, &error.to_string()));
                return true;
            }
        };
        let request = Request {
            bytes,
            body: step.wire.attachment.body(),
            is_head: step.method == "HEAD",
            idempotent: step.idempotent,
            parts,
        };
        let before = client.counts();
        let mut result = client.exchange(request, step.timeout, step.keep).await.map(Answered::new);
        if step.redirects > 0
            && let Ok(answered) = &result
            && is_redirect(answered.exchange.status)
        {
            // Rare, and its future large: boxed, it does not swell every user's task.
            let (first, answered) = (bytes.to_vec(), Answered::new(answered.exchange));
            result = Box::pin(self.follow(step, first, answered)).await;
        }
        let counts = self.client.counts();
        let (connections, reconnects) =
            (Connections::between(&before, &counts), counts.resent - before.resent);
        match result {
            Ok(answered) => self.take(step, answered, connections, reconnects, iteration),
            Err(failure) => iteration.record(
                step.endpoint,
                Measurement {
                    connections,
                    reconnects,
                    bytes_sent: failure.bytes_sent,
                    bytes_received: failure.bytes_received,
                    ..Measurement::failed(
                        clock.at(failure.started),
                        clock.at(failure.finished),
                        failure.class.as_str(),
                        &failure.to_string(),
                    )
                },
            ),
        }
        if self.program.connections == ConnectionReuse::PerRequest {
            self.client.close();
        }
        true
    }

    /// Writes down a request that was answered, and looks at the answer.
    fn take(
        &mut self,
        step: &CompiledStep,
        mut answered: Answered,
        connections: Connections,
        reconnects: u64,
        iteration: &mut Iteration<'_>,
    ) {
        let clock = iteration.clock();
        let inflated = step.decodes && self.decode(&mut answered);
        let Answered { exchange, phases, redirects, problem } = answered;
        let problem = problem.or_else(|| {
            let expected = step.expect.contains(exchange.status);
            (!expected).then(|| (STATUS, format!("HTTP status {}", exchange.status).into()))
        });
        let end = match &problem {
            None => RequestEnd::Ok,
            Some((class, message)) => RequestEnd::Failed { class, message },
        };
        let (started, finished) = (clock.at(exchange.started), clock.at(exchange.finished));
        let measured = Measurement {
            started,
            finished,
            end,
            status: exchange.status,
            bytes_sent: exchange.bytes_sent,
            bytes_received: exchange.bytes_received,
            connections,
            connect: exchange.connect.map(|times| times.total().into()),
            phases: Some(phases),
            reconnects,
            redirects,
        };
        iteration.record(step.endpoint, measured);
        self.look(step, inflated, exchange.body_bytes, finished.since(started), iteration);
    }

    /// Goes where redirects lead, within the service and no further than the step allows.
    async fn follow(
        &mut self,
        step: &CompiledStep,
        mut request: Vec<u8>,
        mut answered: Answered,
    ) -> Result<Answered, Failure> {
        let Self { client, jar, program, .. } = self;
        let origin = &program.origin;
        let mut body = step.wire.attachment.body();
        while is_redirect(answered.exchange.status) {
            let Some(location) = client.response().header("location") else { break };
            if answered.redirects >= u64::from(step.redirects) {
                let limit = step.redirects;
                let message = format!("there are more than {limit} redirects; allow more with `redirects`");
                answered.problem = Some((REDIRECT, message.into()));
                break;
            }
            let asked = request.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
            let target = match resolve(origin, &String::from_utf8_lossy(asked), location) {
                Ok(target) => target,
                Err(message) => {
                    answered.problem = Some((REDIRECT, message.into()));
                    break;
                }
            };
            if program.cookies {
                client.response().header_all("set-cookie").for_each(|field| jar.set(field));
            }
            let secure = program.is_secure();
            let next = rewritten(&request, answered.exchange.status, &target, |out| {
                jar.write(&target, secure, out);
            });
            if !next.keeps_body {
                body = RequestBody::Inline;
            }
            request = next.bytes;
            if program.connections == ConnectionReuse::PerRequest {
                client.close();
            }
            let method = request.split(|byte| *byte == b' ').next().unwrap_or_default();
            let method = std::str::from_utf8(method).unwrap_or_default();
            let next = Request { body, ..Request::of(method, &request) };
            let taken = answered.exchange.finished.saturating_duration_since(answered.exchange.started);
            match client.exchange(next, step.timeout.saturating_sub(taken), step.keep).await {
                Ok(exchange) => answered.redirected(exchange),
                Err(failure) => {
                    return Err(Failure {
                        started: answered.exchange.started,
                        bytes_sent: failure.bytes_sent + answered.exchange.bytes_sent,
                        bytes_received: failure.bytes_received + answered.exchange.bytes_received,
                        ..failure
                    });
                }
            }
        }
        Ok(answered)
    }

    /// Decodes a compressed body; true where there is one now. One that cannot be decoded makes the request fail.
    fn decode(&mut self, answered: &mut Answered) -> bool {
        let response = self.client.response();
        let Some(encoding) = response.header("content-encoding").filter(|_| !response.body().is_empty())
        else {
            return false;
        };
        let limit = usize::try_from(self.program.limits.kept_body).unwrap_or(usize::MAX);
        let decoder = self.decoder.get_or_insert_default();
        match decoder.decode(encoding, response.body(), limit) {
            Ok(()) => true,
            Err(error) => {
                answered.problem = Some((error.class().as_str(), error.to_string().into()));
                false
            }
        }
    }

    /// Keeps cookies, judges the checks and takes the values that the step wants.
    fn look(
        &mut self,
        step: &CompiledStep,
        inflated: bool,
        body_bytes: u64,
        service_time: Nanos,
        iteration: &Iteration<'_>,
    ) {
        let Self { client, feeds, jar, values, program, desk, decoder, .. } = self;
        let response = client.response();
        if program.cookies {
            response.header_all("set-cookie").for_each(|field| jar.set(field));
        }
        let inspection = &step.inspection;
        if inspection.is_empty() {
            return;
        }
        let body = match decoder {
            Some(decoder) if inflated => decoder.body(),
            _ => response.body(),
        };
        let mut answer = Answer::new(inspection, response, body, body_bytes, service_time, desk);
        judge(step, &mut answer, values, feeds, iteration);
    }
}

/// Judges the checks and takes the values that the step wants of an answer.
pub(super) fn judge(
    step: &CompiledStep,
    answer: &mut Answer<'_>,
    values: &mut Values,
    feeds: &Feeds,
    iteration: &Iteration<'_>,
) {
    let inspection = &step.inspection;
    for (number, test) in inspection.tests.iter().enumerate() {
        let passed = answer.passes(test, &|template, out| values.render(template, feeds, out));
        iteration.check(step.endpoint, number, passed);
    }
    for (number, (slot, source)) in (inspection.tests.len()..).zip(&inspection.extractions) {
        let found = answer.extract(source, &mut values.slots[usize::from(*slot)]);
        iteration.check(step.endpoint, number, found);
    }
}

impl VirtualUser for StepsUser {
    async fn iterate(&mut self, iteration: &mut Iteration<'_>) -> Outcome {
        let outcome = self.run(iteration).await;
        if self.program.connections == ConnectionReuse::PerIteration {
            self.client.close();
        }
        outcome
    }
}

impl StepsUser {
    async fn run(&mut self, iteration: &mut Iteration<'_>) -> Outcome {
        let program = Rc::clone(&self.program);
        self.values.iteration += 1;
        for &feed in &program.feeds {
            match self.feeds.take(feed) {
                Some(row) => self.values.rows[usize::from(feed)] = row,
                None => return Outcome::Exhausted,
            }
        }
        for (place, step) in program.steps.iter().enumerate() {
            for _ in 0..step.repeat {
                // What is rare is boxed, so that it does not swell every user's task.
                let goes_on = match &step.kind {
                    StepKind::Request => self.request(step, iteration).await,
                    StepKind::WebSocket(script) => Box::pin(self.talk(place, script, iteration)).await,
                    StepKind::Events(until) => Box::pin(self.listen(place, until, iteration)).await,
                    StepKind::Grpc(_) => Box::pin(self.call(step, iteration)).await,
                };
                if !goes_on {
                    return Outcome::Cut;
                }
                let pause = self.values.think(step.think);
                if pause > Nanos::ZERO {
                    iteration.pause(pause).await;
                }
            }
        }
        if program.ends_with_request {
            iteration.end_with_request();
        }
        Outcome::Completed
    }
}

/// A request that never left.
pub(super) fn unsent(now: Nanos, message: &str) -> Measurement<'_> {
    Measurement::failed(now, now, BAD_REQUEST, message)
}
