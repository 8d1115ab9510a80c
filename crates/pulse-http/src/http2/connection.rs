//! One HTTP/2 connection: its driver, the places for streams that the peer grants, and how streams are opened.

use super::error::Http2Error;
use super::group::not_chosen;
use super::socket::{Socket, Traffic};
use super::stream::Http2Stream;
use crate::connect::Connector;
use crate::connection::Stream;
use crate::exchange::ConnectTimes;
use crate::failure::FailureClass;
use bytes::Bytes;
use h2::client::SendRequest;
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// What the client tells the peer at the start of a connection. Server push is always refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http2Settings {
    /// Bytes of a body that the peer may send on one stream before the client has taken them; 1 MiB by default, so
    /// that at a round trip of 1 ms a single stream is not slowed below 8 Gbit/s. At most 2³¹ − 1.
    pub stream_window: u32,
    /// The same for all streams of the connection together; 4 MiB by default. It bounds the memory that a peer can fill.
    pub connection_window: u32,
    /// Longest payload of a frame in bytes, 16 KiB to 16 MiB; 16 KiB by default, which is what servers send anyway.
    pub frame_bytes: u32,
    /// Longest header list in bytes after decompression; 256 KiB by default.
    pub header_list_bytes: u32,
    /// Size of the read buffer in bytes; 16 KiB by default.
    pub buffer_bytes: usize,
}

impl Default for Http2Settings {
    fn default() -> Self {
        Self {
            stream_window: 1 << 20,
            connection_window: 4 << 20,
            frame_bytes: 16 << 10,
            header_list_bytes: 256 << 10,
            buffer_bytes: 16 << 10,
        }
    }
}

impl Http2Settings {
    /// For a connection that so many users share.
    pub(super) fn shared_by(users: usize) -> Self {
        let default = Self::default();
        match users {
            0 | 1 => Self { connection_window: default.stream_window, ..default },
            _ => Self { buffer_bytes: 64 << 10, ..default },
        }
    }
}

/// The name of HTTP/2 in a TLS handshake.
pub(super) const ALPN: &[u8] = b"h2";
/// Streams that one connection may open in its life; the identifiers end at 2³¹, and only every other one is ours.
const STREAMS_PER_LIFE: u32 = (1 << 30) - 1;
/// More places than this are never asked for; what a peer grants beyond is not counted.
const MOST_PLACES: usize = 1 << 20;

/// A connection that several users can share by cloning it. It ends when its last clone and its last stream are gone,
/// with a GOAWAY of its own.
#[derive(Debug, Clone)]
pub struct Http2Connection(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    sender: SendRequest<Bytes>,
    state: Rc<State>,
    opened: Cell<u32>,
    /// Whether somebody has counted its end.
    discarded: Cell<bool>,
}

/// Shared with the driver, which must not hold a `SendRequest`: that would keep the connection open for ever.
#[derive(Debug)]
pub(super) struct State {
    pub(super) traffic: Rc<Traffic>,
    places: Places,
}

/// How many more streams the peer allows now (`SETTINGS_MAX_CONCURRENT_STREAMS` less those in use).
#[derive(Debug)]
struct Places {
    free: Semaphore,
    granted: Cell<usize>,
    /// Places in use that the peer has withdrawn: they vanish when they are given back.
    withdrawn: Cell<usize>,
}

/// A place for one stream, given back when dropped.
#[derive(Debug)]
pub struct Http2Place(Rc<State>);

impl Http2Connection {
    /// Makes a connection within the connect timeout or `budget`, whichever is shorter, and starts HTTP/2 on it. Over
    /// TLS the peer must have chosen it (see [`HttpVersion`](crate::HttpVersion)).
    pub async fn connect(
        connector: &Connector,
        settings: &Http2Settings,
        budget: Duration,
    ) -> Result<(Self, ConnectTimes), Http2Error> {
        let (stream, times) = connector.connect(budget).await?;
        if matches!(stream, Stream::Tls(_)) && stream.alpn() != Some(ALPN) {
            return Err(not_chosen().into());
        }
        Ok((Self::start(stream, settings).await?, times))
    }

    /// Sends the preface and the settings over a fresh stream, and spawns the connection's driver on the current
    /// [`LocalSet`](tokio::task::LocalSet).
    ///
    /// It does not wait for the peer's settings: the first stream may be opened at once, the others when the peer has
    /// said how many it allows.
    pub(crate) async fn start(stream: Stream, settings: &Http2Settings) -> Result<Self, Http2Error> {
        let traffic = Rc::new(Traffic::new());
        let socket = Socket::new(stream, settings.buffer_bytes, Rc::clone(&traffic));
        let handshake = h2::client::Builder::new()
            .enable_push(false)
            .initial_window_size(settings.stream_window)
            .initial_connection_window_size(settings.connection_window)
            .max_frame_size(settings.frame_bytes)
            .max_header_list_size(settings.header_list_bytes)
            .initial_max_send_streams(1)
            .handshake::<_, Bytes>(socket)
            .await;
        let (sender, connection) = handshake.map_err(|error| Http2Error::of(&error, &traffic))?;
        let state = Rc::new(State { traffic, places: Places::new(1) });
        tokio::task::spawn_local(drive(connection, Rc::clone(&state)));
        let (opened, discarded) = (Cell::new(0), Cell::new(false));
        Ok(Self(Rc::new(Inner { sender, state, opened, discarded })))
    }

    /// Whether new streams can be opened, as far as is known: no end of the connection was seen.
    pub fn is_open(&self) -> bool {
        !self.0.state.places.free.is_closed() && self.0.opened.get() < STREAMS_PER_LIFE
    }

    /// A place for a stream, if there is one now and nobody waits for it.
    pub fn try_place(&self) -> Option<Http2Place> {
        let permit = self.0.state.places.free.try_acquire().ok()?;
        permit.forget();
        Some(Http2Place(Rc::clone(&self.0.state)))
    }

    /// Waits, first come first served, until the peer allows one more stream. `None`: the connection takes no new ones.
    pub async fn place(&self) -> Option<Http2Place> {
        let permit = self.0.state.places.free.acquire().await.ok()?;
        permit.forget();
        Some(Http2Place(Rc::clone(&self.0.state)))
    }

    /// Opens a stream. `end`: no body follows.
    ///
    /// An error with [`unprocessed`](Http2Error::unprocessed) means that this connection takes no more requests.
    pub fn open(
        &self,
        place: Http2Place,
        head: http::Request<()>,
        end: bool,
    ) -> Result<Http2Stream, Http2Error> {
        self.0.opened.set(self.0.opened.get() + 1);
        // A clone has no memory of streams that wait to be sent, which the places make impossible but for an instant.
        match self.0.sender.clone().send_request(head, end) {
            Ok((response, send)) => Ok(Http2Stream::new(response, send, place)),
            Err(error) => {
                let unprocessed = error.is_go_away() || error.is_io();
                let known = Http2Error::of(&error, &self.0.state.traffic);
                if unprocessed {
                    self.0.state.places.free.close();
                    return Err(Http2Error { unprocessed, ..known });
                }
                let detail = format!("the request cannot be sent over HTTP/2: {error}");
                Err(Http2Error::new(FailureClass::Other, detail))
            }
        }
    }

    /// Streams opened so far.
    pub fn opened(&self) -> u32 {
        self.0.opened.get()
    }

    /// Bytes (sent, received) over the wire that nobody has taken yet.
    ///
    /// Frames of many streams share a write: a byte is counted by the exchange that asks first, and the sum over all is
    /// exact.
    pub fn take_traffic(&self) -> (u64, u64) {
        self.0.state.traffic.take()
    }

    /// Whether both are the same connection.
    pub fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// True for the first who asks after the connection's end: it is counted once, whoever notices.
    pub(super) fn discard(&self) -> bool {
        !self.0.discarded.replace(true)
    }
}

/// Moves frames until the connection ends: the peer ends it, or nobody needs it any more.
async fn drive(mut connection: h2::client::Connection<Socket, Bytes>, state: Rc<State>) {
    // Streams get their own copy of an error; here only the end matters.
    let _ = poll_fn(|cx| {
        state.traffic.renew();
        let polled = Pin::new(&mut connection).poll(cx);
        state.places.grant(connection.max_concurrent_send_streams());
        polled
    })
    .await;
    state.places.free.close();
}

impl State {
    pub(super) fn error(&self, error: &h2::Error) -> Http2Error {
        let known = Http2Error::of(error, &self.traffic);
        if error.is_go_away() || error.is_io() {
            self.places.free.close();
        }
        known
    }
}

impl Places {
    fn new(granted: usize) -> Self {
        Self { free: Semaphore::new(granted), granted: Cell::new(granted), withdrawn: Cell::new(0) }
    }

    fn grant(&self, allowed: usize) {
        let allowed = allowed.min(MOST_PLACES);
        let before = self.granted.replace(allowed);
        if allowed > before {
            let owed = self.withdrawn.get().min(allowed - before);
            self.withdrawn.set(self.withdrawn.get() - owed);
            self.free.add_permits(allowed - before - owed);
        } else if allowed < before {
            let missing = before - allowed - self.free.forget_permits(before - allowed);
            self.withdrawn.set(self.withdrawn.get() + missing);
        }
    }

    fn give_back(&self) {
        match self.withdrawn.get() {
            0 => self.free.add_permits(1),
            owed => self.withdrawn.set(owed - 1),
        }
    }
}

impl Http2Place {
    pub(super) fn state(&self) -> &State {
        &self.0
    }
}

impl Drop for Http2Place {
    fn drop(&mut self) {
        self.0.places.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::Places;

    #[test]
    fn places_follow_what_the_peer_allows() {
        let places = Places::new(1);
        let take = || places.free.try_acquire().map(tokio::sync::SemaphorePermit::forget).is_ok();
        assert!(take() && !take(), "one before the settings");
        places.grant(3);
        assert!(take() && take() && !take(), "three with the one in use");
        places.grant(1);
        places.give_back();
        places.give_back();
        assert!(!take(), "two are withdrawn");
        places.give_back();
        assert!(take() && !take(), "the one that is left");
        places.grant(0);
        places.grant(2);
        assert!(take() && !take(), "a place that was withdrawn in use and granted again is not given twice");
        places.grant(usize::MAX);
        assert_eq!(places.free.available_permits(), super::MOST_PLACES - 2);
    }
}
