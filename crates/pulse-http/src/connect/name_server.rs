//! Asks one name server for the addresses of a name (RFC 1035): over UDP, and over TCP where the answer is too long.

use super::resolver::IpFamily;
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// A question that was not answered is asked again after this: a datagram may get lost.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest answer over UDP that is read. Longer ones come only to those who ask for them.
const MAX_DATAGRAM: usize = 4096;

/// The addresses of `host`: those of IPv4 first. Ends only with an answer; the caller sets the limit.
pub(crate) async fn look_up(
    server: SocketAddr,
    host: &str,
    family: Option<IpFamily>,
) -> Result<Vec<IpAddr>, String> {
    let mut found = Vec::new();
    for (wanted, kind) in [(IpFamily::V4, TYPE::A), (IpFamily::V6, TYPE::AAAA)] {
        if family.is_none_or(|family| family == wanted) {
            found.extend(ask(server, host, kind).await?);
        }
    }
    if found.is_empty() {
        return Err(format!("the name server {server} knows none"));
    }
    Ok(found)
}

async fn ask(server: SocketAddr, host: &str, kind: TYPE) -> Result<Vec<IpAddr>, String> {
    // Who guesses the number could answer in the server's place; the standard library's hash keys are random.
    let id = RandomState::new().hash_one(host) as u16;
    let question = question(id, host, kind)?;
    let failed = |error: io::Error| format!("the name server {server} cannot be asked: {error}");
    let answer = match over_udp(server, &question, id).await.map_err(failed)? {
        Some(answer) => answer,
        None => over_tcp(server, &question).await.map_err(failed)?,
    };
    NameServerAnswer::parse(&answer).map_err(|error| format!("the name server {server} {error}"))
}

fn question(id: u16, host: &str, kind: TYPE) -> Result<Vec<u8>, String> {
    let name =
        Name::new(host).map_err(|_| "it is not a name that a name server can be asked for".to_owned())?;
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(name, QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), false));
    packet.build_bytes_vec().map_err(|error| error.to_string())
}

/// The answer; `None` if it did not fit into a datagram.
async fn over_udp(server: SocketAddr, question: &[u8], id: u16) -> io::Result<Option<Vec<u8>>> {
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    socket.connect(server).await?;
    let mut datagram = vec![0; MAX_DATAGRAM];
    loop {
        socket.send(question).await?;
        let Ok(length) = timeout(PATIENCE, answer_to(&socket, &mut datagram, id)).await else { continue };
        datagram.truncate(length?);
        let truncated = Packet::parse(&datagram).is_ok_and(|packet| packet.has_flags(PacketFlag::TRUNCATION));
        // A cut answer need not be well formed: the flag is in its head.
        let truncated = truncated || datagram.get(2).is_some_and(|flags| flags & 2 == 2);
        return Ok((!truncated).then_some(datagram));
    }
}

/// The length of the next datagram with this number; others answer nothing that was asked.
async fn answer_to(socket: &UdpSocket, datagram: &mut [u8], id: u16) -> io::Result<usize> {
    loop {
        let length = socket.recv(datagram).await?;
        if datagram[..length].starts_with(&id.to_be_bytes()) {
            return Ok(length);
        }
    }
}

/// Messages have their length in front of them; it has two bytes, so that an answer is never longer than 64 KiB.
async fn over_tcp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let mut message = (question.len() as u16).to_be_bytes().to_vec();
    message.extend_from_slice(question);
    stream.write_all(&message).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// Why an answer of a name server has no list of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameServerError {
    /// The bytes are no message of DNS.
    #[error("answers with what is no answer: {0}")]
    NotUnderstood(String),
    /// The message asks something itself.
    #[error("answers with a question")]
    Question,
    /// There is no such name.
    #[error("does not know the name")]
    UnknownName,
    /// Another code than success, by its name.
    #[error("answers with the error {0}")]
    Refused(String),
}

/// What a name server says to the question for the addresses of a name.
#[derive(Debug)]
pub struct NameServerAnswer;

impl NameServerAnswer {
    /// The addresses in an answer. A name that has none of the wanted kind has an empty list, which is no error.
    pub fn parse(bytes: &[u8]) -> Result<Vec<IpAddr>, NameServerError> {
        let packet =
            Packet::parse(bytes).map_err(|error| NameServerError::NotUnderstood(error.to_string()))?;
        if !packet.has_flags(PacketFlag::RESPONSE) {
            return Err(NameServerError::Question);
        }
        match packet.rcode() {
            RCODE::NoError => {}
            RCODE::NameError => return Err(NameServerError::UnknownName),
            code => return Err(NameServerError::Refused(format!("{code:?}"))),
        }
        // Aliases (CNAME) on the way to the addresses are in the same answer; their names differ, the addresses count.
        let address = |data: &RData<'_>| match data {
            RData::A(a) => Some(IpAddr::from(Ipv4Addr::from_bits(a.address))),
            RData::AAAA(aaaa) => Some(IpAddr::from(Ipv6Addr::from_bits(aaaa.address))),
            _ => None,
        };
        Ok(packet.answers.iter().filter_map(|record| address(&record.rdata)).collect())
    }
}
