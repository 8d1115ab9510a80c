//! What the kernel writes under `/proc`, as numbers. Texts in, numbers out: nothing is read here, and a text that is not as
//! expected gives nothing.

use pulse_model::Nanos;

/// What the cores of this machine did, summed over all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CoreTimes {
    /// Busy with anything, of whatever process.
    pub(crate) busy: Nanos,
    /// Given to others by the hypervisor.
    pub(crate) steal: Nanos,
    /// All of it.
    pub(crate) total: Nanos,
}

/// What the TCP stack of a network namespace counted, over all of its programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TcpCounts {
    /// Segments sent.
    pub(crate) sent: u64,
    /// Segments sent again.
    pub(crate) retransmitted: u64,
    /// Connections that a listener dropped, those that found its queue full included.
    pub(crate) listen_drops: u64,
}

/// `/proc/stat`; its first line is `cpu user nice system idle iowait irq softirq steal guest guest_nice`.
pub(crate) fn core_times(text: &str) -> Option<CoreTimes> {
    let fields: Vec<u64> = text
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    // The kernel counts in USER_HZ, which is 100 per second on every Linux that Rust runs on.
    let ticks = |n: u64| Nanos::from_millis(10).times(n);
    let steal = *fields.get(7)?;
    // Guest time is contained in user time already.
    let total = fields.iter().take(8).fold(0, |sum: u64, field| sum.saturating_add(*field));
    let idle = fields[3].saturating_add(fields[4]);
    Some(CoreTimes { busy: ticks(total.saturating_sub(idle)), steal: ticks(steal), total: ticks(total) })
}

/// A thread's `schedstat`: time on a core, time ready and waiting for one, and turns. The second.
pub(crate) fn time_waiting(text: &str) -> Option<Nanos> {
    text.split_whitespace().nth(1)?.parse().ok().map(Nanos)
}

/// `/proc/net/snmp` and `/proc/net/netstat`.
pub(crate) fn tcp_counts(snmp: &str, netstat: &str) -> Option<TcpCounts> {
    Some(TcpCounts {
        sent: named(snmp, "Tcp:", "OutSegs")?,
        retransmitted: named(snmp, "Tcp:", "RetransSegs")?,
        // Drops count overflows, too.
        listen_drops: named(netstat, "TcpExt:", "ListenDrops")?,
    })
}

/// A value of a table whose lines come in pairs: names, then values, both after the same prefix.
fn named(text: &str, prefix: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(prefix));
    let (names, values) = (lines.next()?, lines.next()?);
    let place = names.split_whitespace().position(|known| known == name)?;
    values.split_whitespace().nth(place)?.parse().ok()
}

/// `/proc/net/sockstat`: TCP sockets in use and those in TIME-WAIT, which hold their port.
pub(crate) fn tcp_sockets(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let fields: Vec<&str> = line.split_whitespace().collect();
    let of = |name: &str| {
        let place = fields.iter().position(|field| *field == name)?;
        fields.get(place + 1)?.parse::<u64>().ok()
    };
    Some(of("inuse")?.saturating_add(of("tw")?))
}

/// `/proc/sys/net/ipv4/ip_local_port_range`: how many ports lie in it.
pub(crate) fn local_ports(text: &str) -> Option<u64> {
    let mut fields = text.split_whitespace().map(str::parse::<u64>);
    let (first, last) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some(last.checked_sub(first)?.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SNMP: &str = "Ip: Forwarding DefaultTTL\nIp: 2 64\n\
        Tcp: RtoAlgorithm ActiveOpens InSegs OutSegs RetransSegs InErrs\nTcp: 1 532637 88379570 88346111 1266 0\n\
        Udp: InDatagrams\nUdp: 5\n";
    const NETSTAT: &str = "TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPHPHits\nTcpExt: 0 758 760 66181689\n\
        IpExt: InNoRoutes\nIpExt: 0\n";

    #[test]
    fn fields_of_the_first_line() {
        let ticks = |n: u64| Nanos::from_millis(10).times(n);
        let times = CoreTimes { busy: ticks(81), steal: ticks(8), total: ticks(126) };
        for (text, expected) in [
            ("cpu  10 20 30 40 5 6 7 8 100 100\ncpu0 1 2", Some(times)),
            ("cpu  10 20 30", None),
            ("intr 1", None),
            ("", None),
        ] {
            assert_eq!(core_times(text), expected, "{text}");
        }
    }

    #[test]
    fn counters_are_found_by_name() {
        let counts = TcpCounts { sent: 88_346_111, retransmitted: 1266, listen_drops: 760 };
        let without = |text: &str, name: &str| text.replace(name, "Another");
        let short = SNMP.replace("88346111 1266 0", "88346111");
        for (name, snmp, netstat, expected) in [
            ("both", SNMP, NETSTAT, Some(counts)),
            ("no such name", &without(SNMP, "RetransSegs"), NETSTAT, None),
            ("fewer values than names", &short, NETSTAT, None),
            ("names alone", SNMP, "TcpExt: ListenDrops\n", None),
            ("no number", SNMP, &NETSTAT.replace("760", "many"), None),
            ("nothing", "", "", None),
        ] {
            assert_eq!(tcp_counts(snmp, netstat), expected, "{name}");
        }
    }

    #[test]
    fn threads_sockets_and_ports() {
        for (text, expected) in
            [("1874000123 5500 9\n", Some(Nanos(5500))), ("7", None), ("", None), ("1 x 2", None)]
        {
            assert_eq!(time_waiting(text), expected, "{text}");
        }
        let sockets = "sockets: used 27\nTCP: inuse 4 orphan 0 tw 30 alloc 4 mem 247\nUDP: inuse 9 mem 0\n";
        for (text, expected) in [
            (sockets, Some(34)),
            ("TCP: inuse 4", None),
            ("TCP: inuse tw 5", None),
            ("UDP: inuse 9", None),
            ("", None),
        ] {
            assert_eq!(tcp_sockets(text), expected, "{text}");
        }
        for (text, expected) in
            [("32768\t60999\n", Some(28_232)), ("5 5", Some(1)), ("9 5", None), ("5", None), ("", None)]
        {
            assert_eq!(local_ports(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(cpu |Tcp: |TcpExt: |TCP: )?(inuse |OutSegs |tw )?[0-9 \n]{0,60}(.|\n){0,20}") {
            let _ = (core_times(&text), time_waiting(&text), tcp_counts(&text, &text));
            let _ = (tcp_sockets(&text), local_ports(&text));
        }
    }
}
