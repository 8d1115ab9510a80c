//! How QUIC connections are made.

use super::connection::Connection;
use super::failure;
use super::socket::Socket;
use crate::connect::Origin;
use crate::connect::{Connector, ConnectorConfig, ConnectorError};
use crate::exchange::ConnectTimes;
use crate::failure::{Cause, FailureClass};
use crate::limits::Limits;
use crate::version::HttpVersion;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint, EndpointConfig, TokioRuntime, TransportConfig, VarInt};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Streams of its own that a server may open: control, two of the header compression, and some that are to be ignored.
const SERVER_STREAMS: u32 = 8;
/// Bytes that a server may send ahead of us on one answer.
const STREAM_WINDOW: u32 = 1 << 20;
/// Bytes of requests that wait for their acknowledgement: beyond them, a body waits with us, which is the phase of sending.
const SEND_WINDOW: u64 = 1 << 20;
/// Header sections longer than this are refused whatever the limits say: the library's map of fields ends there.
const LONGEST_SECTION: usize = 512 << 10;

/// Makes QUIC connections to one service.
pub(crate) struct QuicDialer {
    config: ClientConfig,
    endpoint: EndpointConfig,
    server_name: String,
    /// Which of the service's addresses answered last.
    preferred: Cell<usize>,
}

impl QuicDialer {
    /// `None` where another version of HTTP is spoken.
    pub(crate) fn new(config: &ConnectorConfig, origin: &Origin) -> Result<Option<Self>, ConnectorError> {
        if config.http != HttpVersion::Http3 {
            return Ok(None);
        }
        let mut tls = Arc::unwrap_or_clone(config.tls.client_config(config.http.alpn())?);
        tls.enable_early_data = false;
        let tls = QuicClientConfig::try_from(tls).map_err(|_| ConnectorError::Quic)?;
        let mut transport = TransportConfig::default();
        transport
            .max_concurrent_bidi_streams(VarInt::from_u32(0))
            .max_concurrent_uni_streams(VarInt::from_u32(SERVER_STREAMS))
            .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
            .send_window(SEND_WINDOW)
            .receive_window(VarInt::from_u32(2 * STREAM_WINDOW))
            .datagram_receive_buffer_size(None);
        let mut client = ClientConfig::new(Arc::new(tls));
        client.transport_config(Arc::new(transport));
        Ok(Some(Self {
            config: client,
            endpoint: EndpointConfig::default(),
            server_name: config.tls.server_name.clone().unwrap_or_else(|| origin.host.clone()),
            preferred: Cell::new(0),
        }))
    }

    /// A connection within the connect timeout or `budget`, whichever is shorter. Its addresses are tried in the
    /// resolver's order, starting with the one that answered last; each gets its share of the time.
    ///
    /// The handshake sets up transport and TLS at once, and counts as TLS.
    pub(crate) async fn dial(
        &self,
        connector: &Connector,
        limits: Limits,
        budget: Duration,
    ) -> Result<(Connection, ConnectTimes), Cause> {
        let budget = budget.min(connector.config().connect_timeout);
        let deadline = Instant::now() + budget;
        let (addresses, resolve) = connector.addresses(budget).await?;
        let started = Instant::now();
        let mut last = Cause::new(FailureClass::Resolve, "the host has no address");
        for attempt in 0..addresses.len() {
            let index = (self.preferred.get() + attempt) % addresses.len();
            // What an address leaves unused goes to those after it.
            let left = (addresses.len() - attempt) as u32;
            let share = deadline.saturating_duration_since(Instant::now()) / left;
            match timeout(share, self.connect(addresses[index], limits, budget)).await {
                Ok(Ok(connection)) => {
                    self.preferred.set(index);
                    let times = ConnectTimes { resolve, tls: started.elapsed(), ..ConnectTimes::default() };
                    return Ok((connection, times));
                }
                Ok(Err(cause)) => last = cause,
                Err(_) => last = failure::no_answer(budget),
            }
            if matches!(last.class, FailureClass::Descriptors | FailureClass::Ports) {
                break; // This machine's shortage; another address does not help.
            }
        }
        Err(last)
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
        Connection::start(quic, socket, limits.head_bytes.min(LONGEST_SECTION) as u64).await
    }
}
