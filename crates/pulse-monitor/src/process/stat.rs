//! The files of `/proc` about a process, as text.

use std::fs;
use std::sync::LazyLock;

use nix::unistd::{SysconfVar, sysconf};
use pulse_model::Nanos;

/// Length of a clock tick, in which the kernel gives CPU time.
static TICK_NANOS: LazyLock<u64> = LazyLock::new(|| 1_000_000_000 / setting(SysconfVar::CLK_TCK, 100));
static PAGE_BYTES: LazyLock<u64> = LazyLock::new(|| setting(SysconfVar::PAGE_SIZE, 4096));

fn setting(name: SysconfVar, usual: u64) -> u64 {
    let known = sysconf(name).ok().flatten().and_then(|value| u64::try_from(value).ok());
    known.filter(|value| *value > 0).unwrap_or(usual)
}

pub(super) fn page_bytes() -> u64 {
    *PAGE_BYTES
}

/// What is needed of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) state: char,
    pub(super) parent: u32,
    pub(super) start_ticks: u64,
    pub(super) cpu: Nanos,
    pub(super) threads: u64,
}

impl Stat {
    pub(super) fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Fields after the name, which stands in parentheses and may hold anything: state (3), parent (4), utime (14),
    /// stime (15), cutime (16), cstime (17), threads (20), start time (22).
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |field: usize| -> Option<u64> { fields.get(field - 3)?.parse().ok() };
        let ticks = (14..=17).map(number).try_fold(0_u64, |sum, ticks| sum.checked_add(ticks?))?;
        Some(Self {
            state: fields.first()?.chars().next()?,
            parent: u32::try_from(number(4)?).ok()?,
            start_ticks: number(22)?,
            cpu: Nanos(ticks.saturating_mul(*TICK_NANOS)),
            threads: number(20)?,
        })
    }

    /// Not a zombie: one of those has ended, and only its parent has not asked for the result yet.
    pub(super) fn is_running(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

/// Resident pages: the second field of `statm`.
pub(super) fn resident_pages(pid: u32) -> Option<u64> {
    fs::read_to_string(format!("/proc/{pid}/statm")).ok()?.split_whitespace().nth(1)?.parse().ok()
}

/// The number after a name at the start of a line, as in `VmRSS:   1234 kB`.
pub(super) fn field_after(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_whitespace().next()?.parse().ok()
}

/// Counts `0-3,8`.
pub(super) fn count_cores(list: &str) -> Option<u32> {
    let mut count = 0_u32;
    for range in list.trim().split(',') {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let (from, to): (u32, u32) = (from.parse().ok()?, to.parse().ok()?);
        count = count.checked_add(to.checked_sub(from)?.checked_add(1)?)?;
    }
    (count > 0).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_of_proc() {
        let stat = "17 (a ) b) S 4 17 17 0 -1 0 0 0 0 0 100 50 7 3 20 0 6 0 9000 1 2";
        let parsed = Stat::parse(stat).unwrap();
        assert_eq!((parsed.state, parsed.parent, parsed.start_ticks, parsed.threads), ('S', 4, 9000, 6));
        assert_eq!(parsed.cpu, Nanos(160 * *TICK_NANOS));
        assert_eq!(Stat::parse("17 (x) S"), None);
        for (list, cores) in
            [("0-3", Some(4)), (" 0-1,8\n", Some(3)), ("5", Some(1)), ("", None), ("3-1", None)]
        {
            assert_eq!(count_cores(list), cores, "{list:?}");
        }
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t9\n";
        assert_eq!(field_after(status, "voluntary_ctxt_switches:"), Some(7));
        assert_eq!(field_after(status, "nonvoluntary_ctxt_switches:"), Some(9));
        assert_eq!(field_after("Pss:   12 kB", "Pss:"), Some(12));
        assert_eq!(field_after("Pss:", "Pss:"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_harmless(text in "(\\PC|[ \n\t)0-9]){0,200}") {
            let _ = (Stat::parse(&text), count_cores(&text), field_after(&text, "a"));
        }
    }
}
