//! How a service is reached, and what it wants to know of its clients: the same for every command that asks one.

use std::path::PathBuf;

use clap::Args;
use pulse_model::Nanos;
use pulse_plan::{Authorization, ServiceOptions};

use super::ConnectionFlags;
use crate::problem::Problem;
use crate::source::read_file_of;

/// The largest file of certificates.
const MAX_CERTIFICATE_BYTES: usize = 16 << 20;

/// How a service is reached.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Request")]
pub(crate) struct AccessFlags {
    /// Header field `Name: value`; repeatable.
    #[arg(short = 'H', long = "header", value_name = "FIELD", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Limit for establishing a connection [default: 5s].
    #[arg(long, value_name = "D")]
    connect_timeout: Option<Nanos>,
    /// Accept any certificate.
    #[arg(short = 'k', long)]
    insecure: bool,
    /// Certificates to trust besides the system's (PEM).
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Basic authentication.
    #[arg(long, value_name = "NAME:PASSWORD", conflicts_with = "bearer")]
    user: Option<String>,
    /// Bearer token.
    #[arg(long, value_name = "TOKEN")]
    bearer: Option<String>,
    #[command(flatten)]
    connection: ConnectionFlags,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header field is written `Name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

impl AccessFlags {
    /// What the flags say of the service.
    pub(crate) fn options(&self) -> Result<ServiceOptions, Problem> {
        if self.user.as_ref().is_some_and(|user| !user.contains(':')) {
            // The value is not repeated: it may be a password.
            return Err(Problem::usage("--user is written NAME:PASSWORD; the colon is missing"));
        }
        let certificate =
            self.cacert.as_deref().map(|path| read_file_of("--cacert", path, MAX_CERTIFICATE_BYTES));
        let basic = self.user.clone().map(Authorization::Basic);
        Ok(ServiceOptions {
            headers: self.headers.clone(),
            authorization: basic.or_else(|| self.bearer.clone().map(Authorization::Bearer)),
            connect_timeout: self.connect_timeout,
            insecure: self.insecure.then_some(true),
            ca_certificate: certificate.transpose()?,
            ..self.connection.options()?
        })
    }

    /// Whether anything was said.
    pub(crate) fn is_given(&self) -> bool {
        !self.headers.is_empty()
            || self.connect_timeout.is_some()
            || self.insecure
            || self.cacert.is_some()
            || self.user.is_some()
            || self.bearer.is_some()
            || self.connection.is_given()
    }
}
