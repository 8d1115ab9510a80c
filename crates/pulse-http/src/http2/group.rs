//! Which users share a connection, and who of them opens it.

use super::connection::{ALPN, Http2Connection, Http2Settings};
use crate::connect::Connector;
use crate::connection::{Connection, Stream};
use crate::exchange::ConnectTimes;
use crate::failure::{Cause, FailureClass};
use crate::timeout::Deadline;
use crate::version::HttpVersion;
use rustls::HandshakeKind;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// The groups of one connector: each of up to so many users.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// Those with a free seat, possibly.
    open: RefCell<Vec<Weak<Group>>>,
}

/// Users with one connection between them.
#[derive(Debug)]
struct Group {
    users: Cell<usize>,
    connection: RefCell<Option<Http2Connection>>,
    /// One opens, the others wait for the result.
    opening: Semaphore,
    attempts: Cell<u64>,
    /// Why the last attempt failed, for those who waited for it.
    failure: RefCell<Option<Cause>>,
    /// The peer chose HTTP/1.1: everybody needs a connection of their own, and nobody has to wait.
    apart: Cell<bool>,
}

/// A user's membership, given up when dropped.
#[derive(Debug)]
pub(super) struct Seat(Rc<Group>);

/// What opening a connection brought.
pub(super) enum Opened {
    /// `first`: where this user opened it, and not another one of the group.
    Http2 { connection: Http2Connection, first: Option<(ConnectTimes, Option<HandshakeKind>)> },
    /// The peer prefers HTTP/1.1.
    Http11(Connection, ConnectTimes),
}

impl Groups {
    /// A seat in a group of `size` users at most; 0 counts as 1.
    pub(super) fn join(&self, size: usize) -> Seat {
        if size <= 1 {
            return Seat::first();
        }
        let mut open = self.open.borrow_mut();
        open.retain(|group| group.upgrade().is_some_and(|group| group.users.get() < size));
        if let Some(group) = open.first().and_then(Weak::upgrade) {
            group.users.set(group.users.get() + 1);
            return Seat(group);
        }
        let seat = Seat::first();
        open.push(Rc::downgrade(&seat.0));
        seat
    }
}

impl Seat {
    fn first() -> Self {
        Self(Rc::new(Group {
            users: Cell::new(1),
            connection: RefCell::default(),
            opening: Semaphore::new(1),
            attempts: Cell::new(0),
            failure: RefCell::default(),
            apart: Cell::new(false),
        }))
    }

    /// The group's connection, if it takes requests.
    pub(super) fn connection(&self) -> Option<Http2Connection> {
        self.0.connection.borrow().as_ref().filter(|connection| connection.is_open()).cloned()
    }

    /// Gives up a connection that takes no more requests. True for the first who does so: its end is counted once.
    pub(super) fn discard(&self, connection: &Http2Connection) -> bool {
        let mut current = self.0.connection.borrow_mut();
        if current.as_ref().is_some_and(|current| current.is(connection)) {
            *current = None;
        }
        connection.discard()
    }

    /// Gives up the group's connection, whatever its state.
    pub(super) fn leave_connection(&self) {
        self.0.connection.take();
    }

    /// Whether the group has a connection, as far as is known.
    pub(super) fn is_connected(&self) -> bool {
        self.connection().is_some()
    }

    /// Gives up the group's connection if it has ended; true for the first who notices.
    pub(super) fn discard_ended(&self) -> bool {
        let ended = self.0.connection.borrow_mut().take_if(|connection| !connection.is_open());
        ended.is_some_and(|connection| connection.discard())
    }

    /// The group's connection, opened by this user or by another one meanwhile. `None`: the deadline has passed.
    pub(super) async fn open(
        &self,
        connector: &Connector,
        budget: Duration,
        deadline: &Deadline,
    ) -> Option<Result<Opened, Cause>> {
        let began = Instant::now();
        let attempts = self.0.attempts.get();
        let mut turn = None;
        if !self.0.apart.get() {
            turn = Some(deadline.limit(self.0.opening.acquire()).await?);
            if let Some(connection) = self.connection() {
                return Some(Ok(Opened::Http2 { connection, first: None }));
            }
            if self.0.attempts.get() != attempts
                && let Some(cause) = &*self.0.failure.borrow()
            {
                return Some(Err(cause.same()));
            }
        }
        let result = self.attempt(connector, budget.saturating_sub(began.elapsed())).await;
        self.0.attempts.set(self.0.attempts.get() + 1);
        *self.0.failure.borrow_mut() = result.as_ref().err().map(Cause::same);
        drop(turn);
        Some(result)
    }

    async fn attempt(&self, connector: &Connector, budget: Duration) -> Result<Opened, Cause> {
        let (stream, times) = connector.connect(budget).await?;
        let chosen = matches!(stream, Stream::Plain(_)) || stream.alpn() == Some(ALPN);
        let config = connector.config();
        if !chosen && config.http == HttpVersion::Auto {
            self.0.apart.set(true);
            return Ok(Opened::Http11(Connection { stream, last_used: Instant::now() }, times));
        }
        if !chosen {
            return Err(not_chosen());
        }
        let handshake = stream.handshake();
        let connection = Http2Connection::start(stream, &Http2Settings::shared_by(config.streams)).await?;
        *self.0.connection.borrow_mut() = Some(connection.clone());
        Ok(Opened::Http2 { connection, first: Some((times, handshake)) })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.users.set(self.0.users.get() - 1);
    }
}

/// The peer's answer to the offer of HTTP/2 alone.
pub(super) fn not_chosen() -> Cause {
    Cause::new(
        FailureClass::Protocol,
        "the peer does not speak HTTP/2: it did not choose `h2` in the TLS handshake (ALPN)",
    )
}
