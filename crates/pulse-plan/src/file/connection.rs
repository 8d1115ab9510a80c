//! The tables `[service.connection]` and `[service.tls]`.

use std::net::IpAddr;
use std::str::FromStr;

use crate::connection::{
    ClientKey, ConnectionError, ConnectionOptions, IpVersion, ProxyChoice, SourceAddresses, TlsSettings,
};
use crate::file::Builder;
use crate::file::names::Scope;
use crate::file::reader::{Field, TableReader};
use crate::file::tree::Data;

/// The largest file with a certificate or a key, in bytes.
const MAX_PEM_BYTES: usize = 4 << 20;
/// The most entries of a list.
const MAX_ENTRIES: usize = 10_000;

pub(crate) fn read_connection(table: &TableReader<'_>, fixed: &Scope<'_>) -> ConnectionOptions {
    let mut options = ConnectionOptions::default();
    let example = "{ proxy = \"http://proxy.example:3128\" }";
    let Some(table) = table.get("connection").and_then(|field| field.table(example)) else { return options };
    // A proxy's error does not repeat the text, which may hold a password.
    options.proxy = table
        .get("proxy")
        .and_then(|field| parsed::<ProxyChoice>(&field, fixed, "\"http://proxy.example:3128\""));
    options.no_proxy = table.get("no_proxy").and_then(|field| {
        let entries = texts(&field, fixed, "[\"localhost\", \"10.0.0.0/8\"]")?;
        told(&field, entries.join(",").parse())
    });
    options.resolve = list(&table, "resolve", fixed, "[\"api.example:443:10.0.0.7\"]");
    options.connect_to = list(&table, "connect_to", fixed, "[\"api.example:443:10.0.0.7:8443\"]");
    options.ip_version = table.get("ip_version").and_then(|field| read_ip_version(&field));
    options.addresses = table.get("addresses").and_then(|field| field.parsed("\"round-robin\""));
    options.dns_server = table.get("dns_server").and_then(|field| parsed(&field, fixed, "\"10.0.0.53\""));
    options.dns_refresh = table.get("dns_refresh").and_then(|field| field.time_span("\"30s\""));
    options.unix_socket =
        table.get("unix_socket").and_then(|field| parsed(&field, fixed, "\"/run/api.sock\""));
    let sources: Vec<SourceAddresses> = list(&table, "source_address", fixed, "[\"10.0.0.0/28\"]");
    options.source_addresses = sources.into_iter().flat_map(|addresses| addresses.0).collect::<Vec<IpAddr>>();
    options.nodelay = table.get("nodelay").and_then(|field| field.boolean("true"));
    if let (Some(_), Some(ProxyChoice::Through(_)), Some(field)) =
        (&options.unix_socket, &options.proxy, table.get("proxy"))
    {
        field.error("`proxy` and `unix_socket` exclude each other", "keep one of them");
    }
    table.finish();
    options
}

pub(crate) fn read_tls(builder: &Builder<'_>, table: &TableReader<'_>, fixed: &Scope<'_>) -> TlsSettings {
    let mut settings = TlsSettings::default();
    let example = "{ min_version = \"1.3\" }";
    let Some(table) = table.get("tls").and_then(|field| field.table(example)) else { return settings };
    settings.min_version = table.get("min_version").and_then(|field| field.parsed("\"1.2\""));
    settings.max_version = table.get("max_version").and_then(|field| field.parsed("\"1.3\""));
    let pem = |key, example| {
        let field = table.get(key)?;
        let path = fixed.text(&field, example)?;
        builder.needed(&field, &path, MAX_PEM_BYTES).map(|bytes| ClientKey(bytes.to_vec()))
    };
    settings.client_certificate = pem("client_certificate", "\"client.pem\"");
    settings.client_key = pem("client_key", "\"client-key.pem\"");
    if let (Some(field), None) = (table.get("client_key"), table.get("client_certificate")) {
        field.error(
            ConnectionError::KeyWithoutCertificate.to_string(),
            "add client_certificate = \"client.pem\"",
        );
    }
    settings.server_name = table.get("server_name").and_then(|field| fixed.text(&field, "\"api.example\""));
    settings.resumption = table.get("resumption").and_then(|field| field.boolean("true"));
    if let (Err(error), Some(field)) = (settings.check(), table.get("min_version"))
        && error == ConnectionError::NoTlsVersion
    {
        field.error("`min_version` is above `max_version`", "keep one of them");
    }
    table.finish();
    settings
}

fn read_ip_version(field: &Field<'_>) -> Option<IpVersion> {
    match field.node.data {
        Data::Integer(4) => Some(IpVersion::V4),
        Data::Integer(6) => Some(IpVersion::V6),
        _ => {
            field.error("`ip_version` must be 4 or 6", "write for example ip_version = 4");
            None
        }
    }
}

/// The entries of a key that takes one text or a list of them.
fn list<T: FromStr<Err = ConnectionError>>(
    table: &TableReader<'_>,
    key: &'static str,
    fixed: &Scope<'_>,
    example: &str,
) -> Vec<T> {
    let Some(field) = table.get(key) else { return Vec::new() };
    if !matches!(field.node.data, Data::List(_)) {
        return parsed(&field, fixed, example).into_iter().collect();
    }
    let items = items(&field, example).unwrap_or_default();
    items.iter().filter_map(|item| parsed(item, fixed, example)).collect()
}

fn texts(field: &Field<'_>, fixed: &Scope<'_>, example: &str) -> Option<Vec<String>> {
    if !matches!(field.node.data, Data::List(_)) {
        return Some(vec![fixed.text(field, example)?]);
    }
    items(field, example)?.iter().map(|item| fixed.text(item, example)).collect()
}

fn items<'a>(field: &Field<'a>, example: &str) -> Option<Vec<Field<'a>>> {
    let items = field.items(example)?;
    if items.len() > MAX_ENTRIES {
        field.error(format!("the list has more than {MAX_ENTRIES} entries"), "use fewer");
        return None;
    }
    Some(items)
}

fn parsed<T: FromStr<Err = ConnectionError>>(
    field: &Field<'_>,
    fixed: &Scope<'_>,
    example: &str,
) -> Option<T> {
    let text = fixed.text(field, example)?;
    told(field, text.parse())
}

/// The value, or its error at the field.
fn told<T>(field: &Field<'_>, result: Result<T, ConnectionError>) -> Option<T> {
    result.map_err(|error| field.error_at(field.node.span.clone(), error.to_string(), None)).ok()
}
