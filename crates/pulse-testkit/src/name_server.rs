//! A DNS server with a list of names.

use crate::server_thread::join;
use simple_dns::rdata::{A, AAAA, RData};
use simple_dns::{CLASS, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How often it looks whether it is to stop.
const TURN: Duration = Duration::from_millis(20);

/// How a [`NameServer`] behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NameServerManner {
    /// It answers over UDP.
    #[default]
    Plain,
    /// It says over UDP that the answer is too long, and gives it over TCP.
    Truncates,
    /// It answers each question only when it is asked for the second time.
    LosesTheFirst,
    /// It answers with bytes that are no DNS.
    Garbage,
}

/// Answers questions for names (A and AAAA) at a port of 127.0.0.1, the same for UDP and TCP.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    zone: Arc<Zone>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Zone {
    names: Mutex<Vec<(String, IpAddr)>>,
    questions: Mutex<Vec<String>>,
    manner: NameServerManner,
    stop: AtomicBool,
}

impl NameServer {
    /// Starts a server that knows these names.
    ///
    /// # Panics
    /// Where the machine has no port that is free for UDP and TCP.
    pub fn start(names: &[(&str, &str)], manner: NameServerManner) -> Self {
        let (udp, tcp) = (0..100)
            .find_map(|_| {
                let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
                let tcp = TcpListener::bind(udp.local_addr().ok()?).ok()?;
                Some((udp, tcp))
            })
            .expect("a port of 127.0.0.1 that is free for UDP and TCP");
        let address = udp.local_addr().expect("a bound socket has an address");
        let zone = Arc::new(Zone {
            names: Mutex::default(),
            questions: Mutex::default(),
            manner,
            stop: AtomicBool::new(false),
        });
        udp.set_read_timeout(Some(TURN)).expect("a socket can have a time limit");
        tcp.set_nonblocking(true).expect("a listener can be non-blocking");
        let (of_udp, of_tcp) = (Arc::clone(&zone), Arc::clone(&zone));
        let spawn = |name: &str| Builder::new().name(name.to_owned());
        let threads = vec![
            spawn("name-server-udp").spawn(move || of_udp.serve_udp(&udp)).expect("a thread"),
            spawn("name-server-tcp").spawn(move || of_tcp.serve_tcp(&tcp)).expect("a thread"),
        ];
        let server = Self { address, zone, threads };
        server.set(names);
        server
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces the names that it knows.
    ///
    /// # Panics
    /// Where an address is none.
    pub fn set(&self, names: &[(&str, &str)]) {
        let parsed =
            |(name, address): &(&str, &str)| ((*name).to_owned(), address.parse().expect("an address"));
        *self.zone.names.lock().unwrap_or_else(PoisonError::into_inner) = names.iter().map(parsed).collect();
    }

    /// The questions so far, such as `A a.example`.
    pub fn questions(&self) -> Vec<String> {
        self.zone.questions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.zone.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| join(Some(thread)));
    }
}

impl Zone {
    fn serve_udp(&self, socket: &UdpSocket) {
        let mut datagram = [0; 4096];
        let mut lost = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            let Ok((length, client)) = socket.recv_from(&mut datagram) else { continue };
            let question = datagram[..length].to_vec();
            if self.manner == NameServerManner::LosesTheFirst && !lost.contains(&question) {
                lost.push(question);
                continue;
            }
            let answer = self.answer(&question, self.manner == NameServerManner::Truncates);
            socket.send_to(&answer, client).ok();
        }
    }

    fn serve_tcp(&self, listener: &TcpListener) {
        while !self.stop.load(Ordering::Relaxed) {
            match listener.accept() {
                // Who does not ask gets no answer.
                Ok((stream, _)) => drop(self.converse(stream)),
                Err(_) => std::thread::sleep(TURN),
            }
        }
    }

    fn converse(&self, mut stream: std::net::TcpStream) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut question)?;
        let answer = self.answer(&question, false);
        stream.write_all(&(answer.len() as u16).to_be_bytes())?;
        stream.write_all(&answer)
    }

    fn answer(&self, question: &[u8], truncated: bool) -> Vec<u8> {
        let asked = Packet::parse(question).expect("the client asks in DNS");
        let mut answer = asked.clone().into_reply();
        let [question] = asked.questions.as_slice() else { panic!("one question at a time") };
        let name = question.qname.to_string();
        let is_v4 = question.qtype == QTYPE::TYPE(TYPE::A);
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        questions.push(format!("{} {name}", if is_v4 { "A" } else { "AAAA" }));
        if self.manner == NameServerManner::Garbage {
            return [&asked.id().to_be_bytes()[..], b"garbage"].concat();
        }
        if truncated {
            answer.set_flags(PacketFlag::TRUNCATION);
            return answer.build_bytes_vec().expect("an answer can be written");
        }
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let known: Vec<IpAddr> =
            names.iter().filter(|(known, _)| *known == name).map(|(_, address)| *address).collect();
        if known.is_empty() {
            *answer.rcode_mut() = RCODE::NameError;
        }
        for address in known.into_iter().filter(|address| address.is_ipv4() == is_v4) {
            let data = match address {
                IpAddr::V4(address) => RData::A(A { address: address.to_bits() }),
                IpAddr::V6(address) => RData::AAAA(AAAA { address: address.to_bits() }),
            };
            answer.answers.push(ResourceRecord::new(question.qname.clone(), CLASS::IN, 1, data));
        }
        answer.build_bytes_vec().expect("an answer can be written")
    }
}
