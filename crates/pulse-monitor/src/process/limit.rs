//! How much memory the processes of this service may use.

use std::fs;

use super::stat::field_after;

/// The machine's memory, or the control group's limit where that is lower, in bytes; `None` where neither is known.
pub fn memory_limit_bytes() -> Option<u64> {
    limit(|path| fs::read_to_string(path).ok())
}

/// Limits of this process's control group and of those above it, in the form of version 2 and of version 1. Within a container
/// the group is often mounted as the root, whatever its path is outside.
fn limit(read: impl Fn(&str) -> Option<String>) -> Option<u64> {
    let machine = read("/proc/meminfo").and_then(|text| field_after(&text, "MemTotal:"));
    let mut limits: Vec<u64> = machine.into_iter().map(|kib| kib.saturating_mul(1024)).collect();
    for line in read("/proc/self/cgroup").unwrap_or_default().lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let above = path.match_indices('/').map(|(end, _)| &path[..end]);
        for group in above.chain([path.trim_end_matches('/')]) {
            // `max` is no number: no limit.
            limits.extend(
                read(&format!("{root}{group}/{file}")).and_then(|text| text.trim().parse::<u64>().ok()),
            );
        }
    }
    limits.into_iter().filter(|limit| *limit > 0).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Path and text.
    type File = (&'static str, &'static str);

    #[test]
    fn the_lowest_limit_counts() {
        let meminfo = ("/proc/meminfo", "MemTotal:       1000 kB\nMemFree: 1 kB\n");
        let machine = Some(1_024_000);
        let two = ("/proc/self/cgroup", "0::/a.slice/b\n");
        let one = ("/proc/self/cgroup", "5:cpu,memory:/docker/x\n3:cpu:/y\n");
        let cases: &[(&[File], Option<u64>)] = &[
            (&[], None),
            (&[meminfo], machine),
            (&[meminfo, two], machine),
            (&[meminfo, two, ("/sys/fs/cgroup/a.slice/b/memory.max", "max\n")], machine),
            (&[meminfo, two, ("/sys/fs/cgroup/a.slice/b/memory.max", "5000\n")], Some(5000)),
            (&[meminfo, two, ("/sys/fs/cgroup/a.slice/memory.max", "7000\n")], Some(7000)),
            (&[meminfo, two, ("/sys/fs/cgroup/memory.max", "9000\n")], Some(9000)),
            (&[meminfo, one, ("/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "6000\n")], Some(6000)),
            (
                &[meminfo, one, ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")],
                machine,
            ),
            (&[("/proc/self/cgroup", "broken\n::\n0::\n")], None),
        ];
        for (files, expected) in cases {
            let read = |path: &str| files.iter().find(|file| file.0 == path).map(|file| file.1.to_owned());
            assert_eq!(limit(read), *expected, "{files:?}");
        }
        assert!(memory_limit_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
