//! The messages of SOCKS version 5 (RFC 1928), with names and passwords (RFC 1929).

use super::proxy::{Answer, Destination, Host, ProxyCredentials, ProxyError};
use std::net::IpAddr;

const VERSION: u8 = 5;
/// Version of the exchange of name and password.
const LOGIN_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// How the client says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Nobody,
    Password,
}

/// The first message: the ways to authenticate that the client knows.
pub(crate) fn greeting(credentials: Option<&ProxyCredentials>) -> Vec<u8> {
    match credentials {
        None => vec![VERSION, 1, 0],
        Some(_) => vec![VERSION, 2, 0, 2],
    }
}

/// The way that the proxy chose.
pub(crate) fn chosen_method(bytes: &[u8]) -> Answer<Method> {
    match bytes {
        [] | [VERSION] => Ok(None),
        [VERSION, 0, ..] => Ok(Some((Method::Nobody, 2))),
        [VERSION, 2, ..] => Ok(Some((Method::Password, 2))),
        [VERSION, 0xff, ..] => Err(ProxyError::Credentials),
        _ => Err(ProxyError::NotUnderstood("SOCKS5 greeting")),
    }
}

/// Name and password.
pub(crate) fn login(credentials: &ProxyCredentials) -> Result<Vec<u8>, ProxyError> {
    let mut message = vec![LOGIN_VERSION];
    push_text(&mut message, &credentials.name)?;
    push_text(&mut message, &credentials.password)?;
    Ok(message)
}

/// Whether they are the right ones.
pub(crate) fn login_answer(bytes: &[u8]) -> Answer<()> {
    match bytes {
        [] | [LOGIN_VERSION] => Ok(None),
        [LOGIN_VERSION, 0, ..] => Ok(Some(((), 2))),
        [LOGIN_VERSION, ..] => Err(ProxyError::Credentials),
        _ => Err(ProxyError::NotUnderstood("SOCKS5 answer to a password")),
    }
}

/// Asks for a connection.
pub(crate) fn request(destination: &Destination) -> Result<Vec<u8>, ProxyError> {
    let mut message = vec![VERSION, CONNECT, 0];
    match &destination.host {
        Host::Address(IpAddr::V4(address)) => {
            message.push(IPV4);
            message.extend(address.octets());
        }
        Host::Address(IpAddr::V6(address)) => {
            message.push(IPV6);
            message.extend(address.octets());
        }
        Host::Name(name) => {
            message.push(NAME);
            push_text(&mut message, name)?;
        }
    }
    message.extend(destination.port.to_be_bytes());
    Ok(message)
}

fn push_text(message: &mut Vec<u8>, text: &str) -> Result<(), ProxyError> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length > 0).ok_or(ProxyError::Length)?;
    message.push(length);
    message.extend(text.bytes());
    Ok(())
}

/// What a SOCKS proxy says to a request.
#[derive(Debug)]
pub struct Socks5Reply;

impl Socks5Reply {
    /// Reads the reply. `Some` with its length in bytes: the connection is made. `None`: the reply has not ended yet.
    pub fn parse(bytes: &[u8]) -> Result<Option<((), usize)>, ProxyError> {
        const NOT_UNDERSTOOD: ProxyError = ProxyError::NotUnderstood("SOCKS5 reply");
        match bytes {
            [] | [VERSION] => return Ok(None),
            [VERSION, 0, ..] => {}
            [VERSION, reply, ..] => return Err(ProxyError::Reply(reason(*reply))),
            _ => return Err(NOT_UNDERSTOOD),
        }
        // The address from which the proxy connected says nothing to us, but it must be read.
        let address = match bytes.get(3..) {
            None | Some([] | [NAME]) => return Ok(None),
            Some([IPV4, ..]) => 4,
            Some([IPV6, ..]) => 16,
            Some([NAME, length, ..]) => 1 + usize::from(*length),
            Some(_) => return Err(NOT_UNDERSTOOD),
        };
        let length = 4 + address + 2;
        Ok((bytes.len() >= length).then_some(((), length)))
    }
}

/// RFC 1928, section 6.
fn reason(reply: u8) -> &'static str {
    match reply {
        1 => "a general failure",
        2 => "its rules do not allow it",
        3 => "the network is unreachable",
        4 => "the host is unreachable, or has no address",
        5 => "nobody listens at the service's address",
        6 => "the service did not answer in time",
        7 => "it does not know the command",
        8 => "it does not know this kind of address",
        _ => "a reason that has no name",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        let credentials = ProxyCredentials { name: "me".into(), password: "pw".into() };
        assert_eq!(greeting(None), [5, 1, 0]);
        assert_eq!(greeting(Some(&credentials)), [5, 2, 0, 2]);
        assert_eq!(login(&credentials).unwrap(), b"\x01\x02me\x02pw");
        let of = |host: &str| request(&Destination { host: Host::new(host), port: 258 });
        assert_eq!(of("127.0.0.1").unwrap(), [5, 1, 0, 1, 127, 0, 0, 1, 1, 2]);
        assert_eq!(of("::1").unwrap()[3..], [4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2]);
        assert_eq!(of("a.b").unwrap(), b"\x05\x01\x00\x03\x03a.b\x01\x02");
        assert_eq!(of(&"x".repeat(256)), Err(ProxyError::Length));
        assert_eq!(of(""), Err(ProxyError::Length));
    }

    #[test]
    fn replies_are_complete_exactly_at_their_end() {
        for reply in [
            &[5, 0, 0, 1, 1, 2, 3, 4, 0, 80][..],
            &[5, 0, 0, 3, 3, b'a', b'.', b'b', 0, 80],
            &[5, 0, 0, 3, 0, 0, 80],
            &[5, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 80],
        ] {
            for length in 0..reply.len() {
                assert_eq!(Socks5Reply::parse(&reply[..length]), Ok(None), "{length} of {reply:?}");
            }
            assert_eq!(Socks5Reply::parse(reply), Ok(Some(((), reply.len()))));
        }
    }

    #[test]
    fn refusals_and_garbage() {
        assert_eq!(chosen_method(&[5, 0xff]), Err(ProxyError::Credentials));
        assert_eq!(login_answer(&[1, 7]), Err(ProxyError::Credentials));
        for garbage in [&[4, 0][..], b"HTTP", &[5, 9]] {
            assert!(matches!(chosen_method(garbage), Err(ProxyError::NotUnderstood(_))), "{garbage:?}");
        }
        assert!(matches!(login_answer(&[5, 0]), Err(ProxyError::NotUnderstood(_))));
        assert!(matches!(Socks5Reply::parse(&[4, 90]), Err(ProxyError::NotUnderstood(_))));
        assert!(matches!(Socks5Reply::parse(&[5, 0, 0, 9]), Err(ProxyError::NotUnderstood(_))));
        for reply in 1..=255 {
            assert!(matches!(Socks5Reply::parse(&[5, reply]), Err(ProxyError::Reply(_))), "{reply}");
        }
    }
}
