//! Flags of the dashboard.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;

/// Where it serves unless another address is given.
const SERVE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9900);

/// Looking at a load while it runs.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Dashboard")]
pub(crate) struct DashboardFlags {
    /// Show the run in a browser while it goes on; also serves /metrics and /api/summary.
    #[arg(long)]
    dashboard: bool,
    /// Where to show it [default: 127.0.0.1:9900].
    #[arg(long, value_name = "ADDR", requires = "dashboard", value_parser = address)]
    listen: Option<SocketAddr>,
    /// What viewers must know; one is made up for addresses that others can reach.
    #[arg(long, value_name = "TOKEN", requires = "dashboard")]
    token: Option<String>,
}

impl DashboardFlags {
    /// Where to show it, where that was asked for.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.dashboard.then(|| self.listen.unwrap_or(SERVE))
    }

    /// What viewers must know.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }
}

/// `127.0.0.1:9900`, `:9900` or `9900` for this machine only, `[::]:9900` or `0.0.0.0:9900` for all.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
        return Ok(SocketAddr::new(SERVE.ip(), port));
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, SERVE.port()));
    }
    let named = text.replacen("localhost:", "127.0.0.1:", 1);
    named.parse().map_err(|_| "an address is written 127.0.0.1:9900, :9900 or 0.0.0.0:9900".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, address_text) in [
            ("9900", Some("127.0.0.1:9900")),
            (":8", Some("127.0.0.1:8")),
            ("0.0.0.0:9900", Some("0.0.0.0:9900")),
            ("[::]:80", Some("[::]:80")),
            ("::1", Some("[::1]:9900")),
            ("10.0.0.1", Some("10.0.0.1:9900")),
            ("localhost:7", Some("127.0.0.1:7")),
            ("http://127.0.0.1:8000", None),
            ("99999", None),
            ("", None),
        ] {
            assert_eq!(address(text).ok().map(|it| it.to_string()).as_deref(), address_text, "{text}");
        }
    }
}
