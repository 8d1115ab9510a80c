//! Telling processes apart and whether one still lives. A process id alone says neither: it is given again.

use std::fs;
use std::hash::Hasher;
use std::os::unix::fs::MetadataExt;

/// A process that cannot be taken for a later one with the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// When it started, in clock ticks since boot.
    pub(crate) started: u64,
    /// The namespace in which the id means something; 0 where that cannot be found out.
    pub(crate) namespace: u64,
}

impl Process {
    /// The calling process.
    pub(crate) fn this() -> Self {
        let pid = std::process::id();
        Self { pid, started: stat(pid).map_or(0, |stat| stat.started), namespace: namespace() }
    }

    /// A living process of this namespace.
    pub(crate) fn find(pid: u32) -> Option<Self> {
        Some(Self { pid, started: stat(pid)?.started, namespace: namespace() })
    }

    /// Whether it surely lives. `false` also when it cannot be seen from here.
    pub(crate) fn is_alive(&self) -> bool {
        self.namespace == namespace()
            && stat(self.pid)
                .is_some_and(|stat| stat.started == self.started && !matches!(stat.state, 'Z' | 'X'))
    }

    /// The program that it runs, as far as that can be seen.
    pub(crate) fn program(&self) -> Option<String> {
        let path = fs::read_link(format!("/proc/{}/exe", self.pid)).ok()?;
        let name = path.to_string_lossy();
        // A program that was replaced while it runs, as in a deployment, is still the same one.
        Some(name.strip_suffix(" (deleted)").unwrap_or(&name).to_owned())
    }
}

/// A number for a text, the same in every process.
pub(crate) fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a str>) -> u64 {
    // FNV-1a: it must not depend on a seed, a version or a machine, and nobody gains from a collision.
    struct Fnv(u64);
    impl Hasher for Fnv {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
            }
        }
    }
    let mut hasher = Fnv(0xCBF2_9CE4_8422_2325);
    for part in parts {
        hasher.write(part.as_bytes());
        hasher.write_u8(0xFF);
    }
    hasher.finish()
}

/// Which start of the machine this is.
pub(crate) fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// The parent of the calling process.
pub(crate) fn parent() -> Option<Process> {
    Process::find(stat(std::process::id())?.parent)
}

fn namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |metadata| metadata.ino())
}

/// What is used of `/proc/PID/stat`.
struct Stat {
    state: char,
    parent: u32,
    started: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The second field is the program's name in parentheses, and may itself contain parentheses and blanks.
fn parse_stat(text: &str) -> Option<Stat> {
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    Some(Stat { state, parent, started: fields.nth(17)?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_kernel_is_understood_whatever_the_program_is_called() {
        let rest = "S 7 1 1 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 98765 1 2";
        for name in ["(a)", "(a b)", "(a) S 1 (b))"] {
            let stat = parse_stat(&format!("42 {name} {rest}")).unwrap();
            assert_eq!((stat.state, stat.parent, stat.started), ('S', 7, 98_765), "{name}");
        }
        for broken in ["", "42", "42 (a)", "42 (a) S", "42 (a) S 7 1"] {
            assert!(parse_stat(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn this_process_and_its_parent_live_and_an_impostor_does_not() {
        let this = Process::this();
        assert!(this.is_alive() && parent().unwrap().is_alive() && this.program().is_some());
        assert!(!Process { started: this.started + 1, ..this }.is_alive());
        assert!(!Process { namespace: this.namespace + 1, ..this }.is_alive());
    }
}
