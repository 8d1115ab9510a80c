//! A step's request as it goes over the wire: written once, and only the values of variables written anew.

use std::io::Write as _;

use pulse_http::{Origin, RequestError, RequestParts, RequestWriter};
use pulse_plan::{Body, BodyPart, Escape, Piece, Service, Step, StepKind, Template, Variable};

use super::StepsError;
use super::attachment::{Attachment, StaticBody};
use super::data::Feeds;
use super::jar::Jar;
use super::values::Values;

/// The request of a step.
#[derive(Debug)]
pub(super) struct Wire {
    text: Text,
    /// A body that is not part of the text.
    pub(super) attachment: Attachment,
}

/// The head of a request, and its body unless that is attached.
#[derive(Debug)]
enum Text {
    /// Always the same.
    Static {
        target: String,
        bytes: Vec<u8>,
        /// Where further header lines can be inserted.
        head_end: usize,
        /// Taken apart, where HTTP/2 may be spoken.
        parts: Option<Box<RequestParts>>,
    },
    /// With variables.
    Dynamic(Box<DynamicText>),
}

/// A request with variables, of which everything else is written and checked.
#[derive(Debug)]
struct DynamicText {
    /// Request line and header fields, up to where further ones can be inserted.
    head: Vec<Cut>,
    /// Where the target begins in the head.
    target_at: usize,
    body: DynamicBody,
}

#[derive(Debug)]
enum DynamicBody {
    /// The end of the head and a body that is always the same, unless it is attached.
    Static(Vec<u8>),
    /// The body alone.
    Dynamic(Vec<BodyPart>),
}

/// A part of a head.
#[derive(Clone, Debug)]
enum Cut {
    Bytes(Vec<u8>),
    Value { source: Variable, escape: Escape, rule: Rule },
}

/// What a spliced value must be so that it cannot break the request. Escapes see to it already where they fit the place.
#[derive(Clone, Debug)]
enum Rule {
    Escaped,
    Target,
    Field(String),
    Host,
}

/// What a user needs to write requests.
pub(super) struct Pen<'a> {
    pub(super) values: &'a Values,
    pub(super) feeds: &'a Feeds,
    pub(super) jar: &'a Jar,
    pub(super) secure: bool,
    /// Kept from request to request, so that writing does not allocate.
    pub(super) scratch: &'a mut Vec<u8>,
}

impl Wire {
    pub(super) fn compile(step: &Step, service: &Service, origin: &Origin) -> Result<Self, StepsError> {
        let failed = |source| StepsError::Request { step: step.name.to_string(), source };
        let templates = || [&step.target].into_iter().chain(step.headers.iter().map(|(_, value)| value));
        // What begins something longer is sent as one text.
        let body = match StaticBody::of(&step.body, step.kind == StepKind::Request) {
            Some(body) if templates().all(Template::is_static) => body,
            body => {
                let text = DynamicText::compile(step, &origin.authority(), body.as_ref()).map_err(failed)?;
                let attachment = body.map(|body| body.attachment).unwrap_or_default();
                return Ok(Self { text: Text::Dynamic(Box::new(text)), attachment });
            }
        };
        let fixed = |template: &Template| template.as_static().unwrap_or_default().to_owned();
        let mut bytes = Vec::new();
        let head_end = write(step, &origin.authority(), body.length, &mut bytes, fixed).map_err(failed)?;
        bytes.extend_from_slice(&body.copied);
        let parts = service.http.has_frames().then(|| RequestParts::parse(&bytes, origin.scheme));
        let parts = parts.transpose().map_err(failed)?.map(Box::new);
        let text = Text::Static { target: fixed(&step.target), bytes, head_end, parts };
        Ok(Self { text, attachment: body.attachment })
    }
}

impl DynamicText {
    /// Writes the request with marks in place of the variables, and cuts it at the marks.
    fn compile(step: &Step, authority: &str, body: Option<&StaticBody>) -> Result<Self, RequestError> {
        let mark = unused_mark(step);
        let mut values = Vec::new();
        for (place, template) in [(None, &step.target)]
            .into_iter()
            .chain(step.headers.iter().map(|(name, value)| (Some(name), value)))
        {
            for piece in &template.pieces {
                if let Piece::Variable { source, escape } = piece {
                    values.push(Cut::Value { source: *source, escape: *escape, rule: rule(place, *escape) });
                }
            }
        }
        let mut number = 0;
        let marked = |template: &Template| {
            let mut text = String::new();
            for piece in &template.pieces {
                match piece {
                    Piece::Literal(literal) => text.push_str(literal),
                    Piece::Variable { .. } => {
                        text.push_str(&mark);
                        text.push_str(&number_of_six(number));
                        number += 1;
                    }
                }
            }
            text
        };
        let mut bytes = Vec::new();
        // A body with variables has a length that is written when it is known.
        let length = body.map_or(Some(0), |body| body.length);
        let mut head_end = write(step, authority, length, &mut bytes, marked)?;
        let body = match (body, &step.body) {
            (Some(body), _) => DynamicBody::Static([&bytes[head_end..], &body.copied].concat()),
            (None, body) => {
                head_end -= NO_BYTES.len();
                DynamicBody::Dynamic(match body {
                    Body::Text(text) => vec![BodyPart::Text(text.clone())],
                    Body::Parts(parts) => parts.to_vec(),
                    Body::None | Body::Bytes(_) | Body::File(_) => Vec::new(),
                })
            }
        };
        let head = cut(&bytes[..head_end], mark.as_bytes(), &values);
        Ok(Self { head, target_at: step.method.len() + 1, body })
    }

    /// Writes the request.
    fn write(&self, pen: &mut Pen<'_>, out: &mut Vec<u8>) -> Result<(), RequestError> {
        let Pen { values, feeds, jar, secure, scratch } = pen;
        out.clear();
        for cut in &self.head {
            match cut {
                Cut::Bytes(bytes) => out.extend_from_slice(bytes),
                Cut::Value { source, escape, rule } => {
                    let at = out.len();
                    values.splice(*source, *escape, feeds, out);
                    rule.check(&out[at..])?;
                }
            }
        }
        if !jar.is_empty() {
            let target = out[self.target_at..].split(|byte| *byte == b' ').next().unwrap_or_default();
            scratch.clear();
            jar.write(std::str::from_utf8(target).unwrap_or("/"), *secure, scratch);
            out.extend_from_slice(scratch);
        }
        match &self.body {
            DynamicBody::Static(rest) => out.extend_from_slice(rest),
            DynamicBody::Dynamic(parts) => {
                scratch.clear();
                for part in parts {
                    match part {
                        BodyPart::Text(text) => values.render(text, feeds, scratch),
                        BodyPart::Bytes(bytes) => scratch.extend_from_slice(bytes),
                    }
                }
                // Writing to memory cannot fail.
                let _ = write!(out, "Content-Length: {}\r\n\r\n", scratch.len());
                out.extend_from_slice(scratch);
            }
        }
        Ok(())
    }
}

impl Wire {
    /// The bytes to send before what is attached, and the same taken apart where that is known: as compiled, with the user's cookies if there are
    /// any, or written anew into `buffer`.
    pub(super) fn prepare<'b>(
        &'b self,
        mut pen: Pen<'_>,
        buffer: &'b mut Vec<u8>,
    ) -> Result<(&'b [u8], Option<&'b RequestParts>), RequestError> {
        match &self.text {
            Text::Static { bytes, parts, .. } if pen.jar.is_empty() => Ok((bytes, parts.as_deref())),
            Text::Static { target, bytes, head_end, .. } => {
                buffer.clear();
                buffer.extend_from_slice(&bytes[..*head_end]);
                pen.jar.write(target, pen.secure, buffer);
                buffer.extend_from_slice(&bytes[*head_end..]);
                Ok((buffer, None))
            }
            Text::Dynamic(text) => {
                text.write(&mut pen, buffer)?;
                Ok((buffer, None))
            }
        }
    }
}

impl Rule {
    fn check(&self, value: &[u8]) -> Result<(), RequestError> {
        let text = || String::from_utf8_lossy(value).into_owned();
        let graphic = || value.iter().all(u8::is_ascii_graphic);
        match self {
            Self::Target if !graphic() || value.contains(&b'#') => Err(RequestError::Target(text())),
            Self::Host if value.is_empty() || !graphic() => Err(RequestError::Host(text())),
            Self::Field(name) if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') => {
                Err(RequestError::HeaderValue(name.clone()))
            }
            _ => Ok(()),
        }
    }
}

/// The rule for a value in the target, or in the field of a name.
fn rule(field: Option<&String>, escape: Escape) -> Rule {
    match (field, escape) {
        (Some(name), _) if name.eq_ignore_ascii_case("host") => Rule::Host,
        (None, Escape::Url) | (Some(_), Escape::Header | Escape::Url) => Rule::Escaped,
        (None, _) => Rule::Target,
        (Some(name), _) => Rule::Field(name.clone()),
    }
}

/// What the writer says of an empty body.
const NO_BYTES: &str = "Content-Length: 0\r\n";

/// Writes a head; returns where further header lines can be inserted.
fn write(
    step: &Step,
    authority: &str,
    body_length: Option<u64>,
    out: &mut Vec<u8>,
    mut text: impl FnMut(&Template) -> String,
) -> Result<usize, RequestError> {
    let mut writer = RequestWriter::start(out, &step.method, &text(&step.target), authority)?;
    for (name, value) in &step.headers {
        writer = writer.header(name, &text(value))?;
    }
    writer.finish_head(body_length)?;
    // The head ends with an empty line; further fields go before it.
    Ok(out.len() - 2)
}

/// A text that stands nowhere in the head of the request.
fn unused_mark(step: &Step) -> String {
    let literals = |template: &Template, mark: &str| {
        template.pieces.iter().any(|piece| matches!(piece, Piece::Literal(text) if text.contains(mark)))
    };
    let is_used = |mark: &str| {
        let names = step.headers.iter().map(|(name, _)| name);
        literals(&step.target, mark)
            || step.headers.iter().any(|(_, value)| literals(value, mark))
            || names.chain([&step.method]).any(|text| text.contains(mark))
    };
    let mut number = 0;
    loop {
        let mark = format!("value-{number}-");
        if !is_used(&mark) {
            return mark;
        }
        number += 1;
    }
}

fn number_of_six(number: usize) -> String {
    format!("{number:06}")
}

/// Cuts a head at its marks, each of which is followed by the six digits of its value's number.
fn cut(head: &[u8], mark: &[u8], values: &[Cut]) -> Vec<Cut> {
    let mut cuts = Vec::new();
    let mut rest = head;
    while let Some(at) = memchr::memmem::find(rest, mark) {
        let (before, after) = (&rest[..at], &rest[at + mark.len()..]);
        let (digits, after) = after.split_at(after.len().min(6));
        let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        let Some(value) = number.and_then(|number: usize| values.get(number)) else { break };
        if !before.is_empty() {
            cuts.push(Cut::Bytes(before.to_vec()));
        }
        cuts.push(value.clone());
        rest = after;
    }
    cuts.push(Cut::Bytes(rest.to_vec()));
    cuts
}
