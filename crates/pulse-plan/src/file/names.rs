//! Names in texts: which variable, feed column, environment variable or built-in value a `${name}` means.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::file::reader::{Field, did_you_mean};
use crate::template::{Part, split};
use crate::{Escape, Template, Variable};

/// Names that stand for values the engine makes.
const BUILT_IN: [(&str, Variable); 4] = [
    ("user_id", Variable::UserId),
    ("iteration", Variable::Iteration),
    ("random", Variable::Random),
    ("uuid", Variable::Uuid),
];

/// Names that variables and feeds may not take.
pub(crate) fn is_reserved(name: &str) -> bool {
    name == "env" || BUILT_IN.iter().any(|(built_in, _)| *built_in == name)
}

/// Whether a variable, feed or tag may be called this.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.len() <= 100
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// What a feed is called, and its columns once its file has been read.
pub(crate) struct FeedNames {
    pub(crate) name: String,
    pub(crate) columns: Option<Vec<String>>,
}

/// Everything that a name can mean in a file.
pub(crate) struct Names<'a> {
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
    /// `[variables]` with their values.
    pub(crate) constants: BTreeMap<String, String>,
    /// Variables that some scenario extracts.
    pub(crate) slots: BTreeMap<String, u16>,
    pub(crate) feeds: Vec<FeedNames>,
}

impl Names<'_> {
    /// Numbers the extracted variables and gives them their first values.
    pub(crate) fn slot_values(&self) -> Vec<crate::Slot> {
        let mut slots: Vec<_> = self.slots.iter().collect();
        slots.sort_by_key(|(_, slot)| **slot);
        let initial = |name: &str| self.constants.get(name).cloned().unwrap_or_default();
        slots
            .into_iter()
            .map(|(name, _)| crate::Slot { name: name.clone(), initial: initial(name) })
            .collect()
    }
}

/// What can be named at a place of a file.
pub(crate) struct Scope<'n> {
    pub(crate) names: &'n Names<'n>,
    /// Extracted by the steps before, in this scenario.
    pub(crate) extracted: Vec<&'n str>,
    /// Extracted by this step or a later one of the scenario: name of the variable and of the step.
    pub(crate) later: Vec<(&'n str, String)>,
    /// Whether values that differ from iteration to iteration make sense here.
    pub(crate) per_iteration: bool,
}

/// What a name means.
enum Meaning {
    Value(String),
    Variable(Variable),
}

/// Why a name means nothing.
struct Unknown {
    message: String,
    help: Option<String>,
}

impl<'n> Scope<'n> {
    /// A scope where only constants and the environment are known.
    pub(crate) fn fixed(names: &'n Names<'n>) -> Self {
        Self { names, extracted: Vec::new(), later: Vec::new(), per_iteration: false }
    }

    /// The same scope, to be extended.
    pub(crate) fn again(&self) -> Self {
        Self {
            names: self.names,
            extracted: self.extracted.clone(),
            later: self.later.clone(),
            per_iteration: self.per_iteration,
        }
    }

    /// Makes extracted names known from here on.
    pub(crate) fn learn(&mut self, names: &[&str]) {
        let known = |name: &&'n str| names.contains(name);
        let learned: Vec<&'n str> = self.names.slots.keys().map(String::as_str).filter(known).collect();
        self.extracted.extend(learned);
    }

    /// Reads a text with references. Mistakes are reported at the field, and what is wrong is left out.
    pub(crate) fn template(&self, field: &Field<'_>, text: &str, escape: Escape) -> Template {
        self.template_in(field, text, 0..text.len(), escape)
    }

    /// Reads a part of the field's text with references.
    pub(crate) fn template_in(
        &self,
        field: &Field<'_>,
        text: &str,
        range: Range<usize>,
        escape: Escape,
    ) -> Template {
        let mut template = Template::default();
        let span = |at: Range<usize>| field.span_within(range.start + at.start..range.start + at.end);
        let parts = split(&text[range.clone()]).unwrap_or_else(|error| {
            field.error_at(span(error.at), error.message, None);
            Vec::new()
        });
        for part in parts {
            match part {
                // A path is written as people write it; a value in one must not become a part of its structure.
                Part::Literal(text) if escape == Escape::Url => template.push_literal(&readable_url(text)),
                Part::Literal(text) if escape == Escape::JsonString => template.push_value(text, escape),
                Part::Literal(text) => template.push_literal(text),
                Part::Reference { name, default, at } => match self.resolve(name, default) {
                    Ok(Meaning::Value(value)) => template.push_value(&value, escape),
                    Ok(Meaning::Variable(source)) => template.push_variable(source, escape),
                    Err(unknown) => field.error_at(span(at), unknown.message, unknown.help),
                },
            }
        }
        template
    }

    /// Reads a text whose references are known now; `None` when any of them is wrong.
    pub(crate) fn text(&self, field: &Field<'_>, example: &str) -> Option<String> {
        let text = field.text(example)?;
        let mistakes = field.notes.count();
        let template = self.template(field, text, Escape::None);
        template.as_static().filter(|_| field.notes.count() == mistakes).map(str::to_owned)
    }

    fn resolve(&self, name: &str, default: Option<&str>) -> Result<Meaning, Unknown> {
        if let Some(variable) = name.strip_prefix("env.") {
            return self.environment(variable, default);
        }
        if default.is_some() {
            return Err(Unknown {
                message: format!("`{name}` cannot have a default"),
                help: Some("only environment variables can: ${env.NAME:-default}".into()),
            });
        }
        if let Some(value) = self.names.constants.get(name).filter(|_| !self.names.slots.contains_key(name)) {
            return Ok(Meaning::Value(value.clone()));
        }
        let variable = self.variable(name)?;
        if self.per_iteration {
            return Ok(Meaning::Variable(variable));
        }
        Err(Unknown {
            message: format!("`{name}` has no fixed value, and this place needs one"),
            help: Some("only [variables] and ${env.NAME} can be used here".into()),
        })
    }

    fn environment(&self, variable: &str, default: Option<&str>) -> Result<Meaning, Unknown> {
        match ((self.names.env)(variable), default) {
            (Some(value), _) => Ok(Meaning::Value(value)),
            (None, Some(default)) => Ok(Meaning::Value(default.to_owned())),
            (None, None) => Err(Unknown {
                message: format!("the environment variable `{variable}` is not set"),
                help: Some(format!("set it, or give a default: ${{env.{variable}:-default}}")),
            }),
        }
    }

    fn variable(&self, name: &str) -> Result<Variable, Unknown> {
        if let Some((_, variable)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
            return Ok(*variable);
        }
        if let Some((feed, column)) = name.split_once('.') {
            return self.column(feed, column);
        }
        let Some(&slot) = self.names.slots.get(name) else { return Err(self.unknown(name)) };
        // A constant has a value before anything is extracted into it.
        if self.names.constants.contains_key(name) || self.extracted.contains(&name) || !self.per_iteration {
            return Ok(Variable::Slot(slot));
        }
        Err(match self.later.iter().find(|(later, _)| *later == name) {
            Some((_, step)) => Unknown {
                message: format!(
                    "`{name}` is not known yet: the step `{step}` extracts it after this request"
                ),
                help: Some("move that step up, or give a first value in [variables]".into()),
            },
            None => Unknown {
                message: format!(
                    "`{name}` is extracted in another scenario, whose users are not those of this one"
                ),
                help: Some("extract it in a step of this scenario, or give a value in [variables]".into()),
            },
        })
    }

    fn column(&self, feed_name: &str, column_name: &str) -> Result<Variable, Unknown> {
        let feeds = &self.names.feeds;
        let Some(feed) = feeds.iter().position(|feed| feed.name == feed_name) else {
            return Err(Unknown {
                message: format!("there is no feed `{feed_name}`"),
                help: did_you_mean(feed_name, feeds.iter().map(|feed| feed.name.as_str()))
                    .or_else(|| Some(format!("declare it in [data.{feed_name}]"))),
            });
        };
        let column = match &feeds[feed].columns {
            // The file has not been read yet; the name is looked up when it has.
            None => 0,
            Some(columns) => {
                columns.iter().position(|column| column == column_name).ok_or_else(|| Unknown {
                    message: format!("the feed `{feed_name}` has no column `{column_name}`"),
                    help: did_you_mean(column_name, columns.iter().map(String::as_str))
                        .or_else(|| Some(format!("its columns are {}", columns.join(", ")))),
                })?
            }
        };
        Ok(Variable::Feed { feed: feed as u16, column: column as u16 })
    }

    fn unknown(&self, name: &str) -> Unknown {
        let constants = self.names.constants.keys().map(String::as_str);
        let slots = self.names.slots.keys().map(String::as_str);
        let built_in = BUILT_IN.iter().map(|(name, _)| *name);
        Unknown {
            message: format!("there is no variable `{name}`"),
            help: did_you_mean(name, constants.chain(slots).chain(built_in))
                .or_else(|| Some("declare it in [variables], or extract it in an earlier step".into())),
        }
    }
}

/// Characters that may not stand in a URL at all are escaped; everything else, `%` included, is taken as meant.
fn readable_url(text: &str) -> String {
    const ILLEGAL: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'#')
        .add(b'<')
        .add(b'>')
        .add(b'\\')
        .add(b'^')
        .add(b'`')
        .add(b'{')
        .add(b'|')
        .add(b'}');
    percent_encoding::utf8_percent_encode(text, ILLEGAL).to_string()
}
