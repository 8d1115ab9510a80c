//! The phases of an answered request: where its service time went.

use std::ops::AddAssign;

use pulse_http::Exchange;
use pulse_model::{Aggregate, Histogram, Nanos, Series, Snapshot, metric, metric_group};

/// Where the service time of one answered request went. Together the phases are the service time, but for the few
/// instructions between two phases of connecting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Waiting for a connection or for a place on one.
    pub blocked: Nanos,
    /// Opening a connection, where this request had to.
    pub connecting: Option<Connecting>,
    /// Writing the request; zero where the first write took all of it.
    pub send: Nanos,
    /// From there to the first byte of the answer.
    pub wait: Nanos,
    /// From there to the last byte of the answer; zero where one read brought everything.
    pub receive: Nanos,
}

/// What opening a connection took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connecting {
    /// Name resolution; zero for addresses and known names.
    pub dns: Nanos,
    /// TCP.
    pub tcp: Nanos,
    /// The TLS handshake; zero without TLS.
    pub tls: Nanos,
}

impl From<&Exchange> for Phases {
    fn from(exchange: &Exchange) -> Self {
        let connecting = exchange.connect.map(|times| Connecting {
            dns: times.resolve.into(),
            tcp: times.tcp.into(),
            tls: times.tls.into(),
        });
        Self {
            blocked: exchange.blocked.into(),
            connecting,
            send: exchange.send.into(),
            wait: exchange.waiting_time().into(),
            receive: exchange.receiving_time().into(),
        }
    }
}

/// The phases of two requests of which the second followed the first.
impl AddAssign for Phases {
    fn add_assign(&mut self, next: Self) {
        self.blocked += next.blocked;
        self.send += next.send;
        self.wait += next.wait;
        self.receive += next.receive;
        self.connecting = match (self.connecting, next.connecting) {
            (Some(a), Some(b)) => {
                Some(Connecting { dns: a.dns + b.dns, tcp: a.tcp + b.tcp, tls: a.tls + b.tls })
            }
            (a, b) => a.or(b),
        };
    }
}

/// The phases of an endpoint's requests.
///
/// The usual request waits, and that is all: it costs one record of a histogram. The phases that are zero for it are
/// filled up with zeros when the interval is sealed.
#[derive(Debug, Default)]
pub(crate) struct PhaseSheet {
    answered: u64,
    connected: u64,
    /// In the order of [`metric_group::PHASES`].
    trends: [Histogram; metric_group::PHASES.len()],
}

impl PhaseSheet {
    pub(crate) fn record(&mut self, phases: &Phases) {
        let [blocked, dns, tcp, tls, send, wait, receive] = &mut self.trends;
        self.answered += 1;
        wait.record(phases.wait.0);
        if let Some(connecting) = phases.connecting {
            self.connected += 1;
            record_positive(dns, connecting.dns);
            record_positive(tcp, connecting.tcp);
            record_positive(tls, connecting.tls);
        }
        record_positive(receive, phases.receive);
        record_positive(send, phases.send);
        record_positive(blocked, phases.blocked);
    }

    pub(crate) fn seal(&mut self, snapshot: &mut Snapshot, series: impl Fn(&str) -> Series) {
        let (answered, connected) = (std::mem::take(&mut self.answered), std::mem::take(&mut self.connected));
        for (name, trend) in metric_group::PHASES.into_iter().zip(&mut self.trends) {
            let connects = [metric::DNS_TIME, metric::TCP_TIME, metric::TLS_TIME].contains(&name);
            let count = if connects { connected } else { answered };
            if count > 0 {
                trend.record_n(0, count - trend.count());
                snapshot.add(series(name), Aggregate::Trend(trend.clone()));
                trend.clear();
            }
        }
    }
}

fn record_positive(trend: &mut Histogram, time: Nanos) {
    if time > Nanos::ZERO {
        trend.record(time.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_counts_each_request_that_it_is_of() {
        let mut sheet = PhaseSheet::default();
        let plain = Phases { wait: Nanos(5), ..Phases::default() };
        let connecting = Some(Connecting { tcp: Nanos(3), ..Connecting::default() });
        for phases in [plain, plain, Phases { connecting, receive: Nanos(7), ..plain }] {
            sheet.record(&phases);
        }
        let mut snapshot = Snapshot::default();
        sheet.seal(&mut snapshot, Series::new);
        let figures = metric_group::PHASES.map(|name| {
            let trend = snapshot.trend(&Series::new(name));
            (trend.count(), trend.zeros(), trend.sum())
        });
        assert_eq!(figures, [(3, 3, 0), (1, 1, 0), (1, 0, 3), (1, 1, 0), (3, 3, 0), (3, 0, 15), (3, 2, 7)]);

        let mut next = Snapshot::default();
        sheet.seal(&mut next, Series::new);
        assert!(next.series.is_empty());
    }
}
