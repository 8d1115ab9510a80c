//! What a client holds where it speaks another version of HTTP than 1.1.

use crate::client::Run;
use crate::connect::Connector;
use crate::connection::Connection;
use crate::counts::ConnectionCounts;
use crate::exchange::Exchange;
use crate::failure::Cause;
use crate::http2::Http2Session;
#[cfg(feature = "http3")]
use crate::http3::Http3Session;
use crate::limits::Limits;
use crate::request::Request;
use crate::response::Keep;
use crate::timeout::Deadline;
use crate::view::ResponseView;

/// One user's connection over HTTP/2 or HTTP/3.
#[derive(Debug)]
pub(crate) enum Session {
    Http2(Http2Session),
    #[cfg(feature = "http3")]
    Http3(Http3Session),
}

/// What became of an exchange.
pub(crate) enum Outcome {
    Answered(Exchange),
    /// The peer chose HTTP/1.1; nothing was sent yet.
    Http11(Connection),
}

/// What the client lends to an exchange.
pub(crate) struct Loan<'a> {
    pub(crate) connector: &'a Connector,
    pub(crate) deadline: &'a Deadline,
    pub(crate) counts: &'a mut ConnectionCounts,
    pub(crate) run: &'a mut Run,
}

impl Session {
    /// `None`: HTTP/1.1.
    pub(crate) fn new(connector: &Connector, limits: Limits) -> Option<Self> {
        #[cfg(feature = "http3")]
        if connector.quic().is_some() {
            return Some(Self::Http3(Http3Session::new(limits)));
        }
        connector.tries_http2().then(|| Self::Http2(Http2Session::new(connector, limits)))
    }

    /// Sends the request and reads the whole response. The failure's bytes are found in `loan.run`.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<'_>,
        keep: Keep,
        loan: &mut Loan<'_>,
    ) -> Result<Outcome, Cause> {
        match self {
            Self::Http2(session) => session.exchange(request, keep, loan).await,
            // The library's futures are large: boxed, they do not swell every user's task.
            #[cfg(feature = "http3")]
            Self::Http3(session) => {
                Box::pin(session.exchange(request, keep, loan)).await.map(Outcome::Answered)
            }
        }
    }

    /// Head and kept body of the last response; empty where it failed.
    pub(crate) fn view(&self) -> ResponseView<'_> {
        match self {
            Self::Http2(session) => session.view(),
            #[cfg(feature = "http3")]
            Self::Http3(session) => session.view(),
        }
    }

    /// Drops the connection.
    pub(crate) fn close(&mut self) {
        match self {
            Self::Http2(session) => session.close(),
            #[cfg(feature = "http3")]
            Self::Http3(session) => session.close(),
        }
    }

    /// Whether a connection is kept. The peer may have closed it meanwhile.
    pub(crate) fn is_connected(&self) -> bool {
        match self {
            Self::Http2(session) => session.is_connected(),
            #[cfg(feature = "http3")]
            Self::Http3(session) => session.is_connected(),
        }
    }
}
