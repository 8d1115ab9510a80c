//! A proxy that does its work: HTTP CONNECT and SOCKS5.

use crate::server_thread::ServerThread;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;

/// The longest head of a CONNECT request that is read.
const MAX_HEAD: usize = 16 << 10;

/// A proxy for HTTP CONNECT and SOCKS5 at the same port; it tells them apart by the first byte. Whatever name it is asked
/// for, it connects to 127.0.0.1 at the port that was asked for.
#[derive(Debug)]
pub struct ProxyServer {
    thread: ServerThread,
    seen: Arc<Mutex<Vec<String>>>,
}

impl ProxyServer {
    /// Starts a proxy; with credentials (`name:password`) it refuses who does not give them.
    pub fn start(credentials: Option<&str>) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (shared, credentials) = (Arc::clone(&seen), credentials.map(str::to_owned));
        let thread = ServerThread::start("proxy-server", move |_, stream| {
            let (seen, credentials) = (Arc::clone(&shared), credentials.clone());
            async move {
                // An error means that one of the two sides has gone, as in many tests.
                serve(stream, &seen, credentials.as_deref()).await.ok();
            }
        });
        Self { thread, seen }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.thread.address
    }

    /// The destinations it was asked for, `host:port`, in the order of the connections.
    pub fn destinations(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    seen: &Mutex<Vec<String>>,
    credentials: Option<&str>,
) -> io::Result<()> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    let destination = if first[0] == 5 {
        socks5(&mut stream, credentials).await?
    } else {
        connect(&mut stream, credentials).await?
    };
    let Some(destination) = destination else { return Ok(()) };
    let port = destination.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).unwrap_or_default();
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(destination);
    let is_socks = first[0] == 5;
    let mut service = match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
        Ok(service) => service,
        Err(_) if is_socks => return stream.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).await,
        Err(_) => return stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await,
    };
    let opened: &[u8] =
        if is_socks { &[5, 0, 0, 1, 127, 0, 0, 1, 0, 0] } else { b"HTTP/1.1 200 Connected\r\n\r\n" };
    stream.write_all(opened).await?;
    copy_bidirectional(&mut stream, &mut service).await.map(|_| ())
}

/// Reads a CONNECT request; `None` if it was refused.
async fn connect(stream: &mut TcpStream, credentials: Option<&str>) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        assert!(head.len() < MAX_HEAD, "a request without an end");
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut words = head.split(' ');
    if words.next() != Some("CONNECT") {
        stream.write_all(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n").await?;
        return Ok(None);
    }
    let destination = words.next().unwrap_or_default().to_owned();
    if let Some(credentials) = credentials
        && !head.contains(&format!("\r\nProxy-Authorization: Basic {}\r\n", base64(credentials.as_bytes())))
    {
        stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await?;
        return Ok(None);
    }
    Ok(Some(destination))
}

/// Reads what a SOCKS5 client says until its request; `None` if it was refused.
async fn socks5(stream: &mut TcpStream, credentials: Option<&str>) -> io::Result<Option<String>> {
    let mut start = [0; 2];
    stream.read_exact(&mut start).await?;
    let mut methods = vec![0; usize::from(start[1])];
    stream.read_exact(&mut methods).await?;
    let wanted = if credentials.is_some() { 2 } else { 0 };
    if !methods.contains(&wanted) {
        stream.write_all(&[5, 0xff]).await?;
        return Ok(None);
    }
    stream.write_all(&[5, wanted]).await?;
    if let Some(credentials) = credentials {
        stream.read_u8().await?;
        let (name, password) = (text(stream).await?, text(stream).await?);
        let right = format!("{name}:{password}") == credentials;
        stream.write_all(&[1, u8::from(!right)]).await?;
        if !right {
            return Ok(None);
        }
    }
    let mut request = [0; 4];
    stream.read_exact(&mut request).await?;
    let host = match request[3] {
        1 => Ipv4Addr::from_bits(stream.read_u32().await?).to_string(),
        4 => format!("[{}]", Ipv6Addr::from_bits(stream.read_u128().await?)),
        _ => text(stream).await?,
    };
    Ok(Some(format!("{host}:{}", stream.read_u16().await?)))
}

async fn text(stream: &mut TcpStream) -> io::Result<String> {
    let mut bytes = vec![0; usize::from(stream.read_u8().await?)];
    stream.read_exact(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// RFC 4648; written here so that a mistake of the client's library would show.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let six = (bits >> (18 - 6 * digit) & 63) as usize;
            text.push(if digit <= group.len() { char::from(DIGITS[six]) } else { '=' });
        }
    }
    text
}
