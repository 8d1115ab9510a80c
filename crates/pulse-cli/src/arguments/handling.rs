//! What happens around a request: connections, redirects, compression, limits.

use clap::Args;
use pulse_plan::{ByteSize, ConnectionReuse, LimitOptions, MAX_REDIRECTS, ServiceOptions};

/// How connections are used, and what becomes of answers.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Request")]
pub(crate) struct HandlingFlags {
    /// How long a connection is kept: per-user, per-iteration or per-request [default: per-user].
    #[arg(long, value_name = "HOW")]
    connections: Option<ConnectionReuse>,
    /// Redirects to follow within the service; 0 = a redirect is the answer [default: 0].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=i64::from(MAX_REDIRECTS)))]
    redirects: Option<u32>,
    /// Ask for compressed answers (gzip, deflate, Brotli, Zstandard); decoded where a step looks at the body.
    #[arg(long)]
    compressed: bool,
    /// Longest head of an answer, for example 64KiB [default: 64KiB].
    #[arg(long, value_name = "SIZE")]
    max_head: Option<ByteSize>,
    /// Longest body of an answer [default: 1GiB].
    #[arg(long, value_name = "SIZE")]
    max_body: Option<ByteSize>,
    /// Longest body that is held in memory because a step looks at it [default: 16MiB].
    #[arg(long, value_name = "SIZE")]
    max_kept_body: Option<ByteSize>,
}

impl HandlingFlags {
    /// Adds what the flags say.
    pub(crate) fn apply(&self, options: ServiceOptions) -> ServiceOptions {
        ServiceOptions {
            connections: self.connections,
            redirects: self.redirects,
            compression: self.compressed.then_some(true),
            limits: LimitOptions { head: self.max_head, body: self.max_body, kept_body: self.max_kept_body },
            ..options
        }
    }
}
