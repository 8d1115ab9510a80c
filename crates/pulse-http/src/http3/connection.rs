//! A QUIC connection with HTTP/3 on it.

use super::failure;
use super::socket::Socket;
use super::streams::{Opener, Quic};
use crate::connection::Idle;
use crate::connector::ConnectorError;
use crate::failure::{Cause, FailureClass};
use crate::limits::Limits;
use crate::tls::TlsOptions;
use crate::version::HttpVersion;
use bytes::Bytes;
use h3::ConnectionState;
use h3::error::{Code, ConnectionError};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint, EndpointConfig, TokioRuntime, TransportConfig, VarInt};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::timeout;

/// Streams of its own that a server may open: control, two of the header compression, and some that are to be ignored.
const SERVER_STREAMS: u32 = 8;
/// Bytes that a server may send ahead of us on one answer.
const STREAM_WINDOW: u32 = 1 << 20;
/// Header sections longer than this are refused whatever the limits say: the library's map of fields ends there.
const LONGEST_SECTION: usize = 512 << 10;

/// Makes QUIC connections to one service.
pub(crate) struct Dialer {
    config: ClientConfig,
    endpoint: EndpointConfig,
    server_name: String,
}

impl Dialer {
    /// `server_name`: what the certificate must hold.
    pub(crate) fn new(tls: &TlsOptions, server_name: String) -> Result<Self, ConnectorError> {
        let mut tls = Arc::unwrap_or_clone(tls.client_config(HttpVersion::Http3)?);
        tls.enable_early_data = false;
        let tls = QuicClientConfig::try_from(tls).map_err(|_| ConnectorError::Quic)?;
        let mut config = ClientConfig::new(Arc::new(tls));
        let mut transport = TransportConfig::default();
        transport
            .max_concurrent_bidi_streams(VarInt::from_u32(0))
            .max_concurrent_uni_streams(VarInt::from_u32(SERVER_STREAMS))
            .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
            .receive_window(VarInt::from_u32(2 * STREAM_WINDOW))
            .datagram_receive_buffer_size(None);
        config.transport_config(Arc::new(transport));
        Ok(Self { config, endpoint: EndpointConfig::default(), server_name })
    }

    /// One connection, ready for requests, within `budget`.
    pub(crate) async fn dial(
        &self,
        address: SocketAddr,
        limits: Limits,
        budget: Duration,
    ) -> Result<Connection, Cause> {
        match timeout(budget, self.connect(address, limits, budget)).await {
            Ok(result) => result,
            Err(_) => Err(failure::no_answer(budget)),
        }
    }

    async fn connect(
        &self,
        address: SocketAddr,
        limits: Limits,
        budget: Duration,
    ) -> Result<Connection, Cause> {
        let socket = Arc::new(Socket::connect(address).await.map_err(|error| Cause::of(&error))?);
        let endpoint = Endpoint::new_with_abstract_socket(
            self.endpoint.clone(),
            None,
            Arc::clone(&socket) as Arc<dyn quinn::AsyncUdpSocket>,
            Arc::new(TokioRuntime),
        )
        .map_err(|error| Cause::of(&error))?;
        let connecting = endpoint
            .connect_with(self.config.clone(), address, &self.server_name)
            .map_err(|error| Cause::new(FailureClass::Tls, error.to_string()))?;
        let quic = connecting.await.map_err(|error| failure::of_handshake(&error, &socket, budget))?;
        let section = limits.head_bytes.min(LONGEST_SECTION) as u64;
        let (driver, sender) = h3::client::builder()
            .max_field_section_size(section)
            .send_grease(false)
            .build(Quic::new(quic.clone(), section))
            .await
            .map_err(|error| failure::of_connection(&error, (quic.close_reason(), socket.error())))?;
        Ok(Connection { life: Life { driver, quic, socket, fault: None }, sender })
    }
}

pub(super) type Sender = h3::client::SendRequest<Opener, Bytes>;

/// An open connection.
pub(crate) struct Connection {
    /// First, so that it closes before the rest goes.
    life: Life,
    sender: Sender,
}

/// All of a connection but its requests.
pub(super) struct Life {
    driver: h3::client::Connection<Quic, Bytes>,
    quic: quinn::Connection,
    socket: Arc<Socket>,
    fault: Option<ConnectionError>,
}

impl Connection {
    /// Whether a request may be sent now.
    pub(crate) fn poll_idle(&mut self, cx: &mut Context<'_>) -> Idle {
        self.life.poll(cx);
        if self.life.has_ended() || self.sender.is_closing() {
            return Idle::ClosedByPeer;
        }
        Idle::Usable
    }

    pub(super) fn parts(&mut self) -> (&mut Life, &mut Sender) {
        (&mut self.life, &mut self.sender)
    }
}

impl Life {
    /// Looks after the streams that are not requests: settings, notices. It has no task of its own, so that every
    /// exchange asks for it.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        if self.fault.is_none()
            && let Poll::Ready(error) = self.driver.poll_close(cx)
        {
            self.fault = Some(error);
        }
    }

    /// What was wrong with the connection itself, in the library's words.
    pub(super) fn fault(&self) -> Option<&ConnectionError> {
        self.fault.as_ref()
    }

    /// Why QUIC ended, and what the system said of the socket.
    pub(super) fn end(&self) -> (Option<quinn::ConnectionError>, Option<io::Error>) {
        (self.quic.close_reason(), self.socket.error())
    }

    fn has_ended(&self) -> bool {
        self.fault.is_some() || self.quic.close_reason().is_some() || self.socket.error().is_some()
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        // Before its streams go, whose end would be an error of its own.
        let code = VarInt::from_u64(Code::H3_NO_ERROR.value()).unwrap_or_default();
        self.quic.close(code, b"");
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("socket", &self.life.socket).finish_non_exhaustive()
    }
}
