//! The `[service]` table.

use crate::file::grpc::read_protos;
use crate::file::names::Scope;
use crate::file::reader::{Field, TableReader};
use crate::file::tree::Data;
use crate::file::{Builder, connection};
use crate::service::{MAX_STREAMS, ServiceUrl, check_header_name, check_header_value};
use crate::{Authorization, Escape, LimitOptions, MAX_REDIRECTS, ServiceOptions, StatusSet, Template};

/// The largest file with certificates, in bytes.
const MAX_CA_BYTES: usize = 4 << 20;

/// What `[service]` says. Header fields may have values that change, so they are not among the options.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServiceTable {
    pub(crate) options: ServiceOptions,
    pub(crate) headers: Vec<(String, Template)>,
}

pub(crate) fn read(builder: &Builder<'_>, root: &TableReader<'_>, scope: &Scope<'_>) -> ServiceTable {
    let Some(table) =
        root.get("service").and_then(|field| field.table("{ url = \"http://127.0.0.1:8000\" }"))
    else {
        return ServiceTable::default();
    };
    let service = read_keys(builder, &table, scope);
    table.finish();
    service
}

/// The keys that `[service]` has in every file.
pub(crate) fn read_keys(builder: &Builder<'_>, table: &TableReader<'_>, scope: &Scope<'_>) -> ServiceTable {
    let fixed = Scope::fixed(scope.names);
    let mut options = ServiceOptions::default();
    if let Some(field) = table.get("url") {
        options.url = fixed.text(&field, "\"http://127.0.0.1:8000\"");
        if let Some(Err(error)) = options.url.as_deref().map(ServiceUrl::parse) {
            field.error_at(field.node.span.clone(), error.to_string(), None);
            options.url = None;
        }
    }
    let headers = table.get("headers").map_or_else(Vec::new, |field| read_headers(&field, scope));
    options.timeout = table.get("timeout").and_then(|field| field.time_span("\"10s\""));
    options.connect_timeout = table.get("connect_timeout").and_then(|field| field.time_span("\"3s\""));
    options.insecure = table.get("insecure").and_then(|field| field.boolean("false"));
    if let Some(field) = table.get("ca_certificate")
        && let Some(path) = fixed.text(&field, "\"ca.pem\"")
    {
        options.ca_certificate = builder.needed(&field, &path, MAX_CA_BYTES).map(<[u8]>::to_vec);
    }
    options.http = table.get("http").and_then(|field| field.parsed("\"2\""));
    let streams = table.get("streams").and_then(|field| field.integer(1..=u64::from(MAX_STREAMS), "16"));
    options.streams = streams.map(|streams| streams as u32);
    options.connection = connection::read_connection(table, &fixed);
    options.tls = connection::read_tls(builder, table, &fixed);
    options.connections = table.get("connections").and_then(|field| field.parsed("\"per-iteration\""));
    options.redirects = table.get("redirects").and_then(|field| read_redirects(&field));
    options.compression = table.get("compression").and_then(|field| field.boolean("true"));
    options.limits = table.get("limits").and_then(|field| read_limits(&field)).unwrap_or_default();
    options.expect = table.get("expect_status").and_then(|field| read_status(&field));
    *builder.protos.of_service.borrow_mut() = read_protos(builder, table, &fixed);
    let authorization = table.one_of(&["user", "bearer"]);
    options.authorization = authorization.and_then(|(key, field)| read_authorization(key, &field, &fixed));
    ServiceTable { options, headers }
}

/// How many redirects are followed.
pub(crate) fn read_redirects(field: &Field<'_>) -> Option<u32> {
    field.integer(0..=u64::from(MAX_REDIRECTS), "5").map(|redirects| redirects as u32)
}

fn read_limits(field: &Field<'_>) -> Option<LimitOptions> {
    let table = field.table("{ body = \"100MiB\" }")?;
    let limits = LimitOptions {
        head: table.get("head").and_then(|field| field.parsed("\"64KiB\"")),
        body: table.get("body").and_then(|field| field.parsed("\"100MiB\"")),
        kept_body: table.get("kept_body").and_then(|field| field.parsed("\"16MiB\"")),
    };
    table.finish();
    Some(limits)
}

fn read_authorization(key: &str, field: &Field<'_>, fixed: &Scope<'_>) -> Option<Authorization> {
    let text = fixed.text(field, if key == "user" { "\"name:password\"" } else { "\"${env.TOKEN}\"" })?;
    if let Err(reason) = check_header_value(&text) {
        field.error(reason, "remove the line break");
        return None;
    }
    if key == "bearer" {
        return Some(Authorization::Bearer(text));
    }
    if !text.contains(':') {
        field.error("`user` must be a name and a password", "write for example user = \"name:password\"");
        return None;
    }
    Some(Authorization::Basic(text))
}

/// Header fields of a service or a step.
pub(crate) fn read_headers(field: &Field<'_>, scope: &Scope<'_>) -> Vec<(String, Template)> {
    let mut headers = Vec::new();
    for (entry, value) in field.entries("{ \"X-Stage\" = \"test\" }").unwrap_or_default() {
        if let Err(reason) = check_header_name(&entry.key) {
            value.error_at(
                entry.key_span.clone(),
                format!("`{}` cannot be a header: {reason}", entry.key),
                None,
            );
        }
        let Some(text) = value.text("\"text\"") else { continue };
        if let Err(reason) = check_header_value(text) {
            value.error(reason, "write it on one line");
        }
        headers.push((entry.key.clone(), scope.template(&value, text, Escape::Header)));
    }
    headers
}

/// `200`, `"2xx"`, `"200,204"` or a list of these.
pub(crate) fn read_status(field: &Field<'_>) -> Option<StatusSet> {
    const EXAMPLE: &str = "[200, \"2xx\"]";
    match &field.node.data {
        Data::Integer(_) => {
            let status = field.integer(100..=599, EXAMPLE)?;
            Some(StatusSet::only(status as u16))
        }
        Data::Text(_) => field.parsed(EXAMPLE),
        Data::List(items) if items.is_empty() => {
            field.error("the list of statuses is empty", format!("write for example {EXAMPLE}"));
            None
        }
        Data::List(_) => {
            let mut all = StatusSet::empty();
            for item in field.items(EXAMPLE)? {
                if matches!(item.node.data, Data::List(_)) {
                    item.wrong_type("a status", "200");
                } else if let Some(part) = read_status(&item) {
                    all.extend(&part);
                }
            }
            Some(all)
        }
        _ => {
            field.wrong_type("a status or a list of them", EXAMPLE);
            None
        }
    }
}
