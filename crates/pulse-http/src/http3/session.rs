//! One user's exchanges over HTTP/3.

use super::answer::MeasuredAnswer;
use super::connection::Connection;
use super::conversation::Conversation;
use crate::connect::Scheme;
use crate::exchange::Exchange;
use crate::failure::{Cause, FailureClass};
use crate::limits::Limits;
use crate::parts::RequestParts;
use crate::payload::Rest;
use crate::request::Request;
use crate::response::Keep;
use crate::session::Loan;
use crate::version::HttpVersion;
use crate::view::ResponseView;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Instant;

/// A user's connection, opened when needed and kept while the peer allows.
#[derive(Debug)]
pub(crate) struct Http3Session {
    limits: Limits,
    connection: Option<Box<Connection>>,
    answer: MeasuredAnswer,
}

impl Http3Session {
    /// No connection yet.
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, connection: None, answer: MeasuredAnswer::new(limits) }
    }

    /// Sends the request and reads the whole response. The failure's bytes are found in `loan.run`.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<'_>,
        keep: Keep,
        loan: &mut Loan<'_>,
    ) -> Result<Exchange, Cause> {
        let parsed;
        let parts = if let Some(parts) = request.parts {
            parts
        } else {
            parsed = RequestParts::parse(request.bytes, Scheme::Https)
                .map_err(|error| Cause::new(FailureClass::Other, error.to_string()))?;
            &parsed
        };
        let mut may_resend = true;
        loop {
            self.answer.begin(request.is_head, keep);
            let kept = self.take_idle(loan).await;
            let reused = kept.is_some();
            // While the exchange runs the connection belongs to this future: dropped with it.
            let mut connection = match kept {
                Some(connection) => connection,
                None => self.open(loan).await?,
            };
            loan.counts.reused += u64::from(reused);
            let mut conversation = Conversation::default();
            let result = conversation
                .run(&mut connection, (parts, Rest::of(&request, parts)), &mut self.answer, loan.deadline)
                .await;
            loan.run.count((conversation.written, self.answer.received()));
            let cause = match result {
                Ok(()) => {
                    self.connection = Some(connection);
                    return Ok(self.finish(loan, &conversation));
                }
                Err(cause) => cause,
            };
            let ended = !poll_fn(|cx| Poll::Ready(connection.poll_usable(cx))).await;
            loan.counts.closed_by_peer += u64::from(ended && cause.class != FailureClass::Protocol);
            if !ended {
                // What went wrong concerns this request's stream alone.
                self.connection = Some(connection);
            }
            let unprocessed = cause.class == FailureClass::GoAway;
            let stale = ended
                && request.idempotent
                && matches!(cause.class, FailureClass::Closed | FailureClass::Reset)
                && self.answer.status() == 0;
            if !(reused && may_resend && (unprocessed || stale)) {
                return Err(cause);
            }
            may_resend = false;
            loan.counts.resent += 1;
        }
    }

    /// Head and kept body of the last response; empty where it failed.
    pub(crate) fn view(&self) -> ResponseView<'_> {
        self.answer.view()
    }

    /// Drops the connection.
    pub(crate) fn close(&mut self) {
        self.connection = None;
    }

    /// Whether a connection is kept. The peer may have closed it meanwhile.
    pub(crate) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    async fn take_idle(&mut self, loan: &mut Loan<'_>) -> Option<Box<Connection>> {
        let mut connection = self.connection.take()?;
        let usable = poll_fn(|cx| Poll::Ready(connection.poll_usable(cx))).await;
        loan.counts.closed_by_peer += u64::from(!usable);
        usable.then_some(connection)
    }

    async fn open(&self, loan: &mut Loan<'_>) -> Result<Box<Connection>, Cause> {
        let Some(dialer) = loan.connector.quic() else {
            return Err(Cause::new(FailureClass::Other, "the connector does not speak HTTP/3"));
        };
        let (connection, times) = dialer.dial(loan.connector, self.limits, loan.run.budget()).await?;
        loan.counts.open(HttpVersion::Http3, None);
        loan.run.connected(times);
        Ok(Box::new(connection))
    }

    fn finish(&self, loan: &Loan<'_>, conversation: &Conversation) -> Exchange {
        let finished = Instant::now();
        let run = &loan.run;
        let first_byte = conversation.first_byte.unwrap_or(finished);
        let sent_late = conversation.sent_late.unwrap_or(run.sent).min(first_byte);
        Exchange {
            status: self.answer.status(),
            started: run.started,
            sent: run.sent,
            first_byte,
            finished,
            connect: run.connect,
            blocked: run.blocked,
            send: sent_late.saturating_duration_since(run.sent),
            bytes_sent: run.bytes_sent,
            bytes_received: run.bytes_received,
            body_bytes: self.answer.body_bytes(),
        }
    }
}
