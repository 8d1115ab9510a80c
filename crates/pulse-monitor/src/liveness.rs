//! Telling processes apart and whether one still lives. A process id alone says neither: it is given again.

use std::fs;
use std::hash::Hasher;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::parent_id;

use crate::process::Process;

/// A process that cannot be taken for a later one with the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Occupant {
    pub(crate) pid: u32,
    /// When it started, in clock ticks since boot.
    pub(crate) started: u64,
    /// The namespace in which the id means something; 0 where that cannot be found out.
    pub(crate) namespace: u64,
}

impl Occupant {
    /// The calling process.
    pub(crate) fn this() -> Self {
        let pid = std::process::id();
        Self::find(pid).unwrap_or(Self { pid, started: 0, namespace: namespace() })
    }

    /// A running process of this namespace.
    pub(crate) fn find(pid: u32) -> Option<Self> {
        Some(Self { pid, started: Process::with_pid(pid)?.start_ticks(), namespace: namespace() })
    }

    /// The parent of the calling process.
    pub(crate) fn parent() -> Option<Self> {
        Self::find(parent_id())
    }

    /// Whether it surely runs. `false` also when it cannot be seen from here.
    pub(crate) fn is_running(&self) -> bool {
        Self::find(self.pid) == Some(*self)
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

fn namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |metadata| metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_and_its_parent_run_and_an_impostor_does_not() {
        let this = Occupant::this();
        assert!(this.is_running() && Occupant::parent().unwrap().is_running() && this.program().is_some());
        assert!(!Occupant { started: this.started + 1, ..this }.is_running());
        assert!(!Occupant { namespace: this.namespace + 1, ..this }.is_running());
    }

    #[test]
    fn fingerprints_tell_parts_apart_and_never_change() {
        assert_eq!(fingerprint([]), 0xCBF2_9CE4_8422_2325);
        assert_ne!(fingerprint(["ab", "c"]), fingerprint(["a", "bc"]));
        assert_eq!(fingerprint(["ab", "c"]), fingerprint(["ab", "c"]));
    }
}
