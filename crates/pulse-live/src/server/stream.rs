//! What viewers of the page get: once a second what has come since, encoded once for all of them.
//!
//! Nothing is computed while nobody looks. A viewer that does not keep up has no queue: what it gets next is everything
//! since it last got something. One that comes back says up to when it knows (`Last-Event-ID`) and gets the rest.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use futures_util::stream::{Stream, unfold};
use pulse_model::Nanos;
use pulse_report::Page;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::Feed;

/// Time between two messages.
const PERIOD: Duration = Duration::from_secs(1);
/// Time after which a connection without messages gets a comment, so that nobody in between takes it for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const COMMENT: Bytes = Bytes::from_static(b": still here\n\n");
/// Encoding may take this part of the time at most: the load's machine is not to be kept busy with looking at it.
const SHARE: u32 = 20;

/// What all viewers get.
#[derive(Clone, Debug)]
pub(super) struct Message {
    since: Nanos,
    until: Nanos,
    is_suite: bool,
    event: Bytes,
}

/// Makes streams for viewers.
#[derive(Clone)]
pub(super) struct Viewers {
    feed: Feed,
    count: Arc<AtomicUsize>,
    newest: watch::Receiver<Arc<Message>>,
}

/// A viewer that is counted.
struct Viewer {
    feed: Feed,
    count: Arc<AtomicUsize>,
    newest: watch::Receiver<Arc<Message>>,
    /// Up to when it knows; `None` before it got anything.
    until: Option<Nanos>,
    begun: bool,
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Viewers, and what tells them.
pub(super) fn viewers(feed: Feed) -> (Viewers, Teller) {
    let nothing = Message { since: Nanos::ZERO, until: Nanos::ZERO, is_suite: false, event: COMMENT };
    let (sender, newest) = watch::channel(Arc::new(nothing));
    let count = Arc::new(AtomicUsize::new(0));
    let teller = Teller { feed: feed.clone(), count: Arc::clone(&count), sender };
    (Viewers { feed, count, newest }, teller)
}

/// Tells viewers what is new.
pub(super) struct Teller {
    feed: Feed,
    count: Arc<AtomicUsize>,
    sender: watch::Sender<Arc<Message>>,
}

impl Teller {
    /// Tells until `stopped`, then once more, so that the end is seen, and ends all streams.
    pub(super) async fn tell(self, mut stopped: oneshot::Receiver<()>) {
        let mut pause = PERIOD;
        let mut until = Nanos::ZERO;
        loop {
            let stops = timeout(pause, &mut stopped).await.is_ok();
            if self.count.load(Ordering::Relaxed) > 0 {
                let begin = tokio::time::Instant::now();
                // The server ends with the job.
                let mut message = Message::of(&self.feed, Some(until), !stops);
                if stops && message.is_suite {
                    // What ended long ago may have been compared with a baseline since.
                    message = Message::of(&self.feed, None, false);
                }
                pause = PERIOD.max(begin.elapsed() * SHARE);
                // A case under way is told anew each time, up to whatever moment.
                let is_news = message.until != until || message.is_suite;
                until = message.until;
                if is_news || stops {
                    self.sender.send_replace(Arc::new(message));
                }
            }
            if stops {
                return;
            }
        }
    }
}

impl Message {
    fn of(feed: &Feed, since: Option<Nanos>, running: bool) -> Self {
        let summary = (feed.summary)(Page::cases_known(since));
        let page = Page { summary: &summary, running, since };
        let until = page.until();
        // A page that cannot be written has no words for it either; the next one may.
        let event = page.to_json().map_or(COMMENT, |json| {
            Bytes::from(format!("id: {}\nevent: page\ndata: {json}\n\n", until.0 / 1_000_000))
        });
        Self { since: since.unwrap_or(Nanos::ZERO), until, is_suite: page.is_suite(), event }
    }
}

impl Viewers {
    /// The stream of a viewer that knows everything up to a moment, or nothing.
    pub(super) fn stream(
        &self,
        until: Option<Nanos>,
    ) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
        self.count.fetch_add(1, Ordering::Relaxed);
        let viewer = Viewer {
            feed: self.feed.clone(),
            count: Arc::clone(&self.count),
            newest: self.newest.clone(),
            until,
            begun: false,
        };
        unfold(viewer, |mut viewer| async move {
            let event = viewer.next().await?;
            Some((Ok(event), viewer))
        })
    }
}

impl Viewer {
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.begun, true) {
            return Some(self.everything_since());
        }
        match timeout(KEEP_ALIVE, self.newest.changed()).await {
            Err(_) => Some(COMMENT),
            // The server is about to end, and everything was told.
            Ok(Err(_)) => None,
            Ok(Ok(())) => {
                let newest = Arc::clone(&self.newest.borrow_and_update());
                if self.until.is_some_and(|until| until < newest.since) {
                    // It missed something.
                    return Some(self.everything_since());
                }
                self.until = Some(newest.until);
                Some(newest.event.clone())
            }
        }
    }

    fn everything_since(&mut self) -> Bytes {
        let message = Message::of(&self.feed, self.until, true);
        self.until = Some(message.until);
        message.event
    }
}
