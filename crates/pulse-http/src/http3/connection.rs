//! A QUIC connection with HTTP/3 on it.

use super::failure;
use super::socket::Socket;
use super::streams::{Opener, Quic};
use crate::failure::Cause;
use bytes::Bytes;
use h3::ConnectionState;
use h3::error::{Code, ConnectionError};
use quinn::VarInt;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

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
    /// Starts HTTP/3 on a connection of QUIC. Header sections may have `section` bytes.
    pub(super) async fn start(
        quic: quinn::Connection,
        socket: Arc<Socket>,
        section: u64,
    ) -> Result<Self, Cause> {
        let started = h3::client::builder()
            .max_field_section_size(section)
            .send_grease(false)
            .build(Quic::new(quic.clone(), section))
            .await;
        let (driver, sender) =
            started.map_err(|error| failure::of_connection(&error, (quic.close_reason(), socket.error())))?;
        Ok(Self { life: Life { driver, quic, socket, fault: None }, sender })
    }

    /// Whether a request may be sent now.
    pub(super) fn poll_usable(&mut self, cx: &mut Context<'_>) -> bool {
        self.life.poll(cx);
        !self.life.has_ended() && !self.sender.is_closing()
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
