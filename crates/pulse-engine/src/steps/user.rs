//! A user who does the steps of a scenario.

use std::borrow::Cow;
use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;

use pulse_http::{Client, ConnectTimes, Request};
use pulse_model::Nanos;
use pulse_plan::{Plan, Template, Think, Variable};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Normal};

use super::data::Feeds;
use super::inspection::Answer;
use super::jar::Jar;
use super::program::{CompiledStep, Program, Wire};
use crate::behavior::{Outcome, VirtualUser};
use crate::iteration::{Iteration, Measurement};
use crate::recorder::RequestEnd;

/// Class of a request whose status is not among the expected ones.
const STATUS: &str = "status";
/// Class of a request that could not be written with the values of its variables.
const BAD_REQUEST: &str = "bad_request";

pub(crate) struct StepsUser {
    program: Rc<Program>,
    client: Client,
    feeds: Rc<Feeds>,
    jar: Jar,
    values: Values,
    /// The request that is being sent, when it is not always the same.
    buffer: Vec<u8>,
}

/// Where the variables of a user come from.
struct Values {
    user: u64,
    iteration: u64,
    slots: Vec<String>,
    /// By number of the feed: the row of this iteration.
    rows: Vec<usize>,
    random: RefCell<ChaCha8Rng>,
}

impl StepsUser {
    pub(super) fn new(
        program: Rc<Program>,
        client: Client,
        feeds: Rc<Feeds>,
        plan: &Plan,
        scenario: usize,
        number: u64,
    ) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
        // A stream per user, whatever the number of workers; the first 2^48 belong to arrivals.
        random.set_stream((scenario as u64 + 1) << 48 | number);
        let values = Values {
            user: number + 1,
            iteration: 0,
            slots: plan.variables.iter().map(|slot| slot.initial.clone()).collect(),
            rows: vec![0; plan.feeds.len()],
            random: RefCell::new(random),
        };
        Self { program, client, feeds, jar: Jar::default(), values, buffer: Vec::new() }
    }

    /// One request with everything that belongs to it; `false` when the iteration has to end.
    async fn request(&mut self, step: &CompiledStep, iteration: &mut Iteration<'_>) -> bool {
        if !iteration.take_request() {
            return false;
        }
        let clock = iteration.clock();
        let Self { client, feeds, jar, values, buffer, program } = self;
        let prepared = prepare(step, jar, program.secure, buffer, &|template| values.render(template, feeds));
        let request = match prepared {
            Ok(request) => request,
            Err(error) => {
                let now = clock.now();
                iteration.record(step.endpoint, unsent(now, &error.to_string()));
                return true;
            }
        };
        let before = client.counts();
        let result = client.exchange(request, step.timeout, step.keep).await;
        let counts = client.counts();
        let (connections, reconnects) = (counts.opened - before.opened, counts.resent - before.resent);
        match result {
            Ok(exchange) => {
                let expected = step.expect.contains(exchange.status);
                let message =
                    if expected { String::new() } else { format!("HTTP status {}", exchange.status) };
                let end = if expected {
                    RequestEnd::Ok
                } else {
                    RequestEnd::Failed { class: STATUS, message: &message }
                };
                let (started, finished) = (clock.at(exchange.started), clock.at(exchange.finished));
                iteration.record(
                    step.endpoint,
                    Measurement {
                        started,
                        finished,
                        end,
                        status: exchange.status,
                        bytes_sent: exchange.bytes_sent,
                        bytes_received: exchange.bytes_received,
                        connections,
                        connect: exchange.connect.map(connect_time),
                        phases: Some((&exchange).into()),
                        reconnects,
                    },
                );
                self.look(step, exchange.body_bytes, finished.since(started), iteration);
            }
            Err(failure) => iteration.record(
                step.endpoint,
                Measurement {
                    started: clock.at(failure.started),
                    finished: clock.at(failure.finished),
                    end: RequestEnd::Failed { class: failure.class.as_str(), message: &failure.to_string() },
                    status: 0,
                    bytes_sent: failure.bytes_sent,
                    bytes_received: failure.bytes_received,
                    connections,
                    connect: None,
                    phases: None,
                    reconnects,
                },
            ),
        }
        true
    }

    /// Keeps cookies, judges the checks and takes the values that the step wants.
    fn look(&mut self, step: &CompiledStep, body_bytes: u64, service_time: Nanos, iteration: &Iteration<'_>) {
        let Self { client, feeds, jar, values, program, .. } = self;
        if program.cookies {
            client.response().header_all("set-cookie").for_each(|field| jar.set(field));
        }
        if step.conditions.is_empty() && step.extractions.is_empty() {
            return;
        }
        let answer = Answer::new(client.response(), body_bytes, service_time);
        for (number, condition) in step.conditions.iter().enumerate() {
            let passed = answer.fulfils(condition, &|template| values.render(template, feeds));
            iteration.check(step.endpoint, number, passed);
        }
        for (number, (slot, source)) in (step.conditions.len()..).zip(&step.extractions) {
            let found = answer.extract(source);
            iteration.check(step.endpoint, number, found.is_some());
            if let Some(value) = found {
                values.slots[usize::from(*slot)] = value;
            }
        }
    }
}

impl VirtualUser for StepsUser {
    fn iterate(&mut self, iteration: &mut Iteration<'_>) -> impl Future<Output = Outcome> {
        self.run(iteration)
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
        for step in &program.steps {
            for _ in 0..step.repeat {
                if !self.request(step, iteration).await {
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

impl Values {
    fn render(&self, template: &Template, feeds: &Feeds) -> Vec<u8> {
        let mut out = Vec::new();
        template.render(&mut out, |variable| match variable {
            Variable::Slot(slot) => Cow::Borrowed(self.slots[usize::from(slot)].as_str()),
            Variable::Feed { feed, column } => {
                Cow::Borrowed(feeds.value(feed, self.rows[usize::from(feed)], column))
            }
            Variable::UserId => Cow::Owned(self.user.to_string()),
            Variable::Iteration => Cow::Owned(self.iteration.to_string()),
            Variable::Random => Cow::Owned(self.random.borrow_mut().next_u32().to_string()),
            Variable::Uuid => Cow::Owned(uuid(self.random.borrow_mut().random())),
        });
        out
    }

    fn think(&self, think: Think) -> Nanos {
        match think {
            Think::None => Nanos::ZERO,
            Think::Fixed(length) => length,
            Think::Uniform { from, to } => {
                Nanos(self.random.borrow_mut().random_range(from.0..=to.0.max(from.0)))
            }
            Think::Normal { mean, stddev } => {
                let normal = Normal::new(mean.as_secs_f64(), stddev.as_secs_f64());
                // Both come from durations, which are finite and not negative.
                normal.map_or(mean, |normal| {
                    Nanos::from_secs_f64(normal.sample(&mut *self.random.borrow_mut()))
                })
            }
        }
    }
}

/// The request to send: as compiled, with the user's cookies if there are any, or written anew.
fn prepare<'b>(
    step: &'b CompiledStep,
    jar: &Jar,
    secure: bool,
    buffer: &'b mut Vec<u8>,
    render: &dyn Fn(&Template) -> Vec<u8>,
) -> Result<Request<'b>, pulse_http::RequestError> {
    let (is_head, idempotent) = (step.method == "HEAD", step.idempotent);
    let (target, head_end) = match &step.wire {
        Wire::Static { bytes, parts, .. } if jar.is_empty() => {
            return Ok(Request { bytes, is_head, idempotent, parts: parts.as_deref() });
        }
        Wire::Static { target, bytes, head_end, .. } => {
            buffer.clear();
            buffer.extend_from_slice(bytes);
            (Cow::Borrowed(target.as_str()), *head_end)
        }
        Wire::Dynamic(wire) => {
            let head_end = wire.write(&step.method, buffer, render)?;
            if jar.is_empty() {
                return Ok(Request { bytes: buffer, is_head, idempotent, parts: None });
            }
            (Cow::Owned(String::from_utf8_lossy(&render(&wire.target)).into_owned()), head_end)
        }
    };
    let mut line = Vec::new();
    jar.write(&target, secure, &mut line);
    buffer.splice(head_end..head_end, line);
    Ok(Request { bytes: buffer, is_head, idempotent, parts: None })
}

/// A request that never left.
fn unsent(now: Nanos, message: &str) -> Measurement<'_> {
    Measurement {
        started: now,
        finished: now,
        end: RequestEnd::Failed { class: BAD_REQUEST, message },
        status: 0,
        bytes_sent: 0,
        bytes_received: 0,
        connections: 0,
        connect: None,
        phases: None,
        reconnects: 0,
    }
}

fn connect_time(times: ConnectTimes) -> Nanos {
    times.total().into()
}

/// A random UUID: version 4, variant 1 (RFC 9562 §5.4).
fn uuid(random: u128) -> String {
    let bits = random & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    #[test]
    fn uuids_have_version_and_variant() {
        assert_eq!(super::uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(super::uuid(0), "00000000-0000-4000-8000-000000000000");
    }
}
