//! Writes a request to a connection of HTTP/1.1, wherever its body is.

use crate::connection::Stream;
use crate::payload::{BodySource, PieceRoom, RequestBody, SendFault, read_piece};
use crate::request::Request;
use bytes::Bytes;
use std::io;
use std::task::{Context, Poll, ready};

/// Pieces of a streamed body that are written before others have their turn: a peer that reads as fast as it is written to
/// must not keep the worker from its other users.
const PIECES_IN_A_TURN: usize = 8;

/// Goes on with the request after its first `written` bytes, as far as the socket allows; ready when all of it has been
/// handed to the kernel.
pub(crate) fn poll_send(
    stream: &mut Stream,
    cx: &mut Context<'_>,
    request: &Request<'_>,
    room: &PieceRoom,
    written: &mut u64,
) -> Poll<Result<(), SendFault<io::Error>>> {
    match request.body {
        RequestBody::Inline => {
            let mut count = within(*written);
            let result = stream.poll_write_all(cx, request.bytes, &mut count);
            *written = count as u64;
            result.map_err(SendFault::Peer)
        }
        RequestBody::Shared(body) => {
            poll_shared(stream, cx, (request.bytes, body), written).map_err(SendFault::Peer)
        }
        RequestBody::Streamed(source) => poll_streamed(stream, cx, (request.bytes, source), room, written),
    }
}

fn poll_shared(
    stream: &mut Stream,
    cx: &mut Context<'_>,
    (head, body): (&[u8], &Bytes),
    written: &mut u64,
) -> Poll<io::Result<()>> {
    loop {
        let count = within(*written);
        let head_left = head.get(count..).unwrap_or_default();
        let body_left = &body[count.saturating_sub(head.len()).min(body.len())..];
        if head_left.is_empty() && body_left.is_empty() {
            return stream.poll_flushed(cx);
        }
        *written += ready!(stream.poll_write_some(cx, head_left, body_left))? as u64;
    }
}

fn poll_streamed(
    stream: &mut Stream,
    cx: &mut Context<'_>,
    (head, source): (&[u8], &dyn BodySource),
    room: &PieceRoom,
    written: &mut u64,
) -> Poll<Result<(), SendFault<io::Error>>> {
    let mut room = room.borrow();
    for _ in 0..PIECES_IN_A_TURN {
        let head_left = head.get(within(*written)..).unwrap_or_default();
        let offset = written.saturating_sub(head.len() as u64);
        let count = read_piece(source, &mut room, offset).map_err(SendFault::Source)?;
        if head_left.is_empty() && count == 0 {
            return stream.poll_flushed(cx).map_err(SendFault::Peer);
        }
        let taken = ready!(stream.poll_write_some(cx, head_left, &room[..count]));
        *written += taken.map_err(SendFault::Peer)? as u64;
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

fn within(written: u64) -> usize {
    usize::try_from(written).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use std::future::poll_fn;
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    /// A connection that keeps every write apart, and what its peer reads of it: one write at a time.
    fn packets() -> (Stream, UnixStream) {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (own, peer) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        (Stream::Unix(tokio::net::UnixStream::from_std(own.into()).unwrap()), peer.into())
    }

    async fn send(stream: &mut Stream, request: &Request<'_>) {
        let (room, mut written) = (PieceRoom::default(), 0);
        poll_fn(|cx| {
            poll_send(stream, cx, request, &room, &mut written).map(|result| assert!(result.is_ok()))
        })
        .await;
        assert_eq!(written, request.length());
    }

    /// What the peer reads until there is nothing more.
    fn writes(peer: &mut UnixStream) -> Vec<Vec<u8>> {
        let mut room = vec![0; 1 << 20];
        std::iter::from_fn(|| peer.read(&mut room).ok().map(|count| room[..count].to_vec())).collect()
    }

    #[tokio::test]
    async fn head_and_body_leave_in_one_write() {
        struct Nines;
        impl BodySource for Nines {
            fn length(&self) -> u64 {
                20_000
            }
            fn read_at(&self, room: &mut [u8], _: u64) -> io::Result<usize> {
                room.fill(b'9');
                Ok(room.len())
            }
        }
        let (mut stream, mut peer) = packets();
        let head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\n";
        let body = Bytes::from(vec![b'9'; 20_000]);
        let whole = [head, &body[..]].concat();
        for body in [RequestBody::Shared(&body), RequestBody::Streamed(&Nines)] {
            send(&mut stream, &Request { body, ..Request::of("POST", head) }).await;
            assert_eq!(writes(&mut peer), [&whole[..]]);
        }
        send(&mut stream, &Request::of("POST", &whole)).await;
        assert_eq!(writes(&mut peer), [&whole[..]]);
    }
}
