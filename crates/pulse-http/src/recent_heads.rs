//! Response heads that came lately, so that a head which comes again is compared instead of parsed.
//!
//! A server answers the same request with the same head, byte for byte, until its `Date` changes. What a head says is a
//! function of its bytes up to the empty line, of whether the request was HEAD, and of the limit for trailers; where all
//! three are equal, so is the outcome. Comparing costs a hundredth of parsing.

use std::cell::RefCell;

use crate::response::Head;

/// Heads that are remembered: those of some steps of a scenario.
const REMEMBERED: usize = 8;
/// Longer heads are parsed every time.
const LONGEST: usize = 2 << 10;

/// The heads that one worker's clients have parsed lately.
#[derive(Debug, Default)]
pub(crate) struct RecentHeads {
    inner: RefCell<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    heads: Vec<Remembered>,
    /// The one that was wanted last, or is the newest.
    latest: usize,
    /// The one that makes room for the next.
    oldest: usize,
}

#[derive(Debug)]
struct Remembered {
    bytes: Vec<u8>,
    request: Circumstances,
    head: Head,
}

/// What else decides about a head's meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Circumstances {
    /// The request's method was HEAD.
    pub(crate) is_head: bool,
    /// Longest trailer section in bytes.
    pub(crate) trailer_limit: usize,
}

impl RecentHeads {
    /// What the head says with which `bytes` begin, if it is remembered.
    pub(crate) fn find(&self, bytes: &[u8], request: Circumstances) -> Option<Head> {
        let inner = &mut *self.inner.borrow_mut();
        let equal = |known: &Remembered| known.request == request && bytes.starts_with(&known.bytes);
        if let Some(known) = inner.heads.get(inner.latest)
            && equal(known)
        {
            return Some(known.head);
        }
        let place = inner.heads.iter().position(equal)?;
        inner.latest = place;
        Some(inner.heads[place].head)
    }

    /// Remembers what a complete head says.
    pub(crate) fn remember(&self, bytes: &[u8], request: Circumstances, head: Head) {
        if bytes.len() > LONGEST {
            return;
        }
        let inner = &mut *self.inner.borrow_mut();
        if inner.heads.len() < REMEMBERED {
            inner.latest = inner.heads.len();
            inner.heads.push(Remembered { bytes: bytes.to_vec(), request, head });
            return;
        }
        inner.latest = inner.oldest;
        inner.oldest = (inner.oldest + 1) % REMEMBERED;
        let known = &mut inner.heads[inner.latest];
        known.bytes.clear();
        known.bytes.extend_from_slice(bytes);
        (known.request, known.head) = (request, head);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: Circumstances = Circumstances { is_head: false, trailer_limit: 100 };

    fn head(date: usize) -> Vec<u8> {
        format!("HTTP/1.1 200 OK\r\nDate: {date:05}\r\nContent-Length: 4\r\n\r\n").into_bytes()
    }

    fn parsed(recent: &RecentHeads, bytes: &[u8]) {
        let head = Head::parse(bytes, GET).unwrap().unwrap();
        recent.remember(bytes, GET, head);
    }

    #[test]
    fn only_the_same_head_for_the_same_request_is_found() {
        let recent = RecentHeads::default();
        parsed(&recent, &head(1));
        let mut answer = head(1);
        answer.extend_from_slice(b"data");
        assert!(recent.find(&answer, GET).is_some());
        assert!(recent.find(&head(2), GET).is_none());
        assert!(recent.find(&head(1)[..head(1).len() - 1], GET).is_none());
        assert!(recent.find(&answer, Circumstances { is_head: true, ..GET }).is_none());
        assert!(recent.find(&answer, Circumstances { trailer_limit: 99, ..GET }).is_none());
    }

    #[test]
    fn the_oldest_make_room_and_long_ones_are_not_kept() {
        let recent = RecentHeads::default();
        (0..100).for_each(|date| parsed(&recent, &head(date)));
        let found: Vec<usize> = (0..100).filter(|date| recent.find(&head(*date), GET).is_some()).collect();
        assert_eq!(found, (100 - REMEMBERED..100).collect::<Vec<_>>());
        let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(LONGEST)).into_bytes();
        parsed(&recent, &long);
        assert!(recent.find(&long, GET).is_none());
        assert_eq!(recent.inner.borrow().heads.len(), REMEMBERED);
    }
}
