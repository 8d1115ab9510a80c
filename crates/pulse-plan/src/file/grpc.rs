//! What a step says of a gRPC call, and the `.proto` files that files name.

use std::cell::RefCell;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::file::names::Scope;
use crate::file::reader::{Field, TableReader, did_you_mean};
use crate::file::service::read_headers;
use crate::file::tree::Data;
use crate::file::{Builder, MAX_NAME, check, json};
use crate::grpc::split_method;
use crate::{
    DEFAULT_MAX_MESSAGE_BYTES, GRPC_STATUSES, GrpcCall, GrpcMethod, GrpcStatusSet, MAX_PROTO_BYTES,
    ProtoSources, ProtoTypes, Step, StepKind, Template,
};

/// The most messages that one call sends.
const MAX_MESSAGES: usize = 10_000;
/// The most files and import paths that are named at once.
const MAX_PATHS: usize = 100;
/// The largest message that may be allowed, in bytes.
const MAX_MESSAGE_BYTES: u64 = 1 << 30;

/// The `.proto` files of a file and what has been compiled of them.
#[derive(Debug, Default)]
pub(crate) struct Protos {
    /// Those of `[service]`, for steps that name none.
    pub(crate) of_service: RefCell<Option<ProtoSources>>,
    /// Every set of them, with its types; `None` where they have not been read or are wrong.
    sets: RefCell<Vec<(ProtoSources, Option<ProtoTypes>)>>,
}

impl Protos {
    /// Every set of `.proto` files that was named.
    pub(crate) fn into_sources(self) -> Vec<ProtoSources> {
        self.sets.into_inner().into_iter().map(|(sources, _)| sources).collect()
    }
}

/// `proto` and `import_paths` of a step or a service.
pub(crate) fn read_protos(
    builder: &Builder<'_>,
    table: &TableReader<'_>,
    fixed: &Scope<'_>,
) -> Option<ProtoSources> {
    const EXAMPLE: &str = "[\"protos\"]";
    let folders = table.get("import_paths");
    let Some(field) = table.get("proto") else {
        if let Some(field) = folders {
            field.error("`import_paths` goes with `proto`", "name the file too: proto = \"trading.proto\"");
        }
        return None;
    };
    let mut sources = ProtoSources::default();
    for file in one_or_more(&field, "\"trading.proto\"").iter().take(MAX_PATHS) {
        if let Some(path) = fixed.text(file, "\"trading.proto\"") {
            builder.needed(file, &path, MAX_PROTO_BYTES);
            sources.files.push(path);
        }
    }
    let folders = folders.map(|field| one_or_more(&field, EXAMPLE)).unwrap_or_default();
    sources.import_paths =
        folders.iter().take(MAX_PATHS).filter_map(|field| fixed.text(field, EXAMPLE)).collect();
    let missing =
        builder.files.is_some_and(|files| sources.files.iter().any(|path| !files.contains_key(path)));
    builder.protos.add(builder, &field, &sources, missing);
    Some(sources)
}

impl Protos {
    /// Compiles a set once, when its files have been read.
    fn add(&self, builder: &Builder<'_>, field: &Field<'_>, sources: &ProtoSources, incomplete: bool) {
        let mut sets = self.sets.borrow_mut();
        if sets.iter().any(|(known, _)| known == sources) {
            return;
        }
        let files = builder.files.filter(|_| !incomplete && !sources.files.is_empty());
        let types = files.and_then(|files| match sources.compile(files) {
            Ok(types) => Some(types),
            Err(error) => {
                let help = "imports are looked for in `import_paths` and beside the file";
                field.error(format!("the .proto files cannot be compiled: {error}"), help);
                None
            }
        });
        sets.push((sources.clone(), types));
    }

    fn types(&self, sources: &ProtoSources) -> Option<ProtoTypes> {
        let sets = self.sets.borrow();
        sets.iter().find(|(known, _)| known == sources).and_then(|(_, types)| types.clone())
    }
}

/// Reads the call; what it has in common with requests is read elsewhere.
pub(crate) fn read(
    builder: &Builder<'_>,
    table: &TableReader<'_>,
    field: &Field<'_>,
    scope: &Scope<'_>,
) -> Option<Step> {
    let method = read_method(field);
    let sources = read_protos(builder, table, &Scope::fixed(scope.names));
    let sources = sources.or_else(|| builder.protos.of_service.borrow().clone());
    let messages = read_messages(table, scope);
    let gzip = table.get("compression").is_some_and(|field| read_compression(&field));
    let expect = table.get("expect").and_then(|field| read_grpc_status(&field)).unwrap_or_default();
    let max_message_bytes = table
        .get("max_message_size")
        .and_then(|field| read_size(&field))
        .unwrap_or(DEFAULT_MAX_MESSAGE_BYTES);
    let (service, name) = method?;
    let path = format!("/{service}/{name}");
    let mut step = Step::new("POST", &shortened(&path[1..]), Template::literal(path));
    step.headers = table.get("metadata").map_or_else(Vec::new, |field| read_metadata(&field, scope));
    step.timeout = table.get("timeout").and_then(|field| field.time_span("\"2s\""));
    step.checks = table.get("checks").map_or_else(Vec::new, |field| check::read(&field, scope));
    let types = sources.and_then(|sources| builder.protos.types(&sources)).and_then(|types| {
        types.method(&service, &name).map_err(|error| field.error(error.to_string(), "correct the name")).ok()
    });
    if let Some(types) = &types {
        check_messages(types, table, &messages);
    }
    let messages = messages.into_iter().map(|(_, template)| template).collect();
    let call = GrpcCall { service, method: name, types, messages, gzip, expect, max_message_bytes };
    step.kind = StepKind::Grpc(Box::new(call));
    Some(step)
}

fn shortened(name: &str) -> String {
    name.chars().take(MAX_NAME).collect()
}

fn read_method(field: &Field<'_>) -> Option<(String, String)> {
    let text = field.text("\"trading.v1.Quotes/Get\"")?;
    match split_method(text) {
        Ok((service, method)) => Some((service.to_owned(), method.to_owned())),
        Err(reason) => {
            let help = "write for example grpc = \"trading.v1.Quotes/Get\"";
            field.error(format!("`{text}` is no method of a service: {reason}"), help);
            None
        }
    }
}

/// `message`, or `messages`; an empty one when there are none.
fn read_messages<'f>(table: &TableReader<'f>, scope: &Scope<'_>) -> Vec<(Option<Field<'f>>, Template)> {
    const EXAMPLE: &str = "{ symbol = \"SPY\" }";
    let fields = match table.one_of(&["message", "messages"]) {
        None => return vec![(None, Template::literal("{}"))],
        Some(("message", field)) => vec![field],
        Some((_, field)) => {
            let items = field.items("[{ symbol = \"SPY\" }]").unwrap_or_default();
            if items.is_empty() || items.len() > MAX_MESSAGES {
                let message = format!("a call sends 1 to {MAX_MESSAGES} messages");
                field.error(message, "write for example messages = [{ symbol = \"SPY\" }]");
            }
            items
        }
    };
    let read = |field: Field<'f>| {
        if !matches!(field.node.data, Data::Table(_)) {
            field.wrong_type("a table", EXAMPLE);
        }
        let template = json::template(&field, scope);
        (Some(field), template)
    };
    fields.into_iter().take(MAX_MESSAGES).map(read).collect()
}

/// What shows before the load starts: too many messages, and wrong ones that are always the same.
fn check_messages(types: &GrpcMethod, table: &TableReader<'_>, messages: &[(Option<Field<'_>>, Template)]) {
    if messages.len() > 1 && !types.takes_stream() {
        let help = "write message = { … }, or use `repeat` for several calls".to_owned();
        table.error("the method takes one message, not several", Some(help));
    }
    for (field, template) in messages {
        if let (Some(field), Some(text)) = (field, template.as_static())
            && let Err(error) = types.encode(text.as_bytes())
        {
            field.error(format!("the message cannot be sent: {error}"), "correct it, or the .proto file");
        }
    }
}

/// Metadata are header fields, but some names are the protocol's own, and those that end in `-bin` hold base64.
fn read_metadata(field: &Field<'_>, scope: &Scope<'_>) -> Vec<(String, Template)> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let base64 = GeneralPurpose::new(&STANDARD, lenient);
    for (entry, value) in field.entries("{ \"x-stage\" = \"test\" }").unwrap_or_default() {
        let name = entry.key.to_ascii_lowercase();
        if name.starts_with("grpc-") || name == "content-type" {
            let message = format!("`{}` cannot be given: the protocol sets it", entry.key);
            value.error_at(entry.key_span.clone(), message, Some("leave it out".to_owned()));
        }
        if let (true, Data::Text(text)) = (name.ends_with("-bin"), &value.node.data)
            && !text.contains("${")
            && base64.decode(text).is_err()
        {
            value.error(
                "metadata whose name ends in -bin are bytes, written as base64",
                "write for example \"AAEC\"",
            );
        }
    }
    read_headers(field, scope)
}

fn read_compression(field: &Field<'_>) -> bool {
    match field.text("\"gzip\"") {
        Some("gzip") => return true,
        Some("identity") | None => {}
        Some(other) => {
            field.error(format!("`{other}` is not a known compression"), "write \"gzip\" or \"identity\"");
        }
    }
    false
}

/// A size in the grammar of checks.
fn read_size(field: &Field<'_>) -> Option<u64> {
    const EXAMPLE: &str = "\"16MiB\"";
    let text = field.text(EXAMPLE)?;
    let limit = format!("bytes_received.max < {text}").parse::<pulse_model::Target>().ok();
    let bytes = limit.filter(|target| target.tags.is_empty()).map(|target| target.limit as u64);
    let fitting = bytes.filter(|bytes| (1..=MAX_MESSAGE_BYTES).contains(bytes));
    if fitting.is_none() {
        let message = format!("`{text}` is no size between 1B and 1GiB");
        field.error(message, format!("write for example {EXAMPLE}"));
    }
    fitting
}

/// `"OK"`, or a list of names.
pub(crate) fn read_grpc_status(field: &Field<'_>) -> Option<GrpcStatusSet> {
    let mut set = GrpcStatusSet::empty();
    let items = one_or_more(field, "[\"OK\", \"NOT_FOUND\"]");
    for item in &items {
        let name = item.text("\"OK\"")?;
        if !set.add(name) {
            let help = did_you_mean(name, GRPC_STATUSES)
                .unwrap_or_else(|| format!("the statuses are {}", GRPC_STATUSES.join(", ")));
            item.error(format!("gRPC has no status `{name}`"), help);
        }
    }
    (set != GrpcStatusSet::empty()).then_some(set)
}

/// A value on its own, or a list of at least one.
fn one_or_more<'f>(field: &Field<'f>, example: &str) -> Vec<Field<'f>> {
    if !matches!(field.node.data, Data::List(_)) {
        return vec![Field { node: field.node, path: field.path.clone(), notes: field.notes }];
    }
    let items = field.items(example).unwrap_or_default();
    if items.is_empty() {
        field.error("the list is empty", format!("write for example {example}"));
    }
    items
}
