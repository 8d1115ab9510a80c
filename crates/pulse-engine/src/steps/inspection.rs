//! Looking into an answer: checks and extractions.

use memchr::memmem;
use pulse_http::ResponseView;
use pulse_model::{Comparison, Nanos};
use pulse_plan::{
    Action, Condition, Extraction, ExtractionSource, GrpcStatusSet, HeaderTest, JsonTest, REGEX_SIZE_LIMIT,
    StatusSet, Step, StepKind, Template,
};
use regex::bytes::{Regex, RegexBuilder};

use super::StepsError;
use super::jar;
use super::pointers::{Places, Pointers, equals, text_of};

/// The longest extracted value in bytes; a longer one counts as not found.
const MAX_VALUE_BYTES: usize = 64 << 10;

/// What a step looks at in its answers, ready to be used.
#[derive(Debug)]
pub(super) struct Inspection {
    pub(super) tests: Vec<Test>,
    /// With the number of the variable that takes the value.
    pub(super) extractions: Vec<(u16, Source)>,
    pointers: Pointers,
}

/// What an answer must fulfil.
#[derive(Debug)]
pub(super) enum Test {
    Status(StatusSet),
    GrpcStatus(GrpcStatusSet),
    Header(String, HeaderTest),
    BodyContains(Needle),
    /// The number of the pointer.
    Json(usize, JsonTest),
    Size(Comparison, u64),
    Time(Comparison, Nanos),
}

/// A text to be searched for.
#[derive(Debug)]
pub(super) enum Needle {
    /// Always the same: what speeds the search up is worked out once.
    Static(Box<memmem::Finder<'static>>),
    Dynamic(Template),
}

/// Where an extraction looks.
#[derive(Debug)]
pub(super) enum Source {
    /// The number of the pointer.
    Json(usize),
    Regex(Regex),
    Header(String),
    Cookie(String),
}

impl Inspection {
    pub(super) fn compile(step: &Step) -> Result<Self, StepsError> {
        Self::of(step.checks.iter().map(|check| &check.condition), &step.extractions)
    }

    /// What a step looks at in each message that its script waits for, in the order of the script.
    pub(super) fn of_messages(step: &Step) -> Result<Vec<Self>, StepsError> {
        let StepKind::WebSocket(script) = &step.kind else { return Ok(Vec::new()) };
        let once = script.actions.iter().flat_map(|action| match action {
            Action::Repeat { actions, .. } => actions.as_slice(),
            other => std::slice::from_ref(other),
        });
        let receives = once.filter_map(|action| match action {
            Action::Receive(receive) => Some(receive),
            _ => None,
        });
        receives
            .map(|receive| {
                let extractions = step.extractions.get(receive.extractions.clone()).unwrap_or_default();
                Self::of(receive.conditions.iter(), extractions)
            })
            .collect()
    }

    fn of<'c>(
        conditions: impl Iterator<Item = &'c Condition>,
        extractions: &[Extraction],
    ) -> Result<Self, StepsError> {
        let mut pointers = Pointers::default();
        let tests = conditions.map(|condition| Test::compile(condition, &mut pointers)).collect();
        let extractions = extractions
            .iter()
            .map(|extraction| Ok((extraction.slot, Source::compile(&extraction.source, &mut pointers)?)));
        Ok(Self { extractions: extractions.collect::<Result<_, StepsError>>()?, tests, pointers })
    }

    /// Whether nothing is looked at.
    pub(super) fn is_empty(&self) -> bool {
        self.tests.is_empty() && self.extractions.is_empty()
    }
}

impl Test {
    fn compile(condition: &Condition, pointers: &mut Pointers) -> Self {
        match condition {
            Condition::Status(set) => Self::Status(set.clone()),
            Condition::GrpcStatus(set) => Self::GrpcStatus(*set),
            Condition::Header { name, test } => Self::Header(name.clone(), test.clone()),
            Condition::BodyContains(text) => Self::BodyContains(match text.as_static() {
                Some(text) => Needle::Static(Box::new(memmem::Finder::new(text).into_owned())),
                None => Needle::Dynamic(text.clone()),
            }),
            Condition::Json { pointer, test } => Self::Json(pointers.add(pointer), test.clone()),
            Condition::Size { comparison, bytes } => Self::Size(*comparison, *bytes),
            Condition::Time { comparison, limit } => Self::Time(*comparison, *limit),
        }
    }
}

impl Source {
    fn compile(source: &ExtractionSource, pointers: &mut Pointers) -> Result<Self, StepsError> {
        Ok(match source {
            ExtractionSource::Json(pointer) => Self::Json(pointers.add(pointer)),
            ExtractionSource::Header(name) => Self::Header(name.clone()),
            ExtractionSource::Cookie(name) => Self::Cookie(name.clone()),
            ExtractionSource::Regex(pattern) => {
                let compiled = RegexBuilder::new(pattern).size_limit(REGEX_SIZE_LIMIT).build();
                Self::Regex(compiled.map_err(|source| StepsError::Pattern {
                    pattern: pattern.clone(),
                    source: Box::new(source),
                })?)
            }
        })
    }
}

/// Memory that looking needs, kept from answer to answer.
#[derive(Debug, Default)]
pub(super) struct Desk {
    places: Places,
    rendered: Vec<u8>,
}

impl Desk {
    /// A text with the values that `render` appends.
    fn text(&mut self, template: &Template, render: Render<'_>) -> &[u8] {
        self.rendered.clear();
        render(template, &mut self.rendered);
        &self.rendered
    }
}

/// Appends a text with its values.
pub(super) type Render<'a> = &'a dyn Fn(&Template, &mut Vec<u8>);

/// An answer that is looked at.
pub(super) struct Answer<'a> {
    pub(super) view: ResponseView<'a>,
    /// The body, decoded.
    body: &'a [u8],
    pub(super) body_bytes: u64,
    pub(super) service_time: Nanos,
    /// Number of the status, where the answer is one of gRPC.
    pub(super) grpc_status: Option<u8>,
    /// The body where it is text and JSON pointers are looked for.
    json: &'a str,
    desk: &'a mut Desk,
}

impl<'a> Answer<'a> {
    /// `body` is the kept body without its encoding, `body_bytes` its size as it came.
    pub(super) fn new(
        inspection: &Inspection,
        view: ResponseView<'a>,
        body: &'a [u8],
        body_bytes: u64,
        service_time: Nanos,
        desk: &'a mut Desk,
    ) -> Self {
        let mut json = "";
        if !inspection.pointers.is_empty() {
            json = std::str::from_utf8(body).unwrap_or_default();
            inspection.pointers.find(json, &mut desk.places);
        }
        Self { view, body, body_bytes, service_time, grpc_status: None, json, desk }
    }

    fn json(&self, number: usize) -> Option<&'a str> {
        self.desk.places[number].clone().map(|place| &self.json[place])
    }

    /// Whether the answer passes a test.
    pub(super) fn passes(&mut self, asked: &Test, render: Render<'_>) -> bool {
        match asked {
            Test::Status(set) => set.contains(self.view.status()),
            Test::GrpcStatus(set) => self.grpc_status.is_some_and(|status| set.contains(status)),
            Test::Header(name, rule) => {
                let found = self.view.header(name);
                match rule {
                    HeaderTest::Exists(expected) => found.is_some() == *expected,
                    HeaderTest::Equals(text) => found == Some(self.desk.text(text, render)),
                    HeaderTest::Contains(text) => {
                        found.is_some_and(|value| memmem::find(value, self.desk.text(text, render)).is_some())
                    }
                }
            }
            Test::BodyContains(Needle::Static(finder)) => finder.find(self.body).is_some(),
            Test::BodyContains(Needle::Dynamic(text)) => {
                memmem::find(self.body, self.desk.text(text, render)).is_some()
            }
            Test::Json(number, rule) => {
                let found = self.json(*number);
                match rule {
                    JsonTest::Exists(expected) => found.is_some() == *expected,
                    JsonTest::Equals(value) => found.is_some_and(|found| equals(found, value)),
                    JsonTest::EqualsText(text) => found
                        .and_then(text_of)
                        .is_some_and(|found| found.as_bytes() == self.desk.text(text, render)),
                }
            }
            Test::Size(comparison, bytes) => comparison.holds(self.body_bytes as f64, *bytes as f64),
            Test::Time(comparison, limit) => comparison.holds(self.service_time.0 as f64, limit.0 as f64),
        }
    }

    /// Takes a value into a variable, which stays as it is when there is none, or a huge one.
    pub(super) fn extract(&self, source: &Source, variable: &mut String) -> bool {
        let text = |bytes: &'a [u8]| String::from_utf8_lossy(bytes);
        let value = match source {
            Source::Json(number) => self.json(*number).and_then(text_of),
            Source::Regex(pattern) => {
                let captures = pattern.captures(self.body);
                let group = captures.and_then(|captures| captures.get(1).or_else(|| captures.get(0)));
                group.map(|group| text(group.as_bytes()))
            }
            Source::Header(name) => self.view.header(name).map(text),
            Source::Cookie(name) => {
                let fields = self.view.header_all("set-cookie");
                fields.filter_map(|field| jar::value_of(field, name)).map(Into::into).next()
            }
        };
        let Some(value) = value.filter(|value| value.len() <= MAX_VALUE_BYTES) else { return false };
        variable.clear();
        variable.push_str(&value);
        true
    }
}
