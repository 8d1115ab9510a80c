//! Connections that go elsewhere than to the host and port of the URL.

/// Sends the connections to one host and port to another. The URL's host stays in the request, and it is the one that the
/// certificate must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redirection {
    /// Host of the URL, an IPv6 address without brackets; `None` is any.
    pub from_host: Option<String>,
    /// Port of the URL; `None` is any.
    pub from_port: Option<u16>,
    /// Host to connect to; `None` keeps that of the URL.
    pub to_host: Option<String>,
    /// Port to connect to; `None` keeps that of the URL.
    pub to_port: Option<u16>,
}

/// Host and port to connect to for those of a URL: the first redirection that fits says it.
pub(crate) fn redirected(redirections: &[Redirection], host: &str, port: u16) -> (String, u16) {
    let fits = |redirection: &&Redirection| {
        redirection.from_host.as_deref().is_none_or(|from| from.eq_ignore_ascii_case(host))
            && redirection.from_port.is_none_or(|from| from == port)
    };
    let Some(found) = redirections.iter().find(fits) else { return (host.to_owned(), port) };
    (found.to_host.clone().unwrap_or_else(|| host.to_owned()), found.to_port.unwrap_or(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_fits_counts_and_what_it_leaves_open_stays() {
        let to = |from_host: &str, from_port: u16, to_host: &str, to_port: u16| {
            let host = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            let port = |port: u16| Some(port).filter(|port| *port != 0);
            Redirection {
                from_host: host(from_host),
                from_port: port(from_port),
                to_host: host(to_host),
                to_port: port(to_port),
            }
        };
        let table =
            [to("a.example", 443, "b.example", 8443), to("A.example", 0, "", 81), to("", 9, "::1", 0)];
        for (host, port, expected) in [
            ("a.example", 443, ("b.example", 8443)),
            ("a.example", 80, ("a.example", 81)),
            ("c.example", 9, ("::1", 9)),
            ("c.example", 80, ("c.example", 80)),
        ] {
            let (to_host, to_port) = redirected(&table, host, port);
            assert_eq!((to_host.as_str(), to_port), expected, "{host}:{port}");
        }
    }
}
