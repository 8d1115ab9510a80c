//! Signs of a machine that had no room for the load, or whose network lost part of it.

use pulse_model::{Nanos, Series, Summary, ValidityReason, ValidityState, metric, tag};

use super::{graded, highest, reason};

/// Share of all cores' time in which the machine was busy; there is no room left for keeping a schedule.
const HOST_CPU: f64 = 0.95;
/// Share of all cores' time that the hypervisor gave to others.
const STEAL: [f64; 2] = [0.05, 0.20];
/// The kernel counts steal in steps of this. One step may be what had added up before, with hardly any of it in a run of a few
/// milliseconds.
const STEAL_STEP: Nanos = Nanos::from_millis(10);
/// Share of requests that failed because this machine ran out of something.
const EXHAUSTION: f64 = 0.01;
/// Share of the TCP segments sent that had to be sent again, …
const RETRANSMITS: f64 = 0.01;
/// … and how many at least: few are lost everywhere.
const FEW_RETRANSMITS: u64 = 20;
/// A SYN that finds no room is sent again after a second (RFC 6298): who connects more quickly was not dropped.
const SYN_AGAIN: Nanos = Nanos::from_secs(1);

/// The service on the same machine, or other programs, took all there was.
pub(super) fn cpu(summary: &Summary) -> Option<ValidityReason> {
    let wall = summary.counter(metric::HOST_WALL);
    let share = summary.counter(metric::HOST_BUSY) as f64 / wall.max(1) as f64;
    if wall == 0 || share < HOST_CPU {
        return None;
    }
    let own = summary.counter(metric::HOST_OWN) as f64 / wall as f64;
    let message = format!(
        "all cores of this machine were busy {:.0}% of the time, {:.0}% with the generator and {:.0}% with other programs: \
         the service, if it runs here, and the generator took the CPU from each other; use a machine of its own, or a lower \
         rate",
        share * 100.0,
        own * 100.0,
        (share - own).max(0.0) * 100.0
    );
    Some(reason(ValidityState::Suspect, "host_cpu", message))
}

/// A virtual machine that had to wait for its host.
pub(super) fn steal(summary: &Summary) -> Option<ValidityReason> {
    let steal = summary.counter(metric::HOST_STEAL);
    let share = steal as f64 / summary.counter(metric::HOST_WALL).max(1) as f64;
    let state = graded(share, STEAL).filter(|_| steal > STEAL_STEP.0)?;
    let message = format!(
        "the hypervisor gave {:.1}% of this machine's CPU time to others: response times include waiting that is not \
         the service's",
        share * 100.0
    );
    Some(reason(state, "cpu_steal", message))
}

/// A laptop that was closed.
pub(super) fn suspended(summary: &Summary) -> Option<ValidityReason> {
    let time = summary.counter(metric::HOST_SUSPENDED);
    let message = format!(
        "this machine was suspended for {:.0}s during the run, which no clock of the figures shows: connections may have \
         ended meanwhile; run again on a machine that stays awake",
        time as f64 / 1e9
    );
    (time > 0).then(|| reason(ValidityState::Suspect, "suspended", message))
}

/// Failures that are this machine's, not the service's.
pub(super) fn exhaustion(summary: &Summary) -> Option<ValidityReason> {
    let count = |class| summary.totals.counter(&Series::new(metric::FAILURES).with(tag::CLASS, class));
    let (descriptors, ports) = (count("descriptors"), count("ports"));
    let total = descriptors + ports;
    if total == 0 {
        return None;
    }
    let share = total as f64 / summary.requests().max(1) as f64;
    let state = if share > EXHAUSTION { ValidityState::Invalid } else { ValidityState::Suspect };
    let levels = if descriptors >= ports {
        [metric::HOST_DESCRIPTORS, metric::HOST_DESCRIPTOR_LIMIT]
    } else {
        [metric::HOST_SOCKETS, metric::HOST_PORTS]
    };
    let [used, most] = levels.map(|name| highest(summary, name).map_or("?".to_owned(), |n| n.to_string()));
    let what = if descriptors >= ports {
        format!("file descriptors ({used} of {most} were seen open); raise the limit (`ulimit -n`)")
    } else {
        format!(
            "local ports ({used} TCP sockets were seen, for {most} ports); widen net.ipv4.ip_local_port_range, keep \
             connections open"
        )
    };
    let message =
        format!("{total} requests failed because this machine ran out of {what}, or use fewer connections");
    Some(reason(state, "exhaustion", message))
}

/// A network that loses segments; whose they were is not known.
pub(super) fn retransmits(summary: &Summary) -> Option<ValidityReason> {
    let (sent, again) = (summary.counter(metric::HOST_SEGMENTS), summary.counter(metric::HOST_RETRANSMITS));
    let share = again as f64 / sent.max(1) as f64;
    let message = format!(
        "{again} of {sent} TCP segments that this machine sent ({:.1}%, of all its programs) had to be sent again: response \
         times include the network's losses; look at the path to the service, or measure from nearer to it",
        share * 100.0
    );
    let matters = share >= RETRANSMITS && again >= FEW_RETRANSMITS;
    matters.then(|| reason(ValidityState::Suspect, "retransmits", message))
}

/// A listener on this machine with a full queue. Others have listeners, too: only with connections of this run that were
/// slow or did not come about.
pub(super) fn listen_drops(summary: &Summary) -> Option<ValidityReason> {
    let drops = summary.counter(metric::HOST_LISTEN_DROPS);
    let slowest = summary.totals.trend(&Series::new(metric::CONNECT_TIME)).max().unwrap_or(0);
    let failed = summary.totals.counter(&Series::new(metric::FAILURES).with(tag::CLASS, "connect_timeout"));
    if drops == 0 || (failed == 0 && slowest < SYN_AGAIN.0) {
        return None;
    }
    let message = format!(
        "{drops} connections were dropped by listeners on this machine (of all its programs), while {failed} connections of \
         this run failed and the slowest took {:.2}s: the service accepts too slowly, or its queue (backlog, \
         net.core.somaxconn) is too short",
        slowest as f64 / 1e9
    );
    Some(reason(ValidityState::Suspect, "listen_drops", message))
}
