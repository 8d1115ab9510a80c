//! The body of a request that does not stand in its bytes: shared in memory, or read while it is sent.

use crate::failure::{Cause, FailureClass};
use crate::parts::RequestParts;
use crate::request::Request;
use bytes::{Bytes, BytesMut};
use std::cell::{RefCell, RefMut};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Bytes of a streamed body that are read at once for HTTP/1.1.
const PIECE_BYTES: usize = 64 << 10;
/// The same for HTTP/2 and HTTP/3, where a piece is a frame of its own: the largest that every peer takes.
const FRAME_BYTES: usize = 16 << 10;

/// Where the body of a request is.
#[derive(Clone, Copy, Default)]
pub enum RequestBody<'a> {
    /// In [`Request::bytes`], behind the head; or there is none.
    #[default]
    Inline,
    /// In memory that is not copied: head and body leave in one vectored write.
    Shared(&'a Bytes),
    /// Read piece by piece while it is sent.
    Streamed(&'a dyn BodySource),
}

/// A body that is read while it is sent. It may be sent more than once, by several users at a time: everybody reads it
/// from its beginning.
pub trait BodySource {
    /// Bytes of the whole body.
    fn length(&self) -> u64;

    /// Reads the bytes from `offset` on into `room`, and says how many there were: at least one, unless the body ends
    /// there. Called on the thread that sends, so that it must not wait for long.
    fn read_at(&self, room: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// A body in a file, of which no more is in memory than what is being sent.
#[derive(Debug, Clone)]
pub struct FileBody {
    file: Arc<File>,
    length: u64,
}

impl FileBody {
    /// The first `length` bytes of a file.
    pub fn new(file: Arc<File>, length: u64) -> Self {
        Self { file, length }
    }
}

impl BodySource for FileBody {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, room: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(room, offset)
    }
}

impl RequestBody<'_> {
    /// Bytes that are sent after [`Request::bytes`].
    pub fn length(&self) -> u64 {
        match self {
            Self::Inline => 0,
            Self::Shared(body) => body.len() as u64,
            Self::Streamed(source) => source.length(),
        }
    }
}

/// Why a body is not sent to its end.
pub(crate) enum SendFault<E> {
    /// The peer takes no more of it. It may answer all the same.
    Peer(E),
    /// There is no more of it, and nothing to wait for.
    Source(Cause),
}

/// Reads the next bytes of a body into `room`; 0 after the last.
pub(crate) fn read_piece(source: &dyn BodySource, room: &mut [u8], offset: u64) -> Result<usize, Cause> {
    let left = source.length().saturating_sub(offset);
    let wanted = room.len().min(usize::try_from(left).unwrap_or(usize::MAX));
    if wanted == 0 {
        return Ok(0);
    }
    loop {
        let detail = match source.read_at(&mut room[..wanted], offset) {
            Ok(0) => format!(
                "the body's file ended after {offset} of {} bytes: it has been shortened since the run began",
                source.length()
            ),
            Ok(count) => return Ok(count.min(wanted)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => format!("the body's file cannot be read at byte {offset}: {error}"),
        };
        return Err(Cause::new(FailureClass::Other, detail));
    }
}

/// Room for one piece of a body. All clients of a worker share one: what the socket does not take is read again, so that
/// memory does not grow with the number of users who are sending.
#[derive(Default)]
pub(crate) struct PieceRoom(RefCell<Vec<u8>>);

impl PieceRoom {
    pub(crate) fn borrow(&self) -> RefMut<'_, Vec<u8>> {
        let mut room = self.0.borrow_mut();
        if room.is_empty() {
            room.resize(PIECE_BYTES, 0);
        }
        room
    }
}

impl std::fmt::Debug for PieceRoom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PieceRoom")
    }
}

/// What is left to send of a body over HTTP/2 or HTTP/3.
pub(crate) enum Rest<'a> {
    Bytes(Bytes),
    Streamed { source: &'a dyn BodySource, offset: u64 },
}

impl<'a> Rest<'a> {
    /// The whole body.
    pub(crate) fn of(request: &Request<'a>, parts: &RequestParts) -> Self {
        match request.body {
            RequestBody::Inline => Self::Bytes(parts.body().clone()),
            RequestBody::Shared(body) => Self::Bytes(body.clone()),
            RequestBody::Streamed(source) => Self::Streamed { source, offset: 0 },
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Streamed { source, offset } => *offset >= source.length(),
        }
    }

    /// Takes the next piece: all there is of a body in memory. Empty at the end.
    pub(crate) fn next_piece(&mut self) -> Result<Bytes, Cause> {
        match self {
            Self::Bytes(bytes) => Ok(std::mem::take(bytes)),
            Self::Streamed { source, offset } => {
                let left = usize::try_from(source.length().saturating_sub(*offset)).unwrap_or(usize::MAX);
                let mut piece = BytesMut::zeroed(left.min(FRAME_BYTES));
                let count = read_piece(*source, &mut piece, *offset)?;
                *offset += count as u64;
                piece.truncate(count);
                Ok(piece.freeze())
            }
        }
    }
}
